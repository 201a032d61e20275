"""What a source declares and yields: frozen declarations, standard library only. No I/O and no vendor code here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["response", "invitation", "person", "account", "event"]
Mode = Literal["incremental", "full", "reconcile", "file"]
Cursor = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record that a source serves.

    ``fields`` says where each conformed field sits in the payload: conformed name -> JSON path
    (``{"score": "$.mapped.score"}``). Staging is generated from it, so a new stream needs no SQL.
    """

    source: str
    name: str
    role: Role
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the source served it.

    ``payload`` is JSON text, ``source_version`` the source's own timestamp of this
    version (UTC, None where it has none).
    """

    record_id: str
    payload: str
    source_version: datetime | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some records and the cursor that holds once they are landed; ``requests`` and ``bytes`` are what they cost."""

    records: Sequence[Record]
    cursor: Cursor = field(default_factory=dict)
    requests: int = 0
    bytes: int = 0
