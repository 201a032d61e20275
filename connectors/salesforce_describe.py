"""What of an object the user may see, asked before anything is pulled, so that what is missing is named all at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from connectors import http
from connectors.base import Stream
from connectors.config import requested_fields
from connectors.errors import ConfigError
from connectors.salesforce_login import TITLE
from connectors.salesforce_query import Reader, by_code
from connectors.salesforce_streams import BESIDES, identifier

CHANGED, DELETED = "SystemModstamp", "IsDeleted"
PACKAGED: Final = re.compile("^[a-z][a-z0-9]*__(?=[a-z0-9_]+__[a-z]+$)")  # the prefix of what a package brought along
# What stands in every payload, in this order.
SYSTEM_COLUMNS: Final = ("Id", DELETED, CHANGED)


@dataclass(frozen=True)
class Asked:
    """An object and the columns that are asked of it, each with its type; ``logged``: its deletions are listed."""

    name: str
    kinds: Mapping[str, str]
    logged: bool

    @property
    def columns(self) -> list[str]:
        """The columns in the order of the payload."""
        return list(self.kinds)


@dataclass(frozen=True)
class Described:
    """An object as the user sees it: its fields with their types, and the object that each relationship leads to."""

    kinds: Mapping[str, str]
    relationships: Mapping[str, Sequence[str]]
    queryable: bool
    logged: bool


@dataclass(frozen=True)
class Catalog:
    """The objects of an organisation; each is described once per session."""

    reader: Reader
    _known: dict[str, Described] = field(default_factory=dict)

    def asked(self, stream: Stream) -> Asked:
        """The columns to ask for to fill a stream.

        Raises:
            ConfigError: The object or some of the columns are not there for this user; names all of them.
        """
        described = self._described(stream.name)
        optional = (DELETED, *BESIDES.get(stream.name, ()))
        mapped = requested_fields(stream.fields, "$.") + requested_fields(stream.written, "$.")
        required = dict.fromkeys(["Id", CHANGED, *(column for column in mapped if column not in optional)])
        found = {column: self._kind(described, identifier(column)) for column in required}
        if missing := [column for column, kind in found.items() if kind is None]:
            raise ConfigError(_not_there(stream.name, described, missing))
        if not described.queryable:
            raise ConfigError(f"{TITLE} does not let its user query {stream.name}; give it the permission to read it.")
        besides = [column for column in optional if column in described.kinds]
        kinds = {column: kind for column, kind in found.items() if kind} | {
            column: described.kinds[column] for column in besides
        }
        system = [column for column in SYSTEM_COLUMNS if column in kinds]
        return Asked(stream.name, {column: kinds[column] for column in [*system, *kinds]}, described.logged)

    def _kind(self, described: Described, column: str) -> str | None:
        """The type of a column, None where there is none; of one of several objects only the query will tell."""
        relationship, _, name = column.rpartition(".")
        if not relationship:
            return described.kinds.get(column)
        targets = described.relationships.get(relationship)
        if not targets:
            return None
        return self._described(targets[0]).kinds.get(name) if len(targets) == 1 else "string"

    def _described(self, name: str) -> Described:
        if name not in self._known:
            unseen = ConfigError(
                f"{TITLE} has no object {name}, or its user may not see it. Correct nps.yaml (surveys: false where "
                "there are no Salesforce Surveys), or give the user access to the object."
            )
            path = f"sobjects/{identifier(name)}/describe"
            self._known[name] = self.reader.request(name, "GET", path, _read, by_code(NOT_FOUND=unseen))
        return self._known[name]


def _read(answer: http.Answer) -> Described:
    fields = answer.said().get("fields")
    if not http.objects(fields) or not fields:
        raise ValueError
    said = answer.said()
    return Described(
        kinds={str(one["name"]): str(one["type"]) for one in fields if {"name", "type"} <= one.keys()},
        relationships=dict(_relationships(fields)),
        queryable=said.get("queryable") is not False,
        logged=said.get("replicateable") is not False,
    )


def _relationships(fields: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    for one in fields:
        if one.get("relationshipName") and isinstance(one.get("referenceTo"), list):
            yield str(one["relationshipName"]), [str(target) for target in one["referenceTo"]]


def _not_there(name: str, described: Described, missing: Sequence[str]) -> str:
    """What is missing, and what only is spelt otherwise: payloads are read by the vendor's spelling."""
    otherwise = {column: _spelt(column, described.kinds) for column in missing}
    unknown = [column for column in missing if not otherwise[column]]
    parts = []
    if unknown:
        parts.append(f"{TITLE} has no field {', '.join(unknown)} on {name}, or its user may not see that.")
    if known := [column for column in missing if otherwise[column]]:
        spellings = ", ".join(f"write {otherwise[column]}" for column in known)
        parts.append(f"{TITLE} spells {', '.join(known)} of {name} otherwise: {spellings}.")
    return " ".join([*parts, "Correct the names in nps.yaml, or give the user access to the fields."])


def _spelt(column: str, names: Collection[str]) -> str:
    """How Salesforce spells a field: in other letters, or with the prefix of a package; empty where there is none."""
    wanted = column.lower()
    alike = [one for one in names if one.lower() == wanted or PACKAGED.sub("", one.lower()) == wanted]
    return " or ".join(alike)
