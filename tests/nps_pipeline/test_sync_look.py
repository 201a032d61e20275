"""A sync looks at the records that it is about to write: people change them after the pull behind the mart."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import pytest

from connectors.base import Kind, Target
from connectors.errors import InDoubtError, RetryableError
from nps_pipeline.home import Home
from nps_pipeline.ledger import read_ledger
from tests.nps_pipeline.crm_double import Crm, empty
from tests.nps_pipeline.sync_marts import SCORE, Observed, Wanted, day
from tests.nps_pipeline.test_sync_back import IN_ZENDESK, World, in_zendesk


@pytest.fixture
def edited(home: Home) -> World:
    """A first value is written; then comes a newer answer, and a person's edit that no pull has seen."""
    made = World(home, Crm(empty("1")), Crm(empty("8")))
    made.publish(Wanted("1", "9"), in_zendesk("8", "9"))
    made.sync()
    made.publish(Wanted("1", "5", day(22)), Observed("1", "9", day(20)), in_zendesk("8", "5"))
    made.hubspot.records["1"] = {"nps_score": "2"}
    return made


def test_a_persons_edit_after_the_pull_stays(edited: World) -> None:
    result = edited.sync()
    assert edited.hubspot.records["1"] == {"nps_score": "2"}
    assert edited.hubspot.pushes == [["1"]]  # that of the sync before
    (decision,) = [one for one in result.plan.decisions if one.destination == "hubspot"]
    assert (decision.decision, decision.old, decision.new) == ("conflict", "2", "5")
    assert result.destinations[0].decisions == {"conflict": 1}
    assert edited.zendesk.records["8"] == {"nps_score": "5"}


def test_a_persons_edit_after_the_pull_is_overwritten_where_the_policy_says_so(edited: World) -> None:
    edited.fields = [dataclasses.replace(SCORE, policy="ours"), IN_ZENDESK]
    result = edited.sync()
    assert edited.hubspot.records["1"] == {"nps_score": "5"}
    assert [op.expected for op in result.plan.ops if op.destination == "hubspot"] == [{"nps_score": "2"}]


def test_a_destination_that_cannot_be_looked_at_is_not_written_and_stops_no_other(edited: World) -> None:
    edited.hubspot.unreadable = RetryableError("HubSpot is down; run again later.")
    assert edited.sync().problems == ["1 write to hubspot planned and not sent. HubSpot is down; run again later."]
    assert edited.hubspot.records["1"] == {"nps_score": "2"}
    assert edited.zendesk.records["8"] == {"nps_score": "5"}


def test_a_record_that_was_deleted_after_the_pull_is_refused_by_its_crm(edited: World) -> None:
    del edited.hubspot.records["1"]
    assert edited.sync().destinations[0].rejected == {"NOT_FOUND": 1}


class LateCrm(Crm):
    """A CRM that works off the batch it took only after it was asked about it: it stands in for a queue of jobs."""

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        found = super().read_back(target, record_ids, fields)
        if self.pushes:
            self.records["1"] = {"nps_score": "9"}
        return found


@pytest.mark.parametrize(("wanted", "decision"), [("9", "no_op"), ("5", "write")])
def test_a_write_in_doubt_that_arrives_after_it_was_read_back_is_ours(home: Home, wanted: str, decision: str) -> None:
    crm = LateCrm(empty("1"), fails=[(False, InDoubtError("It did not answer."))])
    world = World(home, crm, Crm({}), fields=[SCORE])
    world.publish(Wanted("1", "9"))
    assert world.sync().destinations[0].unknown == 1

    world.publish(Wanted("1", wanted, day(22)))
    result = world.sync()
    assert {one.decision for one in result.plan.decisions} == {decision}
    assert crm.records["1"] == {"nps_score": wanted}
    with read_ledger(home) as ledger:
        assert ledger
        assert [one.text for one in ledger.last_writes()] == [wanted]
