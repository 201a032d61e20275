"""Reference: renders docs/ from what the code itself declares (dbt descriptions, settings, reasons); `make docs`.

What a person has to say in own words (commands.md, operations.md) is not here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from connectors.survey_files.profiles import PROFILES
from nps_pipeline import project
from nps_pipeline.project import standard_terms
from nps_pipeline.settings import json_schema
from nps_pipeline.warehouse import CONTRACT_TABLES

DOCS = project.ROOT / "docs"
ENVIRONMENT = {
    "NPS_HOME": ("`./var`", "Directory of all state, on a local disk: landing, working database, publications, runs."),
    "NPS_CONFIG": ("`./nps.yaml`", "Path of the configuration file."),
    "HUBSPOT_ACCESS_TOKEN": ("", "Access token of a HubSpot private app."),
    "HUBSPOT_BASE_URL": ("HubSpot's own", "Address of another server, such as the sandbox."),
    "SALESFORCE_INSTANCE_URL": ("", "Address of the organisation, to log in with a session id."),
    "SALESFORCE_SESSION_ID": ("", "Session id (access token) that is valid already."),
    "SALESFORCE_CONSUMER_KEY": ("", "Consumer key of the connected app, to log in by JWT."),
    "SALESFORCE_PRIVATE_KEY_FILE": ("", "Path of the private key of that app, PEM."),
    "SALESFORCE_CLIENT_ID": ("", "Client id, to log in by client credentials."),
    "SALESFORCE_CLIENT_SECRET": ("", "Client secret that belongs to it."),
    "SALESFORCE_USERNAME": ("", "User name, to log in by JWT or by password."),
    "SALESFORCE_PASSWORD": ("", "Password of that user."),
    "SALESFORCE_SECURITY_TOKEN": ("", "Security token of that user; `none` where the address is trusted."),
    "SALESFORCE_DOMAIN": ("", "`login`, `test`, or the organisation's own domain before `.salesforce.com`."),
    "SALESFORCE_LOGIN_URL": ("Salesforce's own", "Address of another login server, such as the sandbox."),
    "SALESFORCE_CA_BUNDLE": ("the public ones", "File of certificate authorities to trust for Salesforce, PEM."),
    "ZENDESK_SUBDOMAIN": ("", "The account: what stands before `.zendesk.com`."),
    "ZENDESK_EMAIL": ("", "E-mail address of the agent that the API token belongs to."),
    "ZENDESK_TOKEN": ("", "API token."),
    "ZENDESK_OAUTH_TOKEN": ("", "OAuth access token, instead of e-mail and API token."),
    "ZENDESK_BASE_URL": ("Zendesk's own", "Address of another server, such as the sandbox."),
}
_MARTS = project.DBT_PROJECT / "models" / "marts"
_HEADER = "<!-- Written by `make docs`; change what it is made from. -->\n"
_ROOT = ""
_TERMS = ("channel", "touchpoint")
_NULL = {"type": "null"}
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true` or `false`",
    "date": "date",
    "date-time": "date and time",
}


def mart() -> str:
    """Every published table and column, from the descriptions that dbt enforces."""
    models = {name: _model(name) for name in CONTRACT_TABLES}
    parts = [
        "# The mart\n",
        """\
`publish/mart.duckdb` below `NPS_HOME` has these tables, and `publish/current/parquet/` has each as a Parquet file.
Any number of programs may open the file read-only; a new publication never changes one that is open. Names are stable.
Time stamps are UTC; periods are in the reporting time zone.
""",
        _table(("table", "what it holds"), [(f"[{name}](#{name})", _text(model)) for name, model in models.items()]),
    ]
    for name, model in models.items():
        columns = [(f"`{column['name']}`", column["data_type"], _text(column)) for column in model["columns"]]
        parts += [
            f"## {name}\n",
            f"{_text(model)} {_key(model)}".strip() + "\n",
            _table(("column", "type", "meaning"), columns),
        ]
    return _document(parts)


def configuration() -> str:
    """Every key of nps.yaml from the schema that validates it, and the environment variables."""
    root = json_schema()
    headings = {_ROOT: "nps.yaml", **_headings(root)}
    parts = [
        "# Configuration\n",
        """\
One file, `nps.yaml`, says what is pulled and how. A wrong value, a missing key and an unknown one are errors, and
`nps doctor` lists all of them at once. Editors check the file by `docs/nps.schema.json`.
""",
    ]
    for name, heading in headings.items():
        section = root if name == _ROOT else root["$defs"][name]
        parts += [f"## {heading}\n", f"{_text(section)}\n", _keys(section, headings, root["$defs"])]
    parts += [
        "## Survey tools\n",
        "Exports of these tools are recognised without an entry; an entry may name one as its `profile`.\n",
        _table(("profile", "tool"), [(f"`{profile.name}`", profile.title) for profile in PROFILES.values()]),
        "## Standard terms\n",
        "A constant `channel` or `touchpoint` is one of these; in a column of the file any other term is `unknown`.\n",
        _table(("key", "terms"), [(f"`{key}`", ", ".join(sorted(standard_terms(f"{key}s")))) for key in _TERMS]),
        "## Environment variables\n",
        "They may also stand in a file `.env` in the current directory; real variables win.\n",
        _table(
            ("variable", "default", "meaning"),
            [(f"`{name}`", default, meaning) for name, (default, meaning) in ENVIRONMENT.items()],
        ),
    ]
    return _document(parts)


def reasons() -> str:
    """The closed list of reasons, from its seed."""
    intros = {
        "quarantined": "The answer is wanted, but cannot be used as it stands. `nps quarantine` lists the rows.",
        "excluded": "The row is no NPS answer. It is counted in `conservation` and listed in `excluded_responses`.",
    }
    parts = [
        "# Reasons\n",
        """\
Every row that a source serves is kept, a duplicate, superseded, deleted, or set aside for exactly one of these reasons.
""",
    ]
    for kind, intro in intros.items():
        rows = [
            (f"`{name}`", row["description"], row["remedy"])
            for name, row in project.reasons().items()
            if row["class"] == kind
        ]
        parts += [f"## {kind.capitalize()}\n", f"{intro}\n", _table(("reason", "meaning", "what to do"), rows)]
    return _document(parts)


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "mart.md": mart,
    "configuration.md": configuration,
    "reasons.md": reasons,
}


def write(directory: Path) -> None:
    """Write every generated document into ``directory``."""
    for name, render in DOCUMENTS.items():
        (directory / name).write_text(render(), encoding="utf-8")


def _document(parts: Iterable[str]) -> str:
    return _HEADER + "\n".join(parts)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _text(described: Mapping[str, Any]) -> str:
    return " ".join(str(described["description"]).split())


def _model(name: str) -> dict[str, Any]:
    document = yaml.safe_load((_MARTS / f"{name}.yml").read_text(encoding="utf-8"))
    return next(model for model in document["models"] if model["name"] == name)


def _key(model: Mapping[str, Any]) -> str:
    tests = [test["is_key"] for test in model.get("data_tests", ()) if "is_key" in test]
    columns = [f"`{column}`" for test in tests for column in test["arguments"]["columns"]]
    return f"Key: {', '.join(columns)}." if columns else ""


def _headings(root: Mapping[str, Any]) -> dict[str, str]:
    """Each section of the schema -> its heading: the keys that may hold it."""
    paths: dict[str, list[str]] = {}
    for name, path in _sections(root, root):
        paths.setdefault(name, []).append(path)
    return {name: _shared_path(found) for name, found in paths.items()}


def _shared_path(paths: Sequence[str]) -> str:
    """Several key paths as one: ``sync.*.contact, user``."""
    *above, last = zip(*(path.split(".") for path in paths), strict=True)
    return ".".join([*(keys[0] if len(set(keys)) == 1 else "*" for keys in above), ", ".join(dict.fromkeys(last))])


def _sections(root: Mapping[str, Any], section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and key path of every section that may stand below ``section``, in the order of the file."""
    for key, node in section["properties"].items():
        for form in (node, node.get("items", {}), *node.get("anyOf", ())):
            if "$ref" in form:
                yield _name(form), above + key
                yield from _sections(root, root["$defs"][_name(form)], f"{above}{key}.")


def _keys(section: Mapping[str, Any], headings: Mapping[str, str], sections: Mapping[str, Any]) -> str:
    required = section.get("required", ())
    rows = [
        (
            f"`{key}`",
            _value(node, headings),
            "required" if key in required else _default(node),
            _text(node if "description" in node else sections[_name(node)]),
        )
        for key, node in section["properties"].items()
    ]
    return _table(("key", "value", "default", "meaning"), rows)


def _value(node: Mapping[str, Any], headings: Mapping[str, str]) -> str:
    """What may be entered, in words."""
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_value(form, headings) for form in node["anyOf"] if form != _NULL))
    if "$ref" in node:
        return f"[keys](#{_anchor(headings[_name(node)])})"
    if "prefixItems" in node:
        return f"[{', '.join(_value(item, headings) for item in node['prefixItems'])}]"
    if "items" in node:
        return f"list of {_value(node['items'], headings)}"
    if "additionalProperties" in node:
        return f"{{text: {_value(node['additionalProperties'], headings)}}}"
    words = [f"`{_shown(value)}`" for value in node.get("enum", [node["const"]] if "const" in node else [])]
    return " or ".join(words) or _WORDS[node.get("format", node["type"])]


def _default(node: Mapping[str, Any]) -> str:
    return f"`{_shown(node['default'])}`" if node.get("default") not in (None, [], {}) else ""


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _name(reference: Mapping[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[-1]


def _anchor(heading: str) -> str:
    """The address that Markdown viewers give a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    write(DOCS)
