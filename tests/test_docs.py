"""The documents: generated pages are current, written ones complete, and what they tell to type works."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from nps_pipeline import reference
from nps_pipeline.cli import main
from nps_pipeline.project import reasons
from nps_pipeline.settings import json_schema, known_variables
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.nps_pipeline.command import Command

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMANDS = main.commands
# Commands that need no publication and end by themselves: they are really run.
RUN = {"doctor", "schema", "--version", "--help"}

_BLOCK = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:tests|docs|dbt_project|connectors|expectations|nps_pipeline|sandbox)/[\w./-]+)`")


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def section(document: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its rank."""
    found = re.search(rf"^{re.escape(heading)}\n(.*?)(?=^## |\Z)", document, re.MULTILINE | re.DOTALL)
    assert found, f"{heading} is missing"
    return found[1]


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", text_of(path)), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# --- generated ---


@pytest.mark.parametrize("name", reference.DOCUMENTS)
def test_a_generated_page_is_current(name: str) -> None:
    assert text_of(ROOT / "docs" / name) == reference.DOCUMENTS[name](), "run `make docs`"


def test_the_schema_for_editors_is_current() -> None:
    assert json.loads(text_of(ROOT / "docs" / "nps.schema.json")) == json_schema(), "run `make schema`"
    assert "$schema=./docs/nps.schema.json" in text_of(ROOT / "nps.yaml")


def test_every_published_column_is_documented() -> None:
    page = text_of(ROOT / "docs" / "mart.md")
    for table in CONTRACT_TABLES:
        described = section(page, f"## {table}")
        document = yaml.safe_load(text_of(ROOT / "dbt_project" / "models" / "marts" / f"{table}.yml"))
        (model,) = [model for model in document["models"] if model["name"] == table]
        assert len(model["columns"]) > 3
        for column in model["columns"]:
            row = rf"^\| `{column['name']}` \| [\w(), ]+ \| \S.* \|$"
            assert re.search(row, described, re.MULTILINE), column["name"]


def test_every_key_of_the_configuration_is_documented() -> None:
    schema = json_schema()
    page = text_of(ROOT / "docs" / "configuration.md")
    for part in (schema, *schema["$defs"].values()):
        described = page[page.index(f"\n{part['description']}\n") :]
        for key in part["properties"]:
            assert f"\n| `{key}` | " in described, key
    for name in known_variables():
        assert f"| `{name}` | " in section(page, "## Environment variables")


def test_every_reason_is_documented_under_its_class() -> None:
    page = text_of(ROOT / "docs" / "reasons.md")
    for name, row in reasons().items():
        line = f"| `{name}` | {row['description']} | {row['remedy']} |"
        assert line in section(page, f"## {row['class'].capitalize()}")


def test_the_environment_example_has_every_variable_with_its_meaning() -> None:
    lines = text_of(ROOT / ".env.example").splitlines()
    variables = {line.removeprefix("# ").split("=")[0]: number for number, line in enumerate(lines) if "=" in line}

    assert set(variables) == set(known_variables()) == set(reference.ENVIRONMENT)
    for number in variables.values():
        assert lines[number - 1].startswith("# ")
        assert lines[number - 1].endswith(".")


# --- written by hand ---


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    described = section(text_of(ROOT / "docs" / "commands.md"), f"## nps {name}")

    options = [parameter for parameter in COMMANDS[name].params if isinstance(parameter, click.Option)]
    for parameter in options:
        (spelling,) = [option for option in parameter.opts if option.startswith("--")]
        assert f"| `{spelling}" in described, spelling
    documented = set(re.findall(r"^\| `(--[\w-]+)", described, re.MULTILINE))
    assert documented == {option for parameter in options for option in parameter.opts}


def test_no_command_is_documented_that_does_not_exist() -> None:
    documented = re.findall(r"^## nps (\S+)$", text_of(ROOT / "docs" / "commands.md"), re.MULTILINE)
    assert set(documented) == set(COMMANDS)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(path: Path) -> None:
    text = _BLOCK.sub("", text_of(path))
    for link in _LINK.findall(text):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link
    for name in _PATH.findall(text):
        assert (ROOT / name).exists(), name


# --- what they tell to type ---


def shell_lines() -> Iterator[tuple[str, str]]:
    """Each command in a block of shell, with the document it stands in."""
    for path in DOCUMENTS:
        for language, block in _BLOCK.findall(text_of(path)):
            if language not in {"sh", "console"}:
                continue
            lines = [line.strip() for line in block.splitlines()]
            typed = lines if language == "sh" else [line[2:] for line in lines if line.startswith("$ ")]
            yield from ((path.name, line) for line in typed if line and not line.startswith("#"))
        for code in re.findall(r"`((?:\.venv/bin/)?nps [^`]+|make [^`]+)`", _BLOCK.sub("", text_of(path))):
            yield path.name, code


def words_of(line: str) -> list[str]:
    """The words of the first command of a line, without the path of the program and without settings before it."""
    words = shlex.split(line.split(" && ", maxsplit=1)[0].split(" | ", maxsplit=1)[0], comments=True)
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    return [Path(words[0]).name, *words[1:]] if words else []


LINES = sorted(set(shell_lines()))


def lines_of(program: str) -> list[tuple[str, ...]]:
    return sorted({tuple(words[1:]) for _, line in LINES if (words := words_of(line)) and words[0] == program})


@pytest.mark.parametrize(("document", "line"), LINES)
def test_every_line_is_shell(document: str, line: str) -> None:
    parsed = subprocess.run(["bash", "-n", "-c", line], capture_output=True, text=True, check=False)
    assert (parsed.returncode, parsed.stderr) == (0, ""), document


@pytest.mark.parametrize("words", lines_of("nps"), ids=" ".join)
def test_every_nps_line_is_understood(words: tuple[str, ...]) -> None:
    if words[0].startswith("-"):
        assert words in {("--version",), ("--help",)}
        return
    command = COMMANDS[words[0]]
    _, unread, _ = command.make_parser(click.Context(command)).parse_args(list(words[1:]))
    assert unread == []


@pytest.mark.parametrize("words", [words for words in lines_of("nps") if words[0] in RUN], ids=" ".join)
def test_lines_that_only_read_are_run(words: tuple[str, ...], tmp_path: Path) -> None:
    result = Command(tmp_path)(*words)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout


@pytest.mark.parametrize("words", lines_of("make"), ids=" ".join)
def test_every_make_line_names_targets(words: tuple[str, ...]) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    dry = subprocess.run(
        ["make", "--dry-run", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (dry.returncode, dry.stderr) == (0, "")


def test_there_is_something_to_type() -> None:
    assert {"demo", "test", "docs"} <= {word for words in lines_of("make") for word in words}
    assert {words[0] for words in lines_of("nps")} >= set(COMMANDS)
