"""HubSpot's property endpoints: definitions and groups are read and created."""

from __future__ import annotations

import copy
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.hubspot.answers import batch, invalid, refusal
from sandbox.hubspot.bodies import body_of
from sandbox.hubspot.definitions import GROUPS, OBJECT_TYPES, PROPERTY_TYPES, definition, initial_properties
from sandbox.store import utc_now
from sandbox.web import Endpoint

REQUIRED = ("name", "label", "type", "fieldType", "groupName")
READ = ("crm.objects.contacts.read", "crm.schemas.contacts.read")
WRITE = ("crm.schemas.contacts.write",)
PATH = "/crm/v3/properties/{object_type}"


class Properties:
    """The endpoints under /crm/v3/properties."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, dict[str, Any]]] = {}
        self._groups: dict[str, dict[str, str]] = {}
        self.reset()
        self.endpoints = [
            Endpoint("GET", PATH, self._list, needs=READ),
            Endpoint("POST", PATH, self._create, writes=True, needs=WRITE),
            Endpoint("POST", f"{PATH}/batch/create", self._create_many, writes=True, needs=WRITE),
            Endpoint("GET", f"{PATH}/groups", self._list_groups, needs=READ),
            Endpoint("POST", f"{PATH}/groups", self._create_group, writes=True, needs=WRITE),
            Endpoint("GET", PATH + "/groups/{name}", self._read_group, needs=READ),
            Endpoint("GET", PATH + "/{name}", self._read, needs=READ),
        ]

    def reset(self) -> None:
        """Forget what was created."""
        self.definitions.update(initial_properties())
        self._groups = copy.deepcopy(GROUPS)

    async def _list(self, request: Request) -> Response:
        return JSONResponse({"results": list(self._of_type(request).values())})

    async def _read(self, request: Request) -> Response:
        found = self._of_type(request).get(request.path_params["name"])
        if found is None:
            raise refusal(404, "Property does not exist.", "OBJECT_NOT_FOUND")
        return JSONResponse(found)

    async def _create(self, request: Request) -> Response:
        created = self._created(request, await body_of(request))
        self._of_type(request)[created["name"]] = created
        return JSONResponse(created, 201)

    async def _create_many(self, request: Request) -> Response:
        inputs = (await body_of(request)).get("inputs")
        if not isinstance(inputs, list):
            raise invalid("Invalid input JSON: inputs must be a list.")
        created = [self._created(request, one) for one in inputs]
        self._of_type(request).update({one["name"]: one for one in created})
        return JSONResponse(batch(created, [], utc_now()), 201)

    async def _list_groups(self, request: Request) -> Response:
        groups = self._groups[self._type_name(request)]
        return JSONResponse({"results": [_group(name, label) for name, label in groups.items()]})

    async def _read_group(self, request: Request) -> Response:
        groups, name = self._groups[self._type_name(request)], request.path_params["name"]
        if name not in groups:
            raise refusal(404, "Property group does not exist.", "OBJECT_NOT_FOUND")
        return JSONResponse(_group(name, groups[name]))

    async def _create_group(self, request: Request) -> Response:
        body = await body_of(request)
        groups, name, label = self._groups[self._type_name(request)], body.get("name"), body.get("label")
        if not name or not label:
            raise invalid("Invalid input JSON: a group needs name and label.")
        if name in groups:
            raise refusal(409, f"A property group named '{name}' already exists.", "CONFLICT")
        groups[name] = label
        return JSONResponse(_group(name, label), 201)

    def _created(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        absent = [name for name in REQUIRED if not body.get(name)]
        if absent:
            raise invalid(f"Invalid input JSON: some required fields were not set: {absent}")
        if body["type"] not in PROPERTY_TYPES:
            raise invalid(f"Invalid input JSON: {body['type']} is no property type.")
        if body["groupName"] not in self._groups[self._type_name(request)]:
            raise invalid(f"Property group {body['groupName']} does not exist.")
        if body["name"] in self._of_type(request):
            raise refusal(409, f"A property named '{body['name']}' already exists.", "CONFLICT")
        made = definition(body["name"], body["label"], body["type"], group=body["groupName"])
        known = {name: value for name, value in body.items() if name in made}
        return made | known | {"hubspotDefined": False}

    def _of_type(self, request: Request) -> dict[str, dict[str, Any]]:
        return self.definitions[self._type_name(request)]

    @staticmethod
    def _type_name(request: Request) -> str:
        given: str = request.path_params["object_type"]
        for kind in OBJECT_TYPES.values():
            if given.lower() in (kind.name, kind.singular.lower(), kind.type_id):
                return kind.name
        raise invalid(f"Unable to infer object type from: {given}")


def _group(name: str, label: str) -> dict[str, Any]:
    return {"name": name, "label": label, "displayOrder": -1, "archived": False}
