from dataclasses import replace
from itertools import product

import pytest

from domain.errors import ProjectTransitionRefused
from domain.project import Project, ProjectStatus, ProjectTrigger
from tests.unit.domain.builders import PROJECT

# A status to be in afterwards, or "no" for what is refused.
DRAWN = {
    #             archive     restore   delete     purge
    "ACTIVE": ("ARCHIVED", "ACTIVE", "DELETED", "PURGED"),
    "ARCHIVED": ("ARCHIVED", "ACTIVE", "DELETED", "PURGED"),
    "DELETED": ("no", "no", "DELETED", "PURGED"),
    "PURGED": ("no", "no", "no", "PURGED"),
}
COLUMNS = {"archive": 0, "restore": 1, "delete": 2, "purge": 3}


def a_project(status: ProjectStatus) -> Project:
    return replace(PROJECT, status=status)


@pytest.mark.parametrize(("status", "trigger"), list(product(ProjectStatus, ProjectTrigger)))
def test_a_trigger_takes_a_project_where_the_drawing_says(status, trigger):
    project = a_project(status)
    expected = DRAWN[status.value][COLUMNS[trigger.value]]

    if expected == "no":
        with pytest.raises(ProjectTransitionRefused, match=f"cannot {trigger} a project that is {status}"):
            project.apply(trigger)
    else:
        assert project.apply(trigger) == a_project(ProjectStatus(expected))


def test_an_active_project_takes_work():
    a_project(ProjectStatus.ACTIVE).ensure_takes_work()


@pytest.mark.parametrize("status", [ProjectStatus.ARCHIVED, ProjectStatus.DELETED, ProjectStatus.PURGED])
def test_a_project_that_is_not_active_takes_no_work_and_says_so(status):
    with pytest.raises(ProjectTransitionRefused, match=f"project 'demo' is {status}"):
        a_project(status).ensure_takes_work()
