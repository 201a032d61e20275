"""The demo: starts the sandbox CRMs, writes survey exports, runs the product on both twice, says what to look at.

It drives the product only through its command, as a newcomer would.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from sandbox.serve import Sandbox, start
from sandbox.survey_exports import write_survey_exports

SEED = 7
_CONFIGURATION = Path(__file__).with_name("demo.yaml")


def main() -> int:
    """Run the demo; the exit code is that of the first run that did not succeed, else 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("var") / "demo", help="state of the demo, made anew")
    home = parser.parse_args().home.absolute()
    marker = home / ".demo"
    if home.exists() and not marker.exists():
        print(
            f"{home} is no home of an earlier demo, so it is left alone; name another one with --home.", file=sys.stderr
        )
        return 1
    if home.exists():
        shutil.rmtree(home)
    home.mkdir(parents=True)
    marker.touch()
    configuration = home / "nps.yaml"
    shutil.copy(_CONFIGURATION, configuration)
    today = date.today()  # noqa: DTZ011 - the files hold local dates
    with start(home / "sandbox", SEED, today) as crms:
        truth = write_survey_exports(home / "inbox", SEED, today)
        export = crms.population.write_survey_csv(home / "inbox")
        rows = sum(counts["rows"] for counts in truth["files"].values()) + len(crms.population.survey_rows)
        places = {"NPS_HOME": str(home), "NPS_CONFIG": str(configuration)}
        environment = {**os.environ, **places, **crms.environment}
        files = len(truth["files"]) + 1
        _say(
            f"Salesforce, HubSpot and Zendesk answer on loopback; {files} survey exports with {rows:,} rows wait in "
            f"{export.parent}. First run, which also writes the scores back into the CRMs:"
        )
        code = _nps(["run", "--apply"], environment) or _judged(crms)
        if code == 0:
            _say(f"The CRMs took {_writes(crms)}. Second run, on the same state:")
            code = _nps(["run", "--apply"], environment) or _judged(crms)
        if code == 0:
            _say(f"The CRMs took {_writes(crms)}: the mart is the same, so there was nothing to write. Look around:")
            _tell_where(places, home)
    return code


def _judged(crms: Sandbox) -> int:
    """1 where a request broke what the vendors publish of their APIs, and says so; else 0."""
    wrong = [sentence for control in crms.control.values() for sentence in control.violations()]
    for sentence in wrong:
        print(sentence, file=sys.stderr)
    return int(bool(wrong))


def _writes(crms: Sandbox) -> str:
    """How many requests changed records since this was asked last, as the CRMs counted them."""
    counts = {name: len(control.writes()) for name, control in crms.control.items()}
    for control in crms.control.values():
        control.forget_requests()
    requests = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{sum(counts.values())} write requests ({requests})"


def _tell_where(places: Mapping[str, str], home: Path) -> None:
    nps = Path(sys.executable).with_name("nps")
    prefix = " ".join([*(f"{name}={value}" for name, value in places.items()), str(nps)])
    print(f"  {prefix} ui            # the Dagster UI, http://127.0.0.1:3000")
    print(f"  {prefix} status        # NPS, conservation, and what was written to the CRMs")
    print(f"  {prefix} quarantine    # the refused rows, one by one")
    print(f"  {home / 'publish' / 'current' / 'report.html'}    # the report, in a browser")
    print(f"  {home / 'publish' / 'mart.duckdb'}    # the mart, for DuckDB and BI tools")
    print(f"  {nps} sandbox    # the CRMs again, for your own experiments: those of the demo have stopped")


def _say(sentence: str) -> None:
    print(f"\n== {sentence}\n", flush=True)


def _nps(words: list[str], environment: dict[str, str]) -> int:
    started = time.monotonic()
    command = [sys.executable, "-m", "nps_pipeline", *words]
    code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - our own command
    print(f"\nexit code {code}, {time.monotonic() - started:.0f} seconds", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
