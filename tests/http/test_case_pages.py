"""Cases on a job's page, and in its stream of events."""

from dataclasses import replace
from threading import Event

from domain.execution import Output
from tests.http.support import Service
from tests.http.test_timeline import events
from tests.support.processes import PATIENCE_S
from tests.support.scripted_engine import echo_case

_HOSTILE = "<script>alert(1)</script>"
_CASES = [
    {"name": _HOSTILE, "stdin": f"{_HOSTILE}\n", "expected_stdout": "1\n"},
    {"name": "second", "stdin": "secret", "expected_stdout": "other", "hidden": True},
    {"name": "third", "stdin": "3", "expected_stdout": "3"},
]


def _complain(given):
    """Write to stdout as ever, and the input to stderr."""
    report = echo_case(given)
    stderr = Output.of(f"complaint about {given.stdin.decode()}")
    return replace(report, result=replace(report.result, stderr=stderr))


def test_the_page_of_a_job_has_a_table_of_its_cases(service: Service, monkeypatch):
    monkeypatch.setattr(service.engine, "case", _complain)
    job = service.run(cases=_CASES)

    page = service.http.get(f"/dashboard/jobs/{job['job_id']}").text
    part = service.http.get(f"/dashboard/jobs/{job['job_id']}/cases").text

    for text in (page, part):
        assert "1 of 3 passed" in text
        assert "score 1 of 3" in text
        assert text.count(">wrong answer<") == 2
        assert 'scope="row"' in text
        assert text.count("<summary>stderr<") == 1
        assert "complaint about &lt;script&gt;" in text
        assert _HOSTILE not in text
        assert "secret" not in text


def test_the_page_of_another_job_has_none(service: Service):
    job = service.run()

    assert 'id="cases"' not in service.http.get(f"/dashboard/jobs/{job['job_id']}").text


def test_the_curl_line_of_a_job_leaves_its_cases_out(service: Service):
    job = service.run(cases=_CASES)

    line = service.http.get(f"/dashboard/jobs/{job['job_id']}/curl").text

    assert line.startswith("# The job's test cases are left out")
    assert "cases_of" not in line
    assert "secret" not in line


def test_results_are_streamed_as_they_come(service: Service, monkeypatch):
    may_end = Event()

    def case(given):
        if given.stdin == b"3":
            assert may_end.wait(PATIENCE_S)
        return echo_case(given)

    monkeypatch.setattr(service.engine, "case", case)
    job_id = service.upload(cases=_CASES, execute=True)["job_id"]
    with events(service, job_id) as told:
        first = next(event["data"] for event in told if event["event"] == "cases")
        may_end.set()
        rest = [event["data"] for event in told if event["event"] == "cases"]

    sent = [result for event in (first, *rest) for result in event["cases"]]
    assert sorted(result["verdict"] for result in sent) == ["accepted", "wrong_answer", "wrong_answer"]
    assert (first["total"], first["done"], rest[-1]["done"]) == (3, 2, 3)
    hidden = next(result for result in sent if result["hidden"])
    assert (hidden["stdout"], hidden["diff"]) == (None, None)
