"""Handlers of the queue's messages."""

import json
from collections.abc import Callable, Mapping

from application.messages import Message
from application.use_cases.complete_execution import Receipt
from application.use_cases.report_completion import ReportCompletion
from application.use_cases.run_execution import RunExecution
from domain.values import parse_execution_id

Handler = Callable[[Message], object]


def worker_handlers(
    run_execution: RunExecution, report_completion: ReportCompletion
) -> Mapping[str, Handler]:
    """Returns a worker's handlers: a wake-up runs the next execution, a report ends the one that it names."""

    def report(message: Message) -> None:
        report_completion(
            parse_execution_id(message.body["execution_id"]),
            json.dumps(message.body["report"]).encode(),
            Receipt("completions queue", str(message.id)),
        )

    return {"ExecutionRequested": lambda _hint: run_execution(), "ExecutionReported": report}


def standalone_handlers(run_execution: RunExecution) -> Mapping[str, Handler]:
    """Returns a standalone runner's handlers: it runs the executions of this process alone."""

    def run(hint: Message) -> None:
        run_execution.run_standalone(parse_execution_id(hint.body["execution_id"]))

    return {"ExecutionRequested": run}
