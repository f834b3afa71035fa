"""The specification of a job."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from types import MappingProxyType
from typing import Any, Self

from domain.artifacts import check_patterns
from domain.blob import BlobRef
from domain.cases import JobCases
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.files import JobFile, path_in
from domain.job_lifecycle import Reason
from domain.language import Language
from domain.limits import Limits
from domain.priority import DEFAULT_PRIORITY, MAX_PRIORITY
from domain.retrying import RETRYABLE
from domain.runtime import check_presets, parse_runtime_name, queue_of
from domain.sealed_secrets import SealedSecrets
from domain.values import JobId, ObjectKey
from domain.webhook_url import WebhookUrl

# The maximum that a setting may allow.
MAX_ATTEMPTS = 8
# How often a job with cases may lose its worker; its results so far are kept.
CASES_ATTEMPTS = 20
# The maximum size of code whose size is not known.
UNCOUNTED_CODE_BYTES = 16 << 20
# The size of an indexed column that every supported database allows.
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
        stdin: The program's input, unless an execution has its own.
        entry: The path of the file that is run; None for the language's default.
        artifacts: Patterns of the program's files that are kept.
        stdin_file: The path of a file of the job that is the program's input, instead of `stdin`.
        priority: 0 to 9; among waiting jobs, the highest priority runs first, then the oldest.
        max_attempts: How often the program may be started if its worker or engine loses it, or if it ends for
            a reason in `retry_on`.
        retry_on: The reasons for which it is started again.
        runtime: The version or environment of its language; None for the default one.
        presets: Names of presets of compiler flags.
        callback_url: The URL that is notified of the end of the job.

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
        """Check the priority, the attempts, the runtime and the callback."""
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
        """Check the program's input, arguments and variables."""
        check_encodable("stdin", self.stdin)
        if self.stdin_file is not None:
            path_in("stdin_file", self.stdin_file)
            if self.stdin:
                raise InvalidValue("stdin_file", text("problems.instead_of_stdin"))
        for argument in self.args:
            check_text("args", argument)
        check_variables("env", self.env)
        check_patterns(self.artifacts)

    def options(self) -> dict[str, Any]:
        """Return the options by name."""
        return {option.name: getattr(self, option.name) for option in fields(JobOptions)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec(JobOptions):
    """The program of a job and how it is run. Apart from its tags it never changes.

    Attributes:
        code_bytes: The size of the code in its store; 0 if an earlier version stored it without counting it
            for a tenant.
        secrets: Variables of the program that are never shown, beside `env`.
        rerun_of: The job that this one reruns; it may be deleted.
        cases: The cases that the program is run for; None to run it once.
        callback_secret: The secret that signs the requests to `callback_url`.
        files: The files beside the code, sorted by path.
        stdin_blob: The program's input, instead of `stdin`, if it is large or binary.
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
        """How often a worker may start; a lost leader of cases has no effect on the results so far."""
        return self.max_attempts if self.cases is None else max(self.max_attempts, CASES_ATTEMPTS)

    @property
    def max_code_bytes(self) -> int:
        """The maximum size of its code when it is read: the limit for uploads may have been lowered since."""
        return max(self.code_bytes, UNCOUNTED_CODE_BYTES)

    @property
    def queue(self) -> str:
        """The name of its runtime's queue, where executions wait that only some workers can run."""
        return queue_of(self.runtime or self.language.name)

    def retries(self, reason: Reason | None, attempt: int) -> bool:
        """Whether an attempt that ended for a reason is followed by another."""
        return reason in self.retry_on and attempt < self.max_attempts

    def without_stdin(self) -> Self:
        """Return the specification for an execution that has its own input."""
        return replace(self, stdin="", stdin_file=None, stdin_blob=None)

    @property
    def blobs(self) -> frozenset[BlobRef]:
        """The blobs that the job refers to."""
        own = [] if self.stdin_blob is None else [self.stdin_blob]
        own += [] if self.cases is None else self.cases.blobs
        return frozenset(chain((file.blob for file in self.files), own))


@dataclass(frozen=True, slots=True)
class TagChange:
    """A change of a job's tags: the tags to set, and the names of the tags to remove.

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
    """Parse the URL of a webhook's receiver.

    Raises:
        InvalidValue: It is not a valid URL.
    """
    try:
        return WebhookUrl(text)
    except InvalidValue as error:
        raise InvalidValue(name, error.detail) from None


def check_variables(field_name: str, variables: Mapping[str, str]) -> None:
    """Check the names and values of environment variables.

    Raises:
        InvalidValue: A name is not a POSIX name, or a value cannot be passed to a program. The message
            contains no value.
    """
    for name, value in variables.items():
        if not ENVIRONMENT_NAME.fullmatch(name):
            raise InvalidValue(field_name, text("problems.variable_name"))
        check_text(field_name, value)


def is_tag_name(text: str) -> bool:
    """Whether a text is a valid name of a tag."""
    return TAG_NAME.fullmatch(text) is not None


def _check_tags(tags: Mapping[str, str]) -> None:
    for name, value in tags.items():
        if not is_tag_name(name):
            raise InvalidValue("tags", text("problems.tag_name"))
        if not value.isprintable():
            raise InvalidValue("tags", text("problems.tag_value"))


def check_encodable(name: str, given: str) -> None:
    """Check that a text can be encoded.

    Raises:
        InvalidValue: It contains lone surrogates, which cannot be encoded.
    """
    try:
        given.encode()
    except UnicodeEncodeError:
        raise InvalidValue(name, text("problems.encodable")) from None


def check_text(name: str, given: str) -> None:
    """Check that a text can be passed to a program.

    Raises:
        InvalidValue: It cannot be encoded, or contains a NUL character.
    """
    check_encodable(name, given)
    if "\0" in given:
        raise InvalidValue(name, text("problems.no_nul"))
