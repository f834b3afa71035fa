"""Schemas of retention policies."""

from typing import Annotated, Literal, Self

from msgspec import Meta, Struct
from msgspec.structs import asdict

from application.views import RetentionView
from domain.retention import FOREVER, MAX_DAYS, MIN_DAYS, Retention

_Days = float | Literal["forever"] | None
_RULE = f"A number of days from {MIN_DAYS} to {MAX_DAYS}, or `{FOREVER}`."


class RetentionPolicy(Struct, kw_only=True):
    """How long jobs and logs are kept."""

    jobs_days: Annotated[
        _Days,
        Meta(description=f"Jobs that have ended, with all that they have. {_RULE}", examples=[365, FOREVER]),
    ] = None
    logs_days: Annotated[
        _Days, Meta(description=f"Logs alone; results stay. {_RULE}", examples=[30, FOREVER])
    ] = None
    pending_days: Annotated[
        _Days, Meta(description=f"Jobs that were never executed. {_RULE}", examples=[7, FOREVER])
    ] = None

    @classmethod
    def of(cls, policy: Retention) -> Self:
        """Present a policy."""
        return cls(**policy.figures())  # type: ignore[arg-type]


class RetentionRequest(RetentionPolicy, kw_only=True, forbid_unknown_fields=True):
    """A policy to set. For a missing or null figure, the more general policy applies."""

    def retention(self) -> Retention:
        """Return the policy.

        Raises:
            InvalidValue: A figure violates its rule.
        """
        return Retention.of(asdict(self))


class RetentionResponse(Struct, kw_only=True):
    """The policy of a tenant or a project, and the policy in force.

    The policy in force takes missing figures from the tenant and the service; null means forever.
    """

    policy: RetentionPolicy
    in_force: RetentionPolicy

    @classmethod
    def of(cls, view: RetentionView) -> Self:
        """Present a policy and the policy in force."""
        return cls(policy=RetentionPolicy.of(view.own), in_force=RetentionPolicy.of(view.in_force))
