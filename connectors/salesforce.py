"""Salesforce: its Surveys, contacts, accounts and custom NPS objects; scores back on contacts. No logins here.

What the REST API says (its Developer Guide): queryAll serves deleted records too, in no order but that of ORDER BY; a
collection of up to 200 records is answered with status 200 and one result per row, in the order of the request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, model_validator

from connectors import http
from connectors.base import Change, Cursor, Kind, Page, Record, Role, Stream, Target, WriteResult
from connectors.config import Name, Scale, Section, SourceSettings, SurveyType, choose_login, requested_fields
from connectors.errors import ConfigError, FatalError, InDoubtError, RetryableError
from connectors.salesforce_login import ADDRESSES, JWT, LOGINS, TITLE, Lost, Refused, SalesforceClient
from connectors.values import field_text, moment_text, parse_moment

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce

BATCH: Final = 200
CURSOR: Final = "system_modstamp"
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)  # before any record
SYSTEM_COLUMNS: Final = ("Id", "IsDeleted", "SystemModstamp")
NAME: Final = "[A-Za-z][A-Za-z0-9_]*"
COLUMN: Final = rf"{NAME}(\.{NAME})?"
RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
SHORT_ID: Final = 15  # the three characters after it only repeat which letters are upper case

ObjectName = Annotated[str, Field(pattern=f"^{NAME}$")]
FieldName = Annotated[str, Field(pattern=f"^{COLUMN}$")]


class FromField(Section):
    """What is read from a field of each record."""

    field: FieldName = Field(description="API name of the field.")


class NpsObject(Section):
    """A custom object whose records are NPS answers. Texts are constants; {field: NAME} reads a field."""

    object: ObjectName = Field(description="API name of the object, such as NPS_Response__c.")
    score: FieldName = Field(description="Field of the score.")
    scale: Scale = Field(description="Lowest and highest score: [0, 10].")
    comment: FieldName | None = Field(None, description="Field of the comment.")
    responded_at: FieldName = Field("CreatedDate", description="Field of the time of the answer.")
    contact: FieldName | None = Field(None, description="Field that refers to the contact who answered.")
    account: FieldName | None = Field(None, description="Field that refers to the account.")
    survey: Name | FromField | None = Field(None, description="Name of the survey.")
    survey_type: SurveyType | FromField | None = Field(None, description="relational or transactional.")
    channel: Name | FromField | None = Field(None, description="How it was asked, such as email or phone.")
    touchpoint: Name | FromField | None = Field(None, description="What it was about, such as support.")
    language: Name | FromField | None = Field(None, description="Language of the comment, such as de.")


class SalesforceSettings(SourceSettings):
    """What is pulled from Salesforce."""

    surveys: bool = Field(True, description="Whether Salesforce Surveys are pulled; false where there are none.")
    nps_objects: tuple[NpsObject, ...] = Field((), description="Custom objects whose records are NPS answers.")
    account_segment: FieldName | None = Field(None, description="Field of Account that holds its segment.")

    @model_validator(mode="after")
    def _every_object_once(self) -> SalesforceSettings:
        names = [stream.name.lower() for stream in (*SURVEYS, CONTACT, ACCOUNT)]
        for one in self.nps_objects:
            if one.object.lower() in names:
                raise ValueError(f"{one.object} is pulled already; nps_objects are custom objects, each named once")
            names.append(one.object.lower())
        return self


def _stream(name: str, role: Role, fields: Mapping[str, str], **constants: str) -> Stream:
    paths = {conformed: f"$.{column}" for conformed, column in fields.items()}
    return Stream(source="salesforce", name=name, role=role, fields=paths, constants=constants)


ON_SCALE: Final = {"scale_min": "0", "scale_max": "10", "responded_at_basis": "source"}
SURVEYS: Final = (
    _stream(
        "SurveyQuestionResponse",
        "response",
        {
            "score": "NumberValue",
            "comment": "ResponseShortText",
            "question_id": "QuestionId",
            "answer_id": "ResponseId",
            "invitation_id": "InvitationId",
        },
        **ON_SCALE,
    ),
    _stream(
        "SurveyResponse",
        "reference",
        {
            "status": "Status",
            "completed_at": "CompletionDateTime",
            "language": "Language",
            "person_id": "SubmitterId",
            "invitation_id": "InvitationId",
            "survey_id": "SurveyId",
        },
        person_stream="Contact",
    ),
    _stream("SurveyQuestion", "reference", {"name": "QuestionName", "kind": "QuestionType"}),
    _stream(
        "SurveySubject",
        "reference",
        {"kind": "SubjectEntityType", "parent_id": "ParentId", "subject_id": "SubjectId"},
    ),
    _stream("Survey", "reference", {"name": "Name"}),
    _stream(
        "SurveyInvitation",
        "invitation",
        {"invited_at": "CreatedDate", "person_id": "ContactId", "survey_id": "SurveyId", "is_link": "IsDefault"},
        person_stream="Contact",
        response_stream="SurveyQuestionResponse",
    ),
)
CONTACT: Final = _stream(
    "Contact",
    "person",
    {
        "email": "Email",
        "display_name": "Name",
        "first_name": "FirstName",
        "last_name": "LastName",
        "account_id": "AccountId",
    },
    account_stream="Account",
)
ACCOUNT: Final = _stream("Account", "account", {"name": "Name", "website": "Website", "owner": "Owner.Name"})
TARGET: Final = Target(
    name="contact",
    stream=CONTACT.name,
    path="$.{field}",
    batch_size=BATCH,
    kinds={"score": "number", "category": "text", "responded_at": "datetime"},
)
# Conformed field -> key of an NPS object in nps.yaml that names a field.
PLACES: Final = {
    "score": "score",
    "comment": "comment",
    "responded_at": "responded_at",
    "person_id": "contact",
    "account_id": "account",
}
CONSTANT_OR_FIELD: Final = ("survey", "survey_type", "channel", "touchpoint", "language")
REFERENCES: Final = {"person_stream": CONTACT.name, "account_stream": ACCOUNT.name}


def _nps_stream(declared: NpsObject) -> Stream:
    said = {name: getattr(declared, name) for name in CONSTANT_OR_FIELD}
    fields = {conformed: getattr(declared, key) for conformed, key in PLACES.items() if getattr(declared, key)}
    fields |= {name: value.field for name, value in said.items() if isinstance(value, FromField)}
    constants = {name: value for name, value in said.items() if isinstance(value, str)}
    return _stream(declared.object, "response", fields, **ON_SCALE, **REFERENCES, **constants)


class SalesforceConnector:
    """Salesforce as a source and a destination."""

    source = "salesforce"
    title = TITLE
    settings = SalesforceSettings
    logins = LOGINS
    addresses = ADDRESSES
    targets = (TARGET,)

    def streams(self, settings: SalesforceSettings, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:
        """The objects of Salesforce Surveys, contacts, accounts and the custom NPS objects."""
        paths = {name: f"$.{_identifier(name)}" for name in written.get(TARGET.name, ())}
        segment = {"segment": f"$.{settings.account_segment}"} if settings.account_segment else {}
        return (
            *(SURVEYS if settings.surveys else ()),
            replace(CONTACT, written=paths),
            replace(ACCOUNT, fields={**ACCOUNT.fields, **segment}),
            *map(_nps_stream, settings.nps_objects),
        )

    def connect(self, settings: SalesforceSettings, environment: Mapping[str, str]) -> SalesforceSession:  # noqa: ARG002
        """Log in. A session id is a login already: the first request finds out whether it is still good."""
        login = choose_login(self, environment)
        if login is None:
            raise ConfigError(
                f"{TITLE}: no credentials are set. Set {', '.join(JWT.variables)}, or those of another way."
            )
        return SalesforceSession(SalesforceClient(login, environment))


CONNECTOR: Final = SalesforceConnector()


class SalesforceSession:
    """Salesforce after login."""

    def __init__(self, client: SalesforceClient) -> None:
        self._client, self._meter = client, client.meter

    def check(self) -> None:
        """Read the id of one contact."""
        for _ in self._rows(CONTACT.name, ["Id"], "LIMIT 1"):
            pass

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Serve records in the order of their last change, deleted ones included."""
        paths = requested_fields(stream.fields, "$.") + requested_fields(stream.written, "$.")
        columns = list(dict.fromkeys([*SYSTEM_COLUMNS, *paths]))
        before = parse_moment(str(cursor[CURSOR])) if cursor else EVER
        since = f"WHERE SystemModstamp >= {moment_text(before - min(overlap, before - EVER))} " if cursor else ""
        newest, clock = before, None
        for rows, done in self._rows(stream.name, columns, f"{since}ORDER BY SystemModstamp, Id", deleted=True):
            records = [_record(stream.name, row) for row in rows]
            newest = max([newest, *(record.source_version for record in records if record.source_version)])
            clock = clock or self._meter.server_time or newest
            reached = max(before, min(newest, clock))
            after = {CURSOR: moment_text(reached)} if done and reached > EVER else {}
            yield Page(records, after, *self._meter.since_last(), self._meter.budget)

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Update records by id in one request; a refused row leaves the others alone."""
        rows = [_row(target.stream, change) for change in changes]
        columns = sorted({name for change in changes for name in change.values})
        results = http.retried(lambda: self._write(target.stream, rows, columns))
        if not isinstance(results, list) or len(results) != len(changes):
            raise _in_doubt(target.stream)
        written_at = self._meter.server_time
        return [_outcome(target, change, row, written_at) for change, row in zip(changes, results, strict=True)]

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values, by id from the database; a deleted record is gone."""
        asked = {record_id[:SHORT_ID]: record_id for record_id in record_ids if RECORD_ID.fullmatch(record_id)}
        ids, columns = list(asked.values()), list(dict.fromkeys(["Id", *fields]))
        found: dict[str, dict[str, str | None]] = {}
        for chunk in (ids[start : start + BATCH] for start in range(0, len(ids), BATCH)):
            for rows, _ in self._rows(target.stream, columns, f"WHERE Id IN {_quoted(chunk)}"):
                for row in rows:
                    values = {name: field_text(kind, row[name]) for name, kind in fields.items()}
                    found[asked[row["Id"][:SHORT_ID]]] = values
        return found

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()

    def _rows(
        self, name: str, columns: Sequence[str], rest: str, *, deleted: bool = False
    ) -> Iterator[tuple[list[dict[str, Any]], bool]]:
        """The pages of a query, each with whether it is the last; ``deleted``: the deleted records too."""
        soql = f"SELECT {', '.join(map(_identifier, columns))} FROM {_identifier(name)} {rest}"
        served, done, following = 0, False, ""
        while not done:
            answer = self._read(name, columns, _page_request(soql, following, deleted=deleted))
            rows, done, total = answer["records"], answer["done"], answer["totalSize"]
            following = answer.get("nextRecordsUrl", "")
            served += len(rows)
            if served > total or (served < total if done else not rows):
                raise RetryableError(
                    f"{TITLE} served {served} of {total} records when reading {name}; run again later."
                )
            if strange := [column for column in columns if rows and column.split(".")[0] not in rows[0]]:
                raise ConfigError(
                    f"{TITLE} spells {', '.join(strange)} of {name} otherwise: mind upper and lower case."
                )
            yield rows, done

    def _read(self, name: str, columns: Sequence[str], request: Callable[[Salesforce], Any]) -> Any:
        doing = f"reading {name}"

        def read() -> Any:
            try:
                return self._client.ask(lambda client: _query_result(request(client)))
            except Refused as refused:
                raise refused.means(doing, name, columns) from None
            except Lost as lost:
                raise lost.means(doing) from None

        return http.retried(read)

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Any:
        """One attempt, which is repeated only where nothing was applied."""
        doing, body = f"writing {name}", {"allOrNone": False, "records": rows}
        try:
            return self._client.ask(lambda client: client.restful("composite/sobjects", method="PATCH", json=body))
        except Refused as refused:
            if not http.may_be_written(refused.status):
                raise refused.means(doing, name, columns) from None
        except Lost as lost:
            if not lost.sent:
                raise lost.means(doing) from None
        raise _in_doubt(name)


def _page_request(soql: str, following: str, *, deleted: bool) -> Callable[[Salesforce], Any]:
    if following:
        return lambda client: client.query_more(following, identifier_is_url=True)
    return lambda client: client.query(soql, include_deleted=deleted)


def _query_result(answer: Any) -> Any:
    """A page of a query; raises ``ValueError`` for anything else, which must never pass for "no data"."""
    match answer:
        case {"records": list(rows), "totalSize": int(), "done": True}:
            pass
        case {"records": list(rows), "totalSize": int(), "done": False, "nextRecordsUrl": str(following)}:
            if not following.startswith("/services/data/"):
                raise ValueError
        case _:
            raise ValueError
    if not all(isinstance(row, dict) and isinstance(row.get("Id"), str) for row in rows):
        raise ValueError
    return answer


def _record(name: str, row: Mapping[str, Any]) -> Record:
    try:
        return Record(row["Id"], http.compact(row), parse_moment(row["SystemModstamp"]), row["IsDeleted"])
    except (KeyError, TypeError, ValueError):
        raise FatalError(
            f"{TITLE} served a record of {name} without a usable SystemModstamp. Nothing of this page was kept."
        ) from None


def _row(name: str, change: Change) -> dict[str, Any]:
    values = {
        field: json.loads(value.text) if value.kind == "number" and value.text else value.text
        for field, value in change.values.items()
    }
    return {"attributes": {"type": name}, "Id": change.record_id, **values}


def _outcome(target: Target, change: Change, row: Any, written_at: datetime | None) -> WriteResult:
    match row:
        case {"success": True, "id": str(written)} if written[:SHORT_ID] == change.record_id[:SHORT_ID]:
            return WriteResult(change.op_id, None, written_at)
        case {"success": False, "errors": [{"statusCode": str(code)}, *_]}:
            return WriteResult(change.op_id, code, written_at)
    raise _in_doubt(target.stream)


def _in_doubt(name: str) -> InDoubtError:
    return http.in_doubt(TITLE, "gave no readable answer", f"writing {name}")


def _identifier(name: str) -> str:
    if not re.fullmatch(COLUMN, name):
        raise ConfigError(f"'{name}' is no API name of {TITLE}; correct it in nps.yaml.")
    return name


def _quoted(values: list[str]) -> str:
    from simple_salesforce.format import quote_soql_value  # noqa: PLC0415

    return quote_soql_value(values)
