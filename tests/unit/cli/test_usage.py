"""Errors of usage: the value that was given, the ones that are allowed, and a similar one."""

import re

import pytest
from click.testing import CliRunner

from entrypoints.cli.client import ServiceClient
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.main import service_server


def refusal(*arguments):
    ran = CliRunner().invoke(service_server, arguments)
    assert ran.exit_code == 2
    return " ".join(ran.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["jbos"], "No such command 'jbos'. Did you mean 'jobs'?"),
        (["jobs", "--langauge", "c"], "No such option '--langauge'. Did you mean '--language'?"),
        (["jobs", "--status", "faild"], "'cancelled'; did you mean 'failed'?"),
        (["jobs", "--phase", "runing"], "did you mean 'running'?"),
        (["jobs", "--status", "done"], "'done' is not one of 'pending', 'running', 'success'"),
    ],
)
def test_a_mistyped_word_is_refused_with_a_similar_one_and_with_the_allowed_ones(arguments, sentence):
    assert sentence in refusal(*arguments)


@pytest.mark.parametrize(
    ("command", "name", "similar"),
    [
        (["jobs"], "pyhton", "did you mean 'python'? Languages are python, node"),
        (["run", "x"], "javascrpt", "did you mean 'javascript'? Languages are python"),
        (["run", "x"], "cobol", "languages are python, node"),
    ],
)
def test_an_unknown_language_is_refused_with_a_similar_one_and_with_all(command, name, similar):
    failure = CliRunner().invoke(service_server, [*command, "--language", name]).exception
    assert isinstance(failure, Failure)
    assert failure.exit_code == ExitCode.USAGE
    assert str(failure).startswith(f"--language: {name!r} is not a language; {similar}")


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        ("localhost", "http://localhost"),
        ("https://service.example.com/x", "https://service.example.com/x"),
    ],
)
def test_an_address_of_this_machine_needs_no_scheme(address, url):
    client = ServiceClient.at(address)
    assert str(client.url).rstrip("/") == url
    client.close()


@pytest.mark.parametrize(
    "address", ["service.example.com", "ftp://localhost", "localhost.example.com:80", ":80"]
)
def test_another_address_begins_with_a_scheme(address):
    with pytest.raises(Failure, match=re.escape(f"--server {address}: must begin with https:// or http://")):
        ServiceClient.at(address)


@pytest.mark.parametrize("rest", [":99999", ":x", "?tenant=a", "/x#part"])
def test_an_address_to_which_no_path_can_be_appended_is_wrong_usage(rest):
    with pytest.raises(Failure, match=re.escape(f"--server http://localhost{rest}: ")) as refused:
        ServiceClient.at(f"http://localhost{rest}")
    assert refused.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("SSL_CERT_FILE", "/nonexistent", "no such file or directory; check SSL_CERT_FILE and SSL_CERT_DIR"),
        ("SSL_CERT_FILE", __file__, "check SSL_CERT_FILE and SSL_CERT_DIR"),
        ("ALL_PROXY", "socks5://127.0.0.1:1", "SOCKS proxies are not supported"),
    ],
)
def test_variables_of_other_programs_that_prevent_a_connection_are_named(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
):
    monkeypatch.setenv(variable, value)

    with pytest.raises(Failure, match=why) as raised:
        ServiceClient.at("https://127.0.0.1:1")

    assert raised.value.exit_code == ExitCode.USAGE
