"""The published operations of a CRM, and what of a request they do not allow, in sentences. No server and no log here.

A file of this folder declares ``schemas`` (JSON Schema), ``paths`` (variable of a path -> schema), ``suffixes`` that
every path may end with, and ``operations``: method and path, each with its ``query`` (parameter -> schema, which is
``required`` or not), ``rules`` that hold for all parameters together, ``path`` and ``suffixes`` of its own, and its
body as ``json`` (schema), ``form`` (parameters) or ``xml``. Objects with ``properties`` allow no others unless they say
so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

FOLDER: Final = Path(__file__).parent
VARIABLE: Final = re.compile(r"\{(\w+)\}")
MEDIA_TYPES: Final = {"json": "application/json", "form": "application/x-www-form-urlencoded", "xml": "text/xml"}
UNKNOWN: Final = "The specification has no such operation: method or path are wrong."
MISSING, SUPERFLUOUS = (
    "There is no body, and the operation needs one.",
    "There is a body, and the operation takes none.",
)
NAME: Final = re.compile(r"[\w.\[\]-]{1,80}")  # what may be repeated of a request: it looks like a name
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Request:
    """A request as it arrived: ``path`` and ``query`` as they stand in the request line."""

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    body: bytes = b""


class Schema:
    """A schema that is compiled once; ``place`` is what it describes, such as "body"."""

    def __init__(self, schema: Mapping[str, Any], shared: Mapping[str, Any], place: str) -> None:
        self._validator = Draft202012Validator({**schema, "schemas": shared})
        self._place = place

    def violations(self, value: Any) -> Iterable[str]:
        """What of a value it does not allow."""
        return (f"{self._where(error)} {_said(error)}." for error in self._validator.iter_errors(value))

    def _where(self, error: ValidationError) -> str:
        steps = ("[]" if isinstance(one, int) else f".{_name(one)}" for one in error.absolute_path)
        return self._place + "".join(steps)


class Parameters:
    """What stands in a query, in a form or in a path: texts by name, read as what they are declared to be."""

    def __init__(
        self,
        declared: Mapping[str, Mapping[str, Any]],
        shared: Mapping[str, Any],
        place: str,
        rules: Mapping[str, Any] | None = None,
    ) -> None:
        properties = {name: {key: one[key] for key in one if key != "required"} for name, one in declared.items()}
        required = [name for name, one in declared.items() if one.get("required")]
        whole = {"properties": properties, "required": required}
        self._kinds = {name: _kind(one, shared) for name, one in properties.items()}
        self._place = place
        self._schema = Schema(_closed(whole), shared, place)
        self._rules = Schema(rules or {}, shared, place)

    def violations(self, pairs: Pairs) -> Iterable[str]:
        """What of the given parameters is not allowed."""
        texts: dict[str, list[str]] = {}
        for name, text in pairs:
            texts.setdefault(name, []).append(text)
        for name, given in texts.items():
            if len(given) > 1 and self._kinds.get(name) != "array":
                yield f"{self._place}.{_name(name)} stands there more than once."
        values = {name: _read(self._kinds.get(name, "string"), given) for name, given in texts.items()}
        yield from self._schema.violations(values)
        yield from self._rules.violations(values)


@dataclass(frozen=True)
class Operation:
    """One operation: ``pattern`` is that of its path; ``body`` judges a body of the kind ``content``, if it has one."""

    method: str
    pattern: re.Pattern[str]
    path: Parameters
    query: Parameters
    content: str
    body: Schema | Parameters | None

    def violations(self, request: Request, variables: Mapping[str, str]) -> Iterable[str]:
        """What of a request to this operation is not allowed."""
        yield from self.path.violations([(name, unquote(text)) for name, text in variables.items()])
        yield from self.query.violations(parse_qsl(request.query, keep_blank_values=True))
        yield from self._of_body(request)

    def _of_body(self, request: Request) -> Iterable[str]:
        if bool(self.content) != bool(request.body):
            return [MISSING if self.content else SUPERFLUOUS]
        if not request.body:
            return []
        if request.content_type.partition(";")[0].strip().lower() != MEDIA_TYPES[self.content]:
            return [f"The content type is not {MEDIA_TYPES[self.content]}."]
        if isinstance(self.body, Parameters):
            return self.body.violations(parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True))
        try:
            return self.body.violations(json.loads(request.body)) if self.body else []
        except ValueError:
            return ["The body is no JSON."]


class Specification:
    """All operations of one CRM."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        shared = {name: _closed(one) for name, one in document["schemas"].items()}
        variables, suffixes = document.get("paths", {}), document.get("suffixes", [""])
        # An operation whose path has fewer variables fits more closely: /users/me before /users/{id}.
        self._operations = [
            _operation(name, declared, shared, variables, suffixes)
            for name, declared in sorted(document["operations"].items(), key=lambda one: one[0].count("{"))
        ]

    def violations(self, request: Request) -> list[str]:
        """What of a request the specification does not allow, each thing once; names are told, values are not."""
        for operation in self._operations:
            fit = operation.pattern.fullmatch(request.path) if operation.method == request.method else None
            if fit:
                return list(dict.fromkeys(operation.violations(request, fit.groupdict())))
        return [UNKNOWN]


@cache
def specification(crm: str) -> Specification:
    """The specification of a CRM, read and compiled once."""
    return Specification(yaml.safe_load((FOLDER / f"{crm}.yaml").read_text(encoding="utf-8")))


def _operation(
    name: str,
    declared: Mapping[str, Any],
    shared: Mapping[str, Any],
    variables: Mapping[str, Any],
    suffixes: Sequence[str],
) -> Operation:
    method, path = name.split()
    parts = VARIABLE.split(path)  # text and names of variables in turn
    shape = "".join(f"(?P<{one}>[^/]+?)" if number % 2 else re.escape(one) for number, one in enumerate(parts))
    ends = "|".join(map(re.escape, declared.get("suffixes", suffixes)))
    named = {one: {"minLength": 1, **(variables | declared.get("path", {})).get(one, {})} for one in parts[1::2]}
    content = next((one for one in MEDIA_TYPES if one in declared), "")
    in_form = content == "form"
    query = Parameters(declared.get("query", {}), shared, "query", None if in_form else declared.get("rules"))
    body: Schema | Parameters | None = None
    if in_form:
        body = Parameters(declared["form"], shared, "form", declared.get("rules"))
    elif content == "json":
        body = Schema(_closed(declared["json"]), shared, "body")
    return Operation(method, re.compile(f"{shape}(?:{ends})"), Parameters(named, shared, "path"), query, content, body)


def _closed(schema: Any) -> Any:
    """A schema whose objects allow only the properties that it names, unless it says otherwise."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if "properties" in made:
        made = {"type": "object", "additionalProperties": False} | made
        made["properties"] = {name: _closed(one) for name, one in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _closed(made[key])
    if "anyOf" in made:
        made["anyOf"] = [_closed(one) for one in made["anyOf"]]
    return made


def _kind(schema: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    reference = schema.get("$ref")
    found = shared[reference.rpartition("/")[2]] if reference else schema
    return str(found.get("type", "string"))


def _read(kind: str, texts: Sequence[str]) -> Any:
    """A parameter's value; a text that is none of its kind stays a text, which its schema then refuses."""
    text = texts[-1]
    if kind == "array":
        return [one for given in texts for one in given.split(",")]
    if kind == "integer" and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _said(error: ValidationError) -> str:
    """A broken rule in words, without the value that broke it."""
    rule, wanted, given = str(error.validator), error.validator_value, error.instance
    match rule:
        case "required":
            return f"lacks {_names(one for one in wanted if one not in given)}"
        case "additionalProperties":
            return f"has {_names(given.keys() - error.schema['properties'].keys())}, which is not specified"
        case "type":
            return f"is not of the type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}"
        case "anyOf" | "oneOf":
            return "has none of the forms that are specified"
    return f"breaks the rule {rule} {json.dumps(wanted)}"


def _names(names: Iterable[Any]) -> str:
    return ", ".join(sorted({_name(one) for one in names}))


def _name(given: object) -> str:
    text = str(given)
    return text if NAME.fullmatch(text) else "(something that is no name)"
