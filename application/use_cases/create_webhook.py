"""Command: create a webhook."""

from collections import Counter
from dataclasses import replace

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import CreateWebhookCommand
from application.errors import Conflict, QuotaExceeded
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from application.project_lookup import optional_project
from application.views import IssuedWebhook, WebhookView
from application.webhook_secrets import WebhookSecrets
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.project import Project
from domain.submission_limits import SubmissionLimits
from domain.values import WebhookId
from domain.webhook import Webhook
from domain.webhook_signing import WebhookSecret

_RETRY_AFTER_S = 60


class CreateWebhook:
    """Creates a webhook of a project, or of all projects of the tenant, and returns its secret once.

    * The caller needs the scope JOBS_READ, because the events contain the same data as jobs.
    * A caller restricted to one project creates webhooks of that project only.
    * The URL must not contain a private address; the addresses that a host name resolves to are checked at
      each attempt.
    * The number of webhooks per tenant is limited, by its quota and by a setting. The number per project is
      limited too, because each event adds a row per webhook in the transaction of a job or of a whole batch.
    * The secret is given by the caller or generated. It is sealed before it is stored, and refused if there
      is no key to seal it.
    * A suspended tenant cannot create webhooks.
    """

    def __init__(
        self,
        unit_of_work: CallerUnitOfWork,
        secrets: WebhookSecrets,
        clock: Clock,
        ids: IdGenerator,
        submission_limits: SubmissionLimits,
        max_webhooks: int,
        max_of_project: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._secrets = secrets
        self._clock = clock
        self._ids = ids
        self._submission_limits = submission_limits
        self._max_webhooks = max_webhooks
        self._max_of_project = max_of_project

    def __call__(self, caller: Caller, command: CreateWebhookCommand) -> IssuedWebhook:
        """Return the webhook and its secret.

        Raises:
            ScopeMissing: The caller may not read jobs.
            InvalidValue: A value breaks its rule.
            Unprocessable: There is no key to seal the secret with.
            NotFound: There is no such project, or the caller cannot access it.
            TenantTransitionRefused: The tenant is suspended.
            QuotaExceeded: The tenant has as many webhooks as its quota allows.
            Conflict: The tenant or a project has as many webhooks as the setting allows.
        """
        with self._unit_of_work.recording_refusals(caller, Act.WEBHOOK_CREATE, command.project or ""):
            caller.require(Scope.JOBS_READ)
            caller.tenant.ensure_active()
            url = self._submission_limits.check_url("url", command.url)
            webhook_id = WebhookId(self._ids.new())
            given = command.secret
            secret = WebhookSecret.generate() if given is None else WebhookSecret(given)
            sealed = self._secrets.seal("url", webhook_id, secret)
        now = self._clock.now()

        def work(transaction: Transaction) -> WebhookView:
            transaction.tenants.lock_or_raise(caller.tenant.name)
            self._ensure_room(transaction, caller)
            project = optional_project(transaction, caller, command.project)
            self._ensure_few(transaction, caller, project)
            webhook = Webhook(
                id=webhook_id,
                tenant=caller.tenant.name,
                project=None if project is None else project.id,
                url=url,
                events=command.events,
                secret=sealed,
                created_at=now,
                created_by=caller.principal,
            )
            transaction.webhooks.add(webhook)
            return WebhookView.of(webhook, project)

        view = self._unit_of_work.run(
            caller,
            Act.WEBHOOK_CREATE,
            work,
            subject=lambda _view: str(webhook_id),
            project=lambda view: view.webhook.project,
            asked_for=command.project or "",
        )
        return IssuedWebhook(view=view, secret=secret)

    def _ensure_room(self, transaction: Transaction, caller: Caller) -> None:
        used, allowed = transaction.webhooks.count(caller.tenant.name), caller.tenant.quota.webhooks
        if allowed is not None and used >= allowed:
            raise QuotaExceeded("webhooks", used, allowed, _RETRY_AFTER_S)
        if used >= self._max_webhooks:
            raise Conflict(text("problems.too_many_webhooks", tenant=caller.tenant.name, used=used))

    def _ensure_few(self, transaction: Transaction, caller: Caller, project: Project | None) -> None:
        """Check the number of webhooks that get one project's events, or the maximum over all projects."""
        of_projects = Counter(
            each.project for each in transaction.webhooks.all(replace(caller, project=None))
        )
        of_all = of_projects.pop(None, 0)
        most = max(of_projects.values(), default=0) if project is None else of_projects[project.id]
        if of_all + most >= self._max_of_project:
            raise Conflict(
                f"{of_all + most} webhooks get the events of a project, as many as "
                "SERVICE_SERVER_MAX_WEBHOOKS_OF_PROJECT allows; delete one first"
            )
