"""Completion in a real bash, as a press of the Tab key asks for it."""

import shlex
import subprocess
from pathlib import Path

import pytest

from tests.support import service


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        (["jo"], {"jobs"}),
        (["jobs", "--lang"], {"--language"}),
        (["jobs", "--language", "py"], {"python"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(env, line, completed):
    words = ["service-server", *line]
    script = f"""
        source <(service-server completion bash)
        COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}
        function_name=$(complete -p service-server | sed 's/.*-F \\([^ ]*\\).*/\\1/')
        "$function_name" service-server
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    path = {**env, "PATH": f"{Path(service.PROGRAM).parent}:{env['PATH']}"}
    ran = subprocess.run(
        ["bash", "--norc", "-c", script], env=path, capture_output=True, text=True, timeout=60, check=True
    )
    assert (set(ran.stdout.split()), ran.stderr) == (completed, "")
