"""The page that compares two runs."""

import re

from application.ports.execution_engine import EngineReport
from domain.catalogue.figures import NOTHING
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from tests.http.support import UNKNOWN_ID, Service

_HOSTILE = "<script>alert(1)</script>"
_ROW = re.compile(r'<tr( class="differs")?><th scope="row">(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>')
_SECTION = re.compile(r'<section class="card listing"(.*?)</section>', re.DOTALL)


def write_much(_request, observer):
    observer.started()
    stdout = Output("xx", 1 << 30, truncated=True)
    return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, stdout=stdout, exit_code=0))


def compare(service: Service, job: dict, other: str):
    return service.http.get(f"/dashboard/jobs/{job['job_id']}/compare", params={"with": other})


def rows(page: str) -> dict[str, tuple[str, str, bool]]:
    """The facts in the table, each with both values and whether they differ."""
    return {
        re.sub("<.*", "", name).strip(): (before, after, bool(differs))
        for differs, name, before, after in _ROW.findall(page)
    }


def sections(page: str) -> dict[str, str]:
    """The texts that differ, by their titles."""
    found = _SECTION.findall(page)
    return {re.search(r"<h2[^>]*>(.*?)</h2>", section)[1]: section for section in found}


def test_two_runs_are_compared_the_older_one_first(service: Service):
    first = service.run(
        code=_HOSTILE,
        args=["a b"],
        env={"A": "1", "B": "2"},
        stdin="in\n",
        files=[{"path": "f", "content": "1"}],
    )
    second = service.run(
        code="2",
        args=["a b"],
        env={"A": "other", "C": "3"},
        stdin="in\n",
        files=[{"path": "f", "content": "2"}],
    )

    page = compare(service, second, first["job_id"]).text

    assert page.index(f'title="{first["job_id"]}"') < page.index(f'title="{second["job_id"]}"')
    facts = rows(page)
    assert facts["Exit code"] == ("0", "0", False)
    assert facts["Arguments"] == ("&#39;a b&#39;", "&#39;a b&#39;", False)
    assert facts["Variables of one run alone"] == ("B", "C", True)
    assert facts["Variables with other values"] == ("A", "A", True)
    assert facts["Files that differ"] == ("f", "f", True)
    assert "Files of one run alone" not in facts
    assert facts["Output"] == ("3 B of 16 MiB", "3 B of 16 MiB", False)
    assert set(sections(page)) == {"Code"}
    assert _HOSTILE not in page
    assert "&lt;script&gt;" in sections(page)["Code"]
    assert "The same in both: Standard input, stdout" in page


def test_runs_of_other_outcomes_say_why(service: Service):
    first = service.run()
    second = service.upload()
    service.http.post(f"/api/cancel/{second['job_id']}")

    page = compare(service, first, second["job_id"]).text

    assert rows(page)["Exit code"] == ("0", NOTHING, True)
    assert ">Succeeded<" in page
    assert ">Cancelled<" in page


def test_outputs_that_are_not_shown_whole_are_read_by_the_page(service: Service):
    service.engine.program = write_much
    first = service.run()

    page = compare(service, first, first["job_id"]).text

    stdout = sections(page)["stdout"]
    job_id = first["job_id"]
    assert f'data-hrefs="/api/jobs/{job_id}/output/stdout /api/jobs/{job_id}/output/stdout"' in stdout
    assert 'data-bytes="1048576"' in stdout


def test_the_other_run_is_named_by_the_beginning_of_its_id_or_by_its_address(service: Service):
    first, second = service.run(), service.run()
    address = f" https://jobs.example/dashboard/jobs/{second['job_id']}/ "

    for given in (second["job_id"][:-4], address):
        assert f'title="{second["job_id"]}"' in compare(service, first, given).text


def test_an_id_of_no_job_or_of_several_is_refused_on_the_page(service: Service):
    job = service.run()

    unknown = compare(service, job, UNKNOWN_ID)
    short = compare(service, job, job["job_id"][:3])

    assert (unknown.status_code, short.status_code) == (404, 404)
    for response in (unknown, short):
        assert "No job has this id" in response.text
        assert 'name="with"' in response.text
    assert compare(service, {"job_id": UNKNOWN_ID}, job["job_id"]).status_code == 404


def test_the_runs_to_choose_from_are_the_lineage_and_the_latest_of_the_project(service: Service):
    first, other = service.run(project="chosen from"), service.run(project="chosen from")
    foreign = service.run(project="elsewhere")
    again = service.http.post(f"/api/jobs/{first['job_id']}/rerun", params={"wait": 20}, json={}).json()

    def chosen(job: dict) -> list[str]:
        page = service.http.get(f"/dashboard/jobs/{job['job_id']}/compare").text
        return re.findall(r"compare\?with=([0-9a-f-]{36})", page)

    assert chosen(first) == [again["job_id"], other["job_id"]]
    assert chosen(again) == [first["job_id"], other["job_id"]]
    assert foreign["job_id"] not in chosen(other)
    page = service.http.get(f"/dashboard/jobs/{again['job_id']}").text
    assert f"/dashboard/jobs/{again['job_id']}/compare?with={first['job_id']}" in page
    assert (
        f'href="/dashboard/jobs/{again["job_id"]}"'
        in service.http.get(f"/dashboard/jobs/{first['job_id']}").text
    )


def test_a_run_whose_origin_was_deleted_says_so_and_does_not_link_it(service: Service):
    first = service.run(project="without origin")
    again = service.http.post(f"/api/jobs/{first['job_id']}/rerun", params={"wait": 20}, json={}).json()
    service.http.delete(f"/api/jobs/{first['job_id']}").raise_for_status()

    compared = service.http.get(f"/dashboard/jobs/{again['job_id']}/compare").text
    shown = service.http.get(f"/dashboard/jobs/{again['job_id']}").text

    assert "The project has no other runs." in compared
    assert "which was deleted" in shown
    assert f"/dashboard/jobs/{first['job_id']}" not in shown
