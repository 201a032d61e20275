"""Starting the sandbox: addresses, environment, command line, control interface, what it may import."""

from __future__ import annotations

import ast
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

import sandbox as package
from sandbox.__main__ import main
from sandbox.admin import PREFIX
from sandbox.serve import Sandbox, start
from sandbox.zendesk.jobs import SECONDS_TO_COMPLETION

CRMS = ("salesforce", "hubspot", "zendesk")
ROOT = Path(str(package.__file__)).parent
OUTSIDE = {"connectors", "nps_pipeline", "expectations", "dagster"}


def test_the_environment_reaches_all_three(running: Sandbox) -> None:
    assert set(running.environment) == {
        "SALESFORCE_LOGIN_URL", "SALESFORCE_CA_BUNDLE", "SALESFORCE_USERNAME", "SALESFORCE_PASSWORD",
        "SALESFORCE_SECURITY_TOKEN", "SALESFORCE_DOMAIN", "HUBSPOT_BASE_URL", "HUBSPOT_ACCESS_TOKEN",
        "ZENDESK_BASE_URL", "ZENDESK_SUBDOMAIN", "ZENDESK_EMAIL", "ZENDESK_TOKEN",
    }  # fmt: skip
    other = running.environment_for(salesforce="jwt", zendesk="oauth")
    assert {"SALESFORCE_CONSUMER_KEY", "SALESFORCE_PRIVATE_KEY_FILE", "ZENDESK_OAUTH_TOKEN"} <= set(other)
    assert not {"SALESFORCE_PASSWORD", "ZENDESK_TOKEN"} & set(other)


def test_it_listens_on_loopback_only(running: Sandbox) -> None:
    assert {urlsplit(url).hostname for url in running.urls.values()} == {"127.0.0.1"}
    hosts = {str(found[4][0]) for found in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for host in hosts - {"127.0.0.1"}:
        for url in running.urls.values():
            with pytest.raises(OSError), socket.create_connection((host, urlsplit(url).port or 0), timeout=2):  # noqa: PT011
                pass


def test_salesforce_is_not_trusted_without_its_authority(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(f"{running.urls['salesforce']}/services/data/", timeout=10)


def test_the_certificate_satisfies_the_strictest_checks(running: Sandbox) -> None:
    context = ssl.create_default_context(cafile=running.environment["SALESFORCE_CA_BUNDLE"])
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    address = urlsplit(running.urls["salesforce"])
    with (
        socket.create_connection(("127.0.0.1", address.port or 0), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_private_keys_are_for_the_owner_only(running: Sandbox) -> None:
    folder = Path(running.environment["SALESFORCE_CA_BUNDLE"]).parent
    assert {path.name: path.stat().st_mode & 0o077 for path in folder.glob("*.key")} == {
        "server.key": 0,
        "login.key": 0,
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_ports_can_be_named_and_a_taken_one_is_said_so(tmp_path: Path) -> None:
    ports = {"hubspot": free_port()}
    with start(tmp_path, 1, date(2026, 11, 22), ports) as sandbox:
        assert urlsplit(sandbox.urls["hubspot"]).port == ports["hubspot"]
        with pytest.raises(RuntimeError, match=f"Port {ports['hubspot']} on 127.0.0.1 is taken"):
            start(tmp_path, 1, date(2026, 11, 22), ports)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(sandbox.urls["hubspot"], timeout=2)


def test_two_sandboxes_run_side_by_side(running: Sandbox, tmp_path: Path) -> None:
    with start(tmp_path, 7, date(2026, 11, 22)) as other:
        contact = next(iter(other.control["hubspot"].state("contacts")))
        other.control["hubspot"].edit("contacts", contact, nps_score="1")
        assert "nps_score" not in running.control["hubspot"].state("contacts")[contact]["fields"]
        assert other.truth == running.truth


@pytest.mark.parametrize(
    ("crm", "table", "field"),
    [("salesforce", "Contact", "LastName"), ("hubspot", "contacts", "lastname"), ("zendesk", "users", "name")],
)
def test_records_are_added_edited_deleted_and_reset(sandbox: Sandbox, crm: str, table: str, field: str) -> None:
    control = sandbox.control[crm]
    before = control.state(table)
    added = control.add(table, **{field: "New"})
    known = next(iter(before))
    control.edit(table, known, **{field: "Other"})
    control.delete(table, added)
    after = control.state(table)
    assert (after[added]["fields"], after[added]["deleted"] is not None) == ({field: "New"}, True)
    assert after[known]["fields"] == before[known]["fields"] | {field: "Other"}
    assert after[known]["modified"] > before[known]["modified"]
    with pytest.raises(LookupError, match="no such record"):
        control.edit(table, added, **{field: "Again"})
    with pytest.raises(LookupError, match="no table"):
        control.edit("nothing", known, **{field: "Again"})
    control.reset()
    assert control.state(table) == before


def test_definitions_and_jobs_are_reset_too(sandbox: Sandbox) -> None:
    headers = {"Authorization": f"Bearer {sandbox.environment['HUBSPOT_ACCESS_TOKEN']}"}
    groups = f"{sandbox.urls['hubspot']}/crm/v3/properties/contacts/groups"
    body = {"name": "once", "label": "Once"}
    statuses = [requests.post(groups, json=body, headers=headers, timeout=5).status_code for _ in range(2)]
    sandbox.control["hubspot"].reset()
    statuses.append(requests.post(groups, json=body, headers=headers, timeout=5).status_code)
    assert statuses == [201, 409, 201]
    oauth = {"Authorization": f"Bearer {sandbox.logins['zendesk']['oauth']['ZENDESK_OAUTH_TOKEN']}"}
    user = next(
        key for key, one in sandbox.control["zendesk"].state("users").items() if one["fields"]["role"] != "admin"
    )
    rows: Any = {"users": [{"id": int(user), "name": "Changed"}]}
    update = f"{sandbox.urls['zendesk']}/api/v2/users/update_many.json"
    job = requests.put(update, json=rows, headers=oauth, timeout=5).json()["job_status"]
    sandbox.control["zendesk"].reset()
    assert requests.get(job["url"], headers=oauth, timeout=5).status_code == 404
    time.sleep(2 * SECONDS_TO_COMPLETION)
    assert sandbox.control["zendesk"].state("users")[user]["fields"]["name"] != "Changed"


def test_a_reset_starts_the_limits_anew(sandbox: Sandbox) -> None:
    """What earlier tests spent of a minute is not missing in the next one."""
    asked = f"{sandbox.urls['zendesk']}/api/v2/users/me.json"
    left = [int(requests.get(asked, timeout=5).headers["x-rate-limit-remaining"]) for _ in range(3)]
    sandbox.control["zendesk"].reset()
    assert left[-1] < left[0]
    assert requests.get(asked, timeout=5).headers["x-rate-limit-remaining"] == "699"


def test_the_log_tells_writes_from_reads(sandbox: Sandbox) -> None:
    control, url = sandbox.control["hubspot"], sandbox.urls["hubspot"]
    headers = {"Authorization": f"Bearer {sandbox.environment['HUBSPOT_ACCESS_TOKEN']}"}
    contacts = f"{url}/crm/v3/objects/contacts"
    requests.get(contacts, params={"limit": 1}, headers=headers, timeout=5)
    requests.post(f"{contacts}/search", json={}, headers=headers, timeout=5)
    requests.post(f"{contacts}/batch/update", json={"inputs": []}, headers=headers, timeout=5)
    requests.get(f"{url}/no/such/path", timeout=5)
    logged = [(one["method"], one["path"], one["status"], one["changes_records"]) for one in control.requests()]
    assert logged == [
        ("GET", "/crm/v3/objects/contacts", 200, False),
        ("POST", "/crm/v3/objects/contacts/search", 200, False),
        ("POST", "/crm/v3/objects/contacts/batch/update", 400, True),
        ("GET", "/no/such/path", 404, False),
    ]
    assert control.requests()[0]["query"] == "limit=1"
    assert [one["path"] for one in control.writes()] == ["/crm/v3/objects/contacts/batch/update"]
    control.forget_requests()
    assert control.requests() == []


def test_time_never_runs_backwards(tmp_path: Path) -> None:
    with start(tmp_path, 1, date(2031, 1, 1)) as sandbox:  # a history that ends after the present
        control = sandbox.control["hubspot"]
        latest = max(one["modified"] for one in control.state("contacts").values())
        contact = next(iter(control.state("contacts")))
        control.edit("contacts", contact, nps_score="1")
        assert control.state("contacts")[contact]["modified"] >= latest


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    file, exports = tmp_path / "crm.env", tmp_path / "inbox"
    command = [sys.executable, "-m", "sandbox", "--seed", "3", "--today", "2026-11-22"]
    command += ["--write-env", str(file), "--survey-csv", str(exports)]
    environment = os.environ | {"PYTHONPATH": str(ROOT.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        shown = dict(read_until_ready(process.stdout))
        written = dict(line.split("=", 1) for line in file.read_text(encoding="utf-8").splitlines())
        assert shown == written
        details = requests.get(
            f"{written['HUBSPOT_BASE_URL']}/account-info/v3/details",
            headers={"Authorization": f"Bearer {written['HUBSPOT_ACCESS_TOKEN']}"},
            timeout=5,
        )
        assert details.status_code == 200
        assert [path.name for path in exports.iterdir()] == ["customer_loyalty_responses.csv"]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
    assert not Path(written["SALESFORCE_CA_BUNDLE"]).exists()


def read_until_ready(lines: object) -> list[tuple[str, str]]:
    found = []
    for line in lines:  # type: ignore[attr-defined]
        match = re.fullmatch(r"export (\w+)=(.*)\n", line)
        if match is None:
            break
        found.append((match[1], match[2]))
    return found


def test_a_taken_port_ends_the_command_with_one_sentence(
    running: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    port = str(urlsplit(running.urls["hubspot"]).port)
    assert main(["--hubspot-port", port]) == 1
    assert (
        capsys.readouterr().err == f"Port {port} on 127.0.0.1 is taken; name another one, or none for any free port.\n"
    )


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


def test_it_imports_nothing_of_the_product() -> None:
    found: Mapping[str, set[str]] = {str(path): imported(path) & OUTSIDE for path in ROOT.rglob("*.py")}
    assert len(found) > 30
    assert {path: names for path, names in found.items() if names} == {}


def test_the_control_interface_has_its_own_place(running: Sandbox) -> None:
    for crm in CRMS:
        assert all(not one["path"].startswith(PREFIX) for one in running.control[crm].requests())
