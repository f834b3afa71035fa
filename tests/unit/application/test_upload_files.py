from dataclasses import replace

import pytest

from application.blobs import BLOB_CONTENT_TYPE
from application.commands import UploadCodeCommand
from application.errors import QuotaExceeded, StorageUnavailable, Unprocessable
from application.new_files import NewBlob, NewFile
from application.submission_store import CODE_CONTENT_TYPE
from application.submitted_cases import NewCase
from application.use_cases.run_again import Changes
from domain.errors import ProjectTransitionRefused
from domain.project import ProjectTrigger
from domain.quota import Quota
from tests.support.callers import ANONYMOUS

DATA = NewFile("data.txt", NewBlob.of(b"data"))


def with_quota(**bounds):
    return replace(ANONYMOUS, tenant=replace(ANONYMOUS.tenant, quota=Quota(**bounds)))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"files": (DATA,)}, "files"),
        ({"entry": "app.py"}, "entry"),
        ({"stdin_blob": NewBlob.of(b"\0")}, "stdin_base64"),
        ({"artifacts": ("out/*",)}, "artifacts"),
    ],
)
def test_an_engine_that_takes_one_text_refuses_files_at_the_upload(service, monkeypatch, given, field):
    languages = [replace(support, takes_files=False) for support in service.engine.languages()]
    monkeypatch.setattr(service.engine, "languages", lambda: languages)

    with pytest.raises(Unprocessable, match="takes a single source file") as refused:
        service.upload(**given)

    assert refused.value.field == field
    assert service.upload().job_id


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"args": ("-v",)}, "args"),
        ({"env": {"MODE": "dry"}}, "env"),
        ({"secret_env": {"KEY": "1"}}, "secret_env"),
    ],
)
def test_an_engine_that_passes_no_arguments_refuses_them_at_the_upload(service, monkeypatch, given, field):
    languages = [replace(support, takes_arguments=False) for support in service.engine.languages()]
    monkeypatch.setattr(service.engine, "languages", lambda: languages)

    with pytest.raises(Unprocessable, match="neither arguments nor environment variables") as refused:
        service.upload(**given)

    assert refused.value.field == field
    job = service.upload(execute=True)
    service.run_execution()
    with pytest.raises(Unprocessable, match="neither arguments nor environment variables"):
        service.run_again(ANONYMOUS, job.job_id, Changes(args=("-v",)))


def test_an_engine_that_passes_no_variables_refuses_a_rerun_with_secret_ones(service, monkeypatch):
    job = service.upload(secret_env={"KEY": "1"}, execute=True)
    service.run_execution()
    languages = [replace(support, takes_arguments=False) for support in service.engine.languages()]
    monkeypatch.setattr(service.engine, "languages", lambda: languages)

    with pytest.raises(Unprocessable, match="neither arguments nor environment variables") as refused:
        service.run_again(ANONYMOUS, job.job_id)

    assert refused.value.field == "secret_env"


def test_a_job_is_run_again_with_its_files_its_entry_and_its_input(service):
    first = service.upload(files=(DATA,), entry="app.py", stdin_blob=NewBlob.of(b"\0in"), execute=True)
    service.run_execution()

    again = service.run_again(ANONYMOUS, first.job_id)

    specs = [service.job_reader.get(ANONYMOUS, job_id).job.spec for job_id in (first.job_id, again.job_id)]
    assert specs[0].files == specs[1].files
    assert (specs[1].entry, specs[1].stdin_blob.size) == ("app.py", 3)
    service.delete_job(ANONYMOUS, first.job_id)
    service.remove_unused_blobs()
    assert service.blobs.read(ANONYMOUS.tenant.name, DATA.blob.ref) == b"data"


UPLOAD = UploadCodeCommand(project="demo", code="print(1)", language="python", files=(DATA,))
GIVEN = {
    "upload_code": (UPLOAD,),
    "submit_batch": ([UPLOAD],),
    "put_case_set": ("demo", "sums", [NewCase(stdin=b"1", expected=b"2")]),
}


@pytest.mark.parametrize("command", GIVEN)
def test_files_of_a_command_that_is_refused_after_they_are_stored_are_removed_soon(
    service, monkeypatch, command
):
    # Given a project that is archived while the files of new work are being stored
    service.upload()
    store = service.blobs.store

    def store_and_archive(tenant, contents):
        store(tenant, contents)
        service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)

    monkeypatch.setattr(service.blobs, "store", store_and_archive)
    before = set(service.code_store.objects)

    # When the work is refused
    with pytest.raises(ProjectTransitionRefused):
        getattr(service, command)(ANONYMOUS, *GIVEN[command])

    # Then no file is left that no quota counts
    service.remove_unused_blobs()
    service.remove_deleted()
    assert set(service.code_store.objects) == before


@pytest.mark.parametrize(
    ("command", "media_type"),
    [
        *((command, BLOB_CONTENT_TYPE) for command in GIVEN),
        *((command, CODE_CONTENT_TYPE) for command in ("upload_code", "submit_batch")),
    ],
)
def test_an_object_is_removed_though_the_store_s_answer_to_it_was_lost(
    service, monkeypatch, command, media_type
):
    put = service.code_store.put

    def put_and_lose_the_answer(key, content, content_type):
        put(key, content, content_type)
        if content_type == media_type:
            raise StorageUnavailable("its response was incomplete")

    monkeypatch.setattr(service.code_store, "put", put_and_lose_the_answer)

    with pytest.raises(StorageUnavailable):
        getattr(service, command)(ANONYMOUS, *GIVEN[command])

    service.remove_unused_blobs()
    service.remove_deleted()
    assert service.code_store.objects == {}


def test_files_that_a_tenant_has_already_take_no_room_in_its_quota(service):
    code_bytes = len("print(1)")
    caller = with_quota(stored_bytes=2 * code_bytes + 4)
    upload = {"project": "demo", "code": "print(1)", "language": "python", "files": (DATA,)}
    for _ in range(2):
        service.upload_code(caller, UploadCodeCommand(**upload))

    with pytest.raises(QuotaExceeded, match="stored_bytes"):
        service.upload_code(
            caller, UploadCodeCommand(**upload | {"files": (NewFile("b", NewBlob.of(b"other")),)})
        )
