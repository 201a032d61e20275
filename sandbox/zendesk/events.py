"""Ticket events: what was done to a ticket, written down as it happens. How they are exported is said elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

from sandbox.store import Record, Store
from sandbox.zendesk.ids import AGENT_ID
from sandbox.zendesk.shapes import Json, iso, unix

TABLE = "ticket_events"
FIRST_ID, STEP = 1_561_823_000_000, 64


def created(ticket_id: str, fields: Mapping[str, Any]) -> Json:
    """The event of a new ticket, with the fields that it was made with."""
    values = [{name: fields.get(name)} for name in ("subject", "status", "requester_id")]
    values += [{"custom_ticket_fields": {key: one}} for key, one in (fields.get("custom_values") or {}).items() if one]
    return {"ticket_id": int(ticket_id), "changes": [{"event_type": "Create", **one} for one in values]}


def changed(ticket_id: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Json | None:
    """The event of an update of a ticket: a change per custom field and of its status; None where they are the same."""
    was, now = before.get("custom_values") or {}, after.get("custom_values") or {}
    changes: list[Json] = [
        {"custom_ticket_fields": {key: now.get(key)}, "event_type": "Change", "previous_value": was.get(key)}
        for key in {**was, **now}
        if was.get(key) != now.get(key)
    ]
    if before.get("status") != after.get("status"):
        changes.append({"status": after.get("status"), "event_type": "Change", "previous_value": before.get("status")})
    return {"ticket_id": int(ticket_id), "changes": changes} if changes else None


def ticket_event(record: Record, base: str) -> Json:  # noqa: ARG001 - it has no link
    """An event as its export shows it; each change has an id of its own."""
    first = int(record.record_id)
    return {
        "id": first,
        "ticket_id": record.fields["ticket_id"],
        "timestamp": unix(record.created),
        "created_at": iso(record.created),
        "updater_id": AGENT_ID,
        "via": "Web form",
        "system": {"client": "Browser", "location": "Berlin, 16, Germany"},
        "event_type": "Audit",
        "merged_ticket_ids": [],
        "child_events": [
            {"id": first + place, "via": "Web form", "via_reference_id": None} | change
            for place, change in enumerate(record.fields["changes"], start=1)
        ],
    }


class AuditedStore(Store):
    """A store that writes down what is done to tickets."""

    def reset(self) -> None:
        """Go back to the state of the start."""
        self._event_ids = count(FIRST_ID * 10, STEP)
        super().reset()

    def add(self, table: str, record_id: str, fields: Mapping[str, Any]) -> Record:
        """Add a record that is created now; of a new ticket it keeps an event."""
        record = super().add(table, record_id, fields)
        if table == "tickets":
            self._note(created(record_id, fields))
        return record

    def write(self, record: Record, changes: Mapping[str, Any]) -> None:
        """Set fields and advance the time; of a ticket's change it keeps an event."""
        before = dict(record.fields)
        super().write(record, changes)
        event = changed(record.record_id, before, record.fields) if "custom_values" in record.fields else None
        if event:
            self._note(event)

    def _note(self, event: Json) -> None:
        super().add(TABLE, str(next(self._event_ids)), event)
