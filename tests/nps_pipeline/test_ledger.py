"""The ledger remembers every write and its outcome, survives what can be survived, and refuses loudly what cannot."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from connectors.base import WriteResult
from nps_pipeline import ledger_file
from nps_pipeline.home import Home
from nps_pipeline.ledger import Ledger, LedgerError, open_ledger, read_ledger
from nps_pipeline.plan import Decision, FieldChange, LastWrite, Op
from tests.nps_pipeline.sync_marts import day

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def op(record_id: str, text: str | None = "9", destination: str = "hubspot") -> Op:
    fields = {
        "nps_score": FieldChange("number", text, None, day(3)),
        "nps_category": FieldChange("text", "ö", "x", None),
    }
    return Op(f"op {destination} {record_id} {text}", destination, "contact", record_id, "answer", day(3), fields)


def decision(one: Op, kind: Any = "write") -> Decision:
    op_id = one.op_id if kind == "write" else None
    return Decision(one.destination, one.object, one.record_id, "nps_score", None, "9", kind, "Because.", "a", op_id)


def begin(ledger: Ledger, *ops: Op, publication_id: str = "p1", destinations: tuple[str, ...] = ("hubspot",)) -> None:
    ledger.begin(publication_id)
    ledger.record_plan(publication_id, destinations, ops, [decision(one) for one in ops])


@pytest.fixture
def ledger(home: Home) -> Iterator[Ledger]:
    with open_ledger(home, lambda: NOW) as opened:
        yield opened


def stored(home: Home, columns: str = "state") -> dict[str, Any]:
    """Record -> columns of its op, as somebody else reads them."""
    with closing(sqlite3.connect(home.ledger)) as connection:
        rows = connection.execute(f"select record_id, {columns} from op order by record_id").fetchall()
    return {row[0]: row[1] if len(row) == 2 else row[1:] for row in rows}


# --- the life of a write ---


def test_a_planned_write_is_sent_and_confirmed_and_what_stands_there_is_known(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"), op("2"))
    assert stored(home) == {"1": "PLANNED", "2": "PLANNED"}

    ledger.mark_sending([op("1").op_id, op("2").op_id], "batch")
    assert stored(home, "state, batch_id, sent_at") == dict.fromkeys("12", ("SENDING", "batch", stamp(NOW)))
    assert ledger.last_writes() == []

    ledger.settle([WriteResult(op("1").op_id, written_at=day(20)), WriteResult(op("2").op_id)])
    assert stored(home, "state, settled_at") == dict.fromkeys("12", ("CONFIRMED", stamp(NOW)))
    assert sorted(ledger.last_writes(), key=lambda one: (one.record_id, one.field)) == [
        LastWrite("hubspot", "contact", "1", "nps_category", "ö", None, day(20)),
        LastWrite("hubspot", "contact", "1", "nps_score", "9", day(3), day(20), "answer"),
        LastWrite("hubspot", "contact", "2", "nps_category", "ö", None, NOW),
        LastWrite("hubspot", "contact", "2", "nps_score", "9", day(3), NOW, "answer"),
    ]


def test_a_later_confirmation_replaces_what_stands_there(ledger: Ledger) -> None:
    for text in ("9", None):
        begin(ledger, op("1", text))
        ledger.settle([WriteResult(op("1", text).op_id)])
    assert {one.field: one.text for one in ledger.last_writes()} == {"nps_score": None, "nps_category": "ö"}


def test_a_rejected_write_keeps_its_code_and_changes_nothing_that_is_known(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    ledger.mark_sending([op("1").op_id], "batch")
    ledger.settle([WriteResult(op("1").op_id, error_code="FIELD_LOCKED")])
    assert stored(home, "state, error_code") == {"1": ("REJECTED", "FIELD_LOCKED")}
    assert ledger.last_writes() == []


def test_a_write_that_comes_back_is_the_same_one_tried_again(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    ledger.mark_sending([op("1").op_id], "batch")
    ledger.settle([WriteResult(op("1").op_id, error_code="FIELD_LOCKED")])
    begin(ledger, op("1"), publication_id="p2")
    columns = "state, attempt, error_code, batch_id, publication_id"
    assert stored(home, columns) == {"1": ("PLANNED", 2, None, None, "p2")}


def test_what_is_planned_and_no_longer_wanted_is_superseded(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"), op("2"), op("3", destination="zendesk"), destinations=("hubspot", "zendesk"))
    begin(ledger, op("2"))
    assert stored(home) == {"1": "SUPERSEDED", "2": "PLANNED", "3": "PLANNED"}


def test_what_was_being_sent_is_in_doubt_until_it_is_read_back(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"), op("2"), op("3"), op("4"))
    ledger.mark_sending([op(number).op_id for number in "123"], "batch")
    assert ledger.unknown() == [op("1"), op("2"), op("3")]
    ledger.begin("p2")
    ledger.doubt_all_sending()
    assert stored(home) == {"1": "UNKNOWN", "2": "UNKNOWN", "3": "UNKNOWN", "4": "PLANNED"}
    assert ledger.unknown() == [op("1"), op("2"), op("3")]

    ledger.settle([WriteResult(op("1").op_id)])
    ledger.not_arrived([op("2").op_id])
    ledger.supersede([op("3").op_id])
    assert stored(home) == {"1": "CONFIRMED", "2": "PLANNED", "3": "SUPERSEDED", "4": "PLANNED"}
    assert ledger.unknown() == []


def test_what_is_in_doubt_is_not_planned_again_and_not_sent(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    ledger.in_doubt([op("1").op_id])
    begin(ledger, op("1"))
    with pytest.raises(LedgerError, match="Nothing of this batch was sent"):
        ledger.mark_sending([op("1").op_id], "batch")
    assert stored(home, "state, attempt") == {"1": ("UNKNOWN", 1)}


def test_a_batch_is_marked_whole_or_not_at_all(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"), op("2"))
    ledger.mark_sending([op("1").op_id], "first")
    with pytest.raises(LedgerError):
        ledger.mark_sending([op("2").op_id, op("1").op_id], "second")
    assert stored(home, "state, batch_id") == {"1": ("SENDING", "first"), "2": ("PLANNED", None)}


def test_a_sync_that_was_overtaken_writes_nothing_more(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    with open_ledger(home) as later:
        later.begin("p1")
    ids = [op("1").op_id]
    attempts = [
        lambda: ledger.mark_sending(ids, "batch"),
        lambda: ledger.settle([WriteResult(ids[0])]),
        lambda: ledger.not_sent(ids),
        lambda: ledger.not_arrived(ids),
        lambda: ledger.in_doubt(ids),
        lambda: ledger.supersede(ids),
        ledger.doubt_all_sending,
        lambda: ledger.record_plan("p1", ["hubspot"], [op("2")], []),
    ]
    for attempt in attempts:
        with pytest.raises(LedgerError, match="A later sync has begun"):
            attempt()
    assert stored(home) == {"1": "PLANNED"}


def test_nothing_is_written_before_a_sync_began(home: Home, ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        ledger.record_plan("p1", ["hubspot"], [op("1")], [])
    assert stored(home) == {}


# --- status ---


def test_the_status_is_that_of_the_last_sync_of_each_destination(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"), op("7", destination="zendesk"), destinations=("hubspot", "zendesk"))
    ledger.mark_sending([op("7", destination="zendesk").op_id], "batch")
    ledger.in_doubt([op("7", destination="zendesk").op_id])
    ledger.settle([WriteResult(op("1").op_id, error_code="GONE")])
    ledger.begin("p2")
    decided = [decision(op("2")), decision(op("3")), decision(op("4"), "conflict")]
    ledger.record_plan("p2", ["hubspot"], [op("2"), op("3")], decided)
    ledger.mark_sending([op("2").op_id, op("3").op_id], "batch")
    ledger.settle([WriteResult(op("2").op_id), WriteResult(op("3").op_id, error_code="FIELD_LOCKED")])

    with read_ledger(home) as reading:
        assert reading is not None
        hubspot, zendesk = reading.status()
    assert (hubspot.destination, hubspot.publication_id, hubspot.started_at) == ("hubspot", "p2", NOW)
    assert hubspot.decisions == {"write": 2, "conflict": 1}
    assert hubspot.states == {"CONFIRMED": 1, "REJECTED": 1}
    assert [(one.record_id, one.state, one.error_code) for one in hubspot.open] == [("3", "REJECTED", "FIELD_LOCKED")]
    assert (zendesk.publication_id, zendesk.states) == ("p1", {"UNKNOWN": 1})
    assert [(one.record_id, one.state, one.sent_at) for one in zendesk.open] == [("7", "UNKNOWN", NOW)]


def test_of_earlier_plans_only_the_decisions_that_led_to_a_write_are_kept(home: Home, ledger: Ledger) -> None:
    ledger.begin("p1")
    ledger.record_plan("p1", ["hubspot"], [op("1")], [decision(op("1")), decision(op("2"), "no_op")])
    ledger.begin("p1")
    ledger.record_plan("p1", ["hubspot"], [], [decision(op("1"), "no_op"), decision(op("2"), "no_op")])
    with closing(sqlite3.connect(home.ledger)) as connection:
        rows = connection.execute("select epoch, record_id, decision from decision order by 1, 2").fetchall()
    assert rows == [(1, "1", "write"), (2, "1", "no_op"), (2, "2", "no_op")]


def test_there_is_nothing_to_read_before_the_first_sync(home: Home) -> None:
    with read_ledger(home) as reading:
        assert reading is None
    assert not home.ledger.exists()


def test_a_reader_sees_what_a_sync_committed_while_it_is_open(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    with read_ledger(home) as reading:
        assert reading is not None
        assert reading.status()[0].states == {"PLANNED": 1}
        ledger.settle([WriteResult(op("1").op_id)])
        assert reading.status()[0].states == {"CONFIRMED": 1}


# --- the file ---


def test_every_commit_is_on_the_disk_when_it_returns(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    with ledger_file.to_write(home) as connection:
        assert connection.execute("pragma synchronous").fetchone() == (2,)  # full
        assert connection.execute("pragma journal_mode").fetchone() == ("wal",)


def test_a_sync_begins_with_a_copy_of_the_ledger_as_it_was(home: Home, ledger: Ledger) -> None:
    begin(ledger, op("1"))
    ledger.settle([WriteResult(op("1").op_id)])
    ledger.begin("p2")
    ledger.doubt_all_sending()
    assert sorted(path.name for path in home.root.glob("*backup*")) == ["ledger.backup.sqlite"]
    shutil.copy(home.ledger_backup, home.root / "copy.sqlite")
    with closing(sqlite3.connect(home.root / "copy.sqlite")) as copy:
        assert copy.execute("select count(*) from written").fetchone() == (2,)
        assert copy.execute("select count(*) from epoch").fetchone() == (1,)


def test_a_backup_that_cannot_be_written_stops_the_sync(home: Home) -> None:
    with open_ledger(home) as opened:
        opened.begin("p1")
        home.ledger_backup.unlink()
        home.ledger_backup.mkdir()
        with pytest.raises(LedgerError, match=r"ledger\.backup\.sqlite cannot be written.*Nothing more was sent"):
            opened.begin("p2")


def test_a_lost_ledger_is_not_begun_anew_while_there_is_a_backup(home: Home) -> None:
    with open_ledger(home) as ledger:
        begin(ledger, op("1"))
        ledger.settle([WriteResult(op("1").op_id)])
        ledger.begin("p2")
    home.ledger.unlink()
    for attempt in (open_ledger, read_ledger):
        with pytest.raises(LedgerError, match=r"lost.*Copy ledger\.backup\.sqlite to ledger\.sqlite"), attempt(home):
            pass
    shutil.copy(home.ledger_backup, home.ledger)
    with open_ledger(home) as ledger:
        assert len(ledger.last_writes()) == 2


def test_an_empty_file_left_by_a_first_sync_that_died_is_a_new_ledger(home: Home) -> None:
    home.root.mkdir()
    home.ledger.touch()
    with open_ledger(home) as ledger:
        begin(ledger, op("1"))
    assert stored(home) == {"1": "PLANNED"}


def test_a_damaged_ledger_is_refused_and_its_backup_kept(home: Home) -> None:
    with open_ledger(home) as ledger:
        begin(ledger, *(op(str(number)) for number in range(300)))
        ledger.begin("p2")
    kept = home.ledger_backup.read_bytes()
    content = bytearray(home.ledger.read_bytes())
    assert len(content) > 20 * 4096
    content[5 * 4096 : 15 * 4096] = bytes(10 * 4096)
    home.ledger.write_bytes(content)
    with (
        pytest.raises(LedgerError, match=r"is damaged.*put ledger\.backup\.sqlite in its place"),
        open_ledger(home) as ledger,
    ):
        ledger.begin("p3")
    assert home.ledger_backup.read_bytes() == kept


@pytest.mark.parametrize("content", [b"not a database, but some text" * 100, b"SQLite format 3\x00" + b"\xff" * 5000])
def test_what_is_no_database_is_refused(home: Home, content: bytes) -> None:
    home.root.mkdir()
    home.ledger.write_bytes(content)
    for attempt in (open_ledger, read_ledger):
        with pytest.raises(LedgerError, match="is damaged"), attempt(home):
            pass
    assert home.ledger.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("pragma user_version = 99", "newer version of this pipeline \\(99, known here: 1\\)"),
        ("create table theirs (x)", "another program's database"),
    ],
)
def test_a_database_that_is_not_ours_to_change_is_refused(home: Home, statement: str, message: str) -> None:
    home.root.mkdir()
    with closing(sqlite3.connect(home.ledger)) as connection:
        connection.execute(statement)
        connection.commit()
    before = home.ledger.read_bytes()
    for attempt in (open_ledger, read_ledger):
        with pytest.raises(LedgerError, match=message), attempt(home):
            pass
    assert home.ledger.read_bytes() == before


def test_a_ledger_that_another_program_holds_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "LOCK_SECONDS", 0.1)
    with open_ledger(home) as ledger:
        begin(ledger, op("1"))
        with closing(sqlite3.connect(home.ledger, isolation_level=None)) as other:
            other.execute("begin immediate")
            with pytest.raises(LedgerError, match="in use by another program"), open_ledger(home) as second:
                second.begin("p2")


def test_a_full_disk_stops_a_sync_before_it_sends(home: Home) -> None:
    def sync_on_a_full_disk(*ops: Op) -> None:
        with ledger_file.to_write(home) as connection:
            ((pages,),) = connection.execute("pragma page_count").fetchall()
            connection.execute(f"pragma max_page_count = {pages}")
            begin(Ledger(connection, home, lambda: NOW), *ops, publication_id="p2")

    with open_ledger(home) as ledger:
        begin(ledger, op("1"))
    with pytest.raises(LedgerError, match="free space on the disk"):
        sync_on_a_full_disk(*(op(str(number)) for number in range(500)))
    assert stored(home, "state, publication_id") == {"1": ("PLANNED", "p1")}


def test_a_power_cut_loses_no_commit_and_makes_none_up(home: Home, tmp_path: Path) -> None:
    """The write-ahead log cut off at any length opens as the ledger was after one of its commits, in their order."""
    states: list[dict[str, Any]] = []
    with open_ledger(home) as ledger:
        begin(ledger, *(op(str(number)) for number in range(4)))
        for number in range(4):
            ledger.mark_sending([op(str(number)).op_id], "batch")
            states.append(stored(home))
            ledger.settle([WriteResult(op(str(number)).op_id)])
            states.append(stored(home))
        log = home.root / "ledger.sqlite-wal"
        main, whole = home.ledger.read_bytes(), log.read_bytes()
    found = []
    for length in (*range(0, len(whole), 509), len(whole)):
        cut = Home(tmp_path / f"cut-{length}")
        cut.root.mkdir()
        cut.ledger.write_bytes(main)
        (cut.root / "ledger.sqlite-wal").write_bytes(whole[:length])
        found.append(tables_of(cut))
        shutil.rmtree(cut.root)
    known = [state for state in found if state in states]
    positions = [states.index(state) for state in known]
    assert all(earlier <= later for earlier, later in pairwise(positions))
    assert set(positions) == set(range(len(states)))
    before = {tuple(state.values()) for state in found if state not in states}
    assert before <= {(), ("PLANNED",) * 4}


def tables_of(home: Home) -> dict[str, Any]:
    with closing(sqlite3.connect(home.ledger)) as connection:
        tables = connection.execute("select name from sqlite_master where name = 'op'").fetchall()
    return stored(home) if tables else {}  # none before the commit that made them


def stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
