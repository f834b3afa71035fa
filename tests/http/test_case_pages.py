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
        results = (event["data"] for event in told if event["event"] == "cases")
        before = [next(results)]
        while before[-1]["done"] < 2:
            before.append(next(results))
        may_end.set()
        rest = list(results)

    sent = [result for event in (*before, *rest) for result in event["cases"]]
    assert sorted(result["verdict"] for result in sent) == ["accepted", "wrong_answer", "wrong_answer"]
    assert (before[-1]["total"], before[-1]["done"], rest[-1]["done"]) == (3, 2, 3)
    hidden = next(result for result in sent if result["hidden"])
    assert (hidden["stdout"], hidden["diff"]) == (None, None)


def test_a_case_that_was_run_again_alone_has_both_figures_and_the_processors_beside_them(
    service: Service, monkeypatch
):
    def case(given):
        report = echo_case(given)
        if given.stdin == b"3":
            report.first_time_ms, report.first_processors, report.processors = 2_000, (100, 98), (51,)
        return report

    monkeypatch.setattr(service.engine, "case", case)
    job = service.run(cases=_CASES[1:])

    page = service.http.get(f"/dashboard/jobs/{job['job_id']}", headers={"Accept-Language": "en"}).text
    cases = service.http.get(f"/api/jobs/{job['job_id']}/cases").json()["cases"]

    first = 'role="img" aria-label="Use of the processors during the first run: 99 % on average. 100 %, 98 %"'
    assert first in page
    assert 'aria-label="Use of the processors during the run alone: 51 % on average. 51 %"' in page
    assert page.count("<figure>") == 2
    assert "processors" not in cases[0]
    assert (cases[1]["first_processors"], cases[1]["processors"]) == ([100, 98], [51])
