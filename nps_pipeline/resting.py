"""Whether a file is still being written. What becomes of it then is decided in ``inbox``."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

RESTS_AFTER: Final = 2.0
"""Seconds without a change after which a file counts as complete, where the system cannot say who has it open."""

_LEASE: Final = getattr(fcntl, "F_SETLEASE", None)


def resting(paths: Iterable[Path]) -> set[Path]:
    """Of these paths, those that nobody writes to.

    Linux says so itself: it grants a read lease only on a file that nobody has open for writing (fcntl(2)). Elsewhere,
    and for files of another owner, a file rests that did not change for ``RESTS_AFTER`` seconds; young ones are waited
    for once, all together.
    """
    found, unknown = set[Path](), dict[Path, tuple[int, int]]()
    for path in paths:
        is_written = _is_open_for_writing(path)
        if is_written is None:
            unknown[path] = _look(path)
        elif not is_written:
            found.add(path)
    youngest = max((modified for _, modified in unknown.values()), default=0) / 1e9
    time.sleep(min(RESTS_AFTER, max(0.0, youngest + RESTS_AFTER - time.time())))
    return found | {path for path, seen in unknown.items() if _look(path) == seen}


def _look(path: Path) -> tuple[int, int]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _is_open_for_writing(path: Path) -> bool | None:
    """None where the system does not tell."""
    if _LEASE is None:
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False  # a link, or not to be read: refused with its reason when it is opened
    try:
        # A writer that comes in this very moment is told of to us by a signal: by one that does not end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, _LEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, _LEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return False
