"""Debian 13 with systemd and cgroup v2 in a virtual machine: the project's tests, or any command, in it.

User-mode Linux is an ordinary program, so neither KVM nor a kernel module is needed; root is, and mmdebstrap.
The first run builds a disk in some ten minutes and keeps it in SERVICE_SERVER_VM_DIR; later ones boot it in
ten seconds.

    python -m tests.vm test --as login --only demo      checks of kinds of session (sessions.toml), or all
    python -m tests.vm run --as login -- make demo      a command in a session of a kind
    python -m tests.vm boot NAME                        a machine that stays; 2.5 GB of memory at most
    python -m tests.vm run --in NAME --as scope -- id   a command in it; any number at once
    python -m tests.vm stop NAME

Commands run in the project, which is read-only there and at /host/project; .venv is that machine's own.
"""

import argparse
import os
import sys

from tests.vm.image import CannotRun
from tests.vm.machine import Machine, NotRunning, attach, boot, booted, running
from tests.vm.matrix import run_matrix
from tests.vm.passed import PassedChecks, passed_checks
from tests.vm.sessions import checks, sessions


def main() -> int:
    """Run a subcommand, and return its exit status: 2 where no machine can run."""
    arguments = _parser().parse_args()
    try:
        return arguments.do(arguments)
    except (CannotRun, NotRunning) as error:
        print(f"The virtual machine cannot run here: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.vm", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="run a command, in a machine that runs or in a new one")
    run.add_argument("--in", dest="name", help="a machine that 'boot' has started")
    run.add_argument("--as", dest="session", default="root-unit", choices=sessions())
    run.add_argument("--timeout", type=int, default=600, help="seconds (600)")
    run.add_argument("command", nargs="+")
    run.set_defaults(do=_run)
    test = commands.add_parser("test", help="run the checks of kinds of sessions, each kind in a new machine")
    test.add_argument("--as", dest="kinds", action="append", choices=sessions(), help="not every kind")
    test.add_argument("--only", action="append", default=[], choices=checks(), help="not every check")
    # A machine has one processor, and some of the time its tests wait.
    at_once = (os.cpu_count() or 1) + 1
    test.add_argument("--machines", type=int, default=at_once, help=f"so many at once ({at_once})")
    test.add_argument("--anew", action="store_true", help="also the checks of this commit that have passed")
    test.set_defaults(do=_test)
    boot = commands.add_parser("boot", help="boot a machine that stays until it is stopped")
    boot.add_argument("name")
    boot.set_defaults(do=_boot)
    stop = commands.add_parser("stop", help="switch a machine off")
    stop.add_argument("name")
    stop.set_defaults(do=_stop)
    commands.add_parser("list", help="show the machines that run").set_defaults(do=_list)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    if arguments.name is None:
        with booted(arguments.session) as machine:
            return _run_in(machine, arguments)
    return _run_in(attach(arguments.name), arguments)


def _run_in(machine: Machine, arguments: argparse.Namespace) -> int:
    session = sessions()[arguments.session]
    return machine.run(session, arguments.command, timeout_s=arguments.timeout)


def _test(arguments: argparse.Namespace) -> int:
    is_whole = not (arguments.kinds or arguments.only)
    passed = passed_checks(anew=arguments.anew) if is_whole else PassedChecks(None)
    return run_matrix(arguments.kinds or sessions(), arguments.only, arguments.machines, passed)


def _boot(arguments: argparse.Namespace) -> int:
    boot(arguments.name, outlives_us=True)
    return 0


def _stop(arguments: argparse.Namespace) -> int:
    attach(arguments.name).stop()
    return 0


def _list(_arguments: argparse.Namespace) -> int:
    print(*running(), sep=os.linesep)
    return 0


if __name__ == "__main__":
    sys.exit(main())
