"""Handlers of the queue's messages."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from application.use_cases.complete_execution import MessageKey
from application.use_cases.report_completion import ReportCompletion
from domain.values import parse_execution_id


def completion_handler(report_completion: ReportCompletion) -> Callable[[Mapping[str, Any]], None]:
    """Return the handler of messages in the completions queue, whose format is in docs/production.md."""

    def handle(content: Mapping[str, Any]) -> None:
        body = content["body"]
        report_completion(
            parse_execution_id(body["execution_id"]),
            json.dumps(body["report"]).encode(),
            MessageKey("completions queue", str(UUID(str(content["id"])))),
        )

    return handle
