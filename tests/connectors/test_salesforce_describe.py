"""What the user of Salesforce may see is asked first; and the objects that are pulled only when they are asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Stream
from connectors.errors import ConfigError, FatalError, RetryableError
from connectors.salesforce import CONNECTOR, SalesforceSession
from connectors.salesforce_streams import SalesforceSettings
from sandbox.salesforce.hooks import SalesforceControl
from tests.connectors.salesforce_access import (
    NO_OVERLAP,
    Proxy,
    changing,
    pulled,
    records_of,
    refusing,
    saying,
    session_of,
)

DESCRIBE = "/describe"
SWITCHED_ON = {"leads": "Lead", "cases": "Case", "opportunities": "Opportunity"}
OPTIONAL = {
    stream.name: stream
    for stream in CONNECTOR.streams(SalesforceSettings.model_validate(dict.fromkeys(SWITCHED_ON, True)), {})
    if stream.name in SWITCHED_ON.values()
}


# --- what is missing ---


def test_all_fields_that_the_user_may_not_see_are_named_at_once(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    control.hide("NPS_Response__c.Score__c", "NPS_Response__c.Comment__c")
    with pytest.raises(ConfigError, match=r"no field Comment__c, Score__c on NPS_Response__c"):
        pulled(salesforce, "NPS_Response__c")
    assert [one["path"].rsplit("/", 1)[1] for one in proxy.requests("/data/")] == ["describe"]


def test_a_field_of_a_related_object_must_be_visible_too(
    salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    control.hide("User.Name")
    with pytest.raises(ConfigError, match=r"no field Owner\.Name on Account"):
        pulled(salesforce, "Account")


def test_an_object_that_the_user_may_not_see_is_named(
    salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    control.hide("Survey")
    with pytest.raises(ConfigError, match=r"no object Survey, .*surveys: false"):
        pulled(salesforce, "Survey")
    assert pulled(salesforce, "Contact")


def test_wrong_names_and_wrong_spellings_stand_in_one_sentence(salesforce: SalesforceSession) -> None:
    fields = {"email": "$.email", "first_name": "$.Vorname", "last_name": "$.Boss.Name", "owner": "$.Owner.Rank"}
    with pytest.raises(ConfigError) as error:
        list(salesforce.pull(Stream("salesforce", "Contact", "person", fields), {}, NO_OVERLAP))
    assert "no field Boss.Name, Owner.Rank, Vorname on Contact" in str(error.value)
    assert "spells email of Contact otherwise: write Email" in str(error.value)


def test_an_object_that_cannot_be_queried_is_named(proxy: Proxy, salesforce: SalesforceSession) -> None:
    proxy.faults.append((DESCRIBE, changing(lambda body: body | {"queryable": False})))
    with pytest.raises(ConfigError, match="query Contact"):
        pulled(salesforce, "Contact")


def test_what_is_asked_for_besides_may_be_missing(salesforce: SalesforceSession, control: SalesforceControl) -> None:
    control.hide("Contact.MasterRecordId", "Contact.IsDeleted")
    for record in records_of(pulled(salesforce, "Contact")).values():
        assert not {"MasterRecordId", "IsDeleted"} & json.loads(record.payload).keys()
        assert not record.is_deleted


def test_an_object_is_described_once_in_a_session(proxy: Proxy, salesforce: SalesforceSession) -> None:
    cursor = pulled(salesforce, "Account")[-1].cursor
    pulled(salesforce, "Account", cursor)
    described = [one["path"].split("/")[-2] for one in proxy.requests(DESCRIBE)]
    assert described == ["Account", "User"]


UNREADABLE = {
    "a page for people": saying("<html>secret</html>"),
    "nothing": saying(""),
    "no fields": changing(lambda body: body | {"fields": []}),
    "fields that are none": changing(lambda body: body | {"fields": ["Id"]}),
    "an error of the server": refusing(503, "SERVER_UNAVAILABLE"),
}


@pytest.mark.parametrize("trouble", UNREADABLE)
def test_a_description_that_is_none_says_nothing_of_the_fields(
    proxy: Proxy, salesforce: SalesforceSession, trouble: str
) -> None:
    proxy.faults.append((DESCRIBE, UNREADABLE[trouble]))
    assert pulled(salesforce, "Survey")
    proxy.faults += [(DESCRIBE, UNREADABLE[trouble])] * 5
    with pytest.raises(RetryableError):
        pulled(salesforce, "Contact")


def test_a_deletion_mark_that_is_none_ends_the_pull(proxy: Proxy, salesforce: SalesforceSession) -> None:
    def unmarked(body: dict[str, Any]) -> dict[str, Any]:
        body["records"][0]["IsDeleted"] = None
        return body

    proxy.faults.append(("/queryAll/", changing(unmarked)))
    with pytest.raises(FatalError, match="IsDeleted"):
        pulled(salesforce, "Contact")


# --- what is pulled only when it is asked for ---


def test_every_object_is_switched_on_by_its_key() -> None:
    usual = {stream.name for stream in CONNECTOR.streams(SalesforceSettings(), {})}
    for key, name in SWITCHED_ON.items():
        streams = CONNECTOR.streams(SalesforceSettings.model_validate({key: True}), {})
        assert {stream.name for stream in streams} - usual == {name}


@pytest.mark.parametrize("bulk_above", [0, 20_000])
@pytest.mark.parametrize("name", OPTIONAL)
def test_an_object_that_is_switched_on_is_pulled_complete(
    proxy: Proxy, control: SalesforceControl, monkeypatch: pytest.MonkeyPatch, name: str, bulk_above: int
) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", lambda _: None)
    session, stream = session_of(proxy, bulk_above=bulk_above), OPTIONAL[name]
    pages = list(session.pull(stream, {}, NO_OVERLAP))
    state = control.state(name)
    found = {one: json.loads(record.payload) for one, record in records_of(pages).items()}
    assert found.keys() == state.keys()
    assert session.count(stream) == len(state) == 4
    for one, payload in found.items():
        fields = {key: value for key, value in state[one]["fields"].items() if key in payload}
        assert {key: payload[key] for key in fields} == fields
    edited, gone, *_ = state
    control.edit(name, edited, Status="New")
    control.delete(name, gone)
    later = records_of(list(session.pull(stream, pages[-1].cursor, NO_OVERLAP)))
    assert [later[one].is_deleted for one in (edited, gone)] == [False, True]


def test_a_converted_lead_refers_to_the_contact_that_it_became(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    lead = OPTIONAL["Lead"]
    assert (lead.role, lead.constants["cross_reference_to"]) == ("person", "salesforce.Contact")
    column = lead.fields["cross_reference"].removeprefix("$.")
    found = records_of(list(salesforce.pull(lead, {}, NO_OVERLAP)))
    converted = {json.loads(record.payload)[column] for record in found.values()} - {None}
    assert len(converted) == 1
    assert converted < control.state("Contact").keys()
    assert proxy.requests("Lead")


def test_events_have_no_conformed_fields_but_say_whose_they_are_and_whether_they_are_closed(
    salesforce: SalesforceSession,
) -> None:
    for name, columns in (("Case", {"ContactId", "IsClosed"}), ("Opportunity", {"AccountId", "IsClosed", "CloseDate"})):
        assert (OPTIONAL[name].role, OPTIONAL[name].fields) == ("event", {})
        found = records_of(list(salesforce.pull(OPTIONAL[name], {}, NO_OVERLAP)))
        payloads = [json.loads(record.payload) for record in found.values()]
        assert {payload["IsClosed"] for payload in payloads} == {True, False}
        assert all(columns <= payload.keys() for payload in payloads)


@pytest.mark.parametrize("name", SWITCHED_ON.values())
def test_no_custom_object_takes_their_names(name: str) -> None:
    with pytest.raises(ValidationError, match="pulled already"):
        SalesforceSettings.model_validate({"nps_objects": [{"object": name, "score": "Score__c", "scale": [0, 10]}]})


def test_the_threshold_of_the_bulk_api_is_a_number_from_nought() -> None:
    assert SalesforceSettings().bulk_above == 20_000
    with pytest.raises(ValidationError):
        SalesforceSettings.model_validate({"bulk_above": -1})
