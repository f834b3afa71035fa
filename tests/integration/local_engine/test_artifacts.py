"""The collection of files that programs wrote, also of programs that would rather have others collected."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import artifacts as artifacts_module
from adapters.local_engine.sandbox import launcher, sandbox
from adapters.local_engine.sandbox.artifacts import WantedFiles, collect
from domain.artifacts import ArtifactLimits, PathMatcher
from domain.execution import Note
from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program, Recorder
from tests.support.sandbox import running_engine
from tests.support.small_disk import fill, small_disk

LIMITS = ArtifactLimits(files=3, file_bytes=1_000, total_bytes=1_500)


@pytest.fixture(scope="module", params=["plain", "isolated"])
def kit(request, tmp_path_factory):
    isolated = request.param == "isolated"
    work = tmp_path_factory.mktemp("work")
    with running_engine(work, isolated=isolated, artifact_limits=LIMITS) as kit:
        yield kit


def run(kit, code, artifacts=("out/**",), **changed):
    """Run a program; return its result, and its artifacts by their paths."""
    request = kit.request(Program(code="import os\nos.mkdir('out')\n" + code, artifacts=artifacts, **changed))
    report = kit.engine.execute(request, Recorder())
    with report:
        return report.result, {file.path: file.blob.read() for file in report.artifacts}


def test_files_that_match_are_collected_byte_for_byte(kit):
    code = "open('out/a.bin', 'wb').write(bytes(range(256)))\nos.makedirs('out/b/c')\nopen('out/b/c/d', 'w')"

    result, artifacts = run(kit, code + "\nopen('other', 'w')")

    assert result.status is JobStatus.SUCCESS
    assert Note.ARTIFACTS_LEFT_OUT not in result.notes
    assert artifacts == {"out/a.bin": bytes(range(256)), "out/b/c/d": b""}


@pytest.mark.parametrize(
    ("code", "reason", "limits"),
    [
        ("raise SystemExit(3)", Reason.NONZERO_EXIT, {}),
        ("import time; time.sleep(60)", Reason.WALL_TIME_LIMIT, {"timeout_ms": 1_500}),
        ("os.kill(os.getpid(), 9)", Reason.SIGNAL, {}),
    ],
)
def test_files_of_a_program_that_failed_are_collected(kit, code, reason, limits):
    result, artifacts = run(kit, f"open('out/a', 'w').write('x')\n{code}", limits=limits)

    assert (result.reason, artifacts) == (reason, {"out/a": b"x"})


def test_files_that_were_uploaded_and_not_changed_are_not_the_programs(kit):
    given = {"same.txt": b"same", "changed.txt": b"before"}
    code = "open('changed.txt', 'w').write('after'); open('new.txt', 'w').write('new')"

    _result, artifacts = run(kit, code, ("*.txt", "*.py"), files=given, entry="main.py")

    assert artifacts == {"changed.txt": b"after", "new.txt": b"new"}


def test_the_code_is_not_the_programs_unless_it_changes_it(kit):
    assert run(kit, "", ("*",))[1] == {}
    assert run(kit, "open('main.py', 'w').write('other')", ("*",))[1] == {"main.py": b"other"}


TRICKS = {
    "a link to a file": "os.symlink('/etc/passwd', 'out/a')",
    "a link to a directory": "os.symlink('/etc', 'out/a')",
    "a link to itself": "os.symlink('a', 'out/a')",
    "a directory that is a link": "os.rmdir('out'); os.symlink('/etc', 'out')",
    "a fifo": "os.mkfifo('out/a')",
    "a socket": "import socket; socket.socket(socket.AF_UNIX).bind('out/a')",
    "a hard link to the program": "os.link('main.py', 'out/a')",
    "two names of one file": "open('out/b', 'w'); os.link('out/b', 'out/a'); os.remove('out/b'); "
    "os.link('out/a', 'b')",
    "a name that is no UTF-8": "open(b'out/\\xff', 'w')",
    "a name with a line end": "open('out/a\\nb', 'w')",
    "a name with an escape": "open('out/\\x1b[31m', 'w')",
    "a name with a backslash": "open('out/a\\\\b', 'w')",
    "a directory of that name": "os.mkdir('out/a')",
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_nothing_but_plain_files_is_collected(kit, trick):
    result, artifacts = run(kit, f"{trick}\nopen('fine.txt', 'w').write('x')", ("out/**", "fine.txt"))

    assert result.status is JobStatus.SUCCESS, result
    assert artifacts == {"fine.txt": b"x"}


@pytest.mark.parametrize("trick", [name for name in TRICKS if not name.startswith(("a directory", "two"))])
def test_what_is_not_collected_is_left_out_with_a_note(kit, trick):
    result, artifacts = run(kit, TRICKS[trick], ("out/*",))

    assert Note.ARTIFACTS_LEFT_OUT in result.notes
    assert artifacts == {}


@pytest.mark.parametrize(
    "path", ["out" + "/b" * 40, "out/" + 3 * ("c" * 200 + "/"), "out/a\nb"], ids=["deep", "long", "unsafe"]
)
def test_files_below_directories_that_are_not_examined_are_left_out_with_a_note(kit, path):
    result, artifacts = run(kit, f"os.makedirs({path!r}); open({path!r} + '/d', 'w')", ("out/**",))

    assert Note.ARTIFACTS_LEFT_OUT in result.notes
    assert artifacts == {}


def test_the_sandbox_s_own_names_leave_no_note(kit):
    result, artifacts = run(kit, "open('program', 'w'); os.mkdir('.case'); open('.case/input', 'w')", ("**",))

    assert Note.ARTIFACTS_LEFT_OUT not in result.notes
    assert artifacts == {}


def test_a_link_that_no_pattern_matches_leaves_no_note(kit):
    result, artifacts = run(kit, "os.symlink('fine.txt', 'out/a'); open('fine.txt', 'w')", ("*.txt", "out"))

    assert Note.ARTIFACTS_LEFT_OUT not in result.notes
    assert artifacts == {"fine.txt": b""}


@pytest.mark.parametrize(
    "code",
    [
        "for n in range(9): open(f'out/{n}', 'w')",
        "open('out/a', 'w').write('x' * 1001)",
        "open('out/a', 'w').write('x' * 900); open('out/b', 'w').write('x' * 900)",
        "open('out/a', 'w').truncate(1 << 24)",
    ],
)
def test_what_is_too_much_is_left_out_with_a_note(kit, code):
    result, artifacts = run(kit, code)

    assert Note.ARTIFACTS_LEFT_OUT in result.notes
    assert len(artifacts) <= 3
    assert sum(map(len, artifacts.values())) <= 1_500


def test_files_and_directories_without_rights_are_collected(kit):
    code = "open('out/a', 'w').write('x'); os.chmod('out/a', 0); os.chmod('out', 0)"

    assert run(kit, code)[1] == {"out/a": b"x"}


def test_deep_and_many_directories_cost_little_and_harm_nothing(kit):
    code = "os.chdir('out')\nfor n in range(200): os.mkdir('d'); os.chdir('d')\n"

    result, artifacts = run(kit, code + "open('a', 'w')", ("**/a",))

    assert (result.status, artifacts) == (JobStatus.SUCCESS, {})


def test_each_directory_is_opened_once_and_files_come_in_the_order_of_their_paths(tmp_path, monkeypatch):
    # Given many directories, each with a file, far below; and names before and behind a slash
    deep = tmp_path.joinpath(*["d"] * 28)
    for number in range(100):
        (deep / str(number)).mkdir(parents=True)
        (deep / str(number) / "a").write_text("x")
    names = ("b-", "b", "b0", "b.a")
    for name in names:
        (deep / name).mkdir()
        (deep / name / "a").write_text("x")
    opened = []
    original = os.open

    def counted(path, *arguments, **options):
        opened.extend([path] if "dir_fd" in options else [])
        return original(path, *arguments, **options)

    monkeypatch.setattr(os, "open", counted)
    limits = ArtifactLimits(files=1_000, file_bytes=10, total_bytes=10_000)

    # When they are collected
    descriptor = original(tmp_path, os.O_RDONLY)
    collected = collect(descriptor, WantedFiles(matcher=PathMatcher(["**/a"]), limits=limits))
    os.close(descriptor)
    collected.spool.close()

    # Then a directory takes one way to it and one opening, and a file one
    paths = [file.path for file in collected.files]
    assert paths == sorted(paths)
    assert len(paths) == 100 + len(names)
    assert len(opened) == 2 * (28 + len(paths)) + len(paths)


def test_a_directory_that_could_not_be_handed_over_is_noted(kit, monkeypatch):
    # Given a service that had no room for a descriptor, which the kernel then cuts off
    receive = launcher.receive

    def cut_off(*given):
        message, descriptors, _ = receive(*given)
        for descriptor in descriptors:
            os.close(descriptor)
        return message, [], False

    monkeypatch.setattr(launcher, "receive", cut_off)

    result, artifacts = run(kit, "open('out/a', 'w')")

    assert (result.status, artifacts) == (JobStatus.SUCCESS, {})
    assert Note.ARTIFACTS_LEFT_OUT in result.notes


@pytest.mark.parametrize("options", ["size=64k", "size=8m,nr_inodes=2"])
def test_the_files_of_a_program_are_lost_and_not_its_result_if_the_disk_is_full(
    kit, tmp_path, monkeypatch, options
):
    with small_disk(tmp_path / "temporary", options) as disk:
        fill(disk)
        monkeypatch.setattr(tempfile, "tempdir", str(disk))

        result, artifacts = run(kit, "open('out/a', 'w').write('x')\nprint('done')")

    assert (result.status, result.stdout.text, artifacts) == (JobStatus.SUCCESS, "done\n", {})
    assert Note.ARTIFACTS_LOST in result.notes


def test_a_program_without_patterns_has_no_artifacts(kit):
    assert run(kit, "open('out/a', 'w')", ())[1] == {}


def test_no_descriptor_is_left(kit):
    run(kit, "open('out/a', 'w')")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        run(kit, "open('out/a', 'w')")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_the_descriptor_of_the_directory_is_closed_at_exec(kit, monkeypatch):
    inheritable = []

    def observed(directory, wanted):
        inheritable.append(os.get_inheritable(directory))
        return collect(directory, wanted)

    monkeypatch.setattr(sandbox, "collect", observed)
    run(kit, "open('out/a', 'w')")

    assert inheritable == [False]


def test_a_directory_that_becomes_a_link_while_it_is_collected_leads_nowhere(tmp_path, monkeypatch):
    # Given a directory with a file, of which another process makes a link once it is listed
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a").write_text("secret")
    box = tmp_path / "box"
    (box / "out").mkdir(parents=True)
    (box / "out" / "a").write_text("own")
    wanted = WantedFiles(matcher=PathMatcher(["out/*"]), limits=LIMITS)

    def swap():
        (box / "out").rename(box / "before")
        (box / "out").symlink_to(secret)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: _after(scandir(path), swap if not swapped else None))
    swapped = []

    def _after(entries, then):
        found = list(entries)
        if any(entry.name == "a" for entry in found) and then is not None:
            swapped.append(True)
            then()
        return _Entries(found)

    # When it is collected
    descriptor = os.open(box, os.O_RDONLY)
    try:
        collected = collect(descriptor, wanted)
    finally:
        os.close(descriptor)

    # Then no file of elsewhere is
    assert swapped
    assert [file.blob.read() for file in collected.files] in ([], [b"own"])
    collected.spool.close()


class _Entries(list):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def test_a_device_is_not_opened(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root makes devices")
    try:
        os.mknod(tmp_path / "zero", 0o600 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no devices can be made here")
    Path(tmp_path / "fine").write_text("x")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    collected = collect(descriptor, WantedFiles(matcher=PathMatcher(["*"]), limits=LIMITS))
    os.close(descriptor)

    assert [file.path for file in collected.files] == ["fine"]
    collected.spool.close()


def test_only_so_many_names_are_matched_however_dear_the_patterns_are(tmp_path, monkeypatch):
    monkeypatch.setattr(artifacts_module, "_MOST_CHARACTERS", 1_000)
    for number in range(100):
        (tmp_path / f"{number:020}").write_text("x")
    descriptor = os.open(tmp_path, os.O_RDONLY)
    limits = replace(LIMITS, files=100, total_bytes=100)
    collected = collect(descriptor, WantedFiles(matcher=PathMatcher(["*0" * 12 + "*"]), limits=limits))
    os.close(descriptor)

    assert len(collected.files) <= 50
    assert collected.left_out == 1
    collected.spool.close()
