"""One synthetic population: the same people and companies in several CRMs, a year of answers, and the truth."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from random import Random

from sandbox.population import surveys
from sandbox.population.build import TruthBook, iso
from sandbox.population.hard_people import HardPeople
from sandbox.population.history import History, near_misses
from sandbox.population.hubspot import HubSpotBuilder
from sandbox.population.model import Answer
from sandbox.population.people import draw_companies, draw_people
from sandbox.population.salesforce import SalesforceBuilder
from sandbox.population.truth import RecordRef, Truth
from sandbox.population.zendesk import ZendeskBuilder
from sandbox.store import Tables

SURVEY_CSV = "customer_loyalty_responses.csv"
CSV_COLUMNS = ("response_id", "survey", "respondent_email", "score", "comment", "responded_at")


@dataclass(frozen=True)
class Population:
    """What the CRMs start with, the rows of a survey export that repeats some of it, and the truth."""

    tables: Mapping[str, Tables]
    survey_rows: tuple[Mapping[str, str], ...]
    truth: Truth

    def write_survey_csv(self, folder: Path) -> Path:
        """Write the survey tool's export, which holds some answers of the CRMs once more.

        Args:
            folder: Where the file goes; it must exist.

        Returns:
            The path of the file: UTF-8, comma, one header row, the columns of CSV_COLUMNS.
        """
        path = folder / SURVEY_CSV
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, CSV_COLUMNS)
            writer.writeheader()
            writer.writerows(self.survey_rows)
        return path


def build(seed: int, today: date) -> Population:
    """Draw a population.

    Args:
        seed: The same seed and day give the same population, to the last id.
        today: The history ends with the day before; the records were last changed before it.

    Returns:
        The population.
    """
    random = Random(seed)
    companies = draw_companies(random)
    people = draw_people(random, companies)
    history = History(random, today)
    invitations, answers = history.draw(people)
    book = TruthBook()
    salesforce = SalesforceBuilder(random, book, history.start)
    salesforce.build(companies, people, invitations, answers)
    hubspot = HubSpotBuilder(random, book, history.start)
    hubspot.build(companies, people, answers)
    zendesk = ZendeskBuilder(random, book, history.start)
    zendesk.build(companies, people, invitations, answers)
    rows = _survey_rows(random, book, answers)
    hard = HardPeople(random, book, history.start, salesforce, hubspot, zendesk).add(companies)
    tables = {"salesforce": salesforce.tables, "hubspot": hubspot.tables, "zendesk": zendesk.tables}
    return Population(tables, tuple(rows), book.close([*people, *hard], companies))


def _survey_rows(random: Random, book: TruthBook, answers: list[Answer]) -> list[Mapping[str, str]]:
    exported = [
        (answer, answer.responded_at + timedelta(seconds=copied.seconds_later), copied.comment)
        for answer in answers
        for copied in answer.copies
        if copied.system == "files"
    ]
    exported += [(answer, answer.responded_at, answer.comment) for answer in near_misses(answers)]
    rows: list[Mapping[str, str]] = []
    for answer, responded_at, comment in sorted(exported, key=lambda one: one[1]):
        response_id = f"R_{random.getrandbits(60):015x}"
        email = answer.person.email if answer.person else None
        rows.append(
            {
                "response_id": response_id,
                "survey": surveys.LOYALTY_NAME,
                "respondent_email": (email or "").title() if len(rows) % 3 == 0 else email or "",
                "score": str(answer.score),
                "comment": comment or "",
                "responded_at": iso(responded_at),
            }
        )
        ref = RecordRef("files", surveys.CSV_STREAM, response_id)
        book.response(answer, ref, responded_at=responded_at, comment=comment)
    return rows
