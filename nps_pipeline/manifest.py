"""The manifest of a load: what one load brought, as it is written and read. Loads themselves are in ``landing``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from connectors.base import Mode
from nps_pipeline.errors import PipelineError

SCHEMA_VERSION = 1
# The modes of a pull that lists everything that a source has.
LISTINGS: tuple[Mode, ...] = ("full", "reconcile")
NAME = "manifest.json"


class LandingError(PipelineError):
    """The landing zone is not as this module leaves it; the text names the directory and the remedy."""


@dataclass(frozen=True)
class LandedFile:
    """The survey file that a load came from; ``bytes`` is its size."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class Part:
    """One Parquet file of a load."""

    name: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What one load brought: written last, read by every later stage.

    Of a pull of everything, ``live_records`` are the live records that it listed, also those that were landed before,
    and ``live_before`` those that were landed as live before it; None of other pulls. ``source_count``: how many the
    source itself counts. Of a reconcile, ``late_rows`` should have been in an earlier pull, and ``unlisted_rows`` are
    the deletes of records that it did not list.

    A pull of many records is several loads; only the last one ``is_drained``, and only that one can be a listing. Where
    a pull was interrupted, the next one goes on behind a load that is not drained.
    """

    load_id: str
    load_seq: int
    source: str
    stream: str
    mode: Mode
    cursor_before: Mapping[str, Any]
    cursor_after: Mapping[str, Any]
    rows: int
    reread_rows: int
    deleted_rows: int
    source_count: int | None
    requests: int
    bytes: int
    started_at: str
    finished_at: str
    connector_version: str
    mapping_hash: str
    parts: Sequence[Part] = ()
    file: LandedFile | None = None
    replaces: Sequence[str] = ()
    api_budget: Mapping[str, Any] | None = None
    live_records: int | None = None
    live_before: int | None = None
    late_rows: int | None = None
    unlisted_rows: int | None = None
    is_drained: bool = True
    schema_version: int = SCHEMA_VERSION


def place(manifest: Manifest) -> Path:
    """The directory of a load, relative to the landing zone."""
    return Path(manifest.source, manifest.stream, f"{manifest.load_seq:08d}-{manifest.load_id}")


def write_manifest(scratch: Path, manifest: Manifest) -> Path:
    """Write the manifest into the directory of a load that is not visible yet; the caller makes it durable."""
    path = scratch / NAME
    path.write_text(json.dumps(asdict(manifest), indent=1), encoding="utf-8")
    return path


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a visible load.

    Raises:
        LandingError: It is missing, damaged, of a newer format, or of another load.
    """
    remedy = "Restore this directory from a backup; the other loads are untouched."
    try:
        document = json.loads((directory / NAME).read_text(encoding="utf-8"))
        version = int(document["schema_version"])
        if version == SCHEMA_VERSION:
            document["parts"] = tuple(Part(**part) for part in document["parts"])
            document["file"] = LandedFile(**document["file"]) if document["file"] else None
            document["replaces"] = tuple(document["replaces"])
            manifest = Manifest(**document)
            expected = place(manifest)
    except (OSError, ValueError, TypeError, KeyError):
        raise LandingError(f"The load {directory} has no readable manifest.json. {remedy}") from None
    if version != SCHEMA_VERSION:
        raise LandingError(
            f"The load {directory} was written in format {version}, this version reads format {SCHEMA_VERSION}. "
            "Run the version of the pipeline that wrote it."
        )
    if directory.parts[-3:] != expected.parts:
        raise LandingError(f"The load {directory} was renamed: its manifest says {expected}. {remedy}")
    return manifest
