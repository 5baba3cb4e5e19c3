"""Unpacks a tar.gz of a user's code or model without letting it out of its folder.

tarfile's own data filter came with Python 3.11.4; Debian 12 ships 3.11.2.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path, PurePosixPath


class UnsafeArchiveError(ValueError):
    """A member leads out of the folder, or is neither a file nor a folder."""


def unpack(archive: Path, folder: Path) -> None:
    """Write the files of `archive` below `folder`, executable where they were. Raises tarfile.TarError for what is no archive."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "r:*") as source:
        for member in source:
            target = folder / _inside(member.name)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isreg():
                _write(source, member, target)
            else:
                raise UnsafeArchiveError(f"{member.name} is a link or a device: only files and folders are unpacked")


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise UnsafeArchiveError(f"{name} leads out of the archive")
    return path


def _write(source: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    content = source.extractfile(member)
    assert content is not None, "a regular file has content"
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(0o755 if member.mode & 0o100 else 0o644)
