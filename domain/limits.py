"""The limits of an execution, and the policy that resolves requested limits."""

from collections.abc import Mapping
from dataclasses import dataclass

from domain.catalogue.text import text
from domain.errors import InvalidValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of an execution. Times are in milliseconds, sizes in mebibytes (2**20 bytes).

    A build has separate time limits; all other limits apply to the program.
    """

    timeout_ms: int
    cpu_time_ms: int
    build_timeout_ms: int
    build_cpu_time_ms: int
    memory_mb: int
    processes: int
    open_files: int
    file_size_mb: int
    disk_mb: int
    files: int
    output_mb: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """The default of a limit, and the inclusive range that a caller may choose from."""

    default: int
    minimum: int
    maximum: int

    def __post_init__(self) -> None:
        if not self.minimum <= self.default <= self.maximum:
            raise InvalidValue("limits", f"{self.default} is not in {self.minimum}..{self.maximum}")

    def lowered_to(self, largest: int) -> "Bounds":
        """Return the bounds with a lower maximum (at least the minimum), and the default lowered to it."""
        maximum = max(min(self.maximum, largest), self.minimum)
        return Bounds(min(self.default, maximum), self.minimum, maximum)


STANDARD_BOUNDS: Mapping[str, Bounds] = {
    "timeout_ms": Bounds(default=30_000, minimum=100, maximum=600_000),
    "cpu_time_ms": Bounds(default=30_000, minimum=100, maximum=600_000),
    "build_timeout_ms": Bounds(default=30_000, minimum=100, maximum=600_000),
    "build_cpu_time_ms": Bounds(default=60_000, minimum=100, maximum=600_000),
    "memory_mb": Bounds(default=256, minimum=16, maximum=2_048),
    "processes": Bounds(default=64, minimum=1, maximum=512),
    "open_files": Bounds(default=256, minimum=16, maximum=4_096),
    "file_size_mb": Bounds(default=32, minimum=1, maximum=1_024),
    "disk_mb": Bounds(default=64, minimum=1, maximum=1_024),
    "files": Bounds(default=4_096, minimum=16, maximum=65_536),
    "output_mb": Bounds(default=16, minimum=1, maximum=64),
}


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """The bounds of every limit, by name."""

    bounds: Mapping[str, Bounds]

    def resolve(self, requested: Mapping[str, int]) -> Limits:
        """Fill in the defaults of limits that were not requested.

        Raises:
            InvalidValue: A requested limit does not exist or is out of its range.
        """
        for name, value in requested.items():
            bounds = self.bounds.get(name)
            if bounds is None:
                raise InvalidValue(name, text("problems.no_such_limit"))
            if not bounds.minimum <= value <= bounds.maximum:
                raise InvalidValue(
                    name, text("problems.between", minimum=bounds.minimum, maximum=bounds.maximum)
                )
        return Limits(**{name: requested.get(name, bounds.default) for name, bounds in self.bounds.items()})

    def lowered_to(self, largest: Mapping[str, int]) -> "LimitPolicy":
        """Return the policy with maximums, and any higher defaults, lowered to the given values."""
        if not largest:
            return self
        lowered = {name: self.bounds[name].lowered_to(most) for name, most in largest.items()}
        return LimitPolicy({**self.bounds, **lowered})


STANDARD_LIMITS = LimitPolicy(STANDARD_BOUNDS)
