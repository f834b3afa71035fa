"""Wake-ups, and a test's record of their handling."""

from contextlib import contextmanager
from queue import Queue
from threading import Event
from uuid import uuid4

from adapters.dramatiq_queue.worker import QueueWorker
from application.messages import Message
from domain.values import MessageId

WITHIN_S = 10


def hint(**body):
    """Return a message that asks for the work of an execution."""
    return Message(id=MessageId(uuid4()), name="ExecutionRequested", body={"version": 1, **body})


def report(**body):
    """Return a message about an execution's end."""
    return Message(id=MessageId(uuid4()), name="ExecutionReported", body={"version": 1, **body})


def fact(**body):
    """Return a message that asks for nothing."""
    return Message(id=MessageId(uuid4()), name="JobCompleted", body={"version": 1, **body})


class Handler:
    """Puts the messages that it is given where the test can see them.

    A message whose body has `error` makes it raise that as long as `raises` holds; one whose body has `hold`
    makes it wait until it is let go.
    """

    def __init__(self):
        self.handled = Queue()
        self.raises = True
        self.detach = Event()

    def __call__(self, message):
        self.handled.put(message)
        if message.body.get("hold"):
            self.detach.wait(WITHIN_S)
        if self.raises and "error" in message.body:
            raise RuntimeError(message.body["error"])

    def next(self, within_s=WITHIN_S):
        return self.handled.get(timeout=within_s)


@contextmanager
def working(broker, handler, threads=2):
    """Let a handler consume wake-ups."""
    worker = QueueWorker(broker, {"ExecutionRequested": handler, "ExecutionReported": handler}, threads)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop(timeout_s=WITHIN_S)
