from dataclasses import replace
from uuid import uuid4

from domain.blob import BlobRef
from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion, CaseSetVersionId
from domain.tenant import DEFAULT_TENANT
from tests.contract.persistence.test_blobs import IDLE_S, announce, remove_unused
from tests.contract.persistence.test_purges import finish, purge, remove, take
from tests.support.samples import NOW, a_project

SUMS, OTHER = CaseSetName("sums"), CaseSetName("Sums")


def a_version(project, number=1, name=SUMS, **changes):
    version = CaseSetVersion(
        id=CaseSetVersionId(uuid4()),
        tenant=project.tenant,
        project_id=project.id,
        name=name,
        number=number,
        manifest=BlobRef.of(f"{name}{number}".encode()),
        total=3,
        created_at=NOW,
        created_by="key:7",
    )
    return replace(version, **changes)


def add(store, version):
    announce(store, version.manifest)

    def work(transaction):
        transaction.case_sets.add(version)
        return transaction.blobs.refer(version.tenant, version.id, [version.manifest])

    return store.run(work)


def get(store, project, name=SUMS, number=None):
    return store.run(lambda t: t.case_sets.get(project, CaseSetReference(name, number)))


def latest(store, project, after=None, limit=10):
    return store.run(lambda t: t.case_sets.latest(project, after, limit))


def test_a_version_is_found_by_its_number_and_the_latest_by_none(store):
    project = a_project(store)
    first, second = a_version(project), a_version(project, 2)
    add(store, first)
    add(store, second)

    assert get(store, project) == second
    assert get(store, project, number=1) == first
    assert get(store, project, number=3) is None
    assert get(store, project, CaseSetName("none")) is None
    assert get(store, a_project(store, "another")) is None
    assert store.run(lambda t: t.case_sets.versions(project, SUMS, 10)) == [second, first]
    assert store.run(lambda t: t.case_sets.versions(project, SUMS, 1)) == [second]


def test_a_second_version_of_a_number_is_a_conflict_after_which_the_transaction_begins_anew(store):
    project = a_project(store)
    first, second = a_version(project), a_version(project)
    add(store, first)
    numbers = iter([1, 2])

    def work(transaction):
        transaction.case_sets.add(replace(second, number=next(numbers)))

    store.run(work)
    assert store.run(lambda t: t.case_sets.versions(project, SUMS, 10)) == [replace(second, number=2), first]


def test_names_differ_in_case_and_are_listed_page_by_page(store):
    project = a_project(store)
    for name in ("b", "a", "B"):
        for number in (1, 2):
            add(store, a_version(project, number, CaseSetName(name)))
    add(store, a_version(a_project(store, "another")))

    assert [(version.name.value, version.number) for version in latest(store, project)] == [
        ("B", 2),
        ("a", 2),
        ("b", 2),
    ]
    assert [version.name.value for version in latest(store, project, limit=2)] == ["B", "a"]
    assert [version.name.value for version in latest(store, project, CaseSetName("a"))] == ["b"]


def test_a_removed_set_releases_its_blobs_and_its_name(store):
    project = a_project(store)
    versions = [a_version(project, 1), a_version(project, 2)]
    kept = a_version(project, name=OTHER)
    for version in (*versions, kept):
        add(store, version)

    assert store.run(lambda t: t.case_sets.remove(project, SUMS)) == versions
    assert store.run(lambda t: t.case_sets.remove(project, SUMS)) == []

    assert latest(store, project) == [kept]
    store.pass_time(IDLE_S + 1)
    freed = sum(version.manifest.size for version in versions)
    assert remove_unused(store).freed_bytes == {DEFAULT_TENANT: freed}
    add(store, a_version(project))
    assert get(store, project).number == 1


def test_a_purged_project_has_no_case_sets_and_releases_their_blobs(store):
    project, other = a_project(store), a_project(store, "other")
    version, kept = a_version(project), a_version(other, name=OTHER)
    add(store, version)
    add(store, kept)

    noted = purge(store)
    assert take(store) == noted
    remove(store, noted)
    assert finish(store) is not None

    assert get(store, project) is None
    assert get(store, other, OTHER) == kept
    store.pass_time(IDLE_S + 1)
    assert remove_unused(store).freed_bytes == {DEFAULT_TENANT: version.manifest.size}
