"""Zendesk's definitions of custom fields on users and tickets, and what a user field accepts."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.web import Endpoint, Refusal, json_object
from sandbox.zendesk import paging
from sandbox.zendesk.exports import base_of
from sandbox.zendesk.ids import COMMENT_FIELD, SCORE_FIELD
from sandbox.zendesk.shapes import Json, not_found, refusal

CREATED = "2024-01-15T09:00:00Z"
KINDS = ("text", "textarea", "checkbox", "date", "integer", "decimal", "regexp", "dropdown")
KEY = re.compile(r"[a-z0-9_]+")
MALFORMED = refusal(400, "ParameterMissing", "Parameter user_field is required")
TICKET_FIELDS: tuple[tuple[int, str, str], ...] = (
    (360_000_001, "subject", "Subject"),
    (360_000_002, "description", "Description"),
    (SCORE_FIELD, "text", "NPS score (0-10)"),
    (COMMENT_FIELD, "textarea", "NPS comment"),
)
USER_FIELDS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("nps_score", "integer", "NPS score", ()),
    ("nps_category", "dropdown", "NPS category", ("promoter", "passive", "detractor")),
    ("nps_responded_at", "date", "NPS responded at", ()),
)


@dataclass
class UserFields:
    """The user fields that exist: listed, created, and asked whether a value suits."""

    _by_key: dict[str, Json] = field(default_factory=dict)
    _ids: count[int] = field(default_factory=lambda: count(7_000_001))

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was created."""
        self._by_key.clear()
        for key, kind, title, options in USER_FIELDS:
            self._add({"key": key, "type": kind, "title": title, "custom_field_options": _options(options)})

    def endpoints(self) -> list[Endpoint]:
        """The endpoints under /api/v2/user_fields."""
        path = "/api/v2/user_fields"
        return [
            *(Endpoint("GET", path + suffix, self._list) for suffix in ("", ".json")),
            *(Endpoint("POST", path + suffix, self._create, writes=True) for suffix in ("", ".json")),
        ]

    def keys(self) -> list[str]:
        """The keys of all fields."""
        return list(self._by_key)

    def stored(self, key: str, value: Any) -> Any:
        """A value as the field keeps and serves it.

        Args:
            key: The field's key.
            value: What the caller sends; None and the empty text clear the field.

        Returns:
            The value to keep.

        Raises:
            ValueError: The field does not accept the value.
        """
        kind = self._by_key[key]["type"]
        if value in (None, ""):
            return None
        if kind == "integer":
            return int(str(value))
        if kind == "decimal":
            return float(str(value))
        if kind == "date":
            moment = datetime.fromisoformat(str(value))
            day = moment.astimezone(UTC) if moment.tzinfo else moment
            return f"{day:%Y-%m-%d}T00:00:00+00:00"
        if kind == "dropdown" and value not in [one["value"] for one in self._by_key[key]["custom_field_options"]]:
            raise ValueError(key)
        return value

    async def _list(self, request: Request) -> Response:
        defined = list(self._by_key.values())
        by_cursor = "page[size]" in request.query_params
        page, further = paging.by_cursor(defined, _id, request) if by_cursor else paging.by_number(defined, request)
        return JSONResponse({"user_fields": [_linked(one, "user_fields", request) for one in page]} | further)

    async def _create(self, request: Request) -> Response:
        given = (await json_object(request, MALFORMED)).get("user_field")
        if not isinstance(given, dict):
            raise MALFORMED
        self._check(given)
        return JSONResponse({"user_field": _linked(self._add(given), "user_fields", request)}, 201)

    def _check(self, given: Json) -> None:
        key = str(given.get("key") or "")
        if given.get("type") not in KINDS:
            raise _invalid("type", "Type: is not valid", "InvalidValue")
        if not given.get("title"):
            raise _invalid("title", "Title: cannot be blank", "BlankValue")
        if not KEY.fullmatch(key):
            raise _invalid("key", "Key: is invalid", "InvalidValue")
        if key in self._by_key:
            raise _invalid("key", f"Key: {key} has already been taken", "DuplicateValue")

    def _add(self, given: Json) -> Json:
        made = {
            "id": next(self._ids),
            "type": given["type"],
            "key": given["key"],
            "title": given["title"],
            "raw_title": given["title"],
            "description": given.get("description", ""),
            "raw_description": given.get("description", ""),
            "position": len(self._by_key),
            "active": True,
            "system": False,
            "regexp_for_validation": None,
            "created_at": CREATED,
            "updated_at": CREATED,
        }
        if given["type"] == "dropdown":
            made["custom_field_options"] = given.get("custom_field_options", [])
        self._by_key[given["key"]] = made
        return made


class TicketFields:
    """The ticket fields, read only: a connector checks that those named in its configuration exist."""

    def endpoints(self) -> list[Endpoint]:
        """The endpoints under /api/v2/ticket_fields."""
        path = "/api/v2/ticket_fields"
        return [
            *(Endpoint("GET", path + suffix, self._list) for suffix in ("", ".json")),
            *(Endpoint("GET", path + "/{field_id:int}" + suffix, self._read) for suffix in ("", ".json")),
        ]

    async def _list(self, request: Request) -> Response:
        """By cursor, or all of them at once: there are no pages by number."""
        fields = [_ticket_field(*one, request) for one in TICKET_FIELDS]
        if "page[size]" in request.query_params:
            page, further = paging.by_cursor(fields, _id, request)
            return JSONResponse({"ticket_fields": page} | further)
        return JSONResponse({"ticket_fields": fields, "next_page": None, "previous_page": None, "count": len(fields)})

    async def _read(self, request: Request) -> Response:
        for one in TICKET_FIELDS:
            if one[0] == request.path_params["field_id"]:
                return JSONResponse({"ticket_field": _ticket_field(*one, request)})
        raise not_found()


def _ticket_field(field_id: int, kind: str, title: str, request: Request) -> Json:
    body = {
        "id": field_id,
        "type": kind,
        "title": title,
        "raw_title": title,
        "description": "",
        "active": True,
        "required": False,
        "removable": kind not in ("subject", "description"),
        "created_at": CREATED,
        "updated_at": CREATED,
    }
    return _linked(body, "ticket_fields", request)


def _id(field: Json) -> int:
    return int(field["id"])


def _linked(body: Json, collection: str, request: Request) -> Json:
    return {"url": f"{base_of(request)}/api/v2/{collection}/{body['id']}.json"} | body


def _options(values: tuple[str, ...]) -> list[Json]:
    return [{"id": 800_001 + place, "name": value.title(), "value": value} for place, value in enumerate(values)]


def _invalid(name: str, description: str, error: str) -> Refusal:
    details = {name: [{"description": description, "error": error}]}
    return refusal(422, "RecordInvalid", "Record validation errors", details=details)
