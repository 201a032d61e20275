"""What is decided about each field of each record: one rule at a time, then what becomes of a record as a whole."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.plan import Decision, LastWrite, Op, Plan, Seen, make_plan
from nps_pipeline.sync_fields import Adopt, OnDelete, Policy
from nps_pipeline.warehouse import WarehouseError
from tests.nps_pipeline.sync_marts import ANSWERED, CONTACT, PULLED, SCORE, Answer, Observed, Wanted, day, make_mart

MakePlan = Callable[..., Plan]
OLD, WRITTEN = day(3), day(4)
THEIRS, OURS, NEWEST = ({"policy": policy} for policy in ("theirs", "ours", "newest"))
KEEP, CLEAR = {"on_delete": "keep"}, {"on_delete": "clear"}


@pytest.fixture
def plan(tmp_path: Path) -> MakePlan:
    """Plans for the given rows; `field` changes how the field is configured."""

    def make(*rows: Any, field: dict[str, Any] | None = None, fields: Any = None, seen: Any = ()) -> Plan:
        kinds: dict[type, list[Any]] = {Wanted: [], Observed: [], Answer: [], LastWrite: []}
        for row in rows:
            kinds[type(row)].append(row)
        mart = make_mart(tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb", *list(kinds.values())[:3])
        return make_plan(mart, kinds[LastWrite], fields or [dataclasses.replace(SCORE, **(field or {}))], seen)

    return make


def wrote(
    text: str | None,
    as_of: datetime | None = OLD,
    written_at: datetime = WRITTEN,
    record_id: str = "1",
    response_id: str | None = None,
) -> LastWrite:
    return LastWrite("hubspot", "contact", record_id, "nps_score", text, as_of, written_at, response_id)


def observed(text: str | None, at: datetime = PULLED) -> Observed:
    return Observed("1", text, at)


def wanted(text: str, as_of: datetime = ANSWERED) -> Wanted:
    return Wanted("1", text, as_of)


CASES: list[tuple[str, list[Any], dict[str, str], str]] = [
    ("nothing there, never written", [wanted("9"), observed(None)], {}, "write"),
    ("the same value there", [wanted("9"), observed("9")], {}, "no_op"),
    ("the same value there, ours", [wanted("9"), observed("9"), wrote("9")], {}, "no_op"),
    ("the same value there, edited to it", [wanted("9"), observed("9"), wrote("3")], {}, "no_op"),
    ("our last value there", [wanted("9"), observed("3"), wrote("3")], {}, "write"),
    ("our last value there, another spelling", [wanted("9", day(3)), observed("9.5"), wrote("9.5")], {}, "write"),
    ("our last value is newer", [wanted("9", day(2)), observed("3"), wrote("3")], KEEP, "skip_stale"),
    ("our last value is newer, cleared", [wanted("9", day(2)), observed("3"), wrote("3")], CLEAR, "write"),
    ("never written by us", [wanted("9"), observed("3")], {"adopt": "overwrite"}, "adopt"),
    ("never written by us, kept", [wanted("9"), observed("3")], {"adopt": "keep"}, "conflict"),
    ("edited, theirs", [wanted("9"), observed("5"), wrote("3")], THEIRS, "conflict"),
    ("edited, ours", [wanted("9"), observed("5"), wrote("3")], OURS, "write"),
    ("edited before the answer", [wanted("9", day(6)), observed("5"), wrote("3")], NEWEST, "write"),
    ("edited after the answer", [wanted("9", day(5, 11)), observed("5"), wrote("3")], NEWEST, "conflict"),
    ("edited with the answer", [wanted("9", day(5)), observed("5"), wrote("3")], NEWEST, "conflict"),
    ("edited, ours, but older", [wanted("9", day(2)), observed("5"), wrote("3")], OURS | KEEP, "skip_stale"),
    ("emptied by a person, theirs", [wanted("9"), observed(None), wrote("9")], THEIRS, "conflict"),
    ("emptied by a person, ours", [wanted("9"), observed(None), wrote("9")], OURS, "write"),
    ("emptied before the answer", [wanted("9", day(6)), observed(None), wrote("9")], NEWEST, "write"),
    ("emptied after the answer", [wanted("9", day(4)), observed(None), wrote("9")], NEWEST, "conflict"),
    ("emptied by us", [wanted("9", day(2)), observed(None), wrote(None)], KEEP, "write"),
    ("filled by a person after we emptied it", [wanted("9"), observed("5"), wrote(None)], THEIRS, "conflict"),
    ("answer gone, kept", [observed("3"), wrote("3")], KEEP, "no_op"),
    ("answer gone, cleared", [observed("3"), wrote("3")], CLEAR, "write"),
    ("answer gone, edited, theirs", [observed("5"), wrote("3")], CLEAR | THEIRS, "conflict"),
    ("answer gone, edited, ours", [observed("5"), wrote("3")], CLEAR | OURS, "write"),
    ("answer gone, edited, newest", [observed("5"), wrote("3")], CLEAR | NEWEST, "conflict"),
    ("answer gone, empty already", [observed(None), wrote("3")], CLEAR, "no_op"),
    # what we wrote after the record was pulled counts more than what was pulled
    ("pulled before we wrote it", [wanted("9"), observed(None), wrote("9", written_at=day(6))], {}, "no_op"),
    ("pulled before we wrote another", [wanted("9"), observed("5"), wrote("3", written_at=day(6))], {}, "write"),
    ("pulled when we wrote", [wanted("9"), observed("5"), wrote("3", written_at=day(5))], {}, "conflict"),
]


@pytest.mark.parametrize(("rows", "field", "decided"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_field_is_judged_by_what_stands_there_and_who_wrote_it(
    plan: MakePlan, rows: list[Any], field: dict[str, str], decided: str
) -> None:
    made = plan(*rows, field=field)
    (decision,) = made.decisions

    assert decision.decision == decided
    assert (decision.op_id is not None) == (decided in {"write", "adopt"})
    assert [op.op_id for op in made.ops] == ([decision.op_id] if decision.op_id else [])
    assert decision.reason.endswith(".")


def test_a_decision_says_what_stands_there_what_is_wanted_and_by_which_answer(plan: MakePlan) -> None:
    (decision,) = plan(wanted("9"), observed("5"), wrote("3")).decisions
    assert decision == Decision(
        destination="hubspot",
        object="contact",
        record_id="1",
        field="nps_score",
        old="5",
        new="9",
        decision="conflict",
        reason="A person changed or cleared what we wrote; that stays (policy: theirs).",
        response_id="answer of 1",
    )


@pytest.mark.parametrize("on_delete", ["keep", "clear"])
def test_an_answer_whose_date_is_corrected_is_not_gone(plan: MakePlan, on_delete: str) -> None:
    corrected, last = wanted("9", day(2)), wrote("3", response_id="answer of 1")
    (decision,) = plan(corrected, observed("3"), last, field={"on_delete": on_delete}).decisions
    assert (decision.decision, decision.reason) == (
        "write",
        "Our last value stands there, and another one is wanted now.",
    )


def test_nothing_is_decided_about_records_of_people_who_never_answered(plan: MakePlan) -> None:
    assert plan(observed("5"), Observed("2")).decisions == []


def test_a_deleted_answer_is_the_only_reason_to_write_nothing(plan: MakePlan) -> None:
    (op,) = plan(observed("3"), wrote("3"), field=CLEAR).ops
    assert op.wanted == {"nps_score": None}
    assert op.expected == {"nps_score": "3"}
    assert op.as_of == day(3)
    assert op.response_id is None


def test_an_answer_that_is_gone_with_its_value_needs_nothing(plan: MakePlan) -> None:
    (decision,) = plan(observed(None), wrote("3"), field=CLEAR).decisions
    assert (decision.decision, decision.reason) == (
        "no_op",
        "The answer behind our value is gone, and so is the value.",
    )


def test_a_wanted_value_that_is_empty_clears_nothing(plan: MakePlan) -> None:
    assert plan(Wanted("1", None), observed("3"), wrote("3")).ops == []


def test_a_customer_with_two_records_gets_none_of_them_written(plan: MakePlan) -> None:
    made = plan(
        Wanted("1", "9", customer_id="a"), Wanted("2", "9", customer_id="a"), Wanted("3", "7"), Observed("2", "9")
    )
    assert {one.record_id: one.decision for one in made.decisions} == {
        "1": "ambiguous_target",
        "2": "ambiguous_target",
        "3": "write",
    }
    assert [op.record_id for op in made.ops] == ["3"]


def test_records_of_two_destinations_are_no_ambiguity(plan: MakePlan) -> None:
    other = dataclasses.replace(SCORE, destination="salesforce")
    rows = [Wanted("1", "9", customer_id="a"), Wanted("2", "9", customer_id="a", destination="salesforce")]
    made = plan(*rows, fields=[SCORE, other])
    assert made.counts() == {("hubspot", "contact", "write"): 1, ("salesforce", "contact", "write"): 1}


def test_a_customer_without_a_record_is_told_once_by_the_latest_answer(plan: MakePlan) -> None:
    made = plan(
        wanted("9"),
        Answer("of the first record", "1"),
        Answer("early", "nowhere", responded_at=day(2)),
        Answer("late", "nowhere", responded_at=day(8)),
        Answer("another survey", "elsewhere", survey_type="transactional"),
        Answer("anonymous", None),
    )
    without = [one for one in made.decisions if one.decision == "no_target"]
    assert [(one.object, one.record_id, one.field, one.response_id) for one in without] == [("contact", "", "", "late")]


def test_a_touchpoint_narrows_who_lacks_a_record(plan: MakePlan) -> None:
    answers = [Answer("a", "x", touchpoint="support"), Answer("b", "y", touchpoint="purchase")]
    made = plan(wanted("9"), *answers, field={"touchpoint": "support"})
    assert [one.response_id for one in made.decisions if one.decision == "no_target"] == ["a"]


def test_fields_that_are_not_configured_any_more_are_left_alone(plan: MakePlan) -> None:
    gone = Wanted("1", "promoter", field="nps_category")
    made = plan(gone, wanted("9"), observed(None), LastWrite("hubspot", "contact", "1", "old", "x", None, day(1)))
    assert [one.field for one in made.decisions] == ["nps_score"]


@pytest.mark.parametrize(
    "field",
    [{"field": "configured_after_the_publication"}, {"survey_type": "transactional"}, {"value": "category"}],
    ids=str,
)
def test_a_field_of_which_the_publication_knows_nothing_is_left_alone(plan: MakePlan, field: dict[str, str]) -> None:
    rows = [wanted("9"), observed("9"), wrote("9"), Answer("a", "nowhere", survey_type="transactional")]
    assert plan(*rows, field=CLEAR | field).decisions == []


def test_what_was_read_back_counts_instead_of_what_was_pulled(plan: MakePlan) -> None:
    read = Seen("hubspot", "contact", "1", "nps_score", "5", day(12))
    edited = plan(wanted("9"), observed("3"), wrote("3"), seen=[read])
    assert [(one.old, one.decision) for one in edited.decisions] == [("5", "conflict")]
    ahead = wrote("3", written_at=day(13))  # the destination's clock is ahead of ours
    assert [one.decision for one in plan(wanted("9"), observed("3"), ahead, seen=[read]).decisions] == ["conflict"]
    emptied = dataclasses.replace(read, text=None)
    assert [one.decision for one in plan(wanted("9"), observed("9"), seen=[emptied]).decisions] == ["write"]


def test_all_fields_of_a_record_that_are_to_be_written_are_one_write(plan: MakePlan) -> None:
    names = ("nps_score", "nps_category", "nps_touchpoint_score", "nps_kept")
    fields = [dataclasses.replace(SCORE, field=name) for name in names]
    made = plan(
        Wanted("1", "9", day(10)),
        Wanted("1", "promoter", day(10), field="nps_category"),
        Wanted("1", "3", day(4), field="nps_touchpoint_score"),
        Wanted("1", "same", field="nps_kept"),
        Observed("1", "same", field="nps_kept"),
        Wanted("2", "7"),
        fields=fields,
    )
    first, second = made.ops
    assert first.wanted == {"nps_category": "promoter", "nps_score": "9", "nps_touchpoint_score": "3"}
    assert {name: change.as_of for name, change in first.fields.items()} == {
        "nps_category": day(10),
        "nps_score": day(10),
        "nps_touchpoint_score": day(4),
    }
    assert first.as_of == day(10)
    assert second.record_id == "2"
    ids = {one.field: one.op_id for one in made.decisions if one.record_id == "1"}
    assert ids == dict.fromkeys(first.fields, first.op_id) | {"nps_kept": None}


def test_the_same_change_has_the_same_name_and_any_other_another(plan: MakePlan) -> None:
    rows = [wanted("9"), observed("3"), wrote("3")]
    others = [
        [wanted("8"), observed("3"), wrote("3")],
        [wanted("9", day(11)), observed("3"), wrote("3")],
        [wanted("9"), observed("4"), wrote("4")],
        [wanted("9"), observed(None)],
        [Wanted("2", "9"), Observed("2", "3"), wrote("3", record_id="2")],
        [observed("3"), wrote("3")],
    ]
    (op,) = plan(*rows).ops
    (again,) = plan(*rows, Wanted("another", "7"), Observed("another", "7")).ops
    assert again == op
    names = {plan(*other, field=CLEAR).ops[0].op_id for other in others}
    assert len(names | {op.op_id}) == len(others) + 1


def test_names_do_not_run_into_each_other(plan: MakePlan) -> None:
    fields = [SCORE, dataclasses.replace(SCORE, object="contact:a")]
    made = plan(Wanted("a:b", "9"), Wanted("b", "9", object="contact:a"), fields=fields)
    assert len({op.op_id for op in made.ops}) == 2


def test_a_plan_costs_a_request_per_batch(plan: MakePlan) -> None:
    made = plan(*(Wanted(str(number), "9") for number in range(5)), Wanted("5", "9"), Observed("5", "9"))
    assert made.requests({("hubspot", "contact"): CONTACT}) == {("hubspot", "contact"): 3}
    assert made.counts() == {("hubspot", "contact", "write"): 5, ("hubspot", "contact", "no_op"): 1}


def test_a_mart_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match=r"none\.duckdb is missing or damaged"):
        make_plan(tmp_path / "none.duckdb", [], [SCORE])


# Every combination of what stands there, what is wanted, what we wrote, and the order of the four times.
COMBINATIONS = dict(
    enumerate(
        (present, want, last, as_of, observed_at)
        for present in (None, "3", "5", "9")
        for want in (None, "9")
        for last in (None, (None, OLD, WRITTEN), ("3", OLD, WRITTEN), ("9", OLD, WRITTEN))
        for as_of in (day(2), OLD, day(6))
        for observed_at in (day(1), WRITTEN, day(5), day(7))
    )
)


@pytest.fixture(scope="module")
def every_combination(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mart with a record of each."""
    return make_mart(
        tmp_path_factory.mktemp("every") / "mart.duckdb",
        [Wanted(str(name), want, as_of) for name, (_, want, _, as_of, _) in COMBINATIONS.items() if want],
        [Observed(str(name), present, observed_at) for name, (present, *_, observed_at) in COMBINATIONS.items()],
    )


@pytest.mark.parametrize("policy", ["theirs", "ours", "newest"])
@pytest.mark.parametrize("adopt", ["overwrite", "keep"])
@pytest.mark.parametrize("on_delete", ["keep", "clear"])
def test_after_a_plan_is_carried_out_the_next_one_writes_nothing(
    every_combination: Path, policy: Policy, adopt: Adopt, on_delete: OnDelete
) -> None:
    field = dataclasses.replace(SCORE, policy=policy, adopt=adopt, on_delete=on_delete)
    before = {str(name): wrote(*last, record_id=str(name)) for name, (_, _, last, _, _) in COMBINATIONS.items() if last}
    ops = make_plan(every_combination, before.values(), [field]).ops
    after = {op.record_id: _carried_out(op) for op in ops}
    assert len(after) > 30
    assert make_plan(every_combination, (before | after).values(), [field]).ops == []


def _carried_out(op: Op) -> LastWrite:
    change = op.fields["nps_score"]
    return wrote(change.text, change.as_of, day(20), op.record_id)
