import pytest

from adapters.dramatiq_queue.publisher import DramatiqPublisher
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.in_process.event_feed import InProcessEventFeed
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
def publisher(server):
    broker = RedisQueueBroker(server.url)
    yield DramatiqPublisher(broker, InProcessEventFeed())
    broker.close()
