"""Every built-in profile reads an export of its tool, and no other profile takes it for its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.survey_files import FileRefused, SurveyFile, open_survey_file
from connectors.survey_files.columns import is_export_of
from connectors.survey_files.profiles import PROFILES
from connectors.survey_files.reader import open_source
from tests.connectors.survey_files.tool_exports import EXPORTS, Export

Write = Callable[..., Path]
Payloads = Callable[[SurveyFile], list[dict[str, Any]]]


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.profile)
def test_an_export_is_read_by_the_profile_of_its_tool(write: Write, payloads: Payloads, export: Export) -> None:
    file = open_survey_file(write(export.content, export.name), [], "Europe/Berlin")
    assert PROFILES[file.stream.name].tool == PROFILES[export.profile].tool
    mapped = [payload["mapped"] for payload in payloads(file)]
    assert len(mapped) == len(export.answers)
    for found, wanted in zip(mapped, export.answers, strict=True):
        assert {key: found.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.profile)
def test_no_other_profile_takes_an_export_for_its_own(write: Write, export: Export) -> None:
    head = open_source(write(export.content, export.name)).table.head
    assert len([profile for profile in PROFILES.values() if is_export_of(profile, head)]) == 1


def test_every_tool_has_an_export_here() -> None:
    elsewhere = {"qualtrics", "typeform", "surveymonkey"}  # in test_profiles
    assert {export.profile for export in EXPORTS} | elsewhere == {profile.tool for profile in PROFILES.values()}


@pytest.mark.parametrize(
    "header",
    [
        "ID,Startzeit,Abschlusszeit,E-Mail,Name",
        "ID,Startzeit,Fertigstellungszeit,E-Mail-Adresse,Name",
        "ID,Heure de début,Heure de fin,Adresse de messagerie,Nom",
        "ID,Hora de inicio,Hora de finalización,Correo electrónico,Nombre",
        "ID,Ora di inizio,Ora di completamento,Indirizzo di posta elettronica,Nome",
        "ID,Begintijd,Tijd van voltooien,E-mail,Naam",
    ],
)
def test_microsoft_forms_is_known_in_its_languages(write: Write, payloads: Payloads, header: str) -> None:
    text = f"{header},How likely are you to recommend us?\n1,2026-03-01 10:00,2026-03-01 10:05,anonymous,,9\n"
    file = open_survey_file(write(text), [], "Europe/Berlin")
    (found,) = (payload["mapped"] for payload in payloads(file))
    assert found["response_id"] == "1 2026-03-01 10:00 2026-03-01 10:05"
    assert (found["score"], found["responded_at"]) == ("9", "2026-03-01 09:05:00.000000")
    assert "email" not in found


def test_the_date_of_a_limesurvey_that_keeps_none_is_no_date(write: Write, payloads: Payloads) -> None:
    header = "id,submitdate,lastpage,startlanguage,seed,How likely are you to recommend us?"
    text = f"{header}\n1,1980-01-01 00:00:00,2,en,77,9\n2,2026-03-01 10:00:00,2,en,78,8\n"
    undated, dated = (payload["mapped"] for payload in payloads(open_survey_file(write(text), [], "UTC")))
    assert "responded_at" not in undated
    assert dated["responded_at"] == "2026-03-01 10:00:00.000000"


def test_the_columns_of_one_long_question_can_be_told_apart_in_a_refusal(write: Write) -> None:
    question = "How likely is it that you would recommend this company to a friend or colleague?"
    text = (
        f"Respondent ID,Start Date,End Date,{question},\n,,,Score,Group\n11800000001,01/14/2026,01/14/2026,9,Promoter\n"
    )
    with pytest.raises(FileRefused, match=r"2 recommend questions: .* - Score, .* - Group\. Say in nps\.yaml"):
        open_survey_file(write(text), [], "UTC")
