"""Writing to Zendesk users: many at once, as a job, each row with its own result."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.store import Record, Store
from sandbox.web import Endpoint, json_object
from sandbox.zendesk.fields import UserFields
from sandbox.zendesk.jobs import Jobs
from sandbox.zendesk.shapes import Json, refusal

MOST_USERS = 100
WRITABLE = ("name", "email", "phone", "external_id", "organization_id", "tags", "details", "notes", "locale")
ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
MALFORMED = refusal(400, "ParameterMissing", "Parameter users is required")


class UserUpdates:
    """The endpoint that updates many users."""

    def __init__(self, store: Store, fields: UserFields, jobs: Jobs) -> None:
        self._store = store
        self._fields = fields
        self._jobs = jobs
        path = "/api/v2/users/update_many"
        self.endpoints = [Endpoint("PUT", path + suffix, self._update_many, writes=True) for suffix in ("", ".json")]

    async def _update_many(self, request: Request) -> Response:
        rows = (await json_object(request, MALFORMED)).get("users")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise MALFORMED
        if len(rows) > MOST_USERS:
            raise refusal(400, "TooManyValues", f"Maximum {MOST_USERS} users may be updated per call")
        return self._jobs.start(
            request, len(rows), lambda: [self._update(place, row) for place, row in enumerate(rows)]
        )

    def _update(self, place: int, row: Json) -> Json:
        record = self._store.find_live("users", str(row.get("id")))
        if record is None:
            return {"index": place, "error": "UserUpdateFailed", "id": row.get("id"), "details": "User not found"}
        try:
            changes = self._changes(record, row)
        except ValueError as error:
            # The id of a failed row is its place in the request, not a user's id.
            return {"id": place, "error": "UserUpdateError", "details": str(error), "status": "Failed"}
        self._store.write_differences(record, changes)
        return {"id": int(record.record_id), "action": "update", "status": "Updated", "success": True}

    def _changes(self, record: Record, row: Json) -> Json:
        changes: dict[str, Any] = {name: row[name] for name in WRITABLE if name in row}
        if changes.get("email") and not ADDRESS.fullmatch(changes["email"]):
            raise ValueError(f"Email: {changes['email']} is not properly formatted")
        if "name" in changes and not changes["name"]:
            raise ValueError("Name: cannot be blank")
        given, known = row.get("user_fields") or {}, self._fields.keys()
        values = {key: self._stored(key, value) for key, value in given.items() if key in known}
        if values:
            changes["user_fields"] = (record.fields.get("user_fields") or {}) | values
        return changes

    def _stored(self, key: str, value: Any) -> Any:
        try:
            return self._fields.stored(key, value)
        except ValueError:
            title = key.replace("_", " ").capitalize()
            raise ValueError(f"{title}: is invalid") from None
