"""Rollback: readers go back by the same one rename, what they see is held, and what is unsound is refused."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.catalogue import catalogue
from nps_pipeline.hold import Hold, HoldError, read_hold, write_hold
from nps_pipeline.home import Home, HomeLockedError
from nps_pipeline.publications import PublicationError, names, require_current
from nps_pipeline.rollback import release, rollback
from nps_pipeline.sync_back import Outlets, sync
from tests.nps_pipeline.command import Command
from tests.nps_pipeline.loads import Start
from tests.nps_pipeline.small_marts import judge, publish, published
from tests.nps_pipeline.sync_marts import CONTACT, SCORE, Wanted
from tests.nps_pipeline.sync_marts import publish as publish_to_sync

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with three publications that no test changes."""
    home = Home(tmp_path_factory.mktemp("made") / "var")
    for publication_id in ("p1", "p2", "p3"):
        publish(home, publication_id)
    return home


@pytest.fixture
def three(made: Home, home: Home) -> Home:
    """Such a home that a test may change."""
    shutil.copytree(made.root, home.root, symlinks=True)
    return home


def state(home: Home) -> tuple[set[str], Hold | None]:
    return published(home), read_hold(home)


def test_readers_go_back_to_the_one_before_and_it_is_held(three: Home) -> None:
    done = rollback(three, None, NOW)
    hold = Hold("p2", "2026-11-22T12:30:15+00:00", "p3")
    assert (done.publication, done.hold) == (require_current(three), hold)
    assert state(three) == ({"p2"}, hold)
    assert names(three) == ["p1", "p2", "p3"]
    assert json.loads((three.publish / "held.json").read_text(encoding="utf-8")) == {
        "publication_id": "p2",
        "since": "2026-11-22T12:30:15+00:00",
        "rolled_back_from": "p3",
    }


def test_each_rollback_goes_one_further_and_a_newer_one_can_be_chosen_again(three: Home) -> None:
    for wanted, seen, left in ((None, "p2", "p3"), (None, "p1", "p2"), ("p3", "p3", "p1")):
        rollback(three, wanted, NOW)
        assert state(three) == ({seen}, Hold(seen, "2026-11-22T12:30:15+00:00", left))


def test_the_one_before_is_what_readers_had_whatever_its_name(three: Home) -> None:
    rollback(three, "p1", NOW)
    assert release(three)
    publish(three, "p4")
    assert rollback(three, None, NOW).publication.publication_id == "p1"


def test_where_the_one_before_is_gone_the_newest_older_one_is_taken(three: Home) -> None:
    (three.publish / "publications" / "p2").rename(three.root / "gone")
    assert rollback(three, None, NOW).publication.publication_id == "p1"


def test_readers_of_a_damaged_publication_can_be_sent_back(three: Home) -> None:
    directory = require_current(three).directory
    (directory / "publication.json").unlink()
    (directory / "mart.duckdb").write_bytes(b"damaged")
    rollback(three, None, NOW)
    assert published(three) == {"p2"}


def damaged(mart: Path) -> None:
    content = bytearray(mart.read_bytes())
    content[-1] ^= 1
    mart.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (damaged, "gate.json beside it does not say that this very mart passed the gate"),
        (lambda mart: judge(mart.parent, "p1", passed=False), "gate.json beside it does not say that this very mart"),
        (lambda mart: (mart.parent / "gate.json").unlink(), "gate.json beside it does not say that this very mart"),
        (lambda mart: (mart.write_bytes(b"none"), judge(mart.parent, "p1")), "DuckDB cannot read all of its mart"),
        (lambda mart: mart.unlink(), "is no complete publication"),
        (lambda mart: (mart.parent / "publication.json").unlink(), "is no complete publication"),
    ],
)
def test_what_is_unsound_is_not_shown(three: Home, damage: Callable[[Path], Any], why: str) -> None:
    damage(three.publish / "publications" / "p1" / "mart.duckdb")
    with pytest.raises(PublicationError) as refusal:
        rollback(three, "p1", NOW)
    assert why in str(refusal.value)
    assert str(three.publish / "publications" / "p1") in str(refusal.value)
    assert state(three) == ({"p3"}, None)


@pytest.mark.parametrize("unknown", ["p9", "", "..", "../publications/p1", "p1/parquet", ".p1"])
def test_what_is_not_there_is_told_and_where_to_look(three: Home, unknown: str) -> None:
    with pytest.raises(PublicationError) as refusal:
        rollback(three, unknown, NOW)
    assert str(refusal.value) == (
        f"There is no publication {unknown} below {three.publish}. Nothing was changed; `nps publications` lists those "
        "that are there."
    )
    assert state(three) == ({"p3"}, None)


def test_the_current_one_is_not_rolled_back_to(three: Home) -> None:
    with pytest.raises(PublicationError) as refusal:
        rollback(three, "p3", NOW)
    assert str(refusal.value) == (
        "p3 is what readers see already, so nothing was changed. It is not held: runs publish over it."
    )
    rollback(three, "p1", NOW)
    with pytest.raises(PublicationError, match=r"^p1 is what readers see already, .* p1 is held since 2026-11-22T12"):
        rollback(three, "p1", NOW)


def test_without_an_older_one_nothing_changes(home: Home) -> None:
    with pytest.raises(PublicationError, match="Nothing is published yet"):
        rollback(home, None, NOW)
    publish(home, "p1")
    with pytest.raises(PublicationError) as refusal:
        rollback(home, None, NOW)
    assert str(refusal.value).startswith(f"No publication below {home.publish} is older than p1, the current one.")
    assert state(home) == ({"p1"}, None)


def test_nobody_rolls_back_or_releases_during_a_run(three: Home, start: Start) -> None:
    holder = start(
        "import sys\n"
        "from pathlib import Path\n"
        "from nps_pipeline.home import Home, lock\n"
        "with lock(Home(Path(sys.argv[1])), 'run', 'nps run'):\n"
        "    Path(sys.argv[1], 'taken').touch()\n"
        "    sys.stdin.read()\n",
        three.root,
    )
    while not (three.root / "taken").exists() and holder.poll() is None:
        time.sleep(0.02)
    for change in (lambda: rollback(three, "p1", NOW), lambda: release(three)):
        with pytest.raises(HomeLockedError, match="in use by nps run"):
            change()
    assert state(three) == ({"p3"}, None)


def test_releasing_lets_runs_publish_and_can_be_repeated(three: Home) -> None:
    rollback(three, None, NOW)
    assert (release(three), release(three)) == (True, False)
    assert state(three) == ({"p2"}, None)


def test_nothing_is_released_where_nothing_was_ever_done(home: Home) -> None:
    assert not release(home)
    assert not home.root.exists()


@pytest.mark.parametrize("content", ["", "{}", "null", '{"publication_id": "p1"}', "\xff"])
def test_a_damaged_note_is_told_and_mended_by_a_rollback_or_a_release(three: Home, content: str) -> None:
    note = three.publish / "held.json"
    for mend in (lambda: rollback(three, "p1", NOW), lambda: release(three)):
        note.write_bytes(content.encode("latin-1"))
        with pytest.raises(HoldError) as told:
            read_hold(three)
        assert str(note) in str(told.value)
        assert "nps rollback --release" in str(told.value)
        mend()
    assert state(three) == ({"p1"}, None)


def test_a_held_publication_is_never_pruned(three: Home) -> None:
    write_hold(three, Hold("p1", "2026-11-22T12:30:15+00:00", "p3"))  # as a rollback leaves it that was killed
    for publication_id in ("p4", "p5", "p6"):
        publish(three, publication_id, keep=2)
    assert names(three) == ["p1", "p5", "p6"]
    release(three)
    publish(three, "p7", keep=2)
    assert names(three) == ["p6", "p7"]


def test_a_sentence_tells_of_a_rollback_that_was_killed_on_its_way() -> None:
    hold = Hold("p1", "2026-11-22T12:30:15+00:00", "p3")
    assert hold.sentence("p1") == hold.sentence(None)
    assert hold.sentence("p3").endswith("Readers still see p3: `nps rollback p1` finishes the way back.")


def test_a_sync_works_from_what_readers_see(three: Home) -> None:
    outlets = Outlets([SCORE], {("hubspot", "contact"): CONTACT}, lambda _: None)
    for publication_id in ("s1", "s2"):
        publish_to_sync(three, publication_id, [Wanted("1", publication_id, NOW)])
    rollback(three, "s1", NOW)
    planned = sync(three, "plan", outlets)
    assert planned.publication_id == "s1"
    assert [one.new for one in planned.plan.decisions] == ["s1"]


# --- the command -----------------------------------------------------------------------------------------------------


def test_the_command_says_why_not_and_changes_nothing(tmp_path: Path) -> None:
    nps = Command(tmp_path)
    empty = nps.here("publications")
    assert (empty.returncode, empty.stdout) == (
        0,
        f"Nothing is published yet below {nps.home.root}. Start with `nps run`.\n",
    )
    for publication_id in ("p1", "p2"):
        publish(nps.home, publication_id)
    unknown = nps("rollback", "p9")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("There is no publication p9 below ")
    mistyped = nps.here("rollback", "p1", "--release")
    assert mistyped.returncode == 2
    assert "leave the publication out" in mistyped.stderr
    assert state(nps.home) == ({"p2"}, None)


def test_the_command_tells_programs_what_it_did(tmp_path: Path) -> None:
    nps = Command(tmp_path)
    for publication_id in ("p1", "p2"):
        publish(nps.home, publication_id)
    done = json.loads(nps.here("rollback", "p1", "--json").stdout)
    assert (done["publication_id"], done["rolled_back_from"]) == ("p1", "p2")
    findings = {one["subject"]: one for one in json.loads(nps.here("doctor", "--json").stdout)}
    assert findings["publication"] == {
        "subject": "publication",
        "detail": f"p1. {Hold(**done).sentence('p1')}",
        "problem": None,
    }
    assert json.loads(nps.here("rollback", "--release", "--json").stdout) == {"released": True}
    assert json.loads(nps.here("rollback", "--release", "--json").stdout) == {"released": False}


# --- the list --------------------------------------------------------------------------------------------------------


def test_the_catalogue_has_every_publication_the_newest_first(three: Home) -> None:
    judge(three.publish / "publications" / "p1", "p1", warnings=2)
    rollback(three, "p1", NOW)
    entries = catalogue(three)
    assert [(entry.publication_id, entry.current, entry.held) for entry in entries] == [
        ("p3", False, False),
        ("p2", False, False),
        ("p1", True, True),
    ]
    first = entries[-1]
    files = [path for path in require_current(three).directory.rglob("*") if path.is_file()]
    assert (first.published_at, first.as_of_date) == ("2026-11-22T10:00:00", "2026-11-22")
    assert (first.passed, first.failed_warnings, first.problem) == (True, 2, None)
    assert first.size == sum(path.stat().st_size for path in files) > 1000
    assert [entry.failed_warnings for entry in entries] == [0, 0, 2]
    assert first.responses != entries[0].responses
    assert first.responses == 247


@pytest.mark.parametrize("name", ["publication.json", "mart.duckdb", "gate.json"])
def test_a_damaged_publication_is_listed_with_what_is_wrong(three: Home, name: str) -> None:
    (three.publish / "publications" / "p2" / name).write_bytes(b"x")
    good, bad, _ = catalogue(three)
    assert good.problem is None
    assert (bad.publication_id, bad.responses, bad.passed) == ("p2", None, None)
    assert bad.size > 0
    assert str(three.publish / "publications" / "p2") in str(bad.problem)


def test_nothing_published_is_an_empty_catalogue(home: Home) -> None:
    assert catalogue(home) == []
