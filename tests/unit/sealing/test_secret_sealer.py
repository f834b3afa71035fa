import base64
from dataclasses import replace
from uuid import uuid4

import pytest

from adapters.sealing.secret_sealer import KEY_BYTES, AesGcmSealer
from application.errors import SecretsUnavailable
from domain.values import JobId

VARIABLES = {"TOKEN": "hunter2-값-\n'\"", "EMPTY": ""}
OLD, NEW = (bytes([number]) * KEY_BYTES for number in range(2))
JOB, OTHER = JobId(uuid4()), JobId(uuid4())


@pytest.fixture
def sealer():
    return AesGcmSealer({"old": OLD})


def changed(text, place):
    content = bytearray(base64.b64decode(text))
    content[place] ^= 1
    return base64.b64encode(content).decode()


def test_what_is_sealed_opens_for_its_job(sealer):
    secrets = sealer.seal(JOB, VARIABLES)

    assert sealer.open(JOB, secrets) == VARIABLES
    assert secrets.key_id == "old"


def test_what_is_sealed_shows_neither_names_nor_values(sealer):
    secrets = sealer.seal(JOB, VARIABLES)

    sealed = base64.b64decode(secrets.box) + base64.b64decode(secrets.wrapped_key)
    for text in ("TOKEN", "hunter2"):
        assert text.encode() not in sealed
        assert text not in repr(secrets)


def test_the_same_is_never_sealed_alike(sealer):
    one, other = (sealer.seal(JOB, VARIABLES) for _ in range(2))

    assert one.box != other.box
    assert one.wrapped_key != other.wrapped_key


def test_what_is_sealed_opens_for_no_other_job(sealer):
    secrets = sealer.seal(JOB, VARIABLES)

    with pytest.raises(SecretsUnavailable, match="another job or webhook"):
        sealer.open(OTHER, secrets)
    with pytest.raises(SecretsUnavailable):
        sealer.pass_on(secrets, OTHER, JOB)


def test_a_successor_opens_what_is_passed_on_and_the_box_stays_closed(sealer):
    secrets = sealer.seal(JOB, VARIABLES)

    passed_on = sealer.pass_on(secrets, JOB, OTHER)

    assert passed_on.box == secrets.box
    assert sealer.open(OTHER, passed_on) == VARIABLES
    with pytest.raises(SecretsUnavailable):
        sealer.open(JOB, passed_on)


@pytest.mark.parametrize("part", ["box", "wrapped_key"])
@pytest.mark.parametrize("place", [0, 12, -1])
def test_what_was_changed_does_not_open(sealer, part, place):
    secrets = sealer.seal(JOB, VARIABLES)

    with pytest.raises(SecretsUnavailable):
        sealer.open(JOB, replace(secrets, **{part: changed(getattr(secrets, part), place)}))


@pytest.mark.parametrize("part", ["box", "wrapped_key"])
@pytest.mark.parametrize("text", ["", "AAAA", "no base64", "값"])
def test_what_was_never_sealed_does_not_open(sealer, part, text):
    with pytest.raises(SecretsUnavailable):
        sealer.open(JOB, replace(sealer.seal(JOB, VARIABLES), **{part: text}))


def test_parts_of_two_jobs_make_no_third(sealer):
    one, other = sealer.seal(JOB, VARIABLES), sealer.seal(JOB, {"A": "b"})

    with pytest.raises(SecretsUnavailable):
        sealer.open(JOB, replace(one, wrapped_key=other.wrapped_key))


def test_the_first_key_seals_and_every_key_opens(sealer):
    before = sealer.seal(JOB, VARIABLES)
    rotated = AesGcmSealer({"new": NEW, "old": OLD})

    assert rotated.open(JOB, before) == VARIABLES
    assert rotated.seal(JOB, VARIABLES).key_id == "new"
    passed_on = rotated.pass_on(before, JOB, OTHER)
    assert passed_on.key_id == "new"
    assert AesGcmSealer({"new": NEW}).open(OTHER, passed_on) == VARIABLES


def test_a_key_that_is_not_there_is_named(sealer):
    secrets = sealer.seal(JOB, VARIABLES)
    without = AesGcmSealer({"new": NEW})

    with pytest.raises(SecretsUnavailable, match="'old', which is not in SERVICE_SERVER_SEALING_KEYS"):
        without.open(JOB, secrets)
    with pytest.raises(SecretsUnavailable, match="'old'"):
        without.pass_on(secrets, JOB, OTHER)


def test_another_key_of_the_same_name_does_not_open(sealer):
    with pytest.raises(SecretsUnavailable, match="'old' of SERVICE_SERVER_SEALING_KEYS is not the key"):
        AesGcmSealer({"old": NEW}).open(JOB, sealer.seal(JOB, VARIABLES))


def test_without_a_key_nothing_is_sealed():
    with pytest.raises(SecretsUnavailable, match="SERVICE_SERVER_SEALING_KEYS has no key"):
        AesGcmSealer({}).seal(JOB, VARIABLES)
