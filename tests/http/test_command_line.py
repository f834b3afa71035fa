"""The command line against a service: each command is called in this process."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli.errors import ExitCode, Failure, sentence_of
from entrypoints.cli.main import service_server
from tests.http.support import UNKNOWN_ID, Service

Run = Callable[..., Result]


@pytest.fixture
def run(service: Service, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call a command; its failure is in `exception`."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("SERVICE_SERVER_SERVER_URL", str(service.http.base_url))

    def run(*arguments: str, stdin: bytes | str | None = None) -> Result:
        return CliRunner().invoke(service_server, arguments, input=stdin)

    return run


@pytest.fixture
def waiting(service: Service) -> Callable[[str], list[str]]:
    """Jobs that wait to be executed, with a tag of their own."""

    def upload(tag: str, number: int = 3) -> list[str]:
        return [service.upload(tags={"many": tag})["job_id"] for _ in range(number)]

    return upload


def statuses(service: Service, job_ids: list[str]) -> set[str]:
    return {service.http.get(f"/api/jobs/{job_id}/status").json()["status"] for job_id in job_ids}


def failure(ran: Result) -> tuple[int, str]:
    """Return the exit code of a command that failed, and its sentence."""
    assert isinstance(ran.exception, Failure), ran.output
    return ran.exception.exit_code, sentence_of(ran.exception)


def test_without_a_terminal_yes_is_needed(run: Run, service: Service, waiting):
    tag = str(uuid4())
    job_ids = waiting(tag)
    refused = run("cancel", "--tag", f"many={tag}")
    assert refused.stdout == ""
    assert failure(refused) == (2, "Cancel 3 jobs? There is no terminal to ask on; use --yes")
    assert statuses(service, job_ids) == {"PENDING"}

    ran = run("cancel", "--tag", f"many={tag}", "--yes", "--json")
    assert {job["job_id"] for job in json.loads(ran.stdout)} == set(job_ids)
    assert statuses(service, job_ids) == {"CANCELLED"}


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (("webhooks", "remove", "w-1"), "Delete webhook w-1 with its deliveries?"),
        (
            ("case-sets", "remove", "demo", "all"),
            "Delete case set all of project demo with all of its versions?",
        ),
    ],
)
def test_a_webhook_and_a_case_set_are_not_removed_unasked(run: Run, words: tuple[str, ...], question: str):
    assert failure(run(*words)) == (2, f"{question} There is no terminal to ask on; use --yes")

    code, sentence = failure(run(*words, "--yes"))

    assert (code, "use --yes" in sentence) == (1, False)


def test_a_refusal_does_not_keep_the_other_jobs_from_it(run: Run, waiting):
    first, ended, last = waiting("mixed")
    assert run("cancel", ended).stdout == f"cancelled {ended}\n"

    ran = run("cancel", "--yes", first, ended, last)

    assert failure(ran) == (1, "")
    assert ran.stdout.split() == ["cancelled", first, "cancelled", last]
    assert ran.stderr.startswith(f"service-server: {ended}: cannot cancel a job")


def test_ended_jobs_are_run_again_with_changes_and_deleted(run: Run, service: Service, waiting):
    tag = str(uuid4())
    job_ids = waiting(tag)
    run("cancel", "--yes", *job_ids)

    again = run(
        "rerun", "--yes", "--tag", f"many={tag}", "--status", "cancelled", "--stdin", "-", stdin="new"
    )
    assert again.exit_code == 0
    assert {line.split()[3] for line in again.stdout.splitlines()} == set(job_ids)
    for line in again.stdout.splitlines():
        job_id = line.split()[1]
        service.http.get(f"/api/jobs/{job_id}/status?wait=20").raise_for_status()
        assert service.http.get(f"/api/jobs/{job_id}").json()["data"]["result"]["stdout"] == "new"

    deleted = run("delete", "--yes", *job_ids)
    assert (deleted.exit_code, deleted.stderr) == (0, "")
    assert [line.split()[1] for line in deleted.stdout.splitlines()] == job_ids
    assert {service.http.get(f"/api/jobs/{job_id}").status_code for job_id in job_ids} == {404}


def test_more_jobs_than_one_call_takes_are_acted_on_in_several(run: Run, service: Service):
    tag = str(uuid4())
    jobs = [
        {"project": "demo", "code": "", "language": "python", "tags": {"many": tag}, "execute": False}
    ] * 101
    service.http.post("/api/batches", json={"jobs": jobs}).raise_for_status()

    ran = run("cancel", "--yes", "--tag", f"many={tag}", "--json")

    results = json.loads(ran.stdout)
    assert ran.exit_code == 0
    assert len({result["job_id"] for result in results}) == 101
    assert {result["status"] for result in results} == {"CANCELLED"}


def test_tags_are_given_and_removed(run: Run, service: Service, waiting):
    tag = str(uuid4())
    first, second = waiting(tag, 2)

    ran = run("tag", "--yes", first, second[:35], "--set", "team=blue", "--remove", "many")

    assert (ran.exit_code, ran.stdout) == (0, f"tagged {first}\ntagged {second}\n")
    for job_id in (first, second):
        assert service.http.get(f"/api/jobs/{job_id}").json()["data"]["tags"] == {"team": "blue"}
    assert failure(run("tag", first))[0] == ExitCode.USAGE


@pytest.mark.parametrize("arguments", [[], ["--tag", "a=b", UNKNOWN_ID]])
def test_jobs_are_named_or_selected(run: Run, arguments: list[str]):
    code, sentence = failure(run("cancel", *arguments))
    assert code == 2
    assert sentence.startswith("give job ids, or filters such as --status")


@pytest.mark.parametrize("filters", [["--search", "no such text"], ["--phase", "running"]])
def test_filters_that_no_job_matches_change_nothing(run: Run, filters: list[str]):
    ran = run("delete", *filters)
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert ran.stderr == "service-server: no jobs match these filters\n"


@pytest.mark.parametrize(
    ("locale", "sentence"),
    [
        ("en_GB.UTF-8", f"job '{UNKNOWN_ID}' does not exist"),
        ("ko_KR.UTF-8", f"작업 '{UNKNOWN_ID}'"),
        ("ja_JP.UTF-8", f"ジョブ '{UNKNOWN_ID}'"),
    ],
)
def test_refusals_of_the_service_are_in_the_language_of_the_terminal(
    run: Run, monkeypatch: pytest.MonkeyPatch, locale: str, sentence: str
):
    monkeypatch.setenv("LANG", locale)
    code, said = failure(run("status", UNKNOWN_ID))
    assert code == 1
    assert said.startswith(sentence)
    monkeypatch.setenv("LANG", "C")
    assert failure(run("status", UNKNOWN_ID)) == (1, f"job '{UNKNOWN_ID}' does not exist")


def test_columns_have_english_heads_in_a_pipe_in_any_language(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LANG", "ko_KR.UTF-8")
    assert run("jobs", "--limit", "1", "--header").stdout.startswith("JOB\tSTATUS\tPROJECT\t")


@pytest.mark.parametrize(
    "arguments", [("--server", "{url}", "--json", "list"), ("--server", "{url}", "list", "--json")]
)
def test_options_between_a_group_and_its_command_count(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
):
    url = str(service.http.base_url)
    monkeypatch.setenv("SERVICE_SERVER_SERVER_URL", "http://127.0.0.1:1")
    service.upload()

    ran = run("projects", *(argument.format(url=url) for argument in arguments))

    assert json.loads(ran.stdout) == service.http.get("/api/projects").json()


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ('{"code": "1"}\n\nnot a job\n', "line 3 column 1"),
        ('{"code": "1"}\r\n{"code": }\r\n', "line 2 column 10"),
        ('[\n  {"code": "1"},\n  {"code": }\n]\n', "line 3 column 12"),
    ],
)
def test_a_file_of_jobs_with_a_mistake_is_refused_with_its_place(
    run: Run, tmp_path: Path, content: str, place: str
):
    file = tmp_path / "jobs"
    file.write_text(content, newline="")

    exit_code, sentence = failure(run("batch", "submit", str(file)))

    assert exit_code == ExitCode.USAGE
    assert place in sentence
