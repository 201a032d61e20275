"""What every op of a run shares: the settings and the lock that makes it the only run of its home."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg
from pydantic import PrivateAttr

from nps_pipeline import home
from nps_pipeline.settings import Settings, load_settings


class Run(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Settings read when the run starts, and the run lock, held until it ends.

    All ops of a run share one process (the in-process executor), so this is set up once per run.
    """

    _settings: Settings = PrivateAttr()
    _held: ExitStack = PrivateAttr()

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Read the settings and take the lock.

        Raises:
            SettingsError: The configuration is wrong.
            HomeLockedError: Another run is at work.
        """
        self._settings = load_settings()
        self._held = ExitStack()
        run_id = context.run.run_id if context.run else ""
        self._held.enter_context(home.lock(self._settings.home, "run", f"run {run_id}"))

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Let the next run start."""
        self._held.close()

    @property
    def settings(self) -> Settings:
        """The settings of this run."""
        return self._settings

    @contextmanager
    def dbt_environment(self) -> Iterator[None]:
        """The variables through which dbt finds the working database; dbt inherits this process's environment."""
        wanted = {
            "NPS_WORK_DB": str(self._settings.home.work_db),
            "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
            "DBT_LOG_PATH": str(self._settings.home.dbt),
            "DBT_LOG_LEVEL_FILE": "none",  # its debug log could quote cells,
        }
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
