"""The demo: writes survey exports into an inbox, runs the product on them twice and says what to look at.

It drives the product only through its command, as a newcomer would.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

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
    truth = write_survey_exports(home / "inbox", SEED, date.today())  # noqa: DTZ011 - the files hold local dates
    configuration = home / "nps.yaml"
    shutil.copy(_CONFIGURATION, configuration)
    environment = {**os.environ, "NPS_HOME": str(home), "NPS_CONFIG": str(configuration)}

    rows = sum(counts["rows"] for counts in truth["files"].values())
    _say(f"{len(truth['files'])} survey exports with {rows:,} rows wait in {home / 'inbox'}. First run:")
    code = _nps(["run"], environment)
    if code == 0:
        _say("Second run, on the same state: nothing has changed, so nothing must be published.")
        code = _nps(["run"], environment)
    if code == 0:
        prefix = f"NPS_HOME={home} NPS_CONFIG={configuration} {Path(sys.executable).with_name('nps')}"
        _say("Look around:")
        print(f"  {prefix} ui            # the Dagster UI, http://127.0.0.1:3000")
        print(f"  {prefix} quarantine    # the refused rows, one by one")
        print(f"  {home / 'publish' / 'current' / 'report.html'}    # the report, in a browser")
        print(f"  {home / 'publish' / 'mart.duckdb'}    # the mart, for DuckDB and BI tools")
    return code


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
