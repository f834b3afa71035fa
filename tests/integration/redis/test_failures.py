"""Redis may lose everything, restart, or fall silent: the queue goes on when it is back."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from adapters.dramatiq_queue.dead_letters import RedisDeadLetterStore
from adapters.dramatiq_queue.messages import COMPLETIONS
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.in_process.rate_limiter import InProcessRateLimiter
from adapters.redis_rate_limiter.rate_limiter import KEY_PREFIX, RedisRateLimiter
from adapters.redis_work_queue.work_queue import KEY, RedisWorkQueue
from application.errors import DependencyUnavailable
from application.ports.rate_limiter import RateLimit
from tests.support.certificate import over_tls, self_signed
from tests.support.processes import eventually
from tests.support.queue_messages import Handler, completion, on_the_wire, woken, working
from tests.support.redis_server import redis_server
from tests.support.scripted_http import scripted_server
from tests.support.tcp_proxy import TcpProxy

QUEUE_KEY = f"service_server:{COMPLETIONS}"


@pytest.fixture
def handler(broker, queue):
    handler = Handler()
    with working(broker, handler), woken(queue, handler):
        yield handler


def wake_when_it_is_back(queue):
    def try_to_wake():
        try:
            queue.wake(1)
        except DependencyUnavailable:
            return False
        return True

    assert eventually(try_to_wake)


def send(broker, **body):
    content = completion(**body)
    broker.enqueue(on_the_wire(content))
    return content


def test_a_certificate_that_is_refused_is_the_cause(tmp_path):
    with scripted_server() as server:
        server.socket = over_tls(server.socket, self_signed(tmp_path / "redis.pem"))
        queue = RedisWorkQueue(server.address.replace("http:", "rediss:"))

        with pytest.raises(
            DependencyUnavailable, match=r"its certificate is refused \(self-signed certificate\)"
        ):
            queue.check()
        queue.close()


def test_wake_ups_may_be_lost_and_later_ones_are_handled(server, queue):
    # Given wake-ups in a Redis that is emptied
    queue.wake(2)
    server.flush()
    # When a worker starts and another one comes
    handler = Handler()
    with woken(queue, handler):
        queue.wake(1)
        # Then that one is handled
        handler.next()
    assert handler.handled.empty()


def test_a_worker_whose_messages_in_hand_were_lost_goes_on(server, handler, broker):
    send(broker, hold=True)
    send(broker, hold=True)
    handler.next()
    handler.next()
    server.flush()
    handler.let_go.set()
    later = send(broker)
    assert handler.next() == later


def test_a_worker_and_a_publisher_outlive_a_restart(server, handler, queue):
    queue.wake(1)
    handler.next()
    server.restart()
    wake_when_it_is_back(queue)
    handler.next()


def test_a_worker_that_is_busy_while_redis_restarts_goes_on(server, handler, broker, queue):
    # Given a worker with both threads busy, whose acknowledgements nobody will take
    send(broker, hold=True)
    send(broker, hold=True)
    handler.next()
    handler.next()
    server.kill()
    handler.let_go.set()
    # When Redis is back
    server.start()
    # Then the next message is handled soon
    wake_when_it_is_back(queue)
    assert handler.next() is None


def test_a_worker_starts_before_redis_does(server, queue):
    server.kill()
    handler = Handler()
    with woken(queue, handler):
        server.start()
        wake_when_it_is_back(queue)
        handler.next()


def test_a_redis_that_is_down_is_refused_at_once(server, queue):
    server.kill()
    started_at = time.monotonic()
    for _ in range(60):
        with pytest.raises(DependencyUnavailable):
            queue.wake(1)
    assert time.monotonic() - started_at < 30  # a wait for each would be a minute


def test_a_redis_that_is_silent_costs_one_caller_a_second_and_the_others_nothing(server, queue):
    queue.wake(1)
    with server.frozen():
        started_at = time.monotonic()
        for _ in range(60):
            with pytest.raises(DependencyUnavailable) as refusal:
                queue.wake(1)
            assert server.url not in str(refusal.value)
        assert time.monotonic() - started_at < 30  # a wait for each would be a minute
    wake_when_it_is_back(queue)


def test_a_worker_outlives_a_silent_redis(server, handler, queue):
    queue.wake(1)
    handler.next()
    with server.frozen():
        time.sleep(2)  # longer than every timeout of a consumer
    wake_when_it_is_back(queue)

    def is_woken():
        queue.wake(1)  # one that Redis gives to the connection of before is lost, and the reaper wakes again
        return not handler.handled.empty()

    assert eventually(is_woken)


def test_a_worker_stops_soon_though_redis_is_gone(server, broker):
    handler = Handler()
    with working(broker, handler) as worker:
        send(broker)
        handler.next()
        server.kill()
        assert worker.stop(timeout_s=10)


def test_a_thread_that_takes_wake_ups_stops_soon_though_redis_is_gone(server, queue):
    handler = Handler()
    with woken(queue, handler) as worker:
        queue.wake(1)
        handler.next()
        server.kill()
        assert worker.stop(timeout_s=10)


def a_message(body=None, **changed):
    """Return a message as it lies in the queue, with some fields changed."""
    fields = on_the_wire(completion(**(body or {}))).asdict()
    return json.dumps({**fields, "options": {"redis_message_id": "an-id"}, **changed}).encode()


def put(server, data, message_id="an-id", key=QUEUE_KEY):
    with server.client() as client:
        client.hset(f"{key}.msgs", message_id, data)
        client.rpush(key, message_id)


def has_both_threads(handler, broker):
    """Whether two messages are handled at once."""
    send(broker, hold=True)
    send(broker, hold=True)
    handler.next()
    handler.next()
    handler.let_go.set()
    return True


JUNK = [
    b"",
    b"junk",
    b"\xff\xfe",
    b"[]",
    b'{"queue_name": 1}',
    a_message(queue_name="another"),
    a_message(queue_name=[1]),
    a_message(actor_name=[1]),
    a_message(kwargs=None),
    a_message(kwargs=[1]),
    a_message(options=None),
    a_message(options=[]),
]


@pytest.mark.parametrize("data", JUNK)
def test_what_is_no_message_is_set_aside_and_harms_no_other(server, handler, broker, data):
    # Given something in the queue that this service did not write
    put(server, data)
    # When messages follow it, then they are handled
    assert has_both_threads(handler, broker)
    # And the other is among the dead letters, which can be read
    dead_letters = RedisDeadLetterStore(broker)
    assert eventually(lambda: [letter.id for letter in dead_letters.latest(10)] == ["an-id"])
    assert dead_letters.count() == 1
    assert dict(dead_letters.get("an-id").body)


@pytest.mark.parametrize("message_id", [b"\xff\xfe", "é".encode(), b""])
def test_a_message_under_an_id_that_is_no_text_keeps_no_other_back(server, broker, message_id):
    # Given messages that are fetched together, of which one has such an id
    put(server, b"junk", message_id)
    sent = send(broker)
    consumer = broker.consume(COMPLETIONS, prefetch=2)
    fetched = [next(consumer), next(consumer)]
    # Then both are handed out
    assert sent in [message.kwargs for message in fetched]
    # And nothing of them is left when they are handled
    for message in fetched:
        consumer.ack(message)
    with server.client() as client:
        assert client.hlen(f"{QUEUE_KEY}.msgs") == 0
        assert not client.keys("*__acks__*")


def test_dead_letters_are_read_beside_an_id_that_is_no_text(server, broker):
    with server.client() as client:
        client.zadd(f"{QUEUE_KEY}.XQ", {b"\xff": 2, b"an-id": 1})
        client.hset(f"{QUEUE_KEY}.XQ.msgs", "an-id", a_message())
    assert [letter.id for letter in RedisDeadLetterStore(broker).latest(10)] == ["an-id"]


@pytest.mark.parametrize(
    "changed",
    [{"message_id": None}, {"options": {"redis_message_id": 1}}, {"options": {"redis_message_id": "\ud800"}}],
)
def test_a_message_whose_ids_are_not_as_they_should_be_is_handled_by_its_content(server, handler, changed):
    sent = json.loads(data := a_message(**changed))["kwargs"]
    put(server, data)
    assert handler.next() == sent
    with server.client() as client:
        assert eventually(lambda: client.hlen(f"{QUEUE_KEY}.msgs") == 0)


@pytest.mark.parametrize("data", [b"", b"junk", b"\xff\xfe", b"x" * 1_000_000])
def test_whatever_is_among_the_wake_ups_is_one(server, handler, queue, data):
    with server.client() as client:
        client.rpush(KEY, data)
    assert handler.next() is None
    queue.wake(1)
    assert handler.next() is None


def test_a_report_that_an_older_version_was_to_retry_is_handled(server, handler):
    sent = completion()
    options = {"redis_message_id": "an-id", "retries": 3, "eta": int(time.time() * 1_000)}
    delayed = on_the_wire(sent).copy(queue_name=f"{COMPLETIONS}.DQ", options=options)
    put(server, delayed.encode(), key=f"{QUEUE_KEY}.DQ")
    assert handler.next() == sent


@pytest.mark.parametrize(
    "options", [{"throws": "Exception"}, {"retries": "x"}, {"eta": "x", "max_backoff": []}]
)
def test_options_of_dramatiq_s_that_are_not_used_here_end_no_thread(server, handler, broker, options):
    # Given poisonous messages that would have Dramatiq do something else
    for message_id in ("an-id", "another-id"):
        message = a_message({"error": "poison"}, options={"redis_message_id": message_id, **options})
        put(server, message, message_id)
        handler.next()
    # Then the threads that have handled them handle others
    assert has_both_threads(handler, broker)


def test_a_message_that_is_not_due_for_centuries_takes_no_room(server, handler, broker):
    # Given messages that wait for their time where only messages that are due belong
    for message_id in ("an-id", "another-id"):
        put(server, a_message(options={"redis_message_id": message_id, "eta": 10**14}), message_id)
    # Then they are handled, and so are others
    assert {handler.next()["name"] for _ in range(2)} == {"ExecutionReported"}
    assert has_both_threads(handler, broker)


def test_a_message_that_cannot_be_dead_lettered_takes_no_room(broker):
    # Given a consumer with room for one message, which cannot be encoded with its error
    consumer = broker.consume(COMPLETIONS, prefetch=1)
    send(broker)
    message = next(consumer)
    message.kwargs["body"]["unknown"] = object()
    with pytest.raises(TypeError):
        consumer.nack(message)
    # Then it takes the next
    sent = send(broker)
    assert next(consumer).kwargs == sent


@pytest.fixture
def far_consumer(server, broker):
    """A consumer that has handled a message through a proxy, and the proxy."""
    with TcpProxy(server.port) as proxy:
        far = RedisQueueBroker(f"redis://127.0.0.1:{proxy.port}/0")
        consumer = far.consume(COMPLETIONS, prefetch=2)
        send(broker)
        consumer.ack(next(consumer))  # Redis knows the scripts now
        yield consumer, proxy
        far.close()


def next_of(consumer):
    """Return the content of the next message, which may come after a failure."""
    found = []
    assert eventually(lambda: found.append(next(consumer)) or found[-1])
    return found[-1].kwargs


def test_a_message_whose_fetch_had_no_answer_is_fetched_again(broker, far_consumer):
    consumer, proxy = far_consumer
    # Given a message that Redis has given to this process, which did not get it
    sent = send(broker)
    proxy.reset_at(b"EVALSHA", is_delivered=True)
    # Then the process gets it
    assert next_of(consumer) == sent


def test_a_message_that_could_not_be_acknowledged_is_given_out_again(broker, far_consumer):
    consumer, proxy = far_consumer
    sent = send(broker)
    message = next(consumer)
    proxy.close_port()
    proxy.reset()
    consumer.ack(message)
    proxy.open_port()
    assert next_of(consumer) == sent


def test_a_message_in_hand_is_not_given_out_again_after_a_failure(server, broker, far_consumer):
    consumer, proxy = far_consumer
    # Given a message in hand, and a failure of Redis
    send(broker)
    in_hand = next(consumer)
    proxy.reset_at(b"EVALSHA", is_delivered=True)
    assert next(consumer) is None
    # When another message comes, then it is the only one
    later = send(broker)
    assert next_of(consumer) == later
    with server.client() as client:
        assert client.llen(QUEUE_KEY) == 0
    consumer.ack(in_hand)


def test_a_message_that_is_being_acknowledged_is_not_given_out_again(
    server, broker, far_consumer, monkeypatch
):
    consumer, proxy = far_consumer
    send(broker)
    message = next(consumer)
    proxy.reset_at(b"EVALSHA", is_delivered=True)
    assert next(consumer) is None
    # When the consumer recovers from that failure before Redis has the acknowledgement
    recovered = []

    def recover_first(broker, *arguments):
        recovered.append(next(consumer))
        return broker.__getattr__("do_ack")(*arguments)

    monkeypatch.setattr(RedisQueueBroker, "do_ack", recover_first, raising=False)
    consumer.ack(message)
    # Then the message is acknowledged and not queued
    assert recovered == [None]
    with server.client() as client:
        assert client.llen(QUEUE_KEY) == 0
    assert next(consumer) is None


def test_an_id_without_a_message_is_passed_over(server, handler, broker):
    with server.client() as client:
        client.rpush(QUEUE_KEY, "no-such-message")
    sent = send(broker)
    assert handler.next() == sent


@pytest.mark.parametrize(
    ("fault", "cure", "words"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "its memory limit .maxmemory. is reached"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "it is a read-only replica"),
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "too few replicas"),
    ],
)
def test_a_redis_that_answers_and_takes_no_writes_is_noticed(server, queue, fault, cure, words):
    with server.client() as client:
        client.execute_command(*fault.split())
        try:
            with pytest.raises(DependencyUnavailable, match=words):
                queue.check()
        finally:
            client.execute_command(*cure.split())
    wake_when_it_is_back(queue)
    queue.check()


def test_a_redis_with_too_many_clients_is_noticed(server):
    queue = RedisWorkQueue(server.url)
    with server.client() as client:
        client.config_set("maxclients", len(client.client_list()))
        with pytest.raises(DependencyUnavailable, match="too many clients"):
            queue.check()
        client.config_set("maxclients", 1_000)
    wake_when_it_is_back(queue)
    queue.close()


def test_a_redis_that_is_busy_with_a_script_is_noticed(server, queue):
    def be_busy():
        with server.client() as other, pytest.raises(redis.ResponseError):
            other.eval("while true do end", 0)

    with server.client() as client, ThreadPoolExecutor(1) as pool:
        client.config_set("lua-time-limit", 1)
        busy = pool.submit(be_busy)
        try:
            # Before the limit of the script's time, Redis does not answer
            assert eventually(lambda: "busy with a script" in _refusal(queue))
        finally:
            client.script_kill()
        busy.result()
    wake_when_it_is_back(queue)


def _refusal(queue):
    try:
        queue.check()
    except DependencyUnavailable as error:
        return str(error)
    return ""


def test_a_server_that_became_a_replica_is_left_for_the_new_primary(server):
    # Given an address whose server is demoted while its connections stay open
    with redis_server() as successor, TcpProxy(server.port) as endpoint:
        url = f"redis://127.0.0.1:{endpoint.port}/0"
        queue, broker, handler = RedisWorkQueue(url), RedisQueueBroker(url), Handler()
        with working(broker, handler), woken(queue, handler):
            queue.wake(1)
            handler.next()
            sent = send(broker)
            assert handler.next() == sent
            # When the address leads to the new primary
            server.follow(successor)
            endpoint.target_port = successor.port
            # Then wake-ups and completions pass as before
            queue.wake(1)
            assert handler.next() is None
            sent = send(broker)
            assert handler.next() == sent
            queue.check()
        queue.close()
        broker.close()


def test_a_server_that_lost_its_primary_is_left_for_the_new_one(server):
    # Given an address whose server is demoted, and serves nothing without its primary
    limits = [RateLimit("key:moved", 1_000)]
    with redis_server() as successor, TcpProxy(server.port) as endpoint:
        limiter = RedisRateLimiter(f"redis://127.0.0.1:{endpoint.port}/0", InProcessRateLimiter())
        assert limiter.take(limits).is_allowed
        with server.client() as client:
            client.config_set("replica-serve-stale-data", "no")
            client.replicaof("127.0.0.1", 1)
        # When the address leads to the new primary
        endpoint.target_port = successor.port
        # Then rates are limited there
        with successor.client() as client:
            assert eventually(lambda: limiter.take(limits) and client.exists(f"{KEY_PREFIX}key:moved"))
