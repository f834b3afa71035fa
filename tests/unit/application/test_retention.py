from datetime import timedelta
from uuid import UUID, uuid5

import pytest

from application.commands import UploadCodeCommand
from application.errors import NotFound, StorageUnavailable
from application.metrics import PURGED_ROWS
from application.pace import FIRST, LONGEST_S, Pace, Progress
from application.ports.purge_repository import CASES_OF_A_JOB, StoreName
from application.use_cases import apply_retention
from application.use_cases.apply_retention import RetentionRules
from domain.audit import Act
from domain.cases import CaseResult, Verdict
from domain.errors import InvalidValue, TenantTransitionRefused
from domain.project import ProjectTrigger
from domain.quota import UNLIMITED
from domain.retention import FOREVER, NO_RETENTION, Retention
from domain.tenant import TenantName
from domain.values import ObjectKey
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import FILES_KEPT_HOURS
from tests.support.memory.clock import MemoryClock

DAY_S = 86_400
HOUR_S = 3_600


def retaining(service, *, worker="worker-1", audit_days=None, usage_days=None, **days):
    """Return the removal by age of a service with such a policy of its own."""
    rules = RetentionRules(
        default=Retention(**days),
        audit_days=audit_days,
        usage_days=usage_days,
        orphans_kept=timedelta(hours=FILES_KEPT_HOURS),
    )
    return service.process(worker, retention_rules=rules)


def run(service, **changed):
    job = service.start(**changed)
    assert service.run_execution()
    return service.job(job.job_id)


def there(service, *jobs):
    found = []
    for job in jobs:
        try:
            service.job_reader.get(ANONYMOUS, job.job_id)
        except NotFound:
            found.append(False)
        else:
            found.append(True)
    return found


def entries(service, act):
    waiting = service.unit_of_work.read(lambda transaction: transaction.audit.waiting(1_000))
    return [entry for entry in waiting if entry.act == act]


def test_nothing_goes_by_default(service):
    job, pending = run(service), service.upload()
    service.clock.advance(1_000 * DAY_S)

    assert service.apply_retention(at_once=True) == {}

    assert there(service, job, pending) == [True, True]


def test_a_job_goes_so_many_days_after_its_end_and_its_objects_soon_after(service):
    # Given a job of today and one of a week later, and a policy of a month
    services = retaining(service, jobs_days=30)
    old = run(service)
    service.clock.advance(7 * DAY_S)
    young, pending = run(service, code="print(2)"), service.upload(code="print(3)")
    stored = sum(len(content) for content in service.log_store.objects.values())
    # When the month of the first one is over
    service.clock.advance(23 * DAY_S - 1)
    assert services.apply_retention() == {}
    service.clock.advance(2)
    done = services.apply_retention()
    # Then it is gone, its objects are deleted, and its bytes are the tenant's again
    assert (done["jobs"], done["executions"]) == (1, 1)
    assert there(service, old, young, pending) == [False, True, True]
    assert service.measurements.counted[PURGED_ROWS, ("jobs",)] == 1
    services.remove_deleted()
    assert old.code_key not in service.code_store.objects
    assert len(service.log_store.objects) == 1
    (entry,) = entries(service, Act.JOB_EXPIRE)
    left = sum(len(content) for content in service.log_store.objects.values())
    assert entry.usage.stored_bytes == -(stored - left + len("print(1)"))
    assert (entry.principal, entry.subject) == ("service", "1 jobs")


def test_a_job_that_was_executed_late_is_kept_from_its_end_on(service):
    services = retaining(service, jobs_days=2)
    job = service.upload()
    service.clock.advance(10 * DAY_S)
    service.execute_job(ANONYMOUS, job.job_id, None)
    assert services.apply_retention() == {}  # it runs
    assert service.run_execution()

    service.clock.advance(DAY_S)
    services.apply_retention()
    assert there(service, job) == [True]
    service.clock.advance(DAY_S + 1)
    services.apply_retention()
    assert there(service, job) == [False]


def test_jobs_that_were_never_executed_have_a_time_of_their_own(service):
    services = retaining(service, pending_days=1)
    ended, pending = run(service), service.upload()
    service.clock.advance(DAY_S + 1)

    services.apply_retention()

    assert there(service, ended, pending) == [True, False]


def test_a_log_goes_before_its_job_and_leaves_the_result(service):
    services = retaining(service, jobs_days=30, logs_days=1)
    job = run(service)
    service.clock.advance(DAY_S + 1)

    done = services.apply_retention()
    services.remove_deleted()

    assert done["logs"] == 1
    assert not service.log_store.objects
    after = service.job(job.job_id)
    assert after.execution.result.log_key is None
    assert after.execution.result.stdout == job.execution.result.stdout
    # And ones that end later go too, from where the walk has come to
    run(service)
    service.clock.advance(DAY_S + 1)
    assert services.apply_retention()["logs"] == 1
    assert services.apply_retention() == {}


def test_the_project_s_policy_counts_then_the_tenant_s_then_the_service_s(service):
    services = retaining(service, jobs_days=1)
    of_service, of_project = run(service), run(service, project="kept")
    services.set_retention(ANONYMOUS, "kept", Retention(jobs_days=FOREVER))
    service.clock.advance(2 * DAY_S)

    services.apply_retention()
    assert there(service, of_service, of_project) == [False, True]

    name = ANONYMOUS.tenant.name
    services.set_retention(ANONYMOUS, "kept", NO_RETENTION)
    services.set_retention(ANONYMOUS, name, Retention(jobs_days=FOREVER))
    services.apply_retention()
    assert there(service, of_project) == [True]
    services.set_retention(ANONYMOUS, name, Retention(jobs_days=1))
    services.apply_retention()
    assert there(service, of_project) == [False]


def test_a_shorter_time_for_logs_goes_for_what_a_walk_has_passed_over(service):
    services = retaining(service, logs_days=1)
    run(service)
    services.set_retention(ANONYMOUS, "demo", Retention(logs_days=FOREVER))
    service.clock.advance(2 * DAY_S)
    services.apply_retention()
    assert service.log_store.objects

    services.set_retention(ANONYMOUS, "demo", NO_RETENTION)

    assert services.apply_retention()["logs"] == 1


def after_each(monkeypatch, services, name, act):
    """Have pages of two rows, and an act follow each removal of a run."""
    removal = services.apply_retention
    remove = getattr(removal, name)

    def removing(*given):
        done = remove(*given)
        act()
        return done

    monkeypatch.setattr(apply_retention, "_WALKED_AT_ONCE", 2)
    monkeypatch.setattr(removal, name, removing)


def test_a_job_is_kept_from_its_new_policy_on_although_a_run_is_under_way(service, monkeypatch):
    services = retaining(service, jobs_days=1)
    jobs = [run(service) for _ in range(6)]
    service.clock.advance(2 * DAY_S)
    forever = Retention(jobs_days=FOREVER)
    after_each(
        monkeypatch, services, "_remove_batch", lambda: services.set_retention(ANONYMOUS, "demo", forever)
    )

    services.apply_retention()

    assert there(service, *jobs) == [False, False, True, True, True, True]


def test_a_log_is_kept_from_its_new_policy_on_although_a_run_is_under_way(service, monkeypatch):
    services = retaining(service, logs_days=1)
    for _ in range(6):
        run(service)
    service.clock.advance(2 * DAY_S)
    forever = Retention(logs_days=FOREVER)
    after_each(
        monkeypatch, services, "_remove_logs_of", lambda: services.set_retention(ANONYMOUS, "demo", forever)
    )

    assert services.apply_retention()["logs"] == 2


def test_an_owner_that_sets_its_policy_again_and_again_holds_up_no_other_s_logs(service, monkeypatch):
    services = retaining(service, logs_days=1)
    for _ in range(6):
        run(service)
    run(service, project="other")
    service.clock.advance(2 * DAY_S)
    days = iter(range(2, 100))

    def set_other():
        services.set_retention(ANONYMOUS, "other", Retention(logs_days=next(days)))

    after_each(monkeypatch, services, "_remove_logs_of", set_other)

    assert services.apply_retention()["logs"] == 6


def test_a_policy_is_read_with_the_one_in_force_and_its_setting_is_recorded(service):
    services = retaining(service, jobs_days=30, pending_days=2)
    run(service)

    view = services.set_retention(ANONYMOUS, "demo", Retention(jobs_days=7))

    assert view == services.retention_reader.of_project(ANONYMOUS, "demo")
    assert view.own == Retention(jobs_days=7)
    assert view.in_force == Retention(jobs_days=7, pending_days=2)
    of_tenant = services.retention_reader.of_tenant(ANONYMOUS.tenant.name)
    assert (of_tenant.own, of_tenant.in_force) == (NO_RETENTION, Retention(jobs_days=30, pending_days=2))
    (entry,) = entries(service, Act.PROJECT_RETENTION)
    assert (entry.subject, entry.outcome) == ("demo", "done")
    with pytest.raises(NotFound):
        services.retention_reader.of_project(a_caller("acme"), "demo")
    with pytest.raises(NotFound):
        services.set_retention(a_caller("acme"), "demo", Retention(jobs_days=7))


def test_a_deleted_tenant_gets_no_policy(service):
    services = retaining(service)
    services.create_tenant(ANONYMOUS, "acme", UNLIMITED)
    services.delete_tenant(ANONYMOUS, TenantName("acme"))

    with pytest.raises(TenantTransitionRefused, match="'acme' is DELETED and has no retention policy"):
        services.set_retention(ANONYMOUS, TenantName("acme"), Retention(jobs_days=7))


@pytest.mark.parametrize("days", [0, -1, 36_501, float("nan"), float("inf"), "ever", True, [1]])
def test_a_figure_that_is_no_number_of_days_is_refused(days):
    with pytest.raises(InvalidValue, match="number of days"):
        Retention(jobs_days=days)


def test_the_audit_log_is_shortened_and_still_verified(service):
    services = retaining(service, audit_days=10, usage_days=10)
    run(service)
    services.post_audit_entries()
    before = services.verify_audit_log().head
    service.clock.advance(11 * DAY_S)

    done = services.apply_retention()

    assert done["audit"] == before.sequence
    services.post_audit_entries()
    found = services.verify_audit_log()
    assert (found.fault, found.start) == (None, before)
    assert found.head.sequence == before.sequence + 1
    # And once an hour is enough
    service.clock.advance(11 * DAY_S)
    assert services.apply_retention()["audit"] == 1
    assert services.apply_retention() == {}


def test_an_object_that_no_job_has_is_removed_when_no_upload_can_have_it_under_way(service):
    services = retaining(service)
    kept = run(service)
    job_id = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    lost = {
        StoreName.CODE: ObjectKey(f"demo/{job_id}.py"),
        StoreName.LOG: ObjectKey(f"logs/{uuid5(job_id, 'x')}.json"),
    }
    service.code_store.put(lost[StoreName.CODE], b"lost", "text/plain")
    service.log_store.put(lost[StoreName.LOG], b"lost", "text/plain")
    service.code_store.put(ObjectKey("demo/notes.txt"), b"another's", "text/plain")
    service.clock.advance(FILES_KEPT_HOURS * HOUR_S - 1)
    assert services.apply_retention() == {}
    service.clock.advance(DAY_S)

    estimate = services.apply_retention.estimate()
    done = services.apply_retention()
    services.remove_deleted()

    assert (estimate["orphans"], estimate["bytes"]) == (2, 8)
    assert done == {"orphans": 2}
    assert set(service.code_store.objects) == {kept.code_key, "demo/notes.txt"}
    assert set(service.log_store.objects) == {kept.execution.result.log_key.value}


@pytest.mark.parametrize("in_batch", [False, True])
def test_an_upload_whose_objects_may_be_swept_is_refused(service, in_batch, monkeypatch):
    # Given an upload that is held up between its objects and its transaction
    put = service.code_store.put

    def slowly(*arguments):
        put(*arguments)
        service.clock.advance(FILES_KEPT_HOURS * HOUR_S / 2)

    monkeypatch.setattr(service.code_store, "put", slowly)
    # When it goes on, then there is no job, and no object
    command = UploadCodeCommand(project="demo", code="print(1)", language="python")
    upload = service.submit_batch if in_batch else service.upload_code
    with pytest.raises(StorageUnavailable, match="took too long"):
        upload(ANONYMOUS, [command] if in_batch else command)
    assert not service.database.tables.jobs
    assert not service.code_store.objects


def test_an_estimate_removes_nothing(service):
    services = retaining(service, jobs_days=1)
    for _ in range(3):
        run(service, tags={"a": "b"})
    service.clock.advance(2 * DAY_S)

    found = services.apply_retention.estimate()

    logs = sum(len(content) for content in service.log_store.objects.values())
    assert found == {
        "jobs": 3,
        "executions": 3,
        "tags": 3,
        "objects": 6,
        "bytes": logs + 3 * len("print(1)"),
        "orphans": 0,
    }
    assert len(service.database.tables.jobs) == 3


def test_work_that_is_stopped_ends_after_its_step(service):
    services = retaining(service, jobs_days=1)
    jobs = [run(service) for _ in range(30)]
    service.clock.advance(2 * DAY_S)
    services.apply_retention.stop()

    services.apply_retention()

    assert sum(there(service, *jobs)) >= len(jobs) - 10


def test_two_processes_remove_each_job_once(service):
    both = [retaining(service, worker=f"worker-{n}", jobs_days=1) for n in (1, 2)]
    for _ in range(5):
        run(service)
    service.clock.advance(2 * DAY_S)

    assert [services.apply_retention().get("jobs", 0) for services in both] == [5, 0]
    assert not service.database.tables.jobs


def a_result(index):
    return CaseResult(index=index, name=f"case {index}", verdict=Verdict.ACCEPTED)


def stepped(clock, ms_of_each, done=None):
    """Return work of a batch, which takes so long for each of it."""

    def work(size):
        clock.advance(size * ms_of_each / 1_000)
        return size if done is None else done

    return work


def test_a_pace_makes_batches_as_large_as_their_time_allows_and_rests():
    clock = MemoryClock()
    rests: list[float] = []
    pace = Pace(clock, rests.append, share=0.1, target_s=0.02)

    sizes = [pace.step("jobs", stepped(clock, 0.1)) for _ in range(30)]
    assert sizes[:4] == [10, 12, 15, 18]  # a quarter more each
    assert 100 <= max(sizes) <= 200  # 20 ms at most
    assert rests[0] == pytest.approx(0.009)  # nine times as long as the work
    sizes = [pace.step("jobs", stepped(clock, 5)) for _ in range(6)]
    assert sizes[-1] <= 4
    rests.clear()
    assert pace.hurried().step("jobs", stepped(clock, 5)) <= 4
    assert rests == [pytest.approx(sizes[-1] * 0.005)]


def test_a_batch_that_took_too_long_makes_the_next_one_half_as_large_at_most():
    clock = MemoryClock()
    pace = Pace(clock, lambda _s: None, target_s=0.02)
    for _ in range(40):
        large = pace.step("jobs", stepped(clock, 0.01))
    # Just over, far over, and over again: no batch after the first one is over 50 ms.
    assert large > 300
    slow = [pace.step("jobs", stepped(clock, 1.0)) for _ in range(2)]
    assert slow[1] <= min(slow[0] / 2, LONGEST_S * 1_000)
    slower = [pace.step("jobs", stepped(clock, 20.0)) for _ in range(3)]
    assert slower[-1] <= 2
    assert pace.step("jobs", stepped(clock, 1_000.0)) >= 1  # and never none


def test_a_batch_that_waited_for_other_writers_is_no_smaller_for_it():
    clock = MemoryClock()
    observed: list[float] = []
    pace = Pace(clock, lambda _s: None, target_s=0.02, observe=observed.append)

    def waiting(size):
        clock.advance(5)
        return pace.timed(stepped(clock, 0.1))(size)

    sizes = [pace.step("jobs", waiting) for _ in range(5)]
    assert sizes == sorted(sizes)
    assert max(observed) < 0.02


def test_a_disturbed_batch_is_followed_by_small_ones_that_grow_slowly():
    clock = MemoryClock()
    times: list[float] = []
    pace = Pace(clock, lambda _s: None, target_s=0.02, observe=times.append)
    for _ in range(60):
        pace.step("jobs", stepped(clock, 0.2))
    times.clear()
    # Rows get eight times as slow at once, and stay so.
    for _ in range(100):
        pace.step("jobs", stepped(clock, 1.6))
    assert sum(took_s > LONGEST_S for took_s in times) <= 1


def test_a_pass_begins_anew_with_batches_that_have_become_small():
    clock = MemoryClock()
    pace = Pace(clock, lambda _s: None, target_s=0.02)
    for _ in range(10):
        pace.step("jobs", stepped(clock, 100))
    assert pace.step("jobs", stepped(clock, 100)) == 1

    pace.begin()

    assert pace.step("jobs", stepped(clock, 0.1)) == FIRST


def test_batches_that_were_not_full_and_reads_make_none_larger():
    clock = MemoryClock()
    pace = Pace(clock, lambda _s: None)
    for _ in range(20):
        pace.step("jobs", stepped(clock, 0.01, done=3))
        pace.read(lambda: clock.advance(0.001))
        pace.step("logs", stepped(clock, 0.01))
    assert pace.step("jobs", stepped(clock, 0.01)) == FIRST
    assert pace.step("logs", stepped(clock, 0.01)) > FIRST


def test_items_that_a_batch_is_not_done_with_are_in_the_next_one_again():
    pace = Pace(MemoryClock(), lambda _s: None)
    batches = []

    def work(items, size):
        batches.append((list(items), size))
        return 0 if len(batches) < 3 else len(items)

    assert sum(pace.batches("jobs", [1, 2], work)) == 2
    assert [items for items, _size in batches] == [[1, 2]] * 3


def test_full_batches_that_are_done_with_no_item_make_larger_and_smaller_ones():
    clock = MemoryClock()
    pace = Pace(clock, lambda _s: None)
    sizes = []

    def work_of(ms):
        def work(_items, size):
            sizes.append(size)
            clock.advance(size * ms / 1_000)
            return Progress(0, is_full=True) if len(sizes) % 10 else 1

        return work

    assert sum(pace.batches("jobs", [1], work_of(0.1))) == 1
    assert sizes == sorted(sizes)
    assert sizes[-1] > 5 * FIRST
    assert sum(pace.batches("jobs", [1], work_of(50))) == 1
    assert sizes[-1] == 1


def test_a_job_with_many_cases_goes_after_them_also_when_a_process_was_killed_between(service, monkeypatch):
    services = retaining(service, jobs_days=1)
    job = run(service)
    results = service.database.tables.case_results
    cases = FIRST * CASES_OF_A_JOB * 5
    for index in range(cases):
        results[job.job_id, index] = a_result(index)
    service.clock.advance(2 * DAY_S)

    class Killed(Exception):
        pass

    left: list[int] = []
    run_in = service.unit_of_work.run

    def killed_after_a_slice(work):
        outcome = run_in(work)
        results = service.database.tables.case_results
        if len(results) < cases and not left:
            left.append(len(results))
            raise Killed
        return outcome

    monkeypatch.setattr(service.unit_of_work, "run", killed_after_a_slice)
    with pytest.raises(Killed):
        services.apply_retention()
    # The first slice is gone, the job is there, and nothing of it is noted to be deleted.
    assert left == [cases - FIRST * CASES_OF_A_JOB]
    assert there(service, job) == [True]
    assert not service.database.tables.deletions

    done = services.apply_retention()
    assert (done["jobs"], done["cases"]) == (1, left[0])
    # The slice before is in no figure: its process was killed before it counted it.
    assert service.measurements.counted[PURGED_ROWS, ("cases",)] == left[0]
    assert there(service, job) == [False]
    assert not service.database.tables.case_results
    assert service.database.tables.deletions


def test_a_purge_removes_the_cases_of_a_job_in_slices(service):
    job = run(service)
    results = service.database.tables.case_results
    for index in range(FIRST * CASES_OF_A_JOB * 3):
        results[job.job_id, index] = a_result(index)
    service.change_project(ANONYMOUS, job.project, ProjectTrigger.PURGE)

    assert service.remove_deleted() == 1
    assert service.measurements.counted[PURGED_ROWS, ("cases",)] == FIRST * CASES_OF_A_JOB * 3
    assert not service.database.tables.jobs
    assert not service.database.tables.case_results
