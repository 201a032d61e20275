"""The synthetic population: repeatable, connected as its truth says, believable, dirty where it says so."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from nps_pipeline.person_keys import phone_key
from sandbox.population import CSV_COLUMNS, Population, build
from sandbox.population.hard_cases import CASES, PLACES
from sandbox.population.truth import Person, RecordRef, Response
from sandbox.salesforce.schema import SOBJECTS
from sandbox.store import Record

TODAY = date(2026, 11, 22)
RESPONSE_STREAMS = (
    ("hubspot", "feedback_submissions"),
    ("salesforce", "SurveyQuestionResponse"),
    ("salesforce", "NPS_Response__c"),
    ("zendesk", "tickets"),
)


@pytest.fixture(scope="module")
def population() -> Population:
    return build(7, TODAY)


def records(population: Population, source: str, stream: str) -> list[Record]:
    return list(population.tables[source][stream])


def kept(population: Population) -> list[Response]:
    return [one for one in population.truth.responses if one.classification == "kept"]


def drawn(population: Population) -> list[Person]:
    return [one for one in population.truth.persons if one.key.startswith("person-")]


def nps(responses: Iterable[Response]) -> float:
    scores = [one.score for one in responses if one.score is not None]
    return 100 * (sum(score >= 9 for score in scores) - sum(score <= 6 for score in scores)) / len(scores)


def test_a_seed_names_one_population(population: Population) -> None:
    again = build(7, TODAY)
    assert again.truth == population.truth
    assert again.survey_rows == population.survey_rows
    assert again.tables == population.tables


def test_another_seed_gives_another_population(population: Population) -> None:
    assert build(8, TODAY).truth != population.truth


@pytest.fixture(scope="module", params=range(10))
def any_population(request: pytest.FixtureRequest) -> Population:
    return build(request.param, TODAY)


def test_any_seed_makes_a_population_of_like_size(any_population: Population) -> None:
    assert 1_000 < len(any_population.truth.responses) < 2_000
    assert 500 < len(kept(any_population)) < 900


def test_it_is_a_few_hundred_people_at_some_dozens_of_companies_in_several_crms(population: Population) -> None:
    persons = drawn(population)
    assert len(persons) == 360
    assert len(population.truth.companies) == 42
    systems = [{ref.source for ref in person.records} for person in persons]
    assert sum(len(known) == 3 for known in systems) > 80
    assert sum(len(known) == 1 for known in systems) > 30


@pytest.mark.parametrize(("source", "stream"), RESPONSE_STREAMS)
def test_every_record_of_a_response_stream_has_exactly_one_class(
    population: Population, source: str, stream: str
) -> None:
    judged = Counter(one.ref.record_id for one in population.truth.stream(source, stream))
    assert judged == Counter(record.record_id for record in records(population, source, stream))


def test_every_invitation_record_is_in_the_truth(population: Population) -> None:
    told = {one.ref.record_id: one.answered for one in population.truth.invitations}
    served = records(population, "salesforce", "SurveyInvitation")
    assert {one.record_id: one.fields["ResponseStatus"] == "Completed" for one in served} == told
    assert sum(told.values()) > 70


def links(population: Population) -> Iterator[tuple[RecordRef, str]]:
    """Every person record with each key that a pipeline can join by: addresses and stored Salesforce ids."""
    for record in records(population, "salesforce", "Contact"):
        ref = RecordRef("salesforce", "Contact", record.record_id)
        yield ref, record.record_id
        if record.fields["Email"]:
            yield ref, record.fields["Email"].lower()
    for source, stream, stored in (("hubspot", "contacts", "salesforcecontactid"), ("zendesk", "users", "external_id")):
        for record in records(population, source, stream):
            if record.fields.get("role") == "admin":
                continue
            ref = RecordRef(source, stream, record.record_id)
            yield ref, f"{source}-{record.record_id}"
            if record.fields["email"]:
                yield ref, record.fields["email"].lower()
            if str(record.fields[stored]).startswith("003"):
                yield ref, record.fields[stored]


def test_addresses_and_stored_ids_connect_exactly_the_records_of_one_person(any_population: Population) -> None:
    group: dict[object, set[RecordRef]] = {}
    by_key: dict[str, RecordRef] = {}
    for ref, key in links(any_population):
        group.setdefault(ref, {ref})
        other = by_key.setdefault(key, ref)
        if group[other] is not group[ref]:
            group[other] |= group[ref]
            for member in group[ref]:
                group[member] = group[other]
    easy = {frozenset(person.records) for person in drawn(any_population)}
    assert {frozenset(members) for members in group.values()} >= easy


def test_every_kind_of_hard_case_is_there_in_both_languages(any_population: Population) -> None:
    hard = [one for one in any_population.truth.persons if not one.key.startswith("person-")]
    assert Counter(one.key.split("-")[0] for one in hard) == {kind: PLACES * len(CASES[kind]) for kind in CASES}
    assert {len(one.records) for one in hard} == {1, 2, 3}
    answers = [one for one in kept(any_population) if one.person in {person.key for person in hard}]
    assert {one.language for one in answers} == {"de", "en"}
    answered = {one.person for one in answers}
    assert {one.key for one in hard if {ref.stream for ref in one.records} & {"Contact", "contacts"}} == answered


def test_phone_numbers_can_be_in_use_but_those_that_shall_not(any_population: Population) -> None:
    for record in records(any_population, "salesforce", "Contact"):
        if record.fields.get("Phone"):
            assert (phone_key(record.fields["Phone"], "DE") is None) == (record.fields["Phone"] == "0000")


def test_some_people_are_connected_by_a_stored_id_alone(population: Population) -> None:
    emails = {record.record_id[:15]: record.fields["Email"] for record in records(population, "salesforce", "Contact")}
    told_apart = 0
    for record in records(population, "hubspot", "contacts"):
        linked, own = record.fields["salesforcecontactid"], record.fields["email"]
        told_apart += bool(linked) and (own or "") != (emails[linked[:15]] or "").lower()
    assert told_apart >= 5


def test_addresses_are_spelled_differently_and_some_are_missing(population: Population) -> None:
    emails = [record.fields["Email"] for record in records(population, "salesforce", "Contact")]
    assert any(email and email != email.lower() for email in emails)
    assert None in emails


def test_companies_share_a_domain_across_the_crms(population: Population) -> None:
    accounts = {one.record_id: one.fields["Website"] for one in records(population, "salesforce", "Account")}
    domains = {one.record_id: one.fields["domain"] for one in records(population, "hubspot", "companies")}
    lists = {one.record_id: one.fields["domain_names"][0] for one in records(population, "zendesk", "organizations")}
    for company in population.truth.companies:
        for ref in company.records:
            assert company.domain in (accounts | domains | lists)[ref.record_id]


def test_duplicates_are_the_same_answer_within_two_minutes(any_population: Population) -> None:
    by_ref = {one.ref: one for one in any_population.truth.responses}
    duplicates = [one for one in any_population.truth.responses if one.classification == "duplicate"]
    assert {one.ref.source for one in duplicates} == {"hubspot", "salesforce"}
    assert len(duplicates) > 40
    for one in duplicates:
        assert one.duplicate_of is not None
        winner = by_ref[one.duplicate_of]
        assert winner.classification == "kept"
        assert (one.person, one.survey_name, one.score) == (winner.person, winner.survey_name, winner.score)
        assert folded(one.comment) == folded(winner.comment)
        assert seconds_apart(one, winner) <= 120


def folded(comment: str | None) -> str:
    return " ".join((comment or "").lower().split())


def seconds_apart(one: Response, other: Response) -> float:
    moments = [datetime.fromisoformat(str(response.responded_at)) for response in (one, other)]
    return abs((moments[0] - moments[1]).total_seconds())


def test_nothing_else_looks_like_a_duplicate(any_population: Population) -> None:
    alike = defaultdict(list)
    for one in any_population.truth.responses:
        if one.classification in ("kept", "duplicate") and one.person:
            alike[one.person, one.survey_name, one.score, folded(one.comment)].append(one)
    for group in alike.values():
        for one in group:
            for other in group:
                if one.answer != other.answer and one.ref[:2] != other.ref[:2]:
                    assert seconds_apart(one, other) > 120


def test_some_answers_look_like_duplicates_and_are_none(population: Population) -> None:
    answers = Counter(one.answer for one in population.truth.responses)
    misses = [name for name in answers if name.endswith("near-miss")]
    assert len(misses) == 8
    assert {answers[name] for name in misses} == {1}


def test_without_the_survey_export_its_repeats_are_kept(population: Population) -> None:
    crms = population.truth.only(["hubspot", "salesforce", "zendesk"])
    assert all(one.ref.source != "files" for one in crms.responses)
    exported = {one.answer for one in population.truth.responses if one.ref.source == "files"}
    promoted = [one for one in crms.responses if one.answer in exported and one.classification == "kept"]
    assert len(promoted) > 40
    assert Counter(one.answer for one in crms.responses if one.classification == "kept").most_common(1)[0][1] == 1


def test_the_dirty_records_are_there(population: Population) -> None:
    reasons = Counter((one.ref.source, one.reason) for one in population.truth.responses if one.reason)
    expected = {
        ("hubspot", "score_out_of_scale"): 2,
        ("hubspot", "score_blank"): 2,
        ("hubspot", "responded_at_in_future"): 2,
        ("salesforce", "score_out_of_scale"): 2,
        ("salesforce", "score_not_whole"): 1,
        ("salesforce", "score_blank"): 2,
        ("salesforce", "responded_before_invited"): 2,
        ("salesforce", "partial"): 3,
        ("zendesk", "score_not_a_number"): 2,
        ("zendesk", "score_not_available"): 1,
        ("zendesk", "score_out_of_scale"): 1,
    }
    assert {key: reasons[key] for key in expected} == expected
    assert reasons["hubspot", "other_metric"] > 30
    assert reasons["salesforce", "other_metric"] > 20
    assert sum(one.person is None for one in kept(population)) > 8


def test_the_year_improves_and_touchpoints_differ(population: Population) -> None:
    responses = kept(population)
    halves = [[one for one in responses if (str(one.responded_at) < "2026-05-24") is early] for early in (True, False)]
    assert nps(halves[1]) > nps(halves[0])
    by_touchpoint = {
        place: nps(one for one in responses if one.touchpoint == place) for place in ("purchase", "support")
    }
    assert by_touchpoint["purchase"] > by_touchpoint["support"] + 10
    assert len(responses) > 500


def test_nothing_is_modified_after_the_history_ends(population: Population) -> None:
    moments = [one.modified for tables in population.tables.values() for table in tables.values() for one in table]
    assert max(moments).date() < TODAY
    assert (max(moments).date() - min(moments).date()).days > 350


def test_salesforce_records_have_declared_fields_only(population: Population) -> None:
    for name, table in population.tables["salesforce"].items():
        declared = {field.name for field in SOBJECTS[name].fields}
        assert all(set(record.fields) <= declared for record in table)


def test_the_survey_export_holds_what_the_truth_says(population: Population, tmp_path: Path) -> None:
    path = population.write_survey_csv(tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CSV_COLUMNS
    told = {one.ref.record_id: one for one in population.truth.stream("files", "customer_loyalty")}
    assert {row["response_id"] for row in rows} == set(told)
    emails = {person.key: person.emails for person in population.truth.persons}
    for row in rows:
        response = told[row["response_id"]]
        assert row["score"] == str(response.score)
        assert row["comment"] == (response.comment or "")
        assert row["responded_at"] == response.responded_at
        assert row["survey"] == response.survey_name
        assert row["respondent_email"].lower() in emails[str(response.person)]


def test_the_truth_can_be_written_as_json(population: Population) -> None:
    told = json.loads(json.dumps(population.truth.as_json()))
    assert len(told["responses"]) == len(population.truth.responses)
    assert told["responses"][0]["ref"][0] in ("salesforce", "hubspot", "zendesk", "files")
