"""A worker of one thread for each queue in a process of its own. Given: the URL of Redis.

It prints a line for every message that it handles, the number of a completion or "woken", and holds each
until a line comes on its stdin. It is to be killed.
"""

import sys
from threading import Event

from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.dramatiq_queue.worker import CompletionWorker
from adapters.redis_work_queue.work_queue import RedisWorkQueue
from entrypoints.worker.execution_threads import ExecutionThreads

_is_ready = Event()


def handle(content=None):
    _is_ready.wait()  # a message may wait already
    sys.stdout.write(f"{content['body']['number'] if content else 'woken'}\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main(url):
    broker = RedisQueueBroker(url)
    broker.maintenance_chance = 1_000_000  # with every command, where a service leaves it to chance
    CompletionWorker(broker, on_completion=handle, threads=1).start()
    ExecutionThreads(RedisWorkQueue(url), handle, threads=1).start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _is_ready.set()
    Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
