"""The base of the images: Debian 13 as its slim image has it, made by mmdebstrap and kept for a week."""

import os
import shutil
import subprocess
import time
from pathlib import Path

DIRECTORY = Path(os.environ.get("SERVICE_SERVER_IMAGES_DIR", "/var/cache/service-server-images"))
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_KEPT_S = 7 * 24 * 3600
# As of the slim images: no documents, and no translations.
_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
)


def base() -> Path:
    """Return the archive of a root file system with this machine's authorities of TLS."""
    archive = DIRECTORY / "base.tar"
    if archive.exists() and time.time() - archive.stat().st_mtime < _KEPT_S:
        return archive
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    unfinished = DIRECTORY / "unfinished.tar"
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", "--include=ca-certificates"),
            *(f"--dpkgopt={option}" for option in _OPTIONS),
            f'--customize-hook=cp {_CERTIFICATES} "$1{_CERTIFICATES}"',
            *("trixie", unfinished),
        ],
        check=True,
        timeout=900,
    )
    unfinished.replace(archive)
    return archive


def require_space(directory: Path, free_bytes: int) -> None:
    """Refuse to begin where the images do not fit.

    Raises:
        RuntimeError: Less is free.
    """
    free = shutil.disk_usage(directory).free
    if free < free_bytes:
        raise RuntimeError(
            f"The images take {free_bytes >> 30} GiB in {directory}, and {free >> 30} GiB are free. "
            "SERVICE_SERVER_IMAGES_DIR names another directory."
        )
