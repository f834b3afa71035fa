"""Files of directories in which a service is at work."""

import os
from pathlib import Path


def files_below(*directories: Path) -> list[Path]:
    """Return the files in directories; some of these may be made and removed meanwhile."""
    return [
        Path(directory, name)
        for top in directories
        for directory, _directories, names in os.walk(top)
        for name in names
    ]
