class Failing:
    """Replaces any part of the service; every call raises an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str):
        def fail(*_args: object, **_kwargs: object) -> None:
            raise self._error

        return fail
