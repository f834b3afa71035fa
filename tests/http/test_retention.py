"""Policies of retention over HTTP, and on the pages."""

import pytest

from tests.http.support import Service, assert_problem

PATH = "/api/projects/kept-for-long/retention"
NONE = {"jobs_days": None, "logs_days": None, "pending_days": None}


@pytest.fixture
def project(service: Service):
    return service.http.post("/api/project", params={"project_name": "kept-for-long"}).json()


@pytest.mark.usefixtures("project")
def test_a_project_s_policy_is_set_as_a_whole_and_shown(service: Service):
    assert service.http.get(PATH).json() == {"policy": NONE, "in_force": NONE}

    made = service.http.put(PATH, json={"jobs_days": 365, "logs_days": "forever"})

    assert made.status_code == 200
    assert '"jobs_days":365,' in made.text.replace(" ", "")
    policy = {**NONE, "jobs_days": 365, "logs_days": "forever"}
    assert made.json() == service.http.get(PATH).json() == {"policy": policy, "in_force": policy}
    assert service.http.put(PATH, json={}).json() == {"policy": NONE, "in_force": NONE}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"jobs_days": 0}, "jobs_days"),
        ({"logs_days": -1}, "logs_days"),
        ({"pending_days": 1e9}, "pending_days"),
        ({"jobs_days": "ever"}, "jobs_days"),
        ({"jobs_days": True}, "jobs_days"),
        ({"days": 1}, "days"),
    ],
)
def test_a_figure_that_breaks_its_rule_is_refused_at_its_field(service: Service, body, field):
    problem = assert_problem(service.http.put(PATH, json=body), 422)

    assert field in str(problem["errors"])


def test_the_policy_of_a_project_that_there_is_not_is_404(service: Service):
    path = "/api/projects/no-such/retention"
    assert_problem(service.http.get(path), 404)
    assert_problem(service.http.put(path, json={}), 404)


def test_the_page_of_a_project_and_of_the_tenant_s_usage_show_the_policy_in_force(service: Service, project):
    policy = {"jobs_days": 365, "logs_days": 0.5}
    service.http.put(PATH, json=policy).raise_for_status()

    page = service.http.get(f"/dashboard/projects/{project['project_id']}")

    assert "Kept: ended jobs for 365 days, logs for 0.5 days, jobs never executed for good." in page.text
    usage = service.http.get("/dashboard/usage")
    assert "Ended jobs, logs and jobs never executed are kept for good." in usage.text
    service.http.put(PATH, json={}).raise_for_status()
