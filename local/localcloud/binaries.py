"""Where the functions' binaries come from: the `bootstrap` in the code that was deployed."""

from __future__ import annotations

import functools
import io
import os
import shutil
import stat
import tempfile
import threading
import zipfile
from pathlib import Path

from moto.awslambda.models import LambdaFunction

BOOTSTRAP = "bootstrap"

_unpacking = threading.Lock()


def binary_of(function: LambdaFunction) -> Path:
    """Return the executable of a function of a `provided` runtime; its code is unpacked the first time.

    It may be missing: then the code holds no bootstrap, and starting it fails as on AWS.
    """
    return _unpacked(function.code_sha_256, function.code_bytes) / BOOTSTRAP


def pack(binary: Path) -> bytes:
    """Return code whose bootstrap is a link to the binary, so that what is built anew is run at once."""
    link = zipfile.ZipInfo(BOOTSTRAP)
    link.create_system = 3  # Unix, which makes the mode count
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.writestr(link, str(binary.absolute()))
    return archive.getvalue()


def _unpacked(digest: str, code: bytes) -> Path:
    with _unpacking:
        folder = _root() / digest.replace("/", "_").rstrip("=")
        if not folder.exists():
            beginning = folder.with_suffix(".part")
            shutil.rmtree(beginning, ignore_errors=True)
            beginning.mkdir()
            with zipfile.ZipFile(io.BytesIO(code)) as archive:
                for entry in archive.infolist():
                    _extract(archive, entry, beginning)
            beginning.rename(folder)
        return folder


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, folder: Path) -> None:
    """Extract with the mode, which `zipfile` leaves out; a link stays a link."""
    mode = entry.external_attr >> 16
    if stat.S_ISLNK(mode):
        os.symlink(archive.read(entry).decode(), folder / entry.filename)
        return
    path = Path(archive.extract(entry, folder))
    if mode and not entry.is_dir():
        path.chmod(stat.S_IMODE(mode))


@functools.cache
def _root() -> Path:
    """Return the folder of this process; it goes when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="localcloud-functions-")
    _folders.append(folder)
    return Path(folder.name)


_folders: list[tempfile.TemporaryDirectory[str]] = []
