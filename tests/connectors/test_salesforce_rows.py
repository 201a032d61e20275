"""What is landed of a Salesforce record is the same whichever API served it, and however a server writes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from connectors.base import Record, Stream
from connectors.salesforce import SalesforceSession
from connectors.salesforce_describe import Asked
from connectors.salesforce_rows import row_of_csv, row_of_rest, value_of
from sandbox.salesforce.hooks import SalesforceControl
from tests.connectors.salesforce_access import (
    NO_OVERLAP,
    Proxy,
    changing,
    records_of,
    session_of,
)

ACCOUNT = Stream(
    "salesforce", "Account", "account", {"name": "$.Name", "owner": "$.Owner.Name", "segment": "$.BillingAddress"}
)
ANSWER = Stream("salesforce", "NPS_Response__c", "response", {"score": "$.Score__c", "comment": "$.Comment__c"})
PEOPLE = {"Id": "id", "IsDeleted": "boolean", "Score__c": "double", "Owner.Name": "string", "Owner.Phone": "phone"}
ID = "0015g0000000001AAA"


def record_of(session: SalesforceSession, record_id: str, stream: Stream = ANSWER) -> Record:
    found: Record = records_of(list(session.pull(stream, {}, NO_OVERLAP)))[record_id]
    return found


@pytest.fixture(autouse=True)
def _no_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", lambda _: None)


def bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "attributes"}


# How a server may write the rows of a query: what becomes of each of them.
WRITINGS = {
    "without a type and an address": bare,
    "with another address": lambda row: row | {"attributes": {"type": "NPS_Response__c", "url": "/services/data/v63"}},
    "in another order": lambda row: dict(reversed(row.items())),
    "with whole scores": lambda row: row | {"Score__c": int(row["Score__c"])},
    "with texts for numbers": lambda row: row | {"Score__c": str(row["Score__c"])},
    "with empty texts": lambda row: row | {"Comment__c": row["Comment__c"] or ""},
    "with times that end in Z": lambda row: row | {"SystemModstamp": row["SystemModstamp"].replace("+0000", "Z")},
    "with times without fractions": lambda row: row | {"SystemModstamp": row["SystemModstamp"].replace(".000", "")},
    "with times of another zone": lambda row: (
        row | {"SystemModstamp": row["SystemModstamp"].replace("+0000", "+00:00")}
    ),
}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("comment", [None, "good"])
def test_a_record_is_the_same_by_rest_and_by_a_job_however_it_is_written(
    proxy: Proxy, control: SalesforceControl, writing: str, comment: str | None
) -> None:
    added = control.add("NPS_Response__c", Score__c=9.0, Comment__c=comment)
    by_job = record_of(session_of(proxy, bulk_above=0), added)
    edit = WRITINGS[writing]

    def written(body: dict[str, Any]) -> dict[str, Any]:
        return body | {"records": [edit(row) if row["Id"] == added else row for row in body["records"]]}

    proxy.faults += [("/queryAll/", changing(written)), ("/query/0r8", changing(written))]
    assert record_of(session_of(proxy), added) == by_job
    assert json.loads(by_job.payload)["attributes"] == {"type": "NPS_Response__c"}


def test_what_was_not_asked_for_stays_in_the_payload() -> None:
    asked = Asked("Account", {"Id": "id"}, logged=True)
    assert row_of_rest(asked, {"Id": ID, "Novelty__c": 7}) == {
        "attributes": {"type": "Account"},
        "Id": ID,
        "Novelty__c": 7,
    }


@pytest.mark.parametrize(
    ("owner", "cells", "landed"),
    [
        (None, ("", ""), None),
        ({"Name": None, "Phone": None}, ("", ""), None),
        ({"Name": "Ada", "Phone": None, "attributes": {"type": "User"}}, ("Ada", ""), {"Name": "Ada", "Phone": None}),
        ({"Name": None, "Phone": "1"}, ("", "1"), {"Phone": "1"}),
    ],
)
def test_related_records_are_the_same_also_where_nothing_is_filled(
    owner: dict[str, Any] | None, cells: tuple[str, str], landed: dict[str, Any] | None
) -> None:
    asked = Asked("Account", PEOPLE, logged=True)
    by_rest = row_of_rest(asked, {"Id": ID, "IsDeleted": False, "Score__c": 3, "Owner": owner})
    texts = (ID, "false", "3", *cells)
    assert by_rest == row_of_csv(asked, dict(zip(PEOPLE, texts, strict=True)))
    assert (by_rest["Owner"], repr(by_rest["Score__c"])) == (landed, "3.0")


@pytest.mark.parametrize(
    ("kind", "served", "value"),
    [
        ("int", "9", 9),
        ("int", 9.0, 9),
        ("int", "9.5", 9.5),  # nothing is rounded: dbt will tell that this is no score
        ("double", 9, 9.0),
        ("double", "1.0E7", 10_000_000.0),
        ("currency", "0.1", 0.1),
        ("boolean", "TRUE", True),
        ("boolean", False, False),
        ("double", True, True),
        ("string", "9", "9"),
        ("string", " ", " "),
        ("date", "2026-03-01", "2026-03-01"),
        ("datetime", "2026-03-01T09:30:00.123Z", "2026-03-01T09:30:00.123+0000"),
        ("datetime", "2026-03-01T10:30:00+01:00", "2026-03-01T09:30:00.000+0000"),
        ("datetime", "yesterday", "yesterday"),
        ("address", {"city": "Ulm"}, {"city": "Ulm"}),
    ],
)
def test_a_value_has_one_form(kind: str, served: Any, value: Any) -> None:
    assert repr(value_of(kind, served)) == repr(value)


@pytest.mark.parametrize(
    ("kind", "text"), [("int", "nine"), ("double", "NaN"), ("double", "Infinity"), ("boolean", "0")]
)
def test_a_text_that_is_no_such_value_stays_by_rest_and_is_no_csv(kind: str, text: str) -> None:
    asked = Asked("Account", {"Id": "id", "X__c": kind}, logged=True)
    assert row_of_rest(asked, {"Id": ID, "X__c": text})["X__c"] == text
    with pytest.raises(ValueError, match=r"^$"):
        row_of_csv(asked, {"Id": ID, "X__c": text})


def test_a_line_without_an_id_is_no_csv() -> None:
    with pytest.raises(ValueError, match=r"^$"):
        row_of_csv(Asked("Account", {"Id": "id"}, logged=True), {"Id": ""})


def test_fields_that_no_job_can_select_come_by_rest(proxy: Proxy, control: SalesforceControl) -> None:
    (one, *_) = control.state("Account")
    country = control.state("Account")[one]["fields"]["BillingCountry"]
    payload = json.loads(record_of(session_of(proxy, bulk_above=0), one, ACCOUNT).payload)
    assert payload["BillingAddress"]["country"] == country
    assert proxy.requests("/jobs/query") == []
