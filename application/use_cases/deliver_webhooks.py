"""Command: post events to their receivers."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.errors import DependencyUnavailable, NotFound, SecretsUnavailable
from application.log_context import trace_context, working_in
from application.metrics import WEBHOOK_ATTEMPTS
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.job_queries import JobQueries
from application.ports.measurements import Measurements
from application.ports.tracing import Attributes, SpanKind, Tracing
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.webhook_documents import WebhookDocuments
from application.ports.webhook_sender import PostFailed, ReceiverAnswer, WebhookSender
from application.queries.batch_reader import BatchReader
from application.receiver_lanes import ReceiverLanes
from application.retry_policy import RetryPolicy
from application.views import BatchView, JobDetails, JobView
from application.webhook_secrets import WebhookSecrets
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId
from domain.caller import Caller, Scope
from domain.delivery import ANSWER_MAX_CHARS, ERROR_MAX_CHARS, Attempt, Delivery, DeliveryStatus
from domain.job_lifecycle import JobStatus
from domain.sealed_secrets import SealedSecrets
from domain.tenant import Tenant, TenantStatus
from domain.trace_context import TraceContext
from domain.values import BatchId, JobId
from domain.webhook import Webhook, WebhookStatus
from domain.webhook_event import WebhookEvent
from domain.webhook_signing import WebhookSecret, signed_headers
from domain.webhook_url import WebhookUrl

logger = logging.getLogger("service_server.webhooks")

_MS_PER_S = 1_000
# The label of an attempt's outcome in the metrics, by the status of the delivery after it.
_OUTCOMES = {
    DeliveryStatus.PENDING: "failed",
    DeliveryStatus.DELIVERED: "delivered",
    DeliveryStatus.FAILED: "dead_lettered",
}
_SUCCESS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRules:
    """The rules of delivery, from the settings.

    Attributes:
        threads: How many events a process posts at the same time.
        per_receiver: How many of them to one receiver.
        lease_s: Seconds after which another process may claim a delivery.
        retry: The delays between attempts.
        retried_for: The time for which an event is attempted.
        disabled_after: The time of continuous failure after which a webhook is disabled.
    """

    threads: int
    per_receiver: int
    lease_s: float
    retry: RetryPolicy
    retried_for: timedelta
    disabled_after: timedelta


class _NotToBePosted(Exception):
    """The delivery is given up; the message is the reason."""


@dataclass(frozen=True, slots=True)
class _Post:
    """A request that is ready to be sent.

    Attributes:
        is_failing: Whether its webhook has failed since its last success.
        trace: The trace that the request continues: that of the job's latest execution.
    """

    url: WebhookUrl
    secrets: Sequence[WebhookSecret]
    body: bytes
    is_failing: bool = False
    trace: TraceContext | None = None


class DeliverWebhooks:
    """Posts events; any number of processes may do so at the same time.

    * A delivery is claimed under a lease and posted, and then its outcome is stored. If the process is killed
      in between, another posts the event again: it arrives at least once, always with the same id.
    * A later event of a job waits for the earlier one, separately for each receiver.
    * A slow receiver delays others only as long as `ReceiverLanes` lets it hold threads.
    * After a failure the event is attempted again, with growing delays, until its time is up. Then it becomes
      a dead letter, which its owner can have delivered again.
    * A webhook that fails for too long is disabled; one whose receiver answers 410 is disabled at once. Its
      deliveries then become dead letters.
    * The log contains no secret, and only the origin of a URL.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        job_queries: JobQueries,
        batch_reader: BatchReader,
        sender: WebhookSender,
        documents: WebhookDocuments,
        secrets: WebhookSecrets,
        clock: Clock,
        ids: IdGenerator,
        measurements: Measurements,
        tracing: Tracing,
        rules: DeliveryRules,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._job_queries = job_queries
        self._batch_reader = batch_reader
        self._sender = sender
        self._documents = documents
        self._secrets = secrets
        self._clock = clock
        self._ids = ids
        self._measurements = measurements
        self._tracing = tracing
        self._rules = rules
        self._lanes = ReceiverLanes(clock, rules.threads, rules.per_receiver)

    def claim(self, limit: int) -> Sequence[Delivery]:
        """Claim up to `limit` due deliveries; call the use case with each.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        if not self._unit_of_work.read(lambda transaction: transaction.deliveries.has_due()):
            return ()
        wanted = self._lanes.claim(limit, self._rules.lease_s)
        claimed = self._unit_of_work.run(lambda transaction: transaction.deliveries.claim(wanted))
        for delivery in claimed:
            self._lanes.begin(delivery)
        return claimed

    def __call__(self, delivery: Delivery) -> float | None:
        """Post a claimed delivery once, and store the outcome; return the seconds until the next attempt.

        Raises:
            DependencyUnavailable: The database is unavailable; the delivery is due again when its lease ends.
        """
        # If nothing was posted, the receiver has neither failed nor been slow.
        took_s, is_success = 0.0, True
        try:
            after, due_in_s = self._attempted(delivery)
            if (latest := after.attempts[-1]).duration_ms is not None:
                took_s, is_success = latest.duration_ms / _MS_PER_S, latest.is_success
        finally:
            self._lanes.end(delivery, took_s=took_s, is_success=is_success)
        return due_in_s if after.status is DeliveryStatus.PENDING else None

    def _attempted(self, delivery: Delivery) -> tuple[Delivery, float]:
        at, began = self._clock.now(), None
        status: int | None = None
        error: str | None = None
        answer: str | None = None
        is_over, is_failing = False, False
        try:
            post = self._prepared(delivery)
            is_failing = post.is_failing
            headers = signed_headers(post.secrets, str(delivery.id), int(at.timestamp()), post.body)
            began = self._clock.monotonic()
            answered = self._sent(post, headers)
            status, answer = answered.status, answered.text[:ANSWER_MAX_CHARS]
            if status // 100 != _SUCCESS:
                error = f"The receiver answered {status}."
        except _NotToBePosted as reason:
            error, is_over = str(reason), True
        except (PostFailed, SecretsUnavailable) as failure:
            error = str(failure)
        except DependencyUnavailable:
            raise
        except Exception:  # one event that cannot be composed must not block the others
            logger.exception("delivery %s could not be prepared", delivery.id)
            error = "The event could not be written by this version of the service."
        attempt = Attempt(
            at=at,
            duration_ms=None if began is None else round((self._clock.monotonic() - began) * _MS_PER_S),
            status=status,
            error=None if error is None else error[:ERROR_MAX_CHARS],
            answer=answer,
        )
        after = delivery.after(attempt, self._rules.retried_for)
        if is_over:
            after = after.settle(DeliveryStatus.FAILED, at)
        due_in_s = self._rules.retry.delay_after(after.attempt_count)
        self._store(delivery, after, due_in_s, is_failing=is_failing)
        return after, due_in_s

    def _sent(self, post: _Post, headers: Mapping[str, str]) -> ReceiverAnswer:
        """Post an event in the trace of its job's execution; the span has only the origin of the URL."""
        attributes: Attributes = {
            "http.request.method": "POST",
            "server.address": post.url.host,
            "server.port": post.url.port,
        }
        with (
            working_in(post.trace),
            self._tracing.span("POST webhook", attributes, kind=SpanKind.CLIENT) as span,
        ):
            place = trace_context.get()
            answer = self._sender.post(post.url, {**headers, **(place.headers if place else {})}, post.body)
            span.set({"http.response.status_code": answer.status})
            return answer

    def _store(self, before: Delivery, after: Delivery, due_in_s: float, *, is_failing: bool) -> None:
        attempt, entry_id = after.attempts[-1], AuditEntryId(self._ids.new())
        # A success after successes changes nothing about the webhook, so it is not read; the same holds for
        # an event that was not posted.
        is_posted = after.webhook_id is not None and attempt.duration_ms is not None
        is_of_note = is_posted and (is_failing or not attempt.is_success)

        def work(transaction: Transaction) -> Webhook | None:
            is_stored = transaction.deliveries.store_attempt(before, after, due_in_s)
            return self._note_outcome(transaction, after, entry_id) if is_stored and is_of_note else None

        disabled = self._unit_of_work.run(work)
        if disabled is not None:
            logger.warning("webhook %s was disabled: %s", disabled.id, disabled.disabled_because)
        self._measurements.count(WEBHOOK_ATTEMPTS, _OUTCOMES[after.status])
        if after.status is DeliveryStatus.FAILED:
            logger.warning("delivery %s dead-lettered: %s", after.id, attempt.error)
        elif not attempt.is_success:
            logger.info("delivery %s failed, retrying in %.1f s: %s", after.id, due_in_s, attempt.error)

    def _note_outcome(
        self, transaction: Transaction, delivery: Delivery, entry_id: AuditEntryId
    ) -> Webhook | None:
        """Store an attempt's effect on its webhook; return the webhook if the attempt disabled it."""
        attempt, webhook_id = delivery.attempts[-1], delivery.webhook_id
        before = None if webhook_id is None else transaction.webhooks.get_of_any_tenant(webhook_id)
        if before is None or before.status is not WebhookStatus.ACTIVE:
            return None
        after = before.after(attempt, self._rules.disabled_after)
        if after == before:
            return None
        transaction.webhooks.replace(before, after)
        if after.status is WebhookStatus.ACTIVE:
            return None
        transaction.audit.add(
            AuditEntry(
                id=entry_id,
                at=attempt.at,
                tenant=after.tenant,
                principal=SERVICE,
                act=Act.WEBHOOK_DISABLE,
                subject=str(after.id),
                project=after.project,
            )
        )
        return after

    def _prepared(self, delivery: Delivery) -> _Post:
        """Return the request of an event.

        Raises:
            _NotToBePosted: Its job or batch was deleted, or its webhook is deleted or disabled.
            SecretsUnavailable: This process cannot open a secret.
        """
        if delivery.webhook_id is None:
            return self._callback(delivery)
        webhook_id = delivery.webhook_id
        webhook = self._unit_of_work.read(lambda t: t.webhooks.get_of_any_tenant(webhook_id))
        if webhook is None or webhook.status is not WebhookStatus.ACTIVE:
            status = WebhookStatus.DELETED if webhook is None else webhook.status
            raise _NotToBePosted(f"The webhook is {status}.")
        sealed = webhook.secrets(self._clock.now())
        secrets = [self._secrets.open(webhook.id, one) for one in sealed]
        body, trace = self._body(delivery)
        return _Post(webhook.url, secrets, body, webhook.failing_since is not None, trace)

    def _callback(self, delivery: Delivery) -> _Post:
        if delivery.event is WebhookEvent.BATCH_COMPLETED:
            view = self._batch(delivery)
            batch, body = view.batch, self._documents.of_batch(delivery, view)
            return self._to(delivery, batch.callback_url, batch.callback_secret, body, None)
        details = self._job(delivery)
        spec, body = details.job.spec, self._documents.of_job(delivery, as_of(delivery, details))
        return self._to(delivery, spec.callback_url, spec.callback_secret, body, _trace_of(details))

    def _to(
        self,
        delivery: Delivery,
        url: str | None,
        secret: SealedSecrets | None,
        body: bytes,
        trace: TraceContext | None,
    ) -> _Post:
        if url is None or secret is None:
            raise _NotToBePosted("There is no callback.")
        return _Post(WebhookUrl(url), [self._secrets.open(delivery.subject, secret)], body, trace=trace)

    def _body(self, delivery: Delivery) -> tuple[bytes, TraceContext | None]:
        if delivery.event is WebhookEvent.TEST:
            return self._documents.of_plain(delivery, {"webhook_id": str(delivery.webhook_id)}), None
        if delivery.event is WebhookEvent.BATCH_COMPLETED:
            return self._documents.of_batch(delivery, self._batch(delivery)), None
        details = self._job(delivery)
        return self._documents.of_job(delivery, as_of(delivery, details)), _trace_of(details)

    def _batch(self, delivery: Delivery) -> BatchView:
        try:
            return self._batch_reader.get(_reader_of(delivery), BatchId(delivery.subject))
        except NotFound:
            raise _NotToBePosted("The batch was deleted.") from None

    def _job(self, delivery: Delivery) -> JobDetails:
        details = self._job_queries.details(_reader_of(delivery), JobId(delivery.subject))
        if details is None:
            raise _NotToBePosted("The job was deleted.")
        return details


def _trace_of(details: JobDetails) -> TraceContext | None:
    return None if details.latest is None else details.latest.trace


def as_of(delivery: Delivery, details: JobDetails) -> JobView:
    """Return a job as it was at an event: an end does not change, and a start has no result yet."""
    view = details.view
    if delivery.event is not WebhookEvent.JOB_STARTED:
        return view
    return JobView(
        job_id=view.job_id,
        project_id=view.project_id,
        project=view.project,
        code_key=view.code_key,
        language=view.language,
        status=JobStatus.RUNNING,
        reason=None,
        created_at=view.created_at,
        updated_at=delivery.occurred_at,
        started_at=view.started_at,
        completed_at=None,
        tags=view.tags,
        execution=None,
    )


def _reader_of(delivery: Delivery) -> Caller:
    """Return a caller for the service that reads the jobs of a delivery's tenant."""
    tenant = Tenant(name=delivery.tenant, status=TenantStatus.ACTIVE, created_at=delivery.occurred_at)
    return Caller(tenant=tenant, principal=SERVICE, scopes=frozenset({Scope.JOBS_READ}))
