"""The file of the ledger: alone opens ledger.sqlite, guards it against loss and damage, and copies it. No rule here."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from nps_pipeline.errors import PipelineError
from nps_pipeline.home import Home, fsync_directory, fsync_file

Connection = sqlite3.Connection

VERSION = 1
LOCK_SECONDS = 10.0
_SCHEMA = f"""
begin immediate;
create table if not exists epoch (epoch integer primary key, publication_id text not null, started_at text not null);
create table if not exists op (
    op_id text primary key, destination text not null, object text not null, record_id text not null,
    publication_id text not null, response_id text, as_of text, expected_json text not null, wanted_json text not null,
    state text not null
    check (state in ('PLANNED', 'SENDING', 'CONFIRMED', 'REJECTED', 'UNKNOWN', 'SUPERSEDED')),
    batch_id text, external_job_id text, attempt integer not null, epoch integer not null, error_code text,
    planned_at text not null, sent_at text, settled_at text
);
create index if not exists op_by_state on op (state, destination);
create index if not exists op_by_record on op (destination, object, record_id);
create table if not exists decision (
    epoch integer not null, publication_id text not null, destination text not null, object text not null,
    record_id text not null, field text not null, old text, new text, decision text not null, reason text not null,
    response_id text, op_id text
);
create index if not exists decision_by_record on decision (destination, object, record_id);
create table if not exists written (
    destination text not null, object text not null, record_id text not null, field text not null, text text,
    as_of text, op_id text not null, written_at text not null,
    primary key (destination, object, record_id, field)
) without rowid;
pragma user_version = {VERSION};
commit;
"""


class LedgerError(PipelineError):
    """The ledger cannot be used, or a later sync has taken over; the text says what to do."""


@contextmanager
def to_write(home: Home) -> Iterator[Connection]:
    """The ledger of this home, made if there was none; every commit is on the disk when it returns.

    Raises:
        LedgerError: It is damaged, locked, lost, or of a newer version; also when that shows only later.
    """
    home.root.mkdir(parents=True, exist_ok=True)
    _refuse_if_lost(home)
    with _in_sentences(home.ledger), closing(_connect(str(home.ledger))) as connection:
        version = _version(connection, home.ledger)
        connection.execute("pragma synchronous = full")
        connection.execute("pragma journal_mode = wal")
        if version == 0:
            connection.executescript(_SCHEMA)
            fsync_directory(home.root)
        yield connection


@contextmanager
def to_read(home: Home) -> Iterator[Connection | None]:
    """The ledger of this home, also while a sync writes it; None before the first sync.

    Raises:
        LedgerError: See ``to_write``.
    """
    _refuse_if_lost(home)
    if not home.ledger.exists():
        yield None
        return
    with _in_sentences(home.ledger), closing(_connect(f"{home.ledger.absolute().as_uri()}?mode=ro")) as connection:
        yield connection if _version(connection, home.ledger) else None


def back_up(connection: Connection, home: Home) -> None:
    """Copy a ledger that is whole to its backup, which is replaced only by a complete copy.

    Raises:
        LedgerError: The ledger is damaged, or the copy cannot be written; the backup stays as it is.
    """
    if connection.execute("pragma quick_check").fetchall() != [("ok",)]:
        raise _damaged(home.ledger)
    partial = home.ledger_backup.with_name(f".{home.ledger_backup.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(partial)) as copy:
            connection.backup(copy)
        fsync_file(partial)
        os.replace(partial, home.ledger_backup)  # noqa: PTH105 - the one atomic step, named as what it is
        fsync_directory(home.root)
    except OSError as error:
        raise _unwritable(home.ledger_backup, error) from None


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=LOCK_SECONDS, isolation_level=None, uri=name.startswith("file:"))


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of an existing ledger, 0 for an empty file."""
    ((version,),) = connection.execute("pragma user_version").fetchall()
    ((tables,),) = connection.execute("select count(*) from sqlite_master").fetchall()
    if version > VERSION:
        raise LedgerError(
            f"{path} was written by a newer version of this pipeline ({version}, known here: {VERSION}). Nothing was "
            "changed; install that version."
        )
    if version == 0 and tables:
        raise LedgerError(f"{path} is another program's database. Nothing was changed; move it away.")
    return int(version)


def _refuse_if_lost(home: Home) -> None:
    """Without its memory a sync would take its own values for a person's, and a person's edits for its own."""
    is_there = home.ledger.exists() and home.ledger.stat().st_size > 0
    if not is_there and home.ledger_backup.exists():
        raise LedgerError(
            f"{home.ledger} is lost, but its backup is there. Nothing was written. Copy {home.ledger_backup.name} to "
            f"{home.ledger.name}; to begin without memory of earlier writes, remove the backup."
        )


@contextmanager
def _in_sentences(path: Path) -> Iterator[None]:
    """What SQLite says, as a sentence for the person who must act."""
    try:
        yield
    except sqlite3.Error as error:
        said = str(error).lower()
        if "locked" in said or "busy" in said:
            raise LedgerError(
                f"{path} is in use by another program. Nothing more was sent; close that program and sync again."
            ) from None
        if "full" in said or "i/o" in said or "readonly" in said or "unable to open" in said:
            raise _unwritable(path, error) from None
        raise _damaged(path) from None


def _unwritable(path: Path, error: Exception) -> LedgerError:
    reason = error.strerror if isinstance(error, OSError) else error
    return LedgerError(
        f"{path} cannot be written or opened ({reason}). Nothing more was sent; free space on the disk or mend its "
        "permissions, and sync again."
    )


def _damaged(path: Path) -> LedgerError:
    return LedgerError(
        f"{path} is damaged. Nothing more was sent. Keep it aside, together with the files beside it that begin with "
        "its name, and put ledger.backup.sqlite in its place: it is the copy made when the last sync began."
    )
