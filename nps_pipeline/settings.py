"""Typed settings from nps.yaml and the environment; every problem is reported at once. Nothing here opens state."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from connectors.survey_files.mapping import FileMapping
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home
from nps_pipeline.project import standard_terms

ENVIRONMENT = ("NPS_HOME", "NPS_CONFIG")
SOURCE_ORDER = ("files", "hubspot", "salesforce", "zendesk")
_NAMES_SEEN = "names_seen"


class SettingsError(PipelineError):
    """nps.yaml or the environment is wrong; ``problems`` has one sentence per mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


def _known_timezone(name: str) -> str:
    if name in available_timezones():
        return name
    close = difflib.get_close_matches(name, available_timezones(), n=1)
    hint = f", did you mean {close[0]}?" if close else " such as Europe/Berlin or UTC"
    raise ValueError(f"is no time zone; use an IANA name{hint}")


def _known_cron(expression: str) -> str:
    import dagster as dg  # noqa: PLC0415 - a second of import for one check

    try:
        dg.ScheduleDefinition(job_name="any", cron_schedule=expression)
    except dg.DagsterInvalidDefinitionError:
        raise ValueError("is no cron expression; five fields such as '0 5 * * *' (every day at 5)") from None
    return expression


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Reporting(_Section):
    """How NPS is reported."""

    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="IANA time zone of periods (days, weeks, months) and of time stamps that state no zone."
    )
    min_n: int = Field(30, ge=1, description="Below this number of answers a cell shows no NPS, only its counts.")
    comments: Literal["shown", "hidden"] = Field("shown", description="Whether the report quotes comments.")


class FileEntry(FileMapping):
    """One kind of survey file: which files it is, and where each field stands in them."""

    @field_validator("name")
    @classmethod
    def _stands_once(cls, name: str, info: ValidationInfo) -> str:
        """Refuse a name that an entry before has, also where another key of either is wrong."""
        seen: set[str] = (info.context or {}).get(_NAMES_SEEN, set())
        if name in seen:
            raise ValueError(f"the name {name} stands twice; each entry needs its own")
        seen.add(name)
        return name

    @field_validator("channel", "touchpoint")
    @classmethod
    def _is_standard_term(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a constant that the seed of standard terms does not know; spelled as the dbt macro ``term`` does."""
        if not isinstance(value, str):
            return value
        known = standard_terms(f"{info.field_name}s")
        spelling = value.strip(" ").lower().replace(" ", "_").replace("-", "_")
        if spelling in known:
            return value
        close = difflib.get_close_matches(spelling, sorted(known), n=3)
        hint = f"; did you mean {' or '.join(close)}? Else" if close else ";"
        raise ValueError(
            f"'{value}' is no standard {info.field_name}{hint} add a line for it to dbt_project/seeds/"
            f"{info.field_name}s.csv"
        )


class Sources(_Section):
    """What is pulled."""

    files: list[FileEntry] = Field(
        default_factory=list,
        description="How survey files in the inbox are read; the first entry whose `match` fits a file name is used. "
        "Files of a known survey tool need no entry.",
    )


class Deduplication(_Section):
    """Which copy of an answer wins when several sources carry it."""

    order: list[str] = Field(
        default_factory=lambda: list(SOURCE_ORDER),
        description="Sources (`files`) or streams (`files.qualtrics`), the preferred first; others come last. "
        f"Unless set: {', '.join(SOURCE_ORDER)}.",
    )


class Publishing(_Section):
    """How publications are kept."""

    keep: int = Field(10, ge=1, description="How many publications stay on disk, the current one included.")


class Schedule(_Section):
    """When Dagster starts the run by itself (the schedule is switched on in the UI)."""

    cron: Annotated[str, AfterValidator(_known_cron)] = Field(
        "0 5 * * *", description="Cron expression, in the reporting time zone."
    )


class Configuration(_Section):
    """The whole of nps.yaml."""

    version: Literal[1] = Field(description="Format of this file: 1.")
    reporting: Reporting = Field(default_factory=Reporting)
    sources: Sources = Field(default_factory=Sources)
    deduplication: Deduplication = Field(default_factory=Deduplication)
    publish: Publishing = Field(default_factory=Publishing)
    schedule: Schedule = Field(default_factory=Schedule)


@dataclass(frozen=True)
class Settings:
    """What a run works with: the configuration, where state lives, and which file said so."""

    configuration: Configuration
    home: Home
    config_path: Path

    def content_hash(self) -> str:
        """Hash of all that can change the content of a publication, hexadecimal."""
        relevant = self.configuration.model_dump(mode="json", include={"reporting", "sources", "deduplication"})
        return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read nps.yaml and the environment (also ``.env`` in the current directory; real variables win).

    Raises:
        SettingsError: With every problem of both, each naming the key's path and a remedy.
    """
    variables, problems = _dotenv()
    variables |= os.environ if environment is None else environment
    config_path = Path(variables.get("NPS_CONFIG") or "nps.yaml").expanduser().absolute()
    home = Home(Path(variables.get("NPS_HOME") or "var").expanduser().absolute())
    problems += _misspelt(variables)
    configuration, mistakes = _read_configuration(config_path)
    if problems or mistakes or configuration is None:
        raise SettingsError([*mistakes, *problems])
    return Settings(configuration, home, config_path)


def json_schema() -> dict[str, Any]:
    """The JSON schema of nps.yaml, for editors; generated from the model that validates it."""
    schema = Configuration.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nps.yaml"}


def _dotenv() -> tuple[dict[str, str], list[str]]:
    try:
        return {key: value for key, value in dotenv_values(".env").items() if value is not None}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f".env: cannot be read as UTF-8 text ({type(error).__name__}); check its permissions and encoding."]


def _misspelt(variables: Mapping[str, str]) -> list[str]:
    unknown = [name for name in variables if name.startswith("NPS_") and name not in ENVIRONMENT]
    matches = {name: difflib.get_close_matches(name, ENVIRONMENT, n=1, cutoff=0.8) for name in unknown}
    return [f"environment: {name} is not read; did you mean {close[0]}?" for name, close in matches.items() if close]


class _Loader(yaml.SafeLoader):
    """YAML whose mistakes all have a line: also a key that stands twice, and a date that does not exist."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except ValueError as error:
            problem = f"{node.value} is no date or number ({error})"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def _read_configuration(path: Path) -> tuple[Configuration | None, list[str]]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None, [f"{path} is no file; create it (the smallest is `version: 1`) or set NPS_CONFIG to its path."]
    except (OSError, UnicodeDecodeError) as error:
        return None, [
            f"{path} cannot be read as UTF-8 text ({type(error).__name__}); check its permissions and encoding."
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return None, [f"{path}{where}: not valid YAML: {error.problem}. Mend that line."]
    except yaml.YAMLError:
        return None, [f"{path}: not valid YAML: it holds a control character. Save it as plain text."]
    try:
        entered = {} if document is None else document
        return Configuration.model_validate(entered, context={_NAMES_SEEN: set()}), []
    except ValidationError as error:
        return None, [f"{path.name}: {sentence}" for sentence in _sentences(error, document)]


# How pydantic's kinds of error read; the rest keeps pydantic's own text.
_WORDING = {
    "missing": "is missing; add it",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "string_type": "must be text; put it in quotes",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must have the form {pattern}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "list_type": "must be a list such as [a, b]",
    "tuple_type": "must be a list such as [a, b]",
    "too_short": "must have at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "dict_type": "must hold keys and values; add some or remove it",
    "model_type": "must hold keys and values; add some or remove it",
    "invalid_key": "a key here is no text; put it in quotes",
}


def _sentences(error: ValidationError, document: Any) -> Iterator[str]:
    schema = Configuration.model_json_schema()
    for problem in error.errors():
        place = _locate(schema, document, problem["loc"])
        if place is None:
            continue
        keys, known = place
        if problem["type"] == "extra_forbidden":
            text = f"unknown key; {_suggestion(str(keys[-1]), known)}"
        else:
            wording = _WORDING.get(problem["type"])
            text = wording.format(**problem.get("ctx", {})) if wording else problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "invalid_key":
            keys = keys[:-1]
        path = _key_path(keys)
        text = text[0].lower() + text[1:] + ("" if text.endswith((".", "?")) else ".")
        yield f"{path}: {text}" if path else text


def _key_path(keys: Sequence[str | int]) -> str:
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def _suggestion(key: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here: {', '.join(sorted(known))}"


def _locate(
    schema: dict[str, Any], document: Any, location: Sequence[str | int]
) -> tuple[list[str | int], list[str]] | None:
    """The keys in pydantic's location and the keys known beside the last one; None in a form that is not meant.

    Where a value may have several forms (a column, or a section), pydantic tries each and names it in the location.
    """
    keys: list[str | int] = []
    known: list[str] = []
    node, value = schema, document
    for part in location:
        node = _resolve(schema, node)
        forms = [form for form in node.get("anyOf", []) if form.get("type") != "null"]
        if len(forms) > 1:
            sections = {form["$ref"].rsplit("/", 1)[-1]: form for form in forms if "$ref" in form}
            meant = _meant_section(schema, sections, value)
            if meant != (part if part in sections else None):
                return None
            node = sections.get(str(part), {})
            continue
        known = list(node.get("properties", {}))
        keys.append(part)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
        value = _item(value, part)
    return keys, known


def _meant_section(schema: dict[str, Any], sections: Mapping[str, dict[str, Any]], value: Any) -> str | None:
    """Of several forms of a section the one that shares most keys with what was written; None for a plain value."""
    if not isinstance(value, dict):
        return None

    def shared(name: str) -> int:
        known = list(_resolve(schema, sections[name]).get("properties", {}))
        return sum(bool(difflib.get_close_matches(str(key), known, n=1)) for key in value)

    return max(sections, key=shared, default=None)


def _item(value: Any, part: str | int) -> Any:
    try:
        return value[part]
    except (KeyError, IndexError, TypeError):
        return None


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        resolved: dict[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return resolved
    return node
