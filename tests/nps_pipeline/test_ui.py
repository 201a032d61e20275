"""The UI as a person starts it: it loads, shows the runs of the terminal, starts runs, and is seen by nobody else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from expectations.suites import load_suites, shipped_suites
from nps_pipeline.publications import require_current
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.nps_pipeline.command import Command, leaks, nps

HEADER = "id,mail,customer,name,nps,why,at\n"
CANARIES = ("zqrecordzq", "zqmailzq", "zqcustomerzq", "zqnamezq", "zqwhyzq")
LOG = "ui.log"
LOOPBACK = "0100007F"  # 127.0.0.1 as the kernel writes it
LISTENING = "0A"

LOCATIONS = """{workspaceOrError {... on Workspace {locationEntries {
    name locationOrLoadError {__typename ... on PythonError {message}}}}}}"""
RUNS = "{runsOrError {... on Runs {results {runId status jobName}}}}"
ASSETS = """{assetNodes {
    assetKey {path} groupName description
    assetChecksOrError {... on AssetChecks {checks {name blocking}}}}}"""
LAUNCH = """mutation {launchRun(executionParams: {selector: {
    repositoryLocationName: "nps_pipeline", repositoryName: "__repository__", jobName: "nps"}, runConfigData: {}}) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
RUN = """{runOrError(runId: "%s") {... on Run {status}}}"""


@dataclass(frozen=True)
class Ui:
    """A running `nps ui`, spoken to over HTTP."""

    process: subprocess.Popen[bytes]
    port: int

    def ask(self, query: str) -> Any:
        status, body = self._request("POST", "/graphql", json.dumps({"query": query}))
        document = json.loads(body)
        assert (status, document.get("errors")) == (200, None)
        return document["data"]

    def answers(self) -> bool:
        assert self.process.poll() is None, "nps ui has ended"
        try:
            return self._request("GET", "/server_info")[0] == 200
        except OSError:
            return False

    def _request(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        with closing(connection):
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()


def answer(number: int) -> str:
    record, mail, customer, name, why = (f"{canary}{number}" for canary in CANARIES)
    return f"{record},{mail}@example.org,{customer},{name},9,{why},2026-01-0{number}\n"


def wait_until(reached: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached in {seconds} seconds"
        time.sleep(0.25)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_of(group: int) -> list[Path]:
    """The processes of a process group, as their directories in /proc."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (directory / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(after_name[2]) == group:
            found.append(directory)
    return found


def listening_sockets(group: int) -> list[str]:
    """Local address and port of every TCP socket on which a process of the group listens, in the kernel's spelling."""
    inodes = set()
    for directory in processes_of(group):
        for link in directory.glob("fd/*"):
            try:
                inodes.add(str(link.readlink()))
            except FileNotFoundError:
                continue
    tables = [path for path in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if path.exists()]
    rows = [line.split() for path in tables for line in path.read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in inodes]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Command:
    return Command(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def run_id(shop: Command) -> str:
    """`nps run` has published two answers."""
    shop.drop("shop_january.csv", HEADER + answer(1) + answer(2))
    result = shop("run", "--json")
    outcome = json.loads(result.stdout)
    assert (result.returncode, outcome["exit"], outcome["published"]) == (0, 0, True)
    return str(outcome["run_id"])


@pytest.fixture(scope="module")
def dead_run(shop: Command, run_id: str) -> str:
    """A run whose process was killed: it still looks started."""
    dead = dg.DagsterRun(job_name="nps", run_id=f"dead{run_id[4:]}", status=dg.DagsterRunStatus.STARTED)
    with dg.DagsterInstance.from_config(str(shop.home.dagster)) as instance:
        instance.add_run(dead)
    return dead.run_id


@pytest.fixture(scope="module")
def ui(shop: Command, dead_run: str) -> Iterator[Ui]:
    assert dead_run
    port = free_port()
    with (shop.folder / LOG).open("wb") as output:
        process = subprocess.Popen(
            nps("ui", "--port", str(port)),
            cwd=shop.folder,
            env=shop.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        started = Ui(process, port)
        try:
            wait_until(started.answers, 90)
            yield started
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End the command as a service manager does; whatever is left of its own group afterwards is killed."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    finally:
        if processes_of(process.pid):
            os.killpg(process.pid, signal.SIGKILL)


def test_the_code_loads(ui: Ui) -> None:
    entries = ui.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]

    assert entries == [{"name": "nps_pipeline", "locationOrLoadError": {"__typename": "RepositoryLocation"}}]


def test_the_runs_of_the_terminal_are_listed(ui: Ui, run_id: str) -> None:
    assert {"runId": run_id, "jobName": "nps", "status": "SUCCESS"} in ui.ask(RUNS)["runsOrError"]["results"]


def test_a_run_that_was_killed_does_not_hold_up_the_queue(ui: Ui, dead_run: str) -> None:
    assert ui.ask(RUN % dead_run)["runOrError"]["status"] == "FAILURE"


def test_every_table_and_every_check_is_shown(ui: Ui) -> None:
    nodes = {"/".join(node["assetKey"]["path"]): node for node in ui.ask(ASSETS)["assetNodes"]}
    checks = {check["name"]: check["blocking"] for node in nodes.values() for check in _checks(node)}

    assert {"landing/files", "raw/records", "published_mart", "outcome"} <= nodes.keys()
    assert {f"marts/{name}" for name in CONTRACT_TABLES} <= nodes.keys()
    for suite in load_suites(shipped_suites()):
        for expectation in suite.expectations:
            assert checks[expectation.name] == (expectation.severity == "critical")
    assert "is_key_fct_nps_responses_response_id" in checks


def _checks(node: dict[str, Any]) -> list[dict[str, Any]]:
    return list(node["assetChecksOrError"].get("checks", []))


def test_it_listens_on_loopback_only(ui: Ui) -> None:
    listening = listening_sockets(ui.process.pid)

    assert f"{LOOPBACK}:{ui.port:04X}" in listening
    assert {address.split(":")[0] for address in listening} == {LOOPBACK}


def test_a_taken_port_is_refused_in_one_sentence(ui: Ui, shop: Command) -> None:
    refused = shop("ui", "--port", str(ui.port))

    assert refused.returncode == 2
    assert f"{ui.port} cannot be used" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr


def test_a_run_that_is_started_here_publishes(ui: Ui, shop: Command) -> None:
    before = require_current(shop.home).publication_id
    shop.drop("shop_february.csv", HEADER + answer(3))

    launched = ui.ask(LAUNCH)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched

    def has_ended() -> bool:
        status = ui.ask(RUN % launched["run"]["runId"])["runOrError"]["status"]
        assert status not in {"FAILURE", "CANCELED"}
        return bool(status == "SUCCESS")

    wait_until(has_ended, 120)
    assert require_current(shop.home).publication_id != before
    assert json.loads(shop("status", "--json").stdout)["conservation"][0]["kept"] == 3
    assert leaks(shop.home, CANARIES) == set()
    assert all(canary.encode() not in (shop.folder / LOG).read_bytes() for canary in CANARIES)


def test_it_ends_when_it_is_told_to(ui: Ui) -> None:
    end(ui.process)

    assert ui.process.returncode is not None
    wait_until(lambda: processes_of(ui.process.pid) == [], 10)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ui.port)) != 0
