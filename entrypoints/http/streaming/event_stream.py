"""The stream of a job's events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from application.errors import DependencyUnavailable
from application.queries.job_reader import JobReader
from application.queries.timeline import Entry, entries_of
from application.views import JobDetails
from domain.caller import Caller
from domain.job_lifecycle import JobStatus
from entrypoints.http.presenter import Presenter
from entrypoints.http.streaming.job_notifier import JobNotifier, Subscription, read_anew, until_deleted
from entrypoints.http.streaming.judged_cases import JudgedCases
from entrypoints.http.streaming.server_sent_events import HEARTBEAT, HEARTBEAT_S, event
from entrypoints.http.timeline_presenter import present_entry

# How long to wait for the worker to confirm that it stopped a cancelled program, and how often to check.
_PROOF_S = 3.0
_PROOF_EVERY_S = 0.25
_NOTHING = (-1, -1)


class EventStreams:
    """Streams the state changes of jobs, each once and in order, from events and from the database."""

    def __init__(self, notifier: JobNotifier, job_reader: JobReader) -> None:
        self._notifier = notifier
        self._job_reader = job_reader
        self._judged = JudgedCases(job_reader)

    def follow(
        self, caller: Caller, details: JobDetails, presenter: Presenter, last_event_id: str | None
    ) -> AsyncIterator[bytes]:
        """Return server-sent events about a job, whose `details` may be out of date.

        Raises:
            Overloaded: Too many streams are open.
            QuotaExceeded: Too many streams of the caller's tenant are open.
        """
        self._notifier.check(caller)
        return until_deleted(self._follow(caller, details, presenter, last_event_id))

    async def _follow(
        self, caller: Caller, details: JobDetails, presenter: Presenter, last_event_id: str | None
    ) -> AsyncGenerator[bytes, None]:
        sent = read_position(last_event_id)
        judged = self._judged.of(caller, details.job.id)
        with self._notifier.listen(caller, details.job.id) as subscription:
            while True:
                if subscription.changed:
                    details = await read_anew(self._job_reader, caller, details, subscription)
                news = [entry for entry in entries_of(details) if entry.position > sent]
                if news:
                    sent = news[-1].position
                    yield b"".join(map(_state, news))
                try:
                    cases = await judged.take(details)
                except DependencyUnavailable:
                    return  # without the end, so the reader reconnects for the last results
                if cases:
                    yield cases
                if details.job.status.is_terminal:
                    break
                if self._notifier.is_closed or subscription.is_refused:
                    return
                if not await subscription.wait(judged.due_in_s or HEARTBEAT_S) and judged.due_in_s is None:
                    yield HEARTBEAT
            details = await self._proven(caller, details, subscription)
            news = [entry for entry in entries_of(details) if entry.position > sent]
            end = await asyncio.to_thread(presenter.status, details.status)
            yield b"".join(map(_state, news)) + event("end", end)

    async def _proven(self, caller: Caller, details: JobDetails, subscription: Subscription) -> JobDetails:
        """Wait briefly for the confirmation that a cancelled program was stopped."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PROOF_S
        while _is_being_stopped(details) and loop.time() < deadline and not self._notifier.is_closed:
            await subscription.wait(_PROOF_EVERY_S)
            details = await read_anew(self._job_reader, caller, details, subscription)
        return details


def read_position(event_id: str | None) -> tuple[int, int]:
    """Parse an event's id; an unknown format counts as no id."""
    attempt, dot, rank = (event_id or "").partition(".")
    if not dot or not all(text.isascii() and text.isdecimal() for text in (attempt, rank)):
        return _NOTHING
    return int(attempt[:9]), int(rank[:9])


def _state(entry: Entry) -> bytes:
    shown = present_entry(entry)
    return event("state", shown, shown.id)


def _is_being_stopped(details: JobDetails) -> bool:
    last = details.latest
    if details.job.status is not JobStatus.CANCELLED or last is None:
        return False
    return last.claimed_at is not None and last.result is None
