"""Versions of languages are waited for while they are being asked for, and not where a runner has none."""

import pytest

from entrypoints.cli import client_commands
from entrypoints.cli.client_commands import known_languages


class Answers:
    """A service with an answer for each request; the last one is that of all later requests."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.requests = 0

    def get(self, path):
        assert path == "/api/languages"
        self.requests += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def language(version, *, pending):
    return {"name": "python", "available": True, "version": version, "version_pending": pending}


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(client_commands, "_ASK_AGAIN_S", 0)


def test_a_version_that_is_being_asked_for_is_waited_for():
    service = Answers([language(None, pending=True)], [language("3.11.2", pending=False)])
    assert known_languages(service) == [language("3.11.2", pending=False)]
    assert service.requests == 2


def test_a_runner_without_versions_is_asked_once():
    service = Answers([language(None, pending=False)])
    assert known_languages(service) == [language(None, pending=False)]
    assert service.requests == 1


def test_a_server_that_does_not_tell_whether_versions_follow_is_asked_once():
    older = {"name": "python", "available": True, "version": None}
    service = Answers([older])
    assert known_languages(service) == [older]
    assert service.requests == 1
