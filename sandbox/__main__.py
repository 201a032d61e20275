"""python -m sandbox: serves the three CRMs until Ctrl-C and prints the environment that reaches them."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
import tempfile
import threading
from datetime import date, datetime
from pathlib import Path

from sandbox.faults import at_random
from sandbox.serve import CRMS, Sandbox, start


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox.

    Args:
        arguments: The command line, that of this process by default.

    Returns:
        The exit code: 0 when stopped, 1 when it could not start.
    """
    options = _parser().parse_args(arguments)
    ports = {crm: getattr(options, f"{crm}_port") for crm in CRMS}
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with tempfile.TemporaryDirectory() as spare:
        try:
            sandbox = start(options.folder or Path(spare), options.seed, options.today, ports)
        except (RuntimeError, OSError) as error:
            sys.stderr.write(f"{error}\n")
            return 1
        with sandbox:
            if options.faults is not None:
                for control in sandbox.control.values():
                    control.faults(at_random(options.faults))
            _announce(sandbox, options)
            stopped.wait()
    return 0


def _announce(sandbox: Sandbox, options: argparse.Namespace) -> None:
    lines = [f"{name}={shlex.quote(value)}" for name, value in sandbox.environment.items()]
    if options.write_env:
        options.write_env.touch(mode=0o600)
        options.write_env.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if options.survey_csv:
        options.survey_csv.mkdir(parents=True, exist_ok=True)
        sandbox.population.write_survey_csv(options.survey_csv)
    shown = "\n".join(f"export {line}" for line in lines)
    sys.stdout.write(f"{shown}\n# Salesforce, HubSpot and Zendesk answer on loopback until Ctrl-C.\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="names the population (default 1)")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        default=datetime.now().astimezone().date(),
        help="day that ends the history (default: today)",
    )
    parser.add_argument("--folder", type=Path, help="where certificates and keys go (default: a temporary folder)")
    parser.add_argument("--write-env", type=Path, metavar="FILE", help="also write the environment to a file")
    parser.add_argument("--survey-csv", type=Path, metavar="FOLDER", help="also write the survey export there")
    parser.add_argument(
        "--faults",
        type=int,
        nargs="?",
        const=1,
        metavar="SEED",
        help="let about one request in ten go wrong: limits, errors, broken answers, cut connections (default seed 1)",
    )
    for crm in CRMS:
        parser.add_argument(f"--{crm}-port", type=int, default=0, help="any free port by default")
    return parser


if __name__ == "__main__":
    sys.exit(main())
