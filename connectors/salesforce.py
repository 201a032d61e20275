"""Salesforce: its Surveys, contacts, accounts and custom NPS objects; scores back on contacts. No logins here.

What the REST API says (its Developer Guide): a collection of up to 200 records is answered with status 200 and one
result per row, in the order of the request.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

from connectors import http
from connectors.base import Change, Cursor, Kind, Page, Record, Stream, Target, WriteResult
from connectors.config import choose_login
from connectors.errors import ConfigError, FatalError, InDoubtError, RetryableError
from connectors.salesforce_bulk import NotForBulkError, bulk_rows
from connectors.salesforce_deleted import MARGIN, Deletions, deletions
from connectors.salesforce_describe import CHANGED, DELETED, Asked, Catalog
from connectors.salesforce_login import ADDRESSES, JWT, LOGINS, TITLE, Lost, Refused, SalesforceClient
from connectors.salesforce_query import RECORD_ID, Reader, one_of, unusable
from connectors.salesforce_rows import ATTRIBUTES, row_of_rest
from connectors.salesforce_streams import BATCH, CONTACT, TARGET, SalesforceSettings, declared_streams
from connectors.values import field_text, moment_text, parse_moment

CURSOR: Final = "system_modstamp"
GONE: Final = "deletions_known"  # every deletion before is landed
DELETIONS_AGE: Final = timedelta(days=1)  # their log reaches back 15 days; until then a quiet cursor stays as it is
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before any record
ROW_LOCKED: Final = "UNABLE_TO_LOCK_ROW"  # somebody else writes to the record or its account: it was not written
SHORT_ID: Final = 15  # the three characters after it only repeat which letters are upper case


class SalesforceConnector:
    """Salesforce as a source and a destination."""

    source = "salesforce"
    title = TITLE
    settings = SalesforceSettings
    logins = LOGINS
    addresses = ADDRESSES
    targets = (TARGET,)

    def streams(self, settings: SalesforceSettings, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:
        """The objects of Salesforce Surveys, contacts, accounts, the custom NPS objects and what is switched on."""
        return declared_streams(settings, written.get(TARGET.name, ()))

    def connect(self, settings: SalesforceSettings, environment: Mapping[str, str]) -> SalesforceSession:
        """Log in. A session id is a login already: the first request finds out whether it is still good."""
        login = choose_login(self, environment)
        if login is None:
            raise ConfigError(
                f"{TITLE}: no credentials are set. Set {', '.join(JWT.variables)}, or those of another way."
            )
        return SalesforceSession(SalesforceClient(login, environment), settings.bulk_above)


CONNECTOR: Final = SalesforceConnector()


class SalesforceSession:
    """Salesforce after login; a pull of more than ``bulk_above`` records, and a page, goes through the Bulk API."""

    def __init__(self, client: SalesforceClient, bulk_above: int) -> None:
        self._client, self._meter, self._bulk_above = client, client.meter, bulk_above
        self._reader = Reader(client)
        self._catalog = Catalog(self._reader)

    def check(self) -> None:
        """Read the id of one contact."""
        for _ in self._reader.pages(CONTACT.name, ["Id"], "LIMIT 1"):
            pass

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Serve records in the order of their last change, deleted ones included; in no order where they are many.

        In that order a page says how far the pull has come, by what had changed well before it began: a record that is
        changed meanwhile may stand in its old place with its new time. Of deletions only the last page says so.

        The log of deletions comes first: what is deleted while the rest is read is served by that, or by the next pull.
        """
        asked = self._catalog.asked(stream)
        if cursor:
            before = parse_moment(str(cursor[CURSOR]))
            known = parse_moment(str(cursor.get(GONE, cursor[CURSOR])))
            gone = self._deletions(asked, known, overlap)
            clock = self._meter.server_time if asked.logged else None
            since = f"WHERE {CHANGED} >= {moment_text(before - min(overlap, before - EVER))} "
            batches = self._rows(asked, since, None)
        else:
            before = EVER
            total = self._reader.count(asked.name)
            clock = self._meter.server_time
            gone = Deletions({}, clock or EVER)
            known = gone.covered
            batches = self._rows(asked, "", total)
        newest = come = before
        for rows, in_order in batches:
            records = [_record(asked, row) for row in rows]
            changed = [record.source_version for record in records if record.source_version]
            newest = max([newest, *changed])
            clock = clock or self._meter.server_time or newest
            come = max([come, *(moment for moment in changed if moment < clock - MARGIN)])
            for record in records:
                gone.at.pop(record.record_id, None)
            yield self._page(records, _cursor(asked, come, known) if in_order and come > before else None)
        purged = False
        for records in self._not_served(asked, gone):
            purged = True
            yield self._page(records)
        reached = max(before, min(newest, clock or newest))
        if reached == EVER:
            yield self._page([])
            return
        moved = reached > before or purged or gone.covered - known > DELETIONS_AGE
        yield self._page([], _cursor(asked, reached, gone.covered if moved else known))

    def count(self, stream: Stream) -> int | None:
        """How many records Salesforce counts that are not deleted."""
        return self._reader.count(stream.name)

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """All of them: a query sees every record."""
        return record_ids

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update records by id in one request; a refused row leaves the others alone, a locked one is sent again."""
        results: dict[str, WriteResult] = {}

        def attempt() -> None:
            left = [change for change in changes if change.op_id not in results or _locked(results[change.op_id])]
            results.update({result.op_id: result for result in self._written(target, left)})
            if any(map(_locked, results.values())):
                raise RetryableError(f"{TITLE} locks records of {target.stream}.")

        try:
            http.retried(attempt)
        except (ConfigError, FatalError, RetryableError):
            if not results:
                raise  # else what was refused as locked is told so: the rest is written
        return [results[change.op_id] for change in changes]

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values, by id from the database; a deleted record is gone."""
        asked = {record_id[:SHORT_ID]: record_id for record_id in record_ids if RECORD_ID.fullmatch(record_id)}
        ids, columns = list(asked.values()), list(dict.fromkeys(["Id", *fields]))
        found: dict[str, dict[str, str | None]] = {}
        for chunk in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH)):
            for page in self._reader.pages(target.stream, columns, one_of(chunk)):
                for row in page.rows:
                    values = {name: field_text(kind, row[name]) for name, kind in fields.items()}
                    found[asked[row["Id"][:SHORT_ID]]] = values
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _page(self, records: list[Record], cursor: Cursor | None = None) -> Page:
        return Page(records, cursor or {}, *self._meter.since_last(), self._meter.budget)

    def _deletions(self, asked: Asked, known: datetime, overlap: timedelta) -> Deletions:
        if not asked.logged:
            return Deletions({}, known)
        return deletions(self._reader, asked.name, known, overlap, self._meter.server_time or datetime.now(UTC))

    def _rows(self, asked: Asked, since: str, total: int | None) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """The rows of an object, page by page, and whether they are in order; ``total`` None: the first page tells."""
        ordered = f"{since}ORDER BY {CHANGED}, Id"
        pages = self._reader.pages(asked.name, asked.columns, ordered, deleted=True)
        if total is None:
            first = next(pages)
            total, pages = 0 if first.done else first.total, chain([first], pages)  # what is here needs no job
        if total > self._bulk_above:
            try:
                yield from ((rows, False) for rows in bulk_rows(self._reader, asked, since))
            except NotForBulkError:  # it is said before any row is served
                pass
            else:
                return
        for page in pages:
            yield [row_of_rest(asked, row) for row in page.rows], True

    def _not_served(self, asked: Asked, gone: Deletions) -> Iterator[list[Record]]:
        """What was deleted but not served: as it is now where Salesforce has it still, else as deleted."""
        ids = list(gone.at)
        for chunk in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH)):
            pages = self._reader.pages(asked.name, asked.columns, one_of(chunk), deleted=True)
            found = [_record(asked, row_of_rest(asked, row)) for page in pages for row in page.rows]
            there = {record.record_id for record in found}
            yield [*found, *(_purged(asked, one, gone.at[one]) for one in chunk if one not in there)]

    def _written(self, target: Target, changes: Sequence[Change]) -> list[WriteResult]:
        """What became of each change of one request."""
        rows = [_row(target.stream, change) for change in changes]
        columns = sorted({name for change in changes for name in change.values})
        results = self._write(target.stream, rows, columns)
        if not isinstance(results, list) or len(results) != len(changes):
            raise _in_doubt(target.stream)
        written_at = self._meter.server_time
        return [_outcome(target, change, row, written_at) for change, row in zip(changes, results, strict=True)]

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Any:
        """One attempt, which is repeated only where nothing was applied."""
        doing, body = f"writing {name}", {"allOrNone": False, "records": rows}
        try:
            return self._client.ask(lambda client: client.restful("composite/sobjects", method="PATCH", json=body))
        except Refused as refused:
            if not http.may_be_written(refused.status):
                raise refused.means(doing, name, columns) from None
        except Lost as lost:
            if not lost.sent:
                raise lost.means(doing) from None
        raise _in_doubt(name)


def _cursor(asked: Asked, reached: datetime, known: datetime) -> Cursor:
    return {CURSOR: moment_text(reached)} | ({GONE: moment_text(known)} if asked.logged else {})


def _record(asked: Asked, row: Mapping[str, Any]) -> Record:
    deleted = row.get(DELETED) if DELETED in asked.kinds else False
    try:
        changed = parse_moment(row[CHANGED])
    except (TypeError, ValueError):
        raise unusable(asked.name, CHANGED) from None
    if not isinstance(deleted, bool):
        raise unusable(asked.name, DELETED)
    return Record(row["Id"], http.compact(row), changed, deleted)


def _purged(asked: Asked, record_id: str, at: datetime) -> Record:
    """A record of which nothing is left but that it was deleted."""
    row = {ATTRIBUTES: {"type": asked.name}, "Id": record_id, DELETED: True, CHANGED: moment_text(at)}
    return Record(record_id, http.compact(row), at, is_deleted=True)


def _row(name: str, change: Change) -> dict[str, Any]:
    values = {
        field: json.loads(value.text) if value.kind == "number" and value.text else value.text
        for field, value in change.values.items()
    }
    return {"attributes": {"type": name}, "Id": change.record_id, **values}


def _outcome(target: Target, change: Change, row: Any, written_at: datetime | None) -> WriteResult:
    match row:
        case {"success": True, "id": str(written)} if written[:SHORT_ID] == change.record_id[:SHORT_ID]:
            return WriteResult(change.op_id, None, written_at)
        case {"success": False, "errors": [{"statusCode": str(code)}, *_]}:
            return WriteResult(change.op_id, code, written_at)
    raise _in_doubt(target.stream)


def _locked(result: WriteResult) -> bool:
    return result.error_code == ROW_LOCKED


def _in_doubt(name: str) -> InDoubtError:
    return http.in_doubt(TITLE, "gave no readable answer", f"writing {name}")
