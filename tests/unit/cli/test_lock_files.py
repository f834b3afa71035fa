import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LOCK_FILES = sorted(ROOT.glob("requirements*.lock"))


def requirements(path):
    joined = path.read_text().replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]


def name_of(requirement):
    return re.split(r"[\[=<>!~; ]", requirement.strip(), maxsplit=1)[0].lower().replace("_", "-")


def test_there_is_one_for_the_service_one_for_its_development_and_one_for_its_build():
    assert [path.name for path in LOCK_FILES] == [
        "requirements-build.lock",
        "requirements-dev.lock",
        "requirements.lock",
    ]


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.name)
def test_every_requirement_has_one_version_and_its_hashes(path):
    for requirement in requirements(path):
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", requirement), requirement
        assert "--hash=sha256:" in requirement


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.name)
def test_no_lock_file_names_where_packages_come_from(path):
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links", path.read_text())


@pytest.mark.parametrize(
    ("lock", "groups"), [("requirements.lock", []), ("requirements-dev.lock", ["dev"])], ids=str
)
def test_what_pyproject_asks_for_is_locked(lock, groups):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = project["project"]["dependencies"] + [
        requirement for group in groups for requirement in project["dependency-groups"][group]
    ]
    assert {name_of(requirement) for requirement in wanted} <= {
        name_of(requirement) for requirement in requirements(ROOT / lock)
    }
