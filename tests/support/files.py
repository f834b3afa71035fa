"""Files in directories that a service is using."""

import os
from pathlib import Path


def files_below(*directories: Path) -> list[Path]:
    """Return the files in directories, some of which may be created or removed meanwhile."""
    return [
        Path(directory, name)
        for top in directories
        for directory, _directories, names in os.walk(top)
        for name in names
    ]
