"""The sentence about how long things are kept, for the pages of a project and of a tenant."""

from application.views import RetentionView
from domain.catalogue.text import Text, text


def retention_sentence(view: RetentionView) -> Text:
    """Return the policy in force as a sentence."""
    policy = view.in_force
    return text(
        "common.retention",
        jobs=_kept(policy.jobs_days),
        logs=_kept(policy.logs_days),
        pending=_kept(policy.pending_days),
    )


def _kept(days: float | str | None) -> Text:
    if isinstance(days, int | float):
        return text("common.kept_days", count=int(days) if days == int(days) else days)
    return text("common.kept_for_good")
