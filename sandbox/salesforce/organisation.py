"""The organisation's records as the API sees them: field values, references, records in JSON. No HTTP here."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import Any

from sandbox.salesforce.ids import long_id, salesforce_id
from sandbox.salesforce.schema import SOBJECTS, Field, SObject, find_sobject
from sandbox.store import Record, Store, Tables

FIRST_NEW_NUMBER = 100_000
ADDRESS = ("city", "country", "geocodeAccuracy", "latitude", "longitude", "postalCode", "state", "street")


class Organisation:
    """The store of all objects, read through the schema.

    ``purged`` are the ids of records that not even the recycle bin has; ``hidden`` what the user may not see: objects
    (``Lead``) and fields (``Contact.Email``).
    """

    def __init__(self, tables: Tables) -> None:
        self.store = Store(tables, whole_seconds=True)
        self._numbers = count(FIRST_NEW_NUMBER)
        self.purged = set[str]()
        self.hidden = frozenset[str]()

    def reset(self) -> None:
        """Records and rights as at the start."""
        self.store.reset()
        self.purged.clear()
        self.hidden = frozenset()

    def visible(self, name: str) -> SObject | None:
        """An object by its name in any case, as far as the user may see it."""
        sobject = find_sobject(name)
        if sobject is None or sobject.name in self.hidden:
            return None
        fields = tuple(one for one in sobject.fields if f"{sobject.name}.{one.name}" not in self.hidden)
        return SObject(sobject.name, sobject.prefix, fields, sobject.creatable, sobject.updatable)

    def records(self, sobject: SObject, *, with_deleted: bool) -> list[Record]:
        """The records of an object; those that were purged are gone for every query."""
        found = self.store.everything(sobject.name) if with_deleted else self.store.live(sobject.name)
        return [record for record in found if record.record_id not in self.purged]

    def new_id(self, sobject: str) -> str:
        """An id that no record has."""
        return salesforce_id(SOBJECTS[sobject].prefix, next(self._numbers))

    def value(self, sobject: SObject, record: Record, field: Field) -> Any:
        """One field's value in the form in which it is served; times as text, in UTC."""
        if field.name == "Id":
            return record.record_id
        if field.name == "IsDeleted":
            return record.deleted is not None
        if field.name == "CreatedDate":
            return stamp(record.created)
        if field.name in ("LastModifiedDate", "SystemModstamp"):
            return stamp(record.modified)
        if sobject.name in ("Contact", "Lead") and field.name == "Name":
            return " ".join(filter(None, (record.fields.get("FirstName"), record.fields.get("LastName"))))
        value = _address(record, field) if field.kind == "address" else record.fields.get(field.name)
        return False if value is None and field.kind == "boolean" else value

    def target(self, record: Record, reference: Field) -> tuple[SObject, Record] | None:
        """The record that a reference points at."""
        record_id = record.fields.get(reference.name)
        for name in reference.to:
            found = self.store.find(name, record_id) if record_id and SOBJECTS[name].prefix == record_id[:3] else None
            if found is not None:
                return SOBJECTS[name], found
        return None

    def by_id(self, sobject: SObject, given: str) -> Record | None:
        """A record, deleted or not, by its id in the short or the long form."""
        record_id = long_id(given)
        return self.store.find(sobject.name, record_id) if record_id and record_id not in self.purged else None

    def by_external_id(self, sobject: SObject, field: Field, value: str) -> Record | None:
        """A live record by an external id; case does not matter."""
        wanted = value.casefold()
        live = self.store.live(sobject.name)
        return next((one for one in live if str(one.fields.get(field.name, "")).casefold() == wanted), None)

    def shown(self, sobject: SObject, record: Record, fields: tuple[Field, ...], version: str) -> dict[str, Any]:
        """A record with the given fields, as the API serves it."""
        head = attributes(sobject, record, version)
        return head | {field.name: self.value(sobject, record, field) for field in fields}


def attributes(sobject: SObject, record: Record, version: str) -> dict[str, Any]:
    """What precedes the fields of every record."""
    url = f"/services/data/{version}/sobjects/{sobject.name}/{record.record_id}"
    return {"attributes": {"type": sobject.name, "url": url}}


def _address(record: Record, field: Field) -> dict[str, Any] | None:
    """The parts of an address in one value, which only REST serves; None where all are empty."""
    kind = field.name.removesuffix("Address")
    parts = {part: record.fields.get(kind + part[0].upper() + part[1:]) for part in ADDRESS}
    return parts if any(parts.values()) else None


def stamp(moment: datetime) -> str:
    """A time as Salesforce serves it, in UTC with whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
