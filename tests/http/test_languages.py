"""Pages in the language that a visitor prefers or has chosen, and the API in English."""

import re

import httpx
import pytest

from tests.http.support import Service
from tests.support.no_tls import NO_TLS

_TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture
def visitor(service: Service):
    with httpx.Client(base_url=service.http.base_url, verify=NO_TLS, timeout=30) as client:
        yield client


def page(visitor: httpx.Client, language: str | None = None) -> str:
    headers = {} if language is None else {"Accept-Language": language}
    return visitor.get("/dashboard", headers=headers).text


@pytest.mark.parametrize(
    ("preferred", "tag", "title"),
    [("ko-KR,ko;q=0.9,en;q=0.8", "ko", "프로젝트"), ("ja", "ja", "プロジェクト"), ("fr", "en", "Projects")],
)
def test_a_page_is_in_the_language_that_the_browser_prefers(visitor, preferred, tag, title):
    shown = page(visitor, preferred)

    assert f'<html lang="{tag}"' in shown
    assert f"<title>{title} · Service Server</title>" in shown
    assert f"<h1>{title}</h1>" in shown


def test_caches_keep_a_page_for_each_language(visitor):
    assert "Accept-Language" in visitor.get("/dashboard").headers["vary"]


def test_a_choice_on_a_page_outlasts_the_browser_s_preference_and_leads_back(visitor):
    shown = page(visitor, "ko")
    form = {"csrf": _TOKEN.search(shown)[1], "language": "ja", "next": "/dashboard/cluster"}

    answer = visitor.post("/dashboard/language", data=form, headers={"Accept-Language": "ko"})

    assert (answer.status_code, answer.headers["location"]) == (303, "/dashboard/cluster")
    assert "Max-Age=31536000" in answer.headers["set-cookie"]
    assert '<html lang="ja"' in page(visitor, "ko")
    assert 'value="ja" lang="ja" aria-current="true"' in page(visitor, "ko")


@pytest.mark.parametrize("elsewhere", ["https://elsewhere.example/", "//elsewhere.example", "/api/jobs"])
def test_a_choice_leads_to_no_other_site(visitor, elsewhere):
    form = {"csrf": _TOKEN.search(page(visitor))[1], "language": "ko", "next": elsewhere}

    assert visitor.post("/dashboard/language", data=form).headers["location"] == "/dashboard"


def test_a_choice_is_no_other_site_s_to_make(visitor):
    assert visitor.post("/dashboard/language", data={"language": "ko"}).status_code == 403


def test_the_api_answers_in_english_whatever_the_client_prefers(service: Service):
    job = service.run()

    shown = service.http.get(f"/api/jobs/{job['job_id']}", headers={"Accept-Language": "ko"}).json()

    assert shown["message"] == "Succeeded"


def test_the_page_of_a_job_explains_its_state_in_the_visitor_s_language(service: Service):
    job = service.upload()

    shown = service.http.get(f"/dashboard/jobs/{job['job_id']}", headers={"Accept-Language": "ja"}).text

    assert "アップロード済みです。「実行」を選ぶと実行されます。" in shown
