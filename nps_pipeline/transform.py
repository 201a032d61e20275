"""Transform: pin the loads of this run, copy them into the working database, build the dbt project on them."""

import json
import secrets
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, dbt_assets
from packaging.version import Version

from connectors.base import Stream
from nps_pipeline import landing, project, publications, shrink, warehouse
from nps_pipeline.declaration import declaration, fields_hash
from nps_pipeline.home import Home
from nps_pipeline.ingest import DeclaredRows, RunParameters, ingest
from nps_pipeline.keys import GROUPS, RAW, table
from nps_pipeline.landing import Load
from nps_pipeline.progress import tell
from nps_pipeline.resources import Run
from nps_pipeline.settings import Settings

Clock = Callable[[], datetime]
DeclaredStreams = Callable[[Settings], Sequence[Stream]]
CONSERVATION = table("marts", "conservation")
CATEGORIES = ("promoter", "passive", "detractor")
RAW_TABLES = {
    "loads": "The loads pinned for this run: later ones wait for the next.",
    "records": "Their rows, as landed. A load is copied once.",
    "run": "The parameters of this run: date, time zone, minimum, hashes.",
    "source_order": "Which copy of an answer wins.",
    "surveys": "The surveys that nps.yaml declares, by every name under which a source knows them.",
    "sync_fields": "The fields that sync-back keeps up to date.",
    "previous_identities": "Whose records were whose in the publication that readers have.",
    "previous_history": "What became of earlier customer ids, as that publication has it.",
}


def utc_now() -> datetime:
    """The present moment; the only clock of the stage."""
    return datetime.now(UTC)


def pin(settings: Settings, streams: Sequence[Stream]) -> list[tuple[Load, Stream, str]]:
    """The loads of declared streams as they are at this moment, each with its stream and the declaration's hash."""
    declared = {(stream.source, stream.name): stream for stream in streams}
    loads = landing.list_loads(settings.home)
    pinned = [(load, declared.get((load.manifest.source, load.manifest.stream))) for load in loads]
    return [(load, stream, fields_hash(stream)) for load, stream in pinned if stream is not None]


def run_parameters(settings: Settings, now: datetime) -> RunParameters:
    """What the build depends on besides landing.

    Args:
        settings: The configuration.
        now: The moment of the run, aware; its local date in the reporting time zone becomes ``as_of_date``.
    """
    reporting = settings.configuration.reporting
    instant = now.astimezone(UTC)
    return RunParameters(
        publication_id=f"{instant:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}",
        published_at=instant.replace(tzinfo=None),
        as_of_date=instant.astimezone(ZoneInfo(reporting.timezone)).date(),
        timezone=reporting.timezone,
        min_n=reporting.min_n,
        shrink_floor=settings.configuration.gate.shrink_floor,
        people_per_address=settings.configuration.identity.people_per_address,
        keys_per_customer=settings.configuration.identity.keys_per_customer,
        default_country=settings.configuration.identity.default_country,
        code_hash=project.code_hash(settings.suite_files()),
        configuration_hash=settings.content_hash(),
    )


def published_before(home: Home) -> Path | None:
    """The mart that readers have now; None before the first, and where it is damaged and will be published anew."""
    now = publications.current(home)
    return now.mart if now is not None and publications.is_whole(now) else None


def declared_rows(settings: Settings) -> DeclaredRows:
    """What nps.yaml says that the models read as tables."""
    configuration = settings.configuration
    return DeclaredRows(
        source_order=configuration.deduplication.order,
        surveys=[
            (name, survey.name, survey.survey_type, survey.channel, survey.touchpoint)
            for survey in configuration.surveys
            for name in survey.names
        ],
        sync_fields=[
            (
                *(field.destination, field.object, field.stream, field.survey_type, field.touchpoint),
                *(field.value, field.field, field.kind),
                *(field.spelling.get(category) for category in CATEGORIES),
            )
            for field in settings.sync_fields()
        ],
    )


def stream_variables(streams: Sequence[Stream]) -> list[dict[str, Any]]:
    """The declarations as dbt reads them (``var('streams')``)."""
    return [
        {"source": stream.source, "stream": stream.name, "role": stream.role, **declaration(stream)}
        for stream in sorted(streams, key=lambda stream: (stream.source, stream.name))
    ]


class _Translator(DagsterDbtTranslator):
    """A dbt node's asset: key = layer / name, one group per layer in the order of the flow."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        return table(_layer(dbt_resource_props), dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        return GROUPS[_layer(dbt_resource_props)]


def _layer(properties: Mapping[str, Any]) -> str:
    return str(properties["schema"])


class RawConfig(dg.Config):
    """What a person may say when launching the step."""

    accept_shrink: bool = False


def raw_assets(landed: Sequence[dg.AssetKey], declared_streams: DeclaredStreams, clock: Clock) -> dg.AssetsDefinition:
    """The raw tables: the pinned loads and the run's parameters.

    Args:
        landed: The assets of the pull stage.
        declared_streams: Which streams are declared, asked when the run starts.
        clock: Says when the run is.
    """

    @dg.multi_asset(
        name=RAW,
        specs=[
            dg.AssetSpec(
                table("raw", name),
                deps=list(landed),
                group_name=GROUPS["raw"],
                kinds={"duckdb"},
                description=description,
            )
            for name, description in RAW_TABLES.items()
        ],
    )
    def raw(context: dg.AssetExecutionContext, config: RawConfig, run: Run) -> Iterator[dg.MaterializeResult]:  # type: ignore[type-arg]
        settings = run.settings
        pinned = pin(settings, declared_streams(settings))
        parameters = run_parameters(settings, clock())
        if config.accept_shrink:
            shrink.accept(settings.home, [load for load, _, _ in pinned])
        declared = replace(declared_rows(settings), accepted_shrinks=shrink.accepted(settings.home))
        copied = ingest(settings.home, pinned, parameters, declared, published_before(settings.home))
        rows = sum(load.manifest.rows for load, _, _ in pinned)
        tell(context, f"{len(pinned)} loads pinned, {copied} of them new; {rows:,} rows.")
        metadata: dict[str, dict[str, Any]] = {
            "loads": {"dagster/row_count": len(pinned), "new_loads": copied},
            "records": {"dagster/row_count": rows},
            "run": {"publication_id": parameters.publication_id, "as_of_date": str(parameters.as_of_date)},
            "source_order": {"dagster/row_count": len(declared.source_order)},
            "surveys": {"dagster/row_count": len(declared.surveys)},
            "sync_fields": {"dagster/row_count": len(declared.sync_fields)},
            "previous_identities": {},
            "previous_history": {},
        }
        for name in RAW_TABLES:
            yield dg.MaterializeResult(asset_key=table("raw", name), metadata=metadata[name])

    return raw


def dbt_models(declared_streams: DeclaredStreams) -> dg.AssetsDefinition:
    """Every seed and model of the dbt project as an asset, every dbt test as a check on what it tests."""

    @dbt_assets(
        manifest=project.MANIFEST,
        name="dbt",
        dagster_dbt_translator=_Translator(),
        exclude="resource_type:unit_test",
    )
    def dbt(context: dg.AssetExecutionContext, run: Run) -> Iterator[Any]:
        settings = run.settings
        arguments = ["build", "--vars", json.dumps({"streams": stream_variables(declared_streams(settings))})]
        if not warehouse.begin_build(settings.home, project.dbt_hash()):
            arguments.append("--full-refresh")
        results = settings.home.dbt / "run_results.json"
        results.unlink(missing_ok=True)
        with run.dbt_environment():
            cli = _Dbt(
                project_dir=str(project.DBT_PROJECT),
                profiles_dir=str(project.DBT_PROJECT),
                dbt_executable=str(project.DBT),
            )
            # a target folder of the home's own: dbt then finds what it parsed in the run before
            invocation = cli.cli(arguments, context=context, target_path=settings.home.dbt, raise_on_error=False)
            with _ended(invocation.process):
                events = list(invocation.stream())
        counted = _with_row_counts(events, warehouse.work_row_counts(settings.home))
        yield from _with_metadata(counted, CONSERVATION, warehouse.work_conservation(settings.home))
        if not invocation.is_successful():
            raise dg.Failure(description=_failed_nodes(results), allow_retries=False)
        warehouse.finish_build(settings.home, project.dbt_hash())
        tell(context, f"{len(events)} models, seeds and tests built.")

    return dbt


class _Dbt(DbtCliResource):
    """The dbt beside this interpreter, started once per run: Dagster asks it for nothing but what it builds."""

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> None:  # type: ignore[override]
        """None: it would import dbt into this process too, for columns and counts that are not asked of it."""

    @cached_property
    def _cli_version(self) -> Version:
        """As installed: `dbt --version` is a process of its own, and asks a package index for newer versions."""
        return Version(version("dbt-core"))


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave no dbt behind that holds the working database when reading its events fails; else it ends by itself."""
    try:
        yield
    except BaseException:
        process.kill()  # a child may have inherited that SIGTERM is ignored; DuckDB survives this
        process.wait()
        raise


def _with_row_counts(events: Iterable[Any], counts: Mapping[tuple[str, str], int]) -> Iterator[Any]:
    """The events with the rows of their tables: they can only be counted when dbt has let go of the file."""
    rows = {table(*name).to_python_identifier(): count for name, count in counts.items()}
    for event in events:
        if isinstance(event, dg.Output) and event.output_name in rows:
            yield event.with_metadata({**event.metadata, "dagster/row_count": rows[event.output_name]})
        else:
            yield event


def _with_metadata(events: Iterable[Any], key: dg.AssetKey, metadata: Mapping[str, int]) -> Iterator[Any]:
    """The events, that of one asset with numbers that Dagster plots over time."""
    for event in events:
        if isinstance(event, dg.Output) and event.output_name == key.to_python_identifier():
            yield event.with_metadata({**event.metadata, **metadata})
        else:
            yield event


def _failed_nodes(run_results: Path) -> str:
    """Which nodes failed, by name: what dbt says about them can quote cells, so it stays in dbt's own output."""
    document = json.loads(run_results.read_text(encoding="utf-8")) if run_results.exists() else {"results": []}
    failed = [r["unique_id"].split(".")[2] for r in document["results"] if r["status"] in {"error", "fail"}]
    return (
        f"dbt could not build the mart: {', '.join(failed) or 'it did not start'}. Nothing was published. "
        "If you changed the dbt project or a seed, mend that; otherwise report it with the log of the run."
    )
