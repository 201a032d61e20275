"""The inbox: survey files become loads. How a file is read is known in ``connectors.survey_files`` alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.base import Stream
from connectors.errors import RecordError
from connectors.survey_files.archives import is_archive, unpack
from connectors.survey_files.connector import SOURCE, SurveyFile, open_survey_file, same_name
from connectors.survey_files.records import FILE_FIELDS
from connectors.survey_files.row_count import ENDING, file_of, is_manifest, manifest_of
from nps_pipeline import __version__, landing
from nps_pipeline.home import Home
from nps_pipeline.landing import LandingResult, Load, LoadRequest
from nps_pipeline.manifest import LandedFile
from nps_pipeline.resting import resting
from nps_pipeline.settings import Settings

_REASON = ".reason.txt"
_LONGEST_NAME = 255 - len(ENDING) - len("-9999")
"""Bytes in the name of a file, with room for the endings of its manifest, its reason and a second copy."""
_SHORTENED = 40
_BAD_NAME = (
    f"has a name of more than {_LONGEST_NAME} bytes, or one that is not UTF-8. Nothing of it was kept; give it another "
    "name and put it into the inbox again."
)
_STILL_WRITTEN = "is still being written; it stays in the inbox until it rests"
_ALONE = "is the manifest of a file that is not here; nothing was done with it"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file; ``refused`` is the sentence for the operator, None when it was accepted.

    ``stream`` is None for what was not landed itself: an archive, and a file that is still being written.
    """

    name: str
    stream: str | None = None
    rows: int = 0
    reread_rows: int = 0
    refused: str | None = None
    notes: tuple[str, ...] = ()


def landed_streams(home: Home) -> list[Stream]:
    """Every stream of survey files of which something was landed, also under a mapping since removed."""
    names = landing.list_streams(home, SOURCE)
    return [Stream(source=SOURCE, name=name, role="response", fields=FILE_FIELDS) for name in names]


def pull_files(settings: Settings) -> list[FileOutcome]:
    """Land every file of the inbox: accepted ones move to the archive, refused ones aside with their reason.

    A file that corrects another comes last, so that it finds what it replaces. What is still being written stays.
    """
    home = settings.home
    home.inbox.mkdir(parents=True, exist_ok=True)
    waiting = sorted(path for path in home.inbox.iterdir() if not path.name.startswith("."))
    rest = resting(waiting)
    # A file and its manifest are taken together.
    complete = [path for path in waiting if path in rest and manifest_of(path) not in {*waiting} - rest]
    left = [FileOutcome(_writable(path.name), notes=(_STILL_WRITTEN,)) for path in waiting if path not in complete]
    with _scratch(home) as scratch:
        return left + _pull_complete(settings, complete, scratch)


def _pull_complete(settings: Settings, paths: Sequence[Path], scratch: Path) -> list[FileOutcome]:
    """Land files, and those that archives hold; an archive is put away last, for until then its files are only here."""
    home, corrections = settings.home, _corrections(settings)
    outcomes, files, archives = list[FileOutcome](), list[Path](), list[Path]()
    for number, path in enumerate(paths):
        if not _is_named_well(path) or not is_archive(path):
            files.append(path)
            continue
        try:
            unpacked = unpack(path, scratch / str(number))
        except RecordError as refusal:
            _refuse(home, path, str(refusal))
            outcomes.append(FileOutcome(path.name, refused=str(refusal)))
        else:
            if len(unpacked) == 1 and manifest_of(path) in paths:
                shutil.copyfile(manifest_of(path), manifest_of(unpacked[0]), follow_symlinks=False)
            outcomes.append(FileOutcome(path.name, notes=(f"unpacked, {len(unpacked)} files",)))
            files += unpacked
            archives.append(path)
    about = {file_of(path) for path in files if is_manifest(path)}
    alone = sorted(about.difference(files, paths))
    outcomes += [FileOutcome(manifest_of(path).name, notes=(_ALONE,)) for path in alone]
    answers = [path for path in files if not is_manifest(path)]
    outcomes += [_pull_file(settings, path) for path in _corrections_last(answers, corrections)]
    for path in archives:
        _move(path, home.archive)
    return outcomes


@contextmanager
def _scratch(home: Home) -> Iterator[Path]:
    """A folder for what comes out of archives; what a killed process left there is still in its archive."""
    folder = home.inbox / ".unpacked"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def retry_refused(settings: Settings, chosen: Callable[[Path], bool]) -> list[FileOutcome]:
    """Land the refused files that are read by now: those move to the archive; others stay, with the fresh reason."""
    refused = settings.home.refused
    reasons = [path for pattern in (f"*{_REASON}", f"[0-9]*/*{_REASON}") for path in refused.glob(pattern)]
    files = []
    for reason in reasons:
        path = reason.with_name(reason.name.removesuffix(_REASON))
        if not (path.is_symlink() or path.exists()):
            reason.unlink()  # of a file that was moved when its process was killed
        elif not is_archive(path) and chosen(path):
            files.append(path)
    return [_retry(settings, path) for path in _corrections_last(files, _corrections(settings))]


def _corrections_last(paths: Iterable[Path], corrections: Sequence[tuple[str, str]]) -> list[Path]:
    return sorted(paths, key=lambda path: (any(same_name(path.name, new) for new, _ in corrections), path.name))


def _corrections(settings: Settings) -> list[tuple[str, str]]:
    """Which file replaces which, as nps.yaml says: (new name, old name)."""
    return [pair for mapping in settings.configuration.sources.files for pair in mapping.replaces.items()]


def _pull_file(settings: Settings, path: Path) -> FileOutcome:
    home = settings.home
    try:
        _refuse_bad_name(path)
        outcome = _land(home, understood(settings, path), _corrections(settings))
    except RecordError as refusal:
        _refuse(home, path, str(refusal))
        return FileOutcome(_writable(path.name), refused=str(refusal))
    _move(path, home.archive)
    return outcome


def _refuse_bad_name(path: Path) -> None:
    if not _is_named_well(path):
        raise RecordError(f"{_writable(path.name)} {_BAD_NAME}")


def _is_named_well(path: Path) -> bool:
    """Whether files can lie beside this one under its name, and its name can be written down."""
    return _writable(path.name) == path.name


def _writable(name: str) -> str:
    """A name as it is, or what can be written of it."""
    raw = os.fsencode(name)
    text = raw.decode("utf-8", "replace")
    return text if len(raw) <= _LONGEST_NAME else text[:_SHORTENED]


def _land(home: Home, survey_file: SurveyFile, corrections: Sequence[tuple[str, str]]) -> FileOutcome:
    stream, loads = survey_file.stream, _by_time(landing.list_loads(home, SOURCE))
    same_bytes = [load for load in loads if load.manifest.file and load.manifest.file.sha256 == survey_file.sha256]
    if same_bytes and _read_alike(same_bytes[-1], survey_file) and not lost_rows(same_bytes[-1], loads):
        note = "the same file was landed before under the same mapping; nothing was added"
        return FileOutcome(survey_file.name, stream.name, notes=(note,))
    for new, old in corrections:
        if same_name(old, survey_file.name) and live(loads, new):
            note = f"{new} replaces this file and was landed; nothing was added"
            return FileOutcome(survey_file.name, stream.name, notes=(note,))
    corrected = {old: live(loads, old)[-1:] for old in survey_file.replaces}
    replaced = dict.fromkeys(load.manifest.load_id for found in (same_bytes, *corrected.values()) for load in found)
    # The same bytes stay where they came: an old file that comes again is no later one.
    own = [load.manifest.load_seq for load in same_bytes[-1:] if load.manifest.stream == stream.name]
    result = land_file(home, survey_file, tuple(replaced), own[0] - 1 if own else None)
    rows = result.load.manifest.rows if result.load else 0
    notes = (*survey_file.notes, *_correction_notes(corrected, loads))
    return FileOutcome(survey_file.name, stream.name, rows, result.reread_rows, notes=notes)


def land_file(home: Home, survey_file: SurveyFile, replaces: Sequence[str], after: int | None) -> LandingResult:
    """Land a file that was understood, in place of the loads with these ids (see ``LoadRequest.after``).

    Raises:
        RecordError: The file changed since it was opened.
    """
    request = LoadRequest(
        source=SOURCE,
        stream=survey_file.stream.name,
        mode="file",
        connector_version=__version__,
        mapping_hash=survey_file.mapping_hash,
        file=LandedFile(survey_file.name, survey_file.sha256, survey_file.bytes),
        replaces=replaces,
        after=after,
    )
    return landing.land(home, request, survey_file.pages())


def _retry(settings: Settings, path: Path) -> FileOutcome:
    try:
        outcome = _land(settings.home, understood(settings, path), _corrections(settings))
    except RecordError as refusal:
        _reason_beside(path).write_text(str(refusal) + "\n", encoding="utf-8")
        return FileOutcome(path.name, refused=str(refusal))
    _move(path, settings.home.archive)
    _reason_beside(path).unlink(missing_ok=True)
    return outcome


def understood(settings: Settings, path: Path) -> SurveyFile:
    """A file as nps.yaml reads it now.

    Raises:
        RecordError: It cannot be read; the text says what to do.
    """
    configuration = settings.configuration
    return open_survey_file(path, configuration.sources.files, configuration.reporting.timezone)


def _by_time(loads: Iterable[Load]) -> list[Load]:
    return sorted(loads, key=lambda load: load.manifest.started_at)


def live(loads: Sequence[Load], name: str) -> list[Load]:
    """The loads of files of this name that no other load replaces, the newest last."""
    replaced = {load_id for load in loads for load_id in load.manifest.replaces}
    return [
        load
        for load in loads
        if load.manifest.file and same_name(load.manifest.file.name, name) and load.manifest.load_id not in replaced
    ]


def lost_rows(load: Load, loads: Sequence[Load]) -> bool:
    """Whether rows that this load did not land again may have stood in a load that was replaced since."""
    places, manifest = places_of(loads), load.manifest
    replaced_at: dict[str, str] = {}
    for later in _by_time(loads):
        for load_id in later.manifest.replaces:
            replaced_at.setdefault(load_id, later.manifest.started_at)
    return manifest.reread_rows > 0 and any(
        other.manifest.stream == manifest.stream
        and places[sha256(other)] < places[sha256(load)]
        and other.manifest.started_at < manifest.started_at < replaced_at.get(other.manifest.load_id, "")
        for other in loads
    )


def places_of(loads: Iterable[Load]) -> dict[str, str]:
    """When each file was landed first, by its sha256: its place among the others, however often it is read."""
    places: dict[str, str] = {}
    for load in loads:
        places[sha256(load)] = min(places.get(sha256(load), load.manifest.started_at), load.manifest.started_at)
    return places


def sha256(load: Load) -> str:
    """Of the file that a load came from."""
    return load.manifest.file.sha256 if load.manifest.file else ""


def _correction_notes(corrected: Mapping[str, Sequence[Load]], loads: Sequence[Load]) -> Iterator[str]:
    for old, found in corrected.items():
        if not found:
            yield f"nothing named {old} is in the mart, so this file replaces nothing"
        for load in found:
            leaning = [later for later in loads[loads.index(load) + 1 :] if later.manifest.reread_rows]
            names = sorted({later.manifest.file.name for later in leaning if later.manifest.file})
            if names:
                yield f"drop {', '.join(names)} again: rows of {old} stood in there too and were landed once"


def _read_alike(load: Load, survey_file: SurveyFile) -> bool:
    manifest = load.manifest
    return (manifest.stream, manifest.mapping_hash) == (survey_file.stream.name, survey_file.mapping_hash)


def _refuse(home: Home, path: Path, reason: str) -> None:
    # A second file of a name goes into a folder of its own: by its name a mapping knows it when it is tried again.
    folder, copy, name = home.refused, 1, _writable(path.name)
    while (folder / name).exists():
        copy += 1
        folder = home.refused / str(copy)
    folder.mkdir(parents=True, exist_ok=True)
    _reason_beside(folder / name).write_text(reason + "\n", encoding="utf-8")  # first: it is found by its reason
    _carry(path, folder / name)


def _reason_beside(path: Path) -> Path:
    return path.with_name(path.name + _REASON)


def _move(path: Path, folder: Path) -> None:
    """Move into a folder without overwriting a file of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    target, copy = folder / path.name, 1
    while target.exists():
        copy += 1
        target = folder / f"{path.stem}-{copy}{path.suffix}"
    _carry(path, target)


def _carry(path: Path, target: Path) -> None:
    """Move a file and its manifest; where the process is killed in between, the file is nowhere without it."""
    manifest = manifest_of(path)
    has_manifest = _is_named_well(path) and (manifest.is_symlink() or manifest.is_file())
    if has_manifest:
        shutil.copyfile(manifest, manifest_of(target), follow_symlinks=False)
    shutil.move(path, target)
    if has_manifest:
        manifest.unlink()


def told(outcome: FileOutcome) -> str:
    """What became of a file, as a sentence."""
    if outcome.refused:
        return f"refused. {outcome.refused}"
    if outcome.stream is None:
        return "; ".join(outcome.notes) + "."
    reread = f", {outcome.reread_rows} landed before" if outcome.reread_rows else ""
    return "; ".join([f"{outcome.rows} rows into {SOURCE}/{outcome.stream}{reread}", *outcome.notes]) + "."
