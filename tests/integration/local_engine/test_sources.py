"""Sources as editors of any system write them, empty ones, and TypeScript of every kind of module."""

from dataclasses import replace

import pytest

from domain.job_lifecycle import JobStatus
from tests.contract.engine_kit.harness import Program, Recorder
from tests.support.processes import eventually
from tests.support.sandbox import running_engine

_BOM = "\ufeff"
# Each prints `hi`, has a byte order mark, ends its lines as Windows does, and has what that would break.
_OF_WINDOWS = {
    "python": 'if True:\n    print("hi")\n',
    "node": '#!/usr/bin/env node\nconsole.log("hi")\n',
    "java": 'class Hi {\n public static void main(String[] a) { System.out.println("hi"); }\n}\n',
    "typescript": 'const said: string = "hi";\nconsole.log(said);\n',
    "bash": "#!/bin/bash\nif true; then\n  cat <<END\nhi\nEND\nfi\n",
    "c": '#include <stdio.h>\n#define HI \\\n "hi"\nint main(void) { puts(HI); }\n',
    "cpp": '#include <iostream>\nint main() { std::cout << "hi\\n"; }\n',
    "go": 'package main\nimport "fmt"\nfunc main() { fmt.Println("hi") }\n',
    "rust": 'fn main() {\n    println!("hi");\n}\n',
    "ruby": "#!/usr/bin/ruby\nputs <<END\nhi\nEND\n",
    "php": '<?php\necho "hi\\n";\n',
    "perl": "#!/usr/bin/perl\nprint <<END;\nhi\nEND\n",
}
_TYPESCRIPT = {
    "awaits at its top level": ("console.log(await Promise.resolve([2, 1].toSorted()[0]));", "1\n"),
    "awaits in a loop, and imports": (
        'import path from "path";\nfor await (const n of [1]) console.log(n, path.sep);',
        "1 /\n",
    ),
    "asks where it is": (
        'console.log(import.meta.url.startsWith("file:"), process.argv.length);',
        "true 2\n",
    ),
    "requires": (
        'const fs = require("fs");\nconst name = "x";\nconsole.log(typeof fs.statSync, name, !!__filename);',
        "function x true\n",
    ),
    "uses the library of 2023": (
        "console.log([1, 2, 3].findLast((n: number) => n < 3), [1].with(0, 2));",
        "2 [ 2 ]\n",
    ),
}
_OF_THE_LIBRARY_OF_2023 = (".toSorted(", ".with(")


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with running_engine(tmp_path_factory.mktemp("work")) as kit:
        yield kit


def _support(kit, language):
    return next(each for each in kit.engine.languages() if each.language.name == language)


def _is_typescript_older_than(kit, version):
    known = _support(kit, "typescript").is_available
    if known:
        assert eventually(lambda: _support(kit, "typescript").version, within_s=60)
    return known and int(_support(kit, "typescript").version.partition(".")[0]) < version


def _run(kit, language, code):
    support = _support(kit, language)
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))
    ended = kit.run(Program(language=language, code=code))
    assert ended.result.status is JobStatus.SUCCESS, ended
    return ended


@pytest.mark.parametrize("language", _OF_WINDOWS)
def test_a_source_of_windows_runs(kit, language):
    ended = _run(kit, language, _BOM + _OF_WINDOWS[language].replace("\n", "\r\n"))

    assert (ended.stdout, ended.stderr) == (b"hi\n", b"")


@pytest.mark.parametrize("language", ["python", "node", "typescript", "bash", "ruby", "php", "perl"])
def test_an_empty_source_runs(kit, language):
    ended = _run(kit, language, "")

    assert (ended.stdout, ended.stderr) == (b"", b"")


@pytest.mark.parametrize(("code", "said"), list(_TYPESCRIPT.values()), ids=list(_TYPESCRIPT))
def test_typescript_that(kit, code, said):
    if any(word in code for word in _OF_THE_LIBRARY_OF_2023) and _is_typescript_older_than(kit, 5):
        pytest.skip("TypeScript has the library of 2023 from version 5 on, and this machine's is older")
    assert _run(kit, "typescript", code).stdout.decode() == said


def test_typescript_that_awaits_is_still_checked(kit):
    support = next(each for each in kit.engine.languages() if each.language.name == "typescript")
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))

    result = kit.run(Program(language="typescript", code='const n: number = await "text";')).result

    assert "TS2322" in result.compile_output.text


def test_rust_checks_overflows(kit):
    support = next(each for each in kit.engine.languages() if each.language.name == "rust")
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))
    code = 'fn main() { let n: u8 = std::env::args().count() as u8; println!("{}", n * 255 + n); }'

    assert "attempt to add with overflow" in kit.run(Program(language="rust", code=code)).result.stderr.text


def test_code_runs_that_is_as_large_as_an_upload_was_allowed_to_be(kit):
    code = f"print('ran')\n#{'x' * (17 << 20)}\n"
    request = kit.request(Program(code=code, limits={"file_size_mb": 32}))
    request = replace(request, spec=replace(request.spec, code_bytes=len(code)))

    ended = kit.execute(request, Recorder())

    assert ended.result.stdout.text == "ran\n", ended.result
