from urllib.parse import parse_qs, urlsplit

import pytest

from application.log_links import LogLinks
from domain.values import ObjectKey
from tests.support.memory.clock import MemoryClock

KEY = ObjectKey("tenants/acme/logs/a b&c=d.json")
EXPIRY_S = 600


@pytest.fixture
def clock():
    return MemoryClock()


@pytest.fixture
def links(clock):
    return LogLinks(b"k" * 32, "http://host/", EXPIRY_S, clock)


def parts(url):
    """Return the key, the expiry and the signature in a link."""
    query = parse_qs(urlsplit(url).query, strict_parsing=True)
    return query["log_key"][0], query["expires"][0], query["signature"][0]


def test_a_link_is_valid_for_its_log_until_it_expires(links, clock):
    url = links.url(KEY)
    log_key, expires, signature = parts(url)

    assert url.startswith("http://host/api/log-link?")
    assert log_key == KEY.value
    assert links.is_valid(KEY, expires, signature)
    clock.advance(EXPIRY_S - 1)
    assert links.is_valid(KEY, expires, signature)
    clock.advance(62)
    assert not links.is_valid(KEY, expires, signature)


def test_links_of_the_same_minute_are_the_same(links, clock):
    first = links.url(KEY)
    assert links.url(KEY) == first
    clock.advance(60)
    assert links.url(KEY) != first


def test_a_link_is_for_one_log_alone(links):
    _key, expires, signature = parts(links.url(KEY))

    assert not links.is_valid(ObjectKey("tenants/acme/logs/other.json"), expires, signature)


@pytest.mark.parametrize(
    "forge",
    [
        lambda expires, _signature: (str(int(expires) + 60), None),
        lambda expires, signature: (expires, signature[:-1]),
        lambda expires, signature: (expires, signature + "="),
        lambda expires, signature: (expires, signature.swapcase()),
        lambda expires, _signature: (expires, ""),
        lambda expires, _signature: (expires, "\ud800é"),
        lambda expires, signature: ("0" + expires, signature),
        lambda expires, signature: ("+" + expires, signature),
        lambda expires, signature: (f" {expires}", signature),
        lambda expires, signature: ("".join(chr(0xFF10 + int(digit)) for digit in expires), signature),
        lambda _expires, signature: ("9" * 5_000, signature),
        lambda _expires, signature: ("never", signature),
        lambda _expires, signature: ("", signature),
    ],
)
def test_a_changed_link_is_not_valid(links, forge):
    _key, expires, signature = parts(links.url(KEY))
    forged_expires, forged = forge(expires, signature)

    assert not links.is_valid(KEY, forged_expires, signature if forged is None else forged)


def test_another_installation_makes_other_links(links, clock):
    _key, expires, signature = parts(LogLinks(b"o" * 32, "http://host", EXPIRY_S, clock).url(KEY))

    assert not links.is_valid(KEY, expires, signature)
