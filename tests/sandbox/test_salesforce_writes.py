"""Writing collections of records to the Salesforce organisation, through simple-salesforce."""

from __future__ import annotations

from typing import Any

import pytest
from simple_salesforce.exceptions import SalesforceMalformedRequest, SalesforceResourceNotFound

from sandbox.salesforce.ids import salesforce_id
from sandbox.serve import Sandbox

UPDATE = "composite/sobjects"
ROLLED_BACK = "ALL_OR_NONE_OPERATION_ROLLED_BACK"


def send(client: Any, path: str, *records: dict[str, Any], **further: Any) -> list[dict[str, Any]]:
    body = {"records": list(records)} | further
    results: list[dict[str, Any]] = client.restful(path, method="PATCH", json=body)
    return results


def contact(record_id: str | None, **fields: Any) -> dict[str, Any]:
    return {"attributes": {"type": "Contact"}} | ({"id": record_id} if record_id else {}) | fields


def two(client: Any) -> list[str]:
    return [one["Id"] for one in client.query("SELECT Id FROM Contact ORDER BY Id LIMIT 2")["records"]]


def fields_of(sandbox: Sandbox, record_id: str, table: str = "Contact") -> dict[str, Any]:
    fields: dict[str, Any] = sandbox.control["salesforce"].state(table)[record_id]["fields"]
    return fields


def content(error: Any) -> Any:
    return error.value.content


def test_an_update_is_stored_and_advances_the_record(salesforce: Any) -> None:
    one = two(salesforce)[0]
    before = salesforce.Contact.get(one)
    written = {"NPS_Score__c": 9, "NPS_Category__c": "Promoter", "NPS_Responded_At__c": "2026-03-01T11:30:00+02:00"}
    assert send(salesforce, UPDATE, contact(one, **written)) == [{"id": one, "success": True, "errors": []}]
    after = salesforce.Contact.get(one)
    assert (after["NPS_Score__c"], after["NPS_Category__c"]) == (9.0, "Promoter")
    assert after["NPS_Responded_At__c"] == "2026-03-01T09:30:00.000+0000"
    assert after["SystemModstamp"] > before["SystemModstamp"]
    assert after["CreatedDate"] == before["CreatedDate"]
    assert after["Email"] == before["Email"]


def test_writing_what_is_there_advances_the_record_too(salesforce: Any, sandbox: Sandbox) -> None:
    one = two(salesforce)[0]
    before = sandbox.control["salesforce"].state("Contact")[one]
    send(salesforce, UPDATE, contact(one, LastName=before["fields"]["LastName"]))
    assert sandbox.control["salesforce"].state("Contact")[one]["modified"] > before["modified"]


def test_null_clears_a_field(salesforce: Any, sandbox: Sandbox) -> None:
    one = two(salesforce)[0]
    for score in (3, None):
        send(salesforce, UPDATE, contact(one, NPS_Score__c=score))
    assert fields_of(sandbox, one)["NPS_Score__c"] is None


def test_results_come_in_the_order_of_the_rows(salesforce: Any) -> None:
    first, second = two(salesforce)
    results = send(salesforce, UPDATE, *(contact(one, NPS_Score__c=1) for one in (second, "003", first)))
    assert [one.get("id") for one in results] == [second, None, first]
    assert [one["success"] for one in results] == [True, False, True]


BAD_ROWS: list[tuple[dict[str, Any], str]] = [
    ({"No_Such__c": 1}, "INVALID_FIELD"),
    ({"SystemModstamp": "2026-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
    ({"NPS_Category__c": "Happy"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
    ({"FirstName": "x" * 256}, "STRING_TOO_LONG"),
    ({"LastName": None}, "REQUIRED_FIELD_MISSING"),
]


@pytest.mark.parametrize(("bad", "code"), BAD_ROWS)
def test_a_bad_row_fails_alone(salesforce: Any, sandbox: Sandbox, bad: dict[str, Any], code: str) -> None:
    first, second = two(salesforce)
    results = send(salesforce, UPDATE, contact(first, **bad), contact(second, NPS_Score__c=5))
    assert results[0]["success"] is False
    assert results[0]["errors"][0]["statusCode"] == code
    assert fields_of(sandbox, second)["NPS_Score__c"] == 5.0


def test_rows_without_a_record_say_what_is_wrong_with_their_id(salesforce: Any, sandbox: Sandbox) -> None:
    gone = two(salesforce)[0]
    sandbox.control["salesforce"].delete("Contact", gone)
    rows = [contact(one, NPS_Score__c=1) for one in (None, "nonsense", salesforce_id("003", 99_999), gone)]
    codes = [one["errors"][0]["statusCode"] for one in send(salesforce, UPDATE, *rows)]
    assert codes == ["MISSING_ARGUMENT", "MALFORMED_ID", "INVALID_CROSS_REFERENCE_KEY", "ENTITY_IS_DELETED"]


def test_survey_records_cannot_be_written(salesforce: Any) -> None:
    one = salesforce.query("SELECT Id FROM SurveyResponse LIMIT 1")["records"][0]["Id"]
    row = {"attributes": {"type": "SurveyResponse"}, "id": one, "Status": "Completed"}
    assert send(salesforce, UPDATE, row)[0]["errors"][0]["statusCode"] == "INVALID_TYPE_FOR_OPERATION"


def test_all_or_none_writes_nothing_where_one_row_is_bad(salesforce: Any, sandbox: Sandbox) -> None:
    first, second = two(salesforce)
    rows = contact(first, NPS_Score__c=5), contact(second, No_Such__c=1)
    results = send(salesforce, UPDATE, *rows, allOrNone=True)
    assert [one["errors"][0]["statusCode"] for one in results] == [ROLLED_BACK, "INVALID_FIELD"]
    assert "NPS_Score__c" not in fields_of(sandbox, first)


def test_rows_may_be_of_several_objects_in_ten_chunks(salesforce: Any) -> None:
    one, account = two(salesforce)[0], salesforce.query("SELECT Id FROM Account LIMIT 1")["records"][0]["Id"]
    pair = contact(one, NPS_Score__c=5), {"attributes": {"type": "Account"}, "id": account, "Industry": "Steel"}
    assert [each["success"] for each in send(salesforce, UPDATE, *pair * 5)] == [True] * 10
    with pytest.raises(SalesforceMalformedRequest):
        send(salesforce, UPDATE, *pair * 6)


def test_a_call_takes_two_hundred_records(salesforce: Any) -> None:
    row = contact(two(salesforce)[0], NPS_Score__c=5)
    assert len(send(salesforce, UPDATE, *[row] * 200)) == 200
    with pytest.raises(SalesforceMalformedRequest) as error:
        send(salesforce, UPDATE, *[row] * 201)
    assert content(error)[0]["errorCode"] == "EXCEEDED_ID_LIMIT"


@pytest.mark.parametrize("bad", [{"NPS_Score__c": "nine"}, {"NPS_Responded_At__c": "yesterday"}])
def test_a_value_that_cannot_be_parsed_fails_the_call(salesforce: Any, sandbox: Sandbox, bad: dict[str, Any]) -> None:
    first, second = two(salesforce)
    with pytest.raises(SalesforceMalformedRequest) as error:
        send(salesforce, UPDATE, contact(first, NPS_Score__c=5), contact(second, **bad))
    assert content(error)[0]["errorCode"] == "JSON_PARSER_ERROR"
    assert "NPS_Score__c" not in fields_of(sandbox, first)


@pytest.mark.parametrize("body", [{}, {"records": [1]}, {"records": [{"id": "003"}]}])
def test_an_ill_formed_request_is_a_400(salesforce: Any, body: dict[str, Any]) -> None:
    with pytest.raises(SalesforceMalformedRequest):
        salesforce.restful(UPDATE, method="PATCH", json=body)


def test_an_upsert_by_external_id_updates_and_creates(salesforce: Any, sandbox: Sandbox) -> None:
    known = salesforce.query("SELECT Id, External_Id__c FROM NPS_Response__c LIMIT 1")["records"][0]
    rows = [
        {"attributes": {"type": "NPS_Response__c"}, "External_Id__c": key, "Score__c": 7}
        for key in (known["External_Id__c"], "new-one", None)
    ]
    results = send(salesforce, f"{UPDATE}/NPS_Response__c/External_Id__c", *rows)
    assert (results[0]["id"], results[0]["created"]) == (known["Id"], False)
    assert results[1]["created"] is True
    assert fields_of(sandbox, results[1]["id"], "NPS_Response__c")["External_Id__c"] == "new-one"
    assert results[2]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"


def test_an_upsert_that_would_create_needs_the_required_fields(salesforce: Any) -> None:
    row = contact(None, Customer_Number__c="C-new", NPS_Score__c=7)
    error = send(salesforce, f"{UPDATE}/Contact/Customer_Number__c", row)[0]["errors"][0]
    assert error == {
        "statusCode": "REQUIRED_FIELD_MISSING",
        "message": "Required fields are missing: [LastName]",
        "fields": ["LastName"],
    }


def test_an_upsert_by_id_only_updates(salesforce: Any, sandbox: Sandbox) -> None:
    one = two(salesforce)[0]
    rows = contact(one, NPS_Score__c=7), contact(salesforce_id("003", 99_999), NPS_Score__c=7)
    results = send(salesforce, f"{UPDATE}/Contact/Id", *rows)
    assert [each["success"] for each in results] == [True, False]
    assert fields_of(sandbox, one)["NPS_Score__c"] == 7.0


def test_an_upsert_takes_one_type_and_a_known_key(salesforce: Any) -> None:
    account = {"attributes": {"type": "Account"}, "Customer_Number__c": "C-1"}
    with pytest.raises(SalesforceMalformedRequest):
        send(salesforce, f"{UPDATE}/Contact/Customer_Number__c", account)
    with pytest.raises(SalesforceResourceNotFound):
        send(salesforce, f"{UPDATE}/Contact/Email", contact(None, Email="a@b.example"))
