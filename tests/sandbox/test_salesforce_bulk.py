"""Query jobs of the Bulk API, the log of deletions, and what tests can do to the organisation."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
from simple_salesforce.exceptions import (
    SalesforceGeneralError,
    SalesforceMalformedRequest,
    SalesforceOperationError,
    SalesforceResourceNotFound,
)

from sandbox.salesforce.hooks import SalesforceControl
from sandbox.serve import Sandbox

SOON = 0.01


@pytest.fixture
def control(sandbox: Sandbox) -> SalesforceControl:
    return SalesforceControl.of(sandbox.control["salesforce"])


def rows(pages: Any) -> list[dict[str, str]]:
    """The rows of all pages; each page has the header again."""
    return [row for page in pages for row in csv.DictReader(io.StringIO(page, newline=""))]


def job(salesforce: Any, query: str, **said: str) -> Any:
    return salesforce.restful("jobs/query", method="POST", json={"operation": "query", "query": query} | said)


def code_of(error: Any) -> str:
    return str(error.value.content[0]["errorCode"])


def test_a_job_serves_every_record_in_pages(salesforce: Any, control: SalesforceControl) -> None:
    pages = list(salesforce.bulk2.Contact.query("SELECT Id, Name FROM Contact", max_records=30, wait=SOON))
    live = {one for one, record in control.state("Contact").items() if record["deleted"] is None}
    assert [len(rows([page])) for page in pages[:-1]] == [30] * (len(pages) - 1)
    assert {row["Id"] for row in rows(pages)} == live


def test_a_job_sees_deleted_records_only_when_it_is_to(salesforce: Any, control: SalesforceControl) -> None:
    gone, purged, *_ = control.state("Contact")
    control.delete("Contact", gone)
    control.purge("Contact", purged)
    query = "SELECT Id, IsDeleted FROM Contact"
    live = {row["Id"] for row in rows(salesforce.bulk2.Contact.query(query, wait=SOON))}
    everything = {row["Id"]: row["IsDeleted"] for row in rows(salesforce.bulk2.Contact.query_all(query, wait=SOON))}
    assert (gone in live, purged in live, purged in everything) == (False, False, False)
    assert everything[gone] == "true"


def test_cells_are_texts_without_a_charset(
    sandbox: Sandbox, salesforce: Any, control: SalesforceControl, to_salesforce: requests.Session
) -> None:
    added = control.add("NPS_Response__c", Comment__c='Zoë said\n"yes"', Score__c=9.0)
    query = f"SELECT Id, Comment__c, Score__c, CreatedDate, Contact__r.Name FROM NPS_Response__c WHERE Id = '{added}'"
    one = job(salesforce, query)["id"]
    for _ in range(2):
        salesforce.restful(f"jobs/query/{one}")
    url = f"{sandbox.urls['salesforce']}/services/data/v59.0/jobs/query/{one}/results"
    answer = to_salesforce.get(url, headers=salesforce.headers, timeout=10)
    assert (answer.headers["Content-Type"], answer.headers["Sforce-Locator"]) == ("text/csv", "null")
    assert answer.headers["Sforce-NumberOfRecords"] == "1"
    (row,) = csv.DictReader(io.StringIO(answer.content.decode(), newline=""))
    assert (row["Comment__c"], row["Score__c"], row["Contact__r.Name"]) == ('Zoë said\n"yes"', "9.0", "")
    assert row["CreatedDate"].endswith(".000Z")


def test_a_job_goes_through_its_states_and_is_deleted(salesforce: Any, control: SalesforceControl) -> None:
    created = job(salesforce, "SELECT Id FROM Contact", contentType="CSV", lineEnding="LF", columnDelimiter="COMMA")
    path = f"jobs/query/{created['id']}"
    with pytest.raises(SalesforceMalformedRequest) as error:
        salesforce.restful(path, method="DELETE")
    assert code_of(error) == "INVALIDJOBSTATE"
    with pytest.raises(SalesforceGeneralError) as early:
        salesforce.restful(path + "/results")
    assert (early.value.status, code_of(early)) == (412, "JOB_NOT_COMPLETE")
    states = [created["state"], *(salesforce.restful(path)["state"] for _ in range(2))]
    assert states == ["UploadComplete", "InProgress", "JobComplete"]
    assert salesforce.restful(path)["numberRecordsProcessed"] == sum(
        record["deleted"] is None for record in control.state("Contact").values()
    )
    salesforce.base_url = salesforce.base_url.replace("59.0", "60.0")
    with pytest.raises(SalesforceGeneralError) as other:
        salesforce.restful(path + "/results")
    assert other.value.status == 409
    salesforce.base_url = salesforce.base_url.replace("60.0", "59.0")
    for params in ({"maxRecords": "0"}, {"locator": "???"}):
        with pytest.raises(SalesforceMalformedRequest):
            salesforce.restful(path + "/results", params=params)
    salesforce.restful(path, method="DELETE")
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.restful(path)


def test_a_job_at_work_can_be_aborted_once(salesforce: Any) -> None:
    path = f"jobs/query/{job(salesforce, 'SELECT Id FROM Contact')['id']}"
    assert salesforce.restful(path, method="PATCH", json={"state": "Aborted"})["state"] == "Aborted"
    with pytest.raises(SalesforceMalformedRequest):
        salesforce.restful(path, method="PATCH", json={"state": "Aborted"})


@pytest.mark.parametrize(
    ("query", "said", "code"),
    [
        ("SELECT COUNT() FROM Contact", {}, "API_ERROR"),
        ("SELECT Id, BillingAddress FROM Account", {}, "API_ERROR"),
        ("SELECT Nothing FROM Contact", {}, "INVALID_FIELD"),
        ("SELECT Id FROM Contact", {"operation": "upsert"}, "INVALIDJOB"),
        ("SELECT Id FROM Contact", {"lineEnding": "CR"}, "INVALIDJOB"),
        ("SELECT Id FROM Contact", {"color": "red"}, "JSON_PARSER_ERROR"),
    ],
)
def test_what_is_no_job_is_refused(salesforce: Any, query: str, said: dict[str, str], code: str) -> None:
    with pytest.raises(SalesforceMalformedRequest) as error:
        job(salesforce, query, **said)
    assert code_of(error) == code


def test_jobs_fail_or_vanish_as_told(salesforce: Any, control: SalesforceControl) -> None:
    control.trouble_jobs("Failed", refused=("Account",))
    with pytest.raises(SalesforceOperationError, match="QUERY_TIMEOUT"):
        list(salesforce.bulk2.Contact.query("SELECT Id FROM Contact", wait=SOON))
    with pytest.raises(SalesforceMalformedRequest) as error:
        job(salesforce, "SELECT Id FROM Account")
    assert code_of(error) == "INVALIDENTITY"
    (one,) = control.open_jobs()
    control.forget_jobs()
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.restful(f"jobs/query/{one}")
    control.reset()
    assert list(salesforce.bulk2.Contact.query("SELECT Id FROM Contact", wait=SOON))


def test_the_log_lists_what_was_purged_and_not_what_was_restored(salesforce: Any, control: SalesforceControl) -> None:
    now = datetime.now(UTC)
    purged, back, gone, *_ = control.state("Contact")
    control.purge("Contact", purged, now - timedelta(days=3))
    for one in (back, gone):
        control.delete("Contact", one)
    control.restore("Contact", back)
    start, end = now - timedelta(days=4), now + timedelta(minutes=2)
    found = salesforce.Contact.deleted(start, end)
    assert {one["id"] for one in found["deletedRecords"]} == {purged, gone}
    assert len(salesforce.Contact.deleted(start, now - timedelta(days=2))["deletedRecords"]) == 1
    assert "IsDeleted" in salesforce.Contact.get(back)
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Contact.get(purged)
    control.deletions(known_since=now - timedelta(hours=1), most_ids=1)
    with pytest.raises(SalesforceMalformedRequest) as error:
        salesforce.Contact.deleted(start, end)
    assert code_of(error) == "EXCEEDED_ID_LIMIT"
    later = salesforce.Contact.deleted(now - timedelta(days=2), end)
    assert datetime.fromisoformat(later["earliestDateAvailable"]) > now - timedelta(hours=2)


def test_seconds_of_the_window_are_ignored(salesforce: Any) -> None:
    minute = datetime.now(UTC).replace(second=0, microsecond=0)
    for start, end in ((minute, minute + timedelta(seconds=119)), (minute, minute + timedelta(minutes=1))):
        with pytest.raises(SalesforceMalformedRequest) as error:
            salesforce.Contact.deleted(start, end)
        assert code_of(error) == "INVALID_REPLICATION_DATE"
    assert salesforce.Contact.deleted(minute, minute + timedelta(minutes=2))["deletedRecords"] == []


def test_what_is_hidden_is_not_there_for_the_user(salesforce: Any, control: SalesforceControl) -> None:
    control.hide("Lead", "Contact.Email")
    assert "Email" not in {one["name"] for one in salesforce.Contact.describe()["fields"]}
    assert "Lead" not in {one["name"] for one in salesforce.describe()["sobjects"]}
    with pytest.raises(SalesforceResourceNotFound):
        salesforce.Lead.describe()
    for query, code in (("SELECT Email FROM Contact", "INVALID_FIELD"), ("SELECT Id FROM Lead", "INVALID_TYPE")):
        with pytest.raises(SalesforceMalformedRequest) as error:
            salesforce.query(query)
        assert code_of(error) == code
    control.reset()
    assert salesforce.query("SELECT Email FROM Contact LIMIT 1")["records"]


def test_the_record_that_is_merged_away_names_the_one_that_is_kept(salesforce: Any, control: SalesforceControl) -> None:
    lost, kept, *_ = control.state("Contact")
    control.merge("Contact", lost, kept)
    query = f"SELECT IsDeleted, MasterRecordId FROM Contact WHERE Id = '{lost}'"
    (record,) = salesforce.query(query, include_deleted=True)["records"]
    assert (record["IsDeleted"], record["MasterRecordId"]) == (True, kept)


def test_what_is_asked_of_the_control_interface_must_be_there(control: SalesforceControl) -> None:
    with pytest.raises(LookupError, match="no such record"):
        control.purge("Contact", "003000000000000AAA")
    assert control.open_jobs() == []
