"""The tree follows the architecture."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OWN = {"domain", "application"}
PURE_MODULES = sorted(path for layer in sorted(OWN) for path in (ROOT / layer).rglob("*.py"))
USE_CASES = sorted((ROOT / "application/use_cases").glob("[!_]*.py"))
PORTS = sorted((ROOT / "application/ports").glob("[!_]*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def public_classes(path: Path) -> list[ast.ClassDef]:
    return [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def imported_packages(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{named(path)} has a relative import"
            yield (node.module or "").partition(".")[0]


def in_camel_case(path: Path) -> str:
    return "".join(word.capitalize() for word in path.stem.split("_"))


def test_the_layers_import_in_one_direction_only():
    # In a process of its own, for it sets up logging for all of its process.
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    linted = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("path", PURE_MODULES, ids=named)
def test_the_core_imports_nothing_but_itself_and_the_standard_library(path):
    foreign = set(imported_packages(path)) - OWN - sys.stdlib_module_names
    assert not foreign


@pytest.mark.parametrize("path", sorted((ROOT / "domain").glob("*.py")), ids=named)
def test_the_domain_imports_neither_the_application_nor_a_clock_nor_io(path):
    forbidden = {"application", "asyncio", "io", "logging", "os", "pathlib", "random", "socket", "time"}
    assert not set(imported_packages(path)) & forbidden


@pytest.mark.parametrize("path", USE_CASES, ids=named)
def test_a_use_case_is_one_class_of_the_file_s_name_that_states_its_rules_and_is_called(path):
    use_cases = [
        node
        for node in public_classes(path)
        if any(isinstance(member, ast.FunctionDef) and member.name == "__call__" for member in node.body)
    ]
    assert [node.name for node in use_cases] == [in_camel_case(path)]
    assert ast.get_docstring(use_cases[0])


@pytest.mark.parametrize("path", PORTS, ids=named)
def test_a_port_is_abstract_and_documented_to_its_last_method(path):
    ports = [node for node in public_classes(path) if "ABC" in {ast.unparse(base) for base in node.bases}]
    assert ports
    for port in ports:
        methods = [member for member in port.body if isinstance(member, ast.FunctionDef)]
        assert any("abstractmethod" in map(ast.unparse, method.decorator_list) for method in methods)
        assert all(ast.get_docstring(node) for node in (port, *methods))
