"""The command `completion`, which prints the completion script of a shell."""

import rich_click as click
from click.shell_completion import get_completion_class

from domain.catalogue.text import text
from entrypoints.cli.errors import ExitCode, Failure
from entrypoints.cli.values import Choice

PROGRAM = "service-server"
VARIABLE = "_SERVICE_SERVER_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion",
    epilog=f"bash, in ~/.bashrc: source <({PROGRAM} completion bash). zsh, in ~/.zshrc after compinit: "
    f"source <({PROGRAM} completion zsh). fish: {PROGRAM} completion fish > "
    f"~/.config/fish/completions/{PROGRAM}.fish",
)
@click.argument("shell", type=Choice(_SHELLS))
@click.pass_context
def command(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script that completes commands, options and values in SHELL."""
    found = get_completion_class(shell)
    if found is None:
        raise Failure(text("cli.no_completion", shell=shell), ExitCode.USAGE)
    click.echo(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
