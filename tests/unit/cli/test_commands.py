from collections import Counter

import click
import pytest

from entrypoints.cli.main import COMMANDS, service_server


def test_every_command_is_listed_once():
    assert [name for name, times in Counter(name for name, *_ in COMMANDS).items() if times > 1] == []


@pytest.mark.parametrize("name", [name for name, *_ in COMMANDS])
def test_a_command_has_the_name_by_which_it_is_called(name):
    with click.Context(service_server) as context:
        _, command, _ = service_server.resolve_command(context, [name])
    assert command.name == name
