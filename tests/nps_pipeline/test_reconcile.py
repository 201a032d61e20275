"""A reconcile finds what pulls of changes missed: late rows, deletes without a trace; it is due in time, and said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import sandbox.demo
from connectors.base import Page, Record, Stream
from connectors.registry import discover
from nps_pipeline import landing, pull
from nps_pipeline.execute import Wishes, run_job
from nps_pipeline.landing import Load, list_loads
from nps_pipeline.manifest import NAME
from nps_pipeline.pull import StreamOutcome, pull_crm
from sandbox.serve import Sandbox
from tests.nps_pipeline.loads import loaded, rows
from tests.nps_pipeline.pipeline import Pipeline

DEMO = yaml.safe_load(Path(sandbox.demo.__file__).with_name("demo.yaml").read_text(encoding="utf-8"))
SOURCES = {name: section for name, section in DEMO["sources"].items() if name in discover()}


@pytest.fixture
def pipeline(tmp_path: Path, crms: Sandbox) -> Pipeline:
    for control in crms.control.values():
        control.reset()
    return Pipeline(tmp_path, configuration={"version": 1, "sources": SOURCES}, environment=dict(crms.environment))


def streams(pipeline: Pipeline, source: str) -> Mapping[str, Stream]:
    return {stream.name: stream for stream in pipeline.settings().crm_streams(source)}


def outcomes(pipeline: Pipeline, source: str, *, reconcile: bool = False) -> dict[str, StreamOutcome]:
    names = list(streams(pipeline, source))
    return dict(pull_crm(pipeline.settings(), source, names, reconcile=reconcile))


def forget(pipeline: Pipeline, source: str, stream: str, **facts: Any) -> None:
    """Change what the manifest of the newest load says: a pull that served less, or longer ago."""
    load = list_loads(pipeline.home, source, stream)[-1]
    document = json.loads((load.path / NAME).read_text(encoding="utf-8"))
    (load.path / NAME).write_text(json.dumps(document | facts), encoding="utf-8")


def live(pipeline: Pipeline, source: str, stream: str) -> set[str]:
    """The records that landing says to be live."""
    current: dict[str, tuple[Any, bool]] = {}
    for load in list_loads(pipeline.home, source, stream):
        for row in rows(load):
            version = (row["source_version"] is not None, row["source_version"])
            if row["record_id"] not in current or version >= current[row["record_id"]][0]:
                current[row["record_id"]] = (version, row["is_deleted"])
    return {record_id for record_id, (_, is_deleted) in current.items() if not is_deleted}


@pytest.mark.parametrize("source", discover())
def test_after_a_reconcile_what_lives_is_what_the_source_counts(pipeline: Pipeline, crms: Sandbox, source: str) -> None:
    outcomes(pipeline, source)
    control = crms.control[source]
    for name in streams(pipeline, source):
        live_ids = [one for one, record in sorted(control.state(name).items()) if record["deleted"] is None]
        control.edit(name, live_ids[0])
        control.delete(name, live_ids[-1])
    found = outcomes(pipeline, source, reconcile=True)
    for name, outcome in found.items():
        assert (outcome.mode, outcome.problem) == ("reconcile", None)
        assert outcome.result is not None
        manifest = loaded(outcome.result).manifest
        there = {record_id for record_id, record in control.state(name).items() if record["deleted"] is None}
        assert live(pipeline, source, name) == there
        assert manifest.live_records == len(there)
        assert manifest.source_count == (len(there) if source == "salesforce" else None)  # others have no exact one
    assert (
        any(loaded(one.result).manifest.source_count for one in found.values() if one.result) or source != "salesforce"
    )


@pytest.mark.parametrize("source", discover())
def test_a_reconcile_of_what_did_not_change_lands_nothing(pipeline: Pipeline, source: str) -> None:
    outcomes(pipeline, source)
    for name, outcome in outcomes(pipeline, source, reconcile=True).items():
        assert outcome.result is not None
        manifest = loaded(outcome.result).manifest
        assert (name, manifest.rows, manifest.late_rows, manifest.unlisted_rows) == (name, 0, 0, 0)


def test_a_record_that_vanished_without_a_trace_is_found_and_said(pipeline: Pipeline) -> None:
    pipeline.configuration = {"version": 1, "sources": {"hubspot": {}}}
    outcomes(pipeline, "hubspot")
    landed = list_loads(pipeline.home, "hubspot", "contacts")[0]
    extra = {**rows(landed)[0], "record_id": "777"}
    add_row(pipeline, landed, extra)
    outcome = outcomes(pipeline, "hubspot", reconcile=True)["contacts"]
    assert outcome.result is not None
    assert loaded(outcome.result).manifest.unlisted_rows == 1
    assert "found 0 changes and 1 deletes that were missed" in pull.told("hubspot", "contacts", outcome)


def add_row(pipeline: Pipeline, load: Load, row: Mapping[str, Any]) -> None:
    """Land a record that the source does not know."""
    request = landing.LoadRequest(
        load.manifest.source, load.manifest.stream, "incremental", "1", load.manifest.mapping_hash
    )
    record = Record(row["record_id"], row["payload"], row["source_version"])
    landing.land(pipeline.home, request, [Page([record], dict(load.manifest.cursor_after))])


def test_a_reconcile_is_due_when_the_last_pull_of_everything_is_too_old(pipeline: Pipeline) -> None:
    pipeline.configuration = {"version": 1, "sources": {"hubspot": {"reconcile": "2d"}}}
    assert outcomes(pipeline, "hubspot")["companies"].mode == "full"
    assert outcomes(pipeline, "hubspot")["companies"].mode == "incremental"
    finished = list_loads(pipeline.home, "hubspot", "companies")[0].manifest.finished_at
    long_ago = datetime.fromisoformat(finished) - timedelta(days=2)
    forget(pipeline, "hubspot", "companies", finished_at=long_ago.isoformat())
    assert outcomes(pipeline, "hubspot")["companies"].mode == "reconcile"
    assert outcomes(pipeline, "hubspot")["companies"].mode == "incremental"


def test_a_reconcile_that_lists_another_number_than_the_source_counts_is_made_again(pipeline: Pipeline) -> None:
    outcomes(pipeline, "salesforce")
    outcomes(pipeline, "salesforce", reconcile=True)
    assert outcomes(pipeline, "salesforce")["Contact"].mode == "incremental"
    listed = list_loads(pipeline.home, "salesforce", "Contact")[-1].manifest.live_records
    assert listed is not None
    forget(pipeline, "salesforce", "Contact", source_count=listed + 1)
    assert outcomes(pipeline, "salesforce")["Contact"].mode == "reconcile"


def test_a_person_can_ask_for_it(pipeline: Pipeline) -> None:
    pipeline.configuration = {"version": 1, "sources": {"hubspot": {}}}
    outcomes(pipeline, "hubspot")
    definitions = pipeline.definitions()
    result = run_job(pipeline.settings(), definitions, Wishes(only="hubspot", reconcile=True))
    assert result.exit == 0
    modes = pipeline.query("select source_stream, mode from loads where load_seq = 2 order by all")
    assert [tuple(row.values()) for row in modes] == [
        ("companies", "reconcile"),
        ("contacts", "reconcile"),
        ("feedback_submissions", "reconcile"),
    ]
