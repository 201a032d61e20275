"""Great Expectations on DuckDB: a bad table fails, a good one passes, and the file is let go of."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from expectations.runner import run_suites
from expectations.suites import EXPECTATIONS, Suite, load_suites

# Rules that hold of the table `good` and not of `bad`, one for each expectation that a suite may use.
RULES: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "high", "column_B": "low"}),
    ("expect_column_value_lengths_to_be_between", {"column": "word", "min_value": 1, "max_value": 5}),
    ("expect_column_values_to_be_between", {"column": "low", "min_value": 0, "max_value": 10}),
    ("expect_column_values_to_be_in_set", {"column": "word", "value_set": ["one", "two", "three"]}),
    ("expect_column_values_to_be_null", {"column": "nothing"}),
    ("expect_column_values_to_be_unique", {"column": "low"}),
    ("expect_column_values_to_not_be_in_set", {"column": "word", "value_set": ["endless"]}),
    ("expect_column_values_to_not_be_null", {"column": "high"}),
    ("expect_compound_columns_to_be_unique", {"column_list": ["low", "word"]}),
    ("expect_table_row_count_to_be_between", {"min_value": 1, "max_value": 3}),
    ("expect_table_row_count_to_equal", {"value": 3}),
]
SQL_RULES = {
    "plain": "select low from {batch} where low > high",
    "joined": "select good.low from {batch} as checked join good on checked.low < 0",
    "with_a_regex": "select word from {batch} where not regexp_full_match(word, '[a-z]{{3,5}}')",
}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("a folder, with 100% odd characters") / "mart.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table good (low integer, high integer, word varchar, nothing varchar)")
        connection.execute("insert into good values (1, 2, 'one', null), (2, 3, 'two', null), (3, 4, 'three', null)")
        connection.execute("create table bad as from good")
        connection.execute(
            "insert into bad values (-1, -2, 'endless', 'x'), (-1, -2, 'endless', 'x'), (-1, null, 'endless', 'x')"
        )
    return path


def _suite(folder: Path, table: str, rules: list[dict[str, Any]]) -> tuple[Suite, ...]:
    words = {"table": table, "severity": "critical", "owner": "me", "says": "A rule.", "remedy": "do something."}
    path = folder / "own.yaml"
    path.write_text(yaml.safe_dump({"suite": "own", "expectations": [words | rule for rule in rules]}))
    return load_suites([path])


def _every_rule() -> list[dict[str, Any]]:
    return [{"name": name, "expect": name, "kwargs": kwargs} for name, kwargs in RULES] + [
        {"name": name, "rows_that_fail": sql} for name, sql in SQL_RULES.items()
    ]


def test_every_usable_expectation_is_tried_here() -> None:
    assert [name for name, _ in RULES] == list(EXPECTATIONS)


def test_a_good_table_passes(tables: Path, tmp_path: Path) -> None:
    results = run_suites(tables, _suite(tmp_path, "good", _every_rule()))

    assert {result.check: result.status for result in results} == dict.fromkeys([*EXPECTATIONS, *SQL_RULES], "passed")


def test_a_bad_table_fails_and_its_bad_rows_are_counted(tables: Path, tmp_path: Path) -> None:
    results = run_suites(tables, _suite(tmp_path, "bad", _every_rule()))

    assert {result.check: (result.status, result.failed_rows) for result in results} == {
        # Rows that miss one of the two values are not compared.
        "expect_column_pair_values_a_to_be_greater_than_b": ("failed", 2),
        "expect_column_value_lengths_to_be_between": ("failed", 3),
        "expect_column_values_to_be_between": ("failed", 3),
        "expect_column_values_to_be_in_set": ("failed", 3),
        "expect_column_values_to_be_null": ("failed", 3),
        "expect_column_values_to_be_unique": ("failed", 3),
        "expect_column_values_to_not_be_in_set": ("failed", 3),
        "expect_column_values_to_not_be_null": ("failed", 1),
        "expect_compound_columns_to_be_unique": ("failed", 3),
        # A rule about the table as a whole has no failing rows.
        "expect_table_row_count_to_be_between": ("failed", None),
        "expect_table_row_count_to_equal": ("failed", None),
        "plain": ("failed", 2),
        # Three bad rows, each joined to three rows of the other table.
        "joined": ("failed", 9),
        "with_a_regex": ("failed", 3),
    }


def test_mostly_tolerates_a_share_and_still_counts(tables: Path, tmp_path: Path) -> None:
    rule = {"expect": "expect_column_values_to_not_be_null", "kwargs": {"column": "high", "mostly": 0.8}}

    (result,) = run_suites(tables, _suite(tmp_path, "bad", [{"name": "a_rule", **rule}]))

    assert (result.status, result.failed_rows) == ("passed", 1)


def test_a_failing_query_does_not_take_others_down(tables: Path, tmp_path: Path) -> None:
    rules: list[dict[str, Any]] = [
        {"name": "cannot_run", "rows_that_fail": "select word::integer as number from {batch} where number > 1"},
        {"name": "missing_column", "expect": "expect_column_values_to_be_null", "kwargs": {"column": "absent"}},
        {"name": "wrong_argument", "expect": "expect_table_row_count_to_equal", "kwargs": {"value": "three"}},
        *_every_rule(),
    ]

    statuses = {result.check: result.status for result in run_suites(tables, _suite(tmp_path, "good", rules))}

    assert [name for name, status in statuses.items() if status == "error"] == [
        "cannot_run",
        "missing_column",
        "wrong_argument",
    ]
    assert [name for name, status in statuses.items() if status == "failed"] == []


def test_the_file_is_let_go_of_whatever_happens(tables: Path, tmp_path: Path) -> None:
    rules = [*_every_rule(), {"name": "cannot_run", "rows_that_fail": "select absent from {batch}"}]

    run_suites(tables, _suite(tmp_path, "bad", rules))

    # DuckDB refuses to open for writing what this process still has open for reading.
    with duckdb.connect(str(tables)) as connection:
        assert connection.execute("select count(*) from good").fetchall() == [(3,)]


def test_a_file_that_others_read_can_be_judged(tables: Path, tmp_path: Path) -> None:
    read_until_told = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", read_until_told, str(tables)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdout is not None
        reader.stdout.readline()
        results = run_suites(tables, _suite(tmp_path, "good", _every_rule()))
        reader.communicate("\n")

    assert {result.status for result in results} == {"passed"}


def test_a_rule_reads_no_file_but_the_mart(tables: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("low\n1\n")
    rule = {"name": "a_rule", "rows_that_fail": f"select * from {{batch}} semi join '{other}' using (low)"}

    (result,) = run_suites(tables, _suite(tmp_path, "good", [rule]))

    assert result.status == "error"


def test_duckdb_may_use_one_gigabyte(tables: Path, tmp_path: Path) -> None:
    seen = "select current_setting('memory_limit') as seen, low from {batch} where seen not in ('953.6 MiB', '1.0 GB')"

    (result,) = run_suites(tables, _suite(tmp_path, "good", [{"name": "a_rule", "rows_that_fail": seen}]))

    assert result.status == "passed"


def test_the_file_cannot_be_written_through_a_rule(tables: Path, tmp_path: Path) -> None:
    rule = {
        "name": "a_rule",
        "rows_that_fail": "select 1 from {batch}) as x; drop table good; commit; select 1 from (select 1",
    }

    (result,) = run_suites(tables, _suite(tmp_path, "good", [rule]))

    assert result.status == "error"
    with duckdb.connect(str(tables), read_only=True) as connection:
        assert connection.execute("select count(*) from good").fetchall() == [(3,)]
