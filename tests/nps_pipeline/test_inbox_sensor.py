"""The sensor of the inbox: it starts one run for files that rest, and none for files that still change."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from nps_pipeline import automation
from tests.nps_pipeline.pipeline import Pipeline


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    pipeline = Pipeline(tmp_path, configuration={"version": 1})
    pipeline.settings()
    monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "nps.yaml"))
    monkeypatch.setenv("NPS_HOME", str(pipeline.home.root))
    return pipeline


def look(cursor: str | None, *runs: dg.DagsterRun) -> tuple[list[str | None], str | None]:
    """One tick where there are some runs: the keys of the runs that it asks for, and its cursor."""
    sensor = automation.inbox_sensor(automation.job())
    with dg.DagsterInstance.ephemeral() as instance:
        for run in runs:
            instance.add_run(run)
        tick = sensor.evaluate_tick(dg.build_sensor_context(instance, cursor=cursor))
    return [request.run_key for request in tick.run_requests or ()], tick.cursor


def test_files_that_rest_start_one_run(shop: Pipeline) -> None:
    assert look(None) == ([], None)
    shop.write("answers.csv", "id,nps\n1,9\n")
    asked, first = look(None)
    assert asked == []
    asked, again = look(first)
    assert (asked, again) == ([first], first)
    assert look(again)[0] == [first]  # Dagster starts one run per key


def test_a_file_that_still_changes_is_waited_for(shop: Pipeline) -> None:
    shop.write("answers.csv", "id,nps\n1,9\n")
    _, first = look(None)
    shop.write("answers.csv", "id,nps\n1,9\n2,4\n")
    asked, second = look(first)
    assert (asked, second != first) == ([], True)
    assert look(second)[0] == [second]


def test_hidden_files_are_none(shop: Pipeline) -> None:
    shop.write(".uploading", "x")
    assert look("what was seen before") == ([], None)


def test_what_comes_while_a_run_is_under_way_starts_another_one_only_if_that_leaves_it(shop: Pipeline) -> None:
    shop.write("answers.csv", "id,nps\n1,9\n")
    _, first = look(None)
    for status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
        assert look(first, dg.DagsterRun(automation.JOB, status=status)) == ([], first)
    others = (dg.DagsterRun(automation.SYNC_JOB, status=dg.DagsterRunStatus.STARTED),
              dg.DagsterRun(automation.JOB, status=dg.DagsterRunStatus.SUCCESS))  # fmt: skip
    assert look(first, *others) == ([first], first)
