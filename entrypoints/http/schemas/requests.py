"""Request bodies. A null field counts as not given; an unknown field is refused."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import asdict

from application.commands import CallbackCommand, UploadCodeCommand
from application.new_files import NewBlob, NewFile
from application.submitted_cases import NewCase
from application.submitted_judges import NewChecker, NewJudgeProgram
from application.use_cases.run_again import Changes
from domain.case_set import parse_case_set_reference
from domain.cases import StopOn
from domain.catalogue.text import text
from domain.checker import CheckerKind
from domain.errors import InvalidValue
from domain.files import shown
from domain.job_lifecycle import Reason
from domain.limits import STANDARD_BOUNDS
from domain.priority import DEFAULT_PRIORITY, MAX_PRIORITY
from entrypoints.http.base64_text import decode_base64

_DECODED_APART = ("archive_base64", "stdin_base64", "cases", "case_set", "checker", "interactor")


class RequestedLimits(Struct, kw_only=True):
    """The limits of an execution. Missing limits get the service's defaults."""

    timeout_ms: Annotated[int | None, Meta(description="Wall time, in milliseconds.", examples=[5000])] = None
    cpu_time_ms: Annotated[int | None, Meta(description="CPU time of all processes, in milliseconds.")] = None
    build_timeout_ms: Annotated[int | None, Meta(description="Wall time of the build, in milliseconds.")] = (
        None
    )
    build_cpu_time_ms: Annotated[int | None, Meta(description="CPU time of the build, in milliseconds.")] = (
        None
    )
    memory_mb: Annotated[int | None, Meta(description="Memory of all processes, in MiB.")] = None
    processes: Annotated[
        int | None, Meta(description="Maximum number of simultaneous processes and threads.")
    ] = None
    open_files: Annotated[int | None, Meta(description="Maximum number of open files of a process.")] = None
    file_size_mb: Annotated[int | None, Meta(description="Maximum size of a file, in MiB.")] = None
    disk_mb: Annotated[int | None, Meta(description="Maximum size of all files together, in MiB.")] = None
    files: Annotated[int | None, Meta(description="Maximum number of files and directories.")] = None
    output_mb: Annotated[
        int | None, Meta(description="Maximum size of stdout and stderr together, in MiB.")
    ] = None


class CaseLimits(Struct, kw_only=True, forbid_unknown_fields=True):
    """The limits of a case that differ from the job's."""

    timeout_ms: int | None = None
    cpu_time_ms: int | None = None
    memory_mb: int | None = None
    processes: int | None = None
    open_files: int | None = None
    file_size_mb: int | None = None
    disk_mb: int | None = None
    files: int | None = None
    output_mb: int | None = None


class UploadedFile(Struct, kw_only=True, forbid_unknown_fields=True):
    """A file uploaded with the code."""

    path: Annotated[
        str,
        Meta(
            description="Path relative to the program's directory, with `/` as separator.",
            examples=["data/input.csv"],
        ),
    ]
    content: Annotated[str | None, Meta(description="The content as text.", examples=["a,b\n1,2\n"])] = None
    content_base64: Annotated[
        str | None, Meta(description="The content as bytes in Base64, instead of `content`.")
    ] = None

    def file(self) -> NewFile:
        """Return the file.

        Raises:
            InvalidValue: It has no content or two contents, or the content is not Base64.
        """
        if (self.content is None) == (self.content_base64 is None):
            raise InvalidValue("files", text("problems.file_content", path=shown(self.path)))
        if self.content is not None:
            return NewFile(self.path, NewBlob.of(self.content.encode()))
        return NewFile(self.path, NewBlob.of(decode_base64("files", self.content_base64 or "", self.path)))


class JudgeProgramRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A program that judges the uploaded one."""

    language: Annotated[str, Meta(description="Its language.", examples=["cpp"])]
    code: Annotated[str, Meta(description="Its source code.", examples=["int main() { return 0; }"])]
    files: Annotated[
        tuple[UploadedFile, ...] | None,
        Meta(description="Files for the build of its code, such as `testlib.h`."),
    ] = None

    def program(self, field: str = "interactor") -> NewJudgeProgram:
        """Return the program.

        Raises:
            InvalidValue: A file is invalid.
        """
        return NewJudgeProgram(
            language=self.language, code=self.code, files=_judge_files(field, self.files or ())
        )


class CheckerRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A way to compare outputs with the expected ones."""

    kind: Annotated[
        CheckerKind,
        Meta(
            description="`exact`: the same bytes. `trimmed`: ignores whitespace at the ends of lines "
            "and empty lines at the end. `tokens`: compares the parts separated by whitespace. "
            "`float`: like `tokens`, but numbers need only be close. `unordered_lines`: like "
            "`trimmed`, with the lines in any order. `program`: the program in `code` decides. Its "
            "arguments are the paths of the input, of the output and of the answer; it exits with 0 "
            "for accepted, 1 for a wrong answer and 2 for a presentation error."
        ),
    ]
    tolerance: Annotated[
        float | None,
        Meta(
            description="For `float`: the allowed absolute or relative error of a number; 0.000001 by "
            "default."
        ),
    ] = None
    language: Annotated[str | None, Meta(description="For `program`: the language of its code.")] = None
    code: Annotated[str | None, Meta(description="For `program`: its source code.")] = None
    files: Annotated[
        tuple[UploadedFile, ...] | None,
        Meta(description="For `program`: files for the build of its code, such as `testlib.h`."),
    ] = None

    def checker(self) -> NewChecker:
        """Return the checker.

        Raises:
            InvalidValue: It is a program without a language or code.
        """
        program = None
        if self.language is not None or self.code is not None or self.files is not None:
            if self.language is None or self.code is None:
                raise InvalidValue("checker", text("problems.program_fields"))
            files = _judge_files("checker", self.files or ())
            program = NewJudgeProgram(language=self.language, code=self.code, files=files)
        return NewChecker(kind=self.kind, tolerance=self.tolerance, program=program)


class CaseRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """One input of the program, and the expected output."""

    name: Annotated[
        str | None,
        Meta(
            description="The name of the case, unique in the job; its number by default.", examples=["small"]
        ),
    ] = None
    stdin: Annotated[str | None, Meta(description="The program's input.", examples=["2 3\n"])] = None
    stdin_base64: Annotated[
        str | None, Meta(description="The input as bytes in Base64, instead of `stdin`.")
    ] = None
    stdin_file: Annotated[
        str | None,
        Meta(
            description="The path of a file in `files` that is the input, instead of `stdin`. The "
            "program cannot read that file itself.",
            examples=["in/1.txt"],
        ),
    ] = None
    args: Annotated[
        tuple[str, ...] | None, Meta(description="The program's arguments, instead of those of the job.")
    ] = None
    expected_stdout: Annotated[
        str | None,
        Meta(
            description="The expected output. Without it, the case is accepted if the program succeeds.",
            examples=["5\n"],
        ),
    ] = None
    expected_file: Annotated[
        str | None,
        Meta(
            description="The path of a file in `files` that has the expected output. The program "
            "cannot read that file."
        ),
    ] = None
    weight: Annotated[
        float | None, Meta(description="What the case adds to the score if it is accepted; 1 by default.")
    ] = None
    limits: Annotated[CaseLimits | None, Meta(description="Limits that differ from the job's.")] = None
    hidden: Annotated[
        bool | None, Meta(description="Whether results show only the verdict and measurements of the case.")
    ] = None

    def case(self, index: int) -> NewCase:
        """Return the case.

        Raises:
            InvalidValue: The input is given twice or is not Base64; the field has the index.
        """
        limits = {} if self.limits is None else asdict(self.limits)
        return NewCase(
            name=self.name,
            stdin=self._stdin(index),
            args=self.args,
            expected=None if self.expected_stdout is None else self.expected_stdout.encode(),
            weight=1.0 if self.weight is None else self.weight,
            limits={name: value for name, value in limits.items() if value is not None},
            hidden=bool(self.hidden),
            stdin_file=self.stdin_file,
            expected_file=self.expected_file,
        )

    def _stdin(self, index: int) -> bytes:
        if self.stdin_base64 is None:
            return (self.stdin or "").encode()
        field = f"cases/{index}/stdin_base64"
        if self.stdin is not None:
            raise InvalidValue(field, text("problems.instead_of_stdin"))
        return decode_base64(field, self.stdin_base64)


class UploadRequest(RequestedLimits, kw_only=True):
    """Source code to store as a job, and its options.

    Unknown fields are ignored in a body that has only legacy fields otherwise, because existing clients send
    them. In any other body an unknown field is a mistake, and is refused.
    """

    LEGACY_FIELDS: ClassVar[frozenset[str]] = frozenset(
        {"project", "code", "language", "function_name", "description"}
    )

    project: Annotated[
        str,
        Meta(
            description="The project's name, which is created if it does not exist, or its id as text.",
            examples=["hello"],
        ),
    ]
    code: Annotated[
        str | UnsetType,
        Meta(
            description="The source code of the file that is run. Without it, the file `entry` of "
            "`files` is run.",
            examples=["print('hello, ' + input())"],
        ),
    ] = UNSET
    language: Annotated[
        str,
        Meta(description="A language of GET /api/languages, or an alias such as js.", examples=["python"]),
    ]
    function_name: Annotated[str | None, Meta(description="A name for people; it has no effect.")] = None
    description: Annotated[str | None, Meta(description="A description for people.")] = None
    stdin: Annotated[str | None, Meta(description="The program's input.", examples=["world\n"])] = None
    stdin_base64: Annotated[
        str | None, Meta(description="The program's input as bytes in Base64, instead of `stdin`.")
    ] = None
    stdin_file: Annotated[
        str | None,
        Meta(description="The path of a file in `files` that is the program's input, instead of `stdin`."),
    ] = None
    files: Annotated[
        list[UploadedFile] | int | None,
        Meta(
            description="Files besides the code. A number instead of a list is read as `max_files`, "
            "which formerly had this name.",
        ),
    ] = None  # type: ignore[assignment]  # in the base class, a limit has this name
    max_files: Annotated[
        int | None, Meta(description="Maximum number of files and directories of the program.")
    ] = None
    archive_base64: Annotated[
        str | None,
        Meta(description="Files besides the code, as a zip, tar or tar.gz archive in Base64."),
    ] = None
    entry: Annotated[
        str | None,
        Meta(
            description="The path of the file that is run, or of a directory with a main file. By "
            "default `main` with the language's extension; for Java, `Main.java`.",
            examples=["app/main.py"],
        ),
    ] = None
    artifacts: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Path patterns of files that the program writes and that are kept: `*` and `?` "
            "match within a name, `**` matches any directories.",
            examples=[["out/*.png"]],
        ),
    ] = None
    args: Annotated[tuple[str, ...] | None, Meta(description="The program's arguments.")] = None
    env: Annotated[
        dict[str, str] | None,
        Meta(description="Environment variables of the program; they are not set during the build."),
    ] = None
    secret_env: Annotated[
        dict[str, str] | None,
        Meta(
            description="Additional environment variables of the program, which are stored encrypted "
            "and never shown."
        ),
    ] = None
    tags: Annotated[
        dict[str, str] | None, Meta(description="Names and values by which jobs can be found.")
    ] = None
    priority: Annotated[
        int | None,
        Meta(
            description=f"0 to {MAX_PRIORITY}, {DEFAULT_PRIORITY} by default: of the jobs that wait, the "
            "highest runs first."
        ),
    ] = None
    max_attempts: Annotated[
        int | None,
        Meta(
            description="Maximum number of starts: the job is retried if its worker or engine fails, "
            "or if it ends for a reason in `retry_on`. 1 by default."
        ),
    ] = None
    retry_on: Annotated[
        tuple[Reason, ...] | None,
        Meta(
            description="The reasons for which the job is retried, up to `max_attempts`, after delays "
            "that double. `cancelled`, `compile_error` and `secrets_unavailable` are not allowed.",
            examples=[["wall_time_limit"]],
        ),
    ] = None
    callback_url: Annotated[
        str | None,
        Meta(
            description="The http or https URL to which the end of the job is posted, as a webhook.",
            examples=["https://example.com/hooks/jobs"],
        ),
    ] = None
    callback_secret: Annotated[
        str | None,
        Meta(
            description="The secret that signs requests to `callback_url`, `whsec_...`. It is stored "
            "encrypted and never shown. By default, one is generated and shown only in this response."
        ),
    ] = None
    runtime: Annotated[
        str | None,
        Meta(
            description="A version or environment of the language, from GET /api/runtimes; by default, "
            "the one with the name of the language.",
            examples=["python"],
        ),
    ] = None
    presets: Annotated[
        tuple[str, ...] | None,
        Meta(
            description="Names of sets of compiler flags, from GET /api/runtimes, such as `cpp17` and "
            "`strict`. If flags contradict each other, the last one applies."
        ),
    ] = None
    execute: Annotated[bool | None, Meta(description="Whether to execute the job immediately.")] = None
    cases: Annotated[
        tuple[CaseRequest, ...] | None,
        Meta(
            description="Inputs for which the program is run, each separately, after a single build. "
            "The job succeeds if all cases are accepted."
        ),
    ] = None
    stop_on: Annotated[
        StopOn | None, Meta(description="When the remaining cases are skipped; `never` by default.")
    ] = None

    case_set: Annotated[
        str | None,
        Meta(
            description="A case set of the project, instead of `cases`: its name for the latest "
            "version, or `name@version`.",
            examples=["sums@3"],
        ),
    ] = None
    checker: Annotated[
        CheckerRequest | None,
        Meta(description="How outputs are compared with the expected ones; `trimmed` by default."),
    ] = None
    interactor: Annotated[
        JudgeProgramRequest | None,
        Meta(
            description="A program that interacts with the uploaded one, instead of a checker: each "
            "reads the other's output. Its arguments are the paths of the input, of a file to write "
            "and of the answer; it uses the exit codes of a checker."
        ),
    ] = None

    def _judged(self) -> dict[str, object]:
        """Return the given cases and the given options for judging them."""
        given: dict[str, object] = {}
        if self.cases is not None:
            given["cases"] = tuple(case.case(index) for index, case in enumerate(self.cases))
        if self.case_set is not None:
            given["case_set"] = parse_case_set_reference(self.case_set)
        if self.checker is not None:
            given["checker"] = self.checker.checker()
        if self.interactor is not None:
            given["interactor"] = self.interactor.program()
        return given

    def listed_files(self) -> list[UploadedFile]:
        """Return the files in the body itself."""
        return self.files if isinstance(self.files, list) else []

    def command(
        self, files: tuple[NewFile, ...] = (), stdin_blob: NewBlob | None = None
    ) -> UploadCodeCommand:
        """Return the command, with defaults for the options and limits that are not given.

        Raises:
            InvalidValue: A value violates its rule, or is given twice.
        """
        given = {
            name: value for name, value in asdict(self).items() if value is not None and value is not UNSET
        }
        for name in _DECODED_APART:
            given.pop(name, None)
        given |= self._judged()
        most_files = given.pop("max_files", None)
        if isinstance(self.files, list):
            del given["files"]
        elif self.files is not None and most_files is not None:
            raise InvalidValue("max_files", text("problems.also_files"))
        if most_files is not None:
            given["files"] = most_files
        limits = {name: given.pop(name) for name in STANDARD_BOUNDS if name in given}
        code = given.pop("code", None)
        return UploadCodeCommand(limits=limits, code=code, files=files, stdin_blob=stdin_blob, **given)


class JobOfBatch(UploadRequest, kw_only=True, forbid_unknown_fields=True):
    """Source code to store as a job of a batch, with the fields of an upload."""

    LEGACY_FIELDS: ClassVar[frozenset[str]] = frozenset()


class BatchRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """Jobs to submit together. Each is decoded separately, so that the faults of all jobs are reported."""

    jobs: Annotated[
        list[Raw], Meta(description="Bodies of uploads. Jobs are executed unless `execute` is false.")
    ]
    callback_url: Annotated[
        str | None,
        Meta(
            description="The http or https URL to which the end of the batch is posted, as a webhook.",
            examples=["https://example.com/hooks/batches"],
        ),
    ] = None
    callback_secret: Annotated[
        str | None,
        Meta(
            description="The secret that signs requests to `callback_url`, `whsec_...`. It is stored "
            "encrypted and never shown. By default, one is generated and shown only in this response."
        ),
    ] = None

    def callback(self) -> CallbackCommand | None:
        """Return the receiver for the end of the batch.

        Raises:
            InvalidValue: The secret is invalid, or is given without a URL.
        """
        if self.callback_url is not None:
            return CallbackCommand(url=self.callback_url, secret=self.callback_secret)
        if self.callback_secret is not None:
            raise InvalidValue("callback_secret", text("problems.secret_without_callback"))
        return None


class RerunRequest(RequestedLimits, kw_only=True, forbid_unknown_fields=True):
    """The options that differ in a rerun of a job. Missing options stay the same."""

    stdin: Annotated[
        str | None, Meta(description="The program's input. If it is given, the new job has no cases.")
    ] = None
    args: Annotated[tuple[str, ...] | None, Meta(description="The program's arguments.")] = None
    cases: Annotated[
        tuple[CaseRequest, ...] | None, Meta(description="Cases that replace those of the job.")
    ] = None

    def changes(self) -> Changes:
        """Return the changes."""
        cases = None
        if self.cases is not None:
            cases = tuple(case.case(index) for index, case in enumerate(self.cases))
        given = {name: getattr(self, name) for name in STANDARD_BOUNDS}
        limits = {name: value for name, value in given.items() if value is not None}
        return Changes(stdin=self.stdin, args=self.args, limits=limits, cases=cases)


class ExecuteRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The input of an execution, which replaces its job's input."""

    stdin: Annotated[
        str | None,
        Meta(description="The program's input, instead of the job's."),
    ] = None


def _judge_files(field: str, files: Sequence[UploadedFile]) -> tuple[NewFile, ...]:
    try:
        return tuple(file.file() for file in files)
    except InvalidValue as error:
        raise InvalidValue(f"{field}/{error.field}", error.detail) from None
