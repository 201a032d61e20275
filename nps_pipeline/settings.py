"""Typed settings from nps.yaml and the environment; every problem is reported at once. Nothing here opens state."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from dotenv import dotenv_values
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from connectors.survey_files.mapping import FileMapping
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home

ENVIRONMENT = ("NPS_HOME", "NPS_CONFIG")
SOURCE_ORDER = ("files", "hubspot", "salesforce", "zendesk")


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
    from dagster._utils.schedules import is_valid_cron_string  # noqa: PLC0415 - a second of import for one check

    if not is_valid_cron_string(expression):
        raise ValueError("is no cron expression; five fields such as '0 5 * * *' (every day at 5)")
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


class Sources(_Section):
    """What is pulled."""

    files: list[FileMapping] = Field(
        default_factory=list,
        description="How survey files in the inbox are read; the first entry whose `match` fits a file name is used. "
        "Files of a known survey tool need no entry.",
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Sources:
        names = [mapping.name for mapping in self.files]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"files: the name {', '.join(twice)} stands twice; each mapping needs its own")
        return self


class Deduplication(_Section):
    """Which copy of an answer wins when several sources carry it."""

    order: list[str] = Field(
        default_factory=lambda: list(SOURCE_ORDER),
        description="Sources (`files`) or streams (`files.qualtrics`), the preferred first; others come last.",
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
    variables = {**_dotenv(), **(os.environ if environment is None else environment)}
    config_path = Path(variables.get("NPS_CONFIG") or "nps.yaml").absolute()
    home = Home(Path(variables.get("NPS_HOME") or "var").absolute())
    configuration, problems = _read_configuration(config_path)
    problems += _misspelt(variables)
    if problems or configuration is None:
        raise SettingsError(problems)
    return Settings(configuration, home, config_path)


def json_schema() -> dict[str, Any]:
    """The JSON schema of nps.yaml, for editors; generated from the model that validates it."""
    schema = Configuration.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nps.yaml"}


def _dotenv() -> dict[str, str]:
    return {key: value for key, value in dotenv_values(".env").items() if value is not None}


def _misspelt(variables: Mapping[str, str]) -> list[str]:
    unknown = [name for name in variables if name.startswith("NPS_") and name not in ENVIRONMENT]
    matches = {name: difflib.get_close_matches(name, ENVIRONMENT, n=1, cutoff=0.8) for name in unknown}
    return [f"environment: {name} is not read; did you mean {close[0]}?" for name, close in matches.items() if close]


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not a silent loss of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _read_configuration(path: Path) -> tuple[Configuration | None, list[str]]:
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except FileNotFoundError:
        return None, [f"{path} is not there; create it (the smallest is `version: 1`) or set NPS_CONFIG to its path."]
    except (OSError, UnicodeDecodeError) as error:
        return None, [
            f"{path} cannot be read as UTF-8 text ({type(error).__name__}); check its permissions and encoding."
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        return None, [f"{path}{where}: not valid YAML: {error.problem}. Mend that line."]
    try:
        return Configuration.model_validate(document if document is not None else {}), []
    except ValidationError as error:
        return None, [f"{path.name}: {_sentence(dict(problem), document)}" for problem in error.errors()]


def _sentence(problem: dict[str, Any], document: Any) -> str:
    path = _key_path(problem["loc"])
    kind, context = problem["type"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{path}: unknown key{_suggestion(problem['loc'])}"
    if kind == "missing":
        return f"{path}: is missing; add it."
    if kind in {"literal_error", "enum"}:
        return f"{path}: must be {context['expected']}."
    text = problem["msg"].removeprefix("Value error, ")
    text = text if text.endswith(".") else f"{text}."
    return f"{path}: {text[0].lower()}{text[1:]}" if document is not None else f"{path}: {text}"


def _key_path(location: tuple[str | int, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "nps.yaml"


def _suggestion(location: tuple[str | int, ...]) -> str:
    known = _known_keys(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; known here: {', '.join(sorted(known))}." if known else "; remove it."


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    """The keys that the schema allows at a location; empty where it allows anything."""
    schema = Configuration.model_json_schema()
    node: Any = schema
    for part in location:
        node = _resolve(schema, node)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return list(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        resolved: dict[str, Any] = schema["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return resolved
    return node
