"""A stream's declaration as hashes: how its payload is read, and what a pull asks for. Nothing is read here."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from connectors.base import Stream


def fields_hash(stream: Stream) -> str:
    """Hash of how a stream's payload is read: with another one its loads are parsed anew."""
    return _hash(declaration(stream))


def asked_for(stream: Stream) -> str:
    """Hash of the fields that a pull asks for: with another one, rows landed before lack what is asked for now."""
    return _hash(sorted({*stream.fields.values(), *stream.written.values()}))


def declaration(stream: Stream) -> dict[str, dict[str, str]]:
    """What a stream declares about its payload, as plain values."""
    return {"fields": dict(stream.fields), "constants": dict(stream.constants), "written": dict(stream.written)}


def _hash(stated: Any) -> str:
    return hashlib.sha256(json.dumps(stated, sort_keys=True).encode()).hexdigest()[:16]
