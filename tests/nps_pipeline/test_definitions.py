"""What Dagster is given: complete, described, in the order of the flow, and loaded without touching any state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from expectations.suites import load_suites, shipped_suites
from expectations.verdict import PARQUET_MATCHES_TABLE
from nps_pipeline import project
from nps_pipeline.build import build_defs
from nps_pipeline.gate import checked_asset
from nps_pipeline.keys import GROUPS, OUTCOME, SYNC_BACK, table
from tests.nps_pipeline.command import OURS

CREDENTIALS = ("SALESFORCE_PASSWORD", "SALESFORCE_SECURITY_TOKEN", "HUBSPOT_ACCESS_TOKEN", "ZENDESK_TOKEN")
# Imports the module of workspace.yaml and prints which variables were asked for, and how often.
PROBE = """
import collections, json, os, sys
asked = collections.Counter()
read = type(os.environ).__getitem__
type(os.environ).__getitem__ = lambda self, name: asked.update([name]) or read(self, name)
import importlib
module = importlib.import_module(sys.argv[1])
import dagster
print(json.dumps({
    "asked": asked,
    "definitions": isinstance(module.defs, dagster.Definitions),
    "gx": "great_expectations" in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configuration") / "nps.yaml"
    path.write_text("version: 1\nreporting: {timezone: Europe/Paris}\nschedule: {cron: '15 6 * * 1'}\n")
    return path


@pytest.fixture(scope="module")
def definitions(configuration: Path) -> dg.Definitions:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPS_CONFIG", str(configuration))
        return build_defs()


@pytest.fixture(scope="module")
def graph(definitions: dg.Definitions) -> dg.AssetGraph:
    return definitions.resolve_asset_graph()


@pytest.fixture(scope="module")
def manifest(definitions: dg.Definitions) -> dict[str, Any]:
    assert definitions.jobs
    return dict(json.loads(project.MANIFEST.read_text(encoding="utf-8")))


def test_loading_asks_for_no_credential_and_makes_no_file(tmp_path: Path, configuration: Path) -> None:
    project.prepare_manifest()
    folders = {name: tmp_path / name for name in ("cwd", "home", "user")}
    for folder in folders.values():
        folder.mkdir()
    bare = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    environment = {
        **bare,
        **dict.fromkeys((*CREDENTIALS, "DECOY_OF_NO_MEANING"), "secret"),
        "HOME": str(folders["user"]),
        "NPS_HOME": str(folders["home"]),
        "NPS_CONFIG": str(configuration),
    }
    workspace = yaml.safe_load((project.ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    (module,) = [entry["python_module"]["module_name"] for entry in workspace["load_from"]]

    probed = subprocess.run(
        [sys.executable, "-c", PROBE, module],
        cwd=folders["cwd"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    found = json.loads(probed.stdout)
    assert found["definitions"]
    assert not found["gx"], "Great Expectations costs seconds: it is imported inside the gate"
    assert found["asked"]["NPS_CONFIG"] > 0
    # whoever copies the whole environment reads the decoy as well; nobody may ask for a credential by its name
    assert {found["asked"].get(name, 0) for name in CREDENTIALS} == {found["asked"].get("DECOY_OF_NO_MEANING", 0)}
    assert {name: list(folder.rglob("*")) for name, folder in folders.items()} == {name: [] for name in folders}


def test_every_asset_is_described_grouped_and_of_a_kind(definitions: dg.Definitions) -> None:
    specs = list(definitions.resolve_all_asset_specs())

    assert len(specs) > 30
    for spec in specs:
        assert spec.description, spec.key
        assert spec.group_name in GROUPS.values(), spec.key
        assert spec.kinds, spec.key


def test_groups_stand_in_the_order_of_the_flow(graph: dg.AssetGraph) -> None:
    assert list(GROUPS.values()) == sorted(GROUPS.values())
    edges = [(parent, node) for node in graph.asset_nodes for parent in graph.get_parents(node)]
    against = {(parent.key, node.key) for parent, node in edges if parent.group_name > node.group_name}

    assert len(edges) > 50
    assert against == set()


def test_everything_hangs_together_from_the_files_to_the_outcome(graph: dg.AssetGraph) -> None:
    groups = {node.group_name for node in graph.asset_nodes}
    roots = {node.group_name for node in graph.asset_nodes if not graph.get_parents(node)}

    assert groups == set(GROUPS.values())
    assert roots == {GROUPS["landing"], GROUPS["seeds"]}


def test_every_expectation_is_a_check_on_its_table_and_blocks_if_critical(graph: dg.AssetGraph) -> None:
    suites = load_suites(shipped_suites())
    checks = [*(check for suite in suites for check in suite.expectations), PARQUET_MATCHES_TABLE]

    assert {check.severity for check in checks} == {"critical", "warning"}
    for check in checks:
        spec = graph.get_check_spec(dg.AssetCheckKey(checked_asset(check.table), check.name))
        assert spec.blocking == (check.severity == "critical")
        assert spec.description is not None
        assert check.says in spec.description


def test_every_dbt_test_is_a_check_on_what_it_tests(graph: dg.AssetGraph, manifest: dict[str, Any]) -> None:
    nodes = manifest["nodes"]
    tests = [node for node in nodes.values() if node["resource_type"] == "test"]

    assert len(tests) > 40
    for test in tests:
        tested = nodes[test["attached_node"]]
        key = dg.AssetCheckKey(table(tested["schema"], tested["name"]), test["name"])
        assert key in graph.asset_check_keys


def test_every_model_and_seed_is_an_asset(graph: dg.AssetGraph, manifest: dict[str, Any]) -> None:
    nodes = [node for node in manifest["nodes"].values() if node["resource_type"] in {"model", "seed"}]

    assert nodes
    assert {table(node["schema"], node["name"]) for node in nodes} <= graph.get_all_asset_keys()


def test_one_job_does_everything_and_one_syncs_alone(definitions: dg.Definitions, graph: dg.AssetGraph) -> None:
    jobs = [job for job in definitions.resolve_all_job_defs() if not job.name.startswith("__")]

    everything, sync = sorted(jobs, key=lambda job: job.name)
    assert (everything.name, sync.name) == ("nps", "nps_sync")
    assert set(everything.asset_layer.executable_asset_keys) == set(graph.executable_asset_keys)
    assert set(sync.asset_layer.executable_asset_keys) == {SYNC_BACK, OUTCOME}


def test_there_is_one_schedule_as_nps_yaml_says_and_it_is_off(definitions: dg.Definitions) -> None:
    (schedule,) = definitions.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)

    assert (schedule.cron_schedule, schedule.execution_timezone) == ("15 6 * * 1", "Europe/Paris")
    assert schedule.job_name == "nps"
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
