import pytest

from application.errors import NotFound, Unprocessable
from domain.errors import InvalidValue
from domain.values import ObjectKey
from tests.support.callers import ANONYMOUS


def test_a_log_is_read_as_text(service):
    service.log_store.put(ObjectKey("logs/a.json"), b'{"stdout": "\xff"}', "application/json")

    assert service.read_log(ANONYMOUS, "logs/a.json") == '{"stdout": "\N{REPLACEMENT CHARACTER}"}'


@pytest.mark.parametrize("key", ["", "/etc/passwd", "logs/../code/x", "logs//x", "logs\\x", "logs/a\0"])
def test_what_cannot_be_a_key_is_refused(service, key):
    with pytest.raises(InvalidValue):
        service.read_log(ANONYMOUS, key)


@pytest.mark.parametrize("key", ["logs/none.json", "demo/secret.py", "logsx"])
def test_only_logs_that_exist_are_found(service, key):
    service.log_store.put(ObjectKey("demo/secret.py"), b"secret", "text/plain")

    with pytest.raises(NotFound, match="log '"):
        service.read_log(ANONYMOUS, key)


def test_a_log_larger_than_is_read_at_once_is_refused(service):
    service.log_store.put(ObjectKey("logs/big.json"), b"x" * 1_001, "application/json")

    with pytest.raises(Unprocessable):
        service.read_log(ANONYMOUS, "logs/big.json")
