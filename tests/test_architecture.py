"""The shape of the code: who may import whom, who may touch what, and what may stand in any file. Read, not run."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("connectors", "expectations", "nps_pipeline", "sandbox")
STAGES = ("pull", "transform", "gate", "publish", "sync_back", "outcome", "report")
LONGEST = 400  # lines of a file

# What a package or module must not import, nor anything below it.
FORBIDDEN = {
    "connectors": ("dagster", "dagster_dbt", "nps_pipeline", "expectations", "sandbox"),
    "expectations": ("dagster", "dagster_dbt", "nps_pipeline", "connectors", "sandbox"),
    "sandbox": ("dagster", "dagster_dbt", "nps_pipeline", "connectors", "expectations"),
    "nps_pipeline": ("sandbox",),
}
# Modules that need nothing installed.
STDLIB_ONLY = ("connectors.base", "connectors.errors")
# What every source may use; all else below connectors is one vendor's own.
SHARED_BY_VENDORS = tuple(f"connectors.{name}" for name in ("base", "config", "errors", "http", "registry", "values"))
# Who may know the stages.
KNOW_STAGES = {
    "nps_pipeline.build": "assembles them",
    "nps_pipeline.cli": "plans a sync without a run",
    "nps_pipeline.console": "prints such a plan",
}
# What a stage may import of the product; stages meet at asset keys.
OF_A_STAGE = {
    "connectors": "what a source declares and yields",
    "expectations": "suites and verdicts",
    "nps_pipeline": "the version",
    "nps_pipeline.declaration": "hashes of a stream's declaration",
    "nps_pipeline.delivery": "sends planned writes",
    "nps_pipeline.errors": "the base of errors",
    "nps_pipeline.hold": "which publication is held",
    "nps_pipeline.home": "paths and locks",
    "nps_pipeline.inbox": "survey files",
    "nps_pipeline.ingest": "the raw tables",
    "nps_pipeline.judging": "the gate on one candidate",
    "nps_pipeline.keys": "the asset keys at which stages meet",
    "nps_pipeline.landing": "loads",
    "nps_pipeline.ledger": "what was written to the CRMs",
    "nps_pipeline.manifest": "what a load says of itself",
    "nps_pipeline.plan": "what is to be written to the CRMs",
    "nps_pipeline.progress": "sentences for the terminal",
    "nps_pipeline.project": "the dbt project",
    "nps_pipeline.publications": "what is published",
    "nps_pipeline.resources": "settings and lock of the run",
    "nps_pipeline.settings": "settings",
    "nps_pipeline.shrink": "which full pulls a person accepted",
    "nps_pipeline.sync_fields": "what is kept up to date in the CRMs",
    "nps_pipeline.warehouse": "the databases",
}
# Who may import DuckDB: a second place that opens a file is a second place that may lock it.
IMPORT_DUCKDB = {
    "nps_pipeline.warehouse": "opens the databases",
    "nps_pipeline.comparison": "compares served rows with landed ones, in memory",
    "nps_pipeline.landing": "names the error of a damaged part",
    "nps_pipeline.report.facts": "reads the closed candidate that it is given",
    "expectations.verdict": "counts the rows of the candidate that it judges",
}
# Who may import SQLite, for the same reason.
IMPORT_SQLITE = {"nps_pipeline.ledger_file": "opens the ledger"}
# Who may write Parquet.
WRITE_PARQUET = {
    "nps_pipeline.comparison": "scratch files of what is compared",
    "nps_pipeline.draft": "the parts of loads",
    "nps_pipeline.warehouse": "the exports of a publication",
}
# Who may read the environment; everyone else is given settings.
READ_ENVIRONMENT = {
    "expectations.runner": "switches the telemetry of Great Expectations off",
    "nps_pipeline": "says who allocates Arrow's memory",
    "nps_pipeline.settings": "settings come from it",
    "nps_pipeline.instance": "points Dagster to the home",
    "nps_pipeline.project": "hands it to dbt",
    "nps_pipeline.resources": "hands dbt the path of the working database",
    "sandbox.demo": "starts the product as a person would",
}
# Paths of a machine; addresses of a package index, however it is called.
PATHS_OF_A_MACHINE = re.compile(r"(?<![\w.~$}/])/(?:home|root|tmp|Users|var/folders)/\w")
INDEX_OPTION = re.compile(r"(?<!no-emit-)(?:index-url|extra-index|find-links|index-strategy)")


@cache
def modules() -> dict[str, Path]:
    return {name_of(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that is imported anywhere in it, also inside functions; `from package import module` is both."""
    found: set[str] = set()
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            source = node.module or ""
            submodules = {f"{source}.{alias.name}" for alias in node.names} & modules().keys()
            found.update(submodules or {source})
    return frozenset(found)


def below(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def modules_below(package: str) -> Iterator[str]:
    return (module for module in modules() if below(module, package))


def vendor_of(module: str) -> str | None:
    """The vendor that a module belongs to: ``connectors.crm_login`` is part of ``connectors.crm``."""
    if not below(module, "connectors") or module == "connectors":
        return None
    name = ".".join(module.split(".")[:2])
    return next((other for other in sorted(modules()) if name.startswith(f"{other}_")), name)


@cache
def our_files() -> list[Path]:
    """Every file that is tracked or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


# --- imports ---


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_imports_nothing_that_is_not_its_business(package: str) -> None:
    wrong = {
        (module, name)
        for module in modules_below(package)
        for name in imports(module)
        if below(name, *FORBIDDEN[package])
    }
    assert wrong == set()


@pytest.mark.parametrize("module", STDLIB_ONLY)
def test_declarations_need_nothing_installed(module: str) -> None:
    assert {name.split(".")[0] for name in imports(module)} <= sys.stdlib_module_names


def test_vendors_know_nothing_of_each_other() -> None:
    vendors = {vendor_of(module) for module in modules()} - {None, *SHARED_BY_VENDORS}
    wrong = {
        (module, name)
        for module in modules_below("connectors")
        for name in imports(module)
        if vendor_of(name) in vendors and vendor_of(name) != vendor_of(module)
    }
    assert "connectors.survey_files" in vendors
    assert wrong == set()


def test_only_the_assembly_knows_the_stages() -> None:
    stages = [f"nps_pipeline.{stage}" for stage in STAGES]
    knowing = {
        module
        for module in modules_below("nps_pipeline")
        for name in imports(module)
        if below(name, *stages) and not below(module, *stages)
    }
    assert knowing == set(KNOW_STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_what_all_share_and_no_other_stage(stage: str) -> None:
    own = f"nps_pipeline.{stage}"
    ours = {name for module in modules_below(own) for name in imports(module) if below(name, *PACKAGES)}

    assert list(modules_below(own))
    wrong = {name for name in ours if not below(name, own, "connectors", "expectations") and name not in OF_A_STAGE}
    assert wrong == set()


def test_the_flow_of_definitions_goes_one_way() -> None:
    assert imports("nps_pipeline.definitions") == {"nps_pipeline.build"}
    knowing = {module for module in modules() if "nps_pipeline.build" in imports(module)}
    assert knowing == {"nps_pipeline.definitions", "nps_pipeline.cli"}


def test_modules_do_not_import_each_other_in_circles() -> None:
    ours = {module: {name for name in imports(module) if name in modules()} - {module} for module in modules()}
    while leaves := {module for module, known in ours.items() if not known & ours.keys()}:
        ours = {module: known for module, known in ours.items() if module not in leaves}
    assert ours == {}


# --- who touches what ---


def test_duckdb_is_opened_in_few_places() -> None:
    opening = {module for module in modules() for name in imports(module) if below(name, "duckdb")}
    assert opening == set(IMPORT_DUCKDB)


def test_sqlite_is_opened_in_one_place() -> None:
    opening = {module for module in modules() for name in imports(module) if below(name, "sqlite3")}
    assert opening == set(IMPORT_SQLITE)


def test_parquet_is_written_in_few_places() -> None:
    writes = re.compile(r"ParquetWriter|write_table|write_dataset|to_parquet|\(format parquet", re.IGNORECASE)
    assert {module for module in modules() if writes.search(ast.unparse(tree(module)))} == set(WRITE_PARQUET)


def test_the_environment_is_read_in_few_places() -> None:
    reading = {
        module
        for module in modules()
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert reading == set(READ_ENVIRONMENT)


# --- every file ---


def test_every_module_says_what_it_is_for() -> None:
    assert {module for module in modules() if not ast.get_docstring(tree(module))} == set()


def test_no_file_is_long() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(text_of(path).splitlines())
        for path in our_files()
        if path.suffix in {".py", ".sql"}
    }
    assert len(lengths) > 50
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST} == {}


def test_no_file_names_a_path_of_this_machine() -> None:
    here = re.compile("|".join(rf"(?<![\w.]){re.escape(str(path))}(?![\w-])" for path in (ROOT, Path.home())))
    named = {
        str(path.relative_to(ROOT))
        for path in our_files()
        if here.search(text := text_of(path)) or PATHS_OF_A_MACHINE.search(text)
    }
    assert named == set()


def test_no_file_names_an_index() -> None:
    naming = {str(path.relative_to(ROOT)) for path in our_files() if INDEX_OPTION.search(text_of(path))}
    assert naming <= {str(Path(__file__).relative_to(ROOT))}
