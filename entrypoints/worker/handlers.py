"""What is done about the messages that ask for work."""

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
    """Return what a worker does: a hint has it run whatever waits, a report ends what it reports of."""

    def report(message: Message) -> None:
        report_completion(
            parse_execution_id(message.body["execution_id"]),
            json.dumps(message.body["report"]).encode(),
            Receipt("completions queue", str(message.id)),
        )

    return {"ExecutionRequested": lambda _hint: run_execution(), "ExecutionReported": report}


def guest_handlers(run_execution: RunExecution) -> Mapping[str, Handler]:
    """Return what a guest does: it runs what this process asked for, and nothing of others."""

    def run(hint: Message) -> None:
        run_execution.run_standalone(parse_execution_id(hint.body["execution_id"]))

    return {"ExecutionRequested": run}
