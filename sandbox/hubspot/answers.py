"""How the HubSpot account says things: error bodies, records, pages. No endpoint and no state here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any
from uuid import UUID

from sandbox.hubspot.definitions import PORTAL_ID, ObjectType
from sandbox.store import Record
from sandbox.web import Refusal

_correlation = count(1)
OAUTH_GUIDE = "https://developers.hubspot.com/docs/methods/auth/oauth-overview"
SCOPES_GUIDE = "https://developers.hubspot.com/scopes"
ONE_SCOPE_NEEDED = "One or more of the following scopes are required."


def refusal(status: int, message: str, category: str, **further: Any) -> Refusal:
    """An error in HubSpot's form."""
    body = {"status": "error", "message": message, "correlationId": str(UUID(int=next(_correlation)))}
    return Refusal(status, body | further | {"category": category})


def invalid(message: str, **further: Any) -> Refusal:
    """A 400 that blames the request."""
    return refusal(400, message, "VALIDATION_ERROR", **further)


def unauthenticated() -> Refusal:
    """The token is missing or wrong."""
    message = (
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and you can find more "
        f"details at {OAUTH_GUIDE}"
    )
    return refusal(401, message, "INVALID_AUTHENTICATION")


def limit_reached(policy: str) -> Refusal:
    """A limit of requests is reached; ``policy`` is HubSpot's name of it."""
    message, group = f"You have reached your {policy.lower()} limit.", f"publicapi:private-apps:{PORTAL_ID}"
    body = {"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy, "groupName": group}
    return Refusal(429, body | {"correlationId": str(UUID(int=next(_correlation)))})


def missing_scopes(scopes: Iterable[str]) -> Refusal:
    """The token is good, but one of these scopes is needed: as the object endpoints say it."""
    message = (
        "This app hasn't been granted all required scopes to make this call. Read more about required scopes here: "
        f"{SCOPES_GUIDE}."
    )
    errors = [{"message": ONE_SCOPE_NEEDED, "context": {"requiredGranularScopes": list(scopes)}}]
    return refusal(403, message, "MISSING_SCOPES", errors=errors, links={"scopes": SCOPES_GUIDE})


def missing_definition_scopes(scopes: Iterable[str]) -> Refusal:
    """The same as the endpoints for definitions say it."""
    context = {"requiredGranularScopes": list(scopes), "links": [SCOPES_GUIDE]}
    return refusal(403, ONE_SCOPE_NEEDED, "MISSING_SCOPES", context=context)


def iso(moment: datetime) -> str:
    """UTC, with milliseconds where there are any."""
    fraction = f".{moment.microsecond // 1000:03}" if moment.microsecond >= 1000 else ""  # noqa: PLR2004
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def properties_of(kind: ObjectType, record: Record, asked_for: Iterable[str]) -> dict[str, str | None]:
    """The asked-for properties and those that every answer has; text or None."""
    system = {
        "hs_object_id": record.record_id,
        kind.created: iso(record.created),
        kind.modified: iso(record.modified),
    }
    return {name: system.get(name) or record.fields.get(name) for name in sorted({*asked_for, *system})}


def shown(kind: ObjectType, record: Record, asked_for: Iterable[str]) -> dict[str, Any]:
    """A record as every endpoint serves it."""
    body: dict[str, Any] = {
        "id": record.record_id,
        "properties": properties_of(kind, record, asked_for),
        "createdAt": iso(record.created),
        "updatedAt": iso(record.modified),
        "archived": record.deleted is not None,
        "url": f"https://app.hubspot.com/contacts/{PORTAL_ID}/record/{kind.type_id}/{record.record_id}",
    }
    if record.deleted is not None:
        body["archivedAt"] = iso(record.deleted)
    return body


def batch(results: list[dict[str, Any]], errors: list[dict[str, Any]], moment: datetime) -> dict[str, Any]:
    """The body of a batch answer; errors make it a partial one (207)."""
    body: dict[str, Any] = {
        "completedAt": iso(moment),
        "status": "COMPLETE",
        "startedAt": iso(moment),
        "results": results,
    }
    return body | {"errors": errors, "numErrors": len(errors)} if errors else body


def not_found(kind: ObjectType, ids: list[str]) -> dict[str, Any]:
    """The one entry in a batch's errors that names all ids without a record."""
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "message": f"Could not get some {kind.singular} objects, they may be deleted or not exist. "
        "Check that ids are valid.",
        "context": {"ids": ids},
    }
