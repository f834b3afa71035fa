"""The wheel ships the service, and nothing of its tests."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = ("adapters", "application", "domain", "entrypoints")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Texts of a freshly built wheel, by their paths in it."""
    directory = tmp_path_factory.mktemp("wheel")
    build = f"import hatchling.build; print(hatchling.build.build_wheel({str(directory)!r}))"
    subprocess.run([sys.executable, "-c", build], cwd=ROOT, capture_output=True, check=True)
    (wheel,) = directory.glob("*.whl")
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_layers_and_its_own_metadata(shipped):
    tops = {name.partition("/")[0] for name in shipped}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(LAYERS)
    assert len(tops) == len(LAYERS) + 1


def test_the_wheel_holds_every_file_of_the_layers(shipped):
    listed = subprocess.run(
        ["git", "ls-files", *LAYERS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout of git")
    expected = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    assert expected
    assert expected <= set(shipped)


def test_the_wheel_ships_no_test_doubles(shipped):
    doubles = {path.read_bytes() for path in (ROOT / "tests/support").rglob("*.py")} - {b""}
    assert doubles
    assert not [name for name, content in shipped.items() if content in doubles]
    assert not [name for name in shipped if "memory" in Path(name).parts]
    sources = {name: content for name, content in shipped.items() if name.endswith(".py")}
    assert not [name for name, content in sources.items() if b"tests.support" in content]
