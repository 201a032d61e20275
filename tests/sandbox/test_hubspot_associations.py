"""Associations, merges and the search index of the HubSpot account, asked by the real client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hubspot.crm.associations.v4 import BatchInputPublicFetchAssociationsBatchRequest as Batch
from hubspot.crm.associations.v4 import PublicFetchAssociationsBatchRequest as Row
from hubspot.crm.associations.v4.exceptions import ApiException as AssociationsError
from hubspot.crm.contacts import Filter, FilterGroup, PublicObjectSearchRequest
from hubspot.crm.contacts.exceptions import ApiException

from sandbox.hubspot.hooks import HubSpotControl
from sandbox.serve import Sandbox


@pytest.fixture
def control(sandbox: Sandbox) -> HubSpotControl:
    return HubSpotControl.of(sandbox.control["hubspot"])


def associations(client: Any, kind: str, other: str, *rows: Row) -> dict[str, Any]:
    api = client.crm.associations.v4.batch_api
    answer = api.get_page(kind, other, Batch(inputs=list(rows)), _preload_content=False)
    return {"http_status": answer.status, **json.loads(answer.data)}


def test_a_batch_read_names_the_associated_and_who_has_none(hubspot_client: Any, control: HubSpotControl) -> None:
    deal = control.add("deals", associations={"companies": ["5", "6"]})
    alone = control.add("deals")
    said = associations(hubspot_client, "deals", "companies", Row(id=deal), Row(id=alone))
    ((result,), (error,)) = said["results"], said["errors"]
    assert (said["http_status"], said["numErrors"]) == (207, 1)
    assert result["from"] == {"id": deal}
    assert [(one["toObjectId"], [kind["label"] for kind in one["associationTypes"]]) for one in result["to"]] == [
        (5, ["Primary", None]),
        (6, [None]),
    ]
    assert (error["category"], error["subCategory"]) == (
        "OBJECT_NOT_FOUND",
        "crm.associations.NO_ASSOCIATIONS_FOUND",
    )
    assert (error["message"], error["context"]["fromObjectId"]) == (
        f"No company is associated with deal {alone}.",
        [alone],
    )


def test_many_associations_come_page_by_page(hubspot_client: Any, control: HubSpotControl) -> None:
    ticket = control.add("tickets", associations={"contacts": [str(number) for number in range(1, 602)]})
    (first,) = associations(hubspot_client, "tickets", "contacts", Row(id=ticket))["results"]
    after = first["paging"]["next"]["after"]
    (second,) = associations(hubspot_client, "tickets", "contacts", Row(id=ticket, after=after))["results"]
    assert "paging" not in second
    assert [one["toObjectId"] for one in first["to"] + second["to"]] == list(range(1, 602))
    listed = hubspot_client.crm.tickets.basic_api.get_by_id(ticket, associations=["contacts"])
    assert len(listed.associations["contacts"].results) == 100
    assert listed.associations["contacts"].paging.next.after


@pytest.mark.parametrize(("other", "number"), [("companies", 1_001), ("companies", 0), ("wishes", 1)])
def test_what_no_batch_read_may_ask_is_refused(hubspot_client: Any, other: str, number: int) -> None:
    with pytest.raises(AssociationsError) as error:
        associations(hubspot_client, "contacts", other, *(Row(id=str(one)) for one in range(1, number + 1)))
    assert error.value.status == 400


def test_a_merge_makes_a_new_record_and_the_old_ids_lead_to_it(hubspot_client: Any, control: HubSpotControl) -> None:
    api = hubspot_client.crm.contacts.basic_api
    one, other = list(control.state("contacts"))[:2]
    kept = control.merge("contacts", one, other)
    assert (
        api.get_by_id(kept, properties=["hs_merged_object_ids"]).properties["hs_merged_object_ids"] == f"{one};{other}"
    )
    assert [api.get_by_id(gone).id for gone in (one, other)] == [kept, kept]
    listed = {row.id for archived in (False, True) for row in api.get_page(limit=100, archived=archived).results}
    assert not {one, other} & listed
    assert hubspot_client.crm.contacts.search_api.do_search(PublicObjectSearchRequest(limit=1)).total == 335
    with pytest.raises(LookupError):
        control.merge("contacts", "1", "2")


def test_what_was_associated_with_merged_records_is_associated_with_the_new_one(
    hubspot_client: Any, control: HubSpotControl
) -> None:
    one, other = list(control.state("contacts"))[:2]
    ticket = control.add("tickets", associations={"contacts": [one, other], "companies": ["5"]})
    changed = control.state("tickets")[ticket]["modified"]
    kept = control.merge("contacts", other, one)
    (result,) = associations(hubspot_client, "tickets", "contacts", Row(id=ticket))["results"]
    assert [str(linked["toObjectId"]) for linked in result["to"]] == [kept]
    assert control.state("tickets")[ticket]["modified"] == changed


def test_a_restored_record_is_listed_with_the_time_it_had(hubspot_client: Any, control: HubSpotControl) -> None:
    contact = min(control.state("contacts"))
    control.delete("contacts", contact)
    changed = control.state("contacts")[contact]["modified"]
    control.restore("contacts", contact)
    assert hubspot_client.crm.contacts.basic_api.get_by_id(contact).archived is False
    assert control.state("contacts")[contact]["modified"] == changed


def test_what_is_not_in_the_index_is_not_found_until_it_is(hubspot_client: Any, control: HubSpotControl) -> None:
    contact = min(control.state("contacts"))
    api = hubspot_client.crm.contacts.search_api
    alone = Filter(property_name="hs_object_id", operator="EQ", value=contact)
    wanted = PublicObjectSearchRequest(filter_groups=[FilterGroup(filters=[alone])])
    control.unindexed(contact)
    assert (api.do_search(wanted).total, hubspot_client.crm.contacts.basic_api.get_by_id(contact).id) == (0, contact)
    control.unindexed()
    assert api.do_search(wanted).total == 1
    control.unindexed(contact)
    control.reset()
    assert api.do_search(wanted).total == 1


def test_a_search_of_more_than_three_thousand_characters_is_refused(hubspot_client: Any) -> None:
    api = hubspot_client.crm.contacts.search_api
    with pytest.raises(ApiException) as error:
        api.do_search(PublicObjectSearchRequest(properties=["x" * 3_000]))
    assert error.value.status == 400


@pytest.mark.parametrize("kind", ["tickets", "deals"])
def test_tickets_and_deals_are_listed_searched_and_described(
    hubspot_client: Any, control: HubSpotControl, kind: str
) -> None:
    made = control.add(kind)
    api = getattr(hubspot_client.crm, kind)
    assert made in {one.id for one in api.basic_api.get_page(limit=100).results}
    assert made in {one.id for one in api.search_api.do_search(PublicObjectSearchRequest(limit=200)).results}
    names = {one.name for one in hubspot_client.crm.properties.core_api.get_all(kind).results}
    assert {"hs_lastmodifieddate", "hs_merged_object_ids", "createdate"} <= names
