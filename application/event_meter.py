"""Counts of the events that this process's transactions publish."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from application.messages import Message
from application.metrics import JOBS_ENDED, JOBS_RETRIED, JOBS_SUBMITTED, OTHER, RUN_TIME
from application.ports.measurements import Measurements
from application.ports.message_relay import MessageRelay
from domain.events import BatchSubmitted, JobCancelled, JobCompleted, JobRetried, JobSubmitted
from domain.job_lifecycle import JobStatus, Reason

_NO_REASON = "none"
_MS_PER_S = 1_000


class EventMeter(MessageRelay):
    """Counts events on their way to the relay: each once, after its commit, in the process that committed it.

    The end of a job is thus counted for every use case that ends jobs, and in only one process.
    """

    def __init__(self, relay: MessageRelay, measurements: Measurements) -> None:
        self._relay = relay
        self._measurements = measurements

    def offer(self, messages: Sequence[Message]) -> None:
        """Count messages and forward them."""
        for message in messages:
            count = _COUNTED.get(message.name)
            if count is not None:
                count(self._measurements, message.body)
        self._relay.offer(messages)


def _submitted(measurements: Measurements, event: Mapping[str, Any]) -> None:
    measurements.count(JOBS_SUBMITTED, event["language"])


def _batch_submitted(measurements: Measurements, event: Mapping[str, Any]) -> None:
    for language, jobs in event["languages"].items():
        measurements.count(JOBS_SUBMITTED, language, by=jobs)


def _completed(measurements: Measurements, event: Mapping[str, Any]) -> None:
    language = event["language"] or OTHER
    measurements.count(JOBS_ENDED, event["status"], event["reason"] or _NO_REASON, language)
    if event["run_ms"] is not None:
        measurements.observe(RUN_TIME, event["run_ms"] / _MS_PER_S, language)


def _cancelled(measurements: Measurements, event: Mapping[str, Any]) -> None:
    measurements.count(JOBS_ENDED, JobStatus.CANCELLED, Reason.CANCELLED, event["language"])


def _retried(measurements: Measurements, _event: Mapping[str, Any]) -> None:
    measurements.count(JOBS_RETRIED)


_COUNTED: Mapping[str, Callable[[Measurements, Mapping[str, Any]], None]] = {
    JobSubmitted.__name__: _submitted,
    BatchSubmitted.__name__: _batch_submitted,
    JobCompleted.__name__: _completed,
    JobCancelled.__name__: _cancelled,
    JobRetried.__name__: _retried,
}
