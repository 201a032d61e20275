"""Collections of records, written: each row has its own result, in the order of the request, with status 200."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from typing import Any

from sandbox.salesforce.answers import refusal
from sandbox.salesforce.ids import long_id
from sandbox.salesforce.organisation import Organisation, stamp
from sandbox.salesforce.schema import SECTIONS, SOBJECTS, Field, SObject
from sandbox.store import Record
from sandbox.web import Refusal

MOST_RECORDS, MOST_CHUNKS = 200, 10
ROLLED_BACK = (
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
Error = dict[str, Any]


class RowRefused(Exception):  # noqa: N818  (a row's result, not a fault of ours)
    """What is wrong with one row."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        super().__init__(code)
        self.error: Error = {"statusCode": code, "message": message, "fields": list(fields)}


Write = Callable[[], dict[str, Any]]


def update(organisation: Organisation, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Update records by id; the rows may be of several objects.

    Args:
        organisation: The records.
        body: The request: ``allOrNone`` and ``records``.

    Returns:
        A result per row.

    Raises:
        Refusal: 400 where the request as a whole is ill-formed.
    """
    rows = _rows(body)
    chunks = [name for name, _ in groupby(_type_name(row) for row in rows)]
    if len(chunks) > MOST_CHUNKS:
        message = f"The request has {len(chunks)} chunks of one type; a call can process up to {MOST_CHUNKS}"
        raise refusal(400, "TOO_MANY_CHUNKS", message)
    writes = [_prepared(partial(_update_row, organisation, row)) for row in rows]
    return _carried_out(writes, all_or_none=bool(body.get("allOrNone")))


def upsert(organisation: Organisation, sobject: SObject, key: Field, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Update or create records of one object by an external id, or update them by Id.

    Args:
        organisation: The records.
        sobject: The object of all rows.
        key: The field that names the record.
        body: The request: ``allOrNone`` and ``records``.

    Returns:
        A result per row, with ``created``.

    Raises:
        Refusal: 400 where the request as a whole is ill-formed.
    """
    rows = _rows(body)
    strange = next((row for row in rows if _type_name(row) != sobject.name), None)
    if strange is not None:
        message = f"All records must be of type {sobject.name}; one is of type {_type_name(strange)}"
        raise refusal(400, "INVALID_TYPE", message)
    writes = [_prepared(partial(_upsert_row, organisation, sobject, key, row)) for row in rows]
    return _carried_out(writes, all_or_none=bool(body.get("allOrNone")))


def _rows(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = body.get("records")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise refusal(400, "JSON_PARSER_ERROR", "The records property must be a list of objects")
    if len(rows) > MOST_RECORDS:
        message = f"record limit reached. cannot submit more than {MOST_RECORDS} records into this call"
        raise refusal(400, "EXCEEDED_ID_LIMIT", message)
    for row in rows:
        _type_name(row)
    return rows


def _type_name(row: Mapping[str, Any]) -> str:
    name = (row.get("attributes") or {}).get("type")
    if name not in SOBJECTS:
        raise refusal(400, "INVALID_TYPE", f"sObject type '{name}' is not supported.")
    return str(name)


def _prepared(prepare: Callable[[], Write]) -> Write | Error:
    try:
        return prepare()
    except RowRefused as refused:
        return refused.error


def _carried_out(writes: list[Write | Error], *, all_or_none: bool) -> list[dict[str, Any]]:
    if all_or_none and any(isinstance(one, dict) for one in writes):
        code, message = ROLLED_BACK
        rolled_back: Error = {"statusCode": code, "message": message, "fields": []}
        return [_failed(one if isinstance(one, dict) else rolled_back) for one in writes]
    return [_failed(one) if isinstance(one, dict) else one() for one in writes]


def _failed(error: Error) -> dict[str, Any]:
    return {"success": False, "errors": [error]}


def _update_row(organisation: Organisation, row: dict[str, Any]) -> Write:
    sobject = SOBJECTS[_type_name(row)]
    given = next((value for name, value in row.items() if name.lower() == "id"), None)
    if not given:
        raise RowRefused("MISSING_ARGUMENT", "Id not specified in an update call")
    record = _live(organisation, sobject, str(given))
    changes = _changes(sobject, row, without="id")
    return _writing(organisation, record, changes, {})


def _upsert_row(organisation: Organisation, sobject: SObject, key: Field, row: dict[str, Any]) -> Write:
    given = next((value for name, value in row.items() if name.lower() == key.name.lower()), None)
    if given in (None, ""):
        raise RowRefused("MISSING_ARGUMENT", f"{key.name} not specified", key.name)
    changes = _changes(sobject, row, without=key.name.lower())
    if key.name == "Id":
        return _writing(organisation, _live(organisation, sobject, str(given)), changes, {"created": False})
    record = organisation.by_external_id(sobject, key, str(given))
    if record is not None:
        return _writing(organisation, record, changes, {"created": False})
    if not sobject.creatable:
        raise RowRefused("INVALID_TYPE_FOR_OPERATION", f"entity type {sobject.name} does not support create")
    absent = [field.name for field in sobject.fields if field.required and not changes.get(field.name)]
    if absent:
        raise RowRefused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(absent)}]", *absent)

    def create() -> dict[str, Any]:
        fields = {"Name": "", key.name: given} | changes
        made = organisation.store.add(sobject.name, organisation.new_id(sobject.name), fields)
        return {"id": made.record_id, "success": True, "errors": [], "created": True}

    return create


def _writing(organisation: Organisation, record: Record, changes: dict[str, Any], further: dict[str, Any]) -> Write:
    def write() -> dict[str, Any]:
        organisation.store.write(record, changes)
        return {"id": record.record_id, "success": True, "errors": []} | further

    return write


def _live(organisation: Organisation, sobject: SObject, given: str) -> Record:
    if not sobject.updatable:
        raise RowRefused("INVALID_TYPE_FOR_OPERATION", f"entity type {sobject.name} does not support update")
    record_id = long_id(given)
    if record_id is None or not record_id.startswith(sobject.prefix):
        raise RowRefused("MALFORMED_ID", f"{sobject.name} ID: id value of incorrect type: {given}", "Id")
    record = organisation.store.find(sobject.name, record_id)
    if record is None:
        raise RowRefused("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if record.deleted is not None:
        raise RowRefused("ENTITY_IS_DELETED", "entity is deleted")
    return record


def _changes(sobject: SObject, row: Mapping[str, Any], *, without: str) -> dict[str, Any]:
    changes = {}
    for name, value in row.items():
        if name.lower() in ("attributes", without):
            continue
        field = sobject.find_field(name)
        if field is None:
            raise RowRefused("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
        if not field.writable:
            message = (
                f"Unable to create/update fields: {field.name}. Please check the security settings of this field and "
                "verify that it is read/write for your profile or permission set."
            )
            raise RowRefused("INVALID_FIELD_FOR_INSERT_UPDATE", message, field.name)
        changes[field.name] = _converted(field, value)
    return changes


def _converted(field: Field, value: Any) -> Any:
    """A value as it is stored. One that does not parse fails the whole request, as it does there."""
    if value in (None, ""):
        if field.required:
            raise RowRefused("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{field.name}]", field.name)
        return None
    if field.kind == "double":
        return _number(value)
    if field.kind == "datetime":
        return _moment(value)
    text = str(value)
    if len(text) > SECTIONS.get(field.kind, len(text)):
        message = f"{field.name}: data value too large: {text[:20]}... (max length={SECTIONS[field.kind]})"
        raise RowRefused("STRING_TOO_LONG", message, field.name)
    if field.options and text not in field.options:
        message = f"{field.name}: bad value for restricted picklist field: {text}"
        raise RowRefused("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, field.name)
    return text


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _unparsable("double", value) from None


def _moment(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise _unparsable("datetime", value) from None
    if moment.tzinfo is None:
        raise _unparsable("datetime", value)
    return stamp(moment.astimezone(UTC))


def _unparsable(kind: str, value: Any) -> Refusal:
    cause = f"Cannot deserialize instance of {kind} from VALUE_STRING value {value}"
    return refusal(400, "JSON_PARSER_ERROR", f"{cause} or request may be missing a required field")
