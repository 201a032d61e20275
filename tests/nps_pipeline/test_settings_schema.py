"""Settings: what changes the hash of the content, and the JSON schema that says the same as the model."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from nps_pipeline.project import ROOT
from nps_pipeline.settings import json_schema, load_settings
from tests.nps_pipeline.documents import FULL, load, problems, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory; absolute without links, as the settings make theirs."""
    monkeypatch.chdir(tmp_path)
    return Path.cwd()


# --- the hash of the content -----------------------------------------------------------------------------------------


def hash_with(*keys: str | int, value: Any) -> str:
    document = yaml.safe_load(FULL)
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    return load(yaml.safe_dump(document)).content_hash()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("reporting", "min_n"), 10),
        (("reporting", "timezone"), "Europe/Paris"),
        (("reporting", "comments"), "hidden"),
        (("deduplication", "order"), ["files", "files.retail", "hubspot"]),
        (("sources", "files", 0, "channel"), "web"),
        (("sources", "files", 0, "responded_at", "constant"), "2017-01-02"),
        (("sources", "files"), []),
    ],
)
def test_what_changes_the_mart_changes_the_hash(keys: tuple[str | int, ...], value: Any) -> None:
    assert hash_with(*keys, value=value) != load(FULL).content_hash()


@pytest.mark.parametrize(("keys", "value"), [(("schedule", "cron"), "0 1 * * *"), (("publish", "keep"), 99)])
def test_what_does_not_change_the_mart_keeps_the_hash(keys: tuple[str, ...], value: Any) -> None:
    assert hash_with(*keys, value=value) == load(FULL).content_hash()


def test_the_hash_is_the_same_in_another_place_and_with_defaults_written_out() -> None:
    write("version: 1").rename("other.yaml")
    elsewhere = load_settings({"NPS_HOME": "elsewhere", "NPS_CONFIG": "other.yaml"}).content_hash()
    assert load("version: 1\nreporting: {min_n: 30, timezone: UTC}\n").content_hash() == elsewhere
    assert len(elsewhere) == 64


# --- the JSON schema -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def editor() -> jsonschema.Draft202012Validator:
    """What an editor checks with."""
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


def as_json(text: str) -> Any:
    """A YAML document as an editor sees it: dates are text."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


@pytest.mark.parametrize("text", ["version: 1", FULL, (ROOT / "nps.yaml").read_text(encoding="utf-8")])
def test_the_schema_accepts_what_the_settings_accept(editor: jsonschema.Draft202012Validator, text: str) -> None:
    load(text)
    assert [error.message for error in editor.iter_errors(as_json(text))] == []


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("version",), 2),
        (("reprting",), {}),
        (("reporting", "min_m"), 3),
        (("reporting", "min_n"), "3"),
        (("reporting", "comments"), "show"),
        (("publish", "keep"), 0),
        (("deduplication", "order"), "files"),
        (("sources", "files", 0, "coment"), "x"),
        (("sources", "files", 0, "survey_type"), "relationl"),
        (("sources", "files", 0, "scale"), [0, 5, 10]),
        (("sources", "files", 0, "responded_at"), {"colum": "x"}),
    ],
)
def test_the_schema_rejects_what_the_settings_reject(
    editor: jsonschema.Draft202012Validator, keys: tuple[str | int, ...], value: Any
) -> None:
    document = copy.deepcopy(as_json(FULL))
    node = document
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value
    assert problems(document)
    assert list(editor.iter_errors(document))


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    undescribed = [
        f"{owner}.{key}"
        for owner, section in {"nps.yaml": schema, **schema["$defs"]}.items()
        for key, value in section["properties"].items()
        if "description" not in value and "$ref" not in value
    ]
    assert undescribed == []


def test_the_schema_in_docs_is_the_one_that_validates() -> None:
    """`make schema` writes it."""
    written = json.loads((ROOT / "docs" / "nps.schema.json").read_text(encoding="utf-8"))
    assert written == json_schema()
