"""A runner on this machine's engine, asked as docs/runner.md has it."""

import socket
import threading
from contextlib import ExitStack
from uuid import uuid4

import httpx
import pytest

from adapters.local_engine.engine import LocalEngine
from domain.limits import STANDARD_LIMITS
from domain.values import ObjectKey
from entrypoints.runner_server import OTHERS_AT_ONCE, RunnerServer
from tests.support.memory.object_store import MemoryObjectStore
from tests.support.no_tls import NO_TLS
from tests.support.processes import PATIENCE_S, eventually
from tests.support.raw_http import answer, connect
from tests.support.sandbox import require_bubblewrap

_LOOP = "import time\nwhile True: time.sleep(0.01)"


@pytest.fixture(scope="module")
def store():
    return MemoryObjectStore()


@pytest.fixture(scope="module")
def client(store, tmp_path_factory):
    """A client of a runner with room for one program."""
    require_bubblewrap()
    engine = LocalEngine(store, tmp_path_factory.mktemp("runner"), isolated=True)
    engine.start()
    server = RunnerServer(engine, STANDARD_LIMITS, programs=1)
    server.listen("127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", verify=NO_TLS, timeout=90) as http:
        yield http
    server.stop(0)
    engine.stop()


def _stored(store, code, extension=".py"):
    key = f"demo/{uuid4()}{extension}"
    store.put(ObjectKey(key), code.encode(), "text/plain")
    return key


@pytest.mark.parametrize("path", ["/run", "/python/run"])
def test_a_program_that_ends_is_answered_with_its_output_and_figures(client, store, path):
    key = _stored(store, "import sys; print(6 * 7); print('!', file=sys.stderr); sys.exit(3)")
    ids = {"job_id": str(uuid4()), "execution_id": str(uuid4())}

    answer = client.get(path, params={"code_key": key, **ids, "timeout_ms": "30000"})

    fields = answer.json()
    assert answer.status_code == 200
    assert {name: fields[name] for name in ("stdout", "stderr", "exit_code")} == {
        "stdout": "42\n",
        "stderr": "!\n",
        "exit_code": 3,
    }
    assert {name: fields[name] for name in ("code_key", *ids)} == {"code_key": key, **ids}
    assert fields["execution_time_ms"] > 0


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(_LOOP, "Command 'program' timed out after 0.5 seconds", id="time"),
        pytest.param("while True: print('x' * 65536)", "maxBuffer", id="output"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "died with <Signals.SIGKILL: 9>", id="signal"),
    ],
)
def test_the_end_by_a_limit_or_a_signal_has_the_words_that_services_recognise(client, store, code, error):
    timeout = "500" if code == _LOOP else "30000"

    answer = client.get("/run", params={"code_key": _stored(store, code), "timeout_ms": timeout})

    assert answer.status_code == 500
    assert error in answer.json()["error"]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"code_key": "../x.py"},
        {"code_key": "demo/x.cobol"},
        {"code_key": "demo/x.py", "execution_id": "1"},
        {"code_key": "demo/x.py", "job_id": "1"},
        {"code_key": "demo/x.py", "timeout_ms": "soon"},
        {"code_key": "demo/x.py", "timeout_ms": "1" + "0" * 12},
        {"code_key": "demo/x.py", "timeout_ms": "9" * 5_000},
    ],
)
def test_a_request_that_cannot_be_meant_is_refused_and_runs_nothing(client, asked):
    answer = client.get("/run", params=asked)

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_without_room_nothing_is_started_and_cancelling_makes_room(client, store):
    # Given a program that does not end
    ids = {"job_id": str(uuid4()), "execution_id": str(uuid4())}
    ends = []
    asked = {"code_key": _stored(store, _LOOP), "timeout_ms": "60000", **ids}

    def run():
        while (answer := client.get("/run", params=asked)).status_code == 503:
            pass  # the other one was first
        ends.append(answer)

    thread = threading.Thread(target=run)
    thread.start()
    quick = {"code_key": _stored(store, "print(1)")}
    # When another one is asked for
    assert eventually(lambda: client.get("/run", params=quick).status_code == 503)
    assert client.get("/run", params=quick).headers["retry-after"] == "1"
    # Then there is room for it once the first is cancelled
    path = f"/cancel/{ids['job_id']}"
    assert eventually(
        lambda: (
            client.post(path, params={"execution_id": ids["execution_id"]}).status_code == 200 and bool(ends)
        )
    )
    thread.join()
    assert ends[0].status_code == 500
    assert client.get("/run", params=quick).json()["stdout"] == "1\n"


def test_health_is_answered_and_other_paths_are_not(client):
    paths = ("/health", "/python/health", "/health/live", "/", "/a/b/run")
    answers = [client.get(path).status_code for path in paths]

    assert answers == [200, 200, 200, 404, 404]
    assert client.post("/cancel/1").status_code == 404


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_target_that_is_no_url_is_refused(client, caplog, method):
    with connect(client.base_url) as connection:
        connection.sendall(f"{method} http://[/run HTTP/1.1\r\nHost: runner\r\n\r\n".encode())

        assert answer(connection).status_code == 400
    assert not caplog.records


def test_callers_that_send_nothing_do_not_take_ever_more_threads(client):
    address = ("127.0.0.1", client.base_url.port)
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(address, PATIENCE_S))
            for _ in range(1 + OTHERS_AT_ONCE + 1)
        ]
        # There is no room for the last one, and there is when the others have left.
        assert silent[-1].recv(1) == b""

    assert eventually(lambda: is_answered(client))


def is_answered(client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False


def test_a_runner_listens_to_ipv6_too(store, tmp_path):
    server = RunnerServer(LocalEngine(store, tmp_path, isolated=True), STANDARD_LIMITS, programs=1)
    server.listen("::1", 0)
    server.start()
    answer = httpx.get(f"http://[::1]:{server.port}/health", verify=NO_TLS)
    server.stop(0)

    assert answer.status_code == 200
