"""The history of jobs on pages, without a browser: filters, addresses, a search by id, acts on many."""

import re
from html import unescape
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from uuid import uuid4

import pytest

from tests.http.support import UNKNOWN_ID, Service
from tests.http.visitor import PAGE, Visitor

_ROW = re.compile(r'id="job-([0-9a-f-]{36})"')
_TOTAL = re.compile(r'id="total"[^>]*>([^<]+)<')
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')
LIST = "/dashboard/jobs"


@pytest.fixture
def name() -> str:
    """The name of a project of this test alone."""
    return f"history {uuid4()}"


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return Visitor(service.http)


def listed(service: Service, path: str = LIST, **chosen: str) -> list[str]:
    answer = service.http.get(path, params=chosen, headers=PAGE)
    assert answer.status_code == 200, answer.text
    return _ROW.findall(answer.text)


def upload(service: Service, name: str, **fields: object) -> str:
    return service.upload(project=name, **fields)["job_id"]


def act(visitor: Visitor, name: str, action: str, *ids: str, **more: str):
    fields = {f"job-{job_id}": "1" for job_id in ids}
    query = urlencode({"project": name})
    return visitor.post(f"{LIST}/actions", LIST, act=action, query=query, **fields, **more)


def answered(visitor: Visitor, text: str, **more: str):
    """Send the form of an answer."""
    return visitor.http.post(f"{LIST}/actions", data={**dict(_HIDDEN.findall(text)), **more}, headers=PAGE)


def test_jobs_of_all_projects_are_narrowed_by_each_filter(service: Service, name: str):
    blue = upload(service, name, tags={"team": "blue"}, description="the Parser")
    node = upload(service, name, language="node")
    other = upload(service, f"{name} 2")

    assert listed(service)[:3] == [other, node, blue]
    assert listed(service, project=name) == [node, blue]
    assert listed(service, project=name, order="oldest") == [blue, node]
    assert listed(service, project=name, tag="team:blue") == [blue]
    assert listed(service, project=name, language="node") == [node]
    assert listed(service, project=name, q="parser") == [blue]
    assert listed(service, q=node) == [node]
    assert listed(service, q=node[:30]) == [node]
    assert listed(service, project=name, q=node[-12:]) == [node]
    assert listed(service, project=name, state="failed") == []
    assert listed(service, project=name, period="hour") == [node, blue]
    assert listed(service, project="no such project") == []


def test_days_are_of_the_zone_that_the_address_names_or_of_utc(service: Service, name: str):
    job_id = upload(service, name)
    made = service.http.get(f"/api/jobs/{job_id}").json()["data"]["created_at"]
    day = made[:10]

    assert listed(service, project=name, since=day, until=day) == [job_id]
    assert listed(service, project=name, since=made.replace("Z", "+00:00")) == [job_id]
    assert listed(service, project=name, until=made) == []
    assert listed(service, project=name, until="2001-01-01") == []
    assert listed(service, project=name, since="0001-01-01", until="9999-12-30") == [job_id]
    assert listed(service, until="0001-01-01T00:00:00Z") == []
    page = service.http.get(
        LIST, params={"since": "2026-03-01T00:00:00+09:00", "until": "2026-03-02T00:00:00+09:00"}
    )
    assert 'name="since" value="2026-03-01" data-instant="2026-03-01T00:00:00+09:00"' in page.text
    assert 'name="until" value="2026-03-01"' in page.text


@pytest.mark.parametrize(
    "chosen",
    [
        {"since": "yesterday"},
        {"until": "2026-13-01"},
        {"until": "9999-12-31"},
        {"since": "0001-01-01T00:00:00+09:00"},
        {"tag": "team"},
        {"q": "x" * 201},
    ],
)
def test_a_choice_that_cannot_be_is_refused_on_a_page(service: Service, chosen: dict[str, str]):
    answer = service.http.get(LIST, params=chosen, headers=PAGE)

    assert answer.status_code == 422
    assert "<h1>" in answer.text


def test_all_that_match_are_counted_and_told_from_those_on_the_page(service: Service, name: str):
    for _ in range(21):
        upload(service, name)

    page = service.http.get(LIST, params={"project": name}).text
    assert _TOTAL.search(page)[1] == "21 jobs"
    assert "all 20 shown" in page
    assert "all 21 that match" in page
    assert (
        _TOTAL.search(service.http.get(LIST, params={"project": name, "state": "failed"}).text)[1] == "0 jobs"
    )


def test_tags_are_suggested_and_are_links_that_filter(service: Service, name: str):
    for value in ("blue", "red", "blue"):
        upload(service, name, tags={"team": value, "unique-name": "x"})

    def suggested(typed: str) -> list[str]:
        params = {"of": name, "tag": typed}
        return re.findall(r'value="([^"]*)"', service.http.get(f"{LIST}/tags", params=params).text)

    assert suggested("") == ["team:blue", "team:red", "unique-name:x"]
    assert suggested("te") == ["team:blue", "team:red"]
    assert suggested("team:r") == ["team:red"]
    assert suggested("nothing") == []
    page = service.http.get(f"/dashboard/projects/{quote(name)}", params={"state": "pending"}).text
    assert f'href="/dashboard/projects/{quote(name)}?state=pending&amp;tag=team%3Ared"' in page


def test_a_tag_that_ends_with_a_space_is_found_by_its_link(service: Service, name: str):
    spaced = upload(service, name, tags={"team": "blue "})
    plain = upload(service, name, tags={"team": "blue"})

    page = service.http.get(f"/dashboard/projects/{quote(name)}").text
    links = set(re.findall(r'href="([^"]*tag=team%3A[^"]*)"', page))

    assert len(links) == 2
    found = {
        tag: listed(service, project=name, tag=tag)
        for link in links
        for tag in parse_qs(urlsplit(unescape(link)).query)["tag"]
    }
    assert found == {"team:blue ": [spaced], "team:blue": [plain]}
    assert listed(service, project=name, tag="team: blue") == [plain]


@pytest.mark.parametrize(
    "form", ["{}", "  {} ", "2026-11-29 INFO claimed job={} execution=7d1e", "https://host/jobs/{}?x=1"]
)
def test_a_job_is_found_by_the_id_in_a_line_of_a_log(service: Service, form: str):
    job_id = service.upload()["job_id"]

    found = service.http.get(f"{LIST}/find", params={"q": form.format(job_id)})

    assert (found.status_code, found.headers["location"]) == (303, f"{LIST}/{job_id}")


def test_the_beginning_of_an_id_leads_to_the_job_and_other_text_to_a_search(service: Service):
    job_id = service.upload()["job_id"]

    def found(text: str) -> str:
        return service.http.get(f"{LIST}/find", params={"q": text}).headers["location"]

    assert found(job_id[:32]) == f"{LIST}/{job_id}"
    assert found(f"{UNKNOWN_ID} {job_id.upper()}") == f"{LIST}/{job_id}"
    assert found("the parser") == f"{LIST}?q=the+parser"
    assert found(UNKNOWN_ID) == f"{LIST}?q={UNKNOWN_ID}"


def test_selected_jobs_are_cancelled_after_a_question(service: Service, visitor: Visitor, name: str):
    first, second, ended = (upload(service, name) for _ in range(3))
    service.http.post(f"/api/cancel/{ended}").raise_for_status()

    asked = act(visitor, name, "cancel", first, second, ended)

    assert "Cancel 3 jobs?" in asked.text
    assert service.http.get(f"/api/jobs/{first}/status").json()["status"] == "PENDING"
    done = answered(visitor, asked.text, confirmed="1")
    assert "2 jobs cancelled." in done.text
    assert "1 job was refused:" in done.text
    assert f'href="/dashboard/jobs/{ended}"' in done.text
    assert service.http.get(f"/api/jobs/{first}/status").json()["status"] == "CANCELLED"


def test_all_that_match_are_deleted_as_far_as_they_have_ended(service: Service, visitor: Visitor, name: str):
    ended = [service.run(project=name)["job_id"] for _ in range(2)]
    pending = upload(service, name)

    asked = act(visitor, name, "delete", all="1")
    assert "Delete 2 jobs?" in asked.text
    later = service.run(project=name)["job_id"]
    done = answered(visitor, asked.text, confirmed="1")

    assert "2 jobs deleted." in done.text
    left = [service.http.get(f"/api/jobs/{job_id}").status_code for job_id in (*ended, pending, later)]
    assert left == [404, 404, 200, 200]


def test_more_than_a_call_takes_are_acted_on_by_one_form_after_the_other(
    service: Service, visitor: Visitor, name: str
):
    for _ in range(101):
        upload(service, name)

    asked = act(visitor, name, "tag", all="1", set_tags="reviewed:yes", remove_tags="todo")
    first = answered(visitor, asked.text, confirmed="1")
    assert "100 jobs tagged. Continuing with the next jobs" in first.text
    last = answered(visitor, first.text)

    assert "101 jobs tagged." in last.text
    assert 'name="cursor"' not in last.text
    found = service.http.get("/api/jobs", params={"tag": "reviewed:yes", "limit": 1000}).json()
    assert len([job for job in found if job["project"] == name]) == 101


def test_jobs_are_run_again_without_a_question(service: Service, visitor: Visitor, name: str):
    job_id = service.run(project=name)["job_id"]

    done = act(visitor, name, "rerun", job_id)

    assert "1 job run again." in done.text
    assert len(listed(service, project=name)) == 2


@pytest.mark.parametrize(
    ("action", "more", "words"),
    [
        ("cancel", {}, "select jobs first"),
        ("explode", {f"job-{UNKNOWN_ID}": "1"}, "cancel, rerun, delete, tag"),
        ("tag", {f"job-{UNKNOWN_ID}": "1"}, "name tags to set or to remove"),
        ("tag", {f"job-{UNKNOWN_ID}": "1", "set_tags": "team"}, "name:value"),
        ("cancel", {"all": "1"}, "none of these jobs can be cancelled"),
        ("delete", {"job-x": "1"}, "id"),
    ],
)
def test_a_form_that_cannot_be_is_refused(
    visitor: Visitor, name: str, action: str, more: dict[str, str], words: str
):
    answer = act(visitor, name, action, **more)

    assert answer.status_code == 422
    assert words in answer.text


def test_a_form_from_elsewhere_is_refused(visitor: Visitor):
    fields = {"csrf": "x", "act": "delete", f"job-{UNKNOWN_ID}": "1"}

    assert visitor.http.post(f"{LIST}/actions", data=fields, headers=PAGE).status_code == 403


@pytest.mark.parametrize(
    "name", ["100% sûr?", "日報 #1", "a&b=c;d+e", "<script>alert(1)</script>".replace("/", ""), "jobs"]
)
def test_a_project_s_page_has_the_address_of_its_name_and_of_its_id(service: Service, name: str):
    project = service.http.post("/api/project", json={"project_name": name}).json()
    address = f"/dashboard/projects/{quote(name, safe='')}"
    job_id = upload(service, name)

    for page in (
        "/dashboard",
        "/dashboard/jobs",
        f"/dashboard/jobs/{job_id}",
        f"/dashboard/jobs/{job_id}/compare",
    ):
        assert f'href="{address}"' in service.http.get(page, headers=PAGE).text, page
    for path in (address, f"/dashboard/projects/{project['project_id']}"):
        assert listed(service, path) == [job_id]
        assert listed(service, f"{path}/jobs", state="pending") == [job_id]
    assert "<script>alert" not in service.http.get(address, headers=PAGE).text


@pytest.mark.parametrize(
    "path",
    [
        "/dashboard/nope",
        "/dashboard/nope/further?x=<script>",
        "/dashboard/projects/no such project",
        "/dashboard/projects/999999",
        "/dashboard/projects/%01",
        f"/dashboard/jobs/{UNKNOWN_ID}",
        "/dashboard/jobs/x",
        f"/dashboard/batches/{UNKNOWN_ID}",
        "/dashboard/batches/x/y/z",
    ],
)
def test_an_unknown_page_is_a_page_with_a_way_back(service: Service, path: str):
    answer = service.http.get(path, headers=PAGE)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert 'href="/dashboard"' in answer.text
    assert '<nav aria-label="Main">' in answer.text
    assert "<script>x" not in answer.text


def test_what_is_no_page_is_a_problem_document_still(service: Service):
    for path in ("/api/nope", "/dashboards"):
        assert service.http.get(path).headers["content-type"] == "application/problem+json"


def test_a_page_that_only_takes_forms_says_so_on_a_page(service: Service):
    answer = service.http.get(f"{LIST}/actions", headers=PAGE)

    assert answer.status_code == 405
    assert "<h1>" in answer.text
