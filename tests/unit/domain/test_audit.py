from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from domain.api_key import KeyText
from domain.audit import CHAIN_START, Act, AuditEntry, AuditEntryId, Usage, usage_by_day
from domain.tenant import TenantName
from domain.values import ProjectId


def entry(**changes) -> AuditEntry:
    given = {"tenant": None, "principal": "key:1", "subject": "a job", **changes}
    return AuditEntry(
        id=AuditEntryId(UUID(int=1)),
        at=datetime(2026, 1, 1, tzinfo=UTC),
        act=Act.JOB_UPLOAD,
        **given,
    )


def test_texts_that_are_too_long_are_cut_off():
    long = entry(principal="p" * 300, subject="é" * 300, address="a" * 100, request_id="r" * 200)

    assert (len(long.principal), len(long.subject)) == (255, 255)
    assert (long.address, long.request_id) == ("a" * 64, "r" * 128)


def test_characters_that_do_not_print_are_replaced():
    assert entry(subject="a\ud800b\n\0c").subject == "a\ufffdb\ufffd\ufffdc"


def test_keys_are_masked_before_texts_are_cut_off():
    key = KeyText.generate().value
    masked = entry(subject=f"project {key}", principal=f"user:{key}", address=key[:20], request_id=key)

    assert (masked.subject, masked.principal) == ("project ssk_...", "user:ssk_...")
    assert (masked.address, masked.request_id) == ("ssk_...", "ssk_...")
    assert entry(subject="x" * 245 + key).subject == "x" * 245 + "ssk_..."


def test_an_entry_is_the_same_after_its_row():
    full = entry(address="::1", outcome="not_found", request_id="r", project=ProjectId(7), left_out=3)

    assert AuditEntry.of(full.row()) == full
    assert AuditEntry.of(entry().row()) == entry()


def test_an_act_of_a_newer_version_is_read():
    assert AuditEntry.of(entry().row()._replace(act="job.fly")).act == "job.fly"


def test_a_hash_depends_on_every_value_the_place_and_all_before():
    row = entry().row()
    first = CHAIN_START.next(row)
    assert first.sequence == 1
    others = {CHAIN_START.next(row._replace(**{name: "changed"})).hash for name in row._fields}
    assert (
        len(others | {first.hash, first.next(row).hash, CHAIN_START.next(row).next(row).next(row).hash}) == 18
    )


def test_the_form_that_is_hashed():
    row = entry(subject="é").row()

    canonical = (
        f'[1,"{"0" * 64}","00000000-0000-0000-0000-000000000001","2026-01-01T00:00:00.000000Z",null,'
        '"key:1",null,"job.upload","\\u00e9","done",null,null,0,0,0,0,0]'
    )
    assert CHAIN_START.next(row).hash == sha256(canonical.encode()).hexdigest()


def test_usage_is_added_up_by_tenant_day_and_project():
    rows = [
        entry(tenant=TenantName("a"), project=ProjectId(1), usage=Usage(uploads=1, stored_bytes=5)).row(),
        entry(tenant=TenantName("a"), project=ProjectId(1), usage=Usage(uploads=1, cpu_ms=2)).row(),
        entry(tenant=TenantName("a"), project=ProjectId(2), usage=Usage(executions=1)).row(),
        entry(tenant=TenantName("a"), project=ProjectId(2)).row(),
        entry(tenant=TenantName("a"), usage=Usage(stored_bytes=-3)).row(),
        entry(project=ProjectId(2), usage=Usage(executions=1)).row(),
    ]

    assert usage_by_day(rows) == {
        ("a", "2026-01-01", 1): Usage(uploads=2, stored_bytes=5, cpu_ms=2),
        ("a", "2026-01-01", 2): Usage(executions=1),
        ("a", "2026-01-01", None): Usage(stored_bytes=-3),
    }
