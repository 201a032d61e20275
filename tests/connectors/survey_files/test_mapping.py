"""The declaration of a survey file in nps.yaml: what is accepted, and the sentences for what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from connectors.survey_files import FileMapping, mapping_hash

Build = Callable[..., FileMapping]

EXAMPLE = """
{name: retail, match: "retail_*.csv", id: id, score: nps, scale: [0, 10], comment: explication,
 responded_at: {constant: 2017-01-01, timezone: Europe/Paris}, survey_type: relational, channel: store,
 touchpoint: purchase}
"""


def test_the_example_of_the_documentation_is_valid() -> None:
    retail = FileMapping.model_validate(yaml.safe_load(EXAMPLE))
    assert (retail.name, retail.scale, retail.channel) == ("retail", (0, 10), "store")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"id": None}, "exports: cumulative .* or exports: separate"),
        ({"score": None}, "name the column of the recommend question: score: COLUMN"),
        ({"scale": None}, r"add scale: \[0, 10\]"),
        ({"scale": [10, 0]}, "from the lowest to the highest"),
        ({"name": "My Shop"}, "should match pattern"),
        ({"name": "typeform"}, "belongs to the built-in profile; add profile: typeform"),
        ({"profile": "surveymonkie"}, "'surveymonkie' is not a built-in profile; there are delighted, formbricks"),
        ({"responded_at": {"column": "when", "timezone": "Paris"}}, "'Paris' is not a time zone; write an IANA name"),
        ({"responded_at": {"column": "when", "format": "dmy"}}, "'dmy' is not a date format; write day_first"),
        ({"responded_at": {"constant": "someday"}}, "constant"),
        ({"encoding": "utf-9"}, "'utf-9' is not an encoding"),
        ({"encoding": "zlib_codec"}, "'zlib_codec' is not an encoding"),
        ({"delimiter": ";;"}, "at most 1 character"),
        ({"survey_type": "yearly"}, "relational"),
        ({"exclude": [{"column": "status", "values": [], "reason": "test"}]}, "at least 1 item"),
        ({"exclude": [{"column": "status", "values": ["x"], "reason": "boring"}]}, "partial"),
        ({"skore": "nps"}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_declaration_is_answered_with_what_to_write(
    mapping: Build, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        mapping(**changes)


def test_a_profile_gives_ids_score_and_scale(mapping: Build) -> None:
    assert mapping(profile="typeform", id=None, score=None, scale=None).profile == "typeform"


def test_cell_values_that_yaml_reads_as_numbers_and_truth_values_are_text(mapping: Build) -> None:
    declared = mapping(exclude=[{"column": "done", "values": [0, False, "no"], "reason": "partial"}], survey=2024)
    assert declared.exclude[0].values == ("0", "False", "no")
    assert declared.survey == "2024"


def test_every_key_is_described_for_the_schema_and_the_documentation() -> None:
    schema = FileMapping.model_json_schema()
    models = {"FileMapping": schema, **schema["$defs"]}
    undescribed = [
        f"{name}.{key}"
        for name, model in models.items()
        for key, property_ in model["properties"].items()
        if not property_.get("description")
    ]
    assert len(models) == 5
    assert undescribed == []


def test_a_mapping_cannot_be_changed_after_it_was_checked(mapping: Build) -> None:
    declared = mapping()
    assert isinstance(declared, BaseModel)
    with pytest.raises(ValidationError, match="frozen"):
        declared.score = "other"  # type: ignore[misc]


def test_the_hash_changes_with_what_changes_the_records_and_only_with_that(mapping: Build) -> None:
    same = [mapping(), mapping(match="other_*.csv"), mapping(replaces={"b.csv": "a.csv"})]
    other = [mapping(score="nps"), mapping(survey="spring"), mapping(exports="separate"), mapping(profile="typeform")]
    assert len({mapping_hash(declared) for declared in same}) == 1
    assert len({mapping_hash(declared) for declared in [*same, *other]}) == 1 + len(other)
    assert len(mapping_hash(mapping())) == 64
