"""What a user declares about a survey file under ``sources.files`` in nps.yaml. How it is applied is in ``layout``."""

from __future__ import annotations

import codecs
import hashlib
import json
from datetime import date, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.survey_files.dates import NAMED_FORMATS, zone_named
from connectors.survey_files.profiles import PROFILES

MAPPED_VERSION: Final = 2
"""Raised when the same file and mapping come to yield other records, so that files are mapped anew."""

ExcludeReason = Literal["partial", "test", "bogus", "not_nps", "other_metric"]
SurveyType = Literal["relational", "transactional", "unclassified"]


def _known_zone(name: str) -> str:
    try:
        zone_named(name)
    except KeyError:
        raise ValueError(f"'{name}' is not a time zone; write an IANA name such as Europe/Paris or UTC") from None
    return name


def _known_encoding(name: str) -> str:
    try:
        codecs.lookup(name)
        "".encode(name)
    except LookupError:
        raise ValueError(
            f"'{name}' is not an encoding; write for instance utf-8, cp1252 or cp850, or leave it out"
        ) from None
    return name


def _known_format(text: str) -> str:
    if text not in NAMED_FORMATS and "%" not in text:
        raise ValueError(
            f"'{text}' is not a date format; write {', '.join(NAMED_FORMATS)} or a pattern such as %d/%m/%Y %H:%M"
        )
    return text


def _known_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError(f"'{name}' is not a built-in profile; there are {', '.join(sorted(PROFILES))}")
    return name


def _cell_text(value: object) -> object:
    """YAML reads 0, 1 and false as other types; in a file they are text."""
    return str(value) if isinstance(value, bool | int | float) else value


Column = Annotated[str, Field(min_length=1)]
Zone = Annotated[str, AfterValidator(_known_zone)]
DateFormat = Annotated[str, AfterValidator(_known_format)]
CellText = Annotated[str, BeforeValidator(_cell_text)]


class _Declaration(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FromColumn(_Declaration):
    """A value that a column of the file holds, row by row."""

    column: Column = Field(description="Name of the column in the file's header.")


class DateColumn(_Declaration):
    """A column of dates, with what its cells do not say themselves."""

    column: Column = Field(description="Name of the column in the file's header.")
    timezone: Zone | None = Field(
        default=None,
        description="IANA time zone of the dates; default: what cell or header state, else the reporting time zone.",
    )
    format: DateFormat | None = Field(
        default=None,
        description=(
            "How the dates are written: day_first, month_first, unix_seconds, unix_millis or a pattern such as "
            "%d/%m/%Y %H:%M. Default: found over the whole column; the file is refused where day and month stay open."
        ),
    )


class DateConstant(_Declaration):
    """One stated date for every row, for files without a date column."""

    constant: date | datetime = Field(
        description="The date or time of every answer; a date alone is midnight in its zone."
    )
    timezone: Zone | None = Field(
        default=None, description="IANA time zone of the date; default: the reporting time zone."
    )


class Exclude(_Declaration):
    """Rows that are no answers: kept with their reason, never counted as NPS."""

    column: Column = Field(description="Name of the column that marks the rows.")
    values: tuple[CellText, ...] = Field(
        min_length=1,
        description="Cell values that mark a row, compared without case and outer blanks; '' means an empty cell.",
    )
    reason: ExcludeReason = Field(description="Why such rows are excluded.")


Text = CellText | FromColumn


class FileMapping(_Declaration):
    """One kind of survey file: which files it is, and where each field stands in them."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of this kind of file; its answers are the stream with this name.",
    )
    match: str = Field(
        min_length=1, description='File names this mapping is for, such as "retail_*.csv"; case does not matter.'
    )
    profile: Annotated[str, AfterValidator(_known_profile)] | None = Field(
        default=None, description="Built-in survey tool whose header rows and columns are the defaults of this mapping."
    )
    tool: str | None = Field(
        default=None,
        min_length=1,
        description="Scope of the response ids, shared by files of one tool. Default: the profile's tool, else name.",
    )
    id: Column | None = Field(default=None, description="Column with the tool's own response id.")
    exports: Literal["cumulative", "separate"] | None = Field(
        default=None,
        description=(
            "For files without ids: cumulative if each file repeats the earlier rows, "
            "separate if each file has only new rows."
        ),
    )
    score: Column | None = Field(default=None, description="Column with the answer to the recommend question.")
    scale: tuple[int, int] | None = Field(
        default=None,
        description="Lowest and highest possible score. Only [0, 10] is NPS; with another scale the rows are excluded.",
    )
    comment: Column | None = Field(default=None, description="Column with the open answer.")
    email: Column | None = Field(default=None, description="Column with the respondent's e-mail address.")
    respondent: Column | None = Field(default=None, description="Column with a customer or respondent id of your own.")
    display_name: Column | None = Field(default=None, description="Column with the respondent's name.")
    language: Text | None = Field(default=None, description="Language of the answers: a constant, or {column: NAME}.")
    responded_at: Column | DateColumn | DateConstant | None = Field(
        default=None, description="When it was answered: a column, {column, timezone, format} or {constant, timezone}."
    )
    invited_at: Column | DateColumn | None = Field(default=None, description="Column with the time of the invitation.")
    updated_at: Column | DateColumn | None = Field(
        default=None,
        description="Column with the time of the last change; of two versions of a row the later one counts.",
    )
    survey: Text | None = Field(
        default=None, description="Survey of the answers: a constant (comparable between files), or {column: NAME}."
    )
    survey_type: SurveyType | FromColumn | None = Field(
        default=None, description="relational, transactional or unclassified, or {column: NAME}."
    )
    channel: Text | None = Field(
        default=None, description="Where it was asked, such as email or store, or {column: NAME}."
    )
    touchpoint: Text | None = Field(
        default=None, description="What it was asked about, such as purchase, or {column: NAME}."
    )
    exclude: tuple[Exclude, ...] = Field(default=(), description="Marks of rows that are no answers.")
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = Field(
        default=None, description="Encoding of the files; default: found from the bytes."
    )
    delimiter: str | None = Field(
        default=None,
        min_length=1,
        max_length=1,
        description="Delimiter between cells; default: found from the first rows.",
    )
    sheet: str | None = Field(
        default=None, min_length=1, description="Sheet of a workbook; default: the only one that holds a known table."
    )
    replaces: dict[str, str] = Field(
        default_factory=dict,
        description="Corrected files: name of the new file, and of the file whose rows it replaces.",
    )

    @model_validator(mode="after")
    def _complete(self) -> FileMapping:
        if self.profile is None:
            if self.score is None:
                raise ValueError(f"files '{self.name}': name the column of the recommend question: score: COLUMN")
            if self.id is None and self.exports is None:
                raise ValueError(
                    f"files '{self.name}': without a column of response ids (id: COLUMN) say how the exports relate: "
                    "exports: cumulative (each file repeats the earlier rows) "
                    "or exports: separate (each has only new rows)"
                )
            if self.scale is None:
                raise ValueError(
                    f"files '{self.name}': a score column says nothing about its scale; add scale: [0, 10]"
                )
        if self.name in PROFILES and self.profile != self.name:
            raise ValueError(
                f"files '{self.name}': this name belongs to the built-in profile; add profile: {self.name}"
            )
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ValueError(
                f"files '{self.name}': the scale goes from the lowest to the highest score, such as [0, 10]"
            )
        return self


def mapping_hash(mapping: FileMapping) -> str:
    """Sha256 (hex) of what makes the mapped content: the mapping and its profile, without file names.

    Two mappings with the same hash turn the same bytes into the same records.
    """
    declared = mapping.model_dump(mode="json", exclude={"match", "replaces"}, exclude_none=True)
    return content_hash({"mapping": declared, "profile": _declared_profile(mapping)})


def _declared_profile(mapping: FileMapping) -> str:
    return PROFILES[mapping.profile].model_dump_json() if mapping.profile else ""


def content_hash(content: dict[str, Any]) -> str:
    """Sha256 (hex) of the canonical JSON of a declaration and of the version of the code that applies it."""
    text = json.dumps({"mapped_version": MAPPED_VERSION, **content}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
