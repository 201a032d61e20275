"""Suites as data: reads ``*.yaml`` strictly into frozen objects. How a rule is run is unknown here."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

Severity = Literal["critical", "warning"]
# The check that the gate makes besides all suites, and the name that it stands under in Data Docs.
EXPORTS_CHECK = "parquet_matches_table"
EXPORTS = "exports"
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


@dataclass(frozen=True)
class Arguments:
    """The ``kwargs`` that an expectation takes."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


# The expectations of Great Expectations that are tried on DuckDB, by the names its gallery gives them. Those that need
# a regex or a statistical profile do not run there: write `rows_that_fail` instead.
EXPECTATIONS: Mapping[str, Arguments] = {
    "expect_column_pair_values_a_to_be_greater_than_b": Arguments(("column_A", "column_B"), ("or_equal", "mostly")),
    "expect_column_value_lengths_to_be_between": Arguments(("column",), ("min_value", "max_value", "mostly")),
    "expect_column_values_to_be_between": Arguments(
        ("column",), ("min_value", "max_value", "strict_min", "strict_max", "mostly")
    ),
    "expect_column_values_to_be_in_set": Arguments(("column", "value_set"), ("mostly",)),
    "expect_column_values_to_be_null": Arguments(("column",), ("mostly",)),
    "expect_column_values_to_be_unique": Arguments(("column",), ("mostly",)),
    "expect_column_values_to_not_be_in_set": Arguments(("column", "value_set"), ("mostly",)),
    "expect_column_values_to_not_be_null": Arguments(("column",), ("mostly",)),
    "expect_compound_columns_to_be_unique": Arguments(("column_list",), ("mostly",)),
    "expect_table_row_count_to_be_between": Arguments((), ("min_value", "max_value")),
    "expect_table_row_count_to_equal": Arguments(("value",)),
}


class SuiteError(Exception):
    """A suite cannot be used as it is written; the text names the file and the key."""


class Check(BaseModel):
    """What a person is told about one thing that must hold of one table."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Slug
    table: Slug
    severity: Severity
    owner: Text
    says: Text
    remedy: Text


class Expectation(Check):
    """A check as a suite states it: one of Great Expectations' own (``expect`` and ``kwargs``), or SQL.

    ``rows_that_fail`` is SQL that returns the rows breaking the rule. It reads ``{batch}``, which stands for the table,
    and may name the mart's other tables too.
    """

    expect: str | None = None
    kwargs: Mapping[str, Any] = Field(default_factory=dict)
    rows_that_fail: Text | None = None

    @model_validator(mode="after")
    def _has_one_rule(self) -> Self:
        if (self.expect is None) == (self.rows_that_fail is None):
            raise ValueError("give either `expect` or `rows_that_fail`")
        problem = _problem_of_sql(self) if self.expect is None else _problem_of_kwargs(self.expect, self.kwargs)
        if problem:
            raise ValueError(problem)
        return self


class _SuiteFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    suite: Slug
    expectations: list[Expectation] = Field(min_length=1)


@dataclass(frozen=True)
class Suite:
    """The expectations of one file, in its order; ``sha256`` is that of the file's bytes as they were read."""

    name: str
    expectations: tuple[Expectation, ...]
    sha256: str


def shipped_suites() -> tuple[Path, ...]:
    """The suite files that come with the product."""
    return suite_files(Path(__file__).parent / "suites")


def suite_files(folder: Path) -> tuple[Path, ...]:
    """The suite files of a folder, in the order of their names."""
    return tuple(sorted(folder.glob("*.yaml")))


def own_suite_files(folder: Path) -> tuple[Path, ...]:
    """The suite files of a folder that a user named, in the order of their names.

    Raises:
        SuiteError: the folder is missing or has no suite, or a file that looks like one and would not be read.
    """
    if not folder.is_dir():
        raise SuiteError(f"the folder {folder} is missing. Nothing was checked; create it, or name another one.")
    if overlooked := sorted(path.name for path in folder.glob("*.yml")):
        raise SuiteError(
            f"{folder / overlooked[0]} would not be read. Nothing was checked; let its name end with .yaml."
        )
    if files := suite_files(folder):
        return files
    raise SuiteError(f"the folder {folder} has no *.yaml. Nothing was checked; put a suite there, or name another one.")


def load_suites(paths: Iterable[Path], tables: Collection[str] | None = None) -> tuple[Suite, ...]:
    """Read suite files that are to be run together.

    Args:
        paths: the files.
        tables: those that an expectation may be about; any unless given.

    Raises:
        SuiteError: a file cannot be read, or holds an unknown key, expectation or table or a missing value, or a name
            occurs twice, in one file or in two.
    """
    suites = tuple(_load(path, tables) for path in paths)
    check_names_are_unique(suites)
    return suites


def suites_hash(paths: Iterable[Path]) -> str:
    """One sha256 (hex) over the contents of suite files, whatever their order and folders.

    Raises:
        SuiteError: a file cannot be read.
    """
    return _combined(hashlib.sha256(_read(path)).hexdigest() for path in paths)


def hash_of(suites: Sequence[Suite]) -> str:
    """The same as ``suites_hash``, of suites as they were read."""
    return _combined(suite.sha256 for suite in suites)


def check_names_are_unique(suites: Sequence[Suite]) -> None:
    """A check is known by its name alone, in gate.json and in messages.

    Raises:
        SuiteError: two suites, or two expectations of any suites, have one name, or that of what the gate adds.
    """
    expectations = [expectation.name for suite in suites for expectation in suite.expectations]
    for kind, names in (
        ("suite", [EXPORTS, *(suite.name for suite in suites)]),
        ("expectation", [EXPORTS_CHECK, *expectations]),
    ):
        repeated = sorted(name for name, count in Counter(names).items() if count > 1)
        if repeated:
            raise SuiteError(f"More than one {kind} is named {', '.join(repeated)}: give each a name of its own.")


def _load(path: Path, tables: Collection[str] | None) -> Suite:
    content = _read(path)
    try:
        document = yaml.load(content, Loader=_StrictLoader)  # noqa: S506  # a SafeLoader
    except yaml.YAMLError as error:
        raise SuiteError(f"{path} is not valid YAML ({_one_line(error)}). Nothing was checked; correct it.") from error
    try:
        parsed = _SuiteFile.model_validate(document)
    except ValidationError as error:
        problems = "; ".join(f"{_key(document, found['loc'])}: {found['msg']}" for found in error.errors())
        raise SuiteError(f"{path} cannot be used: {problems}. Nothing was checked; correct the file.") from error
    suite = Suite(parsed.suite, tuple(parsed.expectations), hashlib.sha256(content).hexdigest())
    try:
        check_names_are_unique([suite])
    except SuiteError as error:
        raise SuiteError(f"{path} cannot be used: expectations: name: {error}") from error
    if tables is not None:
        _check_tables(path, suite, tables)
    return suite


def _check_tables(path: Path, suite: Suite, tables: Collection[str]) -> None:
    unknown = [one for one in suite.expectations if one.table not in tables]
    if unknown:
        problems = "; ".join(f"expectations.{one.name}.table: {one.table} is no table of the mart" for one in unknown)
        known = f"its tables are {', '.join(sorted(tables))}"
        raise SuiteError(f"{path} cannot be used: {problems} ({known}). Nothing was checked; correct the file.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SuiteError(f"The suite file {path} cannot be read ({error.strerror}). Nothing was checked.") from error


def _combined(hashes: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(hashes)).encode()).hexdigest()


def _key(document: Any, location: Sequence[int | str]) -> str:
    """Where a problem is, by the expectation's name: ``expectations.score_is_whole.severity``."""
    parts = [str(part) for part in location]
    if len(location) > 1 and isinstance(location[1], int):
        entry = document["expectations"][location[1]]
        parts[1] = str(entry.get("name", f"number {location[1] + 1}")) if isinstance(entry, dict) else parts[1]
    return ".".join(parts) or "the file"


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())


def _problem_of_kwargs(expect: str, kwargs: Mapping[str, Any]) -> str | None:
    arguments = EXPECTATIONS.get(expect)
    if arguments is None:
        return f"`expect` names the unknown expectation {expect}; known are {', '.join(EXPECTATIONS)}"
    unknown = sorted(kwargs.keys() - {*arguments.required, *arguments.optional})
    missing = [name for name in arguments.required if name not in kwargs]
    if unknown:
        return f"`kwargs` has the unknown key {', '.join(unknown)} for {expect}"
    return f"`kwargs` lacks {', '.join(missing)} for {expect}" if missing else None


def _problem_of_sql(expectation: Expectation) -> str | None:
    if expectation.kwargs:
        return "`kwargs` belongs to `expect`"
    sql = str(expectation.rows_that_fail)
    try:
        placeholders = {name for _, name, _, _ in Formatter().parse(sql) if name is not None}
    except ValueError:
        placeholders = set()
    if placeholders != {"batch"}:
        return "`rows_that_fail` reads the table as {batch} and holds no other braces (double them to mean a brace)"
    return None


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML in which a key may not occur twice: the second would silently replace a rule."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        repeated = sorted(str(key) for key, count in Counter(map(str, keys)).items() if count > 1)
        if repeated:
            raise yaml.constructor.ConstructorError(
                problem=f"the key {', '.join(repeated)} occurs twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep=deep)
