"""Messages on the queues, and handlers that record their calls for tests."""

from contextlib import contextmanager
from queue import Queue
from threading import Event
from uuid import uuid4

import dramatiq

from adapters.dramatiq_queue.messages import COMPLETIONS
from adapters.dramatiq_queue.worker import CompletionWorker
from application.messages import Message
from domain.values import MessageId
from entrypoints.worker.execution_threads import ExecutionThreads

WITHIN_S = 60


def fact(**body):
    """Return an event."""
    return Message(id=MessageId(uuid4()), name="JobCompleted", body={"version": 1, **body})


def completion(**body):
    """Return the content of a message that reports an execution's end."""
    return {"id": str(uuid4()), "name": "ExecutionReported", "body": {"version": 1, **body}}


def on_the_wire(content):
    """Return a completion in the form in which its queue stores it."""
    return dramatiq.Message(COMPLETIONS, COMPLETIONS, args=(), kwargs=content, options={})


class Handler:
    """Records its calls: None for a wake-up, or the content of a completion.

    A call waits for `let_go` if `holds` is set or the completion's body has `hold`. If the body has `error`,
    the call raises it while `raises` is set.
    """

    def __init__(self, *, holds=False):
        self.handled = Queue()
        self.holds = holds
        self.raises = True
        self.let_go = Event()

    def __call__(self, content=None):
        self.handled.put(content)
        body = content["body"] if content else {}
        if self.holds or body.get("hold"):
            self.let_go.wait(WITHIN_S)
        if self.raises and "error" in body:
            raise RuntimeError(body["error"])

    def next(self, within_s=WITHIN_S):
        return self.handled.get(timeout=within_s)


@contextmanager
def working(broker, handler, threads=2):
    """Consume completions with a handler."""
    with _running(CompletionWorker(broker, on_completion=handler, threads=threads)) as worker:
        yield worker


@contextmanager
def woken(queue, handler, threads=2):
    """Take wake-ups with a handler."""
    with _running(ExecutionThreads(queue, handler, threads)) as worker:
        yield worker


@contextmanager
def _running(worker):
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout_s=WITHIN_S)
