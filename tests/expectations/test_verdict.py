from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

import expectations.verdict
from expectations.runner import run_suites
from expectations.suites import Suite, load_suites, shipped_suites, suites_hash
from expectations.verdict import GateError, Verdict, judge, read_verdict
from tests.expectations import good_mart

CANARY = "canary.person@example.org"


@pytest.fixture(scope="module")
def judged(good: Path, suites: Sequence[Suite], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good candidate with its gate.json; tests copy it before they change it."""
    directory = _copy(good, tmp_path_factory.mktemp("judged") / "candidate")
    judge(directory, "p1", "fingerprint-1", suites)
    return directory


def _copy(directory: Path, to: Path) -> Path:
    for path in directory.rglob("*"):
        if path.is_file():
            target = to / path.relative_to(directory)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return to


def _judged_after(sql: str, candidate: Path, suites: Sequence[Suite]) -> Verdict:
    good_mart.change(candidate / "mart.duckdb", sql)
    good_mart.export(candidate)
    return judge(candidate, "p1", "fingerprint-1", suites)


def test_a_good_candidate_passes_and_gate_json_says_what_was_judged(judged: Path, suites: Sequence[Suite]) -> None:
    gate = json.loads((judged / "gate.json").read_text())

    assert gate == {
        "publication_id": "p1",
        "mart_sha256": hashlib.sha256((judged / "mart.duckdb").read_bytes()).hexdigest(),
        "parquet_sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (judged / "parquet").iterdir()
        },
        "fingerprint": "fingerprint-1",
        "suites_hash": suites_hash(shipped_suites()),
        "results": gate["results"],
        "passed": True,
    }
    checks = [expectation.name for suite in suites for expectation in suite.expectations]
    assert [result["check"] for result in gate["results"]] == [*checks, "parquet_matches_table"]
    assert {frozenset(result) for result in gate["results"]} == {
        frozenset({"check", "table", "severity", "status", "failed_rows"})
    }
    assert sorted(path.name for path in judged.iterdir()) == ["gate.json", "mart.duckdb", "parquet"]


def test_a_verdict_is_read_back_as_it_was_given(candidate: Path, suites: Sequence[Suite]) -> None:
    given = _judged_after("update fct_nps_responses set survey_id = null", candidate, suites)

    assert read_verdict(candidate, suites) == given


def test_a_critical_failure_does_not_pass(candidate: Path, suites: Sequence[Suite]) -> None:
    verdict = _judged_after(
        "update fct_nps_responses set survey_id = null where response_id in ('r0001', 'r0002')", candidate, suites
    )

    assert not verdict.passed
    assert json.loads((candidate / "gate.json").read_text())["passed"] is False
    (result,) = verdict.blocking
    assert result.message() == (
        "Check response_has_a_survey on fct_nps_responses failed for 2 rows (Every response belongs to a survey); "
        "what to do: give its stream a survey in nps.yaml, or see which model drops it."
    )


def test_a_critical_check_that_could_not_run_does_not_pass(candidate: Path, suites: Sequence[Suite]) -> None:
    verdict = _judged_after("drop table publication", candidate, suites)

    assert not verdict.passed
    assert {result.check for result in verdict.blocking} == {
        "publication_is_one",
        "full_pull_lists_most_records",
        "no_response_from_the_future",
        "wanted_date_is_not_in_the_future",
    }


def test_a_warning_passes(candidate: Path, suites: Sequence[Suite]) -> None:
    verdict = _judged_after("update fct_nps_responses set channel = 'unknown'", candidate, suites)

    assert verdict.passed
    assert [result.check for result in verdict.results if result.status != "passed"] == ["channel_is_mostly_known"]


EXPORTS: dict[str, tuple[Callable[[Path], object], str, int | None]] = {
    "a row less": (lambda folder: _rewrite(folder / "loads.parquet", "offset 1"), "failed", 1),
    "an empty file": (lambda folder: _rewrite(folder / "quarantined_responses.parquet", "limit 0"), "failed", 3),
    "a table without its file": (lambda folder: (folder / "excluded_responses.parquet").unlink(), "failed", 4),
    "a file without its table": (
        lambda folder: (folder / "publication.parquet").rename(folder / "publications.parquet"),
        "failed",
        2,
    ),
    "a file that is no Parquet": (lambda folder: (folder / "loads.parquet").write_bytes(b"PAR1"), "error", None),
}


def _rewrite(path: Path, clause: str) -> None:
    spoilt = path.with_name("spoilt")
    with duckdb.connect() as connection:
        connection.execute(f"copy (select * from read_parquet('{path}') {clause}) to '{spoilt}' (format parquet)")
    spoilt.replace(path)


@pytest.mark.parametrize(("spoil", "status", "rows"), EXPORTS.values(), ids=EXPORTS.keys())
def test_an_export_that_differs_from_its_table_does_not_pass(
    spoil: Callable[[Path], object], status: str, rows: int | None, candidate: Path, suites: Sequence[Suite]
) -> None:
    spoil(candidate / "parquet")

    verdict = judge(candidate, "p1", "fingerprint-1", suites)

    assert [(r.check, r.status, r.failed_rows) for r in verdict.blocking] == [("parquet_matches_table", status, rows)]


def _edit_gate(directory: Path, change: Callable[[dict[str, object]], object]) -> None:
    gate = json.loads((directory / "gate.json").read_text())
    change(gate)
    (directory / "gate.json").write_text(json.dumps(gate))


TAMPERING: dict[str, Callable[[Path], object]] = {
    "the mart": lambda d: good_mart.change(d / "mart.duckdb", "update fct_nps_responses set score = 10"),
    "a byte of the mart": lambda d: (d / "mart.duckdb").write_bytes((d / "mart.duckdb").read_bytes() + b"\0"),
    "an export": lambda d: (d / "parquet" / "loads.parquet").write_bytes(b"PAR1"),
    "an export removed": lambda d: (d / "parquet" / "loads.parquet").unlink(),
    "an export added": lambda d: (d / "parquet" / "more.parquet").write_bytes(b"PAR1"),
    "the mart removed": lambda d: (d / "mart.duckdb").unlink(),
    "a log beside the mart": lambda d: (d / "mart.duckdb.wal").write_bytes(b"x"),
    "the answer": lambda d: _edit_gate(d, lambda gate: gate.update(passed=False)),
    "the results": lambda d: _edit_gate(d, lambda gate: gate.update(results=[])),
    "a severity": lambda d: _edit_gate(d, lambda gate: gate["results"][0].update(severity="warning")),  # type: ignore[index]
    "the suites' hash": lambda d: _edit_gate(d, lambda gate: gate.update(suites_hash="0" * 64)),
    "an unknown key": lambda d: _edit_gate(d, lambda gate: gate.update(note="fine")),
    "no JSON": lambda d: (d / "gate.json").write_text("passed"),
    "no gate.json": lambda d: (d / "gate.json").unlink(),
}


@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING.keys())
def test_there_is_no_verdict_after_a_change(
    tamper: Callable[[Path], object], judged: Path, tmp_path: Path, suites: Sequence[Suite]
) -> None:
    directory = _copy(judged, tmp_path / "candidate")
    assert read_verdict(directory, suites) is not None

    tamper(directory)

    assert read_verdict(directory, suites) is None


def test_a_failed_verdict_cannot_be_turned_by_editing_it(candidate: Path, suites: Sequence[Suite]) -> None:
    _judged_after("update fct_nps_responses set survey_id = null", candidate, suites)

    _edit_gate(candidate, lambda gate: gate.update(passed=True))

    assert read_verdict(candidate, suites) is None


def test_there_is_no_verdict_for_other_suites(judged: Path, tmp_path: Path, suites: Sequence[Suite]) -> None:
    edited = [tmp_path / path.name for path in shipped_suites()]
    for path, shipped in zip(edited, shipped_suites(), strict=True):
        path.write_text(shipped.read_text().replace("interval 1 day", "interval 9 day"))

    assert read_verdict(judged, load_suites(edited)) is None
    assert read_verdict(judged, suites[:1]) is None


def test_a_file_that_changes_while_it_is_judged_gives_no_verdict(
    candidate: Path, suites: Sequence[Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_then_change(mart: Path, suites: Sequence[Suite]) -> object:
        results = run_suites(mart, suites)
        good_mart.change(mart, "delete from duplicate_responses")
        return results

    monkeypatch.setattr(expectations.verdict, "run_suites", run_then_change)

    with pytest.raises(GateError, match="changed while it was judged"):
        judge(candidate, "p1", "fingerprint-1", suites)
    assert not (candidate / "gate.json").exists()


def test_a_mart_that_is_not_closed_is_not_judged(candidate: Path, suites: Sequence[Suite]) -> None:
    with duckdb.connect(str(candidate / "mart.duckdb")) as connection:
        connection.execute("pragma disable_checkpoint_on_shutdown")
        connection.execute("update fct_nps_responses set score = 99")

    with pytest.raises(GateError, match="write-ahead log"):
        judge(candidate, "p1", "fingerprint-1", suites)


def test_nothing_passes_for_lack_of_suites(candidate: Path) -> None:
    with pytest.raises(GateError, match="No suite was given"):
        judge(candidate, "p1", "fingerprint-1", [])


def test_a_missing_mart_is_one_sentence(tmp_path: Path, suites: Sequence[Suite]) -> None:
    with pytest.raises(GateError, match=r"mart\.duckdb cannot be read \(No such file or directory\)"):
        judge(tmp_path, "p1", "fingerprint-1", suites)


def test_a_candidate_can_be_judged_again(judged: Path, tmp_path: Path, suites: Sequence[Suite]) -> None:
    directory = _copy(judged, tmp_path / "candidate")

    judge(directory, "p2", "fingerprint-2", suites)

    verdict = read_verdict(directory, suites)
    assert verdict is not None
    assert (verdict.publication_id, verdict.fingerprint) == ("p2", "fingerprint-2")


def test_no_value_of_the_data_is_in_gate_json(candidate: Path, suites: Sequence[Suite]) -> None:
    _judged_after(
        f"""
        alter table fct_nps_responses alter score type varchar;
        update fct_nps_responses set score = '{CANARY}', comment = '{CANARY}', survey_type = '{CANARY}', survey_id = '';
        """,
        candidate,
        suites,
    )

    assert CANARY.encode() not in (candidate / "gate.json").read_bytes()
