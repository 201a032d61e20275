"""Reading the HubSpot account through hubspot-api-client: shapes, pages, associations, search, batches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import hubspot
import pytest
import requests
from hubspot.crm.contacts import (
    ApiException,
    BatchReadInputSimplePublicObjectId,
    Filter,
    FilterGroup,
    PublicObjectSearchRequest,
)

from sandbox.hubspot.service import ACCESS_TOKEN, HubSpot
from sandbox.serve import Sandbox, site
from sandbox.servers import Servers
from sandbox.store import Record

CONTACTS, AUTHORIZED = "/crm/v3/objects/contacts", {"Authorization": f"Bearer {ACCESS_TOKEN}"}
FEEDBACK = ["hs_survey_type", "hs_value", "hs_content", "hs_submission_timestamp"]


def body_of(error: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(error.value.body)
    return body


def some_contacts(client: Any, number: int) -> list[str]:
    return [one.id for one in client.crm.contacts.basic_api.get_page(limit=number).results]


def test_only_default_properties_come_unasked(hubspot_client: Any) -> None:
    submission = hubspot_client.crm.objects.feedback_submissions.basic_api.get_page(limit=1).results[0]
    assert set(submission.properties) == {"hs_createdate", "hs_lastmodifieddate", "hs_object_id"}
    contact = hubspot_client.crm.contacts.basic_api.get_page(limit=1).results[0]
    assert set(contact.properties) == {
        "createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname",
    }  # fmt: skip


def test_values_are_text_or_null_and_unknown_properties_are_ignored(hubspot_client: Any) -> None:
    api = hubspot_client.crm.objects.feedback_submissions.basic_api
    page = api.get_page(limit=100, properties=[*FEEDBACK, "no_such_property"]).to_dict()["results"]
    assert {"no_such_property" in one["properties"] for one in page} == {False}
    assert {"hs_content" in one["properties"] for one in page} == {True}
    values = [value for one in page for value in one["properties"].values()]
    assert {type(value) for value in values} == {str, type(None)}
    assert {one["properties"]["hs_survey_type"] for one in page} == {"NPS", "CSAT"}


def test_the_response_group_cannot_be_relied_on(hubspot_client: Any) -> None:
    api = hubspot_client.crm.objects.feedback_submissions.basic_api
    page = api.get_page(limit=100, properties=["hs_response_group", "hs_survey_type"]).results
    groups = {one.properties["hs_response_group"] for one in page if one.properties["hs_survey_type"] == "NPS"}
    assert {"PROMOTER", "2"} <= groups


def test_a_list_is_walked_page_by_page_without_loss(hubspot_client: Any, sandbox: Sandbox) -> None:
    api, seen, after = hubspot_client.crm.contacts.basic_api, [], None
    while True:
        page = api.get_page(limit=100, **({"after": after} if after else {}))
        seen += [one.id for one in page.results]
        if page.paging is None:
            break
        after = page.paging.next.after
    known = sandbox.control["hubspot"].state("contacts")
    assert seen == sorted(known, key=int)
    assert len(seen) == len(set(seen)) == 336


def test_a_page_holds_at_most_a_hundred(hubspot_client: Any) -> None:
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.basic_api.get_page(limit=101)
    assert (error.value.status, body_of(error)["category"]) == (400, "VALIDATION_ERROR")


def test_associations_are_served_on_request(hubspot_client: Any) -> None:
    api = hubspot_client.crm.contacts.basic_api
    page = api.get_page(limit=50, associations=["companies"], properties=["associatedcompanyid"]).results
    linked = [one for one in page if one.associations]
    assert linked
    for one in linked:
        results = one.associations["companies"].results
        assert {each.id for each in results} == {one.properties["associatedcompanyid"]}
        assert [each.type for each in results] == ["contact_to_company", "contact_to_company_unlabeled"]
    assert not any(one.associations for one in api.get_page(limit=50).results)


def test_archived_records_have_their_own_list(hubspot_client: Any, sandbox: Sandbox) -> None:
    gone = some_contacts(hubspot_client, 1)[0]
    sandbox.control["hubspot"].delete("contacts", gone)
    assert gone not in some_contacts(hubspot_client, 5)
    archived = hubspot_client.crm.contacts.basic_api.get_page(archived=True).results
    assert [(one.id, one.archived) for one in archived] == [(gone, True)]
    assert archived[0].archived_at is not None


def test_one_record_is_read_by_id(hubspot_client: Any) -> None:
    contact = some_contacts(hubspot_client, 1)[0]
    assert hubspot_client.crm.contacts.basic_api.get_by_id(contact).id == contact
    with pytest.raises(ApiException) as error:
        hubspot_client.crm.contacts.basic_api.get_by_id("1")
    assert (error.value.status, body_of(error)["category"]) == (404, "OBJECT_NOT_FOUND")


def search(client: Any, *filters: Filter, **request: Any) -> Any:
    groups = [FilterGroup(filters=list(filters))] if filters else []
    body = PublicObjectSearchRequest(filter_groups=groups, **({"properties": ["email", "nps_score"]} | request))
    return client.crm.contacts.search_api.do_search(body)


def newest_first(client: Any) -> list[Any]:
    found: list[Any] = search(
        client, sorts=[{"propertyName": "lastmodifieddate", "direction": "DESCENDING"}], limit=200
    ).results
    return found


def milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


@pytest.mark.parametrize(("operator", "number"), [("GT", 9), ("GTE", 10), ("EQ", 1)])
def test_search_compares_times(hubspot_client: Any, operator: str, number: int) -> None:
    tenth = newest_first(hubspot_client)[9].updated_at
    found = search(
        hubspot_client,
        Filter(property_name="lastmodifieddate", operator=operator, value=milliseconds(tenth)),
        limit=200,
    )
    assert (found.total, len(found.results)) == (number, number)


@pytest.mark.parametrize(("operator", "number"), [("LT", 326), ("LTE", 327)])
def test_search_compares_times_downwards(hubspot_client: Any, operator: str, number: int) -> None:
    tenth = newest_first(hubspot_client)[9].updated_at
    condition = Filter(property_name="lastmodifieddate", operator=operator, value=milliseconds(tenth))
    assert search(hubspot_client, condition).total == number


def test_search_takes_groups_as_alternatives_and_filters_together(hubspot_client: Any) -> None:
    ids = some_contacts(hubspot_client, 3)
    either = PublicObjectSearchRequest(
        filter_groups=[
            FilterGroup(filters=[Filter(property_name="hs_object_id", operator="IN", values=ids[:2])]),
            FilterGroup(
                filters=[
                    Filter(property_name="hs_object_id", operator="EQ", value=ids[2]),
                    Filter(property_name="nps_score", operator="HAS_PROPERTY"),
                ]
            ),
        ]
    )
    assert {one.id for one in hubspot_client.crm.contacts.search_api.do_search(either).results} == set(ids[:2])


def test_search_finds_text_in_any_case_and_missing_values(hubspot_client: Any) -> None:
    with_email = next(one for one in newest_first(hubspot_client) if one.properties["email"])
    shouted = Filter(property_name="email", operator="EQ", value=with_email.properties["email"].upper())
    assert [one.id for one in search(hubspot_client, shouted).results] == [with_email.id]
    missing = Filter(property_name="email", operator="NOT_HAS_PROPERTY")
    assert 0 < search(hubspot_client, missing).total < 30


def test_search_is_walked_by_offset(hubspot_client: Any) -> None:
    first = search(hubspot_client, limit=200)
    rest = search(hubspot_client, limit=200, after=first.paging.next.after)
    assert (first.total, len(first.results), len(rest.results), rest.paging) == (336, 200, 136, None)
    assert len({one.id for one in first.results + rest.results}) == 336


@pytest.mark.parametrize(
    "request_",
    [
        {"limit": 201},
        {"limit": 200, "after": "9801"},
        {"sorts": ["createdate", "email"]},
        {"sorts": ["no_such_property"]},
        {"filters": [Filter(property_name="no_such_property", operator="HAS_PROPERTY")]},
        {"filters": [Filter(property_name="email", operator="EQ")]},
        {"filters": [Filter(property_name="email", operator="HAS_PROPERTY")] * 19},
    ],
)
def test_search_refuses_what_breaks_its_rules(hubspot_client: Any, request_: dict[str, Any]) -> None:
    with pytest.raises(ApiException) as error:
        search(hubspot_client, *request_.pop("filters", []), **request_)
    assert (error.value.status, body_of(error)["status"]) == (400, "error")


def test_search_ends_at_ten_thousand_results() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    many = [Record(str(number), {}, moment, moment) for number in range(1, 10_102)]
    service = HubSpot({"contacts": many, "companies": [], "feedback_submissions": []})
    with Servers([site(service)]) as servers:
        client = hubspot.HubSpot(access_token="pat-sandbox-all-scopes", host=servers.urls[0])
        last = search(client, limit=200, after="9800")
        assert (last.total, len(last.results), last.paging.next.after) == (10_101, 200, "10000")
        with pytest.raises(ApiException) as error:
            search(client, limit=200, after="10000")
    assert error.value.status == 400


def test_search_answers_have_no_rate_headers_but_others_do(hubspot_client: Any) -> None:
    body = PublicObjectSearchRequest(limit=1)
    _, _, headers = hubspot_client.crm.contacts.search_api.do_search_with_http_info(body)
    assert not any("ratelimit" in name.lower() for name in headers)
    _, _, headers = hubspot_client.crm.contacts.basic_api.get_page_with_http_info(limit=1)
    assert int(headers["X-HubSpot-RateLimit-Remaining"]) < int(headers["X-HubSpot-RateLimit-Max"]) == 190
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert int(headers["X-HubSpot-RateLimit-Daily-Remaining"]) < int(headers["X-HubSpot-RateLimit-Daily"])


def read_batch(client: Any, *ids: str, **request: Any) -> Any:
    inputs = [{"id": one} for one in ids]
    body = BatchReadInputSimplePublicObjectId(
        inputs=inputs, **({"properties": ["email"], "properties_with_history": []} | request)
    )
    return client.crm.contacts.batch_api.read(body)


def test_a_batch_is_read_and_names_the_unknown(hubspot_client: Any) -> None:
    ids = some_contacts(hubspot_client, 3)
    assert {one.id for one in read_batch(hubspot_client, *ids).results} == set(ids)
    partial = read_batch(hubspot_client, ids[0], "404")
    assert [one.id for one in partial.results] == [ids[0]]
    assert (partial.num_errors, partial.errors[0].category) == (1, "OBJECT_NOT_FOUND")
    assert partial.errors[0].context == {"ids": ["404"]}


def test_a_batch_is_read_by_a_unique_property(hubspot_client: Any) -> None:
    known = next(one for one in newest_first(hubspot_client) if one.properties["email"])
    found = read_batch(hubspot_client, known.properties["email"].upper(), id_property="email")
    assert [one.id for one in found.results] == [known.id]
    with pytest.raises(ApiException):
        read_batch(hubspot_client, "x", id_property="firstname")


def test_a_batch_has_at_most_a_hundred_rows(hubspot_client: Any) -> None:
    ids = [str(number) for number in range(101)]
    with pytest.raises(ApiException) as error:
        read_batch(hubspot_client, *ids)
    assert error.value.status == 400


def test_companies_are_served_too(hubspot_client: Any) -> None:
    company = hubspot_client.crm.companies.basic_api.get_page(limit=1, properties=["domain", "name"]).results[0]
    assert company.properties["domain"].endswith(".example")
    assert "hs_lastmodifieddate" in company.properties


def test_a_body_that_is_no_object_is_a_400(hubspot_client: Any) -> None:
    answer = hubspot_client.api_request({"method": "POST", "path": "/crm/v3/objects/contacts/search", "body": "[1"})
    assert answer.status_code == 400


@pytest.mark.parametrize(("given", "status"), [("true", 200), ("True", 200), ("false", 200), ("1", 400), ("", 400)])
def test_archived_is_true_or_false(sandbox: Sandbox, given: str, status: int) -> None:
    address = f"{sandbox.urls['hubspot']}{CONTACTS}?archived={given}"
    assert requests.get(address, headers=AUTHORIZED, timeout=10).status_code == status


@pytest.mark.parametrize(("microsecond", "text"), [(0, "2026-01-01T12:00:00Z"), (250_000, "2026-01-01T12:00:00.250Z")])
def test_a_time_has_milliseconds_where_it_has_any(microsecond: int, text: str) -> None:
    moment = datetime(2026, 1, 1, 12, microsecond=microsecond, tzinfo=UTC)
    service = HubSpot({"contacts": [Record("1", {}, moment, moment)]})
    with Servers([site(service)]) as servers:
        (row,) = requests.get(f"{servers.urls[0]}{CONTACTS}", headers=AUTHORIZED, timeout=10).json()["results"]
    assert (row["updatedAt"], row["properties"]["lastmodifieddate"]) == (text, text)
