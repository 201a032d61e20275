"""A pull that a limit or a cut connection ends: what came is kept, said and published, and the next run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.values import latest_moment
from nps_pipeline.execute import Exit
from nps_pipeline.landing import list_loads
from nps_pipeline.manifest import Manifest
from nps_pipeline.pull import StreamOutcome, pull_crm, told
from sandbox.control import Control
from sandbox.faults import Fault
from sandbox.serve import Sandbox
from tests.nps_pipeline.pipeline import Pipeline

PAGE = 40
LIMIT = "a limit of requests is reached (DAILY); run again when it is over."


@pytest.fixture
def hubspot(crms: Sandbox) -> Control:
    crms.control["hubspot"].reset()
    return crms.control["hubspot"]


@pytest.fixture
def pipeline(tmp_path: Path, crms: Sandbox, hubspot: Control, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    hubspot.forget_requests()
    monkeypatch.setattr("connectors.hubspot._LISTED", PAGE)
    monkeypatch.setattr("connectors.hubspot._SEARCHED", PAGE)
    monkeypatch.setattr("connectors.http.sleep", lambda _: None)
    return Pipeline(
        tmp_path, configuration={"version": 1, "sources": {"hubspot": {}}}, environment=crms.environment_for()
    )


def limit(hubspot: Control, path: str = "/crm/v3/objects/contacts", *, nth: int) -> None:
    """From this request on the day's requests are used up."""
    hubspot.clear_faults()
    hubspot.faults([Fault("daily_limit", path=path, nth=nth, times=None)])


def pulled(pipeline: Pipeline, **wish: bool) -> StreamOutcome:
    ((_, outcome),) = pull_crm(pipeline.settings(), "hubspot", ["contacts"], **wish)
    return outcome


def manifests(pipeline: Pipeline) -> list[Manifest]:
    return [load.manifest for load in list_loads(pipeline.home, "hubspot", "contacts")]


def test_a_first_pull_that_is_cut_off_goes_on_and_is_listed_afterwards(pipeline: Pipeline, hubspot: Control) -> None:
    contacts = len(hubspot.state("contacts"))
    limit(hubspot, nth=3)
    outcome = pulled(pipeline)
    assert outcome.rows == 2 * PAGE
    assert told("hubspot", "contacts", outcome) == (
        f"hubspot/contacts could not be pulled. HubSpot answered 429 when listing contacts: {LIMIT} "
        f"What was pulled before that, {2 * PAGE} rows, is kept: the next run goes on from there."
    )

    hubspot.clear_faults()
    then, listed, last = (pulled(pipeline) for _ in range(3))
    assert [(one.mode, one.problem) for one in (then, listed, last)] == [
        ("incremental", None), ("reconcile", None), ("incremental", None),
    ]  # fmt: skip
    assert (then.rows, listed.rows, last.rows) == (contacts - 2 * PAGE, 0, 0)
    assert [(one.mode, one.is_drained, one.live_records) for one in manifests(pipeline)] == [
        ("incremental", False, None),
        ("incremental", True, None),
        ("reconcile", True, contacts),
    ]
    assert (manifests(pipeline)[-1].late_rows, manifests(pipeline)[-1].unlisted_rows) == (0, 0)


def test_a_pull_that_is_cut_off_every_day_gets_there(pipeline: Pipeline, hubspot: Control) -> None:
    contacts, days = len(hubspot.state("contacts")), 0
    rows = list[int]()
    while sum(rows) < contacts:
        limit(hubspot, "/crm/v3/objects/contacts", nth=2)  # a page each day
        rows.append(pulled(pipeline).rows)
        days += 1
        assert days <= contacts
    assert {*rows[:-1]} == {PAGE}


def test_where_nothing_came_the_last_landed_data_stays(pipeline: Pipeline, hubspot: Control) -> None:
    limit(hubspot, nth=1)
    outcome = pulled(pipeline)
    assert (outcome.result, outcome.rows) == (None, 0)
    assert str(outcome.problem).endswith(f"{LIMIT} Its last landed data stays.")
    assert manifests(pipeline) == []


@pytest.mark.parametrize("wish", [{"reconcile": True}, {}], ids=["asked for", "due"])
def test_a_reconcile_that_is_cut_off_lands_nothing_but_the_changes_and_is_tried_again(
    pipeline: Pipeline, hubspot: Control, wish: dict[str, bool]
) -> None:
    if not wish:
        pipeline.configuration["sources"] = {"hubspot": {"reconcile": "0s"}}
    pulled(pipeline)
    full = manifests(pipeline)[0]
    hubspot.edit("contacts", next(iter(hubspot.state("contacts"))))
    hubspot.clear_faults()
    hubspot.faults([Fault("daily_limit", path="/crm/v3/objects/contacts[?](?!.*archived=true)", nth=2, times=None)])
    outcome = pulled(pipeline, **wish)
    assert "is kept: the next run goes on from there" in str(outcome.problem)
    changes = manifests(pipeline)[1:]
    assert [(one.mode, one.rows, one.is_drained, one.unlisted_rows) for one in changes] == [
        ("incremental", 1, True, None)
    ]
    before, after = latest_moment(full.cursor_after), latest_moment(changes[0].cursor_after)
    assert before is not None
    assert after is not None
    assert after >= before
    hubspot.clear_faults()
    assert (pulled(pipeline, **wish).mode, manifests(pipeline)[-1].mode) == ("reconcile", "reconcile")


def test_what_came_is_published_and_the_run_is_degraded_until_the_rest_is_there(
    pipeline: Pipeline, hubspot: Control
) -> None:
    contacts = len(hubspot.state("contacts"))
    limit(hubspot, nth=3)
    first = pipeline.run()
    assert (first.exit, len(first.problems)) == (Exit.DEGRADED, 1)
    assert kept(pipeline) == 2 * PAGE
    hubspot.clear_faults()
    assert [pipeline.run().exit for _ in range(2)] == [Exit.DONE, Exit.DONE]
    assert kept(pipeline) == contacts
    assert [one.mode for one in manifests(pipeline)] == ["incremental", "incremental", "reconcile"]
    assert manifests(pipeline)[-1].live_records == contacts


def kept(pipeline: Pipeline) -> int:
    """The contacts that the mart has."""
    (row,) = pipeline.query("select current from conservation where source_stream = 'contacts'")
    return int(row["current"])
