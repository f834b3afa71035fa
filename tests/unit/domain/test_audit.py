from datetime import UTC, datetime
from uuid import UUID

from domain.audit import Act, AuditEntry, AuditEntryId


def entry(**texts) -> AuditEntry:
    given = {"principal": "key:1", "subject": "a job", **texts}
    return AuditEntry(
        id=AuditEntryId(UUID(int=1)),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        tenant=None,
        act=Act.JOB_UPLOAD,
        **given,
    )


def test_texts_that_are_too_long_are_cut_off():
    long = entry(principal="p" * 300, subject="é" * 300, address="a" * 100, request_id="r" * 200)

    assert (len(long.principal), len(long.subject)) == (255, 255)
    assert (long.address, long.request_id) == ("a" * 64, "r" * 128)


def test_characters_that_do_not_print_are_replaced():
    assert entry(subject="a\ud800b\n\0c").subject == "a\ufffdb\ufffd\ufffdc"
