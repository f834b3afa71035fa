"""Limits on the size of submissions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from domain.catalogue.text import text
from domain.errors import InvalidValue, TooLarge
from domain.files import FileLimits
from domain.submission import NO_VARIABLES, TAG_MAX_CHARS, JobSpec, check_encodable, check_text, webhook_url
from domain.webhook_url import WebhookUrl


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
        """Encode source code, which may be empty, as it is stored.

        Raises:
            InvalidValue: The code contains a NUL character.
            TooLarge: It is larger than `code_bytes`.
        """
        check_text("code", code)
        encoded = code.encode()
        _check_size("code", len(encoded), self.code_bytes)
        return encoded

    def check_stdin(self, stdin: str) -> None:
        """Check the input of a program.

        Raises:
            InvalidValue: It cannot be encoded as UTF-8.
            TooLarge: It is larger than `stdin_bytes`.
        """
        check_encodable("stdin", stdin)
        _check_size("stdin", len(stdin.encode()), self.stdin_bytes)

    def check_stdin_file(self, size: int) -> None:
        """Check the size of an input that is stored as a file.

        Raises:
            TooLarge: It is larger than `stdin_file_bytes`.
        """
        _check_size("stdin", size, self.stdin_file_bytes)

    def check_text(self, name: str, given: str) -> None:
        """Check a free text, such as a description.

        Raises:
            InvalidValue: It is too long, or contains a NUL character.
        """
        check_text(name, given)
        if len(given) > self.text_chars:
            raise InvalidValue(name, text("problems.characters", maximum=self.text_chars))

    def check_arguments(self, arguments: Sequence[str]) -> None:
        """Check the arguments of one case.

        Raises:
            InvalidValue: There are too many, or one cannot be passed to a program.
            TooLarge: They exceed the maximum total size.
        """
        if len(arguments) > self.arguments:
            raise InvalidValue("args", text("problems.arguments", maximum=self.arguments))
        for argument in arguments:
            check_text("args", argument)
        _check_size("args", sum(len(given.encode()) for given in arguments), self.arguments_bytes)

    def check_url(self, name: str, text: str) -> WebhookUrl:
        """Parse the URL of a webhook's receiver.

        Raises:
            InvalidValue: It is not a valid URL, or leads to an address that is not allowed.
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
        """Check the sizes of everything submitted beside the code; secret variables count like others.

        Raises:
            InvalidValue: There are too many items of a kind.
            TooLarge: A value is larger than its limit.
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


def _check_size(name: str, size: int, allowed: int) -> None:
    if size > allowed:
        raise TooLarge(name, text("problems.bytes_allowed", size=size, allowed=allowed))
