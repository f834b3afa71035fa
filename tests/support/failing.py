class Failing:
    """Stands for any part of the service that raises an error, whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str):
        def fail(*_args: object, **_kwargs: object) -> None:
            raise self._error

        return fail
