"""What Zendesk serves, stream by stream: which endpoint, how it is paged to its end, what a row says. No settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from connectors import http
from connectors.base import Record
from connectors.errors import ExpiredCursorError, FatalError
from connectors.values import moment_text, parse_moment
from connectors.zendesk_client import TITLE, BadRequestError, Client, rows_of

Row = Mapping[str, Any]

PAGE_SIZE = 1_000  # the most that an incremental export serves at once, and what it serves unless asked for fewer
LIST_SIZE = 100  # the most of a list that is paged by cursor
RECENT: Final = 300  # seconds; an export refuses to start later than one minute ago, it was five once
MERGED: Final = "closed_by_merge"  # the tag of a ticket that was merged into another one
# A rating or a survey response may still be changed this long after it was made; their lists go by when that was.
EDITABLE: Final = timedelta(days=90)


def _updated(row: Row) -> datetime | None:
    return parse_moment(row["updated_at"])


def _seconds(row: Row) -> int:
    return int(parse_moment(row["updated_at"]).timestamp())


def _kept(_: Row) -> bool:
    return False


def _is_dropped(ticket: Row) -> bool:
    """Whether a ticket is gone: deleted, or merged into another one, where its case goes on."""
    return ticket.get("status") == "deleted" or MERGED in (ticket.get("tags") or ())


def _generated(ticket: Row) -> int:
    """The time that exports of tickets go by: also what the system does to a ticket moves it."""
    told = _whole(ticket.get("generated_timestamp"))
    return _seconds(ticket) if told is None else told


def _happened(event: Row) -> datetime:
    told = event.get("created_at")
    return parse_moment(told) if told else datetime.fromtimestamp(int(event["timestamp"]), UTC)


def _answered(response: Row) -> datetime | None:
    """When a survey response was changed last, as its answers tell; one that was only offered has none."""
    moments = [parse_moment(one["updated_at"]) for one in response.get("answers") or () if one.get("updated_at")]
    return max(moments, default=None)


def _answered_seconds(response: Row) -> int:
    moment = _answered(response)
    return int(moment.timestamp()) if moment else 0


@dataclass(frozen=True, slots=True)
class Export:
    """How one stream is read.

    ``paging`` is how its endpoint ``path`` is paged, ``seconds`` the time that it goes by (Unix seconds), ``version``
    and ``is_deleted`` what a row says of itself. ``start`` is the parameter of a list that holds the earliest time, in
    units of which ``per_second`` make a second; ``late`` how much later than its own time a row may still change.
    ``sized``: the published API has a parameter for how many rows a page of the export has. ``listed_at`` is the list
    that has the rows which a crowded second of the export hides, and ``unlisted`` the field that only the export has;
    ``switch`` is the setting that leaves the stream out.
    """

    path: str
    paging: Literal["cursor", "time", "list"]
    seconds: Callable[[Row], int] = _seconds
    version: Callable[[Row], datetime | None] = _updated
    is_deleted: Callable[[Row], bool] = _kept
    start: str = "start_time"
    per_second: int = 1
    late: timedelta = timedelta(0)
    sized: bool = False
    listed_at: str = ""
    unlisted: str = ""
    switch: str = ""


EXPORTS: Final[Mapping[str, Export]] = {
    "tickets": Export(
        "incremental/tickets/cursor.json",
        "cursor",
        seconds=_generated,
        is_deleted=_is_dropped,
    ),
    "users": Export(
        "incremental/users/cursor.json", "cursor", is_deleted=lambda row: row.get("active") is False, sized=True
    ),
    "organizations": Export(
        "incremental/organizations.json",
        "time",
        is_deleted=lambda row: row.get("deleted_at") is not None,
        sized=True,
        listed_at="organizations.json",
        unlisted="deleted_at",
    ),
    "ticket_events": Export(
        "incremental/ticket_events.json",
        "time",
        seconds=lambda row: int(_happened(row).timestamp()),
        version=_happened,
        switch="tickets.events",
    ),
    "satisfaction_ratings": Export("satisfaction_ratings.json", "list", late=EDITABLE, switch="satisfaction_ratings"),
    "survey_responses": Export(
        "guide/survey_responses",
        "list",
        seconds=_answered_seconds,
        version=_answered,
        start="filter[created_at_start]",
        per_second=1_000,
        late=EDITABLE,
        switch="survey_responses",
    ),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a stream: the records, the latest time in them (0: none that counts), whether they are the last."""

    records: Sequence[Record]
    latest: int
    is_last: bool


class Reader:
    """Reads one stream from a time on, to its end.

    ``field`` is the ticket field that events must touch to be taken. Seconds before ``listed`` need no list any more
    where they are crowded; ``has_listed`` says whether one was read. ``resumed``: not everything is pulled. An export
    ``goes_by_time``: that at which Zendesk noted a change, which is never before the row's own, so that from a row's
    time on all behind it is found.
    """

    def __init__(self, client: Client, table: str, *, field: str, listed: int, resumed: bool) -> None:
        self._client, self._table, self._field, self._listed = client, table, field, listed
        self._export, self._is_resumed = EXPORTS[table], resumed
        self._doing = f"reading {table}"
        self.has_listed = False
        self.goes_by_time = self._export.paging != "list"

    def parts(self, start: int) -> Iterator[Part]:
        """Every part from a time on (Unix seconds); only the last one says so."""
        if self._export.paging == "cursor":
            return self._by_cursor(start)
        if self._export.paging == "time":
            return self._by_time(start)
        first = {self._export.start: start * self._export.per_second} if start else {}
        return self._by_list(self._export.path, first)

    def _by_cursor(self, start: int) -> Iterator[Part]:
        parameters: dict[str, Any] = {"start_time": start}
        asked = set[str]()
        while True:
            body = self._read(parameters)
            if body is None:
                yield Part([], 0, is_last=True)
                return
            part = self._part(rows_of(body, self._table), is_last=_is_last(body))
            yield part
            if part.is_last:
                return
            parameters = {"cursor": self._next(body, asked)}

    def _by_time(self, start: int) -> Iterator[Part]:
        """Parts of a time export, which repeats the second that it cut and stays for ever in one that fills a page."""
        known = frozenset[str]()
        while True:
            body = self._read({"start_time": start})
            if body is None:
                yield Part([], 0, is_last=True)
                return
            rows, ended = rows_of(body, self._table), _is_last(body)
            texts = [http.compact(row) for row in rows]
            yield self._part([row for row, text in zip(rows, texts, strict=True) if text not in known], is_last=ended)
            if ended:
                return
            end = _whole(body.get("end_time"))
            if end is None or end < start or not (rows or end > start):
                raise self._stuck()
            if end == start:
                yield from self._crowded(start)
                end += 1
            start, known = end, frozenset(texts)

    def _crowded(self, second: int) -> Iterator[Part]:
        """What a second hides that has more rows than a page: it is found in the list of what there is now.

        The list does not move the cursor: it also has rows that the export will serve later. Deletes that such a second
        hides are told by nothing but their absence from the list, which only a pull of everything can see. Where there
        is no list, as for events, the rest of that second is left out.
        """
        if not self._export.listed_at or second < self._listed:
            return
        if self._is_resumed:
            raise ExpiredCursorError(
                f"More {self._table} changed within one second than {TITLE} serves at once, and nothing says which of "
                "them were deleted: everything is pulled again."
            )
        self.has_listed, self._listed = True, int(self._client.now().timestamp())
        for part in self._by_list(self._export.listed_at, {}):
            yield Part(part.records, 0, is_last=False)

    def _by_list(self, path: str, first: Mapping[str, Any]) -> Iterator[Part]:
        asked = set[str]()
        parameters = {**first, "page[size]": LIST_SIZE}
        while True:
            body = self._client.read(path, self._doing, parameters)
            rows, meta = rows_of(body, self._table), body.get("meta")
            more = meta.get("has_more") if isinstance(meta, dict) else None
            if not isinstance(more, bool):
                raise FatalError(f"{TITLE} listed {self._table} without saying whether more follow; nothing was taken.")
            yield self._part(rows, is_last=not more)
            if not more:
                return
            parameters |= {"page[after]": self._next(body["meta"], asked)}

    def _next(self, told: Row, asked: set[str]) -> str:
        """The cursor of the next page, which must not be one that was ``asked`` for before."""
        after = told.get("after_cursor")
        if not isinstance(after, str | int) or isinstance(after, bool) or str(after) in asked:
            raise self._stuck()
        asked.add(str(after))
        return str(after)

    def _read(self, parameters: Mapping[str, Any]) -> dict[str, Any] | None:
        """A page of an export; None where Zendesk does not serve yet what is from there on, however it says so."""
        sized = {"per_page": PAGE_SIZE} if self._export.sized else {}
        try:
            return self._client.read(self._export.path, self._doing, {**parameters, **sized})
        except BadRequestError as error:
            is_recent = parameters.get("start_time", 0) > self._client.now().timestamp() - RECENT
            if error.is_too_recent or is_recent:
                return None
            raise

    def _part(self, rows: Sequence[Row], *, is_last: bool) -> Part:
        try:
            records = [self._record(row) for whole in rows for row in self._wanted(whole)]
            return Part(records, max(map(self._export.seconds, rows), default=0), is_last)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise FatalError(
                f"{TITLE} served {self._table} without id, time or state; the page was not taken."
            ) from None

    def _wanted(self, row: Row) -> Collection[Row]:
        """The row, or of a ticket's event the changes of the field, each with its ticket and its time."""
        if not self._field:
            return (row,)
        shared = {"ticket_id": row["ticket_id"], "created_at": moment_text(_happened(row))}
        shared |= {name: row[name] for name in ("created_at", "timestamp") if row.get(name)}
        changes = row.get("child_events") or ()
        return [{**one, **shared} for one in changes if self._field in (one.get("custom_ticket_fields") or ())]

    def _record(self, row: Row) -> Record:
        export, number = self._export, row["id"]
        if not isinstance(number, int | str) or number == "":
            raise ValueError(self._table)
        return Record(str(number), http.compact(self._spelled(row)), export.version(row), export.is_deleted(row))

    def _spelled(self, row: Row) -> Row:
        """The row as it is spelled whichever endpoint serves it: as it is, where only one does.

        Of two, each has an order of names of its own, and only one says of what is not deleted that it is not.
        """
        if not self._export.listed_at:
            return row
        told = {name: value for name, value in row.items() if name != self._export.unlisted or value is not None}
        ordered: Row = json.loads(json.dumps(told, sort_keys=True))
        return ordered

    def _stuck(self) -> FatalError:
        return FatalError(
            f"{TITLE}'s export of {self._table} does not get past one point although more follows. What was landed "
            "stays; run again later, and report it with the log of the run where that does not help."
        )


def _is_last(body: Row) -> bool:
    """Whether an export ends with this page; one that does not say so ends with a page that is not full."""
    ended, size = body.get("end_of_stream"), _whole(body.get("count"))
    return ended if isinstance(ended, bool) else size is not None and size < PAGE_SIZE


def _whole(value: object) -> int | None:
    """A whole number, also where it is written as text; None for all else."""
    return int(value) if isinstance(value, int | str) and str(value).isdecimal() else None
