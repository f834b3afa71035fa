"""The text that `serve` prints once it listens."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from entrypoints.cli.parts import parts
from entrypoints.settings import Settings

# A program, and what it reads. Runners give theirs nothing to read.
_SUM = ("print(sum(map(int, input().split())))", "input_data=1+2+3&")
_ANSWER = ("print(6 * 7)", "")
_UPLOAD = (
    "curl -s {url}/api/upload -H 'Content-Type: application/json' -d "
    """'{{"project": "first", "language": "python", "code": "{code}"}}'"""
)


def banner(settings: Settings, warning: str | None) -> Iterator[str]:
    """Describe the address and the parts of a server, and the commands for a first program."""
    url = f"http://{_reachable(settings.host)}:{settings.port}"
    yield f"Service Server listens on {url} (API page: {url}/docs)"
    for name, what in parts(settings):
        yield f"  {name:<9} {what}"
    if warning is not None:
        yield f"\n  WARNING: {warning}"
    reads_stdin = not settings.uses_runners
    code, stdin = _SUM if reads_stdin else _ANSWER
    yield "\nA first program, with curl:"
    yield f"""  JOB=$({_UPLOAD.format(url=url, code=code)} | cut -d'"' -f4)"""
    yield f'  curl -s -X POST "{url}/api/execute/$JOB?{stdin}wait=10"'
    if reads_stdin:
        yield "and with the command line:"
        yield f"  {_program()} run --server {url} --stdin 'to be or not to be' examples/words.py"
    yield ""


def _program() -> str:
    """Return the command of this program from the current directory."""
    name = Path(sys.argv[0])
    found = shutil.which(name.name)
    if found is not None and Path(found).resolve() == name.resolve():
        return name.name
    return os.path.relpath(name)


def _reachable(host: str) -> str:
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - compared with, not listened on
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
