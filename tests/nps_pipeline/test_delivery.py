"""Batches are noted before they are sent and settled after; what is in doubt is settled by what stands there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from connectors.base import Change, Target
from connectors.errors import ConfigError, FatalError, InDoubtError, RetryableError
from nps_pipeline.delivery import Delivery, UnreachableError, deliver, look, recover
from nps_pipeline.home import Home
from nps_pipeline.ledger import Ledger, open_ledger
from nps_pipeline.plan import FieldChange, LastWrite, Op, Place, Seen
from tests.nps_pipeline.crm_double import APPLIED_AT, Crm, empty
from tests.nps_pipeline.sync_marts import CONTACT, day
from tests.nps_pipeline.test_ledger import stored

NOW = day(21)
TARGETS: dict[Place, Target] = {("hubspot", "contact"): CONTACT, ("hubspot", "company"): CONTACT}
DOWN = RetryableError("HubSpot is down.")


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with open_ledger(home, lambda: NOW) as opened:
        opened.begin("p1")
        yield opened


def ops(*record_ids: str, expected: str | None = None, place: str = "contact") -> list[Op]:
    change = FieldChange("number", "9", expected, day(10))
    return [Op(f"{place} {one}", "hubspot", place, one, "a", day(10), {"score": change}) for one in record_ids]


def planned(ledger: Ledger, *record_ids: str) -> list[Op]:
    made = ops(*record_ids)
    ledger.record_plan("p1", ["hubspot"], made, [])
    return made


def in_doubt(ledger: Ledger, made: Sequence[Op]) -> list[Op]:
    ledger.record_plan("p1", ["hubspot"], made, [])
    ledger.mark_sending([op.op_id for op in made], "before")
    ledger.doubt_all_sending()
    return ledger.unknown()


# --- delivering ---


def test_writes_go_out_in_full_batches_and_are_confirmed(home: Home, ledger: Ledger) -> None:
    crm = Crm(empty("1", "2", "3"))
    delivery = deliver(ledger, crm, TARGETS, planned(ledger, "1", "2", "3"))

    assert crm.pushes == [["1", "2"], ["3"]]
    assert crm.records == empty("1", "2", "3", score="9")
    assert delivery == Delivery(written=3, requests=2)
    batches = {"1": "1-hubspot-contact-1", "2": "1-hubspot-contact-1", "3": "1-hubspot-contact-2"}
    assert stored(home, "state, batch_id") == {one: ("CONFIRMED", batch) for one, batch in batches.items()}
    assert LastWrite("hubspot", "contact", "1", "score", "9", day(10), APPLIED_AT, "a") in ledger.last_writes()


def test_objects_are_never_mixed_in_a_batch(ledger: Ledger) -> None:
    made = [*ops("1", place="company"), *ops("2")]
    ledger.record_plan("p1", ["hubspot"], made, [])
    crm = Crm(empty("1", "2"))
    assert deliver(ledger, crm, TARGETS, made).requests == 2
    assert crm.pushes == [["1"], ["2"]]


def test_every_write_is_durably_noted_before_it_is_sent(home: Home, ledger: Ledger) -> None:
    noted: list[dict[str, str]] = []

    def look(changes: Sequence[Change]) -> None:
        noted.append({change.record_id: stored(home)[change.record_id] for change in changes})

    deliver(ledger, Crm(empty("1", "2", "3"), before_push=look), TARGETS, planned(ledger, "1", "2", "3"))
    assert noted == [{"1": "SENDING", "2": "SENDING"}, {"3": "SENDING"}]


def test_refused_records_stop_nobody_else(home: Home, ledger: Ledger) -> None:
    crm = Crm(empty("1", "3"), refuses={"1": "FIELD_LOCKED"})
    delivery = deliver(ledger, crm, TARGETS, planned(ledger, "1", "2", "3"))
    assert delivery == Delivery(written=1, rejected=Counter(FIELD_LOCKED=1, NOT_FOUND=1), requests=2)
    assert stored(home, "state, error_code") == {
        "1": ("REJECTED", "FIELD_LOCKED"),
        "2": ("REJECTED", "NOT_FOUND"),
        "3": ("CONFIRMED", None),
    }


@pytest.mark.parametrize("error", [DOWN, ConfigError("No permission."), FatalError("What is this?")], ids=repr)
def test_a_batch_that_was_certainly_not_applied_stays_planned_and_stops_the_rest(
    home: Home, ledger: Ledger, error: Exception
) -> None:
    crm = Crm(empty("1", "2", "3", "4", "5"), fails=[None, (False, error)])
    delivery = deliver(ledger, crm, TARGETS, planned(ledger, "1", "2", "3", "4", "5"))
    assert delivery == Delivery(written=2, unsent=3, requests=2, stopped=str(error))
    assert Counter(stored(home).values()) == {"CONFIRMED": 2, "PLANNED": 3}
    assert len(crm.pushes) == 2


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (InDoubtError("No answer came."), "No answer came."),
        (KeyError("a@b.example"), "It failed unexpectedly (KeyError)."),
    ],
    ids=repr,
)
def test_a_batch_that_may_have_been_applied_is_unknown_and_stops_the_rest(
    home: Home, ledger: Ledger, error: Exception, told: str
) -> None:
    crm = Crm(empty("1", "2", "3"), fails=[(True, error)])
    delivery = deliver(ledger, crm, TARGETS, planned(ledger, "1", "2", "3"))
    assert delivery == Delivery(unknown=2, unsent=1, requests=1, stopped=told)
    assert stored(home) == {"1": "UNKNOWN", "2": "UNKNOWN", "3": "PLANNED"}


def test_records_of_which_nothing_is_told_are_unknown(
    home: Home, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm = Crm(empty("1", "2", "3"))
    whole = crm.push
    monkeypatch.setattr(crm, "push", lambda target, changes: whole(target, changes)[:1])
    delivery = deliver(ledger, crm, TARGETS, planned(ledger, "1", "2", "3"))
    assert (delivery.written, delivery.unknown, delivery.unsent) == (1, 1, 1)
    assert delivery.stopped == "It did not tell what became of every record."
    assert stored(home) == {"1": "UNKNOWN", "2": "CONFIRMED", "3": "PLANNED"}


# --- looking before writing ---


def test_a_look_tells_what_changed_since_the_plan() -> None:
    crm = Crm(empty("as expected", score="3") | empty("edited", score="5") | empty("emptied", score=None))
    found = look(crm, TARGETS, ops("as expected", "edited", "emptied", "gone", expected="3"), lambda: NOW)
    assert found == [
        Seen("hubspot", "contact", "edited", "score", "5", NOW),
        Seen("hubspot", "contact", "emptied", "score", None, NOW),
    ]
    assert crm.reads == [["as expected", "edited"], ["emptied", "gone"]]
    assert crm.pushes == []


# --- recovering ---


def test_what_stands_in_a_record_settles_what_is_in_doubt(home: Home, ledger: Ledger) -> None:
    doubtful = in_doubt(ledger, ops("applied", "edited", "gone", "untouched", expected="3"))
    crm = Crm(empty("applied", score="9") | empty("edited", score="5") | empty("untouched", score="3"))
    seen = recover(ledger, crm, TARGETS, doubtful, lambda: NOW)

    assert stored(home) == {
        "applied": "CONFIRMED",
        "edited": "SUPERSEDED",
        "gone": "SUPERSEDED",
        "untouched": "PLANNED",
    }
    assert ledger.last_writes() == [LastWrite("hubspot", "contact", "applied", "score", "9", day(10), NOW, "a")]
    assert crm.reads == [["applied", "edited"], ["gone", "untouched"]]
    assert crm.pushes == []
    texts = {"applied": "9", "edited": "5", "untouched": "3"}
    assert seen == [Seen("hubspot", "contact", one, "score", text, NOW) for one, text in texts.items()]


def test_a_record_is_applied_only_when_all_its_fields_are(home: Home, ledger: Ledger) -> None:
    fields = {name: FieldChange("number", "9", None, day(10)) for name in ("score", "other")}
    made = [Op(one, "hubspot", "contact", one, "a", day(10), fields) for one in ("1", "2", "3")]
    crm = Crm(empty("1", score="9", other="9") | empty("2", score="9", other=None) | empty("3"))
    recover(ledger, crm, TARGETS, in_doubt(ledger, made), lambda: NOW)
    assert stored(home) == {"1": "CONFIRMED", "2": "SUPERSEDED", "3": "PLANNED"}


@pytest.mark.parametrize(
    ("error", "told"), [(DOWN, "HubSpot is down."), (KeyError("x"), r"It failed unexpectedly \(KeyError\)\.")], ids=repr
)
def test_what_cannot_be_read_back_stays_in_doubt(home: Home, ledger: Ledger, error: Exception, told: str) -> None:
    doubtful = in_doubt(ledger, ops("1", "2", "3"))
    with pytest.raises(UnreachableError, match=told):
        recover(ledger, Crm(empty("1"), unreadable=error), TARGETS, doubtful, lambda: NOW)
    assert stored(home) == dict.fromkeys("123", "UNKNOWN")


def test_an_object_that_is_not_configured_any_more_is_named(home: Home, ledger: Ledger) -> None:
    doubtful = in_doubt(ledger, ops("1"))
    with pytest.raises(UnreachableError, match="hubspot contact is not configured any more"):
        recover(ledger, Crm(empty("1")), {}, doubtful, lambda: NOW)
    assert stored(home) == {"1": "UNKNOWN"}
