"""Who may call a service in a process of its own, and how the command line shows who it is."""

import json

import pytest

from tests.support import service

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 - what a deployment listens on


@pytest.fixture(scope="module")
def env(tmp_path_factory):
    return service.environment(tmp_path_factory.mktemp("data"), SERVICE_SERVER_AUTH="keys")


@pytest.fixture(scope="module")
def key(env):
    ran = service.run("setup", "--json", env=env)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)["key"]


def test_a_service_for_others_does_not_start_before_it_is_said_who_may_call(tmp_path):
    ended = service.run("serve", "--port", "0", env=service.environment(tmp_path, SERVER_HOST=ALL_ADDRESSES))

    assert ended.returncode == 2
    (sentence,) = ended.stderr.decode().splitlines()
    assert sentence.startswith("service-server: others can reach 0.0.0.0")
    assert "SERVICE_SERVER_AUTH=keys" in sentence
    assert "SERVICE_SERVER_AUTH=off" in sentence
    assert "service-server setup" in sentence


def test_a_service_that_lets_anybody_in_says_so_loudly(tmp_path):
    env = service.environment(tmp_path, SERVER_HOST=ALL_ADDRESSES, SERVICE_SERVER_AUTH="off")
    with service.served(env) as server:
        report = json.loads(service.run("doctor", "--json", env=env).stdout)
        output = server.process.output

    sentence = "SERVICE_SERVER_AUTH is off on a public address"
    assert f"WARNING service_server.settings: {sentence}" in output
    assert f"  WARNING: {sentence}" in output
    assert any(sentence in warning for warning in report["warnings"])
    assert "without a key" in report["admitted"]["callers"]


def test_the_command_line_brings_a_key_from_the_environment_or_a_file(env, key, tmp_path):
    file = tmp_path / "key"
    file.write_text(key + "\n")
    with service.served(env) as server:
        without = {**env, "SERVICE_SERVER_SERVER_URL": server.url}
        refused = service.run("jobs", env=without)
        by_environment = service.run("jobs", env={**without, "SERVICE_SERVER_API_KEY": key})
        by_file = service.run("jobs", "--api-key-file", str(file), env=without)
        ran = service.run("run", "examples/words.py", "--api-key-file", str(file), env=without, stdin=b"a b")

    assert refused.returncode == 1
    assert b"SERVICE_SERVER_API_KEY" in refused.stderr
    for done in (by_environment, by_file, ran):
        assert (done.returncode, done.stderr) == (0, b"")


def test_an_embedded_command_needs_no_key(env):
    ran = service.run("jobs", env=env)

    assert (ran.returncode, ran.stderr) == (0, b"")


@pytest.mark.parametrize("content", [None, "ssk_none", "-----BEGIN PRIVATE KEY-----", b"\xff"])
def test_a_file_without_a_key_is_sent_to_no_server(env, tmp_path, content):
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    ended = service.run("jobs", "--server", "http://127.0.0.1:1", "--api-key-file", str(file), env=env)

    assert ended.returncode == 2
    assert str(file).encode() in ended.stderr
    assert b"PRIVATE" not in ended.stderr
