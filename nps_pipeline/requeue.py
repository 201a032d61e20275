"""Requeue: after a change of nps.yaml, what was landed under the old one is read anew. Publishing is left to a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.errors import RecordError
from connectors.survey_files.connector import SOURCE, SurveyFile, same_name
from nps_pipeline import inbox, landing, warehouse
from nps_pipeline.declaration import asked_for, fields_hash
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, lock
from nps_pipeline.landing import Load, sha256_of
from nps_pipeline.manifest import LandedFile
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
    """A file that counts: its load, and how nps.yaml reads it now, or the sentence why it cannot be read."""

    load: Load
    now: SurveyFile | str

    @property
    def name(self) -> str:
        return self.load.manifest.file.name if self.load.manifest.file else ""

    @property
    def stream(self) -> str:
        """Where its rows belong now; what cannot be read anew stays where it is."""
        return self.load.manifest.stream if isinstance(self.now, str) else self.now.stream.name


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


def _files(settings: Settings, source: str | None) -> Iterator[Requeued]:
    """Land anew every file that counts and is read otherwise by now."""
    home = settings.home
    loads = landing.list_loads(home, SOURCE)
    places = inbox.places_of(loads)
    with _scratch(home) as scratch:
        counting = sorted(_counting(loads), key=lambda load: places[inbox.sha256(load)])
        filed = [_filed(settings, load, scratch / str(number)) for number, load in enumerate(counting)]
        streams = {  # a file of the chosen stream may belong to another one now, whose other files it joins
            one.stream
            for one in filed
            if _is_chosen(source, f"{SOURCE}.{one.stream}", f"{SOURCE}.{one.load.manifest.stream}")
        }
        told = list(_landed_anew(home, [one for one in filed if one.stream in streams], loads))
        yield from told
        if streams and not told:
            yield Requeued(SOURCE if source is None else source, "is read as before; nothing was added.")


@contextmanager
def _scratch(home: Home) -> Iterator[Path]:
    """A folder for copies of files; one that was left by a killed process is removed: we hold its lock."""
    folder = home.root / ".requeue"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _counting(loads: Sequence[Load]) -> list[Load]:
    """The loads of files that no other load replaces."""
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    return [load for load in loads if load.manifest.file and load.manifest.load_id not in replaced]


def _filed(settings: Settings, load: Load, scratch: Path) -> _Filed:
    file = load.manifest.file
    path = _archived(settings.home, file, scratch) if file else None
    if path is None:
        return _Filed(
            load,
            f"it is not in {settings.home.archive} any more, so what was landed of it stays; drop the file into the "
            "inbox again to have it read anew.",
        )
    try:
        return _Filed(load, inbox.understood(settings, path))
    except RecordError as refusal:
        return _Filed(load, f"what was landed of it stays. {refusal}")


def _archived(home: Home, file: LandedFile, scratch: Path) -> Path | None:
    """The archived bytes of a file under the name that it came with, for a mapping knows it by that."""
    alike = (path for path in home.archive.rglob("*") if path.is_file() and path.stat().st_size == file.bytes)
    found = [path for path in alike if sha256_of(path) == file.sha256]
    if not found:
        return None
    named = next((path for path in found if path.name == file.name), None)
    if named is None:
        scratch.mkdir(parents=True)
        named = Path(shutil.copyfile(found[0], scratch / file.name))
    return named


def _landed_anew(home: Home, files: Sequence[_Filed], loads: list[Load]) -> Iterator[Requeued]:
    """Land files where they are read otherwise by now, in the order in which they came.

    Each load takes the load_seq of the one it replaces: a later file stays the later one, also where the process is
    killed between two files. Only the load of a file that comes from another stream stands behind all others, so the
    files that came after it are landed anew behind it. What was landed is added to ``loads``.
    """
    last: dict[str, int] = {}  # the load_seq of the file before, by stream
    for filed in files:
        manifest, counting = filed.load.manifest, _counting(loads)
        if filed.load not in counting:  # a correction replaced it a moment ago
            continue
        after = last.get(filed.stream, 0)
        in_place = manifest.stream == filed.stream and manifest.load_seq > after
        if in_place:
            last[filed.stream] = manifest.load_seq
        if isinstance(filed.now, str):
            yield Requeued(filed.name, filed.now, failed=True)
            continue
        corrected = tuple(_newly_corrected(filed.now, loads))
        is_read_alike = manifest.mapping_hash == filed.now.mapping_hash and not inbox.lost_rows(filed.load, loads)
        if in_place and is_read_alike and not corrected:
            continue
        try:
            result = inbox.land_file(home, filed.now, (manifest.load_id, *corrected), after)
        except RecordError as refusal:  # it changed in this very moment
            yield Requeued(filed.name, f"what was landed of it stays. {refusal}", failed=True)
            continue
        if result.load:
            loads.append(result.load)
            last[filed.stream] = result.load.manifest.load_seq
            rows = result.load.manifest.rows
            says = f"{rows} rows into {SOURCE}/{filed.stream}, in place of its earlier load."
            yield Requeued(filed.name, says, rows=rows)


def _newly_corrected(file: SurveyFile, loads: Sequence[Load]) -> Iterator[str]:
    """Loads that a file replaces because nps.yaml says so since: what it replaced when it came stays replaced."""
    own = {load_id for load in loads if inbox.sha256(load) == file.sha256 for load_id in load.manifest.replaces}
    replaced = [load.manifest.file for load in loads if load.manifest.load_id in own]
    for old in file.replaces:
        if not any(known and same_name(known.name, old) for known in replaced):
            yield from (load.manifest.load_id for load in inbox.live(loads, old)[-1:])


def _refused(settings: Settings, source: str | None) -> list[Requeued]:
    def chosen(path: Path) -> bool:
        stream = _stream_of(settings, path)
        return _is_chosen(source, f"{SOURCE}.{stream}" if stream else SOURCE)

    return [
        Requeued(outcome.name, inbox.told(outcome), failed=outcome.refused is not None, rows=outcome.rows)
        for outcome in inbox.retry_refused(settings, chosen)
    ]


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
