"""A manifest beside a file states its number of rows: ``answers.csv.manifest.json`` with ``{"rows": 1200}``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from connectors.survey_files.reader import opened
from connectors.survey_files.table import FileRefused

ENDING: Final = ".manifest.json"

_LARGEST: Final = 1 << 16
"""Bytes; a manifest has some dozens."""


def is_manifest(path: Path) -> bool:
    """Whether a file is named as the manifest of another one."""
    return path.name.lower().endswith(ENDING) and len(path.name) > len(ENDING)


def manifest_of(path: Path) -> Path:
    """Where the manifest of a file stands if it has one."""
    return path.with_name(path.name + ENDING)


def file_of(manifest: Path) -> Path:
    """The file that a manifest is about."""
    return manifest.with_name(manifest.name[: -len(ENDING)])


def refuse_other_count(path: Path, rows: int) -> None:
    """Refuse a file whose manifest states another number of rows.

    Args:
        path: The file.
        rows: How many rows were found below its header.

    Raises:
        FileRefused: The numbers differ, or the manifest states none.
    """
    manifest = manifest_of(path)
    if not (manifest.is_symlink() or manifest.exists()):
        return
    with opened(manifest) as stream:
        content = stream.read(_LARGEST)
    try:
        stated = json.loads(content)["rows"]
    except (ValueError, KeyError, TypeError, RecursionError):
        stated = None
    if not isinstance(stated, int) or isinstance(stated, bool):
        raise FileRefused(
            f'{manifest.name} states no number of rows: it must read {{"rows": 1200}}. Nothing of {path.name} was '
            "kept; mend the manifest, or take it away."
        )
    if stated != rows:
        raise FileRefused(
            f"{path.name} has {rows} rows, but {manifest.name} says {stated}: the file was cut off, or the manifest is "
            "of another one. Nothing of it was kept; export both again."
        )
