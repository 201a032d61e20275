"""What records of the HubSpot account are associated with: as lists show it, and read in batches by the v4 API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.hubspot.answers import batch, invalid
from sandbox.hubspot.bodies import body_of, inputs_of
from sandbox.hubspot.definitions import OBJECT_TYPES, Association, ObjectType
from sandbox.store import Record, Store
from sandbox.web import Endpoint

BATCH = 1_000
PAGE = 500  # associations of one record on one page of a batch read
LISTED = 100  # associations of one record in a list of records
FIELD = "associations"
"""In the fields of a record: type -> ids, the primary one first; else a property names the only one."""


def linked(record: Record, association: Association) -> list[str]:
    """The ids of the records that a record is associated with, the primary one first."""
    given: dict[str, list[str]] = record.fields.get(FIELD) or {}
    named = record.fields.get(association.named_in)
    return given.get(association.other, [str(named)] if named else [])


def listed(kind: ObjectType, record: Record, others: Sequence[str]) -> dict[str, Any]:
    """A record's associations as a list of records serves them; a type without any is left out."""
    found = {}
    for association in kind.associations:
        ids = linked(record, association)
        if association.other in others and ids:
            results = [
                {"id": one, "type": name}
                for place, one in enumerate(ids[:LISTED])
                for _, name, _ in _types(association, place)
            ]
            more = {"paging": {"next": {"after": str(LISTED)}}} if len(ids) > LISTED else {}
            found[association.other] = {"results": results, **more}
    return found


class Associations:
    """The endpoints under /crm/v4/associations."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.endpoints = [
            Endpoint("POST", f"/crm/v4/associations/{one.name}/{{other}}/batch/read", self._of(one), needs=one.reads)
            for one in OBJECT_TYPES.values()
        ]

    def _of(self, kind: ObjectType) -> Any:
        async def read(request: Request) -> Response:
            given = request.path_params["other"]
            association = next((one for one in kind.associations if one.other == given), None)
            if association is None:
                raise invalid(f"Unable to infer object type from: {given}")
            return self._read(kind, association, inputs_of(await body_of(request), BATCH))

        return read

    def _read(self, kind: ObjectType, association: Association, inputs: list[dict[str, Any]]) -> Response:
        results, errors = [], []
        for one in inputs:
            record_id, first = str(one["id"]), int(one.get("after") or 0)
            record = self._store.find_live(kind.name, record_id)
            ids = linked(record, association) if record else []
            if ids:
                results.append(_result(record_id, association, ids, first))
            else:
                errors.append(_none(kind, association, record_id))
        return JSONResponse(batch(results, errors, self._store.now()), 207 if errors else 200)


def _result(record_id: str, association: Association, ids: list[str], first: int) -> dict[str, Any]:
    page = list(enumerate(ids))[first : first + PAGE]
    to = [
        {
            "toObjectId": int(one),
            "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": number, "label": label}
                for number, _, label in _types(association, place)
            ],
        }
        for place, one in page
    ]
    more = {"paging": {"next": {"after": str(first + PAGE)}}} if len(ids) > first + PAGE else {}
    return {"from": {"id": record_id}, "to": to, **more}


def _types(association: Association, place: int) -> tuple[tuple[int, str, str | None], ...]:
    return association.types if place == 0 else association.types[-1:]


def _none(kind: ObjectType, association: Association, record_id: str) -> dict[str, Any]:
    singular, other = kind.singular.lower(), OBJECT_TYPES[association.other].singular.lower()
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {other} is associated with {singular} {record_id}.",
        "context": {"fromObjectId": [record_id], "fromObjectType": [singular], "toObjectType": [other]},
    }
