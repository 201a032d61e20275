"""CRMs with any number of contacts, made up as they are asked for: what the benchmark of the pull pulls from.

``python -m benchmarks.vast_crms hubspot 1000000 FOLDER`` serves on a free port of the loopback interface and prints the
environment that reaches it as JSON. Only what a pull of contacts asks for is there, nothing ever changes, and pages are
as large as those of the real services.
"""

from __future__ import annotations

import csv
import io
import json
import re
import ssl
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from sandbox.certificates import write_server_files

APART: Final = timedelta(seconds=25)  # between two contacts; the newest changed an hour ago
ACCOUNTS: Final = 40_000
BULK_PAGE, REST_PAGE, SEARCHED, LISTED = 20_000, 2_000, 200, 100
FIRST, LAST = ("Anneliese", "Mehmet", "Zoë", "Jean-Baptiste", "Siobhán"), ("Wójcik", "O'Neill", "García", "Meyer")


@dataclass(frozen=True)
class Answer:
    """What a request is answered with; bytes are sent as they are, all else as JSON."""

    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Crm(ABC):
    """Contacts 0 to ``rows`` - 1, in the order in which they changed last."""

    rows: int
    newest: datetime

    @abstractmethod
    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        """Answer one request."""

    def changed(self, number: int) -> datetime:
        """When a contact changed last."""
        return self.newest - APART * (self.rows - 1 - number)

    def first_since(self, moment: datetime) -> int:
        """The first contact that changed then or later."""
        return max(0, self.rows - 1 - (self.newest - moment) // APART) if moment <= self.newest else self.rows

    def person(self, number: int) -> dict[str, str]:
        """Name, e-mail and telephone number."""
        first, last = FIRST[number % len(FIRST)], LAST[number // 7 % len(LAST)]
        mail = f"contact.{number}@customer-{number % ACCOUNTS}.example"
        return {"first": first, "last": last, "mail": mail, "phone": f"+49 30 {number:08d}"}


class HubSpot(Crm):
    """Lists and searches of contacts, and the companies that they are associated with."""

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ARG002
        """A page of a list, of a search, or associations."""
        if path.endswith("/search"):
            return Answer(self._search(body))
        if path.startswith("/crm/v4/associations"):
            ids = [str(one["id"]) for one in body["inputs"]]
            links = [{"from": {"id": one}, "to": [{"toObjectId": self._company(one)}]} for one in ids]
            return Answer({"status": "COMPLETE", "results": links})
        if query.get("archived", "").lower() == "true":
            return Answer({"results": []})
        start = self._number(query["after"]) if "after" in query else 0
        rows = [self._row(number, linked=True) for number in range(start, min(start + LISTED, self.rows))]
        following = {"paging": {"next": {"after": self._id(start + LISTED)}}} if start + LISTED < self.rows else {}
        return Answer({"results": rows, **following})

    def _search(self, body: Any) -> dict[str, Any]:
        said = {one["propertyName"]: int(one["value"]) for one in body["filterGroups"][0]["filters"]}
        since = datetime.fromtimestamp(said["lastmodifieddate"] / 1000, UTC)
        start = max(self.first_since(since), self._number(str(said["hs_object_id"])) + 1)
        rows = [self._row(number, linked=False) for number in range(start, min(start + SEARCHED, self.rows))]
        following = {"paging": {"next": {"after": str(SEARCHED)}}} if start + SEARCHED < self.rows else {}
        return {"total": max(0, self.rows - start), "results": rows, **following}

    def _id(self, number: int) -> str:
        return str(100_000_007 + 37 * number)

    def _number(self, record_id: str) -> int:
        return max(-1, (int(record_id) - 100_000_007) // 37)

    def _company(self, record_id: str) -> str:
        return str(9_000_000_001 + self._number(record_id) % ACCOUNTS)

    def _row(self, number: int, *, linked: bool) -> dict[str, Any]:
        person, at, record_id = self.person(number), _text(self.changed(number)), self._id(number)
        properties = {
            "associatedcompanyid": self._company(record_id), "createdate": at, "email": person["mail"],
            "firstname": person["first"], "hs_merged_object_ids": None, "hs_object_id": record_id,
            "lastmodifieddate": at, "lastname": person["last"], "nps_category": "promoter", "nps_score": "9",
            "salesforcecontactid": f"003{number:015d}",
        }  # fmt: skip
        links = {"companies": {"results": [{"id": properties["associatedcompanyid"], "type": "contact_to_company"}]}}
        row = {"id": record_id, "properties": properties, "createdAt": at, "updatedAt": at, "archived": False}
        return row | ({"associations": links} if linked else {})


class Zendesk(Crm):
    """The cursor export of users."""

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:  # noqa: ARG002
        """A page of the export, from a time or a cursor on."""
        if "cursor" in query:
            start = int(query["cursor"])
        else:
            start = self.first_since(datetime.fromtimestamp(int(query["start_time"]), UTC))
        end = min(start + int(query["per_page"]), self.rows)
        users = [self._row(number) for number in range(start, end)]
        return Answer(
            {"users": users, "after_cursor": str(end), "end_of_stream": end == self.rows, "count": len(users)}
        )

    def _row(self, number: int) -> dict[str, Any]:
        person, at = self.person(number), self.changed(number).strftime("%Y-%m-%dT%H:%M:%SZ")
        number += 360_000_000_000
        return {
            "id": number, "url": f"https://example.zendesk.com/api/v2/users/{number}.json",
            "name": f"{person['first']} {person['last']}", "email": person["mail"], "created_at": at, "updated_at": at,
            "time_zone": "Berlin", "iana_time_zone": "Europe/Berlin", "phone": person["phone"],
            "shared_phone_number": False, "photo": None, "locale_id": 8, "locale": "de",
            "organization_id": 360_100_000_000 + number % ACCOUNTS, "role": "end-user", "verified": True,
            "external_id": f"003{number:015d}", "tags": ["vip", "newsletter"], "alias": "", "active": True,
            "shared": False, "shared_agent": False, "last_login_at": at, "two_factor_auth_enabled": None,
            "signature": None, "details": "", "notes": "Asked for a call back after the renewal.", "role_type": None,
            "custom_role_id": None, "moderator": False, "ticket_restriction": "requested",
            "only_private_comments": False, "restricted_agent": True, "suspended": False,
            "default_group_id": None, "report_csv": False, "user_fields": {"nps_score": 9, "nps_category": "promoter"},
        }  # fmt: skip


class Salesforce(Crm):
    """Queries of contacts by REST and by the Bulk API 2.0, and a log of deletions that is empty."""

    KINDS: Final = {
        "Id": "id", "IsDeleted": "boolean", "SystemModstamp": "datetime", "Email": "email", "Name": "string",
        "FirstName": "string", "LastName": "string", "AccountId": "reference", "MasterRecordId": "reference",
        "NPS_Score__c": "double", "NPS_Category__c": "picklist", "NPS_Responded_At__c": "datetime",
    }  # fmt: skip

    def answer(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        """The description of contacts, a page of a query, or a step of a bulk job."""
        if path.endswith("/describe"):
            fields = [{"name": name, "type": kind} for name, kind in self.KINDS.items()]
            return Answer({"fields": fields, "queryable": True, "replicateable": True})
        if path.endswith("/deleted/"):
            return Answer({"deletedRecords": [], "earliestDateAvailable": None, "latestDateCovered": query["end"]})
        if "/jobs/query" in path:
            return self._job(method, path, query, body)
        soql, place = query.get("q", ""), path.partition("/query/")[2]
        if "COUNT()" in soql:
            return Answer({"totalSize": self.rows, "done": True, "records": []})
        start = int(place.split("-")[1]) if place else self._since(soql)
        end = min(start + REST_PAGE, self.rows)
        begin = int(place.split("-")[0]) if place else start
        following = {} if end == self.rows else {"nextRecordsUrl": f"/services/data/v59.0/query/{begin}-{end}"}
        columns = soql.removeprefix("SELECT ").partition(" FROM ")[0].split(", ") if soql else place.split("-")[2:]
        following = following and {"nextRecordsUrl": "-".join([following["nextRecordsUrl"], *columns])}
        rows = [self._row(number, columns) for number in range(start, end)]
        return Answer({"totalSize": self.rows - begin, "done": end == self.rows, "records": rows, **following})

    def _job(self, method: str, path: str, query: Mapping[str, str], body: Any) -> Answer:
        if not path.endswith("/results"):
            state = "UploadComplete" if method == "POST" and body else "JobComplete"
            return Answer({"id": "750000000000001AAA", "state": state, "numberRecordsProcessed": self.rows})
        start = int(query.get("locator", "0"))
        end = min(start + min(int(query["maxRecords"]), BULK_PAGE), self.rows)
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(self.KINDS)
        for number in range(start, end):
            values = self._row(number, [*self.KINDS])
            rows.writerow([_cell(values[name]) for name in self.KINDS])
        locator = "null" if end == self.rows else str(end)
        return Answer(text.getvalue().encode(), {"Sforce-Locator": locator, "Sforce-NumberOfRecords": str(end - start)})

    def _since(self, soql: str) -> int:
        named = re.search(r"SystemModstamp >= (\S+)", soql)
        return self.first_since(datetime.fromisoformat(named[1])) if named else 0

    def _row(self, number: int, columns: Sequence[str]) -> dict[str, Any]:
        person, record_id, at = self.person(number), f"003{number:012d}AAA", self.changed(number)
        values = {
            "Id": record_id, "IsDeleted": False, "SystemModstamp": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
            "Email": person["mail"], "Name": f"{person['first']} {person['last']}", "FirstName": person["first"],
            "LastName": person["last"], "AccountId": f"001{number % ACCOUNTS:012d}AAA", "MasterRecordId": None,
            "NPS_Score__c": 9.0, "NPS_Category__c": "Promoter",
            "NPS_Responded_At__c": at.strftime("%Y-%m-%dT%H:%M:%S.000+0000"),
        }  # fmt: skip
        attributes = {"type": "Contact", "url": f"/services/data/v59.0/sobjects/Contact/{record_id}"}
        return {"attributes": attributes, **{name: values[name] for name in columns}}


def _cell(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


CRMS: Final[Mapping[str, Callable[[int, datetime], Crm]]] = {
    "hubspot": HubSpot,
    "salesforce": Salesforce,
    "zendesk": Zendesk,
}


def _environment(name: str, url: str, authority: Path) -> dict[str, str]:
    return {
        "hubspot": {"HUBSPOT_ACCESS_TOKEN": "pat-benchmark", "HUBSPOT_BASE_URL": url},
        "salesforce": {
            "SALESFORCE_INSTANCE_URL": url,
            "SALESFORCE_SESSION_ID": "benchmark",
            "SALESFORCE_CA_BUNDLE": str(authority),
        },
        "zendesk": {
            "ZENDESK_SUBDOMAIN": "example",
            "ZENDESK_EMAIL": "benchmark@customer.example",
            "ZENDESK_TOKEN": "benchmark",
            "ZENDESK_BASE_URL": url,
        },
    }[name]


class _Handler(BaseHTTPRequestHandler):
    crm: Crm
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def _respond(self) -> None:
        url = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        answer = self.crm.answer(self.command, url.path, query, json.loads(sent) if sent else None)
        is_text = isinstance(answer.body, bytes)
        body = answer.body if is_text else json.dumps(answer.body).encode()
        self.send_response(200)
        headers = {"Content-Type": "text/csv" if is_text else "application/json", "Content-Length": str(len(body))}
        for name, value in (headers | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = do_DELETE = _respond  # noqa: N815 - the names that the base class looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing: a million records are ten thousand requests."""


def server_of(name: str, rows: int, folder: Path) -> tuple[ThreadingHTTPServer, dict[str, str]]:
    """A CRM with so many contacts, not serving yet, and the environment that reaches it."""
    files = write_server_files(folder)
    newest = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    handler = type("Handler", (_Handler,), {"crm": CRMS[name](rows, newest)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    scheme = "http"
    if name == "salesforce":  # its client speaks nothing else
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
    return server, _environment(name, url, files.authority)


if __name__ == "__main__":
    started, reached = server_of(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
    print(json.dumps(reached), flush=True)  # noqa: T201
    started.serve_forever()
