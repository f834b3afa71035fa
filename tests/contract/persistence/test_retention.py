from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from threading import Barrier
from uuid import UUID, uuid4, uuid5

from application.lists import UsageFilter
from application.ports.purge_repository import Removed, StoreName
from application.ports.retention_repository import DueRows, Place, Policies
from domain.audit import Usage
from domain.blob import BlobRef, blob_key
from domain.job_lifecycle import JobStatus
from domain.retention import FOREVER, NO_RETENTION, Retention
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import JobId, ObjectKey, ProjectId
from tests.contract.persistence.test_audit_log import add, post
from tests.contract.persistence.test_purges import (
    an_ended_job,
    deletions,
    finish,
    forget,
    objects,
    purge,
    remove,
)
from tests.support.samples import LATER, NOW, a_job, a_project, a_running_job, an_audit_entry
from tests.support.stores import MemoryStore

DAY = timedelta(days=1)
ACME = TenantName("acme")
WEEK = Retention(jobs_days=7.0, logs_days=FOREVER)


def put(store, project, policy, tenant=DEFAULT_TENANT):
    store.run(lambda t: t.retention.put(tenant, project, policy))


def policies(store, default=NO_RETENTION):
    return store.unit_of_work.read(lambda t: t.retention.policies(default))


def walk(store, project, *, status=JobStatus.SUCCESS, before=NOW + DAY, after=None, limit=100):
    return store.unit_of_work.read(lambda t: t.retention.walk_jobs(project, status, before, after, limit))


def ended(store, after=None, before=NOW + DAY, limit=100):
    return store.unit_of_work.read(lambda t: t.retention.ended_executions(after, before, limit))


def mark(store, name):
    return store.run(lambda t: t.retention.mark(name))


def test_a_policy_is_that_of_the_project_then_of_its_tenant_then_of_the_service(store):
    # Given the policies of the service, of a tenant and of one of its projects
    default = Retention(jobs_days=30.0, logs_days=5.0, pending_days=1.0)
    put(store, None, Retention(jobs_days=90.0, logs_days=FOREVER), ACME)
    put(store, ProjectId(7), WEEK, ACME)
    # When they are read, then each figure is that of the nearest owner that has one
    found = policies(store, default)
    assert found.of(DEFAULT_TENANT, ProjectId(8)) == default
    assert found.of(ACME, ProjectId(8)) == Retention(jobs_days=90.0, logs_days=FOREVER, pending_days=1.0)
    assert found.of(ACME, ProjectId(7)) == Retention(jobs_days=7.0, logs_days=FOREVER, pending_days=1.0)
    assert found.figures("jobs_days") == {30.0, 90.0, 7.0}
    # And of one owner no other's is read
    of_owner = store.unit_of_work.read(lambda t: t.retention.policies(default, ACME, ProjectId(7)))
    assert of_owner == found
    put(store, ProjectId(8), WEEK, ACME)
    put(store, None, WEEK)
    assert of_owner == store.unit_of_work.read(lambda t: t.retention.policies(default, ACME, ProjectId(7)))
    of_tenant = store.unit_of_work.read(lambda t: t.retention.policies(default, ACME))
    assert of_tenant == replace(of_owner, of_projects={})
    put(store, ProjectId(8), NO_RETENTION, ACME)
    put(store, None, NO_RETENTION)
    # And an empty policy is none
    put(store, ProjectId(7), NO_RETENTION, ACME)
    put(store, None, WEEK, ACME)
    assert policies(store) == Policies(of_tenants={ACME: WEEK})


def test_of_policies_that_are_set_at_once_one_is_in_force(store):
    units = [store.another() for _ in range(4)]
    together = Barrier(len(units))

    def set_policy(unit, project, days):
        policy = Retention(jobs_days=days)
        together.wait()
        unit.run(lambda t: t.retention.put(DEFAULT_TENANT, project, policy))
        return days

    with ThreadPoolExecutor(len(units)) as pool:
        for project in map(ProjectId, range(1, 6)):
            days = list(pool.map(lambda day, unit: set_policy(unit, project, day), (1, 2, 3, 4), units))  # noqa: B023
            assert policies(store).of_projects[project].jobs_days in days


def test_the_policy_of_a_purged_project_goes_with_it(store):
    project = a_project(store)
    put(store, project.id, WEEK)
    noted = purge(store)
    remove(store, noted)

    assert finish(store) is not None

    assert policies(store) == Policies()


def test_projects_are_walked_by_their_ids(store):
    ids = [a_project(store, name).id for name in ("a", "b", "c")]

    def page(after, limit):
        return store.unit_of_work.read(lambda t: t.retention.projects(after, limit))

    assert page(ProjectId(0), 2) == [(ids[0], DEFAULT_TENANT), (ids[1], DEFAULT_TENANT)]
    assert page(ids[1], 2) == [(ids[2], DEFAULT_TENANT)]
    assert page(ids[2], 2) == []


def test_jobs_are_walked_by_their_age_and_the_ones_that_ended_late_are_kept(store):
    # Given jobs of three days, of which the first has just ended, and of another status
    late, _ = an_ended_job(store, "logs/0.json")
    store.run(lambda t: t.jobs.replace(late, moved(late, NOW + 9 * DAY)))
    old = [an_ended_job(store, f"logs/{n}.json")[0] for n in range(1, 4)]
    an_ended_job(store, "logs/4.json", now=NOW + 2 * DAY)
    pending = a_job(store)
    project = old[0].project_id
    # When they are walked two at a time
    first = walk(store, project, limit=2)
    second = walk(store, project, after=first.last, limit=2)
    third = walk(store, project, after=second.last, limit=2)
    # Then all are passed once, and the old ones are due
    assert {*first.due, *second.due} == {job.id for job in old}
    assert third.due == []
    assert third.last is None
    assert walk(store, project, status=JobStatus.PENDING).due == [pending.id]
    assert walk(store, project, status=JobStatus.FAILED).due == []


def moved(job, at):
    return replace(job, completed_at=at, updated_at=at)


def test_projects_without_old_jobs_are_left_out(store):
    job, _ = an_ended_job(store)
    a_project(store, "empty")
    ids = [project for project, _ in store.unit_of_work.read(lambda t: t.retention.projects(0, 10))]

    def found(status, before):
        return store.unit_of_work.read(lambda t: t.retention.with_jobs(ids, status, before))

    assert found(JobStatus.SUCCESS, LATER) == [job.project_id]
    assert found(JobStatus.SUCCESS, NOW) == []
    assert found(JobStatus.FAILED, LATER) == []


def test_a_job_that_is_due_goes_with_all_that_it_has_and_its_objects_are_noted(store):
    due, execution = an_ended_job(store, tags={"a": "b"}, code_key=ObjectKey("demo/a.py"), code_bytes=7)
    kept, _ = an_ended_job(store, "logs/b.json", now=NOW + DAY)
    running, _ = a_running_job(store)
    ids = [due.id, kept.id, running.id, JobId(uuid4())]

    removed = store.run(lambda t: t.retention.remove_jobs(ids, JobStatus.SUCCESS, LATER + DAY / 2))

    assert removed == Removed([due.id], [execution.id], 37)
    assert objects(deletions(store)) == {(StoreName.CODE, "demo/a.py"), (StoreName.LOG, "logs/a.json")}
    assert store.run(lambda t: t.jobs.get_of_any_tenant(kept.id)) is not None
    assert store.run(lambda t: t.jobs.get_of_any_tenant(running.id)) is not None
    again = store.run(lambda t: t.retention.remove_jobs(ids, JobStatus.SUCCESS, LATER + DAY / 2))
    assert again == Removed([], [], 0)


def test_a_pending_job_that_was_executed_meanwhile_stays(store):
    job, _ = a_running_job(store)

    removed = store.run(lambda t: t.retention.remove_jobs([job.id], JobStatus.PENDING, NOW + DAY))

    assert removed.jobs == []
    assert store.run(lambda t: t.jobs.get_of_any_tenant(job.id)) is not None


def test_jobs_that_another_process_removes_are_left_to_it(store):
    ids = [an_ended_job(store, f"logs/{n}.json")[0].id for n in range(4)]
    before = NOW + DAY
    is_serial = isinstance(store, MemoryStore) or store.engine.dialect.name == "sqlite"

    def remove_all():
        return store.another().run(lambda t: t.retention.remove_jobs(ids, JobStatus.SUCCESS, before)).jobs

    def work(transaction):
        first = transaction.retention.remove_jobs(ids[:2], JobStatus.SUCCESS, before)
        return set(first.jobs), None if is_serial else set(remove_all())

    first, others = store.run(work)
    assert (first, others or set(remove_all())) == ({*ids[:2]}, {*ids[2:]})


def test_a_mark_is_kept_until_a_policy_is_set(store):
    assert mark(store, "logs 7") is None
    assert store.run(lambda t: t.retention.set_mark("logs 7", NOW))
    assert mark(store, "logs 7") == NOW
    assert store.run(lambda t: t.retention.take_turn("audit", NOW, 60))

    put(store, ProjectId(1), WEEK)

    assert not store.run(lambda t: t.retention.set_mark("logs 7", LATER))
    assert mark(store, "logs 7") is None
    assert mark(store, "audit") == NOW


def test_a_turn_is_taken_once_in_its_interval(store):
    def take(now):
        return store.run(lambda t: t.retention.take_turn("audit", now, 60))

    minute = timedelta(minutes=1)
    assert [take(NOW), take(NOW + minute / 2), take(NOW + minute), take(NOW + minute)] == [
        True,
        False,
        True,
        False,
    ]


def test_a_turn_that_a_host_with_a_wrong_clock_took_does_not_keep_others_from_theirs(store):
    def take(now):
        return store.run(lambda t: t.retention.take_turn("audit", now, 60))

    year, second = timedelta(days=365), timedelta(seconds=1)
    assert take(NOW + year)
    assert [take(NOW), take(NOW - second), take(NOW + second)] == [True, False, False]


def test_executions_are_walked_in_the_order_of_their_ends(store):
    jobs = [an_ended_job(store, f"logs/{n}.json") for n in range(3)]
    a_running_job(store)

    found = ended(store)
    assert {one.id for one in found} == {execution.id for _, execution in jobs}
    assert all(one.has_log and one.tenant == DEFAULT_TENANT for one in found)
    assert {one.project for one in found} == {jobs[0][0].project_id}
    assert ended(store, after=found[0].place) == found[1:]
    assert ended(store, after=Place(LATER, UUID(int=0)), limit=2) == found[:2]
    assert ended(store, before=LATER) == []


def test_a_log_that_is_removed_is_named_no_more_and_its_bytes_are_free(store):
    job, execution = an_ended_job(store)

    assert store.run(lambda t: t.retention.remove_logs([execution.id])) == 30
    assert store.run(lambda t: t.retention.remove_logs([execution.id])) == 0

    left = store.run(lambda t: t.executions.get(execution.id))
    assert left.result.log_key is None
    assert left.result.exit_code == 0
    assert not ended(store)[0].has_log
    noted = deletions(store)
    assert objects(noted) == {(StoreName.LOG, "logs/a.json")}
    assert not noted[0].is_shared
    forget(store, noted)
    # And the job goes without it
    removed = store.run(lambda t: t.retention.remove_jobs([job.id], JobStatus.SUCCESS, NOW + DAY))
    assert removed.freed_bytes == 0


def test_objects_without_a_row_are_found_among_others(store):
    # Given a job with code, a blob and a log, and objects of the same forms that nothing has
    job_id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    log = f"logs/{uuid5(job_id, 'log')}.json"
    job, _ = an_ended_job(store, log, code_key=ObjectKey(f"demo/{uuid4()}.py"))
    blob = BlobRef.of(b"kept")
    store.run(lambda t: t.blobs.announce(ACME, {blob}))
    lost_code, lost_log = f"demo/{job_id}.py", f"tenants/acme/logs/{uuid5(job_id, 'lost')}.json"
    lost_blob = blob_key(ACME, BlobRef.of(b"lost").sha256).value
    others = ["demo/notes.txt", f"logs/{uuid4()}.json", f"demo/{uuid4()}.py", "readme"]

    def unowned(name, keys, lock):
        wanted = [ObjectKey(key) for key in keys]
        return store.run(lambda t: sorted(key.value for key in t.retention.unowned(name, wanted, lock=lock)))

    for lock in (False, True):
        code = [lost_code, lost_blob, blob.key(ACME).value, job.spec.code_key.value, *others]
        assert unowned(StoreName.CODE, code, lock) == sorted([lost_code, lost_blob])
        assert unowned(StoreName.LOG, [log, lost_log, *others], lock) == [lost_log]
        assert unowned(StoreName.CODE, [], lock) == unowned(StoreName.LOG, [], lock) == []


def test_due_rows_are_counted_and_a_sample_is_summed_up(store):
    for n in range(3):
        job, _ = an_ended_job(store, f"logs/{n}.json", tags={"a": "b", "c": "d"}, code_bytes=5)

    def due(before, most=100, sample=100):
        return store.unit_of_work.read(
            lambda t: t.retention.due_rows(job.project_id, JobStatus.SUCCESS, before, most, sample)
        )

    assert due(NOW) == DueRows()
    of_all = DueRows(jobs=3, sampled=3, code_bytes=15, executions=3, logs=3, log_bytes=90, tags=6)
    assert due(LATER) == of_all
    assert due(LATER, most=2, sample=1) == DueRows(
        jobs=2, sampled=1, code_bytes=5, executions=1, logs=1, log_bytes=30, tags=2
    )


def entries(count, first=1, **changes):
    usage = Usage(uploads=1, stored_bytes=10)
    return [
        an_audit_entry(n, at=NOW + n * DAY, usage=usage, project=ProjectId(3), **changes)
        for n in range(first, first + count)
    ]


def test_the_first_entries_of_the_ledger_go_and_the_chain_begins_after_them(store):
    # Given entries of five days
    add(store, *entries(5))
    post(store)
    whole = store.unit_of_work.read(lambda t: t.audit.linked(0, 100))

    def shorten(before, limit=100):
        return store.run(lambda t: t.audit.shorten(before, limit))

    # When the ones from before the fourth day are removed, two at most at a time
    assert shorten(NOW) is None
    assert shorten(NOW + 4 * DAY, 2) == whole[1].link
    assert shorten(NOW + 4 * DAY, 2) == whole[2].link
    assert shorten(NOW + 4 * DAY, 2) is None
    # Then the rest is as it was, and goes on
    start, left, head = store.unit_of_work.read(
        lambda t: (t.audit.start(), t.audit.linked(0, 100), t.audit.head())
    )
    assert (start, left, head) == (whole[2].link, whole[3:], whole[4].link)
    add(store, *entries(1, first=6))
    post(store)
    after = store.unit_of_work.read(lambda t: t.audit.linked(0, 100))
    assert after[-1].link == head.next(after[-1].row)
    # And the use that they added still counts
    usage = store.unit_of_work.read(lambda t: t.audit.usage(ACME, (NOW + DAY).date()))
    assert (usage.uploads, usage.stored_bytes) == (1, 60)
    # And a ledger may be empty
    assert shorten(NOW + 9 * DAY) == after[-1].link
    assert store.unit_of_work.read(lambda t: t.audit.linked(0, 100)) == []


def test_sums_of_old_days_go_and_the_stored_bytes_stay(store):
    add(store, *entries(4))
    post(store)

    def forget_usage(before):
        total = 0
        while done := store.run(lambda t: t.retention.forget_usage(ACME, before, 1)):
            total += done
            assert total < 20
        return total

    assert forget_usage(NOW + 3 * DAY) > 0

    wanted = UsageFilter(limit=10, tenant=ACME, since=date.min, until=date.max)
    days = store.unit_of_work.read(lambda t: t.audit.usage_by_day(wanted))
    assert [one.day for one in days] == [(NOW + n * DAY).date() for n in (4, 3)]
    usage = store.unit_of_work.read(lambda t: t.audit.usage(ACME, (NOW + 4 * DAY).date()))
    assert (usage.uploads, usage.stored_bytes) == (1, 40)
