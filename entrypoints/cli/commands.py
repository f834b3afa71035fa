"""The list of commands. A command's module is loaded when it is called, so that help comes at once."""

from importlib import import_module

import rich_click as click

from entrypoints.cli.failure import ExitCode, Failure

# Each: the command, its module in this package, and what it does.
COMMANDS = (
    ("run", "run", "Run a program and end with its exit code."),
    ("serve", "serve", "Serve the HTTP API."),
    ("worker", "worker", "Run what the API accepts, in processes of their own."),
    ("migrate", "migrate", "Bring the database's schema up to date."),
    ("backup", "backup", "Write all data of an embedded service to one file."),
    ("restore", "restore", "Unpack such a file into a new data directory."),
    ("import", "import_", "Import the database of the service that this one replaces."),
    ("dead-letters", "dead_letters", "Look at messages that nobody could handle."),
    ("jobs", "jobs", "List jobs, newest first."),
    ("status", "status", "Say where a job stands."),
    ("logs", "logs", "Print what a job's program wrote."),
    ("cancel", "cancel", "Cancel a job and stop its program."),
    ("projects", "projects", "List projects."),
    ("languages", "languages", "List the languages that programs may be written in."),
    ("doctor", "doctor", "Say what is installed, what is set, and what is missing."),
)
_MODULES = {name: f"entrypoints.cli.{module}" for name, module, _summary in COMMANDS}
_SUMMARIES = {name: summary for name, _module, summary in COMMANDS}


class _Commands(click.RichGroup):
    """Lists commands by their summaries alone, and loads the one that is called."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_SUMMARIES)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        summary = _SUMMARIES.get(name)
        return None if summary is None else click.RichCommand(name=name, help=summary)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, listed, rest = super().resolve_command(ctx, args)
        command = listed if name is None else import_module(_MODULES[name]).command
        return name, command, rest

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Failure("interrupted", ExitCode.INTERRUPTED) from None


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Without --server a command works on this machine, with the settings in force.",
)
@click.version_option(package_name="service-server")
def service_server() -> None:
    """Upload code, run it, read its result and its log."""
