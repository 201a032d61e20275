"""What is landed of Zendesk by pulls of a pipeline: deletes that an export hides, streams that only grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from nps_pipeline.landing import list_loads
from nps_pipeline.manifest import NAME
from nps_pipeline.pull import StreamOutcome, pull_crm
from nps_pipeline.settings import Settings, load_settings
from tests.connectors.zendesk_accounts import Account, account, environment, records

EVENTS = {"tickets": {"score": 360_001, "scale": [0, 10], "events": True}}


@pytest.fixture(scope="module")
def crowded() -> Iterator[Account]:
    """An account whose organizations changed 3, 2, then 2,300 and again 3 to a second."""
    with account(organizations=records([0] * 3 + [1] * 2 + [2] * 2_300 + [3] * 3)) as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, crowded: Account) -> Settings:
    """The settings of a pipeline that pulls from the crowded account."""
    crowded.control.reset()
    config = tmp_path / "nps.yaml"
    config.write_text(yaml.safe_dump({"version": 1, "sources": {"zendesk": EVENTS}}), encoding="utf-8")
    return load_settings({"NPS_HOME": str(tmp_path / "var"), "NPS_CONFIG": str(config), **environment(crowded.url)})


def pulled(settings: Settings, stream: str = "organizations", *, reconcile: bool = False) -> StreamOutcome:
    (outcome,) = dict(pull_crm(settings, "zendesk", [stream], reconcile=reconcile)).values()
    assert outcome.problem is None
    return outcome


def test_deletes_that_a_crowded_second_hides_are_landed_by_the_pull_that_meets_it(
    settings: Settings, crowded: Account
) -> None:
    assert pulled(settings).mode == "full"
    crowded.now[0] = datetime.now(UTC) - timedelta(seconds=90)  # lists are dated by the server's own clock
    for record in crowded.service.store.everything("organizations")[:1_500]:
        crowded.service.store.delete(record)
    crowded.wait(90)

    outcome = pulled(settings)

    assert outcome.mode == "reconcile"
    assert outcome.result is not None
    assert outcome.result.load is not None
    manifest = outcome.result.load.manifest
    assert (manifest.deleted_rows, manifest.unlisted_rows) == (1_500, 500)  # 1,000 of them the export shows
    assert (manifest.live_records, manifest.late_rows) == (808, 0)


def test_a_reconcile_finds_and_counts_a_delete_that_no_export_showed(settings: Settings, crowded: Account) -> None:
    pulled(settings)
    hidden = crowded.service.store.everything("organizations")[-4]  # the last one of the crowded second, since long ago
    hidden.deleted = hidden.modified
    crowded.wait(3_600)
    assert pulled(settings).rows == 0

    outcome = pulled(settings, reconcile=True)

    assert outcome.result is not None
    assert outcome.result.load is not None
    manifest = outcome.result.load.manifest
    assert (manifest.rows, manifest.deleted_rows, manifest.unlisted_rows) == (1, 1, 1)


def test_events_are_read_anew_only_when_a_person_asks_for_it(settings: Settings, crowded: Account) -> None:
    for _ in range(3):
        crowded.control.add("tickets", status="open", custom_values={"360001": "9"})
    for stream in ("ticket_events", "tickets"):
        assert pulled(settings, stream).mode == "full"
        (load,) = list_loads(settings.home, "zendesk", stream)
        document = json.loads((load.path / NAME).read_text(encoding="utf-8"))
        long_ago = {"finished_at": (datetime.now(UTC) - timedelta(days=30)).isoformat()}
        (load.path / NAME).write_text(json.dumps(document | long_ago), encoding="utf-8")
    assert pulled(settings, "tickets").mode == "reconcile"  # a ticket may change, an event does not
    assert pulled(settings, "ticket_events").mode == "incremental"
    outcome = pulled(settings, "ticket_events", reconcile=True)
    assert (outcome.mode, outcome.rows) == ("reconcile", 0)
    assert outcome.result is not None
    assert outcome.result.reread_rows == 2 * 3  # what the overlap serves again, then all of it


def test_a_reconcile_of_what_did_not_change_lands_no_organization_again(settings: Settings) -> None:
    pulled(settings)
    outcome = pulled(settings, reconcile=True)
    assert (outcome.mode, outcome.rows) == ("reconcile", 0)
    assert len(list_loads(settings.home, "zendesk", "organizations")) == 2
