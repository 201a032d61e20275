"""Suites of the user: read from the folder that nps.yaml names, refused before anything is pulled, judged like ours."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml

from expectations.runner import run_suites
from expectations.suites import EXPECTATIONS, load_suites, shipped_suites, suites_hash
from expectations.verdict import judge
from nps_pipeline.doctor import examine
from nps_pipeline.publications import current
from nps_pipeline.settings import load_settings
from nps_pipeline.transform import run_parameters
from tests.expectations import good_mart
from tests.nps_pipeline.command import SHOP, Command, leaks
from tests.nps_pipeline.pipeline import Pipeline

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "gate.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```yaml\n(suite:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
RULE = """\
suite: house_rules
expectations:
  - name: nobody_gives_a_ten
    table: fct_nps_responses
    severity: critical
    owner: customer insight
    says: Nobody gives a ten.
    remedy: ask for less.
    rows_that_fail: select response_id from {batch} where score = 10
"""
CANARIES = ("canary.person@example.org", "a canary sings")
ANSWERS = f"""\
id,mail,customer,name,nps,why,at
1,{CANARIES[0]},c1,Ann,10,{CANARIES[1]},2026-11-20
2,,c2,Ben,3,,2026-11-20
3,,c3,Cid,10,,2026-11-20
"""


def configure(folder: Path, text: str | None = RULE, configuration: str = "version: 1\n") -> None:
    """An nps.yaml that names the folder ``rules``, with one suite in it."""
    (folder / "nps.yaml").write_text(f"{configuration}gate: {{suites: rules}}\n", encoding="utf-8")
    if text is not None:
        (folder / "rules").mkdir(exist_ok=True)
        (folder / "rules" / "house_rules.yaml").write_text(text, encoding="utf-8")


# --- what is wrong is said before anything is pulled ---

WRONG = {
    "a missing folder": (None, ("nps.yaml: gate.suites", "rules is missing")),
    "a mistyped key": (RULE.replace("owner", "ovner"), ("house_rules.yaml", "expectations.nobody_gives_a_ten.ovner")),
    "a file that is no YAML": (RULE + " }", ("house_rules.yaml", "not valid YAML")),
    "a table that the mart does not have": (
        RULE.replace("fct_nps_responses", "responses"),
        ("house_rules.yaml", "expectations.nobody_gives_a_ten.table", "responses is no table of the mart"),
    ),
    "the name of a shipped rule": (RULE.replace("nobody_gives_a_ten", "score_is_there"), ("score_is_there",)),
    "the name of a shipped suite": (RULE.replace("house_rules", "mart"), ("More than one suite is named mart",)),
}


@pytest.mark.parametrize(("text", "parts"), WRONG.values(), ids=WRONG)
def test_doctor_says_what_is_wrong_with_a_suite(
    text: str | None, parts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, text)
    monkeypatch.setenv("NPS_HOME", str(tmp_path / "var"))
    monkeypatch.setenv("NPS_CONFIG", str(tmp_path / "nps.yaml"))

    (problem,) = [finding.problem for finding in examine() if finding.problem]

    for part in parts:
        assert part in problem


def test_a_run_with_a_wrong_suite_pulls_nothing(tmp_path: Path) -> None:
    nps = Command(tmp_path, configuration=f"{SHOP}gate: {{suites: rules}}\n")
    configure(tmp_path, RULE.replace("fct_nps_responses", "responses"))
    nps.drop("shop.csv", ANSWERS)

    result = nps("run")

    assert (result.returncode, result.stdout) == (1, "")
    (sentence,) = result.stderr.splitlines()
    assert "house_rules.yaml cannot be used: expectations.nobody_gives_a_ten.table" in sentence
    assert [path.name for path in nps.home.root.iterdir()] == ["inbox"]


# --- what is right is judged ---


def test_the_suites_are_ours_then_those_of_the_folder(tmp_path: Path) -> None:
    configure(tmp_path)
    (tmp_path / "rules" / "a_second.yaml").write_text(RULE.replace("house_rules", "a_second"), encoding="utf-8")

    files = load_settings({"NPS_CONFIG": str(tmp_path / "nps.yaml")}).suite_files()

    assert files == (*shipped_suites(), tmp_path / "rules" / "a_second.yaml", tmp_path / "rules" / "house_rules.yaml")


def test_a_changed_suite_makes_another_fingerprint(tmp_path: Path) -> None:
    def code_hash() -> str:
        settings = load_settings({"NPS_CONFIG": str(tmp_path / "nps.yaml")})
        return run_parameters(settings, datetime(2026, 11, 22, tzinfo=UTC)).code_hash

    (tmp_path / "nps.yaml").write_text("version: 1\n", encoding="utf-8")
    hashes = [code_hash()]
    for text in (RULE, RULE.replace("= 10", ">= 9")):
        configure(tmp_path, text)
        hashes.append(code_hash())
        assert code_hash() == hashes[-1]

    assert len(set(hashes)) == 3


def test_a_critical_rule_blocks_the_run_and_its_check_leads_to_the_pages(tmp_path: Path) -> None:
    configure(tmp_path)
    pipeline = Pipeline(tmp_path, configuration=yaml.safe_load(SHOP) | {"gate": {"suites": "rules"}})
    pipeline.write("shop.csv", ANSWERS)

    refused = pipeline.run(sync="off")

    assert (refused.exit, refused.published) == (1, None)
    (problem,) = refused.problems
    for part in ("nobody_gives_a_ten", "fct_nps_responses", "2 rows", "ask for less"):
        assert part in problem
    assert not [value for value in CANARIES if value in problem]
    assert current(pipeline.home) is None
    page = pipeline.home.data_docs / "latest" / "index.html"
    assert "Refused: nothing is published because of 1 critical check." in page.read_text(encoding="utf-8")
    with dg.DagsterInstance.get() as instance:
        for table, name in (("fct_nps_responses", "nobody_gives_a_ten"), ("loads", "load_counts_are_counts")):
            key = dg.AssetCheckKey(dg.AssetKey(["marts", table]), name)
            (record,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            assert record.evaluation is not None
            assert record.evaluation.blocking
            assert record.evaluation.passed is (name != "nobody_gives_a_ten")
            assert Path(str(record.evaluation.metadata["data_docs"].value)).samefile(page)
    assert leaks(pipeline.home, CANARIES) == set()


def test_a_warning_is_judged_too_and_does_not_block(tmp_path: Path) -> None:
    configure(tmp_path, RULE.replace("critical", "warning"))
    files = load_settings({"NPS_CONFIG": str(tmp_path / "nps.yaml")}).suite_files()

    verdict = judge(good_mart.build(tmp_path / "candidate").parent, "p1", "f", load_suites(files))

    (result,) = [result for result in verdict.results if result.status != "passed"]
    assert (result.check, result.status) == ("nobody_gives_a_ten", "failed")
    assert verdict.passed
    assert verdict.suites_hash == suites_hash([*shipped_suites(), tmp_path / "rules" / "house_rules.yaml"])


# --- the page about it ---


def test_the_example_of_the_page_holds_and_each_of_its_rules_can_fail(tmp_path: Path) -> None:
    configure(tmp_path, EXAMPLE)
    own = load_suites([tmp_path / "rules" / "house_rules.yaml"])
    mart = good_mart.build(tmp_path / "mart")

    assert {result.status for result in run_suites(mart, own)} == {"passed"}

    good_mart.change(mart, "update dim_accounts set owner = null; update fct_nps_responses set customer_id = null")
    assert {result.status for result in run_suites(mart, own)} == {"failed"}
    assert all((result.failed_rows or 0) > 0 for result in run_suites(mart, own))


def test_the_page_lists_what_a_suite_may_use() -> None:
    listed = dict(re.findall(r"^\| `(expect_\w+)` \| (.*) \|$", PAGE, re.MULTILINE))

    assert {name: re.findall(r"`(\w+)`", kwargs) for name, kwargs in listed.items()} == {
        name: [*arguments.required, *arguments.optional] for name, arguments in EXPECTATIONS.items()
    }
