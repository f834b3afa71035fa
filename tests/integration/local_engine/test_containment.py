"""Containment when programs attack their sandbox, or the machine around it changes."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest

from domain.job_lifecycle import Reason
from tests.contract.engine_kit.harness import Program
from tests.support.processes import descriptors, eventually
from tests.support.sandbox import has_cgroups, isolated_engine, require_bubblewrap

_ROOT = Path(__file__).parents[3]
# An engine on a machine whose mounts are shared, as systemd has them: something is mounted after its start.
_MOUNTS_LATER = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
from adapters.local_engine.engine import LocalEngine
from tests.support.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
place, work = sys.argv[1:]
store = MemoryObjectStore()
engine = LocalEngine(store, Path(work), isolated=True)
engine.start()
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", place], check=True)
with closing(EngineUnderTest(engine, store)) as kit:
    ended = kit.run(Program(code="import sys; open(f'{sys.argv[1]}/left', 'w')", args=(place,)))
    print(ended.result.stderr.text)
engine.stop()
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("engine")) as kit:
        yield kit


def test_streams_can_be_opened_by_their_names(kit):
    code = "cat /dev/stdin > /dev/stdout; echo err > /dev/stderr; echo own > /proc/self/fd/1"

    ended = kit.run(Program(code=code, language="bash", stdin="in\n"))

    assert (ended.stdout, ended.stderr) == (b"in\nown\n", b"err\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_is_mounted_later_is_in_no_box(tmp_path):
    require_bubblewrap()
    with TemporaryDirectory(dir="/usr/local", prefix="service-server-mount-") as place:
        Path(place).chmod(0o777)
        said = subprocess.run(
            [
                # Shared, but not with the mounts that this namespace is a copy of.
                *("unshare", "--mount", "--propagation", "private", "--"),
                *("sh", "-c", 'mount --make-rshared / && exec "$@"', "sh"),
                *(sys.executable, "-c", _MOUNTS_LATER, place, str(tmp_path / "work")),
            ],
            cwd=_ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout

    assert "Read-only file system" in said


def _namespaces(kit):
    """How many mount namespaces a supervisor keeps."""
    return sum(target.startswith("mnt:") for target in descriptors(kit.engine.sandbox.supervisor.pid))


@pytest.mark.skipif(not os.access("/etc", os.W_OK), reason="only root may put files into /etc")
def test_a_file_of_the_system_that_is_replaced_is_seen_by_the_next_program(tmp_path, monkeypatch):
    with NamedTemporaryFile(dir="/etc", prefix="service-server-cache-") as file:
        cache, newer = Path(file.name), Path(f"{file.name}~")
        cache.chmod(0o644)
        cache.write_text("old")
        table = tmp_path / "etc.toml"
        table.write_text(f'shown = ["ld.so.*", "alternatives", "{cache.name}"]')
        monkeypatch.setattr("adapters.local_engine.sandbox.rootfs._TABLE", table)
        program = Program(code=f"cat {cache}", language="bash")

        with isolated_engine(tmp_path) as kit:
            assert kit.run(program).stdout == b"old"
            before = _namespaces(kit)
            newer.write_text("new")
            newer.chmod(0o644)
            newer.replace(cache)
            assert kit.run(program).stdout == b"new"
            assert eventually(lambda: _namespaces(kit) == before)


@pytest.mark.parametrize(
    ("language", "code"),
    [("python", "print('ran')"), ("c", '#include <stdio.h>\nint main(void) { puts("ran"); return 0; }')],
)
def test_nothing_but_the_program_obeys_the_variables_that_it_is_given(kit, language, code):
    # A loader that obeyed this one in the sandbox's shell, or in a compiler, would run its library there.
    ended = kit.run(Program(language=language, code=code, env={"LD_PRELOAD": "/no/library"}))

    assert ended.result.stdout.text == "ran\n"
    assert ended.result.stderr.text.count("cannot be preloaded") == 1


def test_variables_are_the_program_s_whatever_is_in_them(kit):
    env = {"A": "", "HOME": "/elsewhere", "TEXT": "two\nlines = 'quoted' \"$A\" `ls` \\", "_": "kept"}
    code = "import os; print([os.environ[name] for name in ('A', 'HOME', 'TEXT', '_')])"

    ended = kit.run(Program(code=code, env=env))

    assert ended.result.stdout.text == f"{list(env.values())}\n"


def test_a_program_that_is_larger_than_it_may_be_ends_before_it_begins(kit):
    # Where there are cgroups: built with the memory of a build, it has more than its own when it would begin.
    if not has_cgroups(kit.engine):
        pytest.skip("nothing counts the files in memory here: there are no cgroups")
    code = "char bytes[150 << 20] = {1};\nint main(void) { return 0; }\n"
    limits = {"memory_mb": 16, "disk_mb": 400, "file_size_mb": 200}

    ended = kit.run(Program(language="c", code=code, limits=limits))

    assert (ended.result.reason, ended.result.limit.name) == (Reason.MEMORY_LIMIT, "memory_mb")
