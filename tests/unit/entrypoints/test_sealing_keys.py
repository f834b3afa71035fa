import base64

import pytest

from entrypoints.cli.errors import Failure
from entrypoints.cli.parts import parts
from entrypoints.cli.settings_report import in_force, load_settings
from entrypoints.setting_types import sealing_key

VARIABLE = "SERVICE_SERVER_SEALING_KEYS"
KEYS = [base64.b64encode(bytes([number]) * 32).decode() for number in range(2)]


@pytest.fixture(autouse=True)
def no_file(monkeypatch, tmp_path):
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)


def words_of_parts(settings):
    return {str(name): str(what) for name, what in parts(settings)}


def test_there_is_no_sealing_key_by_default():
    settings = load_settings()

    assert settings.sealing_keys == ()
    assert words_of_parts(settings)["secrets"] == f"refused ({VARIABLE} has no key)"


def test_keys_have_names_and_keep_their_order(monkeypatch):
    monkeypatch.setenv(VARIABLE, f"new-2:{KEYS[1]}, 2025.old:{KEYS[0]}")

    keys = dict(map(sealing_key, load_settings().sealing_keys))

    assert list(keys.items()) == [("new-2", b"\1" * 32), ("2025.old", b"\0" * 32)]


def test_a_report_of_the_settings_shows_that_there_are_keys_and_none_of_them(monkeypatch):
    monkeypatch.setenv(VARIABLE, f"name:{KEYS[1]}")
    settings = load_settings()

    assert words_of_parts(settings)["secrets"] == "sealed"
    shown = next(value for name, value, _ in in_force(settings) if name == VARIABLE)
    assert shown == "********"
    assert KEYS[1] not in repr(settings)


@pytest.mark.parametrize(
    "value",
    [
        KEYS[0],
        f":{KEYS[0]}",
        f"a b:{KEYS[0]}",
        f"{'x' * 33}:{KEYS[0]}",
        f"name:{KEYS[0][:-4]}",
        f"name:{KEYS[0]}AAAA",
        "name:",
        "name:no base64",
        f"name:{KEYS[0]},name:{KEYS[1]}",
    ],
)
def test_a_key_that_breaks_a_rule_is_refused_and_not_shown(monkeypatch, value):
    monkeypatch.setenv(VARIABLE, value)

    with pytest.raises(Failure, match=VARIABLE) as refused:
        load_settings()

    assert KEYS[0][:8] not in str(refused.value)
