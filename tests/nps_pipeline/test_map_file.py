"""`nps map`: what is guessed, what is asked, and what stands in nps.yaml afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nps_pipeline import map_file
from nps_pipeline.cli import main
from nps_pipeline.inbox import pull_files
from nps_pipeline.map_file import Question, UnmappedFileError
from tests.nps_pipeline.pipeline import Pipeline

SHOP = (
    "Nr;Kunde;Datum;Note;Kommentar\n"
    "A-1;eva@example.org;03.04.2026;9;Schnell geliefert, gern wieder\n"
    "A-2;jon@example.org;04.04.2026;3;Das Paket kam leider beschädigt an\n"
    "A-3;;05.04.2026;10;\n"
)
COMMENTED = "# ours\nversion: 1\nreporting: {timezone: Europe/Berlin}  # where we are\n"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    pipeline = Pipeline(tmp_path, configuration={"version": 1})
    monkeypatch.setenv("NPS_CONFIG", str(pipeline.settings().config_path))
    monkeypatch.setenv("NPS_HOME", str(pipeline.home.root))
    return pipeline


def answering(answers: Mapping[str, str]) -> tuple[map_file.Ask, dict[str, str | None]]:
    """Answers by a part of the question, else what is proposed; and what was proposed for each question."""
    proposed: dict[str, str | None] = {}

    def ask(question: Question) -> str:
        proposed[question.text] = question.proposed
        answer = next((one for part, one in answers.items() if part in question.text), question.proposed)
        assert answer is not None, f"nothing is proposed for: {question.text}"
        assert not question.choices or answer in question.choices
        return answer

    return ask, proposed


def drafted(shop: Pipeline, content: str, **answers: str) -> tuple[dict[str, object], dict[str, str | None]]:
    (path := shop.folder / "laden_2026-04.csv").write_text(content, encoding="utf-8")
    ask, proposed = answering(answers)
    return map_file.draft(shop.settings(), path, ask), proposed


def test_columns_are_guessed_from_their_names_and_cells(shop: Pipeline) -> None:
    mapping, _ = drafted(shop, SHOP, **{"own id of the response": "Nr"})
    assert mapping == {
        "name": "laden", "match": "laden_*.csv", "score": "Note", "scale": [0, 10], "id": "Nr",
        "responded_at": {"column": "Datum", "timezone": "UTC"}, "comment": "Kommentar", "email": "Kunde",
        "survey_type": "unclassified",
    }  # fmt: skip


def test_what_nobody_can_know_has_no_proposal(shop: Pipeline) -> None:
    stars = "id,when,score\n1,03/04/2026,5\n2,04/05/2026,4\n3,05/06/2026,1\n"
    mapping, proposed = drafted(shop, stars, possible="1 5", first="day_first")
    assert mapping["scale"] == [1, 5]
    assert mapping["responded_at"] == {"column": "when", "format": "day_first", "timezone": "UTC"}
    assert [text for text, one in proposed.items() if one is None] == [
        "The lowest and the highest possible score?",
        "The dates in when fit both ways. Which comes first?",
    ]


def test_two_columns_of_scores_are_never_chosen_between(shop: Pipeline) -> None:
    questions = "How likely are you to recommend our shop?", "How likely are you to recommend our service?"
    content = f"id,{','.join(questions)}\n1,9,10\n2,3,0\n"
    mapping, proposed = drafted(shop, content, **{"answer to the question": questions[1], "which day": "2026-03-01"})
    assert proposed["Which column is the answer to the question how likely a recommendation is?"] is None
    assert mapping["score"] == questions[1]


def test_the_mapping_is_written_and_comments_stay(shop: Pipeline) -> None:
    path = shop.settings().config_path
    path.write_text(COMMENTED, encoding="utf-8")
    (file := shop.folder / "laden_2026-04.csv").write_text(SHOP, encoding="utf-8")
    answers = ["", "", "", "", "Nr", *[""] * 20, "y"]
    result = CliRunner().invoke(main, ["map", str(file)], input="\n".join(answers))
    assert result.exit_code == 0, result.output
    text = path.read_text("utf-8")
    assert text.startswith("# ours\nversion: 1\nreporting: {timezone: Europe/Berlin}  # where we are\n")
    (mapping,) = yaml.safe_load(text)["sources"]["files"]
    assert mapping["id"] == "Nr"
    assert mapping["responded_at"]["timezone"] == "Europe/Berlin"
    shop.home.inbox.mkdir(parents=True, exist_ok=True)
    file.rename(shop.home.inbox / file.name)
    from nps_pipeline.settings import load_settings  # noqa: PLC0415

    assert [(outcome.stream, outcome.rows) for outcome in pull_files(load_settings())] == [("laden", 3)]


def test_a_known_file_is_shown_and_nothing_is_asked(shop: Pipeline) -> None:
    (file := shop.folder / "x.csv").write_text(
        "#,How likely are you to recommend us?,Response Type,Start Date (UTC),Stage Date (UTC),Submit Date (UTC),"
        "Network ID\nt1,9,completed,2026-03-01 10:00:00,,2026-03-01 10:01:00,n\n"
    )
    before = shop.settings().config_path.read_bytes()
    result = CliRunner().invoke(main, ["map", str(file)])
    assert result.exit_code == 0, result.output
    assert "recognised as Typeform" in result.output
    assert "x.csv is known; nothing was changed." in result.output
    assert shop.settings().config_path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [({"scale": [10, 0]}, "the scale goes from the lowest"), ({"score": "gone"}, "has no column gone")],
)
def test_a_mapping_that_cannot_be_is_a_sentence(shop: Pipeline, changes: dict[str, object], sentence: str) -> None:
    mapping, _ = drafted(shop, SHOP, **{"own id of the response": "Nr"})
    with pytest.raises(UnmappedFileError, match=sentence):
        map_file.understood(shop.settings(), shop.folder / "laden_2026-04.csv", mapping | changes)


def test_an_invalid_result_leaves_the_file_as_it_was(shop: Pipeline) -> None:
    settings = shop.settings()
    before = settings.config_path.read_bytes()
    with pytest.raises(UnmappedFileError, match="would not be valid with it and is as it was"):
        map_file.write(settings, {"name": "Not A Name", "match": "*.csv"})
    assert settings.config_path.read_bytes() == before
    assert [path.name for path in settings.config_path.parent.glob(".*nps*")] == []


QUESTIONS = (
    "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
    "Quelle est la probabilité que vous nous recommandiez ?",
    "Del 0 al 10, ¿qué probabilidad hay de que nos recomiende?",
    "Con quale probabilità ci consiglieresti a un amico?",
    "Hoe waarschijnlijk is het dat u ons aanbeveelt?",
    "Qual é a probabilidade de nos recomendar a um amigo?",
    "Jak prawdopodobne jest, że polecisz nas znajomym?",
)


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_recommend_question_is_proposed_whatever_its_language(shop: Pipeline, question: str) -> None:
    """As Jotform, Alchemer or QuestionStar write it: the full question, another column of digits before it."""
    content = (
        f'ID;Eingegangen am;Zufriedenheit;"{question}";Kommentar;;\n'
        "501;24.12.2025 18:05;5;9;Alles war gut und schnell;;\n502;27.12.2025 09:00;4;10;;;\n"
        "503;28.12.2025 09:30;3;2;Die Antwort dauerte zu lange;;\n"
    )
    mapping, proposed = drafted(shop, content)
    assert mapping["score"] == question
    assert mapping["scale"] == [0, 10]
    assert (mapping["id"], mapping["comment"]) == ("ID", "Kommentar")
    assert mapping["responded_at"] == {"column": "Eingegangen am", "timezone": "UTC"}
    assert [text for text, one in proposed.items() if one is None] == []


def test_a_second_header_row_and_titles_are_never_a_score(shop: Pipeline) -> None:
    content = (
        "Customer survey,,,\nExported,2026-11-22,,\n"
        "Response ID,Date Submitted,How likely are you to recommend us?,Why?\n,,Response,Open-Ended Response\n"
    ) + "".join(f"{day},2026-01-{day} 10:00:00,{day - 10},Good service all around\n" for day in range(13, 20))
    (path := shop.folder / "alchemer.csv").write_text(content, encoding="utf-8")
    ask, _ = answering({"own id": "Response ID"})
    survey_file = map_file.understood(shop.settings(), path, map_file.draft(shop.settings(), path, ask))
    assert [row["score"] for row in map_file.sample(survey_file)] == ["Response", *"3456789"]
