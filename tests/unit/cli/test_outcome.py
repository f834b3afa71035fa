import pytest

from entrypoints.cli.errors import in_language
from entrypoints.cli.run import exit_code, explanation, summary


def job(status, reason=None, **result):
    return {
        "job_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "status": status,
        "message": "Memory limit exceeded",
        "data": {"reason": reason, "result": result},
    }


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (job("SUCCESS", exit_code=0), 0),
        (job("FAILED", "nonzero_exit", exit_code=42), 42),
        (job("FAILED", "nonzero_exit", exit_code=256), 1),
        (job("FAILED", "nonzero_exit", exit_code=-1073741819), 5),
        (job("FAILED", "signal", exit_code=None, signal=11), 139),
        (job("FAILED", "memory_limit", exit_code=None, signal=9), 137),
        (job("FAILED", "compile_error", exit_code=None, signal=None), 1),
        (job("FAILED", "storage_error", exit_code=0), 3),
        (job("FAILED", "secrets_unavailable", exit_code=None), 3),
        (job("FAILED", "worker_lost"), 3),
        (job("TIMEOUT", "wall_time_limit", signal=9), 124),
        (job("CANCELLED", "cancelled"), 130),
    ],
)
def test_every_end_has_its_exit_code(ended, expected):
    assert exit_code(ended) == expected


def test_a_job_without_a_result_has_an_exit_code_too():
    cancelled = job("CANCELLED", "cancelled")
    del cancelled["data"]["result"]
    assert exit_code(cancelled) == 130


def test_a_program_that_ended_by_itself_needs_no_explanation():
    assert explanation(job("SUCCESS", exit_code=0)) is None
    assert explanation(job("FAILED", "nonzero_exit", exit_code=1)) is None


def test_a_limit_that_was_hit_is_named_with_what_was_measured():
    limit = {"name": "memory_mb", "allowed": 16, "measured": 20}
    assert str(explanation(job("FAILED", "memory_limit", limit=limit))) == (
        "Memory limit exceeded: 20 MiB of 16 MiB [memory_limit]"
    )


@pytest.mark.parametrize(
    ("measured", "said"), [(17, "more than 16 MiB"), (40, "40 MiB of 16 MiB"), (18, "18 MiB of 16 MiB")]
)
def test_output_that_was_cut_is_more_than_its_limit_allows(measured, said):
    limit = {"name": "output_mb", "allowed": 16, "measured": measured}
    assert str(explanation(job("FAILED", "output_limit", limit=limit))) == (
        f"Output limit exceeded: {said} [output_limit]"
    )


def test_a_summary_says_only_what_is_known():
    ended = job("SUCCESS", resource={"execution_time_ms": 12, "memory_mb": None})
    assert summary(ended) == "Succeeded, 12 ms, job 01890a5d-ac96-774b-bcce-b302099a8057"

    unknown = {"execution_time_ms": 12, "memory_mb": 0.0, "unknown": ["memory_mb"]}
    assert summary(job("SUCCESS", resource=unknown)) == summary(ended)


def test_an_explanation_is_in_the_language_of_the_terminal(monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    limit = {"name": "memory_mb", "allowed": 16, "measured": 20}
    assert in_language(explanation(job("FAILED", "memory_limit", limit=limit))) == (
        "메모리 제한 초과: 20 MiB(허용 16 MiB) [memory_limit]"
    )
    told = {"code": "outcomes.unreachable", "values": {}}
    ended = job("FAILED", "engine_unavailable", error_message="It was away.", error_text=told)
    assert in_language(explanation(ended)) == "엔진에 연결할 수 없었습니다 [engine_unavailable]"


@pytest.mark.parametrize("told", [None, {"code": "outcomes.of_a_newer_version", "values": {}}])
def test_a_message_that_the_catalogue_does_not_have_is_shown_as_it_is(told):
    ended = job("FAILED", "engine_error", error_message="No disk.", error_text=told)
    assert str(explanation(ended)) == "No disk. [engine_error]"
