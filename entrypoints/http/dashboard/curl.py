import shlex
from dataclasses import asdict

from application.commands import UploadCodeCommand
from entrypoints.http.dashboard.formatting import inert_json

_DEFAULTS = asdict(UploadCodeCommand(project="", code="", language=""))
_WAIT_S = 30


def curl(service_url: str, command: UploadCodeCommand) -> str:
    """Write the call that submits a job, for a POSIX shell.

    The body is a here-document, for an argument has a bound (Linux: 128 KiB) and code may have more. It is
    one line that begins with a brace, and so never the line that ends the document.
    """
    given = {name: value for name, value in asdict(command).items() if value != _DEFAULTS[name]}
    body = given | given.pop("limits", {})
    url = shlex.quote(f"{service_url}/api/upload?wait={_WAIT_S}")
    head = f"curl {url} -H 'Content-Type: application/json' --data-binary @- <<'EOF'"
    return "\n".join((head, inert_json(body), "EOF", ""))
