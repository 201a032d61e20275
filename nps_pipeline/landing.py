"""The landing zone: alone writes and lists loads. What a payload means is unknown here.

A load is a directory ``landing/<source>/<stream>/<load_seq>-<load_id>/`` of Parquet parts and a manifest. It is written
below ``landing/.tmp`` and becomes visible in one rename, its cursor inside, so rows and cursor commit together.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.base import Budget, Mode, Page, Record
from nps_pipeline.comparison import Comparison, compare
from nps_pipeline.home import Home, fsync_directory, fsync_file, lock
from nps_pipeline.manifest import (
    LISTINGS,
    LandedFile,
    LandingError,
    Manifest,
    Part,
    place,
    read_manifest,
    write_manifest,
)

_PART_FIELDS: list[pa.Field[Any]] = [
    pa.field("record_id", pa.string()),
    pa.field("payload", pa.string()),
    pa.field("source_version", pa.timestamp("us", tz="UTC")),
    pa.field("is_deleted", pa.bool_()),
    pa.field("row_no", pa.int64()),
    pa.field("extracted_at", pa.timestamp("us", tz="UTC")),
]
_PART_SCHEMA = pa.schema(_PART_FIELDS)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PART = "part-00000.parquet"


@dataclass(frozen=True)
class Load:
    """A visible load: its directory and its manifest."""

    path: Path
    manifest: Manifest

    @property
    def parts(self) -> list[Path]:
        """The Parquet files, in order."""
        return [self.path / part.name for part in self.manifest.parts]


@dataclass(frozen=True)
class LoadRequest:
    """What a new load is to be: the stream it belongs to and what its manifest says besides the rows.

    ``replaces`` names load ids (of any stream of the source) whose rows this load supersedes as a whole.
    ``after`` is for what is landed anew: the load_seq that it follows. It takes the load_seq of what it replaces behind
    that, and is compared with nothing that came later.
    ``source_count`` asks the source for its own count, after the last page. ``pulled_until``: what changed before this
    moment had been pulled before, so that a reconcile can tell what was missed; ``gone`` says which of the records that
    it did not list are not live.
    """

    source: str
    stream: str
    mode: Mode
    connector_version: str
    mapping_hash: str
    file: LandedFile | None = None
    replaces: Sequence[str] = ()
    after: int | None = None
    source_count: Callable[[], int | None] = lambda: None
    pulled_until: datetime | None = None
    gone: Callable[[Sequence[str]], Collection[str]] = set


@dataclass(frozen=True)
class LandingResult:
    """What landing did: the new load, or None when the source had nothing new; ``reread_rows`` were landed before.

    ``requests``, ``bytes`` and ``budget`` are what the pull cost and what the source's API still allows.
    """

    load: Load | None
    reread_rows: int
    requests: int = 0
    bytes: int = 0
    budget: Budget | None = None


def list_loads(home: Home, source: str | None = None, stream: str | None = None) -> list[Load]:
    """Every visible load, ordered by source, stream and load_seq.

    Raises:
        LandingError: A load directory has no readable manifest, or one of a newer version of this pipeline.
    """
    directories = sorted(home.landing.glob(f"{source or '[!.]*'}/{stream or '[!.]*'}/[!.]*"))
    return [Load(path, read_manifest(path)) for path in directories]


def list_streams(home: Home, source: str) -> list[str]:
    """The streams of a source of which something was landed, sorted."""
    return sorted(path.name for path in (home.landing / source).glob("[!.]*"))


def land(home: Home, request: LoadRequest, pages: Iterable[Page]) -> LandingResult:
    """Write the pages of one stream as one load; nothing is visible unless all of it is.

    A row that equals its record's latest landed version (record_id, source_version, is_deleted, payload) is counted as
    re-read and not landed again; loads that this one or another replaces do not count. With no new row and an unmoved
    cursor there is no load, unless the cursor now holds for another mapping, or it is a reconcile, whose count is news.
    A reconcile lists everything: a record that was live and is not listed any more is landed as deleted. Memory is
    bounded by the page.

    Args:
        home: The state directory.
        request: The stream and the manifest's facts.
        pages: Pages in the order in which the source served them.

    Raises:
        HomeLockedError: Another writer of this stream is at work.
        LandingError: A name that cannot be a directory name, or a damaged landing zone.
    """
    for name in (request.source, request.stream):
        if not _NAME.fullmatch(name):
            raise LandingError(f"{name!r} cannot name a source or stream: use letters, digits and _.")
    with lock(home, f"landing-{request.source}-{request.stream}", f"landing {request.source}/{request.stream}"):
        of_source = list_loads(home, request.source)
        replaced = {*request.replaces, *(load_id for load in of_source for load_id in load.manifest.replaces)}
        of_stream = [load for load in of_source if load.manifest.stream == request.stream]
        earlier = [load for load in of_stream if request.after is None or load.manifest.load_seq <= request.after]
        started = datetime.now(UTC)
        load_id = f"{started:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
        scratch = _fresh_scratch(home, request, load_id)
        try:
            draft = _write_part(scratch, pages, started)
            source_count = request.source_count()
            compared = _compared(request, scratch / _PART, earlier, replaced)
            cursor_before = earlier[-1].manifest.cursor_after if earlier else {}
            cursor_after = draft.cursor or cursor_before
            rows = draft.rows - compared.reread + compared.unlisted
            asked_before = earlier[-1].manifest.mapping_hash if earlier else ""
            moved = cursor_after != cursor_before or (cursor_after and request.mapping_hash != asked_before)
            if rows == 0 and not moved and not request.replaces and request.mode != "reconcile":
                return LandingResult(None, compared.reread, draft.requests, draft.bytes, draft.budget)
            manifest = Manifest(
                load_id=load_id,
                load_seq=_load_seq(request, of_stream),
                source=request.source,
                stream=request.stream,
                mode=request.mode,
                cursor_before=cursor_before,
                cursor_after=cursor_after,
                rows=rows,
                reread_rows=compared.reread,
                deleted_rows=draft.deleted_rows - compared.reread_deletes + compared.unlisted,
                source_count=source_count,
                requests=draft.requests,
                bytes=draft.bytes,
                started_at=started.isoformat(),
                finished_at=datetime.now(UTC).isoformat(),
                connector_version=request.connector_version,
                mapping_hash=request.mapping_hash,
                parts=_seal_parts(scratch, rows),
                file=request.file,
                replaces=tuple(request.replaces),
                api_budget=asdict(draft.budget) if draft.budget else None,
                live_records=compared.live if request.mode in LISTINGS else None,
                live_before=compared.live_before if request.mode in LISTINGS else None,
                late_rows=compared.late if request.mode == "reconcile" else None,
                unlisted_rows=compared.unlisted if request.mode == "reconcile" else None,
            )
            load = _make_visible(home, scratch, manifest)
            return LandingResult(load, compared.reread, draft.requests, draft.bytes, draft.budget)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _load_seq(request: LoadRequest, of_stream: Sequence[Load]) -> int:
    """Behind all others; of what is landed anew that of the load it replaces, so that it stays where it came."""
    after = request.after
    if after is not None:
        own = [load.manifest.load_seq for load in of_stream if load.manifest.load_id in request.replaces]
        if places := [load_seq for load_seq in own if load_seq > after]:
            return min(places)
    return 1 + max((load.manifest.load_seq for load in of_stream), default=0)


@dataclass
class _Tally:
    rows: int = 0
    deleted_rows: int = 0
    requests: int = 0
    bytes: int = 0
    cursor: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget | None = None


def _fresh_scratch(home: Home, request: LoadRequest, load_id: str) -> Path:
    prefix = f"{request.source}.{request.stream}."
    root = home.landing / ".tmp"
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(f"{prefix}*"):  # of a writer that was killed: we hold its lock, so it is dead
        shutil.rmtree(leftover)
    scratch = root / f"{prefix}{load_id}"
    scratch.mkdir()
    return scratch


def _write_part(scratch: Path, pages: Iterable[Page], extracted_at: datetime) -> _Tally:
    tally = _Tally()
    with pq.ParquetWriter(scratch / _PART, _PART_SCHEMA, compression="zstd") as writer:
        for page in pages:
            if page.records:
                writer.write_batch(_batch(page.records, tally.rows, extracted_at))
            tally.rows += len(page.records)
            tally.deleted_rows += sum(record.is_deleted for record in page.records)
            tally.requests += page.requests
            tally.bytes += page.bytes
            tally.cursor = page.cursor or tally.cursor
            tally.budget = page.budget or tally.budget
    return tally


def _batch(records: Sequence[Record], first_row_no: int, extracted_at: datetime) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [
            pa.array([record.record_id for record in records], pa.string()),
            pa.array([record.payload for record in records], pa.string()),
            pa.array([record.source_version for record in records], pa.timestamp("us", tz="UTC")),
            pa.array([record.is_deleted for record in records], pa.bool_()),
            pa.array(range(first_row_no, first_row_no + len(records)), pa.int64()),
            pa.array([extracted_at] * len(records), pa.timestamp("us", tz="UTC")),
        ],
        schema=_PART_SCHEMA,
    )


def _compared(request: LoadRequest, part: Path, earlier: Sequence[Load], replaced: set[str]) -> Comparison:
    """Leave in a part what is new; a damaged part of an earlier load is named."""
    counted = [load for load in earlier if load.manifest.load_id not in replaced]
    landed = [(path, load.manifest.load_seq) for load in counted for path in load.parts]
    try:
        return compare(part, landed, request.mode, request.pulled_until, request.gone)
    except duckdb.Error:
        for load in counted:  # anything but a damaged part is no user's mistake
            verify(load)
        raise


def _seal_parts(scratch: Path, rows: int) -> tuple[Part, ...]:
    path = scratch / _PART
    if rows == 0:
        path.unlink()
        return ()
    fsync_file(path)
    return (Part(path.name, rows, sha256_of(path)),)


def _make_visible(home: Home, scratch: Path, manifest: Manifest) -> Load:
    fsync_file(write_manifest(scratch, manifest))
    fsync_directory(scratch)
    stream = home.landing / manifest.source / manifest.stream
    for directory in (home.landing, stream.parent, stream):
        directory.mkdir(exist_ok=True)
        fsync_directory(directory.parent)
    final = home.landing / place(manifest)
    os.rename(scratch, final)  # noqa: PTH104 - rename refuses an existing directory; the Path form reads as if it replaced
    fsync_directory(stream)
    return Load(final, manifest)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def verify(load: Load) -> None:
    """Prove that the parts are the bytes that were landed.

    Raises:
        LandingError: A part is missing or differs from its manifest.
    """
    for part, path in zip(load.manifest.parts, load.parts, strict=True):
        if not path.is_file() or sha256_of(path) != part.sha256:
            raise LandingError(
                f"{path} is missing or differs from what was landed. Restore it from a backup; nothing was published."
            )
