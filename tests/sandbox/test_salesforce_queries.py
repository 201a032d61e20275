"""Queries, descriptions, single records and deletions of the Salesforce organisation, through simple-salesforce."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.api import Salesforce as Client
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceRefusedRequest,
    SalesforceResourceNotFound,
)

from sandbox.certificates import write_server_files
from sandbox.salesforce.hooks import SalesforceControl
from sandbox.salesforce.ids import salesforce_id, with_suffix
from sandbox.salesforce.logins import SESSION_ID
from sandbox.salesforce.schema import SOBJECTS
from sandbox.salesforce.service import Salesforce
from sandbox.serve import Sandbox, site
from sandbox.servers import Servers
from sandbox.store import Record

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ids(client: Any, query: str, **kwargs: Any) -> list[str]:
    return [one["Id"] for one in client.query_all(query, **kwargs)["records"]]


def contacts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return sandbox.control["salesforce"].state("Contact")


def content(error: Any) -> Any:
    return error.value.content


def test_an_answer_names_the_type_and_address_of_every_record(salesforce: Any) -> None:
    answer = salesforce.query("SELECT Id, NumberValue, Datatype FROM SurveyQuestionResponse LIMIT 1")
    assert (answer["totalSize"], answer["done"]) == (1, True)
    record = answer["records"][0]
    assert record["attributes"]["type"] == "SurveyQuestionResponse"
    assert record["attributes"]["url"] == f"/services/data/v59.0/sobjects/SurveyQuestionResponse/{record['Id']}"
    assert list(record) == ["attributes", "Id", "NumberValue", "Datatype"]


def test_values_have_their_types(salesforce: Any) -> None:
    score = salesforce.query("SELECT Score__c, SystemModstamp FROM NPS_Response__c WHERE Score__c = 9 LIMIT 1")
    record = score["records"][0]
    assert isinstance(record["Score__c"], float)
    assert record["SystemModstamp"].endswith(".000+0000")
    answer = salesforce.query("SELECT NumberValue FROM SurveyQuestionResponse WHERE NumberValue != null LIMIT 1")
    assert isinstance(answer["records"][0]["NumberValue"], int)


def test_related_fields_are_nested_and_null_where_nothing_is_related(salesforce: Any) -> None:
    query = (
        "SELECT Id, NumberValue, Question.QuestionType, Response.Status, Response.CompletionDateTime, "
        "Response.SubmitterId, Invitation.ContactId FROM SurveyQuestionResponse WHERE Question.QuestionType = 'NPS'"
    )
    records = salesforce.query_all(query)["records"]
    assert len(records) == 103
    assert {one["Question"]["QuestionType"] for one in records} == {"NPS"}
    assert {one["Response"]["Status"] for one in records} == {"Completed", "Started"}
    linked = salesforce.query_all("SELECT Id, Contact__r.Email, Account__r.Name FROM NPS_Response__c")["records"]
    assert any(one["Account__r"] is None for one in linked)
    assert linked[0]["Contact__r"]["attributes"]["type"] == "Contact"


def test_a_reference_to_several_objects_is_followed_to_the_right_one(salesforce: Any) -> None:
    records = salesforce.query_all("SELECT SubjectId, Subject.Name, Parent.Name FROM SurveySubject")["records"]
    assert {one["Subject"]["attributes"]["type"] for one in records} == {"Account"}
    assert all(one["Parent"]["Name"].endswith("invitation") for one in records)


def test_conditions_are_joined_and_nested(salesforce: Any) -> None:
    every = salesforce.query("SELECT COUNT() FROM NPS_Response__c")["totalSize"]
    high = salesforce.query("SELECT COUNT() FROM NPS_Response__c WHERE Score__c >= 9 AND Score__c <= 10")["totalSize"]
    low = salesforce.query("SELECT COUNT() FROM NPS_Response__c WHERE NOT (Score__c >= 9)")["totalSize"]
    either = salesforce.query(
        "SELECT COUNT() FROM NPS_Response__c "
        "WHERE (Score__c >= 9 AND Score__c <= 10) OR Score__c > 10 OR NOT Score__c >= 9"
    )["totalSize"]
    assert every == either
    assert high + low == every - 2  # 11 and 100
    assert 0 < high < every


def test_in_and_not_in_take_lists(salesforce: Any) -> None:
    few = ids(salesforce, "SELECT Id FROM Contact ORDER BY Id LIMIT 3")
    listed = ", ".join(f"'{one}'" for one in few)
    assert ids(salesforce, f"SELECT Id FROM Contact WHERE Id IN ({listed}) ORDER BY Id DESC") == few[::-1]
    others = salesforce.query(f"SELECT COUNT() FROM Contact WHERE Id NOT IN ({listed})")["totalSize"]
    assert others == salesforce.query("SELECT COUNT() FROM Contact")["totalSize"] - 3


def test_ids_are_found_in_both_forms(salesforce: Any) -> None:
    one = ids(salesforce, "SELECT Id FROM Contact LIMIT 1")[0]
    assert ids(salesforce, f"SELECT Id FROM Contact WHERE Id = '{one[:15]}'") == [one]


def test_the_long_form_of_an_id_is_that_of_the_vendors_example() -> None:
    assert with_suffix("a00D0000008pQRA") == "a00D0000008pQRAIA2"


def test_text_is_compared_in_any_case_and_null_is_not_text(salesforce: Any) -> None:
    lower = salesforce.query("SELECT COUNT() FROM SurveyInvitation WHERE ResponseStatus = 'completed'")["totalSize"]
    exact = salesforce.query("SELECT COUNT() FROM SurveyInvitation WHERE ResponseStatus = 'Completed'")["totalSize"]
    assert lower == exact > 0
    missing = salesforce.query("SELECT COUNT() FROM Contact WHERE Email = null")["totalSize"]
    unequal = salesforce.query("SELECT COUNT() FROM Contact WHERE Email != 'x@y.example'")["totalSize"]
    assert missing > 0
    assert unequal == salesforce.query("SELECT COUNT() FROM Contact")["totalSize"]


def test_quotes_in_text_are_escaped(salesforce: Any, sandbox: Sandbox) -> None:
    one = ids(salesforce, "SELECT Id FROM Contact LIMIT 1")[0]
    sandbox.control["salesforce"].edit("Contact", one, LastName="O'Neill \\ Söhne")
    assert ids(salesforce, r"SELECT Id FROM Contact WHERE LastName = 'O\'Neill \\ Söhne'") == [one]


def test_times_are_compared_in_any_zone(salesforce: Any) -> None:
    times = [one["SystemModstamp"] for one in salesforce.query_all("SELECT SystemModstamp FROM Account")["records"]]
    middle = datetime.fromisoformat(sorted(times)[19])
    later = sum(datetime.fromisoformat(one) > middle for one in times)
    for zone in (UTC, datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo):
        literal = middle.astimezone(zone).isoformat()
        assert salesforce.query(f"SELECT COUNT() FROM Account WHERE SystemModstamp > {literal}")["totalSize"] == later
        assert salesforce.query(f"SELECT COUNT() FROM Account WHERE SystemModstamp = {literal}")["totalSize"] == 1
    literal = middle.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert salesforce.query(f"SELECT COUNT() FROM Account WHERE SystemModstamp >= {literal}")["totalSize"] == later + 1


def test_many_contacts_share_one_second(salesforce: Any) -> None:
    records = salesforce.query_all("SELECT SystemModstamp FROM Contact")["records"]
    stamps = [one["SystemModstamp"] for one in records]
    assert max(map(stamps.count, stamps)) > 50


def test_order_is_as_asked_and_otherwise_none(salesforce: Any) -> None:
    ordered = salesforce.query_all("SELECT Id, SystemModstamp FROM Contact ORDER BY SystemModstamp, Id")["records"]
    keys = [(one["SystemModstamp"], one["Id"]) for one in ordered]
    assert keys == sorted(keys)
    unordered = ids(salesforce, "SELECT Id FROM Contact")
    assert unordered not in ([one for _, one in keys], sorted(unordered))
    blanks_first = [one["Email"] for one in salesforce.query_all("SELECT Email FROM Contact ORDER BY Email")["records"]]
    assert blanks_first[0] is None
    blanks_last = salesforce.query_all("SELECT Email FROM Contact ORDER BY Email DESC NULLS LAST")["records"]
    assert blanks_last[-1]["Email"] is None


def test_deleted_records_are_seen_by_query_all_only(salesforce: Any, sandbox: Sandbox) -> None:
    query = "SELECT Id, IsDeleted FROM Contact WHERE IsDeleted = true"
    before = ids(salesforce, query, include_deleted=True)
    gone = ids(salesforce, "SELECT Id FROM Contact LIMIT 1")[0]
    sandbox.control["salesforce"].delete("Contact", gone)
    assert gone not in ids(salesforce, "SELECT Id FROM Contact")
    assert sorted(ids(salesforce, query, include_deleted=True)) == sorted([*before, gone])
    with pytest.raises(SalesforceResourceNotFound) as error:
        salesforce.Contact.get(gone)
    assert content(error)[0]["errorCode"] == "ENTITY_IS_DELETED"


def test_deletions_are_listed_with_the_window_they_cover(salesforce: Any, sandbox: Sandbox) -> None:
    gone = ids(salesforce, "SELECT Id FROM Contact LIMIT 1")[0]
    sandbox.control["salesforce"].delete("Contact", gone)
    now = datetime.now(UTC)
    answer = salesforce.Contact.deleted(now - timedelta(days=1), now + timedelta(minutes=1))
    assert [one["id"] for one in answer["deletedRecords"]] == [gone]
    assert answer["latestDateCovered"] <= (now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    assert answer["earliestDateAvailable"] < answer["latestDateCovered"]
    for start, end in ((now - timedelta(days=16), now), (now, now - timedelta(days=1))):
        with pytest.raises(SalesforceMalformedRequest) as error:
            salesforce.Contact.deleted(start, end)
        assert content(error)[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_pages_are_followed_to_the_end(salesforce: Any) -> None:
    small = {"Sforce-Query-Options": "batchSize=200"}
    first = salesforce.query("SELECT Id FROM SurveyQuestionResponse ORDER BY Id", headers=small)
    assert (first["done"], len(first["records"]), first["totalSize"]) == (False, 200, 249)
    assert first["nextRecordsUrl"].startswith("/services/data/v59.0/query/0r8")
    rest = salesforce.query_more(first["nextRecordsUrl"], identifier_is_url=True, headers=small)
    assert (rest["done"], len(rest["records"])) == (True, 49)
    assert "nextRecordsUrl" not in rest
    assert len({one["Id"] for one in first["records"] + rest["records"]}) == 249


def test_an_unknown_cursor_is_refused(salesforce: Any) -> None:
    with pytest.raises(SalesforceMalformedRequest) as error:
        salesforce.query_more("0r8unknown-2000")
    assert content(error)[0]["errorCode"] == "INVALID_QUERY_LOCATOR"


def test_a_page_holds_two_thousand(tmp_path: Path, trusting: Callable[[str, str], requests.Session]) -> None:
    files = write_server_files(tmp_path)
    many = [Record(salesforce_id("003", number), {}, MOMENT, MOMENT) for number in range(1, 2_501)]
    service = Salesforce({name: [] for name in SOBJECTS} | {"Contact": many}, public_key="")
    with Servers([site(service, tls=(files.certificate, files.key))]) as servers:
        session = trusting(servers.urls[0], str(files.authority))
        client = Client(session_id=SESSION_ID, instance_url=servers.urls[0], session=session)
        first = client.query("SELECT Id FROM Contact")
        assert (len(first["records"]), first["done"], first["totalSize"]) == (2_000, False, 2_500)
        assert len(set(ids(client, "SELECT Id FROM Contact"))) == 2_500


BAD_QUERIES: Mapping[str, tuple[str, str]] = {
    "SELECT Id FORM Contact": ("MALFORMED_QUERY", "unexpected token: 'FORM'"),
    "SELECT Id FROM Contact WHERE": ("MALFORMED_QUERY", "unexpected token: <EOF>"),
    "SELECT Id FROM Contact WHERE Email = 'a": ("MALFORMED_QUERY", "unexpected token"),
    "SELECT Id FROM Contact WHERE Id = '1' AND Id = '2' OR Id = '3'": ("MALFORMED_QUERY", "unexpected token: 'OR'"),
    "SELECT Id FROM Contact LIMIT 3 EXTRA": ("MALFORMED_QUERY", "unexpected token: 'EXTRA'"),
    "SELECT Foo FROM Contact": ("INVALID_FIELD", "ERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Contact'"),
    "SELECT Id FROM Contact WHERE Foo__c = 1": ("INVALID_FIELD", "No such column 'Foo__c' on entity 'Contact'"),
    "SELECT Boss.Name FROM Contact": ("INVALID_FIELD", "Didn't understand relationship 'Boss' in field path"),
    "SELECT Id FROM Contct": ("INVALID_TYPE", "sObject type 'Contct' is not supported"),
    "SELECT Id FROM Contact WHERE SystemModstamp > '2026-01-01T00:00:00Z'": (
        "INVALID_FIELD",
        "must be of type dateTime",
    ),
    "SELECT Id FROM Contact WHERE Email = 3": ("INVALID_FIELD", "should be enclosed in quotes"),
    "SELECT Id FROM NPS_Response__c WHERE Comment__c = 'x'": ("INVALID_FIELD", "can not be filtered"),
    "SELECT Id FROM NPS_Response__c ORDER BY Comment__c": ("INVALID_FIELD", "can not be sorted"),
    "SELECT Id, Name, id FROM Contact": ("INVALID_FIELD", "duplicate field selected: Id"),
}


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_bad_queries_are_refused_with_the_reason(salesforce: Any, query: str) -> None:
    code, message = BAD_QUERIES[query]
    with pytest.raises(SalesforceMalformedRequest) as error:
        salesforce.query(query)
    assert error.value.status == 400
    assert content(error)[0]["errorCode"] == code
    assert message in content(error)[0]["message"]


def test_objects_and_fields_are_described(salesforce: Any) -> None:
    names = {one["name"] for one in salesforce.describe()["sobjects"]}
    assert {"Contact", "Account", "SurveyQuestionResponse", "NPS_Response__c"} <= names
    contact = salesforce.Contact.describe()
    fields = {one["name"]: one for one in contact["fields"]}
    assert (contact["keyPrefix"], contact["updateable"]) == ("003", True)
    assert (fields["NPS_Score__c"]["type"], fields["NPS_Score__c"]["updateable"]) == ("double", True)
    assert [one["value"] for one in fields["NPS_Category__c"]["picklistValues"]] == ["Promoter", "Passive", "Detractor"]
    assert fields["AccountId"]["relationshipName"] == "Account"
    assert fields["Customer_Number__c"]["externalId"]
    assert not fields["SystemModstamp"]["updateable"]
    assert not salesforce.SurveyResponse.describe()["updateable"]
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.NoSuchObject.describe()


def test_a_record_is_read_by_id_and_by_external_id(salesforce: Any, sandbox: Sandbox) -> None:
    one, record = next(iter(contacts(sandbox).items()))
    whole = salesforce.Contact.get(one)
    assert whole["Name"] == f"{record['fields']['FirstName']} {record['fields']['LastName']}"
    assert salesforce.Contact.get(one[:15])["Id"] == one
    number = record["fields"]["Customer_Number__c"]
    assert salesforce.Contact.get_by_custom_id("Customer_Number__c", number)["Id"] == one
    few = salesforce.restful(f"sobjects/Contact/{one}", params={"fields": "Id,Email"})
    assert list(few) == ["attributes", "Id", "Email"]
    with pytest.raises(SalesforceResourceNotFound) as error:
        salesforce.Contact.get(salesforce_id("003", 99_999))
    assert content(error)[0]["errorCode"] == "NOT_FOUND"


def test_limits_and_headers_count_the_calls(salesforce: Any) -> None:
    before = salesforce.limits()["DailyApiRequests"]
    salesforce.query("SELECT Id FROM User")
    assert salesforce.limits()["DailyApiRequests"]["Remaining"] == before["Remaining"] - 2
    assert salesforce.api_usage["api-usage"].total == before["Max"] == 15_000


def test_no_call_is_answered_when_the_days_calls_are_spent(salesforce: Any, sandbox: Sandbox) -> None:
    control = SalesforceControl.of(sandbox.control["salesforce"])
    control.leave_calls(1)
    salesforce.query("SELECT Id FROM User")
    with pytest.raises(SalesforceRefusedRequest) as error:
        salesforce.query("SELECT Id FROM User")
    assert content(error)[0]["errorCode"] == "REQUEST_LIMIT_EXCEEDED"
    control.reset()
    assert salesforce.query("SELECT Id FROM User")["done"]


def test_an_address_has_an_end(salesforce: Any) -> None:
    with pytest.raises(SalesforceGeneralError) as error:
        salesforce.query(f"SELECT Id FROM User WHERE Name = '{'x' * 16_384}'")
    assert error.value.status == 414


def test_a_body_has_to_say_that_it_is_json(salesforce: Any, to_salesforce: requests.Session) -> None:
    headers = {"Authorization": salesforce.headers["Authorization"]}
    answer = to_salesforce.post(f"{salesforce.base_url}jobs/query", "{}", headers=headers, timeout=10)
    assert answer.status_code == 415


def test_a_plus_sign_in_an_address_has_to_be_encoded(salesforce: Any) -> None:
    window = "start=2026-01-01T00:00:00+00:00&end=2026-01-02T00:00:00+00:00"
    with pytest.raises(SalesforceMalformedRequest) as error:
        salesforce.restful(f"sobjects/Contact/deleted/?{window}")
    assert "time zone" in content(error)[0]["message"]


def test_an_address_in_one_value_is_served_by_rest(salesforce: Any, sandbox: Sandbox) -> None:
    one, record = next(iter(sandbox.control["salesforce"].state("Account").items()))
    (row,) = salesforce.query(f"SELECT BillingAddress FROM Account WHERE Id = '{one}'")["records"]
    assert row["BillingAddress"]["country"] == record["fields"]["BillingCountry"]


def test_versions_need_no_session_and_unknown_ones_are_not_served(
    sandbox: Sandbox, to_salesforce: requests.Session, salesforce: Any
) -> None:
    listed = to_salesforce.get(f"{sandbox.urls['salesforce']}/services/data/", timeout=10).json()
    assert "59.0" in [one["version"] for one in listed]
    old = to_salesforce.get(
        f"{sandbox.urls['salesforce']}/services/data/v20.0/limits", headers=salesforce.headers, timeout=10
    )
    assert old.status_code == 404


def test_a_session_that_has_ended_is_a_401(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    client = Client(session_id="ended", instance_url=sandbox.urls["salesforce"], session=to_salesforce)
    with pytest.raises(SalesforceExpiredSession) as error:
        client.query("SELECT Id FROM Contact")
    assert content(error) == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_answers_are_labelled_utf_8(sandbox: Sandbox, to_salesforce: requests.Session, salesforce: Any) -> None:
    url = f"{salesforce.base_url}query?q=SELECT+Id+FROM+User"
    answer = to_salesforce.get(url, headers=salesforce.headers, timeout=10)
    assert answer.headers["Content-Type"].lower().replace(" ", "") == "application/json;charset=utf-8"
    assert sandbox.control["salesforce"].requests()[-1]["status"] == 200


def test_records_reach_far_back(salesforce: Any) -> None:
    assert (
        salesforce.query(f"SELECT COUNT() FROM SurveyResponse WHERE CreatedDate < {MOMENT.isoformat()}")["totalSize"]
        > 3
    )
