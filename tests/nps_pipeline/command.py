"""The command as a person starts it: a process of its own with a home, a configuration and nothing else of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import chdir
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO, cast

from click.testing import CliRunner

from nps_pipeline import cli
from nps_pipeline.home import Home

OURS = ("NPS_", "DAGSTER_", "DBT_", "SALESFORCE_", "HUBSPOT_", "ZENDESK_")
# Where customer data is kept: as landed, as received, as built, as published.
DATA = ("landing/", "archive/", "refused/", "work.duckdb", "publish/")
DATA_FILES = (".parquet", ".csv", ".duckdb", ".html")
SHOP = """\
version: 1
sources:
  files:
    - {name: shop, match: "shop*.csv", id: id, email: mail, respondent: customer, display_name: name, score: nps,
       scale: [0, 10], comment: why, responded_at: {column: at, timezone: UTC}, survey_type: relational, channel: store}
"""


class _WhateverIsStdout:
    """Where the command prints tables: to the real standard output, unless a test looks at what it prints."""

    def write(self, text: str) -> int:
        return sys.stdout.write(text)

    def flush(self) -> None:
        sys.stdout.flush()


@dataclass(frozen=True)
class Command:
    """`nps` in a folder of its own; nothing it prints is wrapped or coloured."""

    folder: Path
    configuration: str = SHOP
    credentials: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.folder / "var")

    @property
    def environment(self) -> dict[str, str]:
        (self.folder / "nps.yaml").write_text(self.configuration, encoding="utf-8")
        bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        bare |= self.credentials
        return {**bare, "NPS_HOME": str(self.home.root), "NPS_CONFIG": str(self.folder / "nps.yaml"), "COLUMNS": "200"}

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        process = subprocess.Popen(
            nps(*words),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            stdout, stderr = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its own group: itself and what it has started
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def here(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, which has imported most already: for what a command says of a home."""
        from nps_pipeline import console  # noqa: PLC0415 - it imports Dagster: seconds

        foreign = {name: None for name in os.environ if name.startswith(OURS)}
        real = console.out.file
        console.out.file = cast("TextIO", _WhateverIsStdout())
        try:
            with chdir(self.folder):
                done = CliRunner().invoke(cli.main, words, prog_name="nps", env=foreign | self.environment)
        finally:
            console.out.file = real
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(list(words), done.exit_code, done.stdout, done.stderr)

    def drop(self, name: str, content: str | bytes) -> None:
        """Put a file into the inbox."""
        self.home.inbox.mkdir(parents=True, exist_ok=True)
        (self.home.inbox / name).write_bytes(content.encode() if isinstance(content, str) else content)


def nps(*words: str) -> list[str]:
    """The words that start the command with this interpreter."""
    return [sys.executable, "-m", "nps_pipeline", *words]


def holding(home: Home, values: Iterable[str]) -> set[str]:
    """The files below a home that hold one of the values, relative to it."""
    needles = [value.encode() for value in values]
    return {
        str(path.relative_to(home.root))
        for path in home.root.rglob("*")
        if path.is_file() and any(needle in path.read_bytes() for needle in needles)
    }


def leaks(home: Home, values: Iterable[str]) -> set[str]:
    """Those of them that are no place for customer data."""
    return {path for path in holding(home, values) if not (path.startswith(DATA) and path.endswith(DATA_FILES))}
