"""The receivers of docs/webhooks.md, as they are written there."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.webhook_sender.sender import HttpWebhookSender
from application.ports.webhook_sender import PostFailed
from domain.webhook_signing import WebhookSecret, signed_headers
from domain.webhook_url import WebhookUrl
from tests.support.processes import PATIENCE_S

PAGE = Path(__file__).parents[3] / "docs" / "webhooks.md"
BODY = '{"type":"job.completed","timestamp":"2026-01-01T00:00:00Z","data":{"job_id":"4 é"}}'.encode()
PROGRAMS = {"python": [sys.executable, "-u"], "node": [shutil.which("node") or "node"]}


def documented(language):
    code = re.search(rf"<!-- example: {language} -->\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert code is not None
    return code[1]


@contextmanager
def receiving(language, secret, directory):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file = directory / ("receiver.py" if language == "python" else "receiver.js")
    file.write_text(documented(language))
    environment = os.environ | {"WEBHOOK_SECRET": secret.value, "PORT": str(port)}
    command = [*PROGRAMS[language], str(file)]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield WebhookUrl(f"http://127.0.0.1:{port}/"), process
        finally:
            process.kill()


def post(url, headers, body=BODY):
    """Post, once the receiver listens."""
    sender = HttpWebhookSender(PATIENCE_S, allows_private=True)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return sender.post(url, headers, body).status
        except PostFailed:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_receiver_takes_what_is_signed_and_nothing_else(language, tmp_path):
    secret, other = WebhookSecret.generate(), WebhookSecret.generate()
    now = int(time.time())
    with receiving(language, secret, tmp_path) as (url, process):
        assert post(url, signed_headers([secret], "id", now, BODY)) == 204
        assert process.stdout.readline().decode().split(" ", 1) == ["job.completed", "4 é\n"]
        # During a rotation there are two signatures, of which one is known.
        assert post(url, signed_headers([other, secret], "id", now, BODY)) == 204
        for refused in (
            signed_headers([other], "id", now, BODY),
            signed_headers([secret], "id", now - 3_600, BODY),
            signed_headers([secret], "another", now, BODY) | {"webhook-id": "id"},
            signed_headers([secret], "id", now, BODY + b" "),
            signed_headers([secret], "id", now, BODY) | {"webhook-signature": "v1,"},
            signed_headers([secret], "id", now, BODY) | {"webhook-signature": "v2,abc"},
        ):
            assert post(url, refused) == 401
