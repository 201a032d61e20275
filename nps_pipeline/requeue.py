"""Requeue: after a change of nps.yaml, what was landed under the old one is read anew. Publishing is left to a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import RecordError
from connectors.survey_files.connector import SOURCE, SurveyFile
from nps_pipeline import inbox, landing, warehouse
from nps_pipeline.declaration import asked_for, fields_hash
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, lock
from nps_pipeline.landing import Load, sha256_of
from nps_pipeline.settings import Settings


class UnknownStreamError(PipelineError):
    """There is no such source or stream; the text names those there are."""


@dataclass(frozen=True)
class Requeued:
    """What became of one file or stream, as a sentence; ``failed`` where it stays as it was against the wish."""

    what: str
    says: str
    failed: bool = False
    rows: int = 0


@dataclass(frozen=True)
class _Filed:
    """A file that counts: its load, its place among all files, and how nps.yaml reads it now."""

    load: Load
    place: str
    now: SurveyFile

    @property
    def is_read_alike(self) -> bool:
        manifest = self.load.manifest
        return (manifest.stream, manifest.mapping_hash) == (self.now.stream.name, self.now.mapping_hash)


def requeue(settings: Settings, source: str | None = None) -> list[Requeued]:
    """Read anew whatever nps.yaml reads in another way by now.

    Files come from the archive, each in place of its earlier load; refused files are tried again. Rows of a CRM are in
    landing as the CRM sent them, and the next run reads them anew by itself: that is only said.

    Args:
        settings: The configuration as it is now.
        source: Only this source (``files``, ``hubspot``) or stream (``files.retail``, ``hubspot.contacts``).

    Raises:
        UnknownStreamError: There is no such source or stream.
        HomeLockedError: A run is at work.
        LandingError: The landing zone is damaged.
    """
    streams = {f"{SOURCE}.{stream.name}" for stream in inbox.landed_streams(settings.home)}
    streams |= {f"{SOURCE}.{mapping.name}" for mapping in settings.configuration.sources.files}
    streams |= {f"{crm}.{stream.name}" for crm in settings.crms() for stream in settings.crm_streams(crm)}
    sources = {SOURCE, *settings.crms()}
    if source is not None and source not in streams | sources:
        known = ", ".join(sorted(streams | sources))
        raise UnknownStreamError(
            f"{source} is no source or stream of nps.yaml or of what was landed; there are {known}."
        )
    with lock(settings.home, "run", "nps requeue"):
        return [*_files(settings, source), *_refused(settings, source), *_crm_streams(settings, source)]


def _is_chosen(source: str | None, *streams: str) -> bool:
    return source is None or any(source in (stream, stream.partition(".")[0]) for stream in streams)


# --- files ---


def _files(settings: Settings, source: str | None) -> list[Requeued]:
    home = settings.home
    loads = landing.list_loads(home, SOURCE)
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    live = [load for load in loads if load.manifest.file and load.manifest.load_id not in replaced]
    places = _places(loads)
    archive = {sha256_of(path): path for path in sorted(home.archive.glob("[!.]*"))} if home.archive.is_dir() else {}
    failures: dict[str, list[Requeued]] = {}
    groups: dict[str, list[_Filed]] = {}
    home.root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".requeue-", dir=home.root) as scratch:
        for number, load in enumerate(live):
            found = _read_now(settings, load, archive, Path(scratch, str(number)))
            if isinstance(found, Requeued):
                failures.setdefault(load.manifest.stream, []).append(found)
            else:
                filed = _Filed(load, places[_sha256(load)], found)
                groups.setdefault(found.stream.name, []).append(filed)
        outcomes: list[Requeued] = []
        for stream in sorted({*groups, *failures}):
            group = sorted(groups.get(stream, []), key=lambda filed: filed.place)
            whose = {f"{SOURCE}.{stream}", *(f"{SOURCE}.{filed.load.manifest.stream}" for filed in group)}
            if _is_chosen(source, *whose):
                outcomes += _group(home, stream, group, failures.get(stream, []))
        return outcomes


def _places(loads: Iterable[Load]) -> dict[str, str]:
    """When each file was landed first, by its sha256: that is its place among the others, however often it is read."""
    places: dict[str, str] = {}
    for load in loads:
        if load.manifest.file:
            sha256, started_at = load.manifest.file.sha256, load.manifest.started_at
            places[sha256] = min(places.get(sha256, started_at), started_at)
    return places


def _sha256(load: Load) -> str:
    return load.manifest.file.sha256 if load.manifest.file else ""


def _name(load: Load) -> str:
    return load.manifest.file.name if load.manifest.file else load.manifest.load_id


def _read_now(settings: Settings, load: Load, archive: Mapping[str, Path], scratch: Path) -> SurveyFile | Requeued:
    """How a landed file is read now, under the name that it came with; or why it cannot be."""
    stored = archive.get(_sha256(load))
    if stored is None:
        says = (
            f"it is not in {settings.home.archive} any more, so what was landed of it stays; drop the file into the "
            "inbox again to have it read anew."
        )
        return Requeued(_name(load), says, failed=True)
    scratch.mkdir()
    path = Path(shutil.copyfile(stored, scratch / _name(load)))
    try:
        return inbox.understood(settings, path)
    except RecordError as refusal:
        return Requeued(_name(load), f"what was landed of it stays. {refusal}", failed=True)


def _group(home: Home, stream: str, group: Sequence[_Filed], failures: Sequence[Requeued]) -> Iterator[Requeued]:
    """Land the files of a stream from the first one that is to be read anew: a later file must stay the later load."""
    yield from failures
    again = group[_first_to_read(stream, group) :]
    if not again:
        if not failures:
            yield Requeued(f"{SOURCE}.{stream}", "is read as before; nothing was added.")
        return
    if failures:
        says = "was left as it is, for its files are read anew in their order or not at all."
        yield Requeued(f"{SOURCE}.{stream}", says, failed=True)
        return
    for filed in again:
        try:
            result = inbox.land_file(home, filed.now, (filed.load.manifest.load_id,))
        except RecordError as refusal:
            yield Requeued(_name(filed.load), f"what was landed of it stays. {refusal}", failed=True)
            return
        rows = result.load.manifest.rows if result.load else 0
        yield Requeued(
            _name(filed.load), f"{rows} rows into {SOURCE}/{stream}, in place of its earlier load.", rows=rows
        )


def _first_to_read(stream: str, group: Sequence[_Filed]) -> int:
    """The place of the first file that is read otherwise, or whose load is not the later one of its stream."""
    latest = 0
    for number, filed in enumerate(group):
        manifest = filed.load.manifest
        if not filed.is_read_alike or manifest.stream != stream or manifest.load_seq < latest:
            return number
        latest = manifest.load_seq
    return len(group)


def _refused(settings: Settings, source: str | None) -> Iterator[Requeued]:
    for path in inbox.refused_files(settings.home):
        stream = _stream_of(settings, path)
        if not _is_chosen(source, *([f"{SOURCE}.{stream}"] if stream else [SOURCE])):
            continue
        outcome = inbox.retry(settings, path)
        yield Requeued(path.name, inbox.told(outcome), failed=outcome.refused is not None, rows=outcome.rows)


def _stream_of(settings: Settings, path: Path) -> str | None:
    try:
        return inbox.understood(settings, path).stream.name
    except RecordError:
        return None


# --- CRMs ---


def _crm_streams(settings: Settings, source: str | None) -> Iterator[Requeued]:
    read = warehouse.fields_hashes(settings.home)
    for crm in settings.crms():
        for stream in settings.crm_streams(crm):
            name = f"{crm}.{stream.name}"
            loads = landing.list_loads(settings.home, crm, stream.name)
            if not loads or not _is_chosen(source, name):
                continue
            if loads[-1].manifest.mapping_hash != asked_for(stream):
                yield Requeued(name, "other fields are asked for now: the next run pulls everything anew.")
            elif read.get((crm, stream.name)) != {fields_hash(stream)}:
                yield Requeued(name, "the next run reads it anew from landing.")
            else:
                yield Requeued(name, "is read as before.")
