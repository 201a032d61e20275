"""Pull: what waits in the inbox becomes loads. How a file is read is known in ``connectors.survey_files`` alone."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from connectors.base import Stream
from connectors.errors import RecordError
from connectors.survey_files.connector import SOURCE, SurveyFile, open_survey_file
from connectors.survey_files.records import FILE_FIELDS
from nps_pipeline import __version__, landing
from nps_pipeline.home import Home
from nps_pipeline.keys import GROUPS, LANDED_FILES, PROBLEMS
from nps_pipeline.landing import LoadRequest
from nps_pipeline.manifest import LandedFile
from nps_pipeline.progress import tell
from nps_pipeline.resources import Run
from nps_pipeline.settings import Settings

FILES_READABLE = "files_readable"


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file; ``refused`` is the sentence for the operator, None when it was accepted."""

    name: str
    stream: str | None = None
    rows: int = 0
    reread_rows: int = 0
    refused: str | None = None
    notes: tuple[str, ...] = ()


def declared_streams(settings: Settings) -> list[Stream]:
    """Every stream whose loads belong to the mart: whatever was landed, also under a mapping since removed."""
    names = sorted(path.name for path in (settings.home.landing / SOURCE).glob("[!.]*"))
    return [Stream(source=SOURCE, name=name, role="response", fields=FILE_FIELDS) for name in names]


def pull_files(settings: Settings) -> list[FileOutcome]:
    """Land every file of the inbox: accepted ones move to the archive, refused ones aside with their reason."""
    home = settings.home
    home.inbox.mkdir(parents=True, exist_ok=True)
    return [_pull_file(settings, path) for path in sorted(home.inbox.iterdir()) if not path.name.startswith(".")]


def _pull_file(settings: Settings, path: Path) -> FileOutcome:
    configuration, home = settings.configuration, settings.home
    try:
        survey_file = open_survey_file(path, configuration.sources.files, configuration.reporting.timezone)
        outcome = _land(home, survey_file)
    except RecordError as refusal:
        _refuse(home, path, str(refusal))
        return FileOutcome(path.name, refused=str(refusal))
    _move(path, home.archive)
    return outcome


def _land(home: Home, survey_file: SurveyFile) -> FileOutcome:
    stream = survey_file.stream
    earlier = sorted(landing.by_file(home, SOURCE, survey_file.sha256), key=lambda load: load.manifest.started_at)
    if earlier and _read_alike(earlier[-1], survey_file):
        note = "The same file was landed before under the same mapping; nothing was added."
        return FileOutcome(survey_file.name, stream.name, notes=(note,))
    corrected = [
        load
        for load in landing.list_loads(home, SOURCE)
        if load.manifest.file and load.manifest.file.name in survey_file.replaces
    ]
    request = LoadRequest(
        source=SOURCE,
        stream=stream.name,
        mode="file",
        connector_version=__version__,
        mapping_hash=survey_file.mapping_hash,
        file=LandedFile(survey_file.name, survey_file.sha256, survey_file.bytes),
        # the same bytes under another mapping, or a file that says what it corrects
        replaces=tuple(dict.fromkeys(load.manifest.load_id for load in (*earlier, *corrected))),
    )
    result = landing.land(home, request, survey_file.pages())
    rows = result.load.manifest.rows if result.load else 0
    return FileOutcome(survey_file.name, stream.name, rows, result.reread_rows, notes=tuple(survey_file.notes))


def _read_alike(load: landing.Load, survey_file: SurveyFile) -> bool:
    manifest = load.manifest
    return (manifest.stream, manifest.mapping_hash) == (survey_file.stream.name, survey_file.mapping_hash)


def _refuse(home: Home, path: Path, reason: str) -> None:
    moved = _move(path, home.refused)
    moved.with_name(f"{moved.name}.reason.txt").write_text(reason + "\n", encoding="utf-8")


def _move(path: Path, folder: Path) -> Path:
    """Move into a folder without overwriting a file of the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    target, copy = folder / path.name, 1
    while target.exists():
        copy += 1
        target = folder / f"{path.stem}-{copy}{path.suffix}"
    return Path(shutil.move(path, target))


@dg.asset(
    key=LANDED_FILES,
    group_name=GROUPS["landing"],
    kinds={"python", "parquet"},
    description="Survey files: whatever waits in the inbox is landed and archived, or refused with its reason.",
    check_specs=[
        dg.AssetCheckSpec(
            FILES_READABLE,
            asset=LANDED_FILES,
            description="Every file that waited in the inbox could be read and mapped.",
        )
    ],
)
def landed_files(context: dg.AssetExecutionContext, run: Run) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Pull the survey files; a refused one degrades the run and stops nothing."""
    started = time.monotonic()
    outcomes = pull_files(run.settings)
    for outcome in outcomes:
        tell(context, f"{outcome.name}: {_told(outcome)}")
    problems = [f"{outcome.name} was refused: {outcome.refused}" for outcome in outcomes if outcome.refused]
    return dg.MaterializeResult(
        metadata={
            "files": len(outcomes),
            "rows": sum(outcome.rows for outcome in outcomes),
            "reread_rows": sum(outcome.reread_rows for outcome in outcomes),
            "refused": len(problems),
            "seconds": round(time.monotonic() - started, 3),
            "notes": dg.MetadataValue.md("\n".join(f"- {outcome.name}: {_told(outcome)}" for outcome in outcomes)),
            PROBLEMS: dg.MetadataValue.json(problems),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=FILES_READABLE,
                passed=not problems,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"refused": len(problems)},
            )
        ],
    )


def _told(outcome: FileOutcome) -> str:
    if outcome.refused:
        return f"refused. {outcome.refused}"
    reread = f", {outcome.reread_rows} landed before" if outcome.reread_rows else ""
    return "; ".join([f"{outcome.rows} rows into {SOURCE}/{outcome.stream}{reread}", *outcome.notes]) + "."
