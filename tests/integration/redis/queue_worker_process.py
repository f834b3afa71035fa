"""A worker in a process of its own. Given: the URL of Redis.

It prints the number in every message that it handles, and holds each until a line comes on its
stdin. It is to be killed.
"""

import sys
from threading import Event

from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.dramatiq_queue.worker import QueueWorker

_is_ready = Event()


def handle(message):
    _is_ready.wait()  # a message may wait already
    sys.stdout.write(f"{message.body['number']}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(url):
    worker = QueueWorker(RedisQueueBroker(url), {"ExecutionRequested": handle}, threads=1)
    worker.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _is_ready.set()
    Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
