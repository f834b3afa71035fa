"""Case sets: stored in versions, read page by page, deleted."""

from dataclasses import replace

import pytest

from application.commands import UploadCodeCommand
from application.errors import NotFound, QuotaExceeded
from application.submitted_cases import NewCase
from domain.audit import Act
from domain.case_set import CaseSetReference, parse_case_set_reference
from domain.errors import InvalidValue, ProjectTransitionRefused, TenantTransitionRefused
from domain.project import ProjectTrigger
from domain.quota import Quota
from domain.tenant import DEFAULT_TENANT, TenantStatus
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import FILES_KEPT_HOURS

CASES = [
    NewCase(stdin=b"1 2", expected=b"3"),
    NewCase(name="secret", stdin=b"2 2", expected=b"4", hidden=True),
]
MORE = [*CASES, NewCase(stdin=b"5")]


def put(service, cases=CASES, name="sums", project="demo", caller=ANONYMOUS):
    return service.put_case_set(caller, project, name, cases)


def page(service, reference="sums", caller=ANONYMOUS, project="demo", offset=0, limit=10):
    return service.case_set_reader.page(caller, project, parse_case_set_reference(reference), offset, limit)


def test_other_cases_are_a_new_version_and_the_same_ones_are_not(service):
    assert [(put(service, cases).version.number, put(service, cases).is_new) for cases in (CASES, MORE)] == [
        (1, False),
        (2, False),
    ]
    # What an earlier version had, and the latest has not, is a version again.
    assert put(service, CASES).version.number == 3
    assert [version.number for version in page(service).versions] == [3, 2, 1]


def test_a_version_stays_as_it_was(service):
    put(service, CASES)
    put(service, MORE)

    assert page(service).version.total == 3
    first = page(service, "sums@1")
    assert first.version.reference == CaseSetReference(first.version.name, 1)
    assert [(case.name, case.stdin, case.expected, case.hidden) for case in first.cases] == [
        ("1", b"1 2", b"3", False),
        ("secret", b"2 2", b"4", True),
    ]


def test_cases_are_read_page_by_page(service):
    put(service, [NewCase(stdin=str(number).encode()) for number in range(7)])

    assert [case.stdin for case in page(service, offset=2, limit=3).cases] == [b"2", b"3", b"4"]
    assert [case.stdin for case in page(service, offset=6, limit=3).cases] == [b"6"]
    assert page(service, offset=7, limit=3).cases == ()


def test_sets_of_a_project_are_listed_by_their_names(service):
    for name in ("b", "a", "c"):
        put(service, name=name)
    put(service, name="other", project="another")

    project, versions = service.case_set_reader.all(ANONYMOUS, "demo", None, 2)
    assert (project.name.value, [version.name.value for version in versions]) == ("demo", ["a", "b"])
    assert [v.name.value for v in service.case_set_reader.all(ANONYMOUS, "demo", "b", 2)[1]] == ["c"]


def test_a_deleted_set_is_gone_and_its_bytes_are_the_tenants_again(service):
    stored = put(service).version.manifest.size
    put(service, MORE, name="kept")

    service.delete_case_set(ANONYMOUS, "demo", "sums")

    with pytest.raises(NotFound, match="case set 'sums'"):
        page(service)
    with pytest.raises(NotFound, match="case set 'sums'"):
        service.delete_case_set(ANONYMOUS, "demo", "sums")
    service.clock.advance(FILES_KEPT_HOURS * 3_600 + 1)
    assert service.remove_unused_blobs() == stored
    assert page(service, "kept").version.total == 3


@pytest.mark.parametrize(
    ("name", "cases", "field"),
    [
        ("a b", CASES, "case_set"),
        ("sums", [], "cases"),
        ("sums", [NewCase()] * 10_001, "cases"),
        ("sums", [NewCase(name="a"), NewCase(name="a")], "cases/1/name"),
        ("sums", [NewCase(), NewCase(limits={"timeout_ms": 0})], "cases/1/limits/timeout_ms"),
        ("sums", [NewCase(limits={"no_such": 1})], "cases/0/limits/no_such"),
        ("sums", [NewCase(stdin=b"x" * (64 << 20), expected=b"x")], "cases"),
    ],
)
def test_what_is_no_set_of_cases_is_refused_and_nothing_is_stored(service, name, cases, field):
    with pytest.raises(InvalidValue) as caught:
        put(service, cases, name=name)

    assert caught.value.field == field
    assert service.code_store.objects == {}


def test_limits_of_cases_are_within_those_of_the_tenants_quota(service):
    caller = a_caller(quota=Quota(limits={"memory_mb": 64}))

    assert put(service, [NewCase(limits={"memory_mb": 64})], caller=caller).is_new
    with pytest.raises(InvalidValue, match="16 to 64"):
        put(service, [NewCase(limits={"memory_mb": 65})], caller=caller)
    command = UploadCodeCommand(
        project="p", code="", language="python", cases=(NewCase(limits={"memory_mb": 65}),)
    )
    with pytest.raises(InvalidValue, match="16 to 64") as caught:
        service.upload_code(caller, command)
    assert caught.value.field == "cases/0/limits/memory_mb"


def test_ten_thousand_cases_are_stored(service):
    assert put(service, [NewCase(stdin=b"1")] * 10_000).version.total == 10_000
    assert page(service, offset=9_999).cases[0].name == "10000"


def test_an_archived_project_takes_none_and_an_unknown_id_is_not_found(service):
    put(service)
    service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)
    before = dict(service.code_store.objects)

    with pytest.raises(ProjectTransitionRefused):
        put(service, MORE)
    assert service.code_store.objects == before  # no quota counts what no version has
    with pytest.raises(NotFound, match="project '77'"):
        put(service, project="77")
    assert page(service).version.number == 1


def test_a_suspended_tenant_stores_and_deletes_none(service):
    put(service)
    tenant = replace(ANONYMOUS.tenant, status=TenantStatus.SUSPENDED)
    suspended = replace(ANONYMOUS, tenant=tenant)

    with pytest.raises(TenantTransitionRefused):
        put(service, MORE, caller=suspended)
    with pytest.raises(TenantTransitionRefused):
        service.delete_case_set(suspended, "demo", "sums")


def test_another_tenants_sets_are_not_found(service):
    put(service)
    other = a_caller("other")

    with pytest.raises(NotFound):
        page(service, caller=other)
    with pytest.raises(NotFound):
        service.delete_case_set(other, "demo", "sums")
    assert page(service).version.number == 1


def test_stored_bytes_count_once_and_have_a_quota(service):
    size = put(service).version.manifest.size
    put(service, name="same")
    service.post_audit_entries()
    usage = service.unit_of_work.read(lambda t: t.audit.usage(DEFAULT_TENANT, service.clock.now().date()))
    assert usage.stored_bytes == size

    tenant = replace(ANONYMOUS.tenant, quota=Quota(stored_bytes=size + 1))
    caller = replace(ANONYMOUS, tenant=tenant)
    with pytest.raises(QuotaExceeded, match="stored_bytes"):
        put(service, MORE, caller=caller)
    assert not put(service, caller=caller).is_new  # nothing is added
    assert put(service, name="another", caller=caller).is_new


def test_acts_are_recorded_with_their_versions(service):
    put(service)
    put(service, MORE)
    with pytest.raises(InvalidValue):
        put(service, [])
    service.delete_case_set(ANONYMOUS, "demo", "sums")

    entries = service.database.tables.audit_journal.values()
    assert [(entry.act, entry.subject, entry.outcome) for entry in entries] == [
        (Act.CASE_SET_PUT, "sums@1", "done"),
        (Act.CASE_SET_PUT, "sums@2", "done"),
        (Act.CASE_SET_PUT, "demo/sums", "invalid_value"),
        (Act.CASE_SET_DELETE, "sums", "done"),
    ]
