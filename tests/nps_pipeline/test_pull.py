"""CRMs become loads: what is asked for, what is said of it, and what happens where a source cannot be reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.execute import Exit
from nps_pipeline.landing import list_loads
from nps_pipeline.publications import current
from nps_pipeline.pull import StreamOutcome, declared_streams, pull_crm
from sandbox.serve import Sandbox
from tests.connectors.scripted import Reply, Scripted
from tests.nps_pipeline.pipeline import Pipeline

SKIPPED = "HubSpot was skipped: there are no credentials for it. Set HUBSPOT_ACCESS_TOKEN (access token)."
SYNC = {"hubspot": {"contact": {"fields": {"score": {"to": "nps_score"}}}}}


@pytest.fixture
def pipeline(tmp_path: Path, crms: Sandbox) -> Pipeline:
    crms.control["hubspot"].reset()
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
    # One search, the companies of what it found (the overlap serves the last again), one look at what was archived.
    assert [outcome.result.requests for outcome in (again, third) if outcome.result] == [3, 3]


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
    assert outcome.skipped == SKIPPED
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


def test_a_stream_is_pulled_anew_once_even_where_that_brings_no_new_row(pipeline: Pipeline) -> None:
    """Zendesk serves whole records whatever is asked for, so that another field to observe changes no payload."""
    pipeline.configuration["sources"] = {"zendesk": {}}
    modes = [outcome.mode for _, outcome in pull_crm(pipeline.settings(), "zendesk", ["users"])]
    pipeline.configuration["sync"] = {"zendesk": {"user": SYNC["hubspot"]["contact"]}}

    outcomes = [outcome for _ in range(2) for _, outcome in pull_crm(pipeline.settings(), "zendesk", ["users"])]

    assert [*modes, *(outcome.mode for outcome in outcomes)] == ["full", "full", "incremental"]
    assert [outcome.rows for outcome in outcomes] == [0, 0]
    assert len(list_loads(pipeline.home, "zendesk", "users")) == 2


OK = Reply({"results": []})
CUT_TEXT = r'{"results": [{"id": "5", "updatedAt": "2026-03-01T09:00:00Z", "properties": {"name": "Ada \ud83d"}}]}'


@pytest.fixture
def scripted(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Scripted]]:
    """The HubSpot of the pipeline becomes a server that gives these replies; nothing waits."""
    monkeypatch.setattr("connectors.http.sleep", lambda _: None)
    with ExitStack() as running:

        def begin(*replies: Reply) -> Scripted:
            server = running.enter_context(Scripted(replies))
            pipeline.environment = {**pipeline.environment, "HUBSPOT_BASE_URL": server.url}
            return server

        yield begin


def test_a_stream_that_fails_keeps_no_other_stream_of_a_source_that_answers(
    pipeline: Pipeline, scripted: Callable[..., Scripted]
) -> None:
    scripted(*[Reply(b"", 500)] * 5, OK)

    outcomes = pull(pipeline, "contacts", "companies")

    assert "answered 500 when listing contacts" in str(outcomes["contacts"].problem)
    assert (outcomes["companies"].problem, outcomes["companies"].mode) == (None, "full")


def test_a_source_that_does_not_answer_is_not_waited_for_by_every_stream(
    pipeline: Pipeline, scripted: Callable[..., Scripted]
) -> None:
    server = scripted(Reply(b"", 500))

    outcomes = pull(pipeline, "contacts", "companies", "feedback_submissions")

    assert [str(outcome.problem).count("was not tried again") for outcome in outcomes.values()] == [0, 1, 1]
    assert len(server.asked) == 10  # one page and one check, five times each


def test_a_text_that_was_cut_inside_an_emoji_is_landed(pipeline: Pipeline, scripted: Callable[..., Scripted]) -> None:
    scripted(Reply(CUT_TEXT), OK)

    assert (pull(pipeline, "companies")["companies"].rows, len(manifests(pipeline, "companies"))) == (1, 1)


def test_a_required_source_that_fails_blocks_publishing(pipeline: Pipeline) -> None:
    pipeline.configuration["sources"] = {"hubspot": {"required": True}}
    pipeline.environment = {}

    result = pipeline.run()

    assert (result.exit, result.published) == (Exit.FAILED, None)
    assert result.problems == (SKIPPED,)
    assert current(pipeline.home) is None
