"""What the CRMs serve through the real clients is what the truth says, record by record."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.population.truth import Response
from sandbox.serve import Sandbox
from sandbox.zendesk.ids import COMMENT_FIELD, SCORE_FIELD

NUMBERS = {str(number): number for number in range(11)}
HUBSPOT_PROPERTIES = [
    "hs_survey_type",
    "hs_survey_name",
    "hs_value",
    "hs_content",
    "hs_submission_timestamp",
    "hs_contact_id",
    "hs_contact_email_rollup",
]
Served = dict[str, dict[str, Any]]


def told(sandbox: Sandbox, source: str, stream: str) -> dict[str, Response]:
    return {one.ref.record_id: one for one in sandbox.truth.stream(source, stream)}


def person_of(sandbox: Sandbox, source: str) -> dict[str, str]:
    return {ref.record_id: one.key for one in sandbox.truth.persons for ref in one.records if ref.source == source}


def in_utc(text: str | None) -> str | None:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if text else None


def usable(responses: Iterable[Response]) -> list[Response]:
    found = [one for one in responses if one.classification in ("kept", "duplicate")]
    assert len(found) > 50
    return found


@pytest.fixture
def submissions(hubspot_client: Any) -> Served:
    api, after = hubspot_client.crm.objects.feedback_submissions.basic_api, "0"
    found: Served = {}
    while after:
        answer = api.get_page(
            limit=100, after=after, properties=HUBSPOT_PROPERTIES, associations=["contacts"], _preload_content=False
        )
        page = json.loads(answer.data)
        found |= {one["id"]: one["properties"] | {"linked": one.get("associations")} for one in page["results"]}
        after = page.get("paging", {}).get("next", {}).get("after")
    return found


def test_hubspot_serves_the_submissions_of_the_truth(sandbox: Sandbox, submissions: Served) -> None:
    responses, persons = told(sandbox, "hubspot", "feedback_submissions"), person_of(sandbox, "hubspot")
    assert set(submissions) == set(responses)
    for record_id, response in responses.items():
        served = submissions[record_id]
        metric = "CSAT" if response.reason == "other_metric" else "NPS"
        assert (served["hs_survey_type"], served["hs_survey_name"]) == (metric, response.survey_name)
        assert served["hs_content"] == response.comment
        assert in_utc(served["hs_submission_timestamp"]) == response.responded_at
        linked = served["linked"]["contacts"]["results"][0]["id"] if served["linked"] else None
        assert linked == served["hs_contact_id"]
        assert (persons[linked] if linked else None) == response.person
    for response in usable(responses.values()):
        assert NUMBERS[submissions[response.ref.record_id]["hs_value"]] == response.score


def test_hubspots_flawed_submissions_hold_what_their_reason_says(sandbox: Sandbox, submissions: Served) -> None:
    by_reason: dict[str, list[str | None]] = {}
    for record_id, response in told(sandbox, "hubspot", "feedback_submissions").items():
        by_reason.setdefault(str(response.reason), []).append(submissions[record_id]["hs_value"])
    assert by_reason["score_out_of_scale"] == ["11", "-1"]
    assert {value or None for value in by_reason["score_blank"]} == {None}
    assert set(by_reason["other_metric"]) == {"0", "1", "2"}
    future = [
        one
        for one in told(sandbox, "hubspot", "feedback_submissions").values()
        if one.reason == "responded_at_in_future"
    ]
    assert all(str(one.responded_at) > "2027" for one in future)


def test_salesforce_serves_the_survey_answers_of_the_truth(sandbox: Sandbox, salesforce: Any) -> None:
    query = (
        "SELECT Id, NumberValue, ResponseValue, ResponseId, Question.QuestionType, Response.Status, "
        "Response.SubmitterId, Response.CompletionDateTime, Response.Survey.Name, Invitation.CreatedDate "
        "FROM SurveyQuestionResponse"
    )
    rows = {one["Id"]: one for one in salesforce.query_all(query)["records"]}
    responses, persons = told(sandbox, "salesforce", "SurveyQuestionResponse"), person_of(sandbox, "salesforce")
    assert set(rows) == set(responses)
    comments = {
        one["ResponseId"]: one["ResponseValue"]
        for one in rows.values()
        if one["Question"]["QuestionType"] == "FreeText"
    }
    kinds = {"not_nps": "FreeText", "other_metric": "Rating"}
    for record_id, response in responses.items():
        row = rows[record_id]
        assert row["Question"]["QuestionType"] == kinds.get(str(response.reason), "NPS")
        submitter = row["Response"]["SubmitterId"]
        assert (persons[submitter] if submitter else None) == response.person
        if row["Question"]["QuestionType"] == "NPS":
            assert (row["Response"]["Status"] == "Completed") is (response.reason != "partial")
            assert in_utc(row["Response"]["CompletionDateTime"]) == response.responded_at
            assert in_utc(row["Invitation"]["CreatedDate"]) == response.invited_at
            assert row["Response"]["Survey"]["Name"] == response.survey_name
            assert comments[row["ResponseId"]] == response.comment
            assert row["ResponseId"] in [ref.record_id for ref in response.carried_by]
    for response in usable(responses.values()):
        assert rows[response.ref.record_id]["NumberValue"] == response.score


def test_salesforce_serves_the_custom_nps_records_of_the_truth(sandbox: Sandbox, salesforce: Any) -> None:
    query = (
        "SELECT Id, Score__c, Comment__c, Contact__c, Responded_At__c, Survey__c, Survey_Type__c, Channel__c, "
        "Touchpoint__c FROM NPS_Response__c"
    )
    rows = {one["Id"]: one for one in salesforce.query_all(query)["records"]}
    responses, persons = told(sandbox, "salesforce", "NPS_Response__c"), person_of(sandbox, "salesforce")
    assert set(rows) == set(responses)
    for record_id, response in responses.items():
        row = rows[record_id]
        assert (row["Survey__c"], row["Comment__c"]) == (response.survey_name, response.comment)
        assert (row["Survey_Type__c"], row["Channel__c"]) == (response.survey_type, response.channel)
        assert row["Touchpoint__c"] == response.touchpoint
        assert in_utc(row["Responded_At__c"]) == response.responded_at
        assert persons[row["Contact__c"]] == response.person
    for response in usable(responses.values()):
        assert rows[response.ref.record_id]["Score__c"] == response.score


def test_salesforce_serves_the_invitations_of_the_truth(sandbox: Sandbox, salesforce: Any) -> None:
    rows = salesforce.query_all("SELECT Id, ContactId, CreatedDate, ResponseStatus FROM SurveyInvitation")["records"]
    persons = person_of(sandbox, "salesforce")
    served = {
        one["Id"]: (persons.get(one["ContactId"]), in_utc(one["CreatedDate"]), one["ResponseStatus"] == "Completed")
        for one in rows
    }
    assert served == {
        one.ref.record_id: (one.person, one.invited_at, one.answered) for one in sandbox.truth.invitations
    }


def test_zendesk_serves_the_ticket_answers_of_the_truth(sandbox: Sandbox, zendesk: Any) -> None:
    responses, persons = told(sandbox, "zendesk", "tickets"), person_of(sandbox, "zendesk")
    tickets = {str(one.id): one for one in zendesk.tickets.incremental(start_time=0)}
    assert set(tickets) == set(responses)
    values = {key: {one["id"]: one["value"] for one in ticket.custom_fields} for key, ticket in tickets.items()}
    for record_id, response in responses.items():
        assert (values[record_id][SCORE_FIELD] is None) is (response.reason == "not_nps")
        assert values[record_id][COMMENT_FIELD] == response.comment
        assert persons[str(tickets[record_id].requester_id)] == response.person
        if response.reason != "not_nps":
            assert tickets[record_id].updated_at == response.responded_at
    for response in usable(responses.values()):
        assert NUMBERS[values[response.ref.record_id][SCORE_FIELD]] == response.score


def test_people_and_companies_are_served_as_the_truth_lists_them(
    sandbox: Sandbox, salesforce: Any, hubspot_client: Any, zendesk: Any
) -> None:
    listed = {ref for person in sandbox.truth.persons for ref in person.records}
    listed |= {ref for company in sandbox.truth.companies for ref in company.records}
    served = {
        ("salesforce", name, one["Id"])
        for name in ("Contact", "Account")
        for one in salesforce.query_all(f"SELECT Id FROM {name}", include_deleted=True)["records"]
    }
    served |= {("hubspot", "contacts", one.id) for one in hubspot_client.crm.contacts.get_all()}
    served |= {("hubspot", "companies", one.id) for one in hubspot_client.crm.companies.get_all()}
    users = zendesk.users.incremental(start_time=0)
    served |= {("zendesk", "users", str(one.id)) for one in users if one.role == "end-user"}
    served |= {("zendesk", "organizations", str(one.id)) for one in zendesk.organizations.incremental(start_time=1)}
    assert served == {tuple(ref) for ref in listed}
