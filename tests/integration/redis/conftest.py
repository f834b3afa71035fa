import pytest

from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.redis_work_queue.work_queue import RedisWorkQueue
from tests.support.redis_server import redis_server


@pytest.fixture
def server():
    with redis_server() as server:
        yield server


@pytest.fixture
def broker(server):
    broker = RedisQueueBroker(server.url)
    yield broker
    broker.close()


@pytest.fixture
def queue(server):
    queue = RedisWorkQueue(server.url)
    yield queue
    queue.close()
