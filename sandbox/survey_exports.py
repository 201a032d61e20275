"""Survey export files as tools write them, from a seed: the same seed and date give the same bytes.

``write_survey_exports`` fills a folder and returns the truth about it, so that a test or a demo can compare what the
product made of the files with what was put into them. All people, shops and comments are invented.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from sandbox.survey_texts import COMMENTS, FIRST_NAMES, LAST_NAMES

BERLIN: Final = ZoneInfo("Europe/Berlin")
_DAYS: Final = 365
_PEOPLE: Final = 700
_NPS_QUESTION: Final = "On a scale from 0 to 10, how likely are you to recommend us to a friend or colleague?"
_NPS_QUESTION_DE: Final = (
    "Wie wahrscheinlich ist es, dass Sie uns einem Freund oder einer Kollegin weiterempfehlen? (0 bis 10)"
)

_REFUSED: Final = {  # a score cell -> the reason for which it is quarantined
    "": "score_blank",
    "NA": "score_not_available",
    "11": "score_out_of_scale",
    "-1": "score_out_of_scale",
    "9.5": "score_not_whole",
    "9,5": "score_not_whole",
    "ten": "score_not_a_number",
    "zehn": "score_not_a_number",
}
_REFUSED_CELLS: Final = {"en": ("", "NA", "11", "-1", "9.5", "ten"), "de": ("", "11", "-1", "9,5", "zehn")}

# How a broken conversion left each accented letter of the French shops: always, sometimes or never its DOS byte.
_DOS_SHARE: Final = {"é": 0.4, "â": 1.0, "ë": 1.0, "î": 1.0, "ï": 1.0, "û": 1.0, "É": 1.0, "Ç": 1.0, "È": 1.0}


@dataclass(frozen=True)
class Person:
    """An invented customer: the same one in several tools, with the e-mail address in different case."""

    number: int
    first_name: str
    last_name: str

    @property
    def email(self) -> str:
        """The address as the tools agree on it, apart from case."""
        return f"{self.first_name}.{self.last_name}.{self.number}@example.org".lower()


@dataclass(frozen=True)
class Answer:
    """One answer; ``score`` is the cell as the tool writes it, ``at`` is UTC."""

    person: Person
    at: datetime
    score: str
    comment: str


@dataclass
class Truth:
    """What a file holds: rows by the class in which they must end. ``kept`` includes duplicates between tools."""

    rows: int = 0
    kept: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    excluded: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)

    def add(self, score: str, excluded: str | None = None) -> None:
        """Count one row by its score cell, or by the reason for which it is no answer."""
        self.rows += 1
        if excluded:
            self.excluded[excluded] += 1
        elif score in _REFUSED:
            self.quarantined[_REFUSED[score]] += 1
        else:
            self.kept += 1
            self.categories[_category(int(score))] += 1

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain values."""
        return {
            "rows": self.rows,
            "kept": self.kept,
            "quarantined": dict(sorted(self.quarantined.items())),
            "excluded": dict(sorted(self.excluded.items())),
            "promoters": self.categories["promoter"],
            "passives": self.categories["passive"],
            "detractors": self.categories["detractor"],
        }


def write_survey_exports(folder: Path, seed: int, today: date) -> dict[str, Any]:
    """Write the six files into ``folder`` (made if missing), with answers of the year before ``today``.

    Returns {"files": {file name: counts}, "duplicates": answers that stand in two tools, "people": e-mail addresses}.
    The reasons under "quarantined" and "excluded" are the product's words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    random, world = Random(f"{seed}:answers"), _World(seed, today)
    checkout = [world.answer(random, "en") for _ in range(520)]
    # The same people answered the same question in both tools, a few seconds apart, as forwarded webhooks do.
    forwarded = [answer for answer in checkout if answer.comment and answer.score not in _REFUSED][:36]
    typeform = [world.answer(random, "en") for _ in range(380)]
    typeform += [
        Answer(a.person, a.at + timedelta(seconds=random.randint(1, 90)), a.score, a.comment) for a in forwarded
    ]
    customers = [world.answer(random, "de") for _ in range(340)]
    writers: dict[str, Callable[[], tuple[bytes, Truth]]] = {
        "retail_stores.csv": lambda: _retail_stores(Random(f"{seed}:retail")),
        "six_countries.csv": lambda: _six_countries(Random(f"{seed}:six"), world),
        "qualtrics_checkout.csv": lambda: _qualtrics(Random(f"{seed}:qualtrics"), checkout),
        "qualtrics_visits_legacy.csv": lambda: _qualtrics_legacy(Random(f"{seed}:legacy"), world),
        "typeform_checkout.csv": lambda: _typeform(Random(f"{seed}:typeform"), typeform),
        "surveymonkey_kunden.csv": lambda: _surveymonkey(Random(f"{seed}:surveymonkey"), customers),
    }
    truths = {}
    for name, write in writers.items():
        content, truth = write()
        (folder / name).write_bytes(content)
        truths[name] = truth.as_dict()
    people = {answer.person.email for answer in (*checkout, *typeform, *customers)}
    return {"files": truths, "duplicates": len(forwarded), "people": len(people)}


class _World:
    """The people and the year that all files share."""

    def __init__(self, seed: int, today: date) -> None:
        random = Random(f"{seed}:people")
        self.people = [
            Person(number, random.choice(FIRST_NAMES), random.choice(LAST_NAMES)) for number in range(1, _PEOPLE + 1)
        ]
        self.first_day = today - timedelta(days=_DAYS)

    def day(self, random: Random) -> date:
        """A day of the year before today; more of them towards its end."""
        return self.first_day + timedelta(days=int(_DAYS * random.random() ** 0.8))

    def moment(self, random: Random) -> datetime:
        """A time between 7 and 22 in Berlin: no clock change falls into it."""
        clock = time(random.randint(7, 21), random.randint(0, 59), random.randint(0, 59), tzinfo=BERLIN)
        return datetime.combine(self.day(random), clock).astimezone(UTC)

    def answer(self, random: Random, language: str) -> Answer:
        """An answer in a language, one in fifty with a score that must be refused; things get better over the year."""
        at = self.moment(random)
        age = (at.date() - self.first_day).days / _DAYS
        refused = _chance(random, 1 / 50)
        score = random.choice(_REFUSED_CELLS[language]) if refused else _score(random, better=0.05 * age)
        comment = _comment(random, language, score) if _chance(random, 0.45) else ""
        return Answer(random.choice(self.people), at, score, comment)


def _chance(random: Random, share: float) -> bool:
    return random.random() < share


def _score(random: Random, better: float, lowest: int = 0) -> str:
    """A score of 0 to 10: about 20 % detractors and 27 % passives, fewer the ``better`` things are."""
    if _chance(random, 0.2 - better):
        return str(random.choice([score for score in (0, 1, 2, 3, 4, 5, 5, 6, 6, 6) if score >= lowest]))
    return str(random.choice((7, 8, 8)) if _chance(random, 0.34) else random.choice((9, 10, 10)))


def _category(score: int) -> str:
    if score >= 9:  # noqa: PLR2004 - the definition of a promoter
        return "promoter"
    return "passive" if score >= 7 else "detractor"  # noqa: PLR2004 - the definition of a passive


def _comment(random: Random, language: str, score: str) -> str:
    category = "passive" if score in _REFUSED else _category(int(score))
    return random.choice(COMMENTS[category][language])


def _cased(random: Random, email: str) -> str:
    return random.choice((email, email, email.title(), email.upper()))


def _table(rows: Iterable[Sequence[object]], encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode(encoding)


def _retail_stores(random: Random) -> tuple[bytes, Truth]:
    """A shop chain's statistics package: first header empty, two encodings inside one cell, NA, no date."""
    truth, number = Truth(), 2000
    content = b'"","id","nps","satisfaction","intention","explication","NbPassageKS","CaTicket","t"\n'
    for row in range(1, 1201):
        number += random.randint(1, 200)
        score = "NA" if _chance(random, 0.025) else _score(random, better=0.05, lowest=1)
        comment = _comment(random, "fr", score) if _chance(random, 0.28) else "NA"
        truth.add(score)
        cell = "NA" if comment == "NA" else '"' + comment.replace('"', '""') + '"'
        others = f"{random.randint(1, 60)},{random.uniform(3, 250):.2f},{random.randint(0, 11)}"
        line = f'"{row}",{number},{score},{random.randint(1, 10)},{random.randint(1, 10)},{cell},{others}\n'
        content += _half_converted(random, line)
    return content, truth


def _half_converted(random: Random, text: str) -> bytes:
    """Windows-1252 bytes, but some letters as their CP850 bytes."""
    return b"".join(char.encode("cp850" if _chance(random, _DOS_SHARE.get(char, 0.0)) else "cp1252") for char in text)


def _six_countries(random: Random, world: _World) -> tuple[bytes, Truth]:
    """A spreadsheet in six languages: dates without a time, CSAT beside NPS."""
    truth = Truth()
    comments = {
        "DE": "Sehr zuverlässig", "DK": "Meget hjælpsomme medarbejdere", "NL": "Prima geholpen, één klein minpunt",
        "NO": "Fornøyd så langt", "SE": "Bra hjälp på köpet", "US": "Easy to deal with",
    }  # fmt: skip
    rows: list[Sequence[object]] = [
        ("survey_id", "customer_id", "survey_date", "nps_score", "csat_score", "country", "comment")
    ]
    for number, day in enumerate(sorted(world.day(random) for _ in range(240)), 1):
        country = random.choice(sorted(comments))
        score = random.choice(("", "NA", "11")) if _chance(random, 0.02) else _score(random, better=0.0)
        truth.add(score)
        customer = f"C{random.randint(1, 150):03}"
        comment = comments[country] if _chance(random, 0.5) else ""
        rows.append((f"SV{number:03}", customer, day.isoformat(), score, random.randint(1, 5), country, comment))
    return _table(rows), truth


_QUALTRICS_COLUMNS: Final = (  # id, label, ImportId
    ("StartDate", "Start Date", "startDate"),
    ("EndDate", "End Date", "endDate"),
    ("Status", "Response Type", "status"),
    ("IPAddress", "IP Address", "ipAddress"),
    ("Progress", "Progress", "progress"),
    ("Duration (in seconds)", "Duration (in seconds)", "duration"),
    ("Finished", "Finished", "finished"),
    ("RecordedDate", "Recorded Date", "recordedDate"),
    ("ResponseId", "Response ID", "_recordId"),
    ("RecipientLastName", "Recipient Last Name", "recipientLastName"),
    ("RecipientFirstName", "Recipient First Name", "recipientFirstName"),
    ("RecipientEmail", "Recipient Email", "recipientEmail"),
    ("ExternalReference", "External Data Reference", "externalDataReference"),
    ("DistributionChannel", "Distribution Channel", "distributionChannel"),
    ("UserLanguage", "User Language", "userLanguage"),
    ("Q1_NPS_GROUP", f"{_NPS_QUESTION} - Group", "QID1_NPS_GROUP"),
    ("Q1", _NPS_QUESTION, "QID1"),
    ("Q2", "What is the main reason for your score?", "QID2_TEXT"),
)
_GROUPS: Final = {"detractor": "1", "passive": "2", "promoter": "3"}
_QUALTRICS_MARKS: Final = (  # status, finished, progress, reason; how many rows
    (("1", "1", "100", "test"), 4),
    (("8", "1", "100", "bogus"), 3),
    (("0", "0", "45", "partial"), 24),
)


def _qualtrics(random: Random, answers: Sequence[Answer]) -> tuple[bytes, Truth]:
    """Three header rows, the third with ImportIds and the time zone; previews, spam, unfinished answers among them."""
    truth = Truth()
    rows: list[Sequence[object]] = [
        [column[0] for column in _QUALTRICS_COLUMNS],
        [column[1] for column in _QUALTRICS_COLUMNS],
        [_import_id(column[2]) for column in _QUALTRICS_COLUMNS],
    ]
    marks: list[tuple[str, str, str, str | None]] = [mark for mark, times in _QUALTRICS_MARKS for _ in range(times)]
    marks += [("0", "1", "100", None)] * (len(answers) - len(marks))
    # The first answers may be forwarded to another tool, so marks are put on the last ones.
    for answer, (status, finished, progress, excluded) in zip(answers, reversed(marks), strict=True):
        truth.add(answer.score, excluded)
        seconds, end = random.randint(20, 240), answer.at.astimezone(BERLIN)
        start, stamp = (end - timedelta(seconds=seconds)).strftime(_STAMP), end.strftime(_STAMP)
        person = answer.person
        group = "" if answer.score in _REFUSED else _GROUPS[_category(int(answer.score))]
        rows.append(
            (
                start, stamp, status, "", progress, seconds, finished, stamp, _qualtrics_id(random), person.last_name,
                person.first_name, _cased(random, person.email), f"K{person.number:05}", "email", "EN", group,
                answer.score, answer.comment,
            )
        )  # fmt: skip
    return _table(rows), truth


_STAMP: Final = "%Y-%m-%d %H:%M:%S"
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def _import_id(name: str) -> str:
    zone = {"timeZone": "Europe/Berlin"} if name.endswith("Date") else {}
    return json.dumps({"ImportId": name, **zone}, separators=(",", ":"))


def _qualtrics_id(random: Random) -> str:
    return "R_" + "".join(random.choices(_ALPHABET, k=15))


def _qualtrics_legacy(random: Random, world: _World) -> tuple[bytes, Truth]:
    """Byte order mark, two header rows, an empty last column, and no recommend question: nothing in it is NPS."""
    truth = Truth()
    labels = (
        "ResponseID", "ResponseSet", "Name", "ExternalDataReference", "EmailAddress", "IPAddress", "Status",
        "StartDate", "EndDate", "Finished", "Which department did you visit?", "How long did you wait (minutes)?",
    )  # fmt: skip
    rows: list[Sequence[object]] = [(*(f"V{place}" for place in range(1, 11)), "Q1", "Q2", ""), (*labels, "")]
    for _ in range(40):
        end = world.moment(random).astimezone(BERLIN)
        start = end - timedelta(seconds=random.randint(20, 200))
        person = random.choice(world.people)
        identity = (_qualtrics_id(random), "Default Response Set", person.first_name, "", person.email, "")
        answers = (random.choice(("Garden", "Pets", "Food")), random.randint(0, 30))
        rows.append((*identity, "0", start.strftime(_STAMP), end.strftime(_STAMP), "1", *answers, ""))
        truth.add("", excluded="not_nps")
    return _table(rows, "utf-8-sig"), truth


def _typeform(random: Random, answers: Sequence[Answer]) -> tuple[bytes, Truth]:
    """One header row, the questions first; unfinished answers have no submit date. Times are UTC."""
    truth = Truth()
    rows: list[Sequence[object]] = [
        (
            "#", f"<strong>{_NPS_QUESTION}</strong>", "Why did you choose this score?", "email", "customer_id",
            "Response Type", "Start Date (UTC)", "Stage Date (UTC)", "Submit Date (UTC)", "Network ID", "Tags",
        )
    ]  # fmt: skip
    for place, answer in enumerate(answers):
        partial = place < 15  # noqa: PLR2004 - the first fifteen were left unfinished
        truth.add(answer.score, "partial" if partial else None)
        start = (answer.at - timedelta(seconds=random.randint(15, 180))).strftime(_STAMP)
        end = answer.at.strftime(_STAMP)
        token, network = f"{random.getrandbits(128):032x}", f"{random.getrandbits(40):010x}"
        times = (start, end, "") if partial else (start, "", end)
        who = (_cased(random, answer.person.email), f"K{answer.person.number:05}")
        kind = "partial" if partial else "completed"
        rows.append((token, answer.score, answer.comment, *who, kind, *times, network, ""))
    return _table(rows), truth


def _surveymonkey(random: Random, answers: Sequence[Answer]) -> tuple[bytes, Truth]:
    """Two header rows, ids beyond 32 bits, times of the account's zone as month/day with AM and PM; in German."""
    truth = Truth()
    fixed = (
        "Respondent ID", "Collector ID", "Start Date", "End Date", "IP Address", "Email Address", "First Name",
        "Last Name", "Custom Data 1",
    )  # fmt: skip
    rows: list[Sequence[object]] = [
        (*fixed, _NPS_QUESTION_DE, "Was ist der wichtigste Grund für Ihre Bewertung?"),
        (*("",) * len(fixed), "Response", "Open-Ended Response"),
    ]
    number, stamp = 118_000_000_000, "%m/%d/%Y %I:%M:%S %p"
    for answer in answers:
        truth.add(answer.score)
        number += random.randint(1, 90_000)
        end = answer.at.astimezone(BERLIN)
        start = end - timedelta(seconds=random.randint(20, 300))
        person = answer.person
        who = (_cased(random, person.email), person.first_name, person.last_name, f"K{person.number:05}")
        rows.append(
            (number, 451_230_001, start.strftime(stamp), end.strftime(stamp), "", *who, answer.score, answer.comment)
        )
    return _table(rows, "utf-8-sig"), truth
