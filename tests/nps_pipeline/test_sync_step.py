"""Sync-back as a step of a run: it does what nps.yaml or whoever launches it says, and what goes wrong is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from nps_pipeline.home import Home
from nps_pipeline.keys import PROBLEMS, SYNC_BACK
from nps_pipeline.resources import Run
from nps_pipeline.sync_back import EVERYTHING_WRITTEN, Outlets, sync, sync_asset
from tests.nps_pipeline.crm_double import Crm, empty
from tests.nps_pipeline.sync_marts import CONTACT, Wanted, publish
from tests.nps_pipeline.test_sync_back import IN_ZENDESK, NO_ANSWER, in_zendesk, judged

SYNC = {"hubspot": {"contact": {"fields": {"score": {"to": "nps_score"}}}}}


@pytest.fixture
def launch(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Materializes the step; returns its metadata and whether its check passed."""

    def materialize(mode: str | None = None, *, sync: dict[str, Any] | None = SYNC) -> dict[str, Any]:
        configuration = {"version": 1, "sources": {"hubspot": {}}} | ({"sync": sync} if sync else {})
        (tmp_path / "nps.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        monkeypatch.setenv("NPS_HOME", str(home.root))
        monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "nps.yaml"))
        config = {"ops": {"sync_back": {"config": {"mode": mode}}}} if mode else {}
        done = dg.materialize([sync_asset()], resources={"run": Run()}, run_config=config)
        (materialization,) = done.asset_materializations_for_node("sync_back")
        (check,) = done.get_asset_check_evaluations()
        assert (check.check_name, check.severity) == (EVERYTHING_WRITTEN, dg.AssetCheckSeverity.WARN)
        assert materialization.asset_key == SYNC_BACK
        told = {name: value.value for name, value in materialization.metadata.items()}
        return {**told, "passed": check.passed}

    return materialize


def test_the_step_plans_as_configured_and_applies_when_told(home: Home, launch: Callable[..., dict[str, Any]]) -> None:
    publish(home, "p1", [Wanted("1", "9")])
    planned = launch()
    assert (planned["mode"], planned["decisions"], planned["requests"]) == ("plan", {"hubspot": {"write": 1}}, 1)
    assert (planned["passed"], planned[PROBLEMS]) == (True, [])
    assert not home.ledger.exists()

    applied = launch("apply")  # without credentials
    assert (applied["mode"], applied["written"], applied["publication_id"]) == ("apply", 0, "p1")
    assert applied["passed"]
    assert home.ledger.exists()
    assert launch(sync=SYNC | {"mode": "apply"})["mode"] == "apply"


def test_the_step_tells_what_went_wrong_and_does_not_fail(home: Home, launch: Callable[..., dict[str, Any]]) -> None:
    publish(home, "p1", [Wanted("1", "9")])
    judged(home, passed=False)
    told = launch("apply")
    assert not told["passed"]
    (problem,) = told[PROBLEMS]
    assert "not the file that passed the gate" in problem


@pytest.mark.parametrize("published", [True, False])
def test_the_step_has_nothing_to_do_when_it_is_off_or_nothing_is_configured_or_published(
    home: Home, launch: Callable[..., dict[str, Any]], published: bool
) -> None:
    if published:
        publish(home, "p1", [Wanted("1", "9")])
    outcomes = [launch("off"), launch("apply", sync=None), *([] if published else [launch("apply")])]
    assert all(one["passed"] and one[PROBLEMS] == [] and "written" not in one for one in outcomes)
    assert not home.ledger.exists()


def test_doubt_about_a_crm_that_nps_yaml_does_not_name_any_more_is_told(
    home: Home, launch: Callable[..., dict[str, Any]]
) -> None:
    publish(home, "p1", [in_zendesk("8", "9")])
    crm = Crm(empty("8"), fails=[(True, NO_ANSWER)])
    sync(home, "apply", Outlets([IN_ZENDESK], {("zendesk", "user"): CONTACT}, lambda _: crm))
    (problem,) = launch("apply")[PROBLEMS]
    assert problem.endswith("nps.yaml does not name it under sources any more; name it again.")


def test_the_step_refuses_a_mode_that_it_does_not_have(home: Home, launch: Callable[..., dict[str, Any]]) -> None:
    publish(home, "p1", [Wanted("1", "9")])
    with pytest.raises(dg.DagsterInvalidConfigError):
        launch("everything")
