"""The sender against hostile receivers."""

import gzip
import os
import socket
import ssl
import threading
import time
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from adapters.webhook_sender.network import RESOLVING_AT_ONCE, Deadline, Resolver
from adapters.webhook_sender.sender import MAX_ANSWER_BYTES, HttpWebhookSender
from application.ports.webhook_sender import PostFailed
from domain.webhook_url import WebhookUrl
from tests.support.certificate import self_signed
from tests.support.scripted_http import Answer, scripted_server
from tests.support.silent_address import silent

BODY = b'{"type":"job.completed"}'
LOOPBACK = ip_address("127.0.0.1")
OK = b"HTTP/1.1 200 OK\r\n"


class FixedResolver(Resolver):
    """Names by a table, and the number of look-ups of each."""

    def __init__(self, **names):
        super().__init__()
        self.names = {name.replace("_", "."): addresses for name, addresses in names.items()}
        self.asked = []

    def __call__(self, host, port, deadline):
        if host not in self.names:
            return super().__call__(host, port, deadline)
        self.asked.append(host)
        return [ip_address(address) for address in self.names[host]]


def sender(timeout_s=5.0, *, allows_private=True, **options):
    return HttpWebhookSender(timeout_s, allows_private=allows_private, **options)


def post(url, body=BODY, **options):
    return sender(**options).post(WebhookUrl(url), {"webhook-id": "1"}, body)


@contextmanager
def raw_server(serve, wrap=lambda connection: connection):
    """Serve connections with a function, each on a thread; yield the address and the connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopping = threading.Event()
        accepted = []

        def handle(connection):
            try:
                with connection, wrap(connection) as wrapped:
                    serve(wrapped, stopping)
            except OSError:
                return

        def accept():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}", accepted
        finally:
            stopping.set()
            listener.shutdown(socket.SHUT_RDWR)


def read_request(connection):
    received = b""
    while BODY not in received:
        more = connection.recv(65_536)
        if not more:
            return received
        received += more
    return received


def test_a_post_has_the_body_and_the_headers_of_the_specification():
    seen = []

    def serve(connection, _stopping):
        seen.append(read_request(connection))
        connection.sendall(OK + b"Content-Length: 4\r\n\r\nfine")

    with raw_server(serve) as (address, _):
        answer = post(f"{address}/hook?token=1")

    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert body == BODY
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /hook?token=1 HTTP/1.1"
    assert f"Host: {address.removeprefix('http://')}".encode() in lines
    assert b"webhook-id: 1" in lines
    assert b"Accept-Encoding: identity" in lines
    assert b"Content-Type: application/json" in lines
    assert (answer.status, answer.text) == (200, "fine")


@pytest.mark.parametrize("status", [204, 400, 410, 500])
def test_any_status_is_an_answer(status):
    with scripted_server(Answer(status=status)) as server:
        assert post(server.address).status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status):
    with (
        scripted_server(Answer()) as target,
        scripted_server(Answer(status=status, headers={"Location": f"{target.address}/secret"})) as server,
    ):
        assert post(server.address).status == status
        assert target.requests == []


def test_no_proxy_of_the_environment_is_used(monkeypatch):
    with scripted_server(Answer(status=502)) as proxy, scripted_server(Answer()) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setitem(os.environ, name, proxy.address)
        assert post(server.address).status == 200
        assert proxy.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://127.1:{port}/",
        "http://2130706433:{port}/",
    ],
)
def test_a_private_address_is_not_even_connected_to(url):
    with raw_server(lambda connection, _: connection.sendall(OK + b"\r\n")) as (address, accepted):
        port = address.rpartition(":")[2]
        with pytest.raises(PostFailed, match="not public"):
            post(url.format(port=port), allows_private=False)
        assert accepted == []


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["2606:4700::1", "::ffff:127.0.0.1"],
        ["169.254.169.254"],
        ["64:ff9b::7f00:1"],
    ],
)
def test_a_name_with_one_private_address_among_others_is_refused(addresses):
    resolver = FixedResolver(rebind_example=addresses)

    with pytest.raises(PostFailed, match=r"'rebind\.example' .*resolves to an address that") as error:
        post("http://rebind.example/", allows_private=False, resolver=resolver)
    assert not any(address in str(error.value) for address in addresses)


def test_a_private_name_cannot_be_told_from_one_that_does_not_exist(caplog):
    resolver = FixedResolver(private_example=["10.0.0.1"], missing_example=[])

    def refusal(host):
        with caplog.at_level("INFO", "service_server.webhooks"), pytest.raises(PostFailed) as error:
            post(f"http://{host}/", allows_private=False, resolver=resolver)
        return str(error.value).replace(host, "host"), caplog.messages[-1]

    (private, logged_private), (missing, logged_missing) = map(
        refusal, ("private.example", "missing.example")
    )

    assert private == missing
    assert logged_private == "receiver refused: 'private.example' resolves to an address that is not public"
    assert logged_missing == "receiver refused: 'missing.example' cannot be resolved"


def test_a_name_is_resolved_once_and_its_address_is_pinned():
    # Given a name whose second answer would lead elsewhere
    resolver = FixedResolver(rebind_example=["127.0.0.1"])
    with scripted_server(Answer()) as server:
        port = server.server_port
        assert post(f"http://rebind.example:{port}/", resolver=resolver).status == 200

    assert resolver.asked == ["rebind.example"]
    assert server.headers[0]["Host"] == f"rebind.example:{port}"


def test_another_address_of_the_name_is_tried_when_the_first_refuses():
    resolver = FixedResolver(two_example=["127.0.0.9", "127.0.0.1"])
    with scripted_server(Answer()) as server:
        assert post(f"http://two.example:{server.server_port}/", resolver=resolver).status == 200


def test_another_address_of_the_name_is_tried_when_the_first_does_not_answer():
    # Given a name whose first address drops every packet
    resolver = FixedResolver(two_example=["127.0.0.9", "127.0.0.1"])
    with scripted_server(Answer()) as server, silent("127.0.0.9", server.server_port):
        # Then the second is used, within the time for the request
        assert post(f"http://two.example:{server.server_port}/", timeout_s=4, resolver=resolver).status == 200


def test_a_name_that_there_is_not_is_said(monkeypatch):
    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(PostFailed, match=r"The name 'nowhere.invalid' cannot be resolved"):
        post("http://nowhere.invalid/", timeout_s=30)


def test_names_are_resolved_again_after_threads_could_not_be_started(monkeypatch):
    # Given a process that could not start the threads of many look-ups
    resolver = Resolver()
    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", refused)
        for _ in range(RESOLVING_AT_ONCE):
            with pytest.raises(RuntimeError):
                resolver("localhost", 80, Deadline(5))
    # When it can start them again, then names are resolved
    assert resolver("localhost", 80, Deadline(5))


def refused(_thread):
    raise RuntimeError("can't start new thread")


def test_a_name_whose_servers_are_slow_ends_with_the_time(monkeypatch):
    released = threading.Event()

    def slow(*_args, **_options):
        released.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(PostFailed, match=r"within 0.2 s"):
        post("http://slow.example/", timeout_s=0.2)
    released.set()


def trickle_headers(connection, stopping):
    read_request(connection)
    connection.sendall(OK)
    while not stopping.wait(0.05):
        connection.sendall(b"X-A: b\r\n")


def trickle_nothing(_connection, stopping):
    stopping.wait(60)


def trickle_interim_answers(connection, stopping):
    read_request(connection)
    while not stopping.wait(0.02):
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("serve", [trickle_headers, trickle_nothing, trickle_interim_answers])
def test_a_receiver_that_trickles_is_left_in_time(serve):
    with raw_server(serve) as (address, _):
        began = time.monotonic()
        with pytest.raises(PostFailed, match=r"within 0.5 s"):
            post(address, timeout_s=0.5)
        assert time.monotonic() - began < 30


def test_a_receiver_that_reads_nothing_of_a_large_body_is_left_in_time():
    with raw_server(trickle_nothing) as (address, _), pytest.raises(PostFailed, match=r"within 0.5 s"):
        post(address, body=bytes(64 << 20), timeout_s=0.5)


def test_a_status_that_came_counts_though_the_body_trickles():
    def serve(connection, stopping):
        read_request(connection)
        connection.sendall(OK + b"Content-Length: 1000000\r\n\r\n")
        while not stopping.wait(0.05):
            connection.sendall(b"x")

    with raw_server(serve) as (address, _):
        answer = post(address, timeout_s=0.5)

    assert answer.status == 200
    assert set(answer.text) <= {"x"}


def endless(head, piece):
    def serve(connection, stopping):
        read_request(connection)
        connection.sendall(head)
        sent = 0
        try:
            while not stopping.is_set():
                sent += connection.send(piece)
        finally:
            connection.close()

    return serve


def test_no_more_than_64_kib_of_a_body_are_read():
    head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
    with raw_server(endless(head, b"400\r\n" + b"x" * 1_024 + b"\r\n")) as (address, _):
        answer = post(address, timeout_s=30)

    assert answer.status == 200
    assert len(answer.text) <= 2_000


def test_no_more_than_64_kib_of_headers_are_read():
    serve = endless(OK, b"X-A: " + b"b" * 1_000 + b"\r\n")
    with (
        raw_server(serve) as (address, _),
        pytest.raises(PostFailed, match=f"exceed {MAX_ANSWER_BYTES} bytes"),
    ):
        post(address, timeout_s=30)


def test_a_compressed_answer_is_not_unpacked():
    packed = gzip.compress(bytes(50 << 20))
    headers = {"Content-Encoding": "gzip"}
    with scripted_server(Answer(body=packed, headers=headers)) as server:
        answer = post(server.address, timeout_s=30)

    assert answer.status == 200
    assert len(answer.text) <= 2_000


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH\r\n", b"\0\0\0", b"", b"HTTP/1.1 abc\r\n\r\n"])
def test_an_answer_that_is_no_http_is_a_failure(answer):
    def serve(connection, _stopping):
        read_request(connection)
        connection.sendall(answer)

    with raw_server(serve) as (address, _), pytest.raises(PostFailed, match=r"HTTP/1.1"):
        post(address, timeout_s=30)


def test_a_port_that_nothing_listens_on_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(PostFailed, match="cannot be reached"):
        post(f"http://127.0.0.1:{port}/", timeout_s=30)


@pytest.fixture
def certificate(tmp_path):
    return self_signed(tmp_path / "server.pem")


def tls_server(certificate, serve):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return raw_server(serve, wrap=lambda connection: context.wrap_socket(connection, server_side=True))


def fine(connection, _stopping):
    read_request(connection)
    connection.sendall(OK + b"Content-Length: 0\r\n\r\n")


def test_the_certificate_is_checked_by_the_name_of_the_url(certificate):
    trusted = ssl.create_default_context(cafile=certificate)
    resolver = FixedResolver(other_example=["127.0.0.1"])
    with tls_server(certificate, fine) as (address, _):
        port = address.rpartition(":")[2]
        assert post(f"https://127.0.0.1:{port}/", tls=trusted, timeout_s=30).status == 200
        with pytest.raises(PostFailed, match="certificate is refused"):
            post(f"https://other.example:{port}/", tls=trusted, resolver=resolver, timeout_s=30)
        with pytest.raises(PostFailed, match="certificate is refused"):
            post(f"https://127.0.0.1:{port}/", timeout_s=30)


def test_a_receiver_without_tls_at_an_https_url_is_a_failure():
    with raw_server(fine) as (address, _), pytest.raises(PostFailed):
        post(address.replace("http:", "https:"), timeout_s=0.5)


def test_a_handshake_that_does_not_end_is_left_in_time():
    with raw_server(trickle_nothing) as (address, _), pytest.raises(PostFailed, match=r"within 0.5 s"):
        post(address.replace("http:", "https:"), timeout_s=0.5)
