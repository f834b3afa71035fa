"""The pages of case sets."""

from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.http.support import Service
from tests.http.test_case_sets import FILES
from tests.http.visitor import PAGE, Visitor
from tests.support.archives import zipped


@pytest.fixture
def visitor(service: Service) -> Visitor:
    return Visitor(service.http)


@pytest.fixture
def url(service: Service) -> str:
    """The address of the case sets of a new project."""
    name = f"project {uuid4()}"
    service.http.post("/api/project", json={"project_name": name}).raise_for_status()
    return f"/dashboard/projects/{quote(name)}/case-sets"


def put(
    visitor: Visitor, url: str, content: bytes, name: str = "sums", token: str | None = None
) -> httpx.Response:
    fields = {"csrf": visitor.token(url) if token is None else token, "name": name}
    files = {"archive": ("cases.zip", content, "application/zip")}
    return visitor.http.post(url, data=fields, files=files, headers=PAGE)


def test_an_archive_is_stored_listed_and_shown(visitor: Visitor, url: str):
    assert "No case sets yet" in visitor.http.get(url, headers=PAGE).text

    stored = put(visitor, url, zipped(FILES))
    assert (stored.status_code, stored.headers["location"]) == (303, f"{url}/sums")
    put(visitor, url, zipped({"<b>.in": b"<script>"}))

    assert f'href="{url}/sums"' in visitor.http.get(url, headers=PAGE).text
    latest = visitor.http.get(f"{url}/sums", headers=PAGE).text
    assert "sums@2" in latest
    assert "<script>" not in latest
    assert "&lt;script&gt;" in latest
    first = visitor.http.get(f"{url}/sums", params={"version": 1}, headers=PAGE).text
    assert "sums@1" in first
    assert "secret/1" in first
    assert "hush" not in first


def test_a_set_is_deleted(visitor: Visitor, url: str):
    put(visitor, url, zipped(FILES))

    deleted = visitor.post(f"{url}/sums/delete", f"{url}/sums")
    assert (deleted.status_code, deleted.headers["location"]) == (303, url)
    assert visitor.http.get(f"{url}/sums", headers=PAGE).status_code == 404


def test_a_page_has_a_hundred_cases(visitor: Visitor, url: str):
    put(visitor, url, zipped({f"{number}.in": b"" for number in range(150)}))

    first = visitor.http.get(f"{url}/sums", headers=PAGE).text
    assert "offset=100" in first
    second = visitor.http.get(f"{url}/sums", params={"offset": 100}, headers=PAGE).text
    assert ("offset=0" in second, "offset=200" in second) == (True, False)


@pytest.mark.parametrize(("content", "name"), [(b"no archive", "sums"), (zipped(FILES), "a b"), (b"", "")])
def test_a_bad_upload_is_explained_on_a_page(visitor: Visitor, url: str, content: bytes, name: str):
    answer = put(visitor, url, content, name)
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("text/html")


def test_a_forged_form_stores_nothing(visitor: Visitor, url: str):
    visitor.token(url)
    assert put(visitor, url, zipped(FILES), token="x" * 43).status_code == 403
    for content_type, status in (("text/plain", 403), ("multipart/form-data; boundary=y", 422)):
        headers = {**PAGE, "Content-Type": content_type}
        assert visitor.http.post(url, content=b"--x--", headers=headers).status_code == status
    assert "No case sets yet" in visitor.http.get(url, headers=PAGE).text


@pytest.mark.parametrize("query", ["version=0", "version=x", "offset=-1", "version=99999999999"])
def test_a_bad_number_is_refused(visitor: Visitor, url: str, query: str):
    put(visitor, url, zipped(FILES))
    assert visitor.http.get(f"{url}/sums?{query}", headers=PAGE).status_code == 422
