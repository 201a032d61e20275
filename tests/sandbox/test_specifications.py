"""The published operations: whole and readable, known to whatever the sandboxes serve, and strict with requests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
import requests
import yaml
from jsonschema import Draft202012Validator

from sandbox.admin import PREFIX
from sandbox.faults import Fault
from sandbox.hubspot.service import ACCESS_TOKEN, HubSpot
from sandbox.salesforce.service import Salesforce
from sandbox.serve import Sandbox
from sandbox.specifications.operations import FOLDER, UNKNOWN, Request, specification
from sandbox.web import Service
from sandbox.zendesk.service import Zendesk
from tests.noted import Noted

CRMS = ("hubspot", "salesforce", "zendesk")
TABLES = ("users", "organizations", "tickets", "satisfaction_ratings")
# Something for every variable in the paths that the sandboxes serve.
SAMPLES = {"version": "v59.0", "job_id": "750000000000001AAA", "other": "contacts", "object_type": "contacts"}
SOAP = {"version": "59.0"}
NUMBER = {"record_id": "7", "field_id": "7"}


def document(crm: str) -> Any:
    return yaml.safe_load((FOLDER / f"{crm}.yaml").read_text(encoding="utf-8"))


def schemas_in(declared: Any) -> list[Any]:
    """Every schema of an operation, with its place for references."""
    parts = [
        *declared.get("query", {}).values(),
        *declared.get("path", {}).values(),
        *declared.get("form", {}).values(),
    ]
    return [*parts, declared.get("rules", {}), declared.get("json", {})]


@pytest.mark.parametrize("crm", CRMS)
def test_every_schema_is_one_and_every_reference_leads_somewhere(crm: str) -> None:
    read = document(crm)
    for declared in read["operations"].values():
        for schema in schemas_in(declared):
            Draft202012Validator.check_schema(
                {name: one for name, one in schema.items() if name != "required" or one is not True}
            )
    text = (FOLDER / f"{crm}.yaml").read_text(encoding="utf-8")
    referred = set(re.findall(r'"#/schemas/(\w+)"', text))
    assert referred == set(read["schemas"])


def served() -> list[tuple[str, str, str]]:
    services: list[Service] = [HubSpot({}), Salesforce({}, ""), Zendesk({name: [] for name in TABLES})]
    return [
        (service.name, endpoint.method, endpoint.path)
        for service in services
        for endpoint in service.endpoints
        if not endpoint.path.startswith(PREFIX)
    ]


@pytest.mark.parametrize(("crm", "method", "path"), served())
def test_nothing_is_served_that_no_specification_has(crm: str, method: str, path: str) -> None:
    values = SAMPLES | NUMBER | (SOAP if "Soap" in path else {})
    asked = re.sub(r"\{(\w+)(?::\w+)?\}", lambda one: values.get(one[1], "Name"), path)
    assert UNKNOWN not in specification(crm).violations(Request(method, asked))


SEARCH = {
    "filterGroups": [{"filters": [{"propertyName": "email", "operator": "EQ", "value": "a"}]}],
    "sorts": [{"propertyName": "email", "direction": "ASCENDING"}],
    "properties": ["email"],
    "limit": 200,
    "after": "0",
}
UPDATE = {"id": "7", "properties": {"nps_score": "9"}, "objectWriteTraceId": "0"}
USER = {"id": 7, "user_fields": {"nps_score": 9, "nps_category": None}}
ROW = {"attributes": {"type": "Contact"}, "Id": "003000000000001AAA", "NPS_Score__c": 9}
QUERY_JOB = {"operation": "queryAll", "query": "SELECT Id FROM Contact", "columnDelimiter": "COMMA", "lineEnding": "LF"}
DATA = "/services/data/v59.0"
JSON = "application/json"


def asked(method: str, target: str, body: object = None, content: str = JSON) -> Request:
    path, _, query = target.partition("?")
    return Request(method, path, query, content, b"" if body is None else json.dumps(body).encode())


@pytest.mark.parametrize(
    ("crm", "request_"),
    [
        ("hubspot", asked("GET", "/crm/v3/objects/contacts?limit=100&archived=false&properties=a&properties=b,c")),
        ("hubspot", asked("POST", "/crm/v3/objects/contacts/search", SEARCH)),
        ("hubspot", asked("POST", "/crm/v3/objects/contacts/search", SEARCH | {"sorts": ["email"]})),
        ("hubspot", asked("POST", "/crm/v3/objects/contacts/batch/update", {"inputs": [UPDATE] * 100})),
        ("hubspot", asked("POST", "/crm/v3/objects/feedback_submissions/search", SEARCH, f"{JSON}; charset=utf-8")),
        ("salesforce", asked("GET", f"{DATA}/query/?q=SELECT+Id+FROM+Contact")),
        ("salesforce", asked("GET", f"{DATA}/query/0r8sandbox00001-2000")),
        ("salesforce", asked("PATCH", f"{DATA}/composite/sobjects", {"allOrNone": False, "records": [ROW] * 200})),
        ("salesforce", asked("POST", f"{DATA}/jobs/query", QUERY_JOB)),
        (
            "salesforce",
            asked("GET", f"{DATA}/sobjects/Lead/deleted/?start=2026-01-01T00:00:00%2B00:00&end=2026-01-02T00:00:00Z"),
        ),
        ("zendesk", asked("GET", "/api/v2/users/me.json")),
        ("zendesk", asked("GET", "/api/v2/users/7")),
        ("zendesk", asked("GET", "/api/v2/incremental/users/cursor.json?cursor=abc&per_page=1000")),
        ("zendesk", asked("GET", "/api/v2/guide/survey_responses?page%5Bsize%5D=100")),
        ("zendesk", asked("PUT", "/api/v2/users/update_many.json", {"users": [USER] * 100})),
    ],
)
def test_what_the_vendors_allow_is_allowed(crm: str, request_: Request) -> None:
    assert specification(crm).violations(request_) == []


@pytest.mark.parametrize(
    ("crm", "request_", "says"),
    [
        ("hubspot", asked("GET", "/crm/v3/objects/contacts?limit=101"), "query.limit breaks the rule maximum 100."),
        ("hubspot", asked("GET", "/crm/v3/objects/contacts?limit=many"), "query.limit is not of the type integer."),
        (
            "hubspot",
            asked("GET", "/crm/v3/objects/deals?archived=True"),
            "query.archived is not of the type boolean.",
        ),
        (
            "hubspot",
            asked("GET", "/crm/v3/objects/contacts?limit=1&limit=2"),
            "query.limit stands there more than once.",
        ),
        ("hubspot", asked("GET", "/crm/v3/objects/contacts?fields=a"), "query has fields, which is not specified."),
        ("hubspot", asked("GET", "/crm/v3/objects/contacts", {}), "There is a body, and the operation takes none."),
        ("hubspot", asked("POST", "/crm/v3/objects/contacts/search"), "There is no body, and the operation needs one."),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/contacts/search", SEARCH, "text/plain"),
            "The content type is not application/json.",
        ),
        (
            "hubspot",
            Request("POST", "/crm/v3/objects/contacts/search", "", JSON, b"{"),
            "The body is no JSON.",
        ),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/contacts/search", {}),
            "body lacks after, filterGroups, limit, properties, sorts.",
        ),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/contacts/search", SEARCH | {"filterGroups": [{"filters": [], "x": 1}]}),
            "body.filterGroups[] has x, which is not specified.",
        ),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/contacts/batch/update", {"inputs": [UPDATE | {"properties": {"a": 9}}]}),
            "body.inputs[].properties.a is not of the type string.",
        ),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/contacts/batch/update", {"inputs": [UPDATE] * 101}),
            "body.inputs breaks the rule maxItems 100.",
        ),
        (
            "hubspot",
            asked("POST", "/crm/v3/objects/feedback_submissions/batch/update", {"inputs": [UPDATE]}),
            'path.objectType breaks the rule not {"enum": ["feedback_submissions"]}.',
        ),
        ("salesforce", asked("GET", f"{DATA}/query/?"), "query lacks q."),
        (
            "salesforce",
            asked("GET", f"{DATA}/sobjects/Lead/deleted/?start=yesterday&end=2026-01-02T00:00:00Z"),
            "query.start breaks the rule pattern",
        ),
        ("salesforce", asked("GET", "/services/data/59/query/?q=a"), "path.version breaks the rule pattern"),
        (
            "salesforce",
            asked("PATCH", f"{DATA}/composite/sobjects", {"records": [{"Id": "1"}]}),
            "body.records[] lacks attributes.",
        ),
        (
            "salesforce",
            asked("POST", f"{DATA}/jobs/query", QUERY_JOB | {"operation": "insert"}),
            'body.operation breaks the rule enum ["query", "queryAll"].',
        ),
        (
            "salesforce",
            Request("POST", "/services/oauth2/token", "", "application/x-www-form-urlencoded", b"grant_type=password"),
            "form has none of the forms that are specified.",
        ),
        ("zendesk", asked("GET", "/api/v2/users/seven.json"), "path.id is not of the type integer."),
        (
            "zendesk",
            asked("GET", "/api/v2/incremental/users/cursor.json"),
            "query has none of the forms that are specified.",
        ),
        (
            "zendesk",
            asked("GET", f"/api/v2/users/show_many.json?ids={','.join(['7'] * 101)}"),
            "query.ids breaks the rule maxItems 100.",
        ),
        (
            "zendesk",
            asked("PUT", "/api/v2/users/update_many.json", {"users": [USER | {"nps_score": 9}]}),
            "body.users[] has nps_score, which is not specified.",
        ),
        ("zendesk", asked("DELETE", "/api/v2/users/7.json"), UNKNOWN),
        ("zendesk", asked("GET", "/api/v2/nowhere.json"), UNKNOWN),
    ],
)
def test_what_they_do_not_allow_is_said(crm: str, request_: Request, says: str) -> None:
    (found,) = specification(crm).violations(request_)
    assert found.startswith(says)


def test_no_value_of_a_request_is_repeated() -> None:
    private = "ann@crm.example"
    body = SEARCH | {
        "limit": private,
        private: 1,
        "filterGroups": [{"filters": [{"propertyName": private, "value": [private]}]}],
    }
    target = f"/crm/v3/objects/contacts/search?{private}={private}"
    found = specification("hubspot").violations(asked("POST", target, body))
    assert len(found) == 5
    assert private not in " ".join(found)


def post(sandbox: Sandbox, path: str, body: Mapping[str, Any]) -> requests.Response:
    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
    return requests.post(f"{sandbox.urls['hubspot']}{path}", json=body, headers=headers, timeout=5)


def test_a_server_notes_what_a_request_breaks_and_answers_all_the_same(sandbox: Sandbox, noted: Noted) -> None:
    control, path = sandbox.control["hubspot"], "/crm/v3/objects/contacts/search"
    answers = [post(sandbox, path, body) for body in (SEARCH, {"limit": 1})]
    assert [one.status_code for one in answers] == [200, 200]
    broken = "body lacks after, filterGroups, properties, sorts."
    assert [one["violations"] for one in control.requests()] == [[], [broken]]
    assert control.violations() == [f"POST {path}: {broken}"]
    assert noted.sentences == [f"A POST request to hubspot breaks its specification: {broken}"]


def test_requests_that_a_fault_strikes_are_judged_too(sandbox: Sandbox) -> None:
    control = sandbox.control["hubspot"]
    control.faults([Fault("too_many"), Fault("cut", nth=2)])
    path = "/crm/v3/objects/contacts/search"
    assert post(sandbox, path, {}).status_code == 429
    with pytest.raises(requests.ConnectionError):
        post(sandbox, path, {})
    assert [len(one["violations"]) for one in control.requests()] == [1, 1]
