"""The program `service-server` and its commands.

The module of a command is loaded when the command is called, so that help appears at once.
"""

import gc
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

import rich_click as click
from click.exceptions import NoSuchCommand

from application.errors import ApplicationError, Conflict, NotFound, Unprocessable
from domain.catalogue.text import Text, text
from domain.errors import DomainError
from entrypoints.cli.errors import ExitCode, Failure, in_language, sentence_of
from entrypoints.cli.framework_texts import TranslatedContext, translate_framework, use_translated_words
from entrypoints.cli.help_texts import translate, translated
from entrypoints.cli.terminal import one_line

# Each row has the name of a command, its location in this package, and its summary.
COMMANDS = (
    ("run", "run.command", "Run a program and exit with its exit code."),
    ("upload", "run.upload", "Upload a program without running it."),
    ("execute", "client_commands.execute", "Execute an uploaded job."),
    ("serve", "serve.command", "Serve the HTTP API."),
    ("worker", "worker.command", "Run queued jobs in separate processes."),
    ("runner", "runner.command", "Run programs for other services, as their runner."),
    ("health", "health.command", "Check the health of the process on this machine."),
    ("migrate", "migrate.command", "Upgrade, downgrade or check the database schema."),
    ("setup", "setup.command", "Create the first administrator key."),
    ("keys", "keys.command", "Create, list, rotate and revoke API keys."),
    ("tenants", "tenants.command", "Manage tenants and their quotas."),
    ("audit", "audit.command", "Verify and export the audit log."),
    ("purge", "purge.command", "Delete jobs, logs and records past their retention."),
    ("backup", "backup.backup", "Back up all data of an embedded service to one file."),
    ("restore", "backup.restore", "Restore a backup to an empty data directory."),
    ("import", "import_.command", "Import the database of the service that this one replaces."),
    ("dead-letters", "dead_letters.command", "Inspect and requeue completions that could not be processed."),
    ("jobs", "jobs.command", "List jobs, newest first."),
    ("status", "client_commands.status", "Print the status of a job."),
    ("logs", "logs.command", "Print the output of a job."),
    ("cancel", "bulk.cancel", "Cancel jobs and stop their programs."),
    ("batch", "batch.command", "Submit many jobs at once and follow them."),
    ("rerun", "bulk.rerun", "Run jobs again, optionally with other input or arguments."),
    ("tag", "bulk.tag", "Add and remove tags of jobs."),
    ("delete", "bulk.delete", "Delete jobs with their code and logs."),
    ("projects", "projects.command", "List, create, archive, restore and delete projects."),
    ("case-sets", "case_sets.command", "Store, list and show the test cases of a project."),
    ("webhooks", "webhooks.command", "Post events of jobs to URLs, and inspect the deliveries."),
    ("languages", "client_commands.languages", "List the supported languages."),
    ("runtimes", "runtimes.command", "Add, list and remove versions and environments of languages."),
    ("completion", "completion.command", "Print the shell completion script of bash, zsh or fish."),
    ("doctor", "doctor.command", "Check the installation, its settings, health and languages."),
)
_HELP = frozenset({"-h", "--help"})
# The framework sets this variable while it completes a line.
_COMPLETES = "_SERVICE_SERVER_COMPLETE"
_LOCATIONS = {name: location for name, location, _summary in COMMANDS}
_SUMMARIES = {name: summary for name, _location, summary in COMMANDS}


class _Commands(click.RichGroup):
    """Lists commands by their summaries, and loads only the command that is called.

    Help texts are translated when they are shown.
    """

    context_class = TranslatedContext
    _shown: Callable[[str], str] = staticmethod(str)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        translate_framework()
        return super().parse_args(ctx, args)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_SUMMARIES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        summary = _SUMMARIES.get(name)
        return None if summary is None else click.RichCommand(name=name, help=self._shown(summary))

    def get_help(self, ctx: click.Context) -> str:
        self._shown = translated
        translate(self, ctx)
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
            translate(command, ctx)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Failure(text("cli.interrupted"), ExitCode.INTERRUPTED) from None
        except UnicodeEncodeError:
            # Python represents bytes of arguments that are not UTF-8 by characters that UTF-8 does not have.
            argument = next((each for each in sys.argv if not _is_utf8(each)), None)
            if argument is None:
                raise
            raise Failure(text("cli.argument_not_utf8", argument=argument), ExitCode.USAGE) from None


def _is_utf8(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def _load(location: str) -> click.Command:
    module, _dot, command = location.partition(".")
    # Modules are never freed. Collecting garbage during the import, and scanning modules later, would take an
    # eighth of the start.
    gc.disable()
    loaded: click.Command = getattr(import_module(f"entrypoints.cli.{module}"), command)
    gc.freeze()
    gc.enable()
    use_translated_words(loaded)
    return loaded


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without --server, a command works on this machine with the current settings.",
)
@click.version_option(package_name="service-server", message="%(prog)s %(version)s")
def service_server() -> None:
    """Upload code, run it, and read its result and log."""


def main() -> None:
    """Run the command line, and report a failure in one sentence."""
    _open_output()
    # Containers are stopped by SIGTERM, which the kernel ignores for process 1 unless there is a handler.
    if os.getpid() == 1:
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


def _open_output() -> None:
    """Discard what is written to a stdout or stderr that the parent process has closed.

    Characters that the encoding of the terminal lacks are escaped, as Python does on stderr.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.encoding.lower().startswith("utf"):
        sys.stdout.reconfigure(errors="backslashreplace")


def _sentence(error: Exception) -> Text | str:
    """Return the cause and the remedy of a refusal by the host, or else the error itself."""
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
