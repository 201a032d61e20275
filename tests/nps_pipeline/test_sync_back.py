"""A sync brings the CRMs up to the published mart, once; whatever happens to one of them is told and stops no other."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pytest

from connectors.errors import ConfigError, InDoubtError, RetryableError
from nps_pipeline.home import Home
from nps_pipeline.ledger import LedgerError, open_ledger
from nps_pipeline.publications import PublicationError
from nps_pipeline.sync_back import Outlets, SyncRefusedError, SyncResult, sync
from nps_pipeline.sync_fields import SyncField
from tests.nps_pipeline.crm_double import Crm, empty
from tests.nps_pipeline.sync_marts import CONTACT, SCORE, Observed, Wanted, day, publish
from tests.nps_pipeline.test_ledger import stored

IN_ZENDESK = dataclasses.replace(SCORE, destination="zendesk", object="user", stream="users")
DOWN = RetryableError("HubSpot is down; run again later.")
NO_ANSWER = InDoubtError("HubSpot did not answer.")


@dataclass
class World:
    """A home, two CRMs, and syncs between them; time stands still at the 21st."""

    home: Home
    hubspot: Crm
    zendesk: Crm
    fields: Sequence[SyncField] = (SCORE, IN_ZENDESK)
    refused_logins: dict[str, Exception | None] = field(default_factory=dict)
    logins: list[str] = field(default_factory=list)
    published: int = 0

    def publish(self, *rows: Wanted | Observed) -> None:
        self.published += 1
        wanted = [row for row in rows if isinstance(row, Wanted)]
        publish(self.home, f"p{self.published}", wanted, [row for row in rows if isinstance(row, Observed)])

    def sync(self, mode: Any = "apply") -> SyncResult:
        targets = {("hubspot", "contact"): CONTACT, ("zendesk", "user"): CONTACT}
        return sync(self.home, mode, Outlets(self.fields, targets, self._connect), lambda: day(21))

    def _connect(self, destination: str) -> Crm | None:
        self.logins.append(destination)
        if destination in self.refused_logins:
            error = self.refused_logins[destination]
            if error:
                raise error
            return None
        return self.hubspot if destination == "hubspot" else self.zendesk


def in_zendesk(record_id: str, text: str) -> Wanted:
    return Wanted(record_id, text, destination="zendesk", object="user")


@pytest.fixture
def world(home: Home) -> World:
    made = World(home, Crm(empty("1", "2", "3")), Crm(empty("8", "9")))
    made.publish(Wanted("1", "9"), Wanted("2", "3"), Wanted("3", "7"), in_zendesk("8", "9"), in_zendesk("9", "3"))
    return made


HUBSPOT_DONE = {"1": {"nps_score": "9"}, "2": {"nps_score": "3"}, "3": {"nps_score": "7"}}
ZENDESK_DONE = {"8": {"nps_score": "9"}, "9": {"nps_score": "3"}}


# --- what a sync does ---


def test_a_sync_writes_what_is_wanted_and_the_next_one_writes_nothing(world: World) -> None:
    first = world.sync()
    assert (world.hubspot.records, world.zendesk.records) == (HUBSPOT_DONE, ZENDESK_DONE)
    assert [(one.destination, one.written, one.requests) for one in first.destinations] == [
        ("hubspot", 3, 2),
        ("zendesk", 2, 1),
    ]
    assert first.destinations[0].decisions == {"write": 3}
    assert first.problems == []
    assert (world.hubspot.closed, world.zendesk.closed) == (1, 1)

    second = world.sync()
    assert (len(world.hubspot.pushes), len(world.zendesk.pushes)) == (2, 1)
    assert [one.decisions for one in second.destinations] == [{"no_op": 3}, {"no_op": 2}]
    assert world.logins == ["hubspot", "zendesk"]  # nothing to send, nobody to ask


def test_nothing_is_written_when_our_own_writes_come_back_in_the_next_pull(world: World) -> None:
    world.sync()
    world.publish(
        *(Wanted(record_id, text["nps_score"]) for record_id, text in HUBSPOT_DONE.items()),
        *(Observed(record_id, text["nps_score"], day(20)) for record_id, text in HUBSPOT_DONE.items()),
    )
    assert world.sync().destinations[0].decisions == {"no_op": 3}
    assert len(world.hubspot.pushes) == 2


def test_a_newer_answer_replaces_our_value_and_a_persons_edit_stays(world: World) -> None:
    world.sync()
    world.publish(
        Wanted("1", "5", day(22)), Observed("1", "9", day(20)), Wanted("2", "8", day(22)), Observed("2", "4", day(21))
    )
    assert world.sync().destinations[0].decisions == {"write": 1, "conflict": 1}
    assert world.hubspot.pushes[2:] == [["1"]]
    assert world.hubspot.records["2"] == {"nps_score": "3"}


def test_a_plan_touches_nothing_and_asks_nobody(world: World) -> None:
    planned = world.sync("plan")
    assert not world.home.ledger.exists()
    assert world.logins == []
    assert world.hubspot.records == empty("1", "2", "3")
    assert [(one.decisions, one.requests) for one in planned.destinations] == [({"write": 3}, 2), ({"write": 2}, 1)]
    assert planned.plan.ops == world.sync().plan.ops


def test_a_plan_after_a_sync_knows_what_was_written_and_what_is_in_doubt(world: World) -> None:
    world.hubspot.fails = [None, (True, NO_ANSWER)]
    world.sync()
    before = stored(world.home, "state, epoch, attempt")
    planned = world.sync("plan")
    assert [(one.decisions, one.unknown) for one in planned.destinations] == [
        ({"write": 1, "no_op": 2}, 1),
        ({"no_op": 2}, 0),
    ]
    assert stored(world.home, "state, epoch, attempt") == before


# --- what may be synced ---


def judged(home: Home, **changes: Any) -> None:
    gate = (home.publish / "current").resolve() / "gate.json"
    gate.write_text(json.dumps(json.loads(gate.read_text()) | changes), encoding="utf-8")


def change_mart(home: Home) -> None:
    with duckdb.connect(str((home.publish / "mart.duckdb").resolve())) as connection:
        connection.execute("update sync_wanted set wanted = '10'")


def leave_a_log(home: Home) -> None:
    mart = (home.publish / "mart.duckdb").resolve()
    mart.with_name("mart.duckdb.wal").touch()


FAILED = {"check": "a", "table": "b", "severity": "critical", "status": "failed", "failed_rows": 1}
UNJUDGED: dict[str, Callable[[Home], object]] = {
    "the mart was changed": change_mart,
    "the mart is open": leave_a_log,
    "no verdict": lambda home: (home.publish / "current" / "gate.json").resolve().unlink(),
    "it did not pass": lambda home: judged(home, passed=False),
    "a critical check failed": lambda home: judged(home, results=[FAILED]),
    "a critical check could not run": lambda home: judged(home, results=[FAILED | {"status": "error"}]),
    "another file was judged": lambda home: judged(home, mart_sha256="0" * 64),
    "the verdict is none": lambda home: judged(home, passed="yes"),
}


@pytest.mark.parametrize("mode", ["plan", "apply"])
@pytest.mark.parametrize("spoil", UNJUDGED.values(), ids=UNJUDGED)
def test_a_mart_that_did_not_pass_the_gate_is_not_synced(
    world: World, mode: str, spoil: Callable[[Home], object]
) -> None:
    spoil(world.home)
    with pytest.raises(SyncRefusedError, match=r"not the file that passed the gate.*`nps run` publishes it anew"):
        world.sync(mode)
    assert world.hubspot.pushes == world.zendesk.pushes == world.logins == []
    assert not world.home.ledger.exists()


def test_a_warning_of_the_gate_stops_no_sync(world: World) -> None:
    judged(world.home, results=[FAILED | {"severity": "warning"}])
    assert world.sync().destinations[0].written == 3


def test_without_a_publication_there_is_nothing_to_sync(home: Home) -> None:
    with pytest.raises(PublicationError, match="Nothing is published yet"):
        World(home, Crm({}), Crm({})).sync()


# --- what goes wrong at one destination ---


def test_a_destination_that_is_down_stops_no_other_and_is_written_later(world: World) -> None:
    world.hubspot.fails = [(False, DOWN)]
    first = world.sync()
    (problem,) = first.problems
    assert problem == (
        "hubspot: 3 writes planned and not sent; the next sync sends what is still wanted. HubSpot is down; run again "
        "later."
    )
    assert (world.hubspot.records, world.zendesk.records) == (empty("1", "2", "3"), ZENDESK_DONE)
    assert world.sync().problems == []
    assert world.hubspot.records == HUBSPOT_DONE


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigError("HubSpot refused the credentials."), "HubSpot refused the credentials."),
        (KeyError("pat-1"), "(KeyError)"),
    ],
    ids=repr,
)
def test_a_login_that_fails_stops_no_other_destination(world: World, error: Exception, told: str) -> None:
    world.refused_logins = {"hubspot": error}
    (problem,) = world.sync().problems
    assert problem.startswith("3 writes to hubspot planned and not sent.")
    assert told in problem
    assert "pat-1" not in problem
    assert world.zendesk.records == ZENDESK_DONE
    assert stored(world.home) == {"8": "CONFIRMED", "9": "CONFIRMED"}


def test_a_destination_without_credentials_is_skipped_and_said_so(world: World) -> None:
    world.refused_logins = {"hubspot": None}
    result = world.sync()
    assert result.problems == []
    assert result.destinations[0].skipped == (
        "3 writes to hubspot planned and not sent. There are no credentials for it."
    )
    assert world.zendesk.records == ZENDESK_DONE


def test_refused_writes_are_told_by_code_and_tried_again(world: World) -> None:
    world.hubspot.refuses = {"1": "FIELD_LOCKED", "3": "FIELD_LOCKED"}
    del world.hubspot.records["2"]
    first = world.sync()
    (problem,) = first.problems
    assert problem == (
        "hubspot refused 3 writes (2 x FIELD_LOCKED, 1 x NOT_FOUND); `nps status` names the records. Mend them there; "
        "each sync tries again."
    )
    assert first.destinations[0].rejected == {"FIELD_LOCKED": 2, "NOT_FOUND": 1}
    world.hubspot.refuses = {}
    assert world.sync().destinations[0].written == 2
    assert stored(world.home, "state, attempt")["1"] == ("CONFIRMED", 2)


# --- what was left in doubt ---


@pytest.mark.parametrize("applied", [True, False])
def test_a_write_in_doubt_takes_effect_once(world: World, applied: bool) -> None:
    world.hubspot.fails = [(applied, NO_ANSWER)]
    first = world.sync()
    assert first.destinations[0].unknown == 2
    in_doubt, unsent = first.problems
    assert in_doubt == (
        "hubspot: 2 writes may or may not have been applied; the next sync reads them back before it writes anything "
        "there. HubSpot did not answer."
    )
    assert unsent == (
        "hubspot: 1 write planned and not sent; the next sync sends what is still wanted. HubSpot did not answer."
    )
    second = world.sync()
    assert second.problems == []
    assert world.hubspot.reads[2:3] == [["1", "2"]]  # after the looks of the first sync
    assert world.hubspot.pushes[1:] == ([["3"]] if applied else [["1", "2"], ["3"]])
    assert world.hubspot.records == HUBSPOT_DONE
    assert set(stored(world.home).values()) == {"CONFIRMED"}


def test_nothing_new_is_written_where_doubt_remains(world: World) -> None:
    world.hubspot.fails = [(True, NO_ANSWER)]
    world.sync()
    world.hubspot.unreadable = DOWN
    world.publish(Wanted("1", "5", day(22)), Wanted("3", "7"), in_zendesk("8", "5"))
    before = stored(world.home, "state, wanted_json")
    result = world.sync()
    (problem,) = result.problems
    assert problem == (
        "hubspot: 2 writes of an earlier sync may or may not have been applied and could not be read back, so nothing "
        "was written there; the next sync tries again. HubSpot is down; run again later."
    )
    assert result.destinations[0].unknown == 2
    assert len(world.hubspot.pushes) == 1
    assert {key: value for key, value in stored(world.home, "state, wanted_json").items() if key in "123"} == {
        key: value for key, value in before.items() if key in "123"
    }
    assert world.zendesk.records["8"] == {"nps_score": "5"}


@pytest.mark.parametrize("login", [None, ConfigError("HubSpot refused the credentials.")], ids=repr)
def test_doubt_without_a_login_is_a_problem(world: World, login: Exception | None) -> None:
    world.hubspot.fails = [(True, NO_ANSWER)]
    world.sync()
    world.refused_logins = {"hubspot": login}
    (problem,) = world.sync().problems
    assert problem.startswith("hubspot: 2 writes of an earlier sync may or may not have been applied")


def test_what_a_dead_sync_was_sending_is_in_doubt(world: World) -> None:
    planned = world.sync("plan").plan
    with open_ledger(world.home) as ledger:
        ledger.begin("p1")
        ledger.record_plan("p1", ["hubspot", "zendesk"], planned.ops, planned.decisions)
        ledger.mark_sending([op.op_id for op in planned.ops if op.destination == "hubspot"], "batch")
    world.refused_logins = {"hubspot": ConfigError("HubSpot refused the credentials.")}
    assert world.sync().destinations[0].unknown == 3
    assert stored(world.home) == {"1": "UNKNOWN", "2": "UNKNOWN", "3": "UNKNOWN", "8": "CONFIRMED", "9": "CONFIRMED"}


def test_what_is_open_at_a_destination_that_is_not_configured_any_more_is_settled(world: World) -> None:
    world.zendesk.records |= empty("10")
    world.publish(in_zendesk("8", "9"), in_zendesk("9", "3"), in_zendesk("10", "3"))
    world.zendesk.fails = [(True, NO_ANSWER)]
    world.sync()
    assert stored(world.home) == {"10": "UNKNOWN", "8": "UNKNOWN", "9": "PLANNED"}
    world.fields = [SCORE]
    assert world.sync().problems == []
    assert stored(world.home) == {"10": "CONFIRMED", "8": "CONFIRMED", "9": "SUPERSEDED"}
    assert world.zendesk.pushes == [["10", "8"]]


def test_what_a_person_changed_while_a_write_was_in_doubt_stays(world: World) -> None:
    world.sync()
    world.publish(Wanted("1", "5", day(22)), Observed("1", "9", day(20)))
    world.hubspot.fails = [(False, NO_ANSWER)]
    world.sync()
    world.hubspot.records["1"] = {"nps_score": "2"}
    assert world.sync().destinations[0].decisions == {"conflict": 1}
    assert world.hubspot.records["1"] == {"nps_score": "2"}


def test_a_sync_that_is_overtaken_stops_before_its_next_batch(world: World) -> None:
    def another_sync_begins(_: object) -> None:
        world.hubspot.before_push = lambda _: None
        with open_ledger(world.home) as ledger:
            ledger.begin("p1")

    world.hubspot.before_push = another_sync_begins
    with pytest.raises(LedgerError, match="A later sync has begun"):
        world.sync()
    assert world.hubspot.pushes == [["1", "2"]]
    assert world.zendesk.pushes == []
    assert world.sync().problems == []
    assert world.hubspot.pushes == [["1", "2"], ["3"]]


def test_no_value_of_a_customer_is_told(world: World) -> None:
    world.publish(Wanted("1", "a secret value"), Wanted("2", "another one"), Wanted("3", "and one"))
    world.hubspot.refuses = {"1": "FIELD_LOCKED"}
    world.hubspot.fails = [None, (True, NO_ANSWER)]
    result = world.sync()
    assert len(result.problems) == 2
    assert not any(value in " ".join(result.problems) for value in ("secret", "another one", "and one"))
    with closing(sqlite3.connect(world.home.ledger)) as connection:
        reasons = connection.execute("select distinct reason from decision").fetchall()
    assert reasons == [("Nothing stands there yet.",)]
