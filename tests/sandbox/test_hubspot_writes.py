"""Writing to the HubSpot account through hubspot-api-client: batches, definitions, credentials."""

from __future__ import annotations

import json
from typing import Any

import hubspot
import pytest
from hubspot.crm.companies.exceptions import ApiException as CompaniesApiException
from hubspot.crm.contacts import (
    ApiException,
    BatchInputSimplePublicObjectBatchInput,
    SimplePublicObjectBatchInput,
)
from hubspot.crm.properties import BatchInputPropertyCreate, PropertyCreate, PropertyGroupCreate
from hubspot.crm.properties.exceptions import ApiException as PropertiesApiException

from sandbox.hubspot.service import NARROW_TOKEN
from sandbox.serve import Sandbox


def body_of(error: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(error.value.body)
    return body


def batch(*rows: dict[str, Any]) -> BatchInputSimplePublicObjectBatchInput:
    return BatchInputSimplePublicObjectBatchInput(inputs=[SimplePublicObjectBatchInput(**row) for row in rows])


def some_contacts(client: Any, number: int) -> list[str]:
    return [one.id for one in client.crm.contacts.basic_api.get_page(limit=number).results]


def test_an_update_is_stored_in_hubspots_form_and_advances_the_record(hubspot_client: Any, sandbox: Sandbox) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    before = sandbox.control["hubspot"].state("contacts")[contact]["modified"]
    properties = {"nps_score": "9", "nps_category": "promoter", "nps_responded_at": "1767261600000"}
    done = hubspot_client.crm.contacts.batch_api.update(batch({"id": contact, "properties": properties}))
    assert done.status == "COMPLETE"
    assert done.results[0].properties["nps_responded_at"] == "2026-01-01T10:00:00Z"
    assert set(done.results[0].properties) == {*properties, "createdate", "lastmodifieddate", "hs_object_id"}
    after = sandbox.control["hubspot"].state("contacts")[contact]
    assert after["modified"] > before
    assert after["fields"]["nps_score"] == "9"


def test_writing_what_is_there_changes_nothing(hubspot_client: Any, sandbox: Sandbox) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    row = {"id": contact, "properties": {"nps_score": "3"}}
    hubspot_client.crm.contacts.batch_api.update(batch(row))
    once = sandbox.control["hubspot"].state("contacts")[contact]
    hubspot_client.crm.contacts.batch_api.update(batch(row))
    assert sandbox.control["hubspot"].state("contacts")[contact] == once


def test_a_blank_clears_a_property(hubspot_client: Any, sandbox: Sandbox) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    for value in ("3", ""):
        hubspot_client.crm.contacts.batch_api.update(batch({"id": contact, "properties": {"nps_score": value}}))
    assert sandbox.control["hubspot"].state("contacts")[contact]["fields"]["nps_score"] is None


def test_the_same_id_twice_fails_the_batch(hubspot_client: Any, sandbox: Sandbox) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    row = {"id": contact, "properties": {"nps_score": "3"}}
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.batch_api.update(batch(row, row))
    body = body_of(error)
    assert body["message"] == f"Duplicate IDs found in batch input: [{contact}]. IDs must be unique"
    assert body["context"] == {"ids": [contact]}
    assert "nps_score" not in sandbox.control["hubspot"].state("contacts")[contact]["fields"]


def test_unknown_ids_are_named_and_the_others_written(hubspot_client: Any, sandbox: Sandbox) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    rows = [{"id": one, "properties": {"nps_score": "3"}} for one in ("404", contact, "405")]
    done = hubspot_client.crm.contacts.batch_api.update(batch(*rows))
    assert type(done).__name__ == "BatchResponseSimplePublicObjectWithErrors"
    assert (done.num_errors, done.errors[0].context) == (1, {"ids": ["404", "405"]})
    assert [one.id for one in done.results] == [contact]
    assert sandbox.control["hubspot"].state("contacts")[contact]["fields"]["nps_score"] == "3"


BAD_ROWS = [
    ({"no_such_property": "1"}, "PROPERTY_DOESNT_EXIST"),
    ({"nps_score": "nine"}, "INVALID_DOUBLE"),
    ({"nps_category": "happy"}, "INVALID_OPTION"),
    ({"nps_responded_at": "yesterday"}, "INVALID_LONG"),
    ({"lastmodifieddate": "1767261600000"}, "READ_ONLY_VALUE"),
]


@pytest.mark.parametrize(("properties", "code"), BAD_ROWS)
def test_one_bad_row_without_trace_ids_fails_the_batch(
    hubspot_client: Any, sandbox: Sandbox, properties: dict[str, str], code: str
) -> None:
    bad, good = some_contacts(hubspot_client, 2)
    rows = [{"id": bad, "properties": properties}, {"id": good, "properties": {"nps_score": "3"}}]
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.batch_api.update(batch(*rows))
    body = body_of(error)
    assert body["message"].startswith('Property values were not valid: [{"isValid":false')
    assert [one["code"] for one in body["errors"]] == [code]
    assert "nps_score" not in sandbox.control["hubspot"].state("contacts")[good]["fields"]


def test_with_trace_ids_only_the_bad_row_fails(hubspot_client: Any, sandbox: Sandbox) -> None:
    bad, good = some_contacts(hubspot_client, 2)
    rows = [
        {"id": bad, "properties": {"nps_score": "nine"}, "object_write_trace_id": "row-0"},
        {"id": good, "properties": {"nps_score": "3"}, "object_write_trace_id": "row-1"},
    ]
    done = hubspot_client.crm.contacts.batch_api.update(batch(*rows))
    assert [one.id for one in done.results] == [good]
    assert done.errors[0].context["objectWriteTraceId"] == ["row-0"]
    assert sandbox.control["hubspot"].state("contacts")[good]["fields"]["nps_score"] == "3"


def test_results_are_not_in_the_order_of_the_request(hubspot_client: Any) -> None:
    ids = some_contacts(hubspot_client, 3)
    rows = [{"id": one, "properties": {"nps_score": "3"}} for one in reversed(ids)]
    done = hubspot_client.crm.contacts.batch_api.update(batch(*rows))
    assert [one.id for one in done.results] == ids


def test_an_update_by_email_is_refused(hubspot_client: Any) -> None:
    row = {"id": "a@b.example", "id_property": "email", "properties": {"nps_score": "3"}}
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.batch_api.update(batch(row))
    assert error.value.status == 400


def test_feedback_submissions_cannot_be_written(hubspot_client: Any) -> None:
    one = hubspot_client.crm.objects.feedback_submissions.basic_api.get_page(limit=1).results[0].id
    path = "/crm/v3/objects/feedback_submissions"
    batch_answer = hubspot_client.api_request(
        {"method": "POST", "path": f"{path}/batch/update", "body": {"inputs": []}}
    )
    single_answer = hubspot_client.api_request({"method": "PATCH", "path": f"{path}/{one}", "body": {"properties": {}}})
    assert (batch_answer.status_code, single_answer.status_code) == (404, 405)


def test_definitions_are_read_and_created(hubspot_client: Any) -> None:
    properties = hubspot_client.crm.properties
    assert {"nps_score", "nps_category", "nps_responded_at"} <= {
        one.name for one in properties.core_api.get_all("contacts").results
    }
    properties.groups_api.create("contacts", PropertyGroupCreate(name="survey", label="Survey"))
    assert properties.groups_api.get_by_name("contacts", "survey").label == "Survey"
    one = PropertyCreate(name="nps_trend", label="Trend", type="string", field_type="text", group_name="survey")
    assert properties.core_api.create("contacts", one).name == "nps_trend"
    assert properties.core_api.get_by_name("contacts", "nps_trend").group_name == "survey"
    two = PropertyCreate(name="nps_count", label="Count", type="number", field_type="number", group_name="survey")
    made = properties.batch_api.create("contacts", BatchInputPropertyCreate(inputs=[two]))
    assert [each.name for each in made.results] == ["nps_count"]


def test_definitions_are_checked(hubspot_client: Any) -> None:
    properties = hubspot_client.crm.properties
    taken = PropertyCreate(name="nps_score", label="x", type="number", field_type="number", group_name="nps")
    lost = PropertyCreate(name="x", label="x", type="number", field_type="number", group_name="no_such_group")
    for definition, status in ((taken, 409), (lost, 400)):
        with pytest.raises(PropertiesApiException) as error:
            properties.core_api.create("contacts", definition)
        assert error.value.status == status
    with pytest.raises(PropertiesApiException) as error:
        properties.core_api.get_by_name("contacts", "no_such_property")
    assert error.value.status == 404
    with pytest.raises(PropertiesApiException) as error:
        properties.core_api.get_all("butterflies")
    assert "Unable to infer object type" in body_of(error)["message"]


def test_the_account_is_a_cheap_check_of_the_token(hubspot_client: Any) -> None:
    answer = hubspot_client.api_request({"path": "/account-info/v3/details"})
    assert answer.json()["portalId"] > 0


def test_a_wrong_token_is_a_401(sandbox: Sandbox) -> None:
    stranger = hubspot.HubSpot(access_token="pat-wrong", host=sandbox.urls["hubspot"])
    with pytest.raises(ApiException) as error:
        stranger.crm.contacts.basic_api.get_page()
    assert (error.value.status, body_of(error)["category"]) == (401, "INVALID_AUTHENTICATION")


def test_a_token_without_the_scope_is_a_403_that_names_it(sandbox: Sandbox) -> None:
    narrow = hubspot.HubSpot(access_token=NARROW_TOKEN, host=sandbox.urls["hubspot"])
    assert narrow.crm.contacts.basic_api.get_page(limit=1).results
    assert narrow.crm.objects.feedback_submissions.basic_api.get_page(limit=1).results
    with pytest.raises(CompaniesApiException) as error:
        narrow.crm.companies.basic_api.get_page()
    body = body_of(error)
    assert (error.value.status, body["category"]) == (403, "MISSING_SCOPES")
    assert body["errors"][0]["context"]["requiredGranularScopes"] == ["crm.objects.companies.read"]
    with pytest.raises(ApiException) as error:
        narrow.crm.contacts.batch_api.update(batch({"id": "1", "properties": {"nps_score": "1"}}))
    assert error.value.status == 403
    group = PropertyGroupCreate(name="other", label="Other")
    with pytest.raises(PropertiesApiException) as error:
        narrow.crm.properties.groups_api.create("contacts", group)
    assert body_of(error)["context"]["requiredGranularScopes"] == ["crm.schemas.contacts.write"]


def test_an_update_has_at_most_a_hundred_rows(hubspot_client: Any) -> None:
    rows = [{"id": str(number), "properties": {"nps_score": "1"}} for number in range(101)]
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.batch_api.update(batch(*rows))
    assert error.value.status == 400
    assert hubspot_client.crm.contacts.batch_api.update(batch(*rows[:100])).num_errors == 1
