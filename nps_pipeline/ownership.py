"""Rights: a new publication takes mode, owner and group of the files from the one that readers have now."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def copy_rights(directory: Path, model: Path, file_model: Path) -> list[Path]:
    """Give everything in ``directory`` the rights of its counterpart in ``model``; the directory itself is left alone.

    Args:
        directory: What is to be published.
        model: The publication that readers have now.
        file_model: The file of it that stands for files without a counterpart; ``model`` does for directories.

    Returns:
        The paths whose owner or group this user has no right to give; their mode is as it should be.
    """
    refused = []
    for path in sorted(directory.rglob("*")):
        counterpart = model / path.relative_to(directory)
        if not counterpart.exists():
            counterpart = model if path.is_dir() else file_model
        if not copy_rights_of(path, counterpart):
            refused.append(path)
    return refused


def copy_rights_of(path: Path, model: Path) -> bool:
    """Give one path the owner, group and mode of another; returns whether this user may give owner and group."""
    wanted = model.stat()
    now = path.stat()
    given = True
    # Owner and group one by one: who may not give files away may still give them to a group of their own.
    for differs, uid, gid in (
        (now.st_uid != wanted.st_uid, wanted.st_uid, -1),
        (now.st_gid != wanted.st_gid, -1, wanted.st_gid),
    ):
        try:
            if differs:
                os.chown(path, uid, gid)
        except PermissionError:
            given = False
    path.chmod(stat.S_IMODE(wanted.st_mode))  # last: a change of owner clears some bits
    return given


def make_removable(directory: Path) -> None:
    """Let this user remove what is in a directory, also where the rights that it took over forbid to."""
    mode = stat.S_IMODE(directory.stat().st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        directory.chmod(mode | stat.S_IRWXU)
    for path in directory.iterdir():
        if path.is_dir() and not path.is_symlink():
            make_removable(path)
