"""nps.yaml and the environment: what is accepted, and that all mistakes are told at once, each with its remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nps_pipeline.project import ROOT
from nps_pipeline.settings import SettingsError, load_settings
from tests.nps_pipeline.documents import ENTRY, FULL, entry, load, problems, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory; absolute without links, as the settings make theirs."""
    monkeypatch.chdir(tmp_path)
    return Path.cwd()


# --- what is accepted ------------------------------------------------------------------------------------------------


def test_the_smallest_file_is_its_version(folder: Path) -> None:
    settings = load("version: 1\n")
    configuration = settings.configuration
    assert (configuration.reporting.timezone, configuration.reporting.min_n) == ("UTC", 30)
    assert (configuration.sources.files, configuration.publish.keep, configuration.schedule.cron) == (
        [],
        10,
        "0 5 * * *",
    )
    assert configuration.deduplication.order == ["files", "hubspot", "salesforce", "zendesk"]
    assert (settings.home.root, settings.config_path) == (folder / "var", folder / "nps.yaml")


def test_a_file_that_states_everything_is_read() -> None:
    configuration = load(FULL).configuration
    assert configuration.reporting.model_dump() == {"timezone": "Europe/Berlin", "min_n": 30, "comments": "shown"}
    retail, countries, qualtrics = configuration.sources.files
    assert (retail.scale, retail.channel, retail.touchpoint) == ((0, 10), "store", "purchase")
    assert retail.model_dump(mode="json")["responded_at"] == {"constant": "2017-01-01", "timezone": "Europe/Paris"}
    assert countries.model_dump()["channel"] == {"column": "channel"}
    assert countries.exclude[0].values == ("test", "0")
    assert qualtrics.profile == "qualtrics"
    assert configuration.deduplication.order == ["files.retail", "files", "hubspot"]
    assert (configuration.publish.keep, configuration.schedule.cron) == (3, "30 4 * * mon-fri")


def test_the_file_that_ships_is_valid() -> None:
    assert load((ROOT / "nps.yaml").read_text(encoding="utf-8")).configuration.version == 1


def test_an_entry_may_take_over_another_s_keys_by_a_yaml_merge() -> None:
    document = """
        version: 1
        sources:
          files:
            - &retail {name: retail, match: "retail_*.csv", id: id, score: nps, scale: [0, 10], channel: store}
            - {<<: *retail, name: online, match: "online_*.csv", channel: web}
    """
    retail, online = load(document).configuration.sources.files
    assert (retail.channel, online.channel, online.score) == ("store", "web", "nps")


@pytest.mark.parametrize(
    ("spelling", "term"),
    [
        ("store", "store"),
        (" STORE ", "store"),
        ("in app", "in_app"),
        ("Point-of Sale", "store"),
        ("unknown", "unknown"),
    ],
)
def test_a_constant_channel_is_the_standard_term_that_it_means(spelling: str, term: str) -> None:
    assert load(entry(channel=spelling)).configuration.sources.files[0].channel == term


# --- every mistake, where it is and what to do -----------------------------------------------------------------------

WRONG: list[tuple[str, str | dict[str, Any], str]] = [
    ("unknown key", "version: 1\nreprting: {}", "reprting: unknown key; did you mean reporting?"),
    (
        "unknown key like no other",
        "version: 1\ndispatch: {}",
        (
            "dispatch: unknown key; known here: deduplication, gate, identity, publish, reporting, schedule, sources, "
            "surveys, sync, version."
        ),
    ),
    ("nested", "version: 1\nreporting: {min_m: 3}", "reporting.min_m: unknown key; did you mean min_n?"),
    ("in an entry", entry(coment="x"), "sources.files[0].coment: unknown key; did you mean comment?"),
    (
        "in a section of an entry",
        entry(responded_at={"column": "date", "fromat": "day_first"}),
        "sources.files[0].responded_at.fromat: unknown key; did you mean format?",
    ),
    (
        "in an excluding mark",
        entry(exclude=[{"column": "a", "values": ["x"], "reason": "test", "colum": "b"}]),
        "sources.files[0].exclude[0].colum: unknown key; did you mean column?",
    ),
    ("text for a number", 'version: 1\nreporting: {min_n: "3"}', "reporting.min_n: must be a whole number."),
    ("fraction", "version: 1\nreporting: {min_n: 2.5}", "reporting.min_n: must be a whole number."),
    ("yes for a number", "version: 1\nreporting: {min_n: yes}", "reporting.min_n: must be a whole number."),
    ("too small", "version: 1\npublish: {keep: 0}", "publish.keep: must be at least 2."),
    ("number for text", "version: 1\nreporting: {timezone: 2}", "reporting.timezone: must be text; put it in quotes."),
    ("no list", "version: 1\ndeduplication: {order: files}", "deduplication.order: must be a list such as [a, b]."),
    ("no section", "version: 1\nreporting: 5", "reporting: must hold keys and values; add some or remove it."),
    ("empty section", "version: 1\nreporting:", "reporting: must hold keys and values; add some or remove it."),
    ("a list at the top", "- version: 1", "must hold keys and values; add some or remove it."),
    ("a word at the top", "hello", "must hold keys and values; add some or remove it."),
    ("other words", "version: 1\nreporting: {comments: show}", "reporting.comments: must be 'shown' or 'hidden'."),
    ("a key that is no text", "version: 1\nreporting: {on: 1}", "reporting: a key here is no text; put it in quotes."),
    (
        "time zone",
        "version: 1\nreporting: {timezone: Europe/Berlinn}",
        "reporting.timezone: is no time zone; use an IANA name, did you mean Europe/Berlin?",
    ),
    (
        "time zone like no other",
        "version: 1\nreporting: {timezone: here}",
        "reporting.timezone: is no time zone; use an IANA name such as Europe/Berlin or UTC.",
    ),
    (
        "country",
        "version: 1\nidentity: {default_country: Germany}",
        "identity.default_country: is no country; use its ISO code of two capital letters, such as DE or GB.",
    ),
    (
        "cron",
        'version: 1\nschedule: {cron: "0 25 * * *"}',
        "schedule.cron: is no cron expression; five fields such as '0 5 * * *' (every day at 5).",
    ),
    ("version missing", "reporting: {}", "version: is missing; add it."),
    ("empty file", "", "version: is missing; add it."),
    ("comments only", "# nothing yet\n", "version: is missing; add it."),
    ("another version", "version: 2", "version: must be 1."),
    ("version as text", 'version: "1"', "version: must be 1."),
    ("three ends of a scale", entry(scale=[0, 5, 10]), "sources.files[0].scale: must have at most 2 items."),
    ("one end of a scale", entry(scale=[0]), "sources.files[0].scale[1]: is missing; add it."),
    ("a word in a scale", entry(scale=["low", 10]), "sources.files[0].scale[0]: must be a whole number."),
    ("empty column", entry(score=""), "sources.files[0].score: must not be empty."),
    ("name", entry(name="Retail FR"), "sources.files[0].name: must have the form ^[a-z][a-z0-9_]*$."),
    ("list for a constant", entry(survey=["x"]), "sources.files[0].survey: must be text; put it in quotes."),
    (
        "survey type",
        entry(survey_type="relationl"),
        "sources.files[0].survey_type: must be 'relational', 'transactional' or 'unclassified'.",
    ),
]


@pytest.mark.parametrize(("document", "sentence"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG])
def test_a_mistake_is_one_sentence_with_its_key_and_remedy(document: str | dict[str, Any], sentence: str) -> None:
    assert problems(document) == [sentence]


@pytest.mark.parametrize(
    ("value", "sentences"),
    [
        (
            {"constnt": "2017-01-01", "timezone": "Europe/Paris"},
            ["constant: is missing; add it.", "constnt: unknown key; did you mean constant?"],
        ),
        (
            {"colum": "date", "format": "day_first"},
            ["column: is missing; add it.", "colum: unknown key; did you mean column?"],
        ),
    ],
)
def test_of_several_forms_of_a_value_only_the_meant_one_is_spoken_of(value: Any, sentences: list[str]) -> None:
    path = "sources.files[0].responded_at."
    assert problems(entry(responded_at=value)) == [path + sentence for sentence in sentences]


def test_a_key_that_stands_twice_is_no_silent_loss(folder: Path) -> None:
    assert problems("version: 1\nreporting:\n  min_n: 3\n  timezone: UTC\n  min_n: 4\n") == [
        f"{folder}/nps.yaml, line 5, column 3: not valid YAML: the key min_n stands twice. Mend that line."
    ]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("version: 1\nreporting: {min_n: [3\n", 3, "expected ',' or ']'"),
        ("version: 1\n\treporting: 1\n", 2, "cannot start any token"),
        ("version: 1\nsources: {files: [{responded_at: {constant: 2017-02-30}}]}\n", 2, "2017-02-30 is no date"),
        ("version: 1\n{a: 1}: 2\n", 2, "unhashable key"),
        ("version: 1\nreporting: *nothing\n", 2, "undefined alias"),
        ("version: !!python/name:os.system\n", 1, "could not determine a constructor"),
    ],
)
def test_invalid_yaml_is_told_with_its_line(folder: Path, text: str, line: int, what: str) -> None:
    (sentence,) = problems(text)
    assert sentence.startswith(f"{folder}/nps.yaml, line {line}, column ")
    assert what in sentence
    assert sentence.endswith(". Mend that line.")


def test_a_control_character_is_told(folder: Path) -> None:
    assert problems("version: 1\x00") == [
        f"{folder}/nps.yaml: not valid YAML: it holds a control character. Save it as plain text."
    ]


@pytest.mark.parametrize("config", ["missing.yaml", ".", "nps.yaml/nps.yaml"])
def test_a_path_that_is_no_file_is_told_with_the_smallest_one(folder: Path, config: str) -> None:
    write("version: 1")
    with pytest.raises(SettingsError) as refusal:
        load_settings({"NPS_CONFIG": config})
    assert refusal.value.problems == [
        f"{folder / config} is no file; create it (the smallest is `version: 1`) or set NPS_CONFIG to its path."
    ]


@pytest.mark.parametrize("content", ["version: 1 # é".encode("latin-1"), "version: 1".encode("utf-16")])
def test_a_file_that_is_not_utf_8_is_told(folder: Path, content: bytes) -> None:
    Path("nps.yaml").write_bytes(content)
    with pytest.raises(SettingsError) as refusal:
        load_settings({})
    assert refusal.value.problems == [
        f"{folder}/nps.yaml cannot be read as UTF-8 text (UnicodeDecodeError); check its permissions and encoding."
    ]


def test_names_that_stand_twice_are_told_also_beside_other_mistakes() -> None:
    files = [ENTRY, {**ENTRY, "coment": "x"}, {**ENTRY, "name": "other"}, {**ENTRY, "scale": 5}]
    assert problems({"version": 1, "sources": {"files": files}}) == [
        "sources.files[1].name: the name retail stands twice; each entry needs its own.",
        "sources.files[1].coment: unknown key; did you mean comment?",
        "sources.files[3].name: the name retail stands twice; each entry needs its own.",
        "sources.files[3].scale: must be a list such as [a, b].",
    ]


def test_the_names_of_one_reading_do_not_count_in_the_next() -> None:
    assert load(entry()).configuration == load(entry()).configuration


@pytest.mark.parametrize(
    ("key", "term", "advice"),
    [
        ("channel", "stroe", "did you mean store? Else add"),
        ("channel", "carrier pigeon", "add"),
        ("channel", "purchase", "add"),
        ("touchpoint", "chekout", "did you mean checkout? Else add"),
        ("touchpoint", "store", "add"),
    ],
)
def test_a_constant_channel_or_touchpoint_must_be_a_standard_term(key: str, term: str, advice: str) -> None:
    assert problems(entry(**{key: term})) == [
        (
            f"sources.files[0].{key}: '{term}' is no standard {key}; "
            f"{advice} a line for it to dbt_project/seeds/{key}s.csv."
        )
    ]


def test_all_mistakes_of_the_file_and_the_environment_come_at_once() -> None:
    write({**entry(channel="stroe", coment="x"), "version": 3, "publish": {"keep": 0}, "schedule": {"cron": "soon"}})
    with pytest.raises(SettingsError) as refusal:
        load_settings({"NPS_HOEM": "/x", "NPS_CONFGI": "/y"})
    assert [problem.split(": ")[1] for problem in refusal.value.problems if problem.startswith("nps.yaml")] == [
        "version",
        "sources.files[0].channel",
        "sources.files[0].coment",
        "publish.keep",
        "schedule.cron",
    ]
    assert [problem for problem in refusal.value.problems if problem.startswith("environment")] == [
        "environment: NPS_HOEM is not read; did you mean NPS_HOME?",
        "environment: NPS_CONFGI is not read; did you mean NPS_CONFIG?",
    ]


# --- the environment -------------------------------------------------------------------------------------------------


def test_paths_of_the_environment_are_absolute_and_need_not_exist(folder: Path) -> None:
    write("version: 1").rename("other.yaml")
    settings = load_settings({"NPS_HOME": "state/nps", "NPS_CONFIG": "other.yaml"})
    assert (settings.home.root, settings.config_path) == (folder / "state" / "nps", folder / "other.yaml")
    assert list(folder.iterdir()) == [folder / "other.yaml"]


def test_an_empty_variable_counts_as_absent(folder: Path) -> None:
    write("version: 1")
    assert load_settings({"NPS_HOME": "", "NPS_CONFIG": ""}).home.root == folder / "var"


def test_the_process_s_own_environment_is_the_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("version: 1")
    monkeypatch.setenv("NPS_HOME", "mine")
    assert load_settings().home.root == folder / "mine"


def test_a_dotenv_file_is_read_and_real_variables_win(folder: Path) -> None:
    write("version: 1").rename("real.yaml")
    Path(".env").write_text('NPS_HOME="from dotenv"\nNPS_CONFIG=nothing.yaml\n')
    settings = load_settings({"NPS_CONFIG": "real.yaml"})
    assert (settings.home.root, settings.config_path) == (folder / "from dotenv", folder / "real.yaml")


def test_a_misspelt_variable_in_dotenv_is_told() -> None:
    Path(".env").write_text("NPS_HOM=x\n")
    assert problems("version: 1") == ["environment: NPS_HOM is not read; did you mean NPS_HOME?"]


def test_a_dotenv_file_that_is_not_utf_8_is_told() -> None:
    Path(".env").write_bytes("NPS_HOME=café".encode("latin-1"))
    assert problems("version: 2") == [
        "version: must be 1.",
        ".env: cannot be read as UTF-8 text (UnicodeDecodeError); check its permissions and encoding.",
    ]


def test_variables_of_others_are_left_alone() -> None:
    write("version: 1")
    assert load_settings({"NPS_REPORT_TITLE": "x", "HOME": "/", "NPSHOME": "x"}).configuration.version == 1
