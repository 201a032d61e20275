"""Compressed files and zip archives: their files taken out into a folder, or a refusal. It reads no survey file."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from connectors.survey_files.reader import GZIP, ZIP, opened
from connectors.survey_files.row_count import file_of, is_manifest
from connectors.survey_files.table import FileRefused

LARGEST_UNPACKED: Final = 8 * 1024**3
"""Bytes that may come out of one archive: some fifty million answers."""
MOST_FILES: Final = 1_000

_MOST_COMPRESSED: Final = 200
"""Times that a file may grow, beyond ``_SMALL``: answers grow fivefold to fiftyfold, a bomb a thousandfold."""
_SMALL: Final = 64 * 1024**2
_CHUNK: Final = 1 << 20
_OFFICE: Final = ("[Content_Types].xml", "mimetype")
_BESIDE: Final = ("__MACOSX", "Thumbs.db", "desktop.ini")
_DAMAGES: Final = (zipfile.BadZipFile, gzip.BadGzipFile, zlib.error, EOFError, NotImplementedError, ValueError)


def is_archive(path: Path) -> bool:
    """Whether a file is compressed with gzip or is a zip archive of files; a workbook is a file of its own."""
    if path.is_symlink() or not path.is_file() or not os.access(path, os.R_OK, effective_ids=True):
        return False  # refused with its reason when it is read
    with opened(path) as stream:
        start = stream.read(len(ZIP))
        if start.startswith(GZIP):
            return True
        if start != ZIP:
            return False
        try:
            names = {part.filename for part in zipfile.ZipFile(stream).infolist()}
        except (*_DAMAGES, OSError) as error:
            if not _is_damage(error):
                raise
            return path.suffix.lower() == ".zip"
    return names.isdisjoint(_OFFICE)


def unpack(path: Path, folder: Path) -> list[Path]:
    """Take the files out of an archive; those that an operating system puts beside them stay in it.

    Args:
        path: A file for which ``is_archive`` holds.
        folder: Where to make a folder for the files; each lies in a folder of its own, so that it keeps its name.

    Returns:
        The files, in the order of the archive.

    Raises:
        FileRefused: The archive is damaged, locked by a password, a bomb, or holds links, other archives, paths that
            lead out of it, or nothing.
    """
    folder.mkdir()
    with opened(path) as stream:
        try:
            if stream.read(len(GZIP)) == GZIP:
                stream.seek(0)
                name = path.stem if path.suffix.lower() == ".gz" else path.name
                with gzip.GzipFile(fileobj=stream) as packed:
                    found = [_taken(packed, folder / "1" / name, path.name, path.stat().st_size)]
            else:
                found = _unzipped(stream, path.name, folder)
        except (*_DAMAGES, OSError) as error:
            if not _is_damage(error):
                raise
            raise FileRefused(f"{path.name} is a damaged archive. Nothing of it was kept; pack it again.") from None
    if not found:
        raise FileRefused(f"{path.name} is an archive without files; nothing of it was kept.")
    for one in found:
        if is_archive(one):
            raise FileRefused(
                f"{path.name} holds another archive, {one.name}. Nothing of it was kept; put that one into the inbox."
            )
    return found


def _is_damage(error: Exception) -> bool:
    """Whether the archive is to blame: it may lead to a place before its start; a full disk is not its fault."""
    return isinstance(error, _DAMAGES) or getattr(error, "errno", None) == errno.EINVAL


def _unzipped(stream: IO[bytes], name: str, folder: Path) -> list[Path]:
    with zipfile.ZipFile(stream) as archive:
        parts = [part for part in archive.infolist() if not part.is_dir() and not _is_beside(part)]
        if len(parts) > MOST_FILES:
            raise FileRefused(f"{name} holds {len(parts)} files, more than {MOST_FILES}. Nothing of it was kept.")
        for part in parts:
            _refuse_unsafe(part, name)
        places = {part.filename: str(number) for number, part in enumerate(parts, 1)}
        found, left = [], LARGEST_UNPACKED
        for part in parts:
            packed_name = PurePosixPath(part.filename)
            # A manifest goes beside its file, where it is looked for.
            about = str(file_of(Path(packed_name))) if is_manifest(Path(packed_name)) else part.filename
            target = folder / places.get(about, places[part.filename]) / packed_name.name
            with archive.open(part) as packed:
                found.append(_taken(packed, target, name, part.compress_size, left))
            left -= found[-1].stat().st_size
        return found


def _is_beside(part: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(part.filename)
    return any(one in _BESIDE for one in path.parts) or path.name.startswith(".")


def _refuse_unsafe(part: zipfile.ZipInfo, name: str) -> None:
    path = PurePosixPath(part.filename)
    if path.is_absolute() or ".." in path.parts or "\\" in part.filename or ":" in part.filename:
        raise FileRefused(
            f"{name} holds a file whose path leads out of the archive. Nothing of it was kept; ask who packed it."
        )
    if stat.S_ISLNK(part.external_attr >> 16):
        raise FileRefused(
            f"{name} holds a symbolic link, {path.name}. Nothing of it was kept; pack the file itself instead."
        )
    if part.flag_bits & 1:
        raise FileRefused(f"{name} is locked by a password. Nothing of it was kept; pack it again without one.")


def _taken(
    packed: IO[bytes] | gzip.GzipFile, target: Path, name: str, compressed: int, left: int = LARGEST_UNPACKED
) -> Path:
    """Write out what comes, and stop before it is too much: stated sizes may lie."""
    most = min(left, max(_SMALL, _MOST_COMPRESSED * compressed), shutil.disk_usage(target.parents[1]).free // 2)
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with target.open("xb") as out:
        while chunk := packed.read(_CHUNK):
            size += len(chunk)
            if size > most:
                raise FileRefused(
                    f"{name} unpacks to far more than a file of answers can be, or than the disk has room for: it may "
                    "be a bomb. Nothing of it was kept; unpack it yourself if you trust it."
                )
            out.write(chunk)
    return target
