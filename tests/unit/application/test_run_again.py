"""Jobs that are run again, with changes."""

import pytest

from application.errors import NotFound
from application.new_files import NewBlob, NewFile
from application.queries.timeline import Step
from application.submitted_cases import NewCase
from application.use_cases.run_again import Changes
from domain.errors import InvalidValue, TooLarge
from domain.sealed_secrets import SealedSecrets
from tests.support.callers import ANONYMOUS, a_caller


def test_a_job_is_run_again_with_its_changes_alone(service):
    first = service.start(
        stdin="in", args=("a",), limits={"memory_mb": 32, "timeout_ms": 5_000}, tags={"t": "1"}
    )

    again = service.run_again(
        ANONYMOUS, first.job_id, Changes(stdin="other", args=(), limits={"memory_mb": 64})
    )

    spec = service.job_reader.get(ANONYMOUS, again.job_id).job.spec
    assert (spec.stdin, spec.args, spec.tags) == ("other", (), {"t": "1"})
    assert (spec.limits.memory_mb, spec.limits.timeout_ms) == (64, 5_000)
    assert again.status == "RUNNING"


@pytest.mark.parametrize(
    "given",
    [
        {"stdin": "in"},
        {"stdin_blob": NewBlob.of(b"in")},
        {"stdin_file": "in.txt", "files": (NewFile("in.txt", NewBlob.of(b"in")),)},
    ],
)
def test_new_cases_replace_its_input_however_it_was_given(service, given):
    first = service.start(**given)

    again = service.run_again(ANONYMOUS, first.job_id, Changes(cases=(NewCase(stdin=b"a", expected=b"b"),)))

    spec = service.job_reader.get(ANONYMOUS, again.job_id).job.spec
    assert (spec.cases.total, spec.stdin, spec.stdin_blob, spec.stdin_file) == (1, "", None, None)


def test_its_code_stays_when_the_first_job_is_deleted(service):
    first = service.upload(code="print(1)")
    again = service.run_again(ANONYMOUS, first.job_id)
    service.cancel_job(ANONYMOUS, first.job_id)
    service.delete_job(ANONYMOUS, first.job_id)
    service.remove_deleted()

    third = service.run_again(ANONYMOUS, again.job_id)

    assert service.code_store.objects == {again.code_key: b"print(1)", third.code_key: b"print(1)"}
    spec = service.job_reader.get(ANONYMOUS, third.job_id).job.spec
    assert (spec.code_bytes, spec.rerun_of) == (8, again.job_id)


def test_jobs_know_each_other_both_ways(service):
    first = service.upload()
    second, third = (service.run_again(ANONYMOUS, first.job_id).job_id for _ in range(2))

    timeline = service.job_reader.timeline(ANONYMOUS, first.job_id)
    assert timeline.reruns == (third, second)
    entry = service.job_reader.timeline(ANONYMOUS, third).entries[0]
    assert (entry.step, str(entry.detail)) == (Step.SUBMITTED, f"Uploaded as a rerun of job {first.job_id}")


def test_a_job_whose_code_is_gone_is_not_run_again(service):
    first = service.upload()
    service.code_store.objects.clear()

    with pytest.raises(NotFound, match="code"):
        service.run_again(ANONYMOUS, first.job_id)

    assert len(service.database.tables.jobs) == 1


def test_a_job_of_another_tenant_is_not_run_again(service):
    first = service.upload()

    with pytest.raises(NotFound, match="job"):
        service.run_again(a_caller(), first.job_id)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (Changes(stdin="x" * 101), TooLarge),
        (Changes(limits={"memory_mb": 1}), InvalidValue),
        (Changes(args=("a\0b",)), InvalidValue),
    ],
)
def test_changes_follow_the_rules_of_an_upload(service, changes, error):
    first = service.upload()

    with pytest.raises(error):
        service.run_again(ANONYMOUS, first.job_id, changes)

    assert set(service.code_store.objects) == {first.code_key}


def test_its_secrets_are_passed_on(service):
    first = service.upload(secret_env={"TOKEN": "s3cret"})

    again = service.run_again(ANONYMOUS, first.job_id)

    assert isinstance(service.job_reader.get(ANONYMOUS, again.job_id).job.spec.secrets, SealedSecrets)
