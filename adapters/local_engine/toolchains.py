"""The languages that this machine can build and run."""

import logging
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from adapters.local_engine.sandbox.cpu_affinity import allow_cpus
from adapters.local_engine.sandbox.interpreter_pool import PreloadHook
from adapters.local_engine.sandbox.own_commands import OwnCommands
from adapters.local_engine.sandbox.program import ENVIRONMENT, SYSTEM_PATH
from adapters.local_engine.sandbox.rootfs import HOOKS_ON_MACHINE
from application.ports.execution_engine import LanguageSupport
from domain.catalogue.text import Text, text
from domain.language import LANGUAGES, Language

_TABLE = Path(__file__).with_name("languages.toml")
_VERSION = re.compile(r"\d+(?:\.\d+)+")
_VERSION_TIMEOUT_S = 20
_LOOK_EVERY_S = 2.0
_NEVER = float("inf")

_log = logging.getLogger("service_server.local_engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeCommands:
    """The commands for a program of several files, where they differ from the commands for one file."""

    sources: Sequence[str] = ()
    build: Sequence[str] = ()
    run: Sequence[str] = ()
    marker: str = ""
    build_with_marker: Sequence[str] = ()
    run_directory: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """The commands of one language: a row of languages.toml, which explains the columns."""

    language: Language
    title: str
    executables: Sequence[str]
    install: str
    source: str
    run: Sequence[str]
    version: Sequence[str]
    memory: str
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    strips: Sequence[str] = ()
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    build: Sequence[str] = ()
    out_of_memory: Sequence[str] = ()
    warm: PreloadHook | None = None
    archive: Mapping[str, str] = field(default_factory=dict)
    compiler: Mapping[str, str] = field(default_factory=dict)
    tree: TreeCommands = field(default_factory=TreeCommands)
    presets: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def with_presets(self, names: Sequence[str]) -> "Toolchain":
        """Return the row with the flags of presets appended to its build: the last of several flags applies.

        Raises:
            KeyError: The language has no preset with one of the names.
        """
        flags = [flag for name in names for flag in self.presets[name]]
        if not flags:
            return self
        tree = replace(self.tree, build=[*self.tree.build, *flags]) if self.tree.build else self.tree
        return replace(self, build=[*self.build, *flags], tree=tree)

    @property
    def is_named_by_its_code(self) -> bool:
        """Whether the name of the source file depends on its content."""
        return "{source_class}" in self.source

    def build_with_archive(self, option: str) -> Sequence[str]:
        """Return the build command with the option that makes or uses a CDS archive; empty without one."""
        return self.with_archive(self.build, option)

    def with_archive(self, build: Sequence[str], option: str) -> Sequence[str]:
        """Return a compiler command with the option that makes or uses a CDS archive; empty without one."""
        return [build[0], self.archive[option], *build[1:]] if self.archive else ()

    def paths(self) -> Mapping[str, str | None]:
        """Find the paths of the executables and needed files; None for each missing one."""
        found = {name: shutil.which(name, path=SYSTEM_PATH) for name in self.executables}
        found.update({name: _first_of(places) for name, places in self.needs.items()})
        return found

    def extras(self) -> Mapping[str, str]:
        """Find the paths of the optional files; empty for each missing one."""
        return {name: _first_of(places) or "" for name, places in self.uses.items()}

    def advise(self, missing: Sequence[str]) -> Text:
        """Return a message that names the missing executables, the places searched and the remedy."""
        places = {name: ":".join(where) for name, where in self.needs.items()}
        sought = (
            text("engine.not_found_in", name=name, places=places.get(name, SYSTEM_PATH)) for name in missing
        )
        all_sought = reduce(
            lambda first, second: text("engine.not_found_both", first=first, second=second), sought
        )
        return text("engine.not_installed", language=self.title, missing=all_sought, install=self.install)


def _state(paths: Mapping[str, str | None]) -> Sequence[tuple[str, str | None, int]]:
    """Return the state of each executable, which differs after a replacement."""
    return [(name, path, _modified(path)) for name, path in paths.items()]


def _modified(path: str | None) -> int:
    try:
        return 0 if path is None else Path(path).stat().st_mtime_ns
    except FileNotFoundError:  # the executable is being replaced
        return 0


def _first_of(places: Sequence[str]) -> str | None:
    return next((place for place in places if Path(place).exists()), None)


def first_version(said: bytes) -> str | None:
    """Return the first version number in the output of a command."""
    found = _VERSION.search(said.decode("utf-8", "replace"))
    return None if found is None else found[0]


def fill(template: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Replace the placeholders in a command line of the table by their values.

    Raises:
        KeyError: A placeholder has no value.
    """
    return [_filled(part, names) for part in template]


def _filled(part: str, names: Mapping[str, str]) -> str:
    """Fill in one word. `str.format` would parse a name such as `lua5.4` as an attribute look-up."""
    text, *rest = part.split("{")
    for each in rest:
        name, _, behind = each.partition("}")
        text += names[name] + behind
    return text


def read_table() -> Sequence[Toolchain]:
    """Read the table of languages."""
    with _TABLE.open("rb") as file:
        return [_toolchain(name, row) for name, row in tomllib.load(file).items()]


def _toolchain(name: str, row: dict[str, Any]) -> Toolchain:
    warm, tree = row.pop("warm", None), row.pop("tree", {})
    return Toolchain(
        language=LANGUAGES[name],
        title=LANGUAGES[name].title,
        warm=PreloadHook(**warm) if warm else None,
        tree=TreeCommands(**tree),
        **row,
    )


class Toolchains:
    """The installed languages. Background threads look up their versions.

    Args:
        table: The rows of the languages; None for the ones in languages.toml.
        hooks: The directory of the interpreters' hooks, as programs see it.
    """

    def __init__(self, table: Sequence[Toolchain] | None = None, hooks: str = HOOKS_ON_MACHINE) -> None:
        self.hooks = hooks
        self._table = {toolchain.language: toolchain for toolchain in table or read_table()}
        self._paths = {language: toolchain.paths() for language, toolchain in self._table.items()}
        self._states = {language: _state(paths) for language, paths in self._paths.items()}
        self._support = {language: self._first_look(language) for language in self._table}
        self._processors = os.sched_getaffinity(0)
        self._looking = Lock()
        self._look_at = _NEVER
        self._commands = OwnCommands()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Start to look up versions and to notice installations."""
        self._commands = OwnCommands()
        self._look_at = time.monotonic() + _LOOK_EVERY_S
        self._begin_to_ask(list(self._table))

    def stop(self) -> None:
        """Stop all look-ups, and wait for their commands and threads to end."""
        with self._looking:
            self._look_at = _NEVER
        self._commands.stop()
        for thread in self._threads:
            thread.join()

    def support(self) -> Sequence[LanguageSupport]:
        """Return the support of every language."""
        self._look_again()
        return list(self._support.values())

    def find(self, language: Language) -> tuple[Toolchain, LanguageSupport]:
        """Return the row of a language and its support."""
        self._look_again()
        return self._table[language], self._support[language]

    def executables(self, language: Language) -> Mapping[str, str]:
        """Return the values of the placeholders in an available language's row: the paths of its files."""
        found = {name: path for name, path in self._paths[language].items() if path is not None}
        return {**found, **self._table[language].extras(), "hooks": self.hooks}

    @property
    def table(self) -> Sequence[Toolchain]:
        """The rows of all languages."""
        return list(self._table.values())

    def available(self) -> Sequence[tuple[Toolchain, Mapping[str, str]]]:
        """Return the rows of the available languages, with the values of their placeholders."""
        return [
            (toolchain, self.executables(language))
            for language, toolchain in self._table.items()
            if self._support[language].is_available
        ]

    def _look_again(self) -> None:
        """Look for new and removed installations, at most every two seconds."""
        if time.monotonic() < self._look_at or not self._looking.acquire(blocking=False):
            return
        try:
            changed = [language for language in self._table if self._has_changed(language)]
            if changed:
                self._begin_to_ask(changed)
            self._look_at = time.monotonic() + _LOOK_EVERY_S
        finally:
            self._looking.release()

    def _has_changed(self, language: Language) -> bool:
        paths = self._table[language].paths()
        state = _state(paths)
        if state == self._states[language]:
            return False
        self._paths[language], self._states[language] = paths, state
        self._support[language] = support = self._first_look(language)
        _log.info(
            "%s: %s", self._table[language].title, support.unavailable_because or "found on this machine"
        )
        return True

    def _first_look(self, language: Language) -> LanguageSupport:
        toolchain = self._table[language]
        missing = [name for name, path in self._paths[language].items() if path is None]
        if not missing:
            return LanguageSupport(language, version=None, is_version_awaited=True)
        return LanguageSupport(language, version=None, unavailable_because=toolchain.advise(missing))

    def _begin_to_ask(self, languages: Sequence[Language]) -> None:
        thread = Thread(target=self._ask_versions, args=(languages,), name="toolchain-versions", daemon=True)
        self._threads = [*filter(Thread.is_alive, self._threads), thread]
        thread.start()

    def _ask_versions(self, languages: Sequence[Language]) -> None:
        for language in languages:
            if self._support[language].is_available:
                support = self._ask_version(language)
                if self._commands.is_stopped:
                    return
                self._support[language] = support

    def _ask_version(self, language: Language) -> LanguageSupport:
        toolchain = self._table[language]
        argv = fill(toolchain.version, self.executables(language))
        allow_cpus(self._processors)
        try:
            done = self._commands.run(argv, _VERSION_TIMEOUT_S, env=ENVIRONMENT)
            done.check_returncode()
        except (OSError, subprocess.SubprocessError) as error:
            if not self._commands.is_stopped:
                _log.warning("the version of %s could not be determined: %s", toolchain.title, error)
            return LanguageSupport(
                language,
                None,
                text("engine.version_fails", language=toolchain.title, command=" ".join(argv)),
            )
        return LanguageSupport(language, first_version(done.stdout))
