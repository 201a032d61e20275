"""Survey tools whose exports are known: one declaration per tool. Code that applies them is in ``layout``.

The header rows, the group column beside Qualtrics' recommend question and the marks of unfinished answers are those
of exports of the tools. A fact that could not be checked against an export says so here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Alternatives = tuple[tuple[str, ...], ...]
"""Column ids, best first; an inner tuple of several is joined with blanks."""


@dataclass(frozen=True)
class Exclusion:
    """Rows that are no answers, by one column: its cell is one of ``values``, none of ``unless``, or below a number."""

    column: str
    reason: Literal["partial", "test", "bogus"]
    values: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    below: float | None = None


@dataclass(frozen=True)
class Profile:
    """How the exports of one survey tool look. Column ids are compared without case, blanks and HTML tags.

    ``recognised_by`` names columns that are always there: of each inner tuple at least one.
    ``header_rows`` is how many there are at most; ``id_rows`` and ``question_row`` count from 1. Where ``row_id`` is
    given, the header ends before the first row whose response id has this form: people delete header rows.
    ``group_suffix`` ends the id of the column beside a recommend question, ``derived`` those of columns without
    answers. ``open_labels`` mark free text, by the label in the second header row or by the end of an id.
    ``joined_header``: a question stands over the first of its columns only. ``usual_order`` of day and month, where a
    column leaves it open.
    """

    name: str
    title: str
    tool: str
    header_rows: int
    id_rows: tuple[int, ...]
    question_row: int
    recognised_by: tuple[tuple[str, ...], ...]
    columns: tuple[tuple[str, Alternatives], ...]
    exclusions: tuple[Exclusion, ...] = ()
    metadata: tuple[str, ...] = ()
    row_id: str | None = None
    group_suffix: str | None = None
    derived: tuple[str, ...] = ()
    open_labels: tuple[str, ...] = ()
    joined_header: bool = False
    usual_order: str | None = None


# Numeric codes and English labels; 2, 9, 12 and 17 from Qualtrics' list of response types.
_PREVIEW: Final = (
    "1",
    "2",
    "9",
    "17",
    "survey preview",
    "survey test",
    "offline survey preview",
    "survey preview spam",
)
_SPAM: Final = ("8", "12", "spam", "imported spam", "possible spam")
_NO: Final = ("0", "false", "falsch", "faux", "falso", "onwaar", "no", "nein", "non", "nee", "não")

_QUALTRICS_EXCLUSIONS: Final = (
    Exclusion("Status", "test", values=_PREVIEW),
    Exclusion("DistributionChannel", "test", values=("preview",)),
    Exclusion("Status", "bogus", values=_SPAM),
    Exclusion("Finished", "partial", values=_NO),
    Exclusion("Progress", "partial", below=100),
)

QUALTRICS: Final = Profile(
    name="qualtrics",
    title="Qualtrics",
    tool="qualtrics",
    header_rows=3,
    id_rows=(1, 3),
    question_row=2,
    row_id=r"R_\w+",
    recognised_by=(("ResponseId", "_recordId"), ("StartDate",), ("EndDate",), ("Finished", "Progress")),
    columns=(
        ("response_id", (("_recordId",), ("ResponseId",))),
        ("responded_at", (("EndDate",),)),
        ("email", (("RecipientEmail",),)),
        ("respondent_id", (("ExternalReference",), ("externalDataReference",))),
        ("display_name", (("RecipientFirstName", "RecipientLastName"),)),
        ("channel", (("DistributionChannel",),)),
        ("language", (("UserLanguage",),)),
    ),
    exclusions=_QUALTRICS_EXCLUSIONS,
    metadata=(
        "StartDate", "EndDate", "Status", "IPAddress", "Progress", "Duration (in seconds)", "Finished", "RecordedDate",
        "ResponseId", "RecipientLastName", "RecipientFirstName", "RecipientEmail", "ExternalReference",
        "LocationLatitude", "LocationLongitude", "DistributionChannel", "UserLanguage",
    ),
    group_suffix="_NPS_GROUP",
    derived=("_NPS_GROUP", "Topics", "Sentiment", "Sentiment Score", "Sentiment Polarity"),
    open_labels=("_TEXT",),
)  # fmt: skip

QUALTRICS_LEGACY: Final = Profile(
    name="qualtrics_legacy",
    title="Qualtrics (legacy)",
    tool="qualtrics",
    header_rows=2,
    id_rows=(1, 2),
    question_row=2,
    row_id=r"R_\w+",
    recognised_by=(("V1",), ("ResponseID",), ("ResponseSet",), ("Finished",)),
    columns=(
        ("response_id", (("ResponseID",),)),
        ("responded_at", (("EndDate",),)),
        ("email", (("EmailAddress",), ("RecipientEmail",))),
        ("respondent_id", (("ExternalDataReference",),)),
    ),
    exclusions=_QUALTRICS_EXCLUSIONS,
    metadata=(
        "ResponseID", "ResponseSet", "Name", "ExternalDataReference", "EmailAddress", "IPAddress", "Status",
        "StartDate", "EndDate", "Finished", "LocationLatitude", "LocationLongitude", "LocationAccuracy",
    ),
    group_suffix="_NPS_GROUP",
    derived=("_NPS_GROUP",),
    open_labels=("_TEXT",),
)  # fmt: skip

TYPEFORM: Final = Profile(
    name="typeform",
    title="Typeform",
    tool="typeform",
    header_rows=1,
    id_rows=(1,),
    question_row=1,
    recognised_by=(("#",), ("Start Date (UTC)",), ("Submit Date (UTC)",), ("Network ID",)),
    columns=(
        ("response_id", (("#",),)),
        ("responded_at", (("Submit Date (UTC)",),)),
        ("email", (("email",), ("e-mail",), ("email address",), ("e-mail address",), ("email_address",))),
        ("respondent_id", (("customer_id",), ("user_id",), ("userid",), ("external_id",), ("contact_id",))),
        ("display_name", (("name",), ("full_name",))),
        ("language", (("language",), ("lang",))),
    ),
    exclusions=(Exclusion("Response Type", "partial", unless=("completed",)),),
    metadata=(
        "#", "Response Type", "Start Date (UTC)", "Stage Date (UTC)", "Submit Date (UTC)", "Network ID", "Tags",
        "Ending",
    ),
)  # fmt: skip

SURVEYMONKEY: Final = Profile(
    name="surveymonkey",
    title="SurveyMonkey",
    tool="surveymonkey",
    header_rows=2,
    id_rows=(1,),
    question_row=1,
    row_id=r"\d{4,}",
    recognised_by=(("Respondent ID",), ("Start Date",), ("End Date",)),
    columns=(
        ("response_id", (("Respondent ID",),)),
        ("responded_at", (("End Date",),)),
        ("email", (("Email Address",),)),
        ("display_name", (("First Name", "Last Name"),)),
    ),
    metadata=(
        "Respondent ID", "Collector ID", "Start Date", "End Date", "IP Address", "Email Address", "First Name",
        "Last Name", "Custom Data 1",
    ),
    open_labels=("Open-Ended Response", "Other (please specify)", "Comments", "Offene Antwort", "Réponse ouverte"),
    joined_header=True,
    usual_order="month_first",  # from memory of CSV exports; no export with such dates was at hand
)  # fmt: skip

PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile for profile in (QUALTRICS, QUALTRICS_LEGACY, TYPEFORM, SURVEYMONKEY)
}
"""Built-in profiles by name, in the order in which they are tried."""
