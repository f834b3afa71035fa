"""Files of other projects are as `vendored.toml` lists them, byte for byte."""

import hashlib
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = tomllib.loads((ROOT / "vendored.toml").read_text())
FILES = {
    f"{package['directory']}/{file['name']}": (name, file)
    for name, package in PACKAGES.items()
    for file in package["files"]
}
# The service's own pages, beside the scripts that they load.
OWN = {
    f"entrypoints/http/static/docs/{name}"
    for name in ("index.html", "page.js", "page.css", "theme.js", "redoc.html", "redoc.js")
}
# No script or style sheet of the service's own is as large.
OWN_LIMIT_BYTES = 30_000


def digest(path):
    return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()


@pytest.mark.parametrize("path", FILES)
def test_a_vendored_file_is_the_one_of_the_manifest(path):
    _, file = FILES[path]
    assert digest(path) == file["sha256"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_states_its_changes_if_and_only_if_a_file_differs_from_the_published_one(name):
    package = PACKAGES[name]
    differs = [file["name"] for file in package["files"] if "published_sha256" in file]
    assert bool(differs) is ("changes" in package)
    assert all(file["sha256"] != file.get("published_sha256") for file in package["files"])


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_has_its_version_in_a_file_and_comes_with_its_licence(name):
    package = PACKAGES[name]
    texts = [(ROOT / package["directory"] / file["name"]).read_bytes() for file in package["files"]]
    assert any(package["version"].encode() in text for text in texts)
    assert any(file["source"] == "LICENSE" for file in package["files"])
    assert package["license"]


@pytest.mark.parametrize("directory", sorted({package["directory"] for package in PACKAGES.values()}))
def test_a_directory_of_vendored_files_holds_nothing_that_is_not_listed(directory):
    held = {str(path.relative_to(ROOT)) for path in (ROOT / directory).rglob("*") if path.is_file()}
    assert held <= FILES.keys() | OWN


def test_no_large_script_or_style_sheet_is_missing_from_the_manifest():
    listed = subprocess.run(
        ["git", "ls-files", "*.js", "*.mjs", "*.css"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout of git")
    paths = [path for path in listed.stdout.splitlines() if (ROOT / path).exists()]
    large = {path for path in paths if ".min." in path or (ROOT / path).stat().st_size > OWN_LIMIT_BYTES}
    assert large
    assert large <= FILES.keys()
