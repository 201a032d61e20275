"""HubSpot: feedback, contacts, companies, tickets, deals in; scores on contacts out. No other vendor's rules.

What is asked for stands in ``hubspot_streams``, how a request is sent and judged in ``hubspot_client``, how contacts
are written in ``hubspot_writes``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from time import monotonic
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.base import PLACE, Change, Cursor, Kind, Login, Page, Record, Stream, Target, WriteResult
from connectors.config import choose_login
from connectors.errors import ConfigError, FatalError, RetryableError
from connectors.hubspot_client import ADDRESS, TITLE, TOKEN, Client, milliseconds
from connectors.hubspot_links import Links, with_links
from connectors.hubspot_records import Row, archived_after, ids_of, listed_links, named_by, records_of
from connectors.hubspot_streams import (
    ASSOCIATED,
    CONTACT,
    SOURCE,
    HubSpotSettings,
    declared_streams,
    modified,
    requested,
    required,
)
from connectors.hubspot_writes import Writer
from connectors.values import parse_moment

_PUBLIC_ADDRESS: Final = "https://api.hubapi.com"
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_Walked = tuple[list[Record], str]  # the records of a page, and the last id
_ALWAYS: Final = "hs_object_id"  # the id as a property, which every answer has
_LISTED, _SEARCHED = 100, 200  # the most records of one page of a list, and of a search


class HubSpotConnector:
    """HubSpot as nps.yaml knows it."""

    source = SOURCE
    title = TITLE
    settings = HubSpotSettings
    logins = (Login("access token", (TOKEN,)),)
    addresses = (ADDRESS,)
    targets = (CONTACT,)

    def streams(self, settings: Any, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:
        """The streams that nps.yaml asks for; contacts also bear the fields that sync-back writes."""
        return declared_streams(settings, written.get(CONTACT.name, ()))

    def connect(self, settings: Any, environment: Mapping[str, str]) -> HubSpotSession:
        """A session with the token, not yet used. Raises ``ConfigError`` where token or address cannot be one."""
        if choose_login(self, environment) is None:
            raise ConfigError(f"{TITLE}: {TOKEN} is not set; set it in the environment or in .env.")
        token = environment[TOKEN].strip()
        if not re.fullmatch(r"[!-~]+", token):
            raise ConfigError(f"{TITLE}: {TOKEN} has blanks or other characters that no token has; copy it again.")
        address = (environment.get(ADDRESS) or _PUBLIC_ADDRESS).strip().rstrip("/")
        if urlsplit(address).scheme not in ("http", "https"):
            raise ConfigError(f"{TITLE}: {ADDRESS} is no address; write for instance {_PUBLIC_ADDRESS}.")
        from hubspot import HubSpot  # noqa: PLC0415 - a vendor's SDK is imported only where it is used

        # Without retries of its own: it would repeat some requests and not others; `retried` has the one policy.
        objects = HubSpot(access_token=token, host=address, retry=False).crm.objects.basic_api
        return HubSpotSession(Client(objects), settings.archived_every)


class HubSpotSession:
    """HubSpot after login; ``archived_every``: how often the whole list of archived records is read."""

    def __init__(self, client: Client, archived_every: timedelta) -> None:
        self._client = client
        self._writer = Writer(client)
        self._archived_every = archived_every

    def check(self) -> None:
        """Ask for the account's details, which needs a token but no scope."""
        self._client.details("checking the access token")

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Everything by listing, later what changed by search; then what was archived, which only a list serves.

        A record that changes while the pull runs is served in one of its versions; its change is later than the
        cursor, which stays behind the server's clock at the start. The cursor: ``modified`` is the latest change that
        was served, ``archived`` when the list of archived records was last read to its end, where that took more than
        one page. On the way it has ``walked``, the last id, and ``begun``, when this walk by id began: a pull that is
        cut off goes on by a search beyond that id, and its cursor then stays behind that moment.
        """
        self._require(stream, required(stream) if stream.name == "tickets" else [])
        began, clock = monotonic(), parse_moment(str(cursor["begun"])) if "begun" in cursor else _NEVER
        before = parse_moment(str(cursor["modified"])) if cursor else _NEVER
        since = _earlier(before, overlap)
        beyond = str(cursor.get("walked", f"{PLACE}0")).removeprefix(PLACE)
        newest = max(before, clock)
        pages = self._searched(stream, since, beyond) if cursor else self._listed(stream)
        for records, last in self._served(stream, pages):
            if clock == _NEVER:
                clock = (self._client.meter.server_time or datetime.now(UTC)) - timedelta(seconds=monotonic() - began)
            newest = max([newest, *map(_version, records)])
            walk = {"modified": _text(before), "begun": _text(clock), "walked": f"{PLACE}{last}"}
            yield self._page(records, {**cursor, **walk} if records and last else {})
        last_read = parse_moment(str(cursor["archived"])) if "archived" in cursor else None
        archived = yield from self._archived(
            stream, min(since, _earlier(last_read or since, overlap)), last_read, clock
        )
        reached = {"modified": max(before, min(newest, clock)), **({"archived": archived} if archived else {})}
        named = {name: _text(at) for name, at in reached.items()}
        yield self._page((), named if newest > _NEVER else {})

    def count(self, stream: Stream) -> int | None:  # noqa: ARG002
        """None: a search counts what its index has, which lags behind the records."""
        return None

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Collection[str]:  # noqa: ARG002
        """All of them: a list goes by id, so that a change moves no record across its pages."""
        return record_ids

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update one batch."""
        return self._writer.push(target, changes)

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values by id."""
        return self._writer.read_back(target, record_ids, fields)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def _require(self, stream: Stream, names: Sequence[str]) -> None:
        """Raise ``ConfigError`` where one of these properties is not there: HubSpot would leave it out unsaid."""
        known = self._client.property_names(f"reading the properties of {stream.name}", stream.name) if names else ()
        if absent := [name for name in names if name not in known]:
            raise ConfigError(
                f"{TITLE} has no {', '.join(absent)} among the properties of {stream.name}; correct sources.{SOURCE} "
                f"in nps.yaml where it names it, else bring it back in {TITLE}."
            )

    def _served(self, stream: Stream, pages: Iterator[_Walked]) -> Iterator[_Walked]:
        """The pages. HubSpot serves an empty property as null; one that no row has at all may have vanished."""
        unseen = set(required(stream))
        for records, last in pages:
            if unseen:
                served = set[str]().union(*(json.loads(record.payload).get("properties", ()) for record in records))
                if _ALWAYS in served:
                    with suppress(FatalError):  # a server that does not describe them leaves it at what it serves
                        self._require(stream, sorted(unseen - served))
                    unseen = set()
            yield records, last

    def _listed(self, stream: Stream) -> Iterator[_Walked]:
        """The records of each page and their last id; none where they do not go by id."""
        doing, ids, others = f"listing {stream.name}", ["0"], ASSOCIATED.get(stream.name, ())
        for page in self._pages(stream, archived=False):
            ids = [*ids[-1:], *ids_of(page["results"], doing)] if ids else []
            ids = ids if all(int(one) < int(other) for one, other in pairwise(ids)) else []
            known = {other: listed_links(page["results"], stream.name, other, doing) for other in others}
            yield records_of(self._linked(stream, page["results"], known), doing), ids[-1] if ids else ""

    def _archived(
        self, stream: Stream, since: datetime, last_read: datetime | None, clock: datetime
    ) -> Generator[Page, None, datetime | None]:
        """What was archived since a moment. The list is in no order of time, so only all of it has all.

        Returns:
            When all of it was read last, before now unless that is due; None where a page holds all of it.
        """
        doing, read_at = f"listing archived {stream.name}", None
        is_due = last_read is None or clock - last_read >= self._archived_every
        for number, page in enumerate(self._pages(stream, archived=True)):
            yield self._page(records_of(archived_after(page["results"], since, doing), doing))
            if not is_due and _following(page) is not None:
                return last_read
            read_at = clock if number else None
        return read_at

    def _pages(self, stream: Stream, *, archived: bool) -> Iterator[dict[str, Any]]:
        doing = f"listing {'archived ' if archived else ''}{stream.name}"
        wanted: dict[str, Any] = {"limit": _LISTED, "properties": requested(stream)}
        if archived:
            wanted["archived"] = "true"  # the client would spell True as Python does
        elif stream.name in ASSOCIATED:
            wanted["associations"] = [*ASSOCIATED[stream.name]]
        after, asked = None, set[str | None]()
        while after not in asked:
            asked.add(after)
            page = self._client.records(doing, self._client.list, stream.name, **wanted, after=after)
            if archived and not all(row.get("archived") for row in page["results"]):
                raise RetryableError(f"{TITLE} served records that are not archived when {doing}; run again later.")
            yield page
            after = _following(page)
            if after is None:
                return
        raise FatalError(f"{TITLE} served the same page again when {doing}; this page was not kept.")

    def _searched(self, stream: Stream, since: datetime, last: str) -> Iterator[_Walked]:
        """Walk by id, beyond a last one, rather than by page number; the records of each page and their last id.

        A search serves no more than 10,000 records by page number, and records that change meanwhile would move others
        across pages unseen. An id that was passed stays passed, and every request begins a search of its own; but where
        a page is empty and more is to come, the same search goes on.
        """
        doing, after = f"searching {stream.name}", "0"
        changed = {"propertyName": modified(stream), "operator": "GTE", "value": milliseconds(since)}
        while True:
            beyond = {"propertyName": _ALWAYS, "operator": "GT", "value": last}
            body = {
                "filterGroups": [{"filters": [changed, beyond]}],
                "sorts": [{"propertyName": _ALWAYS, "direction": "ASCENDING"}],
                "properties": requested(stream),
                "limit": _SEARCHED,
                "after": after,  # HubSpot's specification demands it
            }
            page = self._client.records(doing, self._client.search, stream.name, body)
            ids, following = [last, *ids_of(page["results"], doing)], _following(page)
            is_empty = len(ids) == 1
            if (is_empty and following == after) or any(int(one) >= int(other) for one, other in pairwise(ids)):
                raise FatalError(f"{TITLE} broke the order of ids when {doing}; this page was not kept.")
            last, after = ids[-1], following if is_empty and following is not None else "0"
            yield records_of(self._linked(stream, page["results"], self._links_of_one(stream, ids[1:])), doing), last
            if following is None:
                return

    def _links_of_one(self, stream: Stream, ids: Sequence[str]) -> dict[str, dict[str, Links]]:
        """With what a record that came alone is associated, where reading it anew is one request and asking is more.

        A pull with nothing new finds the last change alone again. Nothing of a record that has gone since.
        """
        doing, others = f"reading one of {stream.name}", ASSOCIATED.get(stream.name, ())
        if len(ids) != 1 or len(others) < 2:  # noqa: PLR2004 - by the associations API each type is a request
            return {}
        with suppress(FatalError):
            row = self._client.record(doing, stream.name, ids[0], associations=[*others])
            return {other: listed_links([row], stream.name, other, doing) for other in others}
        return {}

    def _linked(self, stream: Stream, rows: list[Row], known: Mapping[str, Mapping[str, Links]]) -> list[Row]:
        """The rows with what they are associated with; what is not ``known`` (type -> row id -> ids) is asked for."""
        for other, name in ASSOCIATED.get(stream.name, {}).items():
            links = dict(known.get(other, {}))
            unknown = [str(row["id"]) for row in rows if str(row["id"]) not in links]
            links |= self._client.associations(stream.name, other, unknown) if unknown else {}
            rows = [with_links(row, other, links[str(row["id"])], named_by(row, name)) for row in rows]
        return rows

    def _page(self, records: Sequence[Record], cursor: Cursor | None = None) -> Page:
        requests, size = self._client.meter.since_last()
        return Page(records, cursor or {}, requests, size, self._client.meter.budget)


def _earlier(moment: datetime, overlap: timedelta) -> datetime:
    return moment - min(overlap, moment - _NEVER)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def _version(record: Record) -> datetime:
    return record.source_version or _NEVER


def _following(page: Mapping[str, Any]) -> str | None:
    try:
        following = (page.get("paging") or {}).get("next")
        return None if following is None else str(following["after"])
    except (AttributeError, KeyError, TypeError):
        raise FatalError(f"{TITLE} did not say where its pages go on; this page was not kept.") from None


CONNECTOR: Final = HubSpotConnector()
