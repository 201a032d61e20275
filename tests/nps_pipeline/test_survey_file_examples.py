"""The worked examples of docs/survey_files.md: each file, read by its mapping, ends as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.nps_pipeline.pipeline import Pipeline

PAGE = Path(__file__).parents[2] / "docs" / "survey_files.md"
EXAMPLE = re.compile(
    r"^### (?P<title>.*?)$.*?^```\w+ (?P<file>\S+)\n(?P<rows>.*?)^```.*?"
    r"^```yaml\n(?P<mapping>.*?)^```\n\n(?P<says>.*?)$",
    re.MULTILINE | re.DOTALL,
)
EXAMPLES = [match.groupdict() for match in EXAMPLE.finditer(PAGE.read_text("utf-8"))]
CLASSES = ("kept", "superseded", "excluded", "quarantined")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    mappings = [mapping for example in EXAMPLES for mapping in yaml.safe_load(example["mapping"])]
    pipeline = Pipeline(
        tmp_path_factory.mktemp("examples"), configuration={"version": 1, "sources": {"files": mappings}}
    )
    for example in EXAMPLES:
        pipeline.write(example["file"], example["rows"])
    assert pipeline.run().published
    return pipeline


def told(says: str) -> dict[str, int]:
    """What the sentence under an example promises: class -> rows."""
    numbers = dict.fromkeys(CLASSES, 0)
    numbers["kept"] = int(re.findall(r"Kept (?:is|are) (\d+)", says)[0])
    numbers["superseded"] = 1 if "the repeated row is superseded" in says else 0
    for name in ("excluded", "quarantined"):
        numbers[name] = sum(int(found) for found in re.findall(rf"(\d+) is {name}", says))
    return numbers


def test_there_is_an_example_for_every_kind_of_place() -> None:
    assert [example["title"] for example in EXAMPLES] == [
        "A poll on social media", "A kiosk in a store", "A pop-up on a web page", "A form inside an app",
        "A shop system",
    ]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(example["file"]))
def test_an_example_ends_as_the_page_says(run: Pipeline, example: dict[str, str]) -> None:
    (mapping,) = yaml.safe_load(example["mapping"])
    (found,) = run.query(f"select * from conservation where source_stream = '{mapping['name']}'")
    assert {name: found[name] for name in CLASSES} == told(example["says"])
    assert found["served"] == sum(found[name] for name in (*CLASSES, "deleted", "duplicate"))
    reasons = re.findall(r"as `(\w+)`", example["says"])
    table = "excluded_responses" if "excluded" in example["says"] else "quarantined_responses"
    rows = run.query(f"select reason from {table} where source_stream = '{mapping['name']}'")
    assert [row["reason"] for row in rows] == reasons
    stated = {key: mapping[key] for key in ("channel", "touchpoint") if key in mapping}
    kept = run.query(f"select * from fct_nps_responses where source_stream = '{mapping['name']}'")
    assert all({key: row[key] for key in stated} == stated for row in kept)
