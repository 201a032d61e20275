"""What Salesforce deletes, purges, restores and merges, as later pulls serve it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from connectors import http
from connectors.base import Page, Record
from connectors.errors import ConnectorError, ExpiredCursorError, FatalError, RetryableError
from connectors.salesforce import SalesforceSession
from connectors.values import moment_text, parse_moment
from sandbox.salesforce.hooks import SalesforceControl
from tests.connectors.salesforce_access import (
    EXPIRED,
    NO_OVERLAP,
    STREAMS,
    Answer,
    Fault,
    Proxy,
    changing,
    cut,
    pulled,
    records_of,
    refusing,
    saying,
)

DELETED = "/deleted/"
TODAY = datetime.now(UTC).replace(second=0, microsecond=0)


def a_minute_ago() -> datetime:
    """In the last minute that the log of deletions can be asked for."""
    return datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=1)


def cursor(days_ago: float = 0) -> dict[str, str]:
    """A cursor of a pull some days ago."""
    then = moment_text(datetime.now(UTC) - timedelta(days=days_ago))
    return {"system_modstamp": then, "deletions_known": then}


def asked_for(proxy: Proxy) -> list[str]:
    """The requests for rows, by what follows the object's name or the version."""
    return [one["path"].rstrip("/").rsplit("/", 1)[1] for one in proxy.requests("/data/")]


@pytest.mark.parametrize("name", ["Contact", "NPS_Response__c", "SurveyQuestionResponse"])
def test_a_record_that_was_deleted_and_purged_comes_out_as_deleted(
    salesforce: SalesforceSession, control: SalesforceControl, name: str
) -> None:
    before = pulled(salesforce, name)[-1].cursor
    (gone, *_), at = control.state(name), a_minute_ago()
    control.purge(name, gone, at)
    record = records_of(pulled(salesforce, name, before))[gone]
    assert (record.is_deleted, record.source_version) == (True, at)
    assert json.loads(record.payload) == {
        "attributes": {"type": name},
        "Id": gone,
        "IsDeleted": True,
        "SystemModstamp": moment_text(at),
    }
    assert gone not in records_of(pulled(salesforce, name))


def test_a_purged_record_is_served_again_only_within_the_overlap(
    salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    (gone, *_) = control.state("Contact")
    at = TODAY - timedelta(hours=30)
    control.purge("Contact", gone, at)
    pages = pulled(salesforce, "Contact", cursor(days_ago=2))
    assert gone in records_of(pages)
    after = pages[-1].cursor
    assert parse_moment(str(after["deletions_known"])) > at
    assert gone not in records_of(pulled(salesforce, "Contact", after))
    again = salesforce.pull(STREAMS["Contact"], after, timedelta(days=2))
    assert gone in records_of(list(again))


def test_a_record_in_the_recycle_bin_is_served_whole(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    before = pulled(salesforce, "Contact")[-1].cursor
    (gone, *_) = control.state("Contact")
    control.delete("Contact", gone)
    record = records_of(pulled(salesforce, "Contact", before))[gone]
    assert record.is_deleted
    assert json.loads(record.payload)["LastName"] == control.state("Contact")[gone]["fields"]["LastName"]
    assert asked_for(proxy)[-2:] == ["deleted", "queryAll"]


def deleted_long_ago(control: SalesforceControl, name: str = "Contact") -> tuple[str, dict[str, str]]:
    """A record that the log lists but no change since the cursor shows."""
    (gone, *_) = control.state(name)
    control.purge(name, gone, TODAY - timedelta(hours=2))
    later = moment_text(datetime.now(UTC) + timedelta(minutes=5))
    return gone, {"system_modstamp": later, "deletions_known": moment_text(TODAY - timedelta(hours=3))}


def test_a_restored_record_is_never_deleted(salesforce: SalesforceSession, control: SalesforceControl) -> None:
    (back, *_) = control.state("Contact")
    before = pulled(salesforce, "Contact")[-1].cursor
    control.delete("Contact", back)
    control.restore("Contact", back)
    record = records_of(pulled(salesforce, "Contact", before))[back]
    assert not record.is_deleted


def test_a_record_that_is_restored_while_the_pull_runs_is_served_as_it_is(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    (back, *_) = control.state("Contact")
    at = a_minute_ago()

    def listing_it_all_the_same(body: dict[str, object]) -> dict[str, object]:
        return body | {"deletedRecords": [{"id": back, "deletedDate": at.isoformat()}]}

    now = moment_text(datetime.now(UTC) + timedelta(minutes=5))
    proxy.faults.append((DELETED, changing(listing_it_all_the_same)))
    pages = pulled(salesforce, "Contact", {"system_modstamp": now, "deletions_known": cursor()["deletions_known"]})
    record: Record = records_of(pages)[back]
    assert not record.is_deleted
    assert json.loads(record.payload)["LastName"] == control.state("Contact")[back]["fields"]["LastName"]


def test_what_is_served_anyway_is_not_looked_for_again(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    (edited, *_) = control.state("Contact")
    before = pulled(salesforce, "Contact")[-1].cursor
    control.edit("Contact", edited, FirstName="Ada")
    listed = {"deletedRecords": [{"id": edited, "deletedDate": a_minute_ago().isoformat()}]}
    proxy.faults.append((DELETED, changing(lambda body: body | listed)))
    assert edited in records_of(pulled(salesforce, "Contact", before))
    assert asked_for(proxy)[-2:] == ["deleted", "queryAll"]


def test_what_was_purged_is_told_once(salesforce: SalesforceSession, control: SalesforceControl) -> None:
    gone, before = deleted_long_ago(control)
    pages = pulled(salesforce, "Contact", before)
    assert gone in records_of(pages)
    assert gone not in records_of(pulled(salesforce, "Contact", pages[-1].cursor))


def test_many_purged_records_are_looked_for_in_parts(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    name = "SurveyQuestionResponse"
    gone = list(control.state(name))[:203]
    for one in gone:
        control.purge(name, one, TODAY - timedelta(hours=2))
    later = moment_text(datetime.now(UTC) + timedelta(minutes=5))
    since = moment_text(TODAY - timedelta(hours=3))
    pages = pulled(salesforce, name, {"system_modstamp": later, "deletions_known": since})
    assert {one for one, record in records_of(pages).items() if record.is_deleted} == {*gone}
    assert asked_for(proxy) == ["token", "describe", "deleted", "queryAll", "queryAll", "queryAll"][1:]


def test_the_first_pull_does_not_ask_for_deletions(proxy: Proxy, salesforce: SalesforceSession) -> None:
    pulled(salesforce, "Contact")
    assert proxy.requests(DELETED) == []


# --- what the log does not know any more ---


def test_a_cursor_older_than_the_log_is_expired_before_anything_is_asked(
    proxy: Proxy, salesforce: SalesforceSession
) -> None:
    with pytest.raises(ExpiredCursorError, match="Contact"):
        pulled(salesforce, "Contact", cursor(days_ago=15))
    assert asked_for(proxy) == ["describe"]
    assert pulled(salesforce, "Contact", cursor(days_ago=14.9))


def test_an_old_cursor_that_knows_of_no_deletions_is_as_old_as_its_changes(salesforce: SalesforceSession) -> None:
    old = {"system_modstamp": moment_text(datetime.now(UTC) - timedelta(days=16))}
    with pytest.raises(ExpiredCursorError):
        pulled(salesforce, "Contact", old)
    recent = {"system_modstamp": moment_text(datetime.now(UTC) - timedelta(days=6))}
    assert "deletions_known" in pulled(salesforce, "Contact", recent)[-1].cursor


@pytest.mark.parametrize("hours", [1, 47, 49])
def test_a_log_that_was_purged_since_the_cursor_expires_it(
    salesforce: SalesforceSession, control: SalesforceControl, hours: int
) -> None:
    control.deletions(known_since=datetime.now(UTC) - timedelta(hours=hours))
    pages: list[Page] = []
    if hours > 48:
        pages.extend(salesforce.pull(STREAMS["Contact"], cursor(days_ago=2), timedelta(days=3)))
        assert pages[-1].cursor
        return
    with pytest.raises(ExpiredCursorError, match="pulled again"):
        pages.extend(salesforce.pull(STREAMS["Contact"], cursor(days_ago=2), timedelta(days=3)))
    assert pages == []


def test_more_ids_than_the_log_lists_expire_the_cursor(
    salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    gone, before = deleted_long_ago(control)
    control.deletions(most_ids=0)
    with pytest.raises(ExpiredCursorError):
        pulled(salesforce, "Contact", before)
    control.deletions(most_ids=1)
    assert gone in records_of(pulled(salesforce, "Contact", before))


def test_the_window_that_is_asked_for_is_one_that_salesforce_answers(
    proxy: Proxy, salesforce: SalesforceSession
) -> None:
    for days in (0, 1, 14.99):
        for overlap in (NO_OVERLAP, timedelta(days=999_999)):
            assert list(salesforce.pull(STREAMS["Survey"], cursor(days), overlap))
    assert {one["status"] for one in proxy.requests(DELETED)} == {200}


def test_the_log_may_cover_less_than_was_asked_for(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl
) -> None:
    before, late = cursor(days_ago=4), TODAY - timedelta(days=2)
    proxy.faults.append((DELETED, changing(lambda body: body | {"latestDateCovered": late.isoformat()})))
    after = pulled(salesforce, "Survey", before)[-1].cursor
    assert after["deletions_known"] == moment_text(late)
    (gone, *_) = control.state("Survey")
    control.purge("Survey", gone, late + timedelta(minutes=1))
    assert gone in records_of(pulled(salesforce, "Survey", after))


# --- faults ---


def not_ids(body: dict[str, object]) -> dict[str, object]:
    return body | {"deletedRecords": [{"id": "x' OR Id != '", "deletedDate": "2026-01-01T00:00:00Z"}]}


UNREADABLE: dict[str, Fault] = {
    "a page for people": saying("<html>secret</html>"),
    "nothing": saying(""),
    "no list": changing(lambda body: body | {"deletedRecords": None}),
    "no ids": changing(not_ids),
    "no dates": changing(lambda body: body | {"deletedRecords": [{"id": "0035g0000000001AAA"}]}),
    "no such day": changing(lambda body: body | {"latestDateCovered": "yesterday"}),
    "no answer": cut,
    "an error of the server": refusing(500, "UNKNOWN_EXCEPTION"),
    "too many requests": refusing(429, "TOO_MANY"),
}


@pytest.mark.parametrize("trouble", UNREADABLE)
def test_an_answer_that_is_none_is_no_empty_log(
    proxy: Proxy, salesforce: SalesforceSession, control: SalesforceControl, trouble: str
) -> None:
    gone, before = deleted_long_ago(control)
    proxy.faults.append((DELETED, UNREADABLE[trouble]))
    assert gone in records_of(pulled(salesforce, "Contact", before))
    proxy.faults += [(DELETED, UNREADABLE[trouble])] * http.ATTEMPTS
    with pytest.raises(RetryableError) as error:
        pulled(salesforce, "Contact", before)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("place", [DELETED, "/describe", "/queryAll/", "/query/?q=SELECT+COUNT"])
def test_an_expired_session_is_renewed_wherever_it_expires(
    proxy: Proxy, salesforce: SalesforceSession, place: str
) -> None:
    proxy.faults.append((place, EXPIRED))
    before = pulled(salesforce, "Contact")[-1].cursor
    assert pulled(salesforce, "Contact", before)[-1].cursor
    assert proxy.faults == []
    assert len(proxy.requests("/oauth2/token")) == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [(refusing(403, "INSUFFICIENT_ACCESS"), ConnectorError), (refusing(404, "NOT_FOUND"), FatalError)],
)
def test_a_refused_log_ends_the_pull(
    proxy: Proxy, salesforce: SalesforceSession, fault: Fault, kind: type[ConnectorError]
) -> None:
    proxy.faults.append((DELETED, fault))
    with pytest.raises(kind, match="reading Contact"):
        pulled(salesforce, "Contact", cursor())


def test_an_object_without_a_log_is_pulled_without_it(proxy: Proxy, salesforce: SalesforceSession) -> None:
    def not_logged(forward: Callable[[], Answer]) -> Answer:
        return changing(lambda body: body | {"replicateable": False})(forward) or Answer(500, b"")

    proxy.faults.append(("/describe", not_logged))
    before = pulled(salesforce, "Contact")[-1].cursor
    assert list(before) == ["system_modstamp"]
    assert pulled(salesforce, "Contact", before)[-1].cursor == before
    assert proxy.requests(DELETED) == []


# --- merges ---


@pytest.mark.parametrize("name", ["Contact", "Account"])
def test_a_merged_record_names_the_one_that_was_kept(
    salesforce: SalesforceSession, control: SalesforceControl, name: str
) -> None:
    before = pulled(salesforce, name)[-1].cursor
    lost, kept, *_ = control.state(name)
    control.merge(name, lost, kept)
    found = records_of(pulled(salesforce, name, before))
    assert (found[lost].is_deleted, json.loads(found[lost].payload)["MasterRecordId"]) == (True, kept)
