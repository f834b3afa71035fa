from dataclasses import replace

import pytest

from adapters.sealing.secret_sealer import KEY_BYTES, AesGcmSealer
from application.commands import UploadCodeCommand
from application.errors import SecretsUnavailable
from application.ports.execution_engine import EngineReport
from application.use_cases.run_again import given
from domain.errors import InvalidValue, TooLarge
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import InMemoryService

VALUE = "hunter2-8d1f"
SECRETS = {"TOKEN": VALUE}


@pytest.fixture
def opened(service):
    """The secret variables of the programs that have run, in order."""
    opened = []

    def program(request, observer):
        opened.append(dict(request.open_secrets()))
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service.engine.program = program
    return opened


def details(service, job):
    return service.job_reader.get(ANONYMOUS, job.job_id)


def test_secrets_are_sealed_with_the_job_and_open_for_its_program(service, opened):
    job = service.start(secret_env=SECRETS)

    stored = details(service, job).job
    assert VALUE not in repr(stored)
    assert service.sealer.open(stored.id, stored.spec.secrets) == SECRETS
    assert service.run_execution()
    assert opened == [SECRETS]
    assert service.job(job.job_id).status is JobStatus.SUCCESS


def test_a_job_without_secrets_has_none(service, opened):
    job = service.start(env={"TOKEN": "shown"})

    assert details(service, job).job.spec.secrets is None
    service.run_execution()
    assert opened == [{}]


def test_a_program_that_does_not_come_to_its_start_opens_nothing(service):
    def fail(_request, _observer):
        return EngineReport(ExecutionResult.failed(Reason.STORAGE_ERROR, "no code"))

    # One that could not open them would end the job with another reason.
    worker = service.process("worker-2", sealer=AesGcmSealer({}))
    service.engine.program = fail
    job = service.start(secret_env=SECRETS)

    worker.run_execution()

    assert service.job(job.job_id).reason is Reason.STORAGE_ERROR


def test_a_job_that_is_run_again_has_the_same_secrets(service, opened):
    first = service.start(secret_env=SECRETS)

    second = service.run_again(ANONYMOUS, first.job_id)
    third = service.run_again(ANONYMOUS, second.job_id)
    while service.run_execution():
        pass

    assert opened == [SECRETS] * 3
    boxes = {details(service, job).job.spec.secrets.box for job in (first, second, third)}
    assert len(boxes) == 1


def test_the_command_that_submits_the_same_again_has_no_secrets(service):
    job = service.start(secret_env=SECRETS)

    command = given(details(service, job), "print(1)")

    assert command.secret_env == {}
    assert command.rerun_of is None


def test_secrets_are_refused_without_a_key():
    service = InMemoryService(sealer=AesGcmSealer({}))

    with pytest.raises(SecretsUnavailable, match="SERVICE_SERVER_SEALING_KEYS") as refused:
        service.upload(secret_env=SECRETS)

    assert refused.value.field == "secret_env"
    assert service.code_store.objects == {}
    assert service.upload(secret_env={}).status is JobStatus.PENDING


def test_a_worker_without_the_key_ends_the_job_with_a_reason(service, opened):
    job = service.start(secret_env=SECRETS)
    worker = service.process("worker-2", sealer=AesGcmSealer({"other": bytes(KEY_BYTES)}))

    assert worker.run_execution()

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.SECRETS_UNAVAILABLE)
    message = ended.execution.result.error_message
    assert "SERVICE_SERVER_SEALING_KEYS" in message
    assert VALUE not in message
    assert ended.execution.started_at is None
    assert opened == []


def test_a_job_whose_key_is_gone_is_not_run_again(service):
    job = service.start(secret_env=SECRETS)
    later = service.process("worker-2", sealer=AesGcmSealer({"other": bytes(KEY_BYTES)}))

    with pytest.raises(SecretsUnavailable, match="SERVICE_SERVER_SEALING_KEYS"):
        later.run_again(ANONYMOUS, job.job_id)


def test_no_representation_shows_a_secret(service):
    requests = []
    service.engine.program = lambda request, _observer: requests.append(request)
    command = UploadCodeCommand(project="demo", code="", language="python", secret_env=SECRETS)
    service.upload_code(ANONYMOUS, replace(command, execute=True))
    service.run_execution()

    assert VALUE not in repr(command)
    assert VALUE not in repr(requests)


@pytest.mark.parametrize(
    "secret_env", [{"1A": VALUE}, {"A=B": VALUE}, {"": VALUE}, {"A": f"{VALUE}\0"}, {"A": f"{VALUE}\ud800"}]
)
def test_names_and_values_have_the_rules_of_variables(service, secret_env):
    with pytest.raises(InvalidValue) as refused:
        service.upload(secret_env=secret_env)

    assert refused.value.field == "secret_env"
    assert VALUE not in str(refused.value)


def test_a_variable_is_not_in_both(service):
    with pytest.raises(InvalidValue, match="'env'") as refused:
        service.upload(env={"TOKEN": "x"}, secret_env=SECRETS)

    assert refused.value.field == "secret_env"


def test_secrets_count_with_the_other_variables(service):
    variables = {f"V{number}": "" for number in range(40)}
    with pytest.raises(InvalidValue, match="variables"):
        service.upload(env=variables, secret_env={f"S{number}": "" for number in range(40)})

    with pytest.raises(TooLarge) as refused:
        service.upload(env={"A": "x" * 40_000}, secret_env={"B": "x" * 40_000})
    assert "xxx" not in str(refused.value)
