"""The landing zone: what is refused, what is found damaged, and that nothing half-written is seen."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Page
from nps_pipeline.home import Home
from nps_pipeline.landing import (
    LandingError,
    Load,
    land,
    list_loads,
    verify,
)
from tests.nps_pipeline.loads import (
    RETAIL,
    loaded,
    pull,
    record,
    scratch,
)


def manifest_of(load: Load) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((load.path / "manifest.json").read_text(encoding="utf-8"))
    return document


# --- names and damage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "a/b", "..", ".tmp", "é", "a-b", "a b", "1a", "a\n", "a.b"])
@pytest.mark.parametrize("kind", ["source", "stream"])
def test_a_name_that_cannot_be_a_directory_is_refused(home: Home, kind: str, name: str) -> None:
    with pytest.raises(LandingError, match="use letters, digits and _"):
        pull(home, record("a"), **{kind: name})
    assert not home.root.exists()


def edited(**changes: Any) -> Callable[[Path], None]:
    def edit(manifest: Path) -> None:
        document = {**json.loads(manifest.read_text(encoding="utf-8")), **changes}
        document = {key: value for key, value in document.items() if value != "absent"}
        manifest.write_text(json.dumps(document), encoding="utf-8")

    return edit


@pytest.mark.parametrize(
    "damage",
    [
        Path.unlink,
        lambda manifest: manifest.write_bytes(manifest.read_bytes()[:100]),
        lambda manifest: manifest.write_bytes(b""),
        lambda manifest: manifest.write_bytes(b"\xff\xfe"),
        lambda manifest: manifest.write_text("[]"),
        lambda manifest: manifest.write_text("{}"),
        lambda manifest: manifest.write_text('"text"'),
        edited(rows="absent"),
        edited(parts="absent"),
        edited(parts=[5]),
        edited(parts=[{"name": "x"}]),
        edited(file="x"),
        edited(load_seq="1"),
        edited(replaces=None),
        edited(schema_version=None),
        edited(unheard_of=1),
    ],
)
def test_a_damaged_manifest_is_named_with_its_remedy(home: Home, damage: Callable[[Path], None]) -> None:
    load = loaded(pull(home, record("a")))
    damage(load.path / "manifest.json")
    with pytest.raises(LandingError) as refusal:
        list_loads(home)
    assert str(refusal.value) == (
        f"The load {load.path} has no readable manifest.json. Restore this directory from a backup; "
        "the other loads are untouched."
    )
    with pytest.raises(LandingError, match=re.escape(str(load.path))):
        pull(home, record("b"))


def test_a_load_of_a_newer_version_is_not_guessed_at(home: Home) -> None:
    load = loaded(pull(home, record("a")))
    edited(schema_version=2, unheard_of=1)(load.path / "manifest.json")
    with pytest.raises(LandingError) as refusal:
        list_loads(home)
    assert str(refusal.value) == (
        f"The load {load.path} was written in format 2, this version reads format 1. "
        "Run the version of the pipeline that wrote it."
    )


@pytest.mark.parametrize(
    "place",
    [
        "files/retail/00000002-{load_id}",
        "files/retail/00000001-20260101T000000.000000Z-00000000",
        "files/retail/{load_id}",
        "files/retail/backup",
        "files/shops/00000001-{load_id}",
        "others/retail/00000001-{load_id}",
    ],
)
def test_a_load_that_was_moved_or_renamed_is_refused(home: Home, place: str) -> None:
    load = loaded(pull(home, record("a")))
    moved = home.landing / place.format(load_id=load.manifest.load_id)
    moved.parent.mkdir(parents=True, exist_ok=True)
    load.path.rename(moved)
    with pytest.raises(LandingError) as refusal:
        list_loads(home)
    assert str(refusal.value) == (
        f"The load {moved} was renamed: its manifest says files/retail/{load.path.name}. "
        "Restore this directory from a backup; the other loads are untouched."
    )


def test_hidden_entries_of_the_landing_zone_are_no_loads(home: Home) -> None:
    load = loaded(pull(home, record("a")))
    for place in (".DS_Store", "files/.DS_Store", "files/retail/.DS_Store"):
        (home.landing / place).touch()
    assert list_loads(home) == [load]


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_changed_part_is_found_by_its_hash(home: Home, damage: Callable[[Path], None]) -> None:
    load = loaded(pull(home, record("a", "x" * 500)))
    verify(load)
    damage(load.parts[0])
    with pytest.raises(LandingError) as refusal:
        verify(load)
    assert str(refusal.value) == (
        f"{load.parts[0]} is missing or differs from what was landed. Restore it from a backup; nothing was published."
    )


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_landing_onto_an_unreadable_part_names_it_and_lands_nothing(home: Home, damage: Callable[[Path], None]) -> None:
    first = loaded(pull(home, record("a")))
    damage(first.parts[0])
    with pytest.raises(LandingError, match=re.escape(str(first.parts[0]))):
        pull(home, record("b"))
    assert list_loads(home) == [first]
    assert scratch(home) == []


# --- all or nothing --------------------------------------------------------------------------------------------------


class SourceBrokeError(Exception):
    """Whatever a connector may raise."""


@pytest.mark.parametrize("good_pages", [0, 1, 3])
def test_a_pull_that_breaks_leaves_nothing(home: Home, good_pages: int) -> None:
    first = loaded(pull(home, record("a"), cursor={"to": 1}))

    def pages() -> Iterator[Page]:
        for number in range(good_pages):
            yield Page([record(f"new-{number}")], {"to": 2})
        raise SourceBrokeError

    with pytest.raises(SourceBrokeError):
        land(home, RETAIL, pages())
    assert list_loads(home) == [first]
    assert scratch(home) == []
    after = loaded(pull(home, record("new-0"), cursor={"to": 2})).manifest
    assert (after.load_seq, after.cursor_before, after.rows) == (2, {"to": 1}, 1)


def test_nothing_is_visible_while_pages_are_being_written(home: Home) -> None:
    seen = []

    def pages() -> Iterator[Page]:
        for number in range(3):
            yield Page([record(str(number))])
            seen.append((list_loads(home), sorted(path.name for path in home.landing.iterdir())))

    land(home, RETAIL, pages())
    assert seen == [([], [".tmp"])] * 3


def test_the_rest_of_a_dead_writer_is_removed_and_that_of_another_stream_is_not(home: Home) -> None:
    for name in ("files.retail.dead", "files.retail_fr.alive", "files.re.alive"):
        (home.landing / ".tmp" / name).mkdir(parents=True)
        (home.landing / ".tmp" / name / "part-00000.parquet").touch()
    pull(home, record("a"))
    assert scratch(home) == ["files.re.alive", "files.retail_fr.alive"]
