"""The program `service-server` and its commands.

A command's module is loaded when it is called, so that help comes at once.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module

import rich_click as click
from click.exceptions import NoSuchCommand

from application.errors import ApplicationError, Conflict, NotFound, Unprocessable
from domain.catalogue.text import Text, text
from domain.errors import DomainError
from entrypoints.cli.errors import ExitCode, Failure, in_language, sentence_of
from entrypoints.cli.help_texts import translate, translated
from entrypoints.cli.terminal import one_line

# Each: the command, where it is in this package, and its summary.
COMMANDS = (
    ("run", "run.command", "Run a program and end with its exit code."),
    ("upload", "run.upload", "Upload a program, and execute it later."),
    ("execute", "client_commands.execute", "Execute a job that was uploaded."),
    ("serve", "serve.command", "Serve the HTTP API."),
    ("worker", "worker.command", "Run what the API accepts, in processes of their own."),
    ("runner", "runner.command", "Run programs for services that name it as their runner."),
    ("health", "health.command", "Ask the process on this machine whether it works."),
    ("migrate", "migrate.command", "Bring the database's schema up to date."),
    ("setup", "setup.command", "Make the first administrator's key."),
    ("keys", "keys.command", "Create, list, rotate and revoke API keys."),
    ("tenants", "tenants.command", "Create, list, suspend, resume and delete tenants; set quotas."),
    ("audit", "audit.command", "Verify the chain of the audit log, and export it."),
    ("purge", "purge.command", "Remove jobs, logs and records that are older than retention keeps them."),
    ("backup", "backup.backup", "Write all data of an embedded service to one file."),
    ("restore", "backup.restore", "Unpack such a file into a new data directory."),
    ("import", "import_.command", "Import the database of the service that this one replaces."),
    ("dead-letters", "dead_letters.command", "Inspect and requeue completions that could not be handled."),
    ("jobs", "jobs.command", "List jobs, newest first."),
    ("status", "client_commands.status", "Print the status of a job."),
    ("logs", "logs.command", "Print the output of a job's program."),
    ("cancel", "bulk.cancel", "Cancel jobs and stop their programs."),
    ("batch", "batch.command", "Submit many jobs at once, and follow them together."),
    ("rerun", "bulk.rerun", "Run jobs again, with other input or arguments."),
    ("tag", "bulk.tag", "Give tags to jobs, and remove tags."),
    ("delete", "bulk.delete", "Delete jobs with their code and logs."),
    ("projects", "projects.command", "List, create, archive, restore and delete projects."),
    ("case-sets", "case_sets.command", "Store the cases of a project, in versions; list and show them."),
    ("webhooks", "webhooks.command", "Have starts and ends of jobs posted to URLs; see the attempts."),
    ("languages", "client_commands.languages", "List the languages that programs may be written in."),
    ("runtimes", "runtimes.command", "Add, list and remove versions and environments of languages."),
    ("completion", "completion.command", "Print the completion script of bash, zsh or fish."),
    ("doctor", "doctor.command", "Report versions, settings, health, languages, and missing parts."),
)
_HELP = frozenset({"-h", "--help"})
# The framework's, while it completes a line.
_COMPLETES = "_SERVICE_SERVER_COMPLETE"
_LOCATIONS = {name: location for name, location, _summary in COMMANDS}
_SUMMARIES = {name: summary for name, _location, summary in COMMANDS}


class _Commands(click.RichGroup):
    """Lists commands by their summaries alone, and loads the one that is called.

    Help texts are translated where they are shown.
    """

    _shown: Callable[[str], str] = staticmethod(str)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_SUMMARIES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        summary = _SUMMARIES.get(name)
        return None if summary is None else click.RichCommand(name=name, help=self._shown(summary))

    def get_help(self, ctx: click.Context) -> str:
        self._shown = translated
        translate(self)
        return super().get_help(ctx)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            name, listed, rest = super().resolve_command(ctx, args)
        except NoSuchCommand as error:
            raise NoSuchCommand(error.command_name, possibilities=_SUMMARIES, ctx=ctx) from None
        if name is None:
            return name, listed, rest
        command = _load(_LOCATIONS[name])
        if not rest or not _HELP.isdisjoint(rest) or _COMPLETES in os.environ:
            translate(command)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Failure(text("cli.interrupted"), ExitCode.INTERRUPTED) from None


def _load(location: str) -> click.Command:
    module, _dot, command = location.partition(".")
    # Modules stay: collecting garbage while they load, and looking at them later, takes an eighth of a start.
    gc.disable()
    loaded: click.Command = getattr(import_module(f"entrypoints.cli.{module}"), command)
    gc.freeze()
    gc.enable()
    return loaded


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without --server a command works on this machine, with the settings in force.",
)
@click.version_option(package_name="service-server")
def service_server() -> None:
    """Upload code, run it, read its result and its log."""


def main() -> None:
    """Run the command line, and report a failure in a sentence."""
    if (
        os.getpid() == 1
    ):  # the kernel ignores a signal to it that has no handler, and containers are stopped by one
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        service_server.main(prog_name="service-server")
    except Failure as failure:
        _end(sentence_of(failure), failure.exit_code)
    except (DomainError, Conflict, NotFound, Unprocessable) as error:
        _end(sentence_of(error), ExitCode.FAILED)
    except ApplicationError as error:
        _end(sentence_of(error), ExitCode.SERVICE)
    except Exception as error:
        if _is_debugging():
            raise
        _end(in_language(_sentence(error)), ExitCode.SERVICE)


def _sentence(error: Exception) -> Text | str:
    """Return cause and remedy of a refusal by the host; else the error as it is."""
    from adapters.common.obstacles import explain, refusal_of  # noqa: PLC0415 - slows every command down

    refusal = refusal_of(error)
    if refusal is not None:
        return explain(refusal)
    return text("cli.unexpected", kind=type(error).__name__, detail=str(error))


def _is_debugging() -> bool:
    from entrypoints.cli.settings_report import load_settings  # noqa: PLC0415 - slows every command down

    try:
        return load_settings().debug
    except Failure:
        return False


def _end(message: str, exit_code: int) -> None:
    if message:
        click.echo(f"service-server: {one_line(message)}", err=True)
    sys.exit(exit_code)
