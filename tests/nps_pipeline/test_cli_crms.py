"""What a person meets at the terminal of the CRMs: the sandbox, and one source alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.nps_pipeline.command import Command, nps

READY = "# Salesforce, HubSpot and Zendesk answer on loopback until Ctrl-C.\n"


def test_the_sandbox_serves_the_crms_until_it_is_told_to_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        nps("sandbox", "--write-env", str(tmp_path / ".env")), stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        assert process.stdout is not None
        told = list(
            iter(process.stdout.readline, "# Salesforce, HubSpot and Zendesk answer on loopback until Ctrl-C.\n")
        )
        token = next(line for line in told if "HUBSPOT_ACCESS_TOKEN" in line)
        assert token.startswith("export ")
        assert token.removeprefix("export ") in (tmp_path / ".env").read_text(encoding="utf-8")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_source_that_nps_yaml_does_not_name_cannot_be_pulled_alone(tmp_path: Path) -> None:
    refused = Command(tmp_path)("run", "--only", "hubspot")

    assert refused.returncode == 2
    assert "nps.yaml pulls from files." in refused.stderr
