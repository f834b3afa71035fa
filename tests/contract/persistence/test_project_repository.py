import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from application.errors import ConcurrencyConflict
from application.lists import Count, ProjectFilter, ProjectOrder
from domain.job_lifecycle import JobStatus
from domain.project import ProjectStatus, ProjectTrigger
from domain.values import ProjectId, ProjectName
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.samples import LATER, NOW, a_job, a_project, a_running_job, end


def get(store, reference):
    return store.run(lambda transaction: transaction.projects.get(ANONYMOUS, reference))


def change(store, before, trigger):
    after = before.apply(trigger)
    store.run(lambda transaction: transaction.projects.replace(before, after))
    return after


def test_a_project_is_found_by_its_name_and_by_its_id(store):
    name = ProjectName("プロジェクト \U0001f600")

    project = store.run(
        lambda transaction: transaction.projects.get_or_add(ANONYMOUS, name, "for tests", NOW)
    )

    assert project.name == name
    assert project.description == "for tests"
    assert project.status is ProjectStatus.ACTIVE
    assert project.created_at == NOW
    assert get(store, name) == project
    assert get(store, project.id) == project


def test_a_project_that_is_there_stays_as_it_is(store):
    project = a_project(store)

    again = store.run(
        lambda transaction: transaction.projects.get_or_add(
            ANONYMOUS, project.name, "another description", LATER
        )
    )

    assert again == project


@pytest.mark.parametrize(
    ("one", "other"),
    [("a", "A"), ("e", "é"), ("straße", "strasse"), ("が", "か"), ("a", "\uff41"), ("\u0131", "i")],
)
def test_names_that_differ_at_all_are_different_projects(store, one, other):
    assert a_project(store, one).id != a_project(store, other).id


def test_the_longest_name_there_can_be_is_kept(store):
    name = "\U0001f600" * 242 + "é"

    assert get(store, a_project(store, name).id).name.value == name


@pytest.mark.parametrize("reference", [ProjectName("unknown"), ProjectId(0), ProjectId(10**20 - 1)])
def test_there_is_no_unknown_project(store, reference):
    assert get(store, reference) is None


def test_callers_at_once_get_the_same_project(store):
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def get_or_add(number):
        barrier.wait()
        return units_of_work[number % 2].run(
            lambda transaction: transaction.projects.get_or_add(ANONYMOUS, ProjectName("raced"), None, NOW)
        )

    with ThreadPoolExecutor(8) as pool:
        assert len({project.id for project in pool.map(get_or_add, range(8))}) == 1
    assert len(store.run(lambda transaction: transaction.projects.all(ANONYMOUS))) == 1


def test_an_archived_project_keeps_its_name(store):
    project = change(store, a_project(store), ProjectTrigger.ARCHIVE)

    assert project.status is ProjectStatus.ARCHIVED
    assert get(store, project.name) == project
    assert a_project(store).id == project.id


def test_a_deleted_project_frees_its_name_and_is_found_by_its_id_only(store):
    deleted = change(store, a_project(store), ProjectTrigger.DELETE)

    assert get(store, deleted.name) is None
    assert get(store, deleted.id) == deleted
    successor = a_project(store)
    assert successor.id > deleted.id
    assert store.run(lambda transaction: transaction.projects.all(ANONYMOUS)) == [successor]
    change(store, successor, ProjectTrigger.DELETE)
    assert store.run(lambda transaction: transaction.projects.all(ANONYMOUS)) == []


def test_a_decision_on_a_status_that_has_changed_is_void(store):
    project = a_project(store)
    change(store, project, ProjectTrigger.ARCHIVE)

    def work(transaction):
        with pytest.raises(ConcurrencyConflict):
            transaction.projects.replace(project, project.apply(ProjectTrigger.DELETE))

    store.run(work)
    assert get(store, project.id).status is ProjectStatus.ARCHIVED


def test_projects_are_listed_by_their_ids(store):
    projects = [a_project(store, name) for name in ("b", "c", "a")]

    assert store.run(lambda transaction: transaction.projects.all(ANONYMOUS)) == projects


def test_only_a_running_job_is_a_running_job(store):
    project = a_project(store)

    def has_running():
        return store.run(lambda transaction: transaction.projects.has_running_jobs(project.id))

    a_job(store)
    assert not has_running()
    job, _execution = a_running_job(store)
    assert has_running()
    end(store, job, JobStatus.SUCCESS)
    assert not has_running()


def note(store, project, now):
    store.run(lambda transaction: transaction.projects.note_activity(project.id, now))


def listed(store, caller=ANONYMOUS, **wanted):
    """Names of the projects of all pages."""
    wanted = ProjectFilter(**{"limit": 2, **wanted})
    names = []
    while True:
        page = store.run(lambda transaction, wanted=wanted: transaction.projects.page(caller, wanted))
        assert len(page.projects) <= wanted.limit
        names += [project.name.value for project in page.projects]
        if page.next is None:
            return names
        wanted = replace(wanted, cursor=page.next)


def test_projects_are_listed_by_last_activity_name_or_creation(store):
    b, a, d, c = (a_project(store, name) for name in "badc")
    other = a_caller("acme")
    for name in ("x", "w"):
        a_project(store, name, other)
    change(store, a_project(store, "gone"), ProjectTrigger.DELETE)
    archived = change(store, c, ProjectTrigger.ARCHIVE)
    note(store, d, LATER)
    note(store, b, LATER + timedelta(hours=1))
    note(store, b, LATER)

    assert listed(store) == ["b", "d", "c", "a"]
    assert listed(store, order=ProjectOrder.NAME) == ["a", "b", "c", "d"]
    assert listed(store, order=ProjectOrder.CREATED) == ["c", "d", "a", "b"]
    assert listed(store, other, order=ProjectOrder.NAME, limit=1) == ["w", "x"]
    assert get(store, b.id).active_at == LATER + timedelta(hours=1)
    assert get(store, archived.id).active_at == NOW
    assert a.active_at == NOW


def test_projects_are_searched_for_in_their_names_and_descriptions(store):
    for name, description in (("Alpha", "the 50% parser"), ("beta", None), ("日本語", "ALPHABET")):
        store.run(
            lambda transaction, name=name, about=description: transaction.projects.get_or_add(
                ANONYMOUS, ProjectName(name), about, NOW
            )
        )

    for order in ProjectOrder:
        assert sorted(listed(store, order=order, search="alpha")) == ["Alpha", "日本語"]
        assert listed(store, order=order, search="50%") == ["Alpha"]
        assert listed(store, order=order, search="本") == ["日本語"]
        assert listed(store, order=order, search="_") == []


def test_a_list_goes_on_past_many_deleted_projects(store):
    a_project(store, "first")
    for number in range(30):
        change(store, a_project(store, f"gone {number}"), ProjectTrigger.DELETE)
    a_project(store, "last")

    for order in (ProjectOrder.ACTIVITY, ProjectOrder.CREATED):
        assert listed(store, order=order, limit=1) == ["last", "first"]


def test_a_caller_of_one_project_lists_and_counts_it_alone(store):
    own, _other = a_project(store, "own"), a_project(store, "other")
    caller = replace(ANONYMOUS, project=own.id)

    assert listed(store, caller) == ["own"]
    assert listed(store, caller, search="other") == []
    assert count(store, caller, 9) == Count(1)


def count(store, caller, up_to):
    return store.run(lambda transaction: transaction.projects.count(caller, up_to))


def test_projects_are_counted_up_to_a_bound(store):
    for name in "abc":
        a_project(store, name)
    change(store, a_project(store, "gone"), ProjectTrigger.DELETE)

    assert count(store, ANONYMOUS, 3) == Count(3)
    assert count(store, ANONYMOUS, 2) == Count(2, is_exact=False)
