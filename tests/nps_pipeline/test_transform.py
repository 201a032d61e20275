"""The dbt process of a run: it ends by itself, and is ended when nobody reads its events any more."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nps_pipeline.transform import _ended


def started(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)


def test_a_process_that_has_said_all_ends_by_itself() -> None:
    with started("import os, time; os.close(1); time.sleep(0.3)") as process:
        with _ended(process):
            assert process.stdout is not None
            assert process.stdout.read() == b""
        assert process.wait() == 0


def test_a_process_whose_events_cannot_be_read_is_ended() -> None:
    with started("import time; time.sleep(60)") as process:
        with pytest.raises(ValueError, match="unreadable"), _ended(process):
            raise ValueError("unreadable")
        assert process.returncode not in (None, 0)
