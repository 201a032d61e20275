"""Where the dbt project lies, the hash of the code that decides content, and the dbt manifest that Dagster loads."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from expectations.suites import suites_hash
from nps_pipeline import __version__
from nps_pipeline.errors import PipelineError

ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT = ROOT / "dbt_project"
DBT = Path(sys.executable).with_name("dbt")
MANIFEST = DBT_PROJECT / "target" / "manifest.json"
_MANIFEST_STAMP = DBT_PROJECT / "target" / "manifest.stamp"
_DBT_FOLDERS = ("models", "macros", "seeds", "tests")
_FUNCTIONS = ("components.py", "dbt_functions.py", "person_keys.py")  # what SQL calls
_LIBRARIES = ("idna", "phonenumbers")  # which domains and numbers there are, by their version


class ProjectError(PipelineError):
    """The dbt project cannot be prepared; the text says why."""


def dbt_files() -> Iterator[Path]:
    """The files that make up the dbt project and the functions that it calls, in a stable order."""
    yield DBT_PROJECT / "dbt_project.yml"
    yield DBT_PROJECT / "profiles.yml"
    for folder in _DBT_FOLDERS:
        yield from sorted(path for path in (DBT_PROJECT / folder).rglob("*") if path.is_file())
    yield from (Path(__file__).with_name(name) for name in _FUNCTIONS)


def dbt_hash() -> str:
    """Hash of the dbt project and what it calls, hexadecimal: another one has everything parsed and built anew."""
    versions = " ".join(version(library) for library in _LIBRARIES)
    return hashlib.sha256(f"{_hash_of(dbt_files())} {versions}".encode()).hexdigest()


def code_hash(suite_files: Iterable[Path]) -> str:
    """Hash of the code that decides a publication's content: dbt project, suites and version, hexadecimal.

    Args:
        suite_files: The suites of the gate, those of the user included.

    Raises:
        SuiteError: A suite cannot be read.
    """
    return hashlib.sha256(f"{__version__} {dbt_hash()} {suites_hash(suite_files)}".encode()).hexdigest()


def _hash_of(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def reasons() -> dict[str, dict[str, str]]:
    """The closed list of reasons: reason -> its class, description and remedy."""
    with (DBT_PROJECT / "seeds" / "reasons.csv").open(encoding="utf-8", newline="") as handle:
        return {row["reason"]: row for row in csv.DictReader(handle)}


@cache
def standard_terms(seed: str) -> dict[str, str]:
    """Every spelling that a seed of standard terms knows (``channels`` or ``touchpoints``) -> the standard term."""
    with (DBT_PROJECT / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as handle:
        return {row["term"]: row[seed.removesuffix("s")] for row in csv.DictReader(handle)}


def dbt_environment() -> dict[str, str]:
    """The environment in which dbt runs: no telemetry, no log file beside the project."""
    return {**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DBT_LOG_LEVEL_FILE": "none"}


def prepare_manifest() -> Path:
    """Make the manifest that Dagster loads, unless it already belongs to the project's files as they are.

    Raises:
        ProjectError: dbt cannot parse the project.
    """
    wanted = dbt_hash()
    if MANIFEST.exists() and _MANIFEST_STAMP.exists() and _MANIFEST_STAMP.read_text() == wanted:
        return MANIFEST
    command = [str(DBT), "--quiet", "parse", "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
    parsed = subprocess.run(command, env=dbt_environment(), capture_output=True, text=True, check=False)  # noqa: S603
    if parsed.returncode:
        raise ProjectError(f"dbt cannot parse {DBT_PROJECT}:\n{parsed.stdout.strip() or parsed.stderr.strip()}")
    _MANIFEST_STAMP.write_text(wanted)
    return MANIFEST
