"""Survey files as other people's tools and hands write them, each with its rows as plain Python reads them. No product
code: what a row should become is counted here a second time.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import openpyxl

NO_DATE = {"", "soon", "46024", "0000-00-00", "31.02.2026 10:00", "****"}


@dataclass(frozen=True)
class Row:
    """One row: what identifies it (none: it is its own), score and date as they stand, whether a mark excludes it."""

    id: str | None
    score: str
    date: str = "-"
    excluded: bool = False


@dataclass(frozen=True)
class Foreign:
    """A file, the mapping that reads it (none: a profile does), its stream, and its rows read without the product."""

    name: str
    content: bytes
    stream: str
    rows: Sequence[Row]
    mapping: dict[str, Any] = field(default_factory=dict)


def whole(score: str) -> int | None:
    """The score that a cell is by the methodology, None for none."""
    text = score.strip().lower()
    bare = re.match(r"^(10|[0-9])([.,]0{1,2})?$", text)
    labelled = re.match(r"^(10|[0-9]) ?(?:/ ?10$|[-:] ?[^0-9]+$)", text)
    match = bare or labelled
    return int(match[1]) if match else None


def classes(rows: Sequence[Row]) -> Counter[str]:
    """How many rows belong into each class of the conservation table."""
    last = {row.id: place for place, row in enumerate(rows) if row.id}
    counted = Counter[str](served=len(rows))
    for place, row in enumerate(rows):
        if row.id and last[row.id] != place:
            counted["superseded"] += 1
        elif row.excluded:
            counted["excluded"] += 1
        elif whole(row.score) is None or row.date in NO_DATE:
            counted["quarantined"] += 1
        else:
            counted["kept"] += 1
    return counted


def scores(rows: Sequence[Row]) -> Counter[int]:
    """The kept scores."""
    last = {row.id: place for place, row in enumerate(rows) if row.id}
    return Counter(
        score
        for place, row in enumerate(rows)
        if last.get(row.id, place) == place and not row.excluded and row.date not in NO_DATE
        for score in [whole(row.score)]
        if score is not None
    )


def table(content: bytes, encoding: str, delimiter: str, skipped: int) -> list[list[str]]:
    """The rows below so many first ones, blank ones left out, by Python's own reader."""
    csv.field_size_limit(1 << 30)
    text = content.decode(encoding).replace("\0", "")
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))]
    return rows[skipped:]


def mapping(name: str, match: str, **keys: Any) -> dict[str, Any]:
    """A mapping of a relational survey on the scale from 0 to 10."""
    return {"name": name, "match": match, "scale": [0, 10], "survey_type": "relational", **keys}


def austrian() -> Foreign:
    """Semicolons, decimal commas, German dates, titles above the header, trailing empty columns, quoted newlines."""
    content = (
        "Kundenumfrage Österreich;;;;;\r\nExportiert am;22.11.2026;;;;\r\n;;;;;\r\n"
        "Nr;Datum;Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?;Grund;;\r\n"
        '1;24.12.2025 18:05;9,0;"Schöne Grüße\r\naus Köln; wirklich";;\r\n2;03.01.2026 07:00;9,5;;;\r\n'
        '3;04.01.2026;10;"Er sagte ""nie wieder""";;\r\n4;05.01.2026;11;;;\r\n5;06.01.2026;;;;\r\n'
        "6;07.01.2026;k.A.;;;\r\n"
        "7;31.02.2026 10:00;8;;;\r\n8;;7;;;\r\n9;08.01.2026;-1;;;\r\n10;09.01.2026;zehn;;;\r\n"
        "1;10.01.2026;2;Doch nicht;;\r\n11;11.01.2026;0 - gar nicht;;;\r\n"
    ).encode("cp1252")
    rows = [Row(row[0], row[2], row[1]) for row in table(content, "cp1252", ";", 3)]
    declared = mapping("austrian", "umfrage*.csv", id="Nr", comment="Grund",
                       score="Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?",
                       responded_at={"column": "Datum", "timezone": "Europe/Vienna"})  # fmt: skip
    return Foreign("umfrage_oesterreich.csv", content, "austrian", rows, declared)


def french_utf16() -> Foreign:
    """UTF-16 with a mark and tabs, as Excel writes "Unicode text"; no ids, so that equal rows are two answers."""
    content = (
        "Horodaté\tNote\tPourquoi\n2026-01-05 10:00\t9\tTrès bien\n2026-01-05 10:00\t9\tTrès bien\n"
        "2026-01-06 11:30\t3/10\tTrop cher\n2026-01-06 11:31\t4/5\tTrop cher\nsoon\t8\t\n2026-01-07\t10/10\t\n"
    ).encode("utf-16")
    rows = [Row(None, row[1], row[0]) for row in table(content, "utf-16", "\t", 1)]
    declared = mapping("french", "boutique*.tsv", exports="separate", score="Note", comment="Pourquoi",
                       responded_at={"column": "Horodaté", "timezone": "Europe/Paris"})  # fmt: skip
    return Foreign("boutique.tsv", content, "french", rows, declared)


def polish_bars() -> Foreign:
    """Bars, a mark, zero bytes, a cell of 10 MB, dates that only one row tells the order of."""
    large = "Zażółć gęślą jaźń. " * 500_000
    content = (
        "\ufeffid|kiedy|ocena|komentarz\n1|05/01/2026|10|ok\0\n2|06/01/2026|6|\n"
        f'3|13/01/2026|7|"{large}"\n4|07/01/2026|8.00|\n5|08/01/2026|08|\n6|09/01/2026|1e1|\n'
    ).encode()
    read = table(content, "utf-8-sig", "|", 1)
    rows = [Row(row[0], row[2].removeprefix("0") or "0", row[1]) for row in read]
    declared = mapping("polish", "ankieta*.csv", id="id", score="ocena", comment="komentarz", responded_at="kiedy")
    return Foreign("ankieta.csv", content, "polish", rows, declared)


def masked_workbook() -> Foreign:
    """A workbook in which a tool masked answers; numbers, texts and dates stand as a spreadsheet has them."""
    answers = [
        9,
        10.0,
        "****",
        "hidden",
        "n/a",
        None,
        7.5,
        "anonymised",
        "8",
        "<5 responses>",
        "#N/A",
        True,
        "  6 ",
        "●●",
    ]
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.append(["Response", "Answered on", "E-mail", "NPS"])
    for number, answer in enumerate(answers, 1):
        sheet.append([10**13 + number, "2026-02-01 09:00", "****", answer])
    stream = io.BytesIO()
    book.save(stream)
    written = ["" if answer is None else str(answer) for answer in answers]
    rows = [Row(str(number), score) for number, score in enumerate(written, 1)]
    declared = mapping("masked", "masked*.xlsx", id="Response", score="NPS", email="E-mail", responded_at="Answered on")
    return Foreign("masked_answers.xlsx", stream.getvalue(), "masked", rows, declared)


def jotform() -> Foreign:
    """English dates by name, a Spanish question as header, cells with blanks around, a column twice."""
    question = "Del 0 al 10, ¿qué probabilidad hay de que nos recomiende?"
    content = (
        f'Submission Date,"{question}",¿Por qué?,Correo,Submission ID,Notes,Notes\n'
        '"Nov 3, 2025", 9 ,Rápido,ana@example.org,5101,,\n"Nov 14, 2025",2,"Lento, caro",luz@example.org,5102,x,y\n'
        '"Dec 1, 2025",ten,,,5103,,\n"Dec 2, 2025",9 - Muy probable,,,5104,,\n"Dec 2, 2025",,,,5105,,\n'
    ).encode()
    rows = [Row(row[4], row[1], row[0]) for row in table(content, "utf-8", ",", 1)]
    declared = mapping("jotform", "jot*.csv", id="Submission ID", score=question, comment="¿Por qué?", email="Correo",
                       survey="Kundschaft", responded_at="Submission Date")  # fmt: skip
    return Foreign("jot_2025.csv", content, "jotform", rows, declared)


def alchemer() -> Foreign:
    """Statuses that exclude, dates with a half-day clock, another metric under the same header."""
    content = (
        b"Response ID,Date Submitted,Status,Question type,Likelihood to recommend\n"
        b"1,01/02/2026 3:04:05 PM,Complete,NPS,10\n2,01/15/2026 12:00:00 AM,Partial,NPS,9\n"
        b"3,01/16/2026 9:10:11 AM,Complete,CSAT,5\n4,01/16/2026 9:10:11 AM,Complete,NPS,5\n"
        b"5,01/17/2026 9:10:11 AM,Deleted,NPS,0\n6,01/18/2026 1:10:11 PM,Complete,nps,6.0\n"
    )
    rows = [
        Row(row[0], row[4], row[1], excluded=row[2] != "Complete" or row[3].lower() != "nps")
        for row in table(content, "utf-8", ",", 1)
    ]
    exclude = [
        {"column": "Status", "values": ["Partial"], "reason": "partial"},
        {"column": "Status", "values": ["Deleted"], "reason": "bogus"},
        {"column": "Question type", "values": ["CSAT"], "reason": "other_metric"},
    ]
    declared = mapping("alchemer", "alchemer*.csv", id="Response ID", score="Likelihood to recommend", exclude=exclude,
                       responded_at={"column": "Date Submitted", "timezone": "America/New_York"})  # fmt: skip
    return Foreign("alchemer.csv", content, "alchemer", rows, declared)


def dirty_dates() -> Foreign:
    """Several kinds of dates in one column, as people fill it by hand."""
    dates = ("2026-01-02", "02.01.2026", "31/12/2025", "soon", "", "46024", "3 January 2026", "2026-01-02T10:00:00Z",
             "1767348000", "0000-00-00")  # fmt: skip
    lines = [f"{number},{date},{number % 11}" for number, date in enumerate(dates, 1)]
    content = "\n".join(("id,when,nps", *lines)).encode()
    rows = [Row(row[0], row[2], row[1]) for row in table(content, "utf-8", ",", 1)]
    return Foreign("by_hand.csv", content, "by_hand",
                   rows, mapping("by_hand", "by_hand*.csv", id="id", score="nps", responded_at="when"))  # fmt: skip


def in_app_lines() -> Foreign:
    """JSON Lines: ids beyond what a float holds, a number with decimals, nothing, and a name that is missing."""
    answers: list[dict[str, Any]] = [
        {"id": 9007199254740993, "nps": 9, "at": "2026-03-01T13:05:00Z"},
        {"id": 9007199254740992, "nps": 10, "at": "2026-03-01T13:05:00+02:00"},
        {"id": 9007199254740994, "nps": 8.5, "at": "2026-03-01T13:05:00Z"},
        {"id": 9007199254740995, "nps": None, "at": "2026-03-01T13:05:00Z"},
        {"id": 9007199254740996, "at": "2026-03-01T13:05:00Z"},
        {"id": 9007199254740997, "nps": 0, "at": ""},
    ]
    content = "\n".join(map(json.dumps, answers)).encode()
    rows = [
        Row(str(one["id"]), "" if one.get("nps") is None else str(one["nps"]), one["at"])
        for one in map(json.loads, content.decode().splitlines())
    ]
    return Foreign("in_app.jsonl", content, "in_app", rows,
                   mapping("in_app", "in_app*.jsonl", id="id", score="nps", responded_at="at"))  # fmt: skip


def surveymonkey_two_headers() -> Foreign:
    """Two header rows with a profile; labelled ends of the scale."""
    question = "How likely is it that you would recommend us to a friend?"
    content = (
        f'Respondent ID,Collector ID,Start Date,End Date,IP Address,"{question}",Why?\n'
        ",,,,,Response,Open-Ended Response\n"
        "114055812345,1,01/14/2026 02:03:04 PM,01/14/2026 02:05:04 PM,,10 - Extremely likely,Good\n"
        "114055812346,1,01/14/2026 02:03:04 PM,01/15/2026 02:05:04 PM,,7,\n"
        "114055812347,1,01/14/2026 02:03:04 PM,01/16/2026 02:05:04 PM,,,\n"
        "114055812347,1,01/14/2026 02:03:04 PM,01/16/2026 02:05:04 PM,,,\n"
    ).encode()
    rows = [Row(row[0], row[5], row[3]) for row in table(content, "utf-8", ",", 2)]
    return Foreign("SurveyMonkey.csv", content, "surveymonkey", rows)


def qualtrics_three_headers() -> Foreign:
    """Three header rows, the second localised, with previews and unfinished answers; the group is no score."""
    ids = ["StartDate", "EndDate", "Status", "Finished", "RecordedDate", "ResponseId", "Q1_NPS_GROUP", "Q1"]
    labels = [
        "Anfangsdatum",
        "Enddatum",
        "Antworttyp",
        "Beendet",
        "Aufgezeichnet",
        "Antwort-ID",
        "Gruppe",
        "Empfehlen?",
    ]
    answers = [
        ["0", "True", "R_1", "3", "9"], ["0", "True", "R_2", "1", "3"], ["0", "False", "R_3", "2", "8"],
        ["1", "True", "R_4", "3", "10"], ["0", "True", "R_5", "", ""],
    ]  # fmt: skip
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerows([ids, labels, [json.dumps({"ImportId": name}) for name in ids]])
    stamp = "2026-02-03 04:05:06"
    writer.writerows(
        [[stamp, stamp, status, done, stamp, key, group, score] for status, done, key, group, score in answers]
    )
    content = out.getvalue().encode()
    rows = [
        Row(row[5], row[7], row[4], excluded=row[3] == "False" or row[2] != "0")
        for row in table(content, "utf-8", ",", 3)
    ]
    return Foreign("qualtrics.csv", content, "qualtrics", rows)


def every_file() -> list[Foreign]:
    """All of them."""
    return [
        austrian(), french_utf16(), polish_bars(), masked_workbook(), jotform(), alchemer(), dirty_dates(),
        in_app_lines(), surveymonkey_two_headers(), qualtrics_three_headers(),
    ]  # fmt: skip
