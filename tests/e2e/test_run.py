"""`service-server run`, as if the program ran here: by itself, and against a server."""

import json
import signal
import subprocess

import pytest

from tests.support import service


@pytest.fixture
def at_server(env, server):
    return {**env, "SERVICE_SERVER_SERVER_URL": server.url}


@pytest.fixture(params=["embedded", "at_server"])
def where(request, env):
    return env if request.param == "embedded" else request.getfixturevalue("at_server")


@pytest.fixture
def program(tmp_path):
    def write(code, name="program.py"):
        (tmp_path / name).write_text(code)
        return str(tmp_path / name)

    return write


def test_streams_stay_apart_and_the_exit_code_is_the_program_s_own(where, program):
    path = program("import sys; print(input()[::-1]); print('oh', file=sys.stderr); sys.exit(7)")
    ran = service.run("run", path, env=where, stdin=b"abc\n")
    assert (ran.returncode, ran.stdout, ran.stderr) == (7, b"cba\n", b"oh\n")


def test_bytes_pass_as_they_are_however_many(where, program):
    path = program("import sys; sys.stdout.buffer.write(bytes(range(256)) * 20_000)")
    ran = service.run("run", path, env=where)
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert ran.stdout == bytes(range(256)) * 20_000


def test_a_program_cannot_tell_the_command_that_it_has_ended(where, program):
    # Given a program that writes an event of its own, between separators that are no line feeds
    path = program(
        "import sys\n"
        "print('\\u2028event: end\\u2028data: {}\\u2028\\u2028\\x85', flush=True)\n"
        "print('late')\n"
        "sys.exit(3)\n"
    )
    ran = service.run("run", path, env=where)
    # Then it is shown as it is, and the command ends as the program does
    assert (ran.returncode, ran.stderr) == (3, b"")
    assert ran.stdout.decode() == "\u2028event: end\u2028data: {}\u2028\u2028\x85\nlate\n"


def test_a_long_path_to_temporary_files_is_in_nobody_s_way(env, program, tmp_path):
    directory = tmp_path / ("x" * 100)
    directory.mkdir()
    ran = service.run("run", program("print(1)"), env={**env, "TMPDIR": str(directory)})
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, b"1\n", b"")


def test_an_input_of_any_bytes_reaches_the_program(where, program):
    path = program(
        "import sys; data = sys.stdin.buffer.read(); print(len(data), set(data) == set(range(256)))"
    )
    ran = service.run("run", path, env=where, stdin=bytes(range(256)) * 8_192)  # longer than a text may be
    assert (ran.returncode, ran.stdout) == (0, b"2097152 True\n"), ran.stderr


def test_arguments_and_a_given_stdin_reach_the_program(at_server, program):
    path = program("import sys; print(sys.argv[1:], input())")
    ran = service.run("run", "--stdin", "가", path, "--", "-a", "b c", env=at_server)
    assert ran.stdout.decode() == "['-a', 'b c'] 가\n"


def test_a_program_that_takes_too_long_is_a_timeout_that_says_so(at_server, program):
    ran = service.run("run", "--timeout", "0.5", program("while True: pass"), env=at_server)
    assert ran.returncode == 124
    assert b"wall_time_limit" in ran.stderr
    assert ran.stderr.count(b"\n") == 1


def test_a_build_that_takes_too_long_says_so(at_server, program):
    path = program('#include "/dev/zero"\n', "endless.c")

    ran = service.run("run", "--build-timeout", "0.3", path, env=at_server)

    assert ran.returncode == 1
    assert b"build_limit" in ran.stderr
    assert b"build_timeout_ms" in ran.stderr
    assert b"300 ms" in ran.stderr


def test_a_program_that_a_signal_ends_has_the_shell_s_exit_code(at_server, program):
    ran = service.run("run", program("import os; os.kill(os.getpid(), 11)"), env=at_server)
    assert ran.returncode == 128 + signal.SIGSEGV


@pytest.mark.parametrize(
    ("where", "number"), [("embedded", signal.SIGINT), ("at_server", signal.SIGTERM)], indirect=["where"]
)
def test_who_interrupts_the_command_cancels_the_job(where, env, program, number):
    path = program("import time; print('begun', flush=True); time.sleep(60)")
    with service.start("run", path, env=where) as running:
        assert running.stdout.readline() == b"begun\n"
        running.send_signal(number)
        _, said = running.communicate(timeout=90)
    assert running.returncode == 128 + number
    assert said.startswith(b"service-server: cancelled job ")
    status = service.run("status", "--json", said.split()[-1].decode(), env=env)
    assert json.loads(status.stdout)["status"] == "CANCELLED"


def test_a_reader_that_leaves_ends_the_program(at_server, program):
    # Given a program that writes for ever, and not so fast that its output limit ends it first
    path = program("import time\nwhile True: print('y' * 1000, flush=True); time.sleep(0.005)")
    with service.start("run", path, env=at_server) as running:
        assert running.stdout.read(1) == b"y"
        running.stdout.close()
        said = running.stderr.read()
        assert running.wait(90) == 128 + signal.SIGPIPE
    assert said.startswith(b"service-server: cancelled job ")


def test_a_reader_of_all_output_that_leaves_ends_the_program(at_server, program):
    path = program("import time\nwhile True: print('y' * 1000, flush=True); time.sleep(0.005)")
    with service.start("run", path, env=at_server) as running:
        assert running.stdout.read(1) == b"y"
        running.stdout.close()
        running.stderr.close()
        assert running.wait(90) == 128 + signal.SIGPIPE


def test_output_comes_while_the_program_runs(at_server, program):
    path = program("input(); print('first', flush=True); import time; time.sleep(30)")
    with service.start("run", "--stdin", "go\n", path, env=at_server) as running:
        assert running.stdout.readline() == b"first\n"
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=90)


@pytest.mark.parametrize(
    ("arguments", "exit_code", "sentence"),
    [
        (["missing.py"], 2, "missing.py: no such file or directory"),
        (["README.md"], 2, "cannot detect the language of README.md; use --language"),
        (["--language", "cobol", "README.md"], 2, "--language: 'cobol' is not a language; languages are "),
        (["--server", "http://127.0.0.1:1", "examples/words.py"], 3, "cannot reach http://127.0.0.1:1"),
        (["--project", "../x", "examples/words.py"], 2, "project: "),
        (["--server", "nowhere", "examples/words.py"], 2, "--server nowhere"),
        (["--project", "\udcff", "examples/words.py"], 2, "the argument \\udcff is not UTF-8"),
        (["examples/words.py", "--", "\udcff"], 2, "the argument \\udcff is not UTF-8"),
    ],
)
def test_what_goes_wrong_is_one_sentence(env, arguments, exit_code, sentence):
    refused = service.run("run", *arguments, env=env)
    assert refused.returncode == exit_code
    assert refused.stderr.decode().startswith(f"service-server: {sentence}")
    assert refused.stderr.count(b"\n") == 1
    assert refused.stdout == b""


def test_output_that_the_parent_closed_is_discarded(at_server, program):
    path = program("import sys; print(input()); sys.stderr.write('2'); sys.exit(7)")
    closed = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", service.PROGRAM]
    assert subprocess.run([*closed, "run", path, "--stdin", "1"], env=at_server, check=False).returncode == 7


def test_an_unknown_option_is_wrong_usage(env):
    assert service.run("run", "--nonsense", env=env).returncode == 2


def test_files_go_beside_the_program_and_the_ones_that_it_writes_are_saved(where, program, tmp_path):
    # Given a program with a module, a directory of data and a picture to write
    code = (
        "import os, words\n"
        "print(words.greet(open('data/name.txt').read()))\n"
        "os.makedirs('out/deep')\n"
        "open('out/picture.png', 'wb').write(bytes(range(256)))\n"
        "open('out/deep/a.txt', 'w').write('deep')\n"
    )
    path = program(code, "app.py")
    program("def greet(name): return f'hello, {name}'", "words.py")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "name.txt").write_text("world")

    # When it is run with them
    given = ("--file", str(tmp_path / "words.py"), "--file", str(tmp_path / "data"))
    wanted = ("--artifact", "out/**", "--artifacts-dir", str(tmp_path / "saved"))
    ran = service.run("run", path, *given, *wanted, env=where)

    # Then it has them, and they are here
    assert (ran.returncode, ran.stdout) == (0, b"hello, world\n"), ran.stderr
    assert (tmp_path / "saved/out/picture.png").read_bytes() == bytes(range(256))
    assert (tmp_path / "saved/out/deep/a.txt").read_text() == "deep"
    assert f"saved {tmp_path}/saved/out/picture.png (256 bytes)".encode() in ran.stderr


def test_a_single_archive_beside_the_program_stays_one(env, program, tmp_path):
    archive = tmp_path / "data.zip"
    archive.write_bytes(b"PK\x05\x06" + b"\0" * 18)
    path = program("print(len(open('data.zip', 'rb').read()))")

    ran = service.run("run", path, "--file", str(archive), env=env)

    assert (ran.returncode, ran.stdout) == (0, b"22\n"), ran.stderr


def test_no_artifact_is_written_through_a_link(env, program, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "out").symlink_to(tmp_path / "elsewhere")
    path = program("import os; os.mkdir('out'); open('out/a', 'w')")

    options = ("--artifact", "out/*", "--artifacts-dir", str(tmp_path / "saved"))
    ran = service.run("run", path, *options, env=env)

    assert ran.returncode != 0
    assert b"a link leads out of" in ran.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []
