"""A pipeline of its own in a folder: settings, inbox, runs in this process, and what the published mart says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from nps_pipeline import instance
from nps_pipeline.build import build_defs
from nps_pipeline.execute import RunResult, Wishes, run_job
from nps_pipeline.home import Home
from nps_pipeline.publications import Publication, require_current
from nps_pipeline.settings import ENVIRONMENT, Settings, known_variables, load_settings
from nps_pipeline.warehouse import CONTRACT_TABLES, open_published, rows_as_dicts

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
# What differs between two publications of the same content: when it was made, of which loads and after which others.
OF_THE_RUN = {"publication", "loads", "conservation", "sync_observed", "customer_id_history"}


@dataclass
class Pipeline:
    """Everything below one folder; ``now`` is when its runs are, so that nothing depends on the calendar."""

    folder: Path
    now: datetime = NOON
    suite_files: Sequence[Path] | None = None
    configuration: dict[str, Any] = field(default_factory=lambda: {"version": 1})
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Home:
        return Home(self.folder / "var")

    def settings(self) -> Settings:
        config = self.folder / "nps.yaml"
        config.write_text(yaml.safe_dump(self.configuration), encoding="utf-8")
        return load_settings({"NPS_HOME": str(self.home.root), "NPS_CONFIG": str(config), **self.environment})

    def drop(self, *paths: Path) -> None:
        self.home.inbox.mkdir(parents=True, exist_ok=True)
        for path in paths:
            shutil.copy(path, self.home.inbox / path.name)

    def write(self, name: str, text: str) -> None:
        self.home.inbox.mkdir(parents=True, exist_ok=True)
        (self.home.inbox / name).write_text(text, encoding="utf-8")

    def definitions(self) -> dg.Definitions:
        # They, and the run itself, read the settings of the environment, none that another pipeline left in it.
        instance.use(self.settings())
        for name in {*known_variables()} - {*ENVIRONMENT}:
            os.environ.pop(name, None)
        os.environ.update(self.environment)
        return build_defs(clock=lambda: self.now, suite_files=self.suite_files, quiet=True)

    def run(self, *, only: str | None = None, sync: str = "configured", reconcile: bool = False) -> RunResult:
        return run_job(self.settings(), self.definitions(), Wishes(only=only, sync=sync, reconcile=reconcile))

    @property
    def publication(self) -> Publication:
        return require_current(self.home)

    def query(self, sql: str) -> list[dict[str, Any]]:
        with open_published(self.publication.mart) as mart:
            return rows_as_dicts(mart, sql)

    def one(self, sql: str) -> Any:
        (row,) = self.query(sql)
        (value,) = row.values()
        return value


def content(pipeline: Pipeline, tables: set[str] | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the contract tables but those that describe the run; response ids come from landing alone."""
    with open_published(pipeline.publication.mart) as mart:
        return {
            table: mart.execute(f"select * from {table} order by all").fetchall()
            for table in tables or set(CONTRACT_TABLES) - OF_THE_RUN
        }
