"""What the builders of the CRMs and of the survey export have in common: truth entries and a time format."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.population import truth
from sandbox.population.model import Answer, Company, Person, System

EXCLUDED = ("partial", "not_nps", "other_metric")


@dataclass
class TruthBook:
    """The truth while it is written."""

    responses: list[truth.Response] = field(default_factory=list)
    invitations: list[truth.Invitation] = field(default_factory=list)
    person_records: dict[str, list[truth.RecordRef]] = field(default_factory=dict)
    company_records: dict[str, list[truth.RecordRef]] = field(default_factory=dict)

    def person_record(self, person: Person, system: System, stream: str, record_id: str) -> None:
        """Note that a record is this person; the first one of a system is the one that others refer to."""
        person.record_ids.setdefault(system, record_id)
        self.person_records.setdefault(person.key, []).append(truth.RecordRef(system, stream, record_id))

    def company_record(self, company: Company, system: System, stream: str, record_id: str) -> None:
        """Note that a record is this company."""
        company.record_ids[system] = record_id
        self.company_records.setdefault(company.key, []).append(truth.RecordRef(system, stream, record_id))

    def response(
        self,
        answer: Answer,
        ref: truth.RecordRef,
        *,
        responded_at: datetime | None = None,
        comment: str | None = None,
        carried_by: Iterable[truth.RecordRef] = (),
    ) -> None:
        """Note a record that holds an answer.

        Args:
            answer: The answer.
            ref: The record.
            responded_at: Where this record says otherwise than the answer.
            comment: As this record spells it; nothing: as the answer has it.
            carried_by: Other records that hold parts of the answer.
        """
        survey, invitation = answer.survey, answer.invitation
        known_invitation = invitation if ref.stream == "SurveyQuestionResponse" else None
        reason = "other_metric" if survey.metric != "NPS" else answer.flaw
        self.responses.append(
            truth.Response(
                ref=ref,
                classification="kept" if reason is None else "excluded" if reason in EXCLUDED else "quarantined",
                reason=reason,
                duplicate_of=None,
                answer=answer.key,
                person=answer.person.key if answer.person else None,
                survey=survey.key,
                survey_name=survey.name,
                survey_type=survey.survey_type,
                channel=survey.channel,
                touchpoint=survey.touchpoint,
                score=answer.score,
                comment=comment or answer.comment,
                responded_at=None if reason == "partial" else iso(responded_at or answer.responded_at),
                invited_at=iso(known_invitation.invited_at) if known_invitation else None,
                language=answer.language,
                carried_by=tuple(carried_by),
            )
        )

    def no_answer(self, ref: truth.RecordRef, reason: str, answer: str, answer_of: Person | None) -> None:
        """Note a record of a response stream that holds no NPS answer, such as the comment's own row."""
        self.responses.append(
            truth.Response(
                ref=ref,
                classification="excluded",
                reason=reason,
                duplicate_of=None,
                answer=answer,
                person=answer_of.key if answer_of else None,
                survey="",
                survey_name="",
                survey_type="",
                channel="",
                touchpoint="",
                score=None,
                comment=None,
                responded_at=None,
                invited_at=None,
                language=None,
            )
        )

    def close(self, people: Iterable[Person], companies: Iterable[Company]) -> truth.Truth:
        """The finished truth."""
        return truth.Truth(
            responses=tuple(truth.judge_duplicates(self.responses)),
            invitations=tuple(self.invitations),
            persons=tuple(
                truth.Person(one.key, one.company.key, _addresses(one), tuple(self.person_records[one.key]))
                for one in people
            ),
            companies=tuple(
                truth.Company(one.key, one.name, one.segment, one.domain, tuple(self.company_records[one.key]))
                for one in companies
            ),
        )


def iso(moment: datetime) -> str:
    """UTC with whole seconds: 2026-03-01T09:30:00Z, as Zendesk writes times."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _addresses(person: Person) -> tuple[str, ...]:
    return tuple(sorted({mailbox.email.lower() for mailbox in person.mailboxes.values() if mailbox.email}))
