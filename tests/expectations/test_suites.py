from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from expectations.runner import Outcome, result_of
from expectations.suites import (
    Check,
    SuiteError,
    hash_of,
    load_suites,
    own_suite_files,
    shipped_suites,
    suite_files,
    suites_hash,
)
from expectations.verdict import PARQUET_MATCHES_TABLE

RULE = """
  - name: {name}
    table: fct_nps_responses
    severity: critical
    owner: customer insight
    says: A rule.
    remedy: do something.
"""
SHIPPED: list[Check] = [
    *(check for suite in load_suites(shipped_suites()) for check in suite.expectations),
    PARQUET_MATCHES_TABLE,
]
SQL = "    rows_that_fail: select 1 from {batch}\n"


def _suite(folder: Path, text: str, name: str = "own") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"suite: {name}\nexpectations:{text}")
    return path


def _rule(name: str = "a_rule", rest: str = SQL) -> str:
    return RULE.format(name=name) + rest


def test_a_suite_is_read_in_its_order(tmp_path: Path) -> None:
    kwargs = "    expect: expect_column_values_to_be_in_set\n    kwargs: {column: channel, value_set: [web]}\n"

    (suite,) = load_suites([_suite(tmp_path, _rule("first") + _rule("second", kwargs))])

    assert suite.name == "own"
    assert [expectation.name for expectation in suite.expectations] == ["first", "second"]
    assert suite.expectations[0].rows_that_fail == "select 1 from {batch}"
    assert suite.expectations[1].kwargs == {"column": "channel", "value_set": ["web"]}


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (_rule() + "    colour: red\n", "expectations.a_rule.colour", "Extra inputs are not permitted"),
        (_rule() + "owner: me\n", "owner", "Extra inputs are not permitted"),
        (_rule().replace("critical", "fatal"), "expectations.a_rule.severity", "'critical' or 'warning'"),
        (_rule().replace("    owner: customer insight\n", ""), "expectations.a_rule.owner", "Field required"),
        (_rule().replace("A rule.", "' '"), "expectations.a_rule.says", "at least 1 character"),
        (_rule("A Rule"), "expectations.A Rule.name", "should match pattern"),
        (_rule().replace("table: fct", "table: fct; drop table fct"), "expectations.a_rule.table", "match pattern"),
        (_rule(rest=""), "expectations.a_rule", "either `expect` or `rows_that_fail`"),
        (_rule() + "    expect: expect_column_values_to_be_null\n", "expectations.a_rule", "either"),
        (_rule() + "    kwargs: {column: score}\n", "expectations.a_rule", "`kwargs` belongs to `expect`"),
        (_rule(rest="    expect: expect_nothing\n"), "expectations.a_rule", "unknown expectation expect_nothing"),
        (
            _rule(rest="    expect: expect_column_values_to_be_null\n    kwargs: {column: score, mostli: 1}\n"),
            "expectations.a_rule",
            "unknown key mostli",
        ),
        (_rule(rest="    expect: expect_column_values_to_be_null\n"), "expectations.a_rule", "lacks column"),
        (_rule(rest="    rows_that_fail: select 1 from fct\n"), "expectations.a_rule", "reads the table as {batch}"),
        (_rule(rest="    rows_that_fail: select {a} from {batch}\n"), "expectations.a_rule", "no other braces"),
        (_rule(rest="    rows_that_fail: select '{' from {batch}\n"), "expectations.a_rule", "no other braces"),
        (_rule() + _rule(), "expectations: name", "More than one expectation is named a_rule"),
        (_rule() + SQL, "rows_that_fail", "occurs twice"),
        (" []\n", "expectations", "at least 1 item"),
        (" [a, b]\n", "expectations.0", "valid dictionary"),
        (" {", "", "not valid YAML"),
    ],
)
def test_a_wrong_suite_is_refused_by_file_and_key(tmp_path: Path, text: str, key: str, problem: str) -> None:
    path = _suite(tmp_path, text)

    with pytest.raises(SuiteError) as refusal:
        load_suites([path])

    assert str(path) in str(refusal.value)
    assert key in str(refusal.value)
    assert problem in str(refusal.value)


def test_all_problems_of_a_file_are_in_one_message(tmp_path: Path) -> None:
    text = _rule("first").replace("critical", "fatal") + _rule("second") + "    colour: red\n"

    with pytest.raises(SuiteError, match=r"expectations\.first\.severity.*expectations\.second\.colour"):
        load_suites([_suite(tmp_path, text)])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"absent\.yaml cannot be read"):
        load_suites([tmp_path / "absent.yaml"])


def test_two_suites_share_no_names(tmp_path: Path) -> None:
    one, other = _suite(tmp_path, _rule("same"), "one"), _suite(tmp_path, _rule("same"), "other")

    with pytest.raises(SuiteError, match="More than one expectation is named same"):
        load_suites([one, other])
    with pytest.raises(SuiteError, match="More than one suite is named one"):
        load_suites([one, one])


@pytest.mark.parametrize("check", SHIPPED, ids=lambda check: check.name)
def test_what_a_shipped_rule_tells_people_is_sentences(check: Check) -> None:
    message = result_of(check, Outcome("failed", 1234)).message()

    assert re.fullmatch(r"[A-Z0-9].*[^.]\.", check.says), check.says
    # It follows "what to do:".
    assert re.fullmatch(r"[a-z`].*[^.]\.", check.remedy), check.remedy
    assert re.fullmatch(r"[a-z]+( [a-z]+)*", check.owner), check.owner
    for part in (f"Check {check.name} on {check.table} failed for 1234 rows", check.says[:-1], check.remedy):
        assert part in message
    assert "\n" not in message


def test_what_the_gate_adds_keeps_its_names(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="More than one suite is named exports"):
        load_suites([_suite(tmp_path, _rule(), "exports")])
    with pytest.raises(SuiteError, match="More than one expectation is named parquet_matches_table"):
        load_suites([_suite(tmp_path, _rule("parquet_matches_table"))])


def test_a_table_that_is_not_in_the_mart_is_refused_by_file_and_key(tmp_path: Path) -> None:
    path = _suite(tmp_path, _rule("first") + _rule("second").replace("fct_nps_responses", "responses"))

    with pytest.raises(SuiteError) as refusal:
        load_suites([path], tables=("loads", "fct_nps_responses"))

    assert str(path) in str(refusal.value)
    assert "expectations.second.table: responses is no table of the mart" in str(refusal.value)
    assert "first" not in str(refusal.value)
    assert "fct_nps_responses, loads" in str(refusal.value)
    assert load_suites([path])


def test_a_folder_that_a_user_names_must_have_suites(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="rules is missing"):
        own_suite_files(tmp_path / "rules")
    with pytest.raises(SuiteError, match=r"has no \*\.yaml"):
        own_suite_files(tmp_path)
    path = _suite(tmp_path, _rule())
    assert own_suite_files(tmp_path) == (path,)
    (tmp_path / "other.yml").touch()
    with pytest.raises(SuiteError, match=r"other\.yml would not be read"):
        own_suite_files(tmp_path)


def test_the_hash_follows_the_contents_and_nothing_else(tmp_path: Path) -> None:
    one, other = _suite(tmp_path, _rule("a"), "one"), _suite(tmp_path, _rule("b"), "other")
    (tmp_path / "elsewhere").mkdir()
    moved = _suite(tmp_path / "elsewhere", _rule("a"), "one")
    before = suites_hash([one, other])

    assert suites_hash([other, moved]) == before
    assert hash_of(load_suites([one, other])) == before
    assert suites_hash([one]) != before
    other.write_text(other.read_text().replace("A rule.", "Another rule."))
    assert suites_hash([one, other]) != before


def test_a_folder_gives_its_suite_files_in_order(tmp_path: Path) -> None:
    other, one = _suite(tmp_path, _rule("b"), "other"), _suite(tmp_path, _rule("a"), "one")
    (tmp_path / "notes.txt").write_text("no suite")

    assert suite_files(tmp_path) == (one, other)
    assert [path.name for path in shipped_suites()] == ["landing.yaml", "mart.yaml", "sync.yaml"]


def test_nothing_slow_or_foreign_is_imported_to_read_suites_and_verdicts() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, expectations.verdict; print(*sorted(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    assert "expectations.verdict" in loaded
    assert not {"great_expectations", "dagster", "nps_pipeline", "connectors"} & set(loaded)
