"""The pages, without a browser: files, permissions and refusals."""

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa

from domain.values import ObjectKey
from entrypoints.http.dashboard.assets import assets
from entrypoints.http.request_context import caller_address
from tests.http.support import UNKNOWN_ID, Service, serving
from tests.support.no_tls import NO_TLS

TEMPLATES = Path("entrypoints/http/dashboard/templates")
VENDORED = Path("entrypoints/http/dashboard/static/vendor")
_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')
_LINK = re.compile(r'\s(?:href|src|hx-get)="([^"]+)"')
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+|(?<=/projects/)[^/?]+")
_BREADCRUMB = re.compile(r'<nav class="crumbs".+</nav>')
_INLINE = re.compile(
    r"<script(?![^>]*\ssrc=)(?! type=\"application/json\")|<style|\sstyle=|\son[a-z]+=|javascript:",
    re.IGNORECASE,
)


@pytest.fixture
def job_id(service: Service) -> str:
    return service.run(stdin="hello\n", project="seen", tags={"team": "blue"})["job_id"]


@pytest.fixture
def project_url(service: Service, job_id: str) -> str:
    projects = service.http.get("/api/projects").json()
    project_id = next(project["project_id"] for project in projects if project["project"] == "seen")
    assert job_id
    return f"/dashboard/projects/{project_id}"


@pytest.fixture
def visitor(service: Service) -> Iterator[httpx.Client]:
    """A client with a jar for cookies of its own."""
    with httpx.Client(base_url=service.http.base_url, verify=NO_TLS, timeout=30) as client:
        yield client


def token(visitor: httpx.Client, url: str) -> str:
    found = _TOKEN.search(visitor.get(url).text)
    assert found is not None
    return found[1]


def test_the_root_leads_to_the_dashboard(service: Service):
    response = service.http.get("/")

    assert response.status_code == 302
    assert response.headers["location"] == "/dashboard"


def test_the_history_narrows_to_a_state(service: Service, job_id: str, project_url: str):
    ended = service.http.get(f"{project_url}/jobs?state=success").text
    queued = service.http.get(f"{project_url}?state=queued").text

    assert f"job-{job_id}" in ended
    assert f"job-{job_id}" not in queued
    assert '<option selected value="queued">Queued</option>' in queued


def test_every_link_leads_somewhere(service: Service, job_id: str, project_url: str):
    to_visit, seen = ["/dashboard", project_url, f"/dashboard/jobs/{job_id}", "/dashboard/cluster"], {}
    kinds: Counter[object] = Counter()
    while to_visit:
        url = to_visit.pop(0).replace("&amp;", "&")
        # Other tests have left hundreds of jobs, whose pages have the same links.
        kind = _ID.sub("*", urlsplit(url).path), tuple(parse_qs(urlsplit(url).query))
        if url in seen or kinds[kind] == 3:
            continue
        kinds[kind] += 1
        response = service.http.get(url)
        seen[url] = response.status_code
        if url.startswith(("/dashboard", "/docs")) and "html" in response.headers.get("content-type", ""):
            to_visit += [link for link in _LINK.findall(response.text) if link.startswith("/")]

    assert len(seen) > 20
    assert {url: status for url, status in seen.items() if status not in {200, 204}} == {}


def test_the_links_of_each_breadcrumb_are_separated():
    found = {path.name: _BREADCRUMB.findall(path.read_text()) for path in TEMPLATES.iterdir()}
    breadcrumbs = {name: lines[0] for name, lines in found.items() if lines}
    assert "webhooks.html" in breadcrumbs
    assert [name for name, breadcrumb in breadcrumbs.items() if "</a> <a" in breadcrumb] == []


def test_pages_load_nothing_from_elsewhere_and_run_nothing_inline(
    service: Service, job_id: str, project_url: str
):
    for url in (
        "/dashboard",
        project_url,
        f"/dashboard/jobs/{job_id}",
        "/dashboard/cluster",
        "/dashboard/jobs/x",
    ):
        response = service.http.get(url)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not _INLINE.search(response.text), url
        assert not re.search(r'(?:src|href)="(?:https?:)?//', response.text), url
        assert response.headers["cache-control"] == "no-store"


def test_what_is_copied_as_curl_submits_the_same_job(service: Service):
    first = service.upload(
        project="日報 'quoted'",
        code="# " + "long " * 40_000 + "\nEOF\n\x9b",
        tags={"team": "blue"},
        env={"A": "b"},
        args=["x y"],
        output_mb=2,
        processes=7,
        priority=3,
        max_attempts=2,
        description="again",
    )
    service.http.post(f"/api/execute/{first['job_id']}", json={"stdin": "given\n"}, params={"wait": 20})
    response = service.http.get(f"/dashboard/jobs/{first['job_id']}/curl")
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert "\x9b" not in response.text

    done = subprocess.run(["sh"], input=response.content, capture_output=True, check=True, timeout=60)

    again = json.loads(done.stdout)
    specs = [service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"] for job in (first, again)]
    assert specs[1] == specs[0] | {"stdin": "given\n"}
    assert (again["project"], again["status"]) == (first["project"], "SUCCESS")
    codes = [
        service.container.code_store().get(ObjectKey(job["code_key"]), 1 << 20) for job in (first, again)
    ]
    assert codes[0] == codes[1]


def test_a_job_cancelled_before_it_ran_is_not_said_to_run_yet(service: Service):
    job_id = service.upload()["job_id"]
    service.http.post(f"/api/cancel/{job_id}")

    page = service.http.get(f"/dashboard/jobs/{job_id}").text

    assert page.count("not reached") == 2
    assert "never started" in page
    assert "not yet" not in page
    assert "is shown once the program has ended" not in page


def test_a_form_works_without_scripts(visitor: httpx.Client, project_url: str):
    form = {"csrf": token(visitor, project_url), "code": "print(1)\r\n", "language": "python", "stdin": "hi"}

    response = visitor.post(f"{project_url}/run", data=form)

    assert response.status_code == 303
    assert visitor.get(response.headers["location"]).status_code == 200


def test_lines_end_as_programs_expect_it(service: Service, visitor: httpx.Client, project_url: str):
    form = {"csrf": token(visitor, project_url), "code": "a\r\nb", "language": "python", "stdin": "c\r\nd"}
    job_url = visitor.post(f"{project_url}/run", data=form).headers["location"]

    job = service.http.get(f"/api/jobs/{job_url.rpartition('/')[2]}").json()

    assert job["spec"]["stdin"] == "c\nd"


@pytest.mark.parametrize("sent", [None, "", "x" * 43])
def test_a_form_without_the_visitors_token_changes_nothing(
    service: Service, visitor: httpx.Client, project_url: str, sent: str | None
):
    token(visitor, project_url)
    before = service.stored()
    form = {"code": "print(1)", "language": "python"} | ({} if sent is None else {"csrf": sent})

    response = visitor.post(f"{project_url}/run", data=form)

    assert response.status_code == 403
    assert "reload the page" in response.text
    assert service.stored() == before


def test_a_form_without_a_cookie_changes_nothing(visitor: httpx.Client, project_url: str):
    sent = token(visitor, project_url)
    visitor.cookies.clear()

    assert visitor.post(f"{project_url}/archive", data={"csrf": sent}).status_code == 403


def test_a_form_in_an_encoding_of_its_own_is_not_read(visitor: httpx.Client, project_url: str):
    # Given a field that would take minutes to decode
    sent = token(visitor, project_url)
    part = 'Content-Disposition: form-data; name="csrf"\r\nContent-Type: text/plain; charset=punycode'
    body = f"--b\r\n{part}\r\n\r\n{sent}{'a-' * 500_000}\r\n--b--\r\n"
    begin = time.monotonic()

    response = visitor.post(
        f"{project_url}/archive", content=body, headers={"content-type": "multipart/form-data; boundary=b"}
    )

    assert response.status_code in {403, 422}
    assert time.monotonic() - begin < 30


@pytest.mark.parametrize("body", ["csrf=%ff", "&".join(["a=b"] * 65), "csrf=\u00e9"])
def test_a_form_that_no_page_writes_is_refused(visitor: httpx.Client, project_url: str, body: str):
    token(visitor, project_url)

    response = visitor.post(
        f"{project_url}/archive",
        content=body.encode(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )

    assert response.status_code == 422


@pytest.mark.parametrize("change", ["foo", "purge"])
def test_a_project_is_archived_restored_and_deleted_and_nothing_else(
    visitor: httpx.Client, project_url: str, change: str
):
    form = {"csrf": token(visitor, project_url)}

    assert visitor.post(f"{project_url}/{change}", data=form).status_code == 404
    assert visitor.get(project_url).status_code == 200


def test_what_is_served_says_its_encoding_once(service: Service):
    for url in ("/dashboard", "/dashboard/projects", assets()["app.js"].url, assets()["app.css"].url):
        assert service.http.get(url).headers["content-type"].count("charset=utf-8") == 1


def test_a_page_of_the_list_that_there_is_not_is_the_last(service: Service, job_id: str):
    assert job_id
    assert "No projects yet" not in service.http.get("/dashboard", params={"page": 99}).text


def test_a_form_of_another_site_changes_nothing(visitor: httpx.Client, project_url: str):
    form = {"csrf": token(visitor, project_url)}

    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://127.0.0.1:1"}, {"origin": "null"}):
        response = visitor.post(f"{project_url}/archive", data=form, headers=headers)
        assert response.status_code == 403


def test_the_cookie_is_kept_from_scripts_and_other_sites(visitor: httpx.Client):
    cookie = visitor.get("/dashboard").headers["set-cookie"].lower()

    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/dashboard" in cookie


def test_what_has_not_changed_is_not_sent_again(service: Service, job_id: str):
    url = f"/dashboard/jobs/{job_id}/state"
    version = re.search(r'"seen": "([0-9a-f]+)"', service.http.get(url).text)
    assert version is not None

    assert service.http.get(url, params={"seen": version[1]}).status_code == 204
    assert service.http.get(url, params={"seen": "another"}).status_code == 200


def test_an_error_is_a_page_for_a_visitor_and_a_sentence_for_a_script(service: Service):
    url = f"/dashboard/jobs/{UNKNOWN_ID}"

    page, part = service.http.get(url), service.http.get(url, headers={"hx-request": "true"})

    assert page.status_code == part.status_code == 404
    assert "<!doctype html>" in page.text
    assert "<!doctype html>" not in part.text
    assert 'role="alert"' in part.text


def test_pages_are_compressed_for_those_who_take_that(service: Service):
    compressed = service.http.get("/dashboard/cluster")
    plain = service.http.get("/dashboard/cluster", headers={"accept-encoding": "identity"})

    assert compressed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert "<!doctype html>" in plain.text


def test_files_are_kept_for_good_under_the_digest_of_their_content(service: Service):
    for path, asset in assets().items():
        response = service.http.get(asset.url)
        assert response.content == asset.content, path
        assert "immutable" in response.headers["cache-control"]


@pytest.mark.parametrize("path", ["000000000000/app.css", "{digest}/nothing.css", "{digest}/../../pages.py"])
def test_no_other_file_is_served(service: Service, path: str):
    digest = assets()["app.css"].url.split("/")[3]

    assert service.http.get(f"/dashboard/static/{path.format(digest=digest)}").status_code == 404


@pytest.mark.parametrize("part", [path.name for path in sorted(VENDORED.iterdir())])
def test_what_others_wrote_comes_with_its_licence(part: str):
    assert "permission" in (VENDORED / part / "LICENSE").read_text().lower()


def test_counts_of_the_first_page_take_as_many_statements_however_many_jobs_there_are(service: Service):
    asked = []
    service.run(project="seen")

    def note(_connection, _cursor, statement, *_):
        # Not of a periodic task, and not of the caller's tenant, which is kept for two seconds.
        if caller_address.get() and "FROM tenants" not in statement:
            asked.append(statement)

    sa.event.listen(service.container.database(), "before_cursor_execute", note)
    try:
        service.http.get("/dashboard")
        before = len(asked)
        for _ in range(5):
            service.run(project="seen")
        asked.clear()
        service.http.get("/dashboard")
    finally:
        sa.event.remove(service.container.database(), "before_cursor_execute", note)

    assert len(asked) == before > 0


def test_nothing_that_callers_wrote_acts_on_a_page(service: Service, visitor: httpx.Client):
    # Given escape codes and marks that turn text around, wherever callers may write
    acting = "\x1b[31m\u202eabc"
    project = {"project_name": "acting", "description": acting}
    project_id = service.http.post("/api/project", json=project).json()["project_id"]
    job = service.run(project="acting", args=[acting], env={"WORD": acting}, stdin=acting)

    for url in ("/dashboard", f"/dashboard/projects/{project_id}", f"/dashboard/jobs/{job['job_id']}"):
        page = visitor.get(url).text
        assert "abc" in page
        assert "\x1b" not in page
        assert "\u202e" not in page


def test_code_can_be_read_that_is_larger_than_uploads_may_be_by_now(tmp_path: Path):
    with serving(tmp_path) as service:
        job_id = service.upload(code="print('twelve bytes or more')")["job_id"]

    with serving(tmp_path, max_code_bytes=12) as service:
        answer = service.http.get(f"/dashboard/jobs/{job_id}/code")

    assert answer.text == "print('twelve bytes or more')"
