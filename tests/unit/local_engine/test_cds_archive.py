"""Making the archive of a compiler's classes, with a compiler that fails at first."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import cds_archive
from adapters.local_engine.sandbox.cds_archive import CdsArchive
from tests.support.processes import eventually

_COMPILER = """#!/bin/sh
[ -e {mark} ] && echo classes > archive
echo once more >> {mark}
"""


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "mark"


@pytest.fixture
def archive(tmp_path, mark):
    compiler = tmp_path / "bin" / "java"
    compiler.parent.mkdir()
    compiler.write_text(_COMPILER.format(mark=mark))
    compiler.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    sample = tmp_path / "Sample.java"
    sample.write_text("class Sample {}")
    archive = CdsArchive("java", [str(compiler), "Sample.java"], sample, work)
    yield archive
    archive.close()


def _refuse(_thread):
    raise RuntimeError("can't start new thread")


def _is_there(archive):
    with archive.opened() as descriptor:
        return descriptor is not None


def _copies():
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            targets.append(str(link.readlink()))
    return sum("copy" in target for target in targets)


def test_a_compiler_makes_its_archive_on_every_processor(archive, mark, tmp_path):
    allowed = os.sched_getaffinity(0)
    (tmp_path / "bin" / "java").write_text(f"#!/bin/sh\nnproc > {mark}\n")
    os.sched_setaffinity(0, {max(allowed)})
    try:
        assert not _is_there(archive)
    finally:
        os.sched_setaffinity(0, allowed)

    assert eventually(lambda: mark.exists() and mark.read_text() == f"{len(allowed)}\n")


def test_an_archive_that_could_not_be_made_is_made_later(archive, monkeypatch):
    monkeypatch.setattr(cds_archive, "_AGAIN_AFTER_S", 0)

    assert eventually(lambda: _is_there(archive))


def test_builds_go_on_without_an_archive_while_no_thread_can_be_started(archive, mark, monkeypatch, caplog):
    mark.touch()
    monkeypatch.setattr(cds_archive, "_AGAIN_AFTER_S", 0)
    with monkeypatch.context() as shortage:
        shortage.setattr(cds_archive.Thread, "start", _refuse)
        assert not _is_there(archive)

    assert "builds stay slow: can't start new thread" in caplog.text
    assert eventually(lambda: _is_there(archive))


def test_an_archive_that_was_never_begun_can_be_closed(archive, monkeypatch):
    monkeypatch.setattr(cds_archive.Thread, "start", _refuse)
    assert not _is_there(archive)

    archive.close()


def test_an_archive_that_could_not_be_made_is_not_tried_again_at_once(archive, mark, caplog):
    assert not _is_there(archive)
    assert eventually(lambda: "builds stay slow" in caplog.text)
    assert not _is_there(archive)

    assert mark.read_text() == "once more\n"


def test_an_archive_that_cannot_be_kept_leaves_no_copy_open(archive, mark, monkeypatch, caplog):
    def fail(*_):
        raise PermissionError(13, "read only")

    mark.touch()
    monkeypatch.setattr(Path, "rename", fail)
    before = _copies()

    assert not _is_there(archive)

    assert eventually(lambda: "read only" in caplog.text)
    assert eventually(lambda: _copies() == before)


_MAKES_ONE = """
import sys
from pathlib import Path
from adapters.local_engine.sandbox.cds_archive import CdsArchive
compiler, sample, work = sys.argv[1:]
with CdsArchive("java", [compiler, "Sample.java"], Path(sample), Path(work)).opened():
    sys.stdin.read()
"""


def test_a_compiler_ends_with_a_service_that_is_killed(mark, tmp_path, archive):  # noqa: ARG001 - its files
    (tmp_path / "bin" / "java").write_text(f"#!/bin/sh\necho $$ > {mark}\nexec sleep 60\n")
    files = [tmp_path / "bin" / "java", tmp_path / "Sample.java", tmp_path / "work"]
    with subprocess.Popen([sys.executable, "-c", _MAKES_ONE, *files], stdin=subprocess.PIPE) as service:
        assert eventually(lambda: mark.exists() and mark.read_text().endswith("\n"))
        service.kill()

    compiler = mark.read_text().strip()
    assert eventually(lambda: not _runs(compiler))


def _runs(pid):
    """Whether a process is there and has not ended."""
    with suppress(OSError):
        return Path("/proc", pid, "stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def test_nothing_of_a_compiler_is_left_when_its_archive_is_closed(archive, mark, tmp_path):
    (tmp_path / "bin" / "java").write_text(f"#!/bin/sh\necho $$ > {mark}\nexec sleep 60\n")
    assert not _is_there(archive)
    assert eventually(lambda: mark.exists() and mark.read_text().endswith("\n"))

    archive.close()

    assert not Path("/proc", mark.read_text().strip()).exists()
    assert list((tmp_path / "work").iterdir()) == []
