"""The dbt process of a run: it ends by itself, is ended when nobody reads its events any more, and is the only one."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from nps_pipeline import project
from nps_pipeline.transform import _Dbt, _ended


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


def test_a_run_starts_dbt_once_and_does_not_import_it_into_its_own_process(tmp_path: Path) -> None:
    """Dagster would ask for its version in another process, and import it for counts and columns."""
    starts = tmp_path / "starts"
    executable = tmp_path / "dbt"
    executable.write_text(f"#!/bin/sh\necho dbt 0.0.0\necho $1 >> {starts}\n", encoding="utf-8")
    executable.chmod(0o700)
    folder = str(project.DBT_PROJECT)
    dbt = _Dbt(project_dir=folder, profiles_dir=folder, dbt_executable=str(executable))

    invocation = dbt.cli(["build"], target_path=tmp_path)

    assert invocation.process.wait() == 0
    assert starts.read_text(encoding="utf-8").split() == ["build"]
    assert str(invocation.cli_version) == version("dbt-core")
    assert invocation.adapter is None
