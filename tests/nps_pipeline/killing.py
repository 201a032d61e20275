"""Kill a process at every step that changes the disk: forked children, each killed one step later than the one before.

The parent lands and reads nothing itself, so no thread of it is at work when it forks; it has imported what its
children need, so they start at once. A step is whatever Python's audit events call a change (mkdir, rename, remove,
symlink, truncate, flock, an open for writing), an fsync, the halves of a text file, and every call of the Parquet
writer and of DuckDB.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd  # noqa: F401 - DuckDB imports it at the first parameter
import pyarrow.dataset  # noqa: F401 - the Parquet reader imports it at the first file
import pyarrow.parquet as pq

At = Callable[[str, Any], None]
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "fcntl.flock"}
FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CALLS: list[tuple[Any, str, str]] = [
    (os, "fsync", "fsync"),
    (pq.ParquetWriter, "__init__", "parquet open"),
    (pq.ParquetWriter, "write_batch", "parquet batch"),
    (pq.ParquetWriter, "close", "parquet close"),
    (duckdb, "connect", "duckdb connect"),
    (duckdb.DuckDBPyConnection, "execute", "duckdb execute"),
    (duckdb.DuckDBPyConnection, "executemany", "duckdb execute"),
    (duckdb.DuckDBPyConnection, "__exit__", "duckdb close"),
]


def watch(at: At) -> None:
    """Call ``at(step, path or descriptor)`` before every step of this process from now on; there is no way back."""

    def audited(event: str, arguments: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and arguments[2] & FOR_WRITING):
            at(event, arguments[:2] if event == "os.rename" else arguments[0])

    def write_text(path: Path, text: str, encoding: str | None = None) -> None:
        with path.open("w", encoding=encoding) as handle:
            for half in (text[: len(text) // 2], text[len(text) // 2 :]):
                at("write_text", path)
                handle.write(half)
                handle.flush()

    sys.addaudithook(audited)
    setattr(Path, "write_text", write_text)  # noqa: B010 - so that no type checker minds
    for owner, name, step in CALLS:
        setattr(owner, name, _announced(getattr(owner, name), step, at))


def _announced(real: Callable[..., Any], step: str, at: At) -> Callable[..., Any]:
    """The function, told before it is called with its first argument that is a path or a descriptor."""

    def announced(*arguments: Any, **options: Any) -> Any:
        at(step, next((argument for argument in arguments if isinstance(argument, int | Path)), None))
        return real(*arguments, **options)

    return announced


def in_child(work: Callable[[], Any]) -> Any:
    """Do the work in a forked child; its result comes back as JSON."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _leave(lambda: _tell(writer, json.dumps(work())))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"a child ended with status {status}")
    return json.loads(text)


def killed(work: Callable[[], object]) -> None:
    """Do the work in a forked child that kills itself on the way."""
    child = os.fork()
    if child == 0:
        _leave(work)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError(f"the child was not killed, it ended with status {status}")


def killed_at_every_step(prepare: Callable[[], Any], work: Callable[[Any], object]) -> Iterator[tuple[str, Any]]:
    """Yield (the step before which the child was killed, what ``prepare`` made), until the work gets through alive."""
    for step in count(1):
        subject = prepare()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            watch(_die_at(step, writer))
            _leave(partial(work, subject))
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as told:
            name = told.read()
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            if status or name:
                raise RuntimeError(f"the child was not killed, it ended with status {status} at {name!r}")
            return
        yield name, subject


def _die_at(step: int, writer: int) -> At:
    seen = count(1)

    def die(name: str, _: Any) -> None:
        if next(seen) == step:
            _tell(writer, name)
            os.kill(os.getpid(), signal.SIGKILL)

    return die


def recorded(root: Path, work: Callable[[], object]) -> list[tuple[str, str]]:
    """The steps of the work with the path of each, relative to ``root``; of a rename with both, ``from -> to``."""
    steps: list[tuple[str, str]] = []

    def note(name: str, what: Any) -> None:
        steps.append((name, " -> ".join(map(relative, what)) if isinstance(what, tuple) else relative(what)))

    def relative(what: Any) -> str:
        if isinstance(what, int):  # a descriptor: whichever path has its inode
            wanted = os.fstat(what).st_ino
            what = next((path for path in (root, *root.rglob("*")) if path.lstat().st_ino == wanted), None)
        return os.path.relpath(os.fsdecode(what), root) if what else ""

    def watched() -> list[tuple[str, str]]:
        watch(note)
        work()
        return steps

    return [(name, path) for name, path in in_child(watched)]


def is_free(lock_file: Path) -> bool:
    """Whether nobody holds the lock."""
    with lock_file.open() as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _tell(descriptor: int, text: str) -> None:
    content = text.encode()
    while content:
        content = content[os.write(descriptor, content) :]


def _leave(work: Callable[[], object]) -> None:
    """End this child without the parent's exit handlers."""
    try:
        work()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
