"""CRMs become loads: what is asked for, what is said of it, and what happens where a source cannot be reached."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.execute import Exit
from nps_pipeline.landing import list_loads
from nps_pipeline.publications import current
from nps_pipeline.pull import StreamOutcome, declared_streams, pull_crm
from sandbox.serve import Sandbox, start
from tests.nps_pipeline.pipeline import Pipeline

SYNC = {"hubspot": {"contact": {"fields": {"score": {"to": "nps_score"}}}}}


@pytest.fixture(scope="module")
def crms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with start(tmp_path_factory.mktemp("crms"), 7, date(2026, 11, 22)) as running:
        yield running


@pytest.fixture
def pipeline(tmp_path: Path, crms: Sandbox) -> Pipeline:
    return Pipeline(
        tmp_path, configuration={"version": 1, "sources": {"hubspot": {}}}, environment=crms.environment_for()
    )


def pull(pipeline: Pipeline, *names: str) -> dict[str, StreamOutcome]:
    return dict(pull_crm(pipeline.settings(), "hubspot", names))


def manifests(pipeline: Pipeline, stream: str) -> list[Any]:
    return [load.manifest for load in list_loads(pipeline.home, "hubspot", stream)]


def test_the_first_pull_is_full_and_the_next_goes_on_from_its_cursor(pipeline: Pipeline, crms: Sandbox) -> None:
    contacts = crms.control["hubspot"].state("contacts")

    first = pull(pipeline, "contacts")["contacts"]
    again = pull(pipeline, "contacts")["contacts"]
    changed = next(iter(contacts))
    crms.control["hubspot"].edit("contacts", changed, lifecyclestage="evangelist")
    third = pull(pipeline, "contacts")["contacts"]

    assert (first.mode, first.rows, first.problem) == ("full", len(contacts), None)
    assert (again.mode, again.rows, again.problem) == ("incremental", 0, None)
    assert (third.mode, third.rows) == ("incremental", 1)
    assert third.result is not None
    assert third.result.requests == 2  # one search, and one look at what was archived


def test_requests_rows_and_budget_stand_in_the_manifest(pipeline: Pipeline) -> None:
    pull(pipeline, "companies")

    (manifest,) = manifests(pipeline, "companies")
    assert manifest.requests > 0
    assert manifest.bytes > 1000
    assert manifest.rows > 0
    assert manifest.cursor_after
    assert manifest.api_budget is not None
    assert 0 < manifest.api_budget["remaining"] < manifest.api_budget["limit"]


def test_another_field_to_observe_is_asked_for_from_the_beginning(pipeline: Pipeline) -> None:
    pull(pipeline, "contacts", "companies")
    pipeline.configuration = {**pipeline.configuration, "sync": SYNC}

    outcomes = pull(pipeline, "contacts", "companies")

    assert {name: outcome.mode for name, outcome in outcomes.items()} == {
        "contacts": "full",
        "companies": "incremental",
    }
    (stream,) = [stream for stream in declared_streams(pipeline.settings()) if stream.name == "contacts"]
    assert stream.written == {"nps_score": "$.properties.nps_score"}


def test_a_source_without_credentials_is_skipped_and_said_so(pipeline: Pipeline) -> None:
    pipeline.environment = {}

    outcome = pull(pipeline, "contacts")["contacts"]

    assert outcome.problem is None
    assert outcome.skipped == "HubSpot was skipped: there are no credentials for it. Set HUBSPOT_ACCESS_TOKEN."
    assert not pipeline.home.landing.exists()


def test_a_source_that_fails_keeps_its_last_landed_data(pipeline: Pipeline) -> None:
    pull(pipeline, "contacts")
    before = manifests(pipeline, "contacts")
    pipeline.environment = {**pipeline.environment, "HUBSPOT_ACCESS_TOKEN": "pat-of-nobody"}

    outcomes = pull(pipeline, "contacts", "companies")

    for outcome in outcomes.values():
        assert outcome.problem is not None
        assert "HubSpot refused the credentials" in outcome.problem
        assert outcome.problem.endswith("Its last landed data stays.")
        assert "pat-of-nobody" not in outcome.problem
    assert manifests(pipeline, "contacts") == before


def test_a_required_source_that_fails_blocks_publishing(pipeline: Pipeline) -> None:
    pipeline.configuration["sources"] = {"hubspot": {"required": True}}
    pipeline.environment = {}

    result = pipeline.run()

    assert (result.exit, result.published) == (Exit.FAILED, None)
    assert result.problems == ("HubSpot was skipped: there are no credentials for it. Set HUBSPOT_ACCESS_TOKEN.",)
    assert current(pipeline.home) is None
