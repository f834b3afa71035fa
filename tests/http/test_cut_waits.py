"""Waits that are longer than the longest."""

import pytest

from tests.http.support import UNKNOWN_ID, Service, assert_problem

HEADER = "X-Wait-Cut-To"


@pytest.mark.parametrize(("wait", "cut_to"), [("61", "60"), ("86400", "60"), ("60", None), ("1", None)])
def test_an_answer_names_the_wait_that_a_longer_one_was_cut_to(
    service: Service, wait: str, cut_to: str | None
):
    ended = service.run()["job_id"]
    batch = service.http.post(
        "/api/batches", json={"jobs": [{"project": "demo", "code": "1", "language": "python"}]}
    ).json()["batch_id"]
    answers = [
        service.http.get(f"/api/jobs/{ended}/status", params={"wait": wait}),
        service.http.get(f"/api/batches/{batch}", params={"wait": wait}),
        service.http.post(f"/api/jobs/{ended}/rerun", params={"wait": wait}),
        service.http.post(f"/api/execute/{service.upload()['job_id']}", params={"wait": wait}),
    ]

    assert [(answer.status_code, answer.headers.get(HEADER)) for answer in answers] == [(200, cut_to)] * 4


def test_no_other_answer_names_one(service: Service):
    refused = service.http.get(f"/api/jobs/{UNKNOWN_ID}/status", params={"wait": 61})
    listed = service.http.get("/api/jobs", params={"wait": 61})

    assert_problem(refused, 404)
    assert HEADER not in refused.headers
    assert HEADER not in listed.headers


@pytest.mark.parametrize("query", ["wait=10", "wait=61", "input_data=wait"])
def test_a_page_of_an_allowed_origin_may_wait(service: Service, query: str):
    asked = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }

    allowed = service.http.options(f"/api/execute/{UNKNOWN_ID}?{query}", headers=asked)

    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert HEADER not in allowed.headers
