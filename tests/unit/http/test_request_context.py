import pytest

from entrypoints.http.request_context import caller_address, caller_network


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:0:0:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("", "", True),
        ("a.sock", "b.sock", False),
    ],
)
def test_a_caller_is_known_by_what_its_network_gives_to_one(one: str, other: str, is_same: bool):  # noqa: FBT001 - a case's outcome
    networks = []
    for address in (one, other):
        token = caller_address.set(address)
        networks.append(caller_network())
        caller_address.reset(token)

    assert (networks[0] == networks[1]) is is_same
