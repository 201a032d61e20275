"""What a person meets at the terminal: exit codes, sentences instead of tracebacks, and no customer data."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from nps_pipeline import cli
from nps_pipeline.publications import require_current
from nps_pipeline.settings import json_schema
from tests.nps_pipeline.command import Command, holding, leaks

Finished = subprocess.CompletedProcess[str]
Ask = Callable[..., Finished]
# Each stands in one kind of cell of the input and nowhere else.
CANARIES = {
    "record": "zqrecordzq",
    "mail": "zqmailzq",
    "customer": "ZQCUSTOMERZQ",
    "name": "Zqnamezq",
    "score": "zqscorezq",
    "why": "zqwhyzq",
    "unmapped": "zqunmappedzq",
    "unknown": "zqunknownzq",
    "broken": "zqbrokenzq",
}
HEADER = "id,mail,customer,name,nps,why,at,unmapped\n"


def answer(number: int, score: str, at: str = "2026-01-05") -> str:
    values = {key: f"{text}{number}" for key, text in CANARIES.items()}
    return ",".join(
        [
            values["record"],
            f"{values['mail']}@example.org",
            values["customer"],
            values["name"],
            score,
            values["why"],
            at,
            values["unmapped"],
        ]
    )


GOOD = HEADER + "\n".join(
    [answer(1, "9"), answer(2, "3"), answer(3, "NA"), answer(4, CANARIES["score"]), answer(5, "8", "zqwhenzq")]
)
UNKNOWN = f"first,second\n{CANARIES['unknown']}@example.org,{CANARIES['unknown']}\n"
BROKEN = f"id,mail,customer,name,nps,why,at,unmapped\n1,{CANARIES['broken']}".encode() + b"\x00\xff\xfe"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Command:
    command = Command(tmp_path_factory.mktemp("shop"))
    command.drop("shop.csv", GOOD)
    command.drop("leaflet.csv", UNKNOWN)
    command.drop("shop_cut_off.csv", BROKEN)
    return command


@pytest.fixture(scope="module")
def first_run(shop: Command) -> Finished:
    return shop("run")


@pytest.fixture(scope="module")
def second_run(shop: Command, first_run: Finished) -> Finished:
    assert first_run.returncode == 3
    return shop("run")


@pytest.fixture(scope="module")
def asked(shop: Command, second_run: Finished) -> Ask:
    """Runs a reading command on the published home, once per spelling."""
    assert second_run.returncode == 0
    answers: dict[tuple[str, ...], Finished] = {}

    def ask(*words: str) -> Finished:
        if words not in answers:
            answers[words] = shop.here(*words)
        return answers[words]

    return ask


@pytest.fixture
def empty(tmp_path: Path) -> Command:
    return Command(tmp_path, "version: 1\n")


def assert_one_sentence(result: Finished, *parts: str) -> None:
    (sentence,) = result.stderr.splitlines()
    assert result.returncode == 1
    assert "Traceback" not in result.stderr + result.stdout
    assert all(part in sentence for part in parts), sentence
    assert sentence.endswith(".")


# --- a run ---


def test_a_refused_file_degrades_the_run_and_the_good_one_is_published(shop: Command, first_run: Finished) -> None:
    assert first_run.returncode == 3
    assert "5 rows into files/shop" in first_run.stdout
    assert f"Published {require_current(shop.home).publication_id}." in first_run.stdout
    problems = first_run.stderr.splitlines()
    refused = ("leaflet.csv", "shop_cut_off.csv")
    for problem, name in zip(problems, refused, strict=True):
        assert problem.startswith(f"A file was refused. {name}")
    assert "no mapping in nps.yaml is for it" in problems[0]
    assert "Traceback" not in first_run.stderr + first_run.stdout


def test_a_refused_file_lies_aside_with_its_reason(shop: Command, first_run: Finished) -> None:
    assert {path.name for path in shop.home.refused.iterdir()} == {
        "leaflet.csv",
        "leaflet.csv.reason.txt",
        "shop_cut_off.csv",
        "shop_cut_off.csv.reason.txt",
    }
    assert (shop.home.refused / "leaflet.csv").read_text(encoding="utf-8") == UNKNOWN
    for path in shop.home.refused.glob("*.reason.txt"):
        (reason,) = path.read_text(encoding="utf-8").splitlines()
        assert reason in first_run.stderr
    assert [path.name for path in shop.home.archive.iterdir()] == ["shop.csv"]
    assert list(shop.home.inbox.iterdir()) == []


def test_the_second_run_publishes_nothing_and_says_why(shop: Command, second_run: Finished) -> None:
    publication_id = require_current(shop.home).publication_id

    assert (second_run.returncode, second_run.stderr) == (0, "")
    reason = f"Nothing new to publish: content, configuration, code and date are those of {publication_id}."
    assert second_run.stdout.splitlines()[-1].endswith(reason)
    assert [path.name for path in (shop.home.publish / "publications").iterdir()] == [publication_id]


# --- what stands published ---


def test_status_says_what_was_published(shop: Command, asked: Ask) -> None:
    result = asked("status")

    lines = [line.split() for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert ["files.shop", "5", "2", "3", "0", "0", "0", "0", "2026-01-05", "00:00"] in lines
    assert ["relational", "not", "shown", "below", "minimum", "2", "1", "0", "1"] in lines
    assert any(line[:3] == ["files.shop", "1", "score_not_available"] for line in lines)
    assert ["Mart", str(shop.home.publish / "mart.duckdb")] in lines
    assert ["Report", str(shop.home.publish / "current" / "report.html")] in lines


def test_status_for_programs_has_the_same_figures(shop: Command, asked: Ask) -> None:
    result = asked("status", "--json")

    document = json.loads(result.stdout)
    assert result.returncode == 0
    assert document["publication_id"] == require_current(shop.home).publication_id
    assert Path(document["mart"]).exists()
    assert Path(document["report"]).exists()
    (stream,) = document["conservation"]
    assert (stream["source_stream"], stream["served"], stream["kept"], stream["quarantined"]) == ("shop", 5, 2, 3)
    assert {row["reason"]: row["responses"] for row in document["quarantined"]} == {
        "score_not_available": 1,
        "score_not_a_number": 1,
        "responded_at_unreadable": 1,
    }


def test_quarantine_lists_each_refused_row_with_its_remedy(
    asked: Ask,
) -> None:
    result = asked("quarantine")

    assert result.returncode == 0
    assert "Quarantined rows: 3" in result.stdout
    assert all(f"{CANARIES['record']}{number} " in result.stdout for number in (3, 4, 5))
    assert "score_not_a_number: The score is no number. Check which column `score` names in nps.yaml" in result.stdout


@pytest.mark.parametrize(
    ("words", "records"),
    [
        ((), [5, 4, 3]),
        (("--source", "files", "--reason", "score_blank"), []),
        (("--source", "files.shop", "--reason", "score_not_available"), [3]),
    ],
)
def test_quarantine_for_programs_can_be_narrowed(asked: Ask, words: tuple[str, ...], records: list[int]) -> None:
    result = asked("quarantine", "--json", *words)

    assert result.returncode == 0
    found = [row["source_record_id"] for row in json.loads(result.stdout)]
    assert found == [f"{CANARIES['record']}{number}" for number in records]


def test_status_tells_where_the_rows_of_every_load_went(asked: Ask) -> None:
    assert "Loads: every row landed, in one class" in asked("status", "--loads").stdout
    (load,) = json.loads(asked("status", "--loads", "--json").stdout)["loads"]
    assert [load[name] for name in ("manifest_rows", "kept", "quarantined", "mode")] == [5, 2, 3, "file"]


def test_quarantine_for_spreadsheets_is_a_file_or_standard_output(asked: Ask, tmp_path: Path) -> None:
    printed = asked("quarantine", "--csv", "-")
    assert asked("quarantine", "--csv", str(tmp_path / "rows.csv")).stdout == f"3 rows in {tmp_path / 'rows.csv'}\n"
    written = (tmp_path / "rows.csv").read_text(encoding="utf-8-sig")
    assert written == printed.stdout
    rows = list(csv.DictReader(written.splitlines()))
    assert all(row["meaning"] and row["remedy"] for row in rows)
    assert len(json.loads(asked("quarantine", "--load", rows[0]["load_id"], "--json").stdout)) == len(rows) == 3
    assert_one_sentence(asked("quarantine", "--load", "no load"), "no load", "nps status --loads")


@pytest.mark.parametrize(
    ("option", "name", "known"),
    [("--source", "files.shops", "files.shop"), ("--reason", "score_missing", "score_blank")],
)
def test_a_misspelt_filter_is_no_empty_quarantine(asked: Ask, option: str, name: str, known: str) -> None:
    assert_one_sentence(asked("quarantine", option, name), name, known)


def test_report_names_the_page_of_the_publication(shop: Command, asked: Ask) -> None:
    result = asked("report")

    assert result.returncode == 0
    page = Path(result.stdout.strip())
    assert page == shop.home.publish / "current" / "report.html"
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_doctor_is_content_with_a_good_home(asked: Ask) -> None:
    result = asked("doctor", "--json")

    assert result.returncode == 0
    findings = json.loads(result.stdout)
    subjects = ["settings", "home", "landing", "inbox", "ledger", "publication", "suites", "dbt project"]
    assert [finding["subject"] for finding in findings] == subjects
    assert all(finding["problem"] is None for finding in findings)


# --- what goes wrong ---


@pytest.mark.parametrize("words", [("status",), ("status", "--json"), ("quarantine",), ("report",)])
def test_before_the_first_publication_one_sentence_says_so(empty: Command, words: tuple[str, ...]) -> None:
    assert_one_sentence(empty(*words), "Nothing is published yet", str(empty.home.root), "`nps run`")
    assert not empty.home.root.exists()


def test_every_mistake_of_the_configuration_is_told_at_once(tmp_path: Path) -> None:
    wrong = Command(
        tmp_path,
        "version: 1\nreporting: {timezone: Europe/Berlim, min_n: 0, comment: shown}\n"
        "sources: {files: [{name: shop, match: '*.csv', score: nps, scale: [0, 10]}]}\n",
    )
    result = wrong("run")

    problems = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (1, "")
    assert [problem.split(": ")[1] for problem in problems] == [
        "reporting.timezone",
        "reporting.min_n",
        "reporting.comment",
        "sources.files[0]",
    ]
    assert "did you mean Europe/Berlin?" in problems[0]
    assert "did you mean comments?" in problems[2]
    assert not wrong.home.root.exists()


def test_doctor_tells_the_same_mistakes_and_fails(tmp_path: Path) -> None:
    wrong = Command(tmp_path, "version: 2\npublish: {keep: 0}\n")
    result = wrong("doctor")

    assert result.returncode == 1
    assert [line.split()[:3] for line in result.stdout.splitlines()] == [
        ["✗", "settings", "nps.yaml:"],
        ["✗", "settings", "nps.yaml:"],
    ]


@contextmanager
def another_process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A process that has something open until the block ends."""
    words = [sys.executable, "-c", script, *arguments]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate()


def test_a_locked_home_names_its_holder(empty: Command) -> None:
    script = (
        "import sys; from pathlib import Path; from nps_pipeline.home import Home, lock\n"
        "with lock(Home(Path(sys.argv[1])), 'run', 'nps run'): print('ready', flush=True); sys.stdin.read()"
    )
    with another_process(script, str(empty.home.root)) as holder:
        result = empty("run")

        assert_one_sentence(result, str(empty.home.root), f"in use by nps run (process {holder.pid})", "Nothing was")
        assert result.stdout == ""


def test_a_working_database_that_is_open_elsewhere_is_told(empty: Command) -> None:
    empty.home.root.mkdir()
    script = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"
    with another_process(script, str(empty.home.work_db)):
        result = empty("run", "--json")

    assert_one_sentence(result, str(empty.home.work_db), "open in another program", "close it there")
    outcome = json.loads(result.stdout)
    assert (outcome["exit"], outcome["published"]) == (1, None)


def test_a_damaged_working_database_is_told_with_its_remedy(empty: Command) -> None:
    empty.home.root.mkdir()
    empty.home.work_db.write_text("this is no database")

    assert_one_sentence(empty("run"), str(empty.home.work_db), "delete it and run again")
    assert not (empty.home.publish / "current").exists()


def test_a_home_that_is_no_directory_is_told(empty: Command) -> None:
    empty.home.root.write_text("a file")

    assert_one_sentence(empty("run"), str(empty.home.root), "NPS_HOME")


# --- the words ---


def test_schema_is_the_one_that_validates(empty: Command) -> None:
    result = empty("schema")

    assert result.returncode == 0
    assert json.loads(result.stdout) == json_schema()


def test_the_command_and_each_of_its_commands_explain_themselves(empty: Command) -> None:
    result = empty("--help")

    assert result.returncode == 0
    for name, command in cli.main.commands.items():
        assert f"\n  {name} " in result.stdout
        helped = CliRunner().invoke(cli.main, [name, "--help"])
        assert helped.exit_code == 0
        assert command.help is not None
        assert command.help.splitlines()[0] in " ".join(helped.output.split())
        assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option))


# --- no customer data ---


def test_no_command_prints_customer_data(
    first_run: Finished,
    second_run: Finished,
    asked: Ask,
) -> None:
    results = [
        first_run,
        second_run,
        *map(asked, ("status", "report", "quarantine")),
        asked("status", "--json"),
        asked("doctor", "--json"),
        asked("quarantine", "--json"),
    ]
    printed = [result.stdout + result.stderr for result in results]
    # the tool's own id of a refused row is how a person finds it; `nps quarantine` is asked for it
    quarantines = [text for text, result in zip(printed, results, strict=True) if "quarantine" in result.args]

    for key, canary in CANARIES.items():
        shown = [text for text in printed if canary.lower() in text.lower()]
        assert shown == (quarantines if key == "record" else [])


def test_customer_data_is_only_where_data_is_kept(shop: Command, asked: Ask) -> None:
    assert asked("quarantine").returncode == 0
    found = holding(shop.home, CANARIES.values())

    assert {"archive/shop.csv", "refused/leaflet.csv", "work.duckdb"} <= found  # what is searched for is there at all
    assert leaks(shop.home, CANARIES.values()) == set()


def test_the_report_shows_comments_and_nobody(asked: Ask) -> None:
    page = Path(asked("report").stdout.strip()).read_text(encoding="utf-8")

    assert f"{CANARIES['why']}2" in page
    assert [key for key, canary in CANARIES.items() if canary in page] == ["why"]
