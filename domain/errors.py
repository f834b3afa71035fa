"""Errors for broken rules of the domain.

DomainError
├── InvalidValue              a value breaks its own rule
│   └── TooLarge              a value is larger than this service accepts
├── MembershipRefused         a user's identity gives it no rights here
├── ScopeMissing              the caller lacks a scope
└── TransitionRefused         the state forbids the transition
    ├── JobTransitionRefused
    ├── KeyTransitionRefused
    ├── ProjectTransitionRefused
    ├── TenantTransitionRefused
    └── WebhookTransitionRefused
"""

from domain.catalogue.text import Text, text


class DomainError(Exception):
    """A rule of the domain was broken."""


class InvalidValue(DomainError):
    """A value breaks its own rule.

    Attributes:
        field: The name of the value, as callers know it.
        detail: The rule, as a sentence.
    """

    def __init__(self, field: str, detail: Text | str) -> None:
        super().__init__(text("problems.of_field", field=field, detail=detail))
        self.field = field
        self.detail = detail


class TooLarge(InvalidValue):
    """A value is larger than this service accepts."""


class ScopeMissing(DomainError):
    """The caller lacks a scope.

    Attributes:
        scope: The name of the scope.
    """

    def __init__(self, scope: str, reason: str = "") -> None:
        super().__init__(
            text("problems.scope_missing_because", scope=scope, reason=reason)
            if reason
            else text("problems.scope_missing", scope=scope)
        )
        self.scope = scope


class MembershipRefused(DomainError):
    """A user's identity gives it no rights here; the message names the claim at fault."""


class TransitionRefused(DomainError):
    """The state forbids the transition."""


class JobTransitionRefused(TransitionRefused):
    """The job's state forbids the transition."""


class ProjectTransitionRefused(TransitionRefused):
    """The project's state forbids the transition."""


class TenantTransitionRefused(TransitionRefused):
    """The tenant's state forbids the transition."""


class KeyTransitionRefused(TransitionRefused):
    """The key's state forbids the transition."""


class WebhookTransitionRefused(TransitionRefused):
    """The webhook's state forbids the transition."""
