"""The messages of compilers are apart from programs' output, for failed and successful builds."""

import pytest

from domain.job_lifecycle import JobStatus, Reason
from tests.contract.engine_kit.harness import Program, Recorder

_WARNED = {
    "c": ("int main(void) { char n = 300; return n != n; }", "warning"),
    "cpp": ("int f() {} int main() { return 0; }", "warning"),
    "java": (
        "import java.util.*; class Raw { public static void main(String[] a) { new ArrayList().add(1); } }",
        "unchecked",
    ),
    "rust": ("fn main() { let unused = 1; }", "warning: unused variable"),
}
_REFUSED = {
    "c": ("int missing(void); int main(void) { return missing(); }", "undefined reference"),  # by the linker
    "cpp": ("int main() { return nothing; }", "not declared"),
    "java": ("class Broken { int n = true; }", "incompatible types"),
    "rust": ("fn main() { nothing }", "cannot find value"),
    "go": ("package main\nfunc main() { nothing() }", "undefined: nothing"),
    "typescript": ('const n: number = "text";', "TS2322"),
}


def _run(kit, language, code):
    support = next(each for each in kit.engine.languages() if each.language.name == language)
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))
    recorder = Recorder()
    return kit.run(Program(language=language, code=code), recorder), recorder


@pytest.mark.parametrize("language", _WARNED)
def test_warnings_are_compile_output_and_not_stderr(kit, language):
    code, message = _WARNED[language]

    ended, recorder = _run(kit, language, code)

    assert ended.result.status is JobStatus.SUCCESS, ended
    assert message in ended.result.compile_output.text
    assert (ended.result.stderr.text, ended.stderr, recorder.chunks) == ("", b"", [])


@pytest.mark.parametrize("language", _REFUSED)
def test_the_messages_of_a_build_that_failed_are_compile_output_and_stderr(kit, language):
    code, message = _REFUSED[language]

    ended, recorder = _run(kit, language, code)

    assert ended.result.reason is Reason.COMPILE_ERROR
    assert message in ended.result.compile_output.text
    assert ended.result.stderr == ended.result.compile_output
    assert b"".join(chunk.data for chunk in recorder.chunks) == ended.stderr
    assert ended.stderr.decode() == ended.result.stderr.text
    assert recorder.starts == 0


def test_where_nothing_is_built_there_is_no_compile_output(kit):
    assert kit.run(Program(code="print(1)")).result.compile_output is None


def test_what_a_build_writes_is_bounded(kit):
    code = "#include <stdio.h>\n" + "#warning again and again and again\n" * 2_000
    code += 'int main(void) { return puts("ran") < 0; }\n'

    ended, _ = _run(kit, "c", code)

    assert ended.result.status is JobStatus.SUCCESS, ended.result.error_message
    assert ended.stdout == b"ran\n"
    assert ended.result.compile_output.truncated
    assert len(ended.result.compile_output.text) < 70_000
