"""The commands for a job: of its language's default runtime, or of another runtime."""

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.local_engine.runtimes import Runtimes
from adapters.local_engine.toolchains import Toolchain, Toolchains
from domain.catalogue.text import Text, text
from domain.submission import JobSpec


@dataclass(frozen=True, slots=True)
class JobTools:
    """The commands for a job.

    Attributes:
        lacking: Why this machine lacks the job's runtime; another worker may have it.
        refusal: Why no worker can run the job.
        is_default: Whether the commands belong to the default runtime of the language.
        version: The version of the compiler or interpreter; None if it is not known yet.
    """

    toolchain: Toolchain
    executables: Mapping[str, str]
    lacking: Text | str | None
    refusal: Text | None = None
    is_default: bool = False
    version: str | None = None


class ToolFinder:
    """Finds the commands for jobs on this machine."""

    def __init__(self, toolchains: Toolchains, runtimes: Runtimes) -> None:
        self._toolchains = toolchains
        self._runtimes = runtimes

    def find(self, spec: JobSpec) -> JobTools:
        """Return the commands of a job's runtime, with the flags of its presets."""
        toolchain, support = self._toolchains.find(spec.language)
        lacking: Text | str | None
        version = support.version
        is_default = spec.runtime in {None, spec.language.name}
        if is_default:
            executables, lacking = self._toolchains.executables(spec.language), support.unavailable_because
        else:
            runtime = self._runtimes.all().get(str(spec.runtime))
            if runtime is None or runtime.toolchain.language != spec.language:
                return JobTools(toolchain, {}, text("engine.runtime_not_here", runtime=spec.runtime))
            toolchain, executables = runtime.toolchain, {**runtime.paths, "hooks": self._toolchains.hooks}
            lacking, version = runtime.support.unavailable_because, runtime.support.version
        try:
            toolchain = toolchain.with_presets(spec.presets)
            return JobTools(toolchain, executables, lacking, is_default=is_default, version=version)
        except KeyError as error:
            refusal = text("engine.no_such_preset", title=toolchain.title, preset=error)
            return JobTools(toolchain, executables, lacking, refusal)
