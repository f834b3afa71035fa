"""A submission: the specification of a job, and the bounds of its size."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from types import MappingProxyType
from typing import Any, Self

from domain.artifacts import check_patterns
from domain.blob import BlobRef
from domain.cases import JobCases
from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits, FilePath, JobFile
from domain.job_lifecycle import Reason
from domain.language import Language
from domain.limits import Limits
from domain.priority import DEFAULT_PRIORITY, MAX_PRIORITY
from domain.retrying import RETRYABLE
from domain.runtime import check_presets, parse_runtime_name, queue_of
from domain.values import JobId, ObjectKey
from domain.webhook_url import WebhookUrl

# The most that a setting may allow.
MAX_ATTEMPTS = 8
# Of a job with cases, whose results stand: so often it may lose its worker.
CASES_ATTEMPTS = 20
# What fits an indexed column on every database that this service runs on.
TAG_MAX_CHARS = 255

# POSIX.1-2017, 8.1: names of environment variables in the portable character set.
ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
TAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The optional part of a job's specification, as its caller sent it.

    A new option of a job is a field here, with its rule below.

    Attributes:
        stdin: The program's input, unless an execution brings its own.
        entry: The path of the file that is run; None for the language's usual one.
        artifacts: Patterns of the files that the program writes and that are kept.
        stdin_file: The path of a file of the job that is the program's input in place of `stdin`.
        priority: 0 to 9; of the jobs that wait, the highest runs first, then the oldest.
        max_attempts: How often the program may be started if its worker or its engine loses it, or if it
            ends for a reason of `retry_on`.
        retry_on: The reasons for which it is started again.
        runtime: The version or environment of its language; None for the default one.
        presets: Names of sets of the compiler's flags.
        callback_url: The URL that the end of the job is posted to.

    Raises:
        InvalidValue: A value breaks its rule.
    """

    function_name: str | None = None
    description: str | None = None
    stdin: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    priority: int = DEFAULT_PRIORITY
    max_attempts: int = 1
    retry_on: tuple[Reason, ...] = ()
    runtime: str | None = None
    presets: tuple[str, ...] = ()
    callback_url: str | None = None
    entry: str | None = None
    stdin_file: str | None = None
    artifacts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_input()
        _check_tags(self.tags)
        self._check_runs()

    def _check_runs(self) -> None:
        """Check how often and in what the program is run."""
        if not 0 <= self.priority <= MAX_PRIORITY:
            raise InvalidValue("priority", text("problems.from_0", maximum=MAX_PRIORITY))
        if not 1 <= self.max_attempts <= MAX_ATTEMPTS:
            raise InvalidValue("max_attempts", text("problems.from_1", maximum=MAX_ATTEMPTS))
        if not RETRYABLE.keys() >= set(self.retry_on):
            raise InvalidValue(
                "retry_on", text("problems.retry_reasons", reasons=", ".join(sorted(RETRYABLE)))
            )
        if self.runtime is not None:
            parse_runtime_name(self.runtime)
        check_presets(self.presets)
        if self.retry_on and self.max_attempts == 1:
            raise InvalidValue("retry_on", text("problems.retry_needs_attempts"))
        if self.callback_url is not None:
            webhook_url("callback_url", self.callback_url)

    def _check_input(self) -> None:
        """Check input, arguments and variables of the program."""
        _check_encodable("stdin", self.stdin)
        if self.stdin_file is not None:
            _check_path("stdin_file", self.stdin_file)
            if self.stdin:
                raise InvalidValue("stdin_file", text("problems.instead_of_stdin"))
        for argument in self.args:
            _check_text("args", argument)
        check_variables("env", self.env)
        check_patterns(self.artifacts)

    def options(self) -> dict[str, Any]:
        """Return the options by their names."""
        return {option.name: getattr(self, option.name) for option in fields(JobOptions)}


@dataclass(frozen=True, slots=True, repr=False)
class SealedSecrets:
    """Secret variables of a job, as they are stored: encrypted, and readable with a key of the settings only.

    Attributes:
        key_id: The name of the key that `wrapped_key` is sealed with.
        wrapped_key: The key of the box, sealed for one job.
        box: The names and values.
    """

    key_id: str
    wrapped_key: str
    box: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(JobOptions):
    """The program of a job and how it is to be run. It never changes, but for its tags.

    Attributes:
        code_bytes: The size of the code in its store; 0 if an earlier version stored it, and counted it to
            no tenant.
        secrets: Variables of the program that are never shown, beside `env`.
        rerun_of: The job that this one runs again; it may be deleted.
        cases: The cases that the program is run for, in place of once; None if it has none.
        callback_secret: The secret that signs the posts to `callback_url`.
        files: The files beside the code, in the order of their paths.
        stdin_blob: The program's input, in place of `stdin`, where it is large or no text.
    """

    code_key: ObjectKey
    language: Language
    limits: Limits
    code_bytes: int = 0
    secrets: SealedSecrets | None = None
    callback_secret: SealedSecrets | None = None
    cases: JobCases | None = None
    rerun_of: JobId | None = None
    files: tuple[JobFile, ...] = ()
    stdin_blob: BlobRef | None = None

    @property
    def allowed_attempts(self) -> int:
        """How often a worker may begin. One that is lost has had no effects with the cases of others."""
        return self.max_attempts if self.cases is None else max(self.max_attempts, CASES_ATTEMPTS)

    @property
    def queue(self) -> str:
        """The name of the queue of its runtime, in which an execution waits that some workers cannot run."""
        return queue_of(self.runtime or self.language.name)

    def retries(self, reason: Reason | None, attempt: int) -> bool:
        """Whether an attempt that ended for a reason is followed by another."""
        return reason in self.retry_on and attempt < self.max_attempts

    def without_stdin(self) -> Self:
        """Return the specification of an execution that brings an input of its own."""
        return replace(self, stdin="", stdin_file=None, stdin_blob=None)

    @property
    def blobs(self) -> frozenset[BlobRef]:
        """The blobs that the job has."""
        own = [] if self.stdin_blob is None else [self.stdin_blob]
        own += [] if self.cases is None else self.cases.blobs
        return frozenset(chain((file.blob for file in self.files), own))


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionLimits:
    """How much a caller may submit. Sizes are bytes of UTF-8.

    Attributes:
        allows_private_urls: Whether webhooks may lead to private addresses.
    """

    code_bytes: int = 1 << 20
    stdin_bytes: int = 1 << 20
    arguments: int = 64
    arguments_bytes: int = 64 << 10
    tags: int = 16
    text_chars: int = 2_000
    cases: int = 10_000
    cases_bytes: int = 64 << 20
    attempts: int = 3
    allows_private_urls: bool = False
    stdin_file_bytes: int = 64 << 20
    files: FileLimits = field(default_factory=FileLimits)

    def check_code(self, code: str) -> bytes:
        """Encode source code as it is stored. It may be empty.

        Raises:
            InvalidValue: The code has a NUL character.
            TooLarge: It is larger than `code_bytes`.
        """
        _check_text("code", code)
        encoded = code.encode()
        _check_size("code", len(encoded), self.code_bytes)
        return encoded

    def check_stdin(self, stdin: str) -> None:
        """Checks the input of a program.

        Raises:
            InvalidValue: It cannot be encoded as UTF-8.
            TooLarge: It is larger than `stdin_bytes`.
        """
        _check_encodable("stdin", stdin)
        _check_size("stdin", len(stdin.encode()), self.stdin_bytes)

    def check_stdin_file(self, size: int) -> None:
        """Checks the size of an input that is stored as a file.

        Raises:
            TooLarge: It is larger than `stdin_file_bytes`.
        """
        _check_size("stdin", size, self.stdin_file_bytes)

    def check_text(self, name: str, given: str) -> None:
        """Check a free text, such as a description.

        Raises:
            InvalidValue: It is too long, or has a NUL character.
        """
        _check_text(name, given)
        if len(given) > self.text_chars:
            raise InvalidValue(name, text("problems.characters", maximum=self.text_chars))

    def check_arguments(self, arguments: Sequence[str]) -> None:
        """Check the arguments of one case.

        Raises:
            InvalidValue: There are too many, or one cannot be passed on.
            TooLarge: They are larger than their limit.
        """
        if len(arguments) > self.arguments:
            raise InvalidValue("args", text("problems.arguments", maximum=self.arguments))
        for argument in arguments:
            _check_text("args", argument)
        _check_size("args", sum(len(given.encode()) for given in arguments), self.arguments_bytes)

    def check_url(self, name: str, text: str) -> WebhookUrl:
        """Read the URL of a webhook's receiver.

        Raises:
            InvalidValue: It is none, or leads to an address that is not allowed.
        """
        url = webhook_url(name, text)
        if not self.allows_private_urls:
            try:
                url.require_public()
            except InvalidValue as error:
                raise InvalidValue(name, error.detail) from None
        return url

    def check_tags(self, tags: Mapping[str, str]) -> None:
        """Check the number of a job's tags and their lengths.

        Raises:
            InvalidValue: There are too many, or one is too long.
        """
        if len(tags) > self.tags or any(len(value) > TAG_MAX_CHARS for value in tags.values()):
            raise InvalidValue("tags", text("problems.tags", maximum=self.tags, characters=TAG_MAX_CHARS))

    def check_spec(self, spec: JobSpec, secret_env: Mapping[str, str] = NO_VARIABLES) -> None:
        """Check the sizes of all that is submitted beside the code. Secret variables count as the others do.

        Raises:
            InvalidValue: There are too many of something.
            TooLarge: Something is larger than its limit.
        """
        self.check_stdin(spec.stdin)
        if len(spec.args) > self.arguments or len(spec.env) + len(secret_env) > self.arguments:
            raise InvalidValue("args", text("problems.arguments_and_variables", maximum=self.arguments))
        variables = (*spec.env.items(), *secret_env.items())
        if spec.max_attempts > self.attempts:
            raise InvalidValue("max_attempts", text("problems.from_1", maximum=self.attempts))
        size = sum(len(given.encode()) for given in (*spec.args, *chain.from_iterable(variables)))
        _check_size("args", size, self.arguments_bytes)
        self.check_tags(spec.tags)
        for name in ("function_name", "description"):
            self.check_text(name, getattr(spec, name) or "")
        if spec.callback_url is not None:
            self.check_url("callback_url", spec.callback_url)


@dataclass(frozen=True, slots=True)
class TagChange:
    """A change of a job's tags: the ones that are set, and the names of the ones that are removed.

    Raises:
        InvalidValue: It changes nothing, sets and removes the same tag, or a tag breaks its rule.
    """

    set: Mapping[str, str] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not (self.set or self.remove) or not self.remove.isdisjoint(self.set):
            raise InvalidValue("tags", text("problems.tag_change"))
        _check_tags({**self.set, **dict.fromkeys(self.remove, "")})

    def apply(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Return the tags after the change."""
        kept = {name: value for name, value in tags.items() if name not in self.remove}
        return {**kept, **self.set}


def webhook_url(name: str, text: str) -> WebhookUrl:
    """Read the URL of a webhook's receiver.

    Raises:
        InvalidValue: It is none.
    """
    try:
        return WebhookUrl(text)
    except InvalidValue as error:
        raise InvalidValue(name, error.detail) from None


def check_variables(field_name: str, variables: Mapping[str, str]) -> None:
    """Check names and values of environment variables.

    Raises:
        InvalidValue: A name has other characters than POSIX names, or a value cannot be passed on. The error
            has no value in it.
    """
    for name, value in variables.items():
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise InvalidValue(field_name, text("problems.variable_name"))
        _check_text(field_name, value)


def is_tag_name(text: str) -> bool:
    """Whether a tag can have this name."""
    return TAG_NAME.fullmatch(text) is not None


def _check_tags(tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        if not is_tag_name(name):
            raise InvalidValue("tags", text("problems.tag_name"))
        if not value.isprintable():
            raise InvalidValue("tags", text("problems.tag_value"))


def _check_path(name: str, path: str) -> None:
    try:
        FilePath(path)
    except InvalidValue as error:
        raise InvalidValue(name, error.detail) from None


def _check_encodable(name: str, given: str) -> None:
    """Check that a text has an encoding.

    Raises:
        InvalidValue: It has lone surrogates, which no encoding has a form for.
    """
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidValue(name, text("problems.encodable")) from None


def _check_text(name: str, given: str) -> None:
    _check_encodable(name, given)
    if "\0" in given:
        raise InvalidValue(name, text("problems.no_nul"))


def _check_size(name: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise TooLarge(name, text("problems.bytes_allowed", size=size, allowed=allowed))
