"""Rules of the domain that were broken.

DomainError
├── InvalidValue              a value breaks its own rule
│   └── TooLarge              a value is larger than this service takes
└── TransitionRefused         the state forbids the transition
    ├── JobTransitionRefused
    └── ProjectTransitionRefused
"""


class DomainError(Exception):
    """A rule of the domain was broken."""


class InvalidValue(DomainError):
    """A value breaks its own rule.

    Attributes:
        field: The name of the value, as callers know it.
        detail: The rule, as a sentence.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


class TooLarge(InvalidValue):
    """A value is larger than this service takes."""


class TransitionRefused(DomainError):
    """The state forbids the transition."""


class JobTransitionRefused(TransitionRefused):
    """The job's state forbids the transition."""


class ProjectTransitionRefused(TransitionRefused):
    """The project's state forbids the transition."""
