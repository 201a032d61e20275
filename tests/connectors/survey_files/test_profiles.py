"""Survey tools that are recognised by their header, and the recommend question in their files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from connectors.survey_files import FileMapping, FileRefused, SurveyFile, open_survey_file
from connectors.survey_files.questions import asks_for_a_reason, asks_to_recommend, stated_scale

Write = Callable[..., Path]
Build = Callable[..., FileMapping]
Payloads = Callable[[SurveyFile], list[dict[str, Any]]]

NPS = "How likely are you to recommend us to a friend?"

QUALTRICS = (
    "StartDate", "EndDate", "Status", "Progress", "Finished", "ResponseId", "RecipientFirstName", "RecipientLastName",
    "RecipientEmail", "ExternalReference", "DistributionChannel", "UserLanguage",
)  # fmt: skip
QUALTRICS_DE = (
    "Anfangsdatum", "Enddatum", "Antworttyp", "Aktueller Stand", "Beendet", "Antwort-ID", "Vorname", "Nachname",
    "E-Mail des Empfängers", "Externe Datenreferenz", "Verteilungskanal", "Benutzersprache",
)  # fmt: skip
QUALTRICS_IDS = (
    "startDate", "endDate", "status", "progress", "finished", "_recordId", "recipientFirstName", "recipientLastName",
    "recipientEmail", "externalDataReference", "distributionChannel", "userLanguage",
)  # fmt: skip
DONE = (
    "2024-05-01 10:00:00", "2024-05-01 10:02:00", "0", "100", "1", "R_1abc", "Eva", "Roth", "Eva@Example.org", "K7",
    "email", "DE",
)  # fmt: skip

TYPEFORM_END = ("Response Type", "Start Date (UTC)", "Stage Date (UTC)", "Submit Date (UTC)", "Network ID", "Tags")
SURVEYMONKEY = (
    "Respondent ID", "Collector ID", "Start Date", "End Date", "IP Address", "Email Address", "First Name", "Last Name",
    "Custom Data 1",
)  # fmt: skip
MONKEY_ROW = (
    "118000000001", "45", "05/13/2024 10:00:00 AM", "05/13/2024 01:05:00 PM", "", "eva@example.org", "Eva", "Roth",
    "K7",
)  # fmt: skip


def table(*rows: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def qualtrics(questions: Sequence[tuple[str, str, str]], *rows: Sequence[str]) -> str:
    ids = (f'{{"ImportId":"{name}"}}' for name in (*QUALTRICS_IDS, *(question[2] for question in questions)))
    names = (*QUALTRICS, *(question[0] for question in questions))
    return table(names, (*QUALTRICS_DE, *(question[1] for question in questions)), tuple(ids), *rows)


GROUPED = (
    ("Q1_NPS_GROUP", "Group", "QID1_NPS_GROUP"),
    ("Q1", "Weiterempfehlung", "QID1"),
    ("Q2", "Warum?", "QID2_TEXT"),
)


@pytest.fixture
def read(write: Write, payloads: Payloads) -> Callable[..., tuple[SurveyFile, list[dict[str, Any]]]]:
    def opened(content: str, *mappings: FileMapping) -> tuple[SurveyFile, list[dict[str, Any]]]:
        file = open_survey_file(write(content), mappings, "Europe/Berlin")
        return file, [payload["mapped"] for payload in payloads(file)]

    return opened


Read = Callable[..., tuple[SurveyFile, list[dict[str, Any]]]]


def test_qualtrics_with_a_localised_label_row_is_mapped_by_its_ids(read: Read) -> None:
    file, rows = read(qualtrics(GROUPED, (*DONE, "3", "9", "Schnell")))
    assert (file.stream.source, file.stream.name, file.stream.role, file.data_rows) == (
        "files",
        "qualtrics",
        "response",
        1,
    )
    assert file.notes[:2] == (
        "recognised as Qualtrics, 3 header rows",
        "recommend question: column Q1, known by its NPS group column",
    )
    assert rows == [
        {
            "response_id": "R_1abc", "response_id_scope": "qualtrics", "score": "9", "scale_min": 0, "scale_max": 10,
            "comment": "Schnell", "language": "DE", "responded_at": "2024-05-01 08:02:00.000000",
            "responded_at_basis": "source", "channel": "email", "respondent_id": "K7", "email": "Eva@Example.org",
            "display_name": "Eva Roth",
        }
    ]  # fmt: skip


def test_qualtrics_states_its_time_zone_beside_the_import_id(read: Read) -> None:
    content = qualtrics(GROUPED, (*DONE, "3", "9", "")).replace(
        '""ImportId"":""endDate""', '""ImportId"":""endDate"",""timeZone"":""America/Denver""'
    )
    assert read(content)[1][0]["responded_at"] == "2024-05-01 16:02:00.000000"


@pytest.mark.parametrize("removed", [(2,), (1, 2)])
def test_header_rows_that_somebody_deleted_are_not_missed(read: Read, removed: tuple[int, ...]) -> None:
    lines = qualtrics(GROUPED, (*DONE, "3", "9", "x"), (*DONE, "1", "2", "y")).splitlines(keepends=True)
    file, rows = read("".join(line for number, line in enumerate(lines) if number not in removed))
    assert file.data_rows == 2
    assert [row["score"] for row in rows] == ["9", "2"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Status": "1"}, "test"),
        ({"Status": "Survey Preview"}, "test"),
        ({"DistributionChannel": "preview"}, "test"),
        ({"Status": "8"}, "bogus"),
        ({"Status": "Spam"}, "bogus"),
        ({"Finished": "0"}, "partial"),
        ({"Finished": "False"}, "partial"),
        ({"Progress": "99"}, "partial"),
        ({"Finished": "True", "Status": "IP Address"}, None),
        ({"Status": "16"}, None),
    ],
)
def test_qualtrics_marks_rows_that_are_no_answers(read: Read, changes: dict[str, str], reason: str | None) -> None:
    row = [changes.get(name, cell) for name, cell in zip(QUALTRICS, DONE, strict=True)]
    file, rows = read(qualtrics(GROUPED, (*row, "3", "9", "")))
    assert rows[0].get("excluded") == reason
    assert (f"1 rows excluded as {reason}" in file.notes) is (reason is not None)


def test_a_file_without_a_recommend_question_is_kept_and_excluded_with_a_note(read: Read) -> None:
    file, rows = read(qualtrics((("Q1", "How satisfied are you?", "QID1"),), (*DONE, "9")))
    assert rows[0]["excluded"] == "not_nps"
    assert "score" not in rows[0]
    assert any("no recommend question found: every row is kept and excluded as not_nps" in note for note in file.notes)


def test_two_recommend_questions_are_a_question_to_the_user(write: Write) -> None:
    content = qualtrics((("Q1", NPS, "QID1"), ("Q5", f"{NPS} (product)", "QID5")), (*DONE, "9", "3"))
    with pytest.raises(
        FileRefused,
        match=r"2 recommend questions: Q1, Q5. Say in nps.yaml which one counts.*profile: qualtrics and score: COLUMN",
    ):
        open_survey_file(write(content), [], "UTC")


def test_the_named_column_answers_that_question(read: Read, mapping: Build) -> None:
    content = qualtrics((("Q1", NPS, "QID1"), ("Q5", f"{NPS} (product)", "QID5")), (*DONE, "9", "3"))
    declared = mapping(name="product", profile="qualtrics", id=None, scale=None, score="Q5", channel="store")
    file, rows = read(content, declared)
    assert file.stream.name == "product"
    assert (rows[0]["score"], rows[0]["channel"], rows[0]["response_id_scope"]) == ("3", "store", "qualtrics")
    assert rows[0]["scale_max"] == 10


def test_the_question_for_the_reason_is_not_a_second_recommend_question(read: Read) -> None:
    reason = "What is the main reason for how likely you are to recommend us?"
    _, rows = read(qualtrics((("Q1", NPS, "QID1"), ("Q2", reason, "QID2")), (*DONE, "9", "Price")))
    assert (rows[0]["score"], rows[0]["comment"]) == ("9", "Price")


def test_an_address_in_a_question_is_not_repeated_in_a_note(read: Read) -> None:
    header = ("#", f"{NPS} Write to eva@example.org", *TYPEFORM_END)
    file, _ = read(table(header, ("tok", "9", "completed", "", "", "2024-05-01 10:00:00", "", "")))
    assert "recommend question: column (a name with an address), known by its wording" in file.notes


def test_another_scale_in_the_question_is_another_metric(read: Read) -> None:
    file, rows = read(qualtrics((("Q1", f"{NPS} (1 = never, scale 1 to 5)", "QID1"),), (*DONE, "5")))
    assert (rows[0]["excluded"], rows[0]["scale_min"], rows[0]["scale_max"]) == ("other_metric", 1, 5)
    assert any("the scale is 1 to 5: another metric" in note for note in file.notes)


def test_legacy_qualtrics_has_two_header_rows_a_mark_and_an_empty_last_column(read: Read) -> None:
    first = (*(f"V{place}" for place in range(1, 11)), "Q1", "Q2", "")
    labels = (
        "ResponseID", "ResponseSet", "Name", "ExternalDataReference", "EmailAddress", "IPAddress", "Status",
        "StartDate", "EndDate", "Finished", NPS, "Why?", "",
    )  # fmt: skip
    row = (
        "R_9",
        "Default",
        "Anon",
        "K7",
        "eva@example.org",
        "",
        "0",
        "2024-05-01 10:00:00",
        "2024-05-01 10:02:00",
        "1",
        "9",
        "ok",
        "",
    )
    file, rows = read("\ufeff" + table(first, labels, row))
    assert (file.stream.name, file.notes[0]) == ("qualtrics_legacy", "recognised as Qualtrics (legacy), 2 header rows")
    assert (rows[0]["response_id"], rows[0]["response_id_scope"], rows[0]["score"], rows[0]["comment"]) == (
        "R_9",
        "qualtrics",
        "9",
        "ok",
    )
    assert (rows[0]["respondent_id"], rows[0]["responded_at"]) == ("K7", "2024-05-01 08:02:00.000000")


@pytest.mark.parametrize(
    ("header", "row", "excluded", "responded_at"),
    [
        (
            TYPEFORM_END,
            ("completed", "2024-05-01 10:00:00", "", "2024-05-01 10:02:00", "n1", ""),
            None,
            "2024-05-01 10:02:00.000000",
        ),
        (TYPEFORM_END, ("partial", "2024-05-01 10:00:00", "2024-05-01 10:01:00", "", "n1", ""), "partial", None),
        (
            ("Start Date (UTC)", "Submit Date (UTC)", "Network ID"),
            ("2024-05-01 10:00:00", "2024-05-01 10:02:00", "n1"),
            None,
            "2024-05-01 10:02:00.000000",
        ),
    ],
)
def test_typeform_newer_and_older_with_html_in_its_questions(
    read: Read, header: tuple[str, ...], row: tuple[str, ...], excluded: str | None, responded_at: str | None
) -> None:
    questions = ("#", f"<strong>{NPS}</strong>", "Why did you choose <em>this</em> score?", "Email", "customer_id")
    file, rows = read(table((*questions, *header), ("tok1", "9", "Nice", "eva@example.org", "K7", *row)))
    assert file.stream.name == "typeform"
    assert rows[0].get("excluded") == excluded
    assert rows[0].get("responded_at") == responded_at
    assert {key: rows[0][key] for key in ("response_id", "score", "comment", "email", "respondent_id")} == {
        "response_id": "tok1", "score": "9", "comment": "Nice", "email": "eva@example.org", "respondent_id": "K7",
    }  # fmt: skip


def test_surveymonkey_joins_its_two_header_rows(write: Write, payloads: Payloads) -> None:
    first = (*SURVEYMONKEY, "Which departments?", "", NPS, "What could we do better?")
    second = (*("",) * len(SURVEYMONKEY), "Garden", "Pets", "Response", "Open-Ended Response")
    file = open_survey_file(
        write(table(first, second, (*MONKEY_ROW, "Garden", "", "9", "More staff"))), [], "Europe/Berlin"
    )
    (payload,) = payloads(file)
    assert file.stream.name == "surveymonkey"
    assert list(payload["cells"])[-4:] == [
        "Which departments? - Garden", "Which departments? - Pets", NPS, "What could we do better?",
    ]  # fmt: skip
    mapped = payload["mapped"]
    assert (mapped["response_id"], mapped["score"], mapped["comment"]) == ("118000000001", "9", "More staff")
    assert (mapped["email"], mapped["display_name"]) == ("eva@example.org", "Eva Roth")
    assert mapped["responded_at"] == "2024-05-13 11:05:00.000000"


CHOICES = ("0 - Not at all likely", *map(str, range(1, 10)), "10 - Extremely likely")


def expanded(choices: Sequence[str], *answers: Sequence[str]) -> str:
    """An export with a column for each choice of the recommend question, and a comment behind."""
    first = (*SURVEYMONKEY, NPS, *("",) * (len(choices) - 1), "What could we do better?")
    rows = [(*MONKEY_ROW, *answer, "More staff") for answer in answers]
    return table(first, (*("",) * len(SURVEYMONKEY), *choices, "Open-Ended Response"), *rows)


def test_a_column_for_each_choice_is_one_score(read: Read) -> None:
    nothing = ("",) * 11
    chosen = [(*nothing[:at], cell, *nothing[at + 1 :]) for at, cell in enumerate(CHOICES)]
    marked, twice = ("X", *nothing[1:]), (CHOICES[0], *nothing[2:], CHOICES[10])
    _, rows = read(expanded(CHOICES, *chosen, nothing, marked, twice))
    assert [row["score"] for row in rows[:11]] == [str(score) for score in range(11)]
    assert [row["score"] for row in rows[11:]] == ["", "0: X", "0 10"]
    assert {row["comment"] for row in rows} == {"More staff"}


def test_a_column_for_each_of_five_stars_is_another_metric(read: Read) -> None:
    _, rows = read(expanded(("1", "2", "3", "4", "5"), ("", "", "", "4", "")))
    assert [row["excluded"] for row in rows] == ["other_metric"]


def test_surveymonkey_dates_that_fit_both_ways_are_read_as_it_writes_them_and_noted(read: Read) -> None:
    row = tuple(cell.replace("05/13/2024", "05/06/2024") for cell in MONKEY_ROW)
    file, rows = read(table((*SURVEYMONKEY, NPS), (*("",) * len(SURVEYMONKEY), "Response"), (*row, "9")))
    assert rows[0]["responded_at"] == "2024-05-06 11:05:00.000000"
    assert any("day and month fit both ways; read month first" in note for note in file.notes)


def test_the_open_field_of_the_recommend_question_is_its_comment_not_a_second_score(read: Read) -> None:
    header = (*SURVEYMONKEY, NPS, "")
    file, rows = read(
        table(header, (*("",) * len(SURVEYMONKEY), "Response", "Open-Ended Response"), (*MONKEY_ROW, "9", "Fine"))
    )
    assert (rows[0]["score"], rows[0]["comment"]) == ("9", "Fine")
    assert file.data_rows == 1


@pytest.mark.parametrize(
    ("questions", "comment"),
    [
        ((NPS, "Why?", "Anything else?"), "a"),
        ((NPS, "Your department"), "a"),
        ((NPS, "Your department", "Your shop"), None),
        (("Why?", NPS), None),
    ],
)
def test_the_comment_is_the_column_after_the_score_if_it_asks_why_or_is_the_only_open_question(
    read: Read, questions: tuple[str, ...], comment: str | None
) -> None:
    others = [question for question in questions if question != NPS]
    answers = {NPS: "9", **dict(zip(others, "abc", strict=False))}
    header = ("#", *questions, *TYPEFORM_END)
    row = ("tok", *(answers[question] for question in questions), "completed", "", "", "2024-05-01 10:00:00", "", "")
    assert read(table(header, row))[1][0].get("comment") == comment


@pytest.mark.parametrize(
    "question",
    [
        "On a scale from 0 to 10, how likely are you to recommend Acme?",
        "How likely are you to suggest this app to someone else?",
        "What is the likelihood that you would recommend us?",
        "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
        "Würden Sie uns auf einer Skala von 0 bis 10 weiterempfehlen?",
        "Quelle est la probabilité que vous recommandiez notre magasin ?",
        "Dans quelle mesure recommanderiez-vous notre service ?",
        "¿Qué probabilidad hay de que nos recomiende a un amigo?",
        "Con quale probabilità consiglieresti la nostra azienda?",
        "Hoe waarschijnlijk is het dat u ons aanbeveelt?",
        "Qual a probabilidade de recomendar a nossa empresa?",
        "Hur sannolikt är det att du skulle rekommendera oss?",
        "Hvor sandsynligt er det, at du vil anbefale os?",
        "Hvor sannsynlig er det at du vil anbefale oss?",
        "Jak bardzo prawdopodobne jest, że polecisz nas znajomym?",
        "Kuinka todennäköisesti suosittelisit meitä?",
        "Jak pravděpodobné je, že nás doporučíte?",
        "Mennyire valószínű, hogy ajánlana minket?",
        "Cât de probabil este să ne recomandați?",
        "Bizi tavsiye etme ihtimaliniz nedir?",
        "Насколько вероятно, что вы порекомендуете нас?",
        "<strong>How likely</strong> are you to <em>recommend</em> us?",
    ],
)
def test_the_recommend_question_is_known_in_many_languages(question: str) -> None:
    assert asks_to_recommend(question)


@pytest.mark.parametrize(
    "question",
    [
        "How satisfied are you with our service?", "How likely are you to buy again?", "Would you recommend us?",
        "How easy was it to solve your problem? (1-7)", "Wie zufrieden waren Sie mit der Empfehlung?",
        "Dans quelle mesure êtes-vous satisfait de nos conseillers ?", "score", "This is a multiple choice question.",
    ],
)  # fmt: skip
def test_other_questions_are_no_recommend_questions(question: str) -> None:
    assert not asks_to_recommend(question)


def test_questions_for_a_reason_are_known() -> None:
    assert all(
        map(
            asks_for_a_reason,
            ("Why?", "Was ist der Grund?", "Pourquoi ?", "Motivo", "Waarom?", "Varför?", "Hvorfor?", "Dlaczego?"),
        )
    )
    assert not any(
        map(asks_for_a_reason, ("Department", "Comment évaluez-vous le magasin ?", "Country", "Beneden", "Nedenfor"))
    )


@pytest.mark.parametrize(
    ("question", "scale"),
    [
        ("from 0 to 10", (0, 10)), ("0-10", (0, 10)), ("von 0 (gar nicht) bis 10", (0, 10)), ("de 0 à 10", (0, 10)),
        ("del 0 al 10", (0, 10)), ("od 0 do 10", (0, 10)), ("от 1 до 5", (1, 5)),
        ("1 to 5", (1, 5)), ("1 bis 10", (1, 10)), ("no scale", None), ("2019-2024", None), ("24-7", None),
    ],
)  # fmt: skip
def test_a_scale_in_a_question_is_found(question: str, scale: tuple[int, int] | None) -> None:
    assert stated_scale(question) == scale
