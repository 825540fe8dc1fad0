"""What is uploaded, and what it becomes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from .process import MIB


def binary_size(binary: Path) -> float:
    """Return the size of a binary in MiB."""
    return binary.stat().st_size / MIB


def package_size(binary: Path) -> float:
    """Return the size in MiB of what SAM uploads: the binary as `bootstrap`, deflated as SAM does."""
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(binary, "bootstrap")
    return package.getbuffer().nbytes / MIB
