import pytest

from domain.errors import InvalidValue
from domain.network_address import is_public, parse_address
from domain.webhook_url import WebhookUrl, receiver_digest

PRIVATE = [
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.100.100.200"),
    *("127.0.0.1", "127.255.255.254", "0.0.0.1", "0.1.2.3", "169.254.169.254", "169.254.0.1"),
    *("224.0.0.1", "239.255.255.255", "233.252.0.1", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1"),
    *("2001:db8::1", "100::1", "3fff::1", "2001:2::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8"),
    *("2002:7f00:1::1", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
    *("2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:a00:1"),
]
PUBLIC = ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2a00:1450:4001:80e::200e", "2606:4700::1", "64:ff9b::8.8.8.8"]


@pytest.mark.parametrize("text", PRIVATE)
def test_an_address_of_a_network_or_a_host_is_not_public(text):
    assert not is_public(parse_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_an_address_of_the_internet_is_public(text):
    assert is_public(parse_address(text))


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        ("https://example.com", "https://example.com", "/"),
        ("https://example.com/a/b?c=d&e", "https://example.com", "/a/b?c=d&e"),
        ("http://example.com:80/x", "http://example.com", "/x"),
        ("http://example.com:443", "http://example.com:443", "/"),
        ("HTTPS://EXAMPLE.com/", "https://example.com", "/"),
        ("https://[2606:4700::1]:8443/", "https://[2606:4700::1]:8443", "/"),
        ("https://a_b.example.com?x", "https://a_b.example.com", "/?x"),
        ("http://8.8.8.8", "http://8.8.8.8", "/"),
    ],
)
def test_a_url_has_an_origin_and_a_target(text, origin, target):
    url = WebhookUrl(text)

    assert (url.origin, url.target) == (origin, target)


@pytest.mark.parametrize(
    "text",
    [
        *("", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd", "gopher://a:70/"),
        *("javascript:alert(1)", "https://", "https:///path", "https://:443/", "http://user@example.com/"),
        *("http://user:secret@example.com/", "http://@example.com", "http://example.com/#part"),
        *("http://exam ple.com", "http://example.com/a b", "http://example.com\\@evil.example/"),
        *("http://example.com/\r\nHost: a", "http://exämple.com", "http://example.com:0", "http://a:65536"),
        *("http://a:b", "http://[::1", "http://[fe80::1%25eth0]/", "http://[v1.a]/", "http://-a.com/ü"),
        "http://" + "a" * 64 + ".example.com",
        "http://example.com/" + "a" * 2_048,
        "http://ex%61mple.com/",
        "http://example..com/",
    ],
)
def test_another_text_is_refused(text):
    with pytest.raises(InvalidValue):
        WebhookUrl(text)


@pytest.mark.parametrize(
    "host",
    [
        *(text if ":" not in text else f"[{text}]" for text in PRIVATE if "%" not in text),
        *("127.1", "127.0.1", "0x7f.1", "0x7f000001", "2130706433", "017700000001", "0177.0.0.1", "0"),
        *("localhost", "LOCALHOST", "localhost.", "a.localhost", "10.1", "0xa9fea9fe"),
    ],
)
def test_a_url_of_a_private_host_is_refused_whatever_its_notation(host):
    with pytest.raises(InvalidValue, match="SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE"):
        WebhookUrl(f"http://{host}/").require_public()


@pytest.mark.parametrize("host", ["example.com", "8.8.8.8", "[2606:4700::1]", "localhost.example.com", "1.1"])
def test_a_url_of_a_public_host_or_of_a_name_may_be_public(host):
    if host == "1.1":  # 1.0.0.1
        WebhookUrl("http://1.1/").require_public()
    WebhookUrl(f"https://{host}/").require_public()


def test_receivers_are_told_apart_by_tenant_and_origin_alone():
    one = receiver_digest("acme", WebhookUrl("https://example.com/a?token=1"))

    assert one == receiver_digest("acme", WebhookUrl("https://example.com:443/b"))
    assert one != receiver_digest("other", WebhookUrl("https://example.com/a?token=1"))
    assert one != receiver_digest("acme", WebhookUrl("http://example.com/a?token=1"))
    assert len(one) == 64
