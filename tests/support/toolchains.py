"""The toolchains of this machine, in tests."""

from adapters.local_engine.toolchains import Toolchains
from tests.support.processes import eventually


def knows_versions(toolchains: Toolchains) -> bool:
    """Wait until the versions of all available toolchains are known; return whether they are."""
    return eventually(lambda: not any(support.is_version_awaited for support in toolchains.support()))
