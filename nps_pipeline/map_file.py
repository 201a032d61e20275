"""`nps map`: a survey file becomes a mapping in nps.yaml, a person answering what nobody can know. It lands nothing."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from connectors.errors import RecordError
from connectors.survey_files.connector import SurveyFile, open_survey_file
from connectors.survey_files.dates import zone_named
from connectors.survey_files.guess import ColumnCells, guesses, look_at, order_question, scale_is_doubtful
from connectors.survey_files.mapping import FileMapping, SurveyType
from connectors.survey_files.questions import asks_to_recommend, stated_scale
from connectors.survey_files.reader import open_source
from connectors.survey_files.table import RowCounts, column_names
from nps_pipeline.errors import PipelineError
from nps_pipeline.project import standard_terms
from nps_pipeline.settings import Settings, check_configuration

NONE: Final = "-"
SHOWN: Final = {
    "response_id": "response id",
    "score": "score",
    "responded_at": "responded at (UTC)",
    "email": "e-mail",
    "comment": "comment",
    "excluded": "excluded as",
}
"""What is shown of a mapped row: field -> heading."""

_SHOWN_ROWS: Final = 10
_SHOWN_CHARACTERS: Final = 40
_OPTIONAL: Final = {
    "comment": "Which column is the comment?",
    "email": "Which column is the respondent's e-mail address?",
    "respondent": "Which column is a customer id of your own?",
    "language": "Which column is the language of the answer?",
}


class UnmappedFileError(PipelineError):
    """The file cannot be mapped; the text says why."""


@dataclass(frozen=True)
class Question:
    """What a person is asked: a sentence, the answers to choose from (none: free), and the one that is proposed."""

    text: str
    choices: Sequence[str] = ()
    proposed: str | None = None


Ask = Callable[[Question], str]


def known(settings: Settings, path: Path) -> SurveyFile | None:
    """The file as nps.yaml or a built-in profile reads it; None where neither knows it.

    Raises:
        UnmappedFileError: It cannot be read at all.
    """
    try:
        open_source(path)
    except RecordError as refusal:
        raise UnmappedFileError(str(refusal)) from None
    try:
        return open_survey_file(path, settings.configuration.sources.files, settings.configuration.reporting.timezone)
    except RecordError:
        return None


def draft(settings: Settings, path: Path, ask: Ask) -> dict[str, Any]:
    """A mapping for the file, as nps.yaml has it: guessed from its columns, each guess confirmed or corrected."""
    columns = {column.name: column for column in _columns(path)}
    guessed = guesses(list(columns.values()))

    def column(key: str, text: str, *, required: bool = False) -> str | None:
        choices = [*dict.fromkeys([*guessed[key], *columns]), *([] if required else [NONE])]
        proposed = next(iter(guessed[key]), None if required else NONE)
        if key == "score" and sum(map(asks_to_recommend, guessed[key])) > 1:
            proposed = None
        answer = ask(Question(text, choices, proposed))
        return None if answer == NONE else answer

    score = str(
        column("score", "Which column is the answer to the question how likely a recommendation is?", required=True)
    )
    mapping: dict[str, Any] = {**_named(path, ask), "score": score, "scale": _scale(columns[score], ask)}
    if response_id := column("id", "Which column is the survey tool's own id of the response?"):
        mapping["id"] = response_id
    else:
        text = "Does each file repeat the earlier rows (cumulative), or has it new rows only (separate)?"
        mapping["exports"] = ask(Question(text, ("cumulative", "separate")))
    mapping["responded_at"] = _responded_at(
        settings, columns, column("responded_at", "Which column is when it was answered?"), ask
    )
    for key, text in _OPTIONAL.items():
        if answer := column(key, text):
            mapping[key] = {"column": answer} if key == "language" else answer
    return mapping | _about(guessed, ask)


def understood(settings: Settings, path: Path, mapping: Mapping[str, Any]) -> SurveyFile:
    """The file as the mapping reads it.

    Raises:
        UnmappedFileError: The mapping contradicts itself, or the file.
    """
    try:
        return open_survey_file(path, [FileMapping(**mapping)], settings.configuration.reporting.timezone)
    except ValidationError as error:
        raise UnmappedFileError("; ".join(str(one["msg"]) for one in error.errors())) from None
    except RecordError as refusal:
        raise UnmappedFileError(str(refusal)) from None


def sample(survey_file: SurveyFile) -> list[dict[str, Any]]:
    """The first ten rows as they are mapped, for the person who holds the file."""
    records = islice((record for page in survey_file.pages(_SHOWN_ROWS) for record in page.records), _SHOWN_ROWS)
    rows = [{"response_id": record.record_id, **json.loads(record.payload)["mapped"]} for record in records]
    return [{key: _shown(row.get(key)) for key in SHOWN} for row in rows]


def _shown(value: object) -> str:
    text = " ".join(str("" if value is None else value).split())
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def write(settings: Settings, mapping: Mapping[str, Any]) -> None:
    """Add the mapping to nps.yaml, its comments kept; the file is there anew as a whole, or as it was.

    Raises:
        UnmappedFileError: nps.yaml would not be valid with it.
    """
    path, yaml = settings.config_path, YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    yaml.width = 120
    try:
        document = yaml.load(path.read_text("utf-8")) if path.exists() else None
        document = CommentedMap(version=1) if document is None else document
        sources = document.setdefault("sources", CommentedMap())
        files = sources.setdefault("files", CommentedSeq())
        files.append(CommentedMap(mapping))
        text = io.StringIO()
        yaml.dump(document, text)
    except (YAMLError, AttributeError) as error:
        raise UnmappedFileError(
            f"{path.name} could not be extended ({type(error).__name__}); it is as it was."
        ) from None
    _replace(path, text.getvalue())


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    new = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(text)
        if path.exists():
            new.chmod(path.stat().st_mode)
        try:
            check_configuration(new)
        except PipelineError as error:
            raise UnmappedFileError(f"{path.name} would not be valid with it and is as it was. {error}") from None
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _columns(path: Path) -> list[ColumnCells]:
    source = open_source(path)
    head = source.table.head
    above = max(range(len(head)), key=lambda at: (sum(bool(cell.strip()) for cell in head[at]), -at))
    return look_at(column_names(head[above]), islice(source.raw_rows(RowCounts()), above + 1, None))


def _named(path: Path, ask: Ask) -> dict[str, str]:
    stem = re.sub(r"[^a-z0-9]+", "_", re.sub(r"[\d()\s._-]+$", "", path.stem.lower())).strip("_")
    name = ask(Question("A name for this kind of file?", (), stem if stem[:1].isalpha() else "my_survey"))
    later = re.sub(r"\d+(?:[._-]\d+)*", "*", path.name)
    return {"name": name, "match": ask(Question("Which file names is this for?", (), later))}


def _scale(score: ColumnCells, ask: Ask) -> list[int]:
    stated = stated_scale(score.name)
    proposed = f"{stated[0]} {stated[1]}" if stated else None if scale_is_doubtful(score) else "0 10"
    answer = ask(Question("The lowest and the highest possible score?", (), proposed))
    numbers = re.findall(r"\d+", answer)
    if len(numbers) != 2:  # noqa: PLR2004 - lowest and highest
        raise UnmappedFileError(f"'{answer}' is no scale; write two numbers such as 0 10.")
    return [int(number) for number in numbers]


def _responded_at(settings: Settings, columns: Mapping[str, ColumnCells], name: str | None, ask: Ask) -> dict[str, str]:
    zone = settings.configuration.reporting.timezone
    if name is None:
        return {"constant": ask(Question("On which day were they answered (2026-03-01)?")), "timezone": zone}
    stated = {"column": name}
    if order_question(columns[name]):
        text = f"The dates in {name} fit both ways. Which comes first?"
        stated["format"] = ask(Question(text, ("day_first", "month_first")))
    answer = ask(Question("The time zone of these times, where they state none?", (), zone))
    try:
        zone_named(answer)
    except KeyError:
        raise UnmappedFileError(f"'{answer}' is not a time zone; write an IANA name such as Europe/Paris.") from None
    return {**stated, "timezone": answer}


def _about(guessed: Mapping[str, Sequence[str]], ask: Ask) -> dict[str, Any]:
    """What the answers are about: from a column where one says it, else the same for all."""
    about: dict[str, Any] = {}
    for key in ("survey", "channel", "touchpoint"):
        if (names := guessed[key]) and ask(Question(f"Does {names[0]} say the {key}?", ("yes", "no"), "yes")) == "yes":
            about[key] = {"column": names[0]}
    if "survey" not in about and (name := ask(Question(f"The name of the survey ({NONE}: none)?", (), NONE))) != NONE:
        about["survey"] = name
    about["survey_type"] = ask(Question("What kind of survey is it?", get_args(SurveyType), "unclassified"))
    for key in ("channel", "touchpoint"):
        if key not in about:
            terms = [*sorted(set(standard_terms(f"{key}s").values())), NONE]
            if (answer := ask(Question(f"The {key}?", terms, NONE))) != NONE:
                about[key] = answer
    return about
