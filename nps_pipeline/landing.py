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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from connectors.base import Budget, Mode, Page
from nps_pipeline.comparison import Comparison, compare, live_among
from nps_pipeline.draft import Draft, write_part
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

COMMIT_EVERY = 50_000  # records
_IN_PARTS: tuple[Mode, ...] = ("full", "incremental")
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
    """What landing did: the new loads, none when the source had nothing new; ``reread_rows`` were landed before.

    ``requests``, ``bytes`` and ``budget`` are what the pull cost and what the source's API still allows.
    """

    loads: tuple[Load, ...] = ()
    reread_rows: int = 0
    requests: int = 0
    bytes: int = 0
    budget: Budget | None = None

    @property
    def load(self) -> Load | None:
        """The last of the new loads."""
        return self.loads[-1] if self.loads else None

    @property
    def rows(self) -> int:
        """How many rows were landed."""
        return sum(load.manifest.rows for load in self.loads)

    @property
    def deleted_rows(self) -> int:
        """How many of them are deletes."""
        return sum(load.manifest.deleted_rows for load in self.loads)


def total(results: Iterable[LandingResult]) -> LandingResult:
    """Several results as one, in their order."""
    parts = list(results)
    return LandingResult(
        tuple(load for part in parts for load in part.loads),
        sum(part.reread_rows for part in parts),
        sum(part.requests for part in parts),
        sum(part.bytes for part in parts),
        next((part.budget for part in reversed(parts) if part.budget), None),
    )


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


def land(home: Home, request: LoadRequest, pages: Iterable[Page], every: int = COMMIT_EVERY) -> LandingResult:
    """Land the pages of one stream to their end; see ``land_in_parts``."""
    return total(land_in_parts(home, request, pages, every))


def land_in_parts(
    home: Home, request: LoadRequest, pages: Iterable[Page], every: int = COMMIT_EVERY
) -> Iterator[LandingResult]:
    """Write the pages of one stream as a load, or as several where they are many and say from where a pull can go on.

    A load is visible as a whole or not at all. A pull of everything or of changes is committed at the first page with a
    cursor after ``every`` records, and goes on in another load; where a ``ConnectorError`` ends it, what came up to the
    last page with a cursor is committed before the error is raised. Only the last load of a pull is drained, and only
    that one can be a listing, of what all of them list. A file or a reconcile is one load or nothing.

    A row that equals its record's latest landed version (record_id, source_version, is_deleted, payload) is counted as
    re-read and not landed again; loads that this one or another replaces do not count. With no new row and an unmoved
    cursor there is no load, unless the cursor now holds for another mapping, the load before was not drained, or it is
    a reconcile, whose count is news. A reconcile lists everything: a record that was live and is not listed any more is
    landed as deleted. Memory is bounded by the page.

    Args:
        home: The state directory.
        request: The stream and the manifest's facts.
        pages: Pages in the order in which the source served them.
        every: How many records a load has, at least, when another one follows.

    Yields:
        What became of each part of the pull.

    Raises:
        HomeLockedError: Another writer of this stream is at work.
        LandingError: A name that cannot be a directory name, or a damaged landing zone.
        ConnectorError: The pages ended with it.
    """
    for name in (request.source, request.stream):
        if not _NAME.fullmatch(name):
            raise LandingError(f"{name!r} cannot name a source or stream: use letters, digits and _.")
    served = iter(pages)
    with lock(home, f"landing-{request.source}-{request.stream}", f"landing {request.source}/{request.stream}"):
        loads = list_loads(home, request.source)
        listing = _Listing(_fresh_scratch(home, request) / f"{_prefix(request)}listed")
        try:
            draft = Draft()
            while not (draft.is_drained or draft.error):
                draft, result = _land_part(home, request, served, every, landed=loads, listing=listing)
                loads += result.loads
                yield result
        finally:
            shutil.rmtree(listing.folder, ignore_errors=True)
        if draft.error:
            raise draft.error


@dataclass
class _Listing:
    """What the loads of one pull of everything have listed so far: a file for each in a scratch folder."""

    folder: Path
    files: list[Path] = field(default_factory=list)
    live_before: int = 0


def _land_part(
    home: Home, request: LoadRequest, pages: Iterator[Page], every: int, *, landed: Sequence[Load], listing: _Listing
) -> tuple[Draft, LandingResult]:
    """Land what is one load: the draft of it, and what became of that."""
    replaced = {*request.replaces, *(load_id for load in landed for load_id in load.manifest.replaces)}
    of_stream = [load for load in landed if load.manifest.stream == request.stream]
    earlier = [load for load in of_stream if request.after is None or load.manifest.load_seq <= request.after]
    started = datetime.now(UTC)
    load_id = f"{started:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}"
    scratch = listing.folder.with_name(f"{_prefix(request)}{load_id}")
    scratch.mkdir()
    try:
        draft = write_part(scratch / _PART, pages, started, every if request.mode in _IN_PARTS else None)
        if draft.error and not draft.cursor:
            return draft, LandingResult()
        source_count = request.source_count() if draft.is_drained else None
        counted = [load for load in earlier if load.manifest.load_id not in replaced]
        compared = _compared(request, draft, scratch / _PART, counted, listing)
        last = earlier[-1].manifest if earlier else None
        cursor_before = last.cursor_after if last else {}
        cursor_after = draft.cursor or cursor_before
        rows = draft.rows - compared.reread + compared.unlisted
        result = LandingResult((), compared.reread, draft.requests, draft.bytes, draft.budget)
        asked_anew = bool(cursor_after) and request.mapping_hash != (last.mapping_hash if last else "")
        ends = draft.is_drained and last is not None and not last.is_drained
        moved = cursor_after != cursor_before or asked_anew or ends
        if rows == 0 and not moved and not request.replaces and request.mode != "reconcile":
            return draft, result
        is_listing = draft.is_drained and request.mode in LISTINGS
        manifest = Manifest(
            load_id=load_id,
            load_seq=_load_seq(request, of_stream),
            source=request.source,
            stream=request.stream,
            mode=request.mode if draft.is_drained else "incremental",
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
            live_records=compared.live if is_listing else None,
            live_before=compared.live_before if is_listing else None,
            late_rows=compared.late if request.mode == "reconcile" else None,
            unlisted_rows=compared.unlisted if request.mode == "reconcile" else None,
            is_drained=draft.is_drained,
        )
        return draft, replace(result, loads=(_make_visible(home, scratch, manifest),))
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


def _prefix(request: LoadRequest) -> str:
    return f"{request.source}.{request.stream}."


def _fresh_scratch(home: Home, request: LoadRequest) -> Path:
    """The scratch folder, without what a writer of this stream left that was killed: we hold its lock."""
    root = home.landing / ".tmp"
    root.mkdir(parents=True, exist_ok=True)
    for leftover in root.glob(f"{_prefix(request)}*"):
        shutil.rmtree(leftover)
    return root


def _compared(request: LoadRequest, draft: Draft, part: Path, counted: Sequence[Load], listing: _Listing) -> Comparison:
    """Leave in a part what is new; a damaged part of an earlier load is named.

    Of a pull of everything in several loads, ``live`` is what all of them list, ``live_before`` what lived before them.
    """
    landed = [(path, load.manifest.load_seq) for load in counted for path in load.parts]
    is_whole = draft.is_drained and not listing.files
    keep = None
    if request.mode == "full" and not is_whole:
        listing.folder.mkdir(exist_ok=True)
        keep = listing.folder / f"{len(listing.files):08d}.parquet"
    mode: Mode = "incremental" if listing.files else request.mode
    try:
        compared = compare(
            part,
            draft.rows,
            landed,
            mode=mode,
            pulled_until=request.pulled_until,
            gone=request.gone,
            keep=keep,
        )
    except duckdb.Error:
        for load in counted:  # anything but a damaged part is no user's mistake
            verify(load)
        raise
    if keep is None:
        return compared
    if not listing.files:
        listing.live_before = compared.live_before
    listing.files.append(keep)
    live = live_among(listing.files) if draft.is_drained else 0
    return replace(compared, live=live, live_before=listing.live_before)


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
