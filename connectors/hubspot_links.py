"""Which records of HubSpot one is associated with, and which of them counts, whichever way an answer says it.

How it is asked for stands in ``hubspot_client``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from connectors import http

Links = dict[str, bool]  # id of a record that one is associated with -> whether it is the primary one

# Stream -> the type of its association with the one company that is called the primary: its number, as the associations
# API names it, and its name, as a list does. Associations with its other companies have a type of their own.
PRIMARY: Final[Mapping[str, tuple[int, str]]] = {
    "contacts": (1, "contact_to_company"),
    "tickets": (26, "ticket_to_company"),
    "deals": (5, "deal_to_company"),
}
_VENDORS_OWN: Final = "HUBSPOT_DEFINED"


def links_of(said: Iterable[tuple[Any, bool]]) -> Links:
    """The links that an answer names, one record perhaps several times; raises ``ValueError`` for what is no id."""
    links: Links = {}
    for one, is_primary in said:
        key = str(int(one))
        links[key] = links.get(key, False) or is_primary
    return links


def is_primary_by_name(stream: str, link: Mapping[str, Any]) -> bool:
    """Whether a link in a list of records is the one to the primary company."""
    return stream in PRIMARY and link.get("type") == PRIMARY[stream][1]


def is_primary_by_number(stream: str, link: Mapping[str, Any]) -> bool:
    """Whether a link of the associations API is the one to the primary company."""
    types = (one for one in link.get("associationTypes") or [] if isinstance(one, dict))
    numbers = {str(one.get("typeId")) for one in types if one.get("category") == _VENDORS_OWN}
    return stream in PRIMARY and str(PRIMARY[stream][0]) in numbers


def only_links_of(ids: set[str]) -> Callable[[Mapping[str, Any]], bool]:
    """Judges whether an answer of the associations API names links, and those of these records alone."""

    def judge(document: Mapping[str, Any]) -> bool:
        rows = document.get("results")
        if not http.objects(rows):
            return False
        try:
            return all(
                str(row["from"]["id"]) in ids
                and all(str(one["toObjectId"]).isdigit() for one in row["to"])
                and (not row.get("paging") or bool(row["paging"]["next"]["after"]))
                for row in rows
            )
        except (KeyError, TypeError):
            return False

    return judge


def with_links(row: dict[str, Any], other: str, links: Links, named: str | None) -> dict[str, Any]:
    """A row with the ids of the records of another type that it is associated with, the one that counts first.

    The primary one counts, else the one that a property of the row names (``named``), where it is among them or stands
    alone; else the oldest does. A list and a search thus say the same, whatever the order in which they name them.
    """
    known = sorted(links, key=int) or ([named] if named else [])
    ordered = sorted(known, key=lambda one: (not links.get(one), one != named))
    linked = {**(row.get("associations") or {}), other: {"results": [{"id": one} for one in ordered]}}
    return {**{key: value for key, value in row.items() if key != "associations"}, "associations": linked}
