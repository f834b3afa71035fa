"""A request under an idempotency key: absent, in work, answered, abandoned, expired."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.caller_unit_of_work import CallerUnitOfWork
from application.commands import UploadCodeCommand
from application.errors import AlreadyAnswered, AnswerLost, KeyReused, NotFound, Repeated, RequestInWork
from application.new_files import NewBlob, NewFile
from application.use_cases.forget_old_records import ForgetOldRecords
from domain.audit import Act
from domain.errors import DomainError
from domain.idempotency import IdempotentRequest, StoredAnswer
from domain.project import ProjectTrigger
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.in_memory_service import KEYS_KEPT_HOURS

DUE_S = 5
ANSWER = StoredAnswer(status=200, headers=(("content-type", "application/json"),), body=b"{}")
PROGRAM = UploadCodeCommand(project="demo", code="print(1)", language="python")


def asking(service, key="k", fingerprint="f", caller=ANONYMOUS):
    """Return a caller that makes a request under a key now."""
    now = service.clock.now()
    request = IdempotentRequest(
        id=uuid4(),
        key=key,
        fingerprint=fingerprint,
        received_at=now,
        answer_due=now + timedelta(seconds=DUE_S),
    )
    return replace(caller, idempotency=request)


def acts(service):
    return [entry.act for entry in service.database.tables.audit_journal.values()]


def stored_code(service):
    return len(service.code_store.objects)


def test_a_request_that_is_not_answered_yet_is_in_work(service):
    service.upload_code(asking(service), PROGRAM)
    service.clock.advance(DUE_S - 1)
    with pytest.raises(RequestInWork):
        service.upload_code(asking(service), PROGRAM)
    assert len(service.database.tables.jobs) == 1
    assert acts(service) == [Act.JOB_UPLOAD]


def test_a_request_that_was_answered_is_not_done_again(service):
    first = asking(service)
    service.upload_code(first, PROGRAM)
    assert service.idempotent_requests.keep(first, ANSWER) is None
    again = asking(service)
    with pytest.raises(AlreadyAnswered):
        service.upload_code(again, PROGRAM)
    assert service.idempotent_requests.find(again) == ANSWER
    assert len(service.database.tables.jobs) == 1
    assert acts(service) == [Act.JOB_UPLOAD]


@pytest.mark.parametrize("fingerprint", ["f", "other"])
def test_a_request_under_a_used_key_stores_no_files(service, fingerprint):
    # Given a key that was used by a request without files, which would count as stored bytes
    service.upload_code(asking(service), PROGRAM)
    before = stored_code(service)

    # When requests with files come under that key
    files = (NewFile("data.txt", NewBlob.of(b"data")),)
    with pytest.raises(Repeated):
        service.upload_code(asking(service, fingerprint=fingerprint), replace(PROGRAM, files=files))
    with pytest.raises(Repeated):
        service.submit_batch(asking(service, fingerprint=fingerprint), [replace(PROGRAM, files=files)])

    # Then nothing is stored that no quota counts
    assert stored_code(service) == before


def test_a_request_whose_process_was_lost_is_answered_from_what_it_made(service):
    # Given an upload that was never answered
    job = service.upload_code(asking(service), PROGRAM)
    service.clock.advance(DUE_S)
    # When it is sent again twice, Then it has the job as it is now, and one answer for good
    again, other = asking(service), asking(service)
    assert service.upload_code(again, PROGRAM) == job
    assert service.upload_code(other, PROGRAM) == job
    assert service.idempotent_requests.find(again) is None
    assert service.idempotent_requests.keep(again, ANSWER) == ANSWER
    assert service.idempotent_requests.keep(other, replace(ANSWER, body=b"later")) == ANSWER
    assert service.idempotent_requests.find(asking(service)) == ANSWER
    # And nothing was done or left behind
    assert acts(service) == [Act.JOB_UPLOAD]
    assert len(service.database.tables.jobs) == 1
    assert stored_code(service) == 1


def test_an_answer_that_comes_after_one_that_was_made_again_gives_way_to_it(service):
    # Given an upload that takes longer than its answer may, and is answered from what it made
    slow = asking(service)
    service.upload_code(slow, PROGRAM)
    service.clock.advance(DUE_S)
    again = asking(service)
    service.upload_code(again, PROGRAM)
    assert service.idempotent_requests.keep(again, ANSWER) == ANSWER
    # When its own answer is there, Then both are the same
    assert service.idempotent_requests.keep(slow, replace(ANSWER, body=b"later")) == ANSWER


def test_every_command_of_a_post_route_finds_its_result_again(service):
    job = service.upload()
    commands = [
        lambda caller: service.execute_job(caller, job.job_id).job_id,
        lambda caller: service.cancel_job(caller, job.job_id).job_id,
        lambda caller: service.create_project(caller, "made", None).id,
        lambda caller: service.change_project(caller, "made", ProjectTrigger.ARCHIVE).id,
        lambda caller: service.change_project(caller, "made", ProjectTrigger.RESTORE).id,
    ]
    for number, command in enumerate(commands):
        first = command(asking(service, key=str(number)))
        service.clock.advance(DUE_S)
        assert command(asking(service, key=str(number))) == first


def test_a_request_that_is_abandoned_and_whose_result_is_gone_is_an_error(service):
    service.create_project(asking(service), "made", None)
    service.change_project(ANONYMOUS, "made", ProjectTrigger.DELETE)
    service.clock.advance(DUE_S)
    with pytest.raises(NotFound):
        service.create_project(asking(service), "made", None)


def test_a_command_without_a_way_to_its_result_says_that_its_answer_is_lost(service):
    unit_of_work = CallerUnitOfWork(
        unit_of_work=service.unit_of_work,
        idempotent_requests=service.idempotent_requests,
        record_refusal=service.record_refusal,
        clock=service.clock,
        ids=service.ids,
    )

    def act(caller):
        return unit_of_work.run(
            caller, Act.KEY_CREATE, lambda _transaction: "made", subject=lambda made: made
        )

    assert act(asking(service)) == "made"
    service.clock.advance(DUE_S)
    with pytest.raises(AnswerLost):
        act(asking(service))
    assert acts(service) == [Act.KEY_CREATE]


@pytest.mark.parametrize("is_answered", [True, False])
def test_another_request_under_the_key_is_refused(service, is_answered):
    first = asking(service)
    service.upload_code(first, PROGRAM)
    if is_answered:
        service.idempotent_requests.keep(first, ANSWER)
    service.clock.advance(DUE_S)
    other = asking(service, fingerprint="g")
    with pytest.raises(KeyReused):
        service.upload_code(other, PROGRAM)
    with pytest.raises(KeyReused):
        service.idempotent_requests.find(other)
    assert len(service.database.tables.jobs) == 1


def test_a_request_that_failed_leaves_no_record(service):
    job = service.start()
    with pytest.raises(DomainError):
        service.execute_job(asking(service), job.job_id)
    assert service.database.tables.idempotency_keys == {}
    assert service.idempotent_requests.find(asking(service)) is None


def test_the_same_key_of_another_tenant_is_another(service):
    service.upload_code(asking(service), PROGRAM)
    service.upload_code(asking(service, caller=a_caller("acme")), PROGRAM)
    assert len(service.database.tables.jobs) == 2


def test_a_key_is_forgotten_when_its_time_is_over(service):
    # Given a request that was answered
    first = asking(service)
    service.upload_code(first, PROGRAM)
    service.idempotent_requests.keep(first, ANSWER)
    # When its time is over, Then the key is as good as new, before it is removed
    service.clock.advance(KEYS_KEPT_HOURS * 3_600)
    assert service.idempotent_requests.find(asking(service)) is None
    service.upload_code(asking(service, fingerprint="g"), PROGRAM)
    assert len(service.database.tables.jobs) == 2
    # And is removed a little later, with its answer
    assert service.forget_idempotency_keys() == 0
    service.clock.advance(KEYS_KEPT_HOURS * 3_600 + 1)
    assert service.forget_idempotency_keys() == 1
    assert service.database.tables.idempotency_keys == {}


def test_old_records_are_removed_in_batches(service):
    for number in range(5):
        service.create_project(asking(service, key=str(number)), "made", None)
    service.clock.advance(KEYS_KEPT_HOURS * 3_600 + 1)
    forget = ForgetOldRecords(
        service.unit_of_work,
        service.clock,
        lambda transaction, before, batch: transaction.idempotency_keys.forget(before, batch),
        kept=timedelta(hours=KEYS_KEPT_HOURS),
        batch=2,
    )
    assert forget() == 5


def test_without_a_key_nothing_is_recorded(service):
    service.upload()
    assert service.database.tables.idempotency_keys == {}
    assert service.idempotent_requests.find(ANONYMOUS) is None
    assert service.idempotent_requests.keep(ANONYMOUS, ANSWER) is None
