"""The sentence about retention, for the pages of a project and of a tenant."""

from application.views import RetentionView
from domain.catalogue.text import Text, text


def retention_sentence(view: RetentionView) -> Text:
    """Return the policy in force as a sentence."""
    policy = view.in_force
    jobs, logs, pending = map(_kept, (policy.jobs_days, policy.logs_days, policy.pending_days))
    if jobs == logs == pending:
        return text("common.retention_of_all", days=jobs)
    return text("common.retention", jobs=jobs, logs=logs, pending=pending)


def _kept(days: float | str | None) -> Text:
    if isinstance(days, int | float):
        return text("common.kept_days", count=int(days) if days == int(days) else days)
    return text("common.kept_for_good")
