"""Typed settings from nps.yaml and the environment; every problem is reported at once. Nothing here opens state."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from pydantic import ValidationError

from connectors import registry
from connectors.base import Login, Session, Stream, Target
from connectors.config import SourceSettings, choose_login, variables_of
from expectations.suites import SuiteError, own_suite_files, shipped_suites
from nps_pipeline.configuration import NAMES_SEEN, Configuration
from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home
from nps_pipeline.sync_fields import SyncField

ENVIRONMENT = ("NPS_HOME", "NPS_CONFIG")


class SettingsError(PipelineError):
    """nps.yaml or the environment is wrong; ``problems`` has one sentence per mistake."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Settings:
    """What a run works with: the configuration, where state lives, which file said so, and how to reach the CRMs.

    ``environment`` holds the credentials: it is never shown.
    """

    configuration: Configuration
    home: Home
    config_path: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def content_hash(self) -> str:
        """Hash of all that can change the content of a publication, hexadecimal."""
        stated = self.configuration.model_dump(
            mode="json", include={"reporting", "sources", "surveys", "identity", "deduplication"}
        )
        # how a conflict ends is decided when a sync is planned: it changes nothing in the mart
        written = [{**asdict(one), "policy": "", "adopt": "", "on_delete": ""} for one in self.sync_fields()]
        relevant = json.dumps({**stated, "sync_fields": written}, sort_keys=True)
        return hashlib.sha256(relevant.encode()).hexdigest()

    def crms(self) -> list[str]:
        """The CRMs that nps.yaml pulls from, by name."""
        return [name for name in registry.discover() if self.configuration.crm(name) is not None]

    def crm(self, source: str) -> SourceSettings:
        """The section of a CRM that nps.yaml pulls from.

        Raises:
            KeyError: It does not.
        """
        section = self.configuration.crm(source)
        if section is None:
            raise KeyError(source)
        return section

    def crm_streams(self, source: str) -> list[Stream]:
        """What a CRM serves under this configuration, with the fields that sync-back writes there."""
        connector = registry.discover()[source]
        written: dict[str, list[str]] = {}
        for one in self.sync_fields():
            if one.destination == source:
                written.setdefault(one.object, []).append(one.field)
        return list(connector.streams(self.crm(source), written))

    def login(self, source: str) -> Login | None:
        """The way to log in to a CRM that the environment allows; None where it says nothing.

        Raises:
            ConfigError: It says too little; names what is missing.
        """
        return choose_login(registry.discover()[source], self.environment)

    def connect(self, source: str) -> Session | None:
        """Log in to a CRM; None where the environment has no credentials for it.

        Raises:
            ConfigError: Credentials are incomplete or were refused.
        """
        if self.login(source) is None:
            return None
        return registry.discover()[source].connect(self.crm(source), self.environment)

    def suite_files(self) -> tuple[Path, ...]:
        """The suites of the gate: those that ship, then those in the folder that nps.yaml names.

        Raises:
            SuiteError: That folder is missing or has no suite.
        """
        folder = self.configuration.gate.suites
        if folder is None:
            return shipped_suites()
        try:
            return (*shipped_suites(), *own_suite_files(self.config_path.parent / Path(folder).expanduser()))
        except SuiteError as error:
            raise SuiteError(f"{self.config_path.name}: gate.suites: {error}") from error

    @property
    def sync_mode(self) -> str:
        """What a run does about sync-back unless it is told otherwise: plan or apply."""
        return self.configuration.sync.mode

    def sync_fields(self) -> list[SyncField]:
        """Every field that sync-back keeps up to date."""
        return self.configuration.sync_fields()

    def targets(self) -> dict[tuple[str, str], Target]:
        """Every object that can receive scores: (destination, object) -> how."""
        return {(name, target.name): target for name in self.crms() for target in registry.discover()[name].targets}


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
    return Settings(configuration, home, config_path, _credentials(variables))


def check_configuration(path: Path) -> None:
    """Raise ``SettingsError`` unless a file is a valid nps.yaml; the environment is not looked at."""
    _, mistakes = _read_configuration(path)
    if mistakes:
        raise SettingsError(mistakes)


def json_schema() -> dict[str, Any]:
    """The JSON schema of nps.yaml, for editors; generated from the model that validates it."""
    schema = Configuration.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "nps.yaml"}


def _dotenv() -> tuple[dict[str, str], list[str]]:
    try:
        return {key: value for key, value in dotenv_values(".env").items() if value is not None}, []
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f".env: cannot be read as UTF-8 text ({type(error).__name__}); check its permissions and encoding."]


def known_variables() -> list[str]:
    """Every environment variable that is read, the pipeline's own first."""
    return [*ENVIRONMENT, *(name for connector in registry.discover().values() for name in variables_of(connector))]


def _credentials(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: variables[name] for name in known_variables() if variables.get(name)}


def _misspelt(variables: Mapping[str, str]) -> list[str]:
    known = known_variables()
    prefixes = tuple({f"{name.split('_')[0]}_" for name in known})
    unknown = [name for name in variables if name.startswith(prefixes) and name not in known]
    matches = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.8) for name in unknown}
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
        return Configuration.model_validate(entered, context={NAMES_SEEN: set()}), []
    except ValidationError as error:
        return None, [f"{path.name}: {sentence}" for sentence in _sentences(error, document)]


# How pydantic's kinds of error read; the rest keeps pydantic's own text.
_WORDING = {
    "missing": "is missing; add it",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "float_type": "must be a number",
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
        if len(forms) == 1:
            node = _resolve(schema, forms[0])
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
