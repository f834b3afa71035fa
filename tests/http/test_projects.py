import re
from threading import Event
from urllib.parse import quote
from uuid import uuid4

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from tests.http.support import Service, assert_problem
from tests.http.visitor import PAGE, Visitor


def test_an_archived_project_keeps_its_history_and_takes_no_new_work(service: Service):
    job_id = service.upload(project="아카이브 하기")["job_id"]

    archived = service.http.post("/api/projects/아카이브 하기/archive")

    assert archived.status_code == 200
    assert archived.json()["status"] == "ARCHIVED"
    upload = service.http.post(
        "/api/upload", json={"project": "아카이브 하기", "code": "1", "language": "python"}
    )
    assert "takes no new work" in assert_problem(upload, 409)["detail"]
    assert_problem(service.http.post(f"/api/execute/{job_id}"), 409)
    assert len(service.http.get("/api/projects/아카이브 하기/jobs").json()) == 1


def test_a_restored_project_takes_work_again(service: Service):
    project_id = service.http.post("/api/project", params={"project_name": "to restore"}).json()["project_id"]
    service.http.post(f"/api/projects/{project_id}/archive").raise_for_status()

    restored = service.http.post(f"/api/projects/{project_id}/restore")

    assert restored.json()["status"] == "ACTIVE"
    assert service.upload(project="to restore")["status"] == "PENDING"


def test_a_deleted_project_is_gone_and_its_name_is_free(service: Service):
    job_id = service.upload(project="to delete")["job_id"]

    deleted = service.http.request("DELETE", "/api/projects/to delete")

    assert (deleted.status_code, deleted.json()["status"]) == (200, "DELETED")
    assert service.http.get("/api/projects/to delete/jobs").json() == []
    assert service.http.get(f"/api/jobs/{job_id}/status").json()["project"] == "to delete"
    again = service.http.post("/api/project", params={"project_name": "to delete"}).json()
    assert again["project_id"] != deleted.json()["project_id"]


def test_a_project_with_a_running_job_is_not_deleted(service: Service):
    may_end = Event()

    def wait(_request, _observer):
        may_end.wait(90)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = wait
    job_id = service.upload(project="busy", execute=True)["job_id"]

    response = service.http.delete("/api/projects/busy")

    may_end.set()
    assert "has running jobs" in assert_problem(response, 409)["detail"]
    service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20})


def test_an_unknown_project_cannot_be_changed(service: Service):
    for method, path in (("POST", "/archive"), ("POST", "/restore"), ("DELETE", "")):
        for name in ("nobody", "99999"):
            assert_problem(service.http.request(method, f"/api/projects/{name}{path}"), 404)


def test_a_description_can_be_given_beside_the_name(service: Service):
    response = service.http.post(
        "/api/project", params={"project_name": "half and half"}, json={"description": "in the body"}
    )

    assert response.json()["description"] == "in the body"


def names(service: Service, **chosen: str) -> list[str]:
    page = service.http.get("/dashboard", params=chosen)
    assert page.status_code == 200, page.text
    return re.findall(r'<a class="name"[^>]*>([^<]+)</a>', page.text)


def test_projects_are_searched_and_sorted_on_their_page(service: Service):
    mark = uuid4().hex[:8]
    for name in ("b", "a", "c"):
        service.http.post("/api/project", json={"project_name": f"{name} {mark}", "description": "x"})

    assert names(service, q=mark, sort="name") == [f"{name} {mark}" for name in "abc"]
    assert names(service, q=mark, sort="created") == [f"{name} {mark}" for name in "cab"]
    assert names(service, q=mark, sort="nonsense") == names(service, q=mark)
    assert names(service)[:3] == [f"{name} {mark}" for name in "cab"]
    assert "No projects match" in service.http.get("/dashboard", params={"q": f"{mark}{mark}"}).text


def test_projects_are_paged_in_each_order(service: Service):
    mark = uuid4().hex[:8]
    made = [f"{number:02} {mark}" for number in range(21)]
    for name in made:
        service.http.post("/api/project", json={"project_name": name})

    for sort, expected in (("name", made), ("created", made[::-1]), ("activity", made[::-1])):
        page = service.http.get("/dashboard", params={"q": mark, "sort": sort}).text
        following = re.search(r'id="older" href="([^"]+)"', page)[1].replace("&amp;", "&")
        shown = [
            *names(service, q=mark, sort=sort),
            *re.findall(r'class="name"[^>]*>([^<]+)<', service.http.get(following).text),
        ]
        assert shown == expected


_BEFORE_ALL_TIMES = "WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiw1XQ=="  # ["0001-01-01T00:00:00+14:00", 5]


@pytest.mark.parametrize("cursor", ["x", "WzEsMl0=", "W251bGwsLTFd", "!", _BEFORE_ALL_TIMES])
def test_a_cursor_that_is_none_is_refused(service: Service, cursor: str):
    assert service.http.get("/dashboard", params={"cursor": cursor}).status_code == 422


def test_archiving_and_deleting_explain_themselves_before_they_are_done(service: Service):
    visitor = Visitor(service.http)
    name = f"to clean {uuid4().hex[:8]}"
    job_id = service.run(project=name)["job_id"]
    address = f"/dashboard/projects/{quote(name)}"
    page = service.http.get(address).text
    assert "It can be restored at any time." in page
    assert "all its jobs are deleted" in page

    assert visitor.post(f"{address}/archive", address).headers["location"] == address
    assert "This project is archived" in service.http.get(address).text
    assert visitor.post(f"{address}/delete", address).headers["location"] == "/dashboard"

    assert service.http.get(address, headers=PAGE).status_code == 404
    assert service.http.get(f"/api/jobs/{job_id}").status_code == 404
