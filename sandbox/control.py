"""A client of the control interface: what a server was asked, what it holds, edits, limits, faults."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sandbox.admin import PREFIX
from sandbox.faults import Fault

SECONDS = 10
FIRST_ERROR = 400


@dataclass(frozen=True)
class Control:
    """One server's control interface; ``authority`` is the certificate to trust where it speaks TLS."""

    url: str
    authority: Path | None = None

    def requests(self) -> list[dict[str, Any]]:
        """What the server was asked so far: method, path, query, status, changes_records, fault, violations."""
        found: list[dict[str, Any]] = self._call("GET", "/requests")["requests"]
        return found

    def forget_requests(self) -> None:
        """Empty the request log."""
        self._call("DELETE", "/requests")

    def writes(self) -> list[dict[str, Any]]:
        """The requests that were to change records or definitions."""
        return [one for one in self.requests() if one["changes_records"]]

    def violations(self) -> list[str]:
        """What of the requests broke the published specification: method, path, what is wrong."""
        return [f"{one['method']} {one['path']}: {said}" for one in self.requests() for said in one["violations"]]

    def state(self, table: str) -> dict[str, dict[str, Any]]:
        """A table: record id -> fields, created, modified, deleted."""
        found: dict[str, dict[str, Any]] = self._call("GET", f"/state/{table}")[table]
        return found

    def reset(self) -> None:
        """Back to the state of the start, with an empty log and without faults."""
        self._call("POST", "/reset")

    def add(self, table: str, **fields: Any) -> str:
        """Add a record; returns its id."""
        return str(self._call("POST", f"/records/{table}", fields)["id"])

    def edit(self, table: str, record_id: str, **fields: Any) -> None:
        """Change fields of a record, as a person in the CRM would."""
        self._call("PATCH", f"/records/{table}/{record_id}", fields)

    def delete(self, table: str, record_id: str) -> None:
        """Delete a record, as a person in the CRM would."""
        self._call("DELETE", f"/records/{table}/{record_id}")

    def set_modified(self, table: str, moment: datetime, record_ids: Sequence[str] | None = None) -> None:
        """Give records (None: all of the table) another time of their last change.

        An earlier one than others have makes a change that shows late, the same one makes a tie.
        """
        ids = None if record_ids is None else list(record_ids)
        self._call("POST", f"/modified/{table}", {"at": moment.isoformat(), "ids": ids})

    def limits(self) -> dict[str, dict[str, Any]]:
        """The limits of requests: name -> most, seconds, remaining, enforced."""
        found: dict[str, dict[str, Any]] = self._call("GET", "/limits")["limits"]
        return found

    def limit(self, name: str, most: int, seconds: float) -> None:
        """Enforce one of the limits with these numbers, until a reset."""
        self._call("PUT", "/limits", {"name": name, "most": most, "seconds": seconds})

    def faults(self, faults: Sequence[Fault]) -> None:
        """Let these faults strike from now on, and no others."""
        self._call("PUT", "/faults", {"faults": [asdict(fault) for fault in faults]})

    def clear_faults(self) -> None:
        """Let nothing go wrong any more."""
        self._call("DELETE", "/faults")

    def struck(self) -> list[str]:
        """The kinds of the faults that struck requests of the log, in order."""
        return [one["fault"] for one in self.requests() if one["fault"]]

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        connection = self._connection()
        try:
            connection.request(method, PREFIX + path, json.dumps(body) if body is not None else None)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        answer: dict[str, Any] = json.loads(text) if text else {}
        if response.status >= FIRST_ERROR:
            raise LookupError(f"The sandbox refused {method} {path}: {answer.get('error')}")
        return answer

    def _connection(self) -> HTTPConnection:
        address = urlsplit(self.url)
        host, port = str(address.hostname), address.port
        if address.scheme == "http":
            return HTTPConnection(host, port, timeout=SECONDS)
        return HTTPSConnection(host, port, timeout=SECONDS, context=_trusting(self.authority))


@cache
def _trusting(authority: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)
