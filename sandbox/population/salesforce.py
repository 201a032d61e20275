"""Fills the Salesforce organisation: accounts, contacts, surveys with their answers, and the custom NPS object."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from sandbox.population import surveys
from sandbox.population.build import TruthBook, iso
from sandbox.population.model import Answer, Company, Invitation, Person, Survey
from sandbox.population.truth import Invitation as InvitationTruth
from sandbox.population.truth import RecordRef
from sandbox.salesforce.ids import salesforce_id
from sandbox.store import Record

PREFIXES = {
    "User": "005",
    "Account": "001",
    "Contact": "003",
    "Lead": "00Q",
    "Case": "500",
    "Opportunity": "006",
    "Survey": "0Kd",
    "SurveyVersion": "0Kv",
    "SurveyQuestion": "0Ku",
    "SurveyInvitation": "0Ki",
    "SurveyResponse": "0Ks",
    "SurveyQuestionResponse": "0Kr",
    "SurveySubject": "0Kz",
    "NPS_Response__c": "a01",
}
OWNERS = (("Martina Keller", "martina.keller"), ("Tom Ashby", "tom.ashby"), ("Jonas Wirth", "jonas.wirth"))
# Question types per survey; the first is the NPS question.
QUESTIONS: dict[str, tuple[tuple[str, str], ...]] = {
    "salesforce-onboarding": (("NPS", "How likely are you to recommend us?"), ("FreeText", "Why?")),
    "salesforce-product": (
        ("NPS", "How likely are you to recommend our product?"),
        ("Rating", "How easy is it to use?"),
        ("FreeText", "What should we improve?"),
    ),
}
LANGUAGES = {"de": "de", "en": "en_US"}
SECOND_CONTACTS = 2
FILLED_CONTACTS = 8


class SalesforceBuilder:
    """Builds the tables record by record and writes the truth beside them."""

    def __init__(self, random: Random, book: TruthBook, start: datetime) -> None:
        self._random = random
        self._book = book
        self._start = start
        self.tables: dict[str, list[Record]] = {name: [] for name in PREFIXES}
        self._owners = [self._owner(name, login) for name, login in OWNERS]
        self._surveys: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._questions: dict[tuple[str, str], str] = {}
        self._invitations: dict[str, Record] = {}
        self._answered_by: dict[str, RecordRef] = {}

    def build(
        self,
        companies: Iterable[Company],
        people: Iterable[Person],
        invitations: Iterable[Invitation],
        answers: Iterable[Answer],
    ) -> None:
        """Add everything that Salesforce knows."""
        for company in companies:
            if "salesforce" in company.systems:
                self._account(company)
        self._contacts([person for person in people if "salesforce" in person.mailboxes])
        self._business()
        for survey in (surveys.ONBOARDING, surveys.PRODUCT):
            self._survey(survey)
        sent = [invitation for invitation in invitations if invitation.survey.stream == surveys.QUESTION_STREAM]
        for invitation in sent:
            self._invitation(invitation)
        for answer in answers:
            self._stored(answer)
        self._book.invitations += [self._invitation_truth(invitation) for invitation in sent]

    def _add(self, table: str, created: datetime, modified: datetime, fields: dict[str, Any]) -> Record:
        record_id = salesforce_id(PREFIXES[table], len(self.tables[table]) + 1)
        record = Record(record_id, fields, created=created, modified=modified)
        self.tables[table].append(record)
        return record

    def _owner(self, name: str, login: str) -> str:
        fields = {"Name": name, "Username": f"{login}@crm.example", "Email": f"{login}@crm.example", "IsActive": True}
        return self._add("User", self._start, self._start, fields).record_id

    def _some_time(self) -> datetime:
        return self._start + timedelta(seconds=self._random.randrange(360 * 86_400))

    def _account(self, company: Company) -> None:
        website = self._random.choice(("https://www.{}/", "http://{}", "www.{}")).format(company.domain)
        fields = {
            "Name": f"{company.name} {company.legal_form}",
            "Website": website,
            "Industry": company.name.split()[-1],
            "Type": "Customer",
            "Segment__c": company.segment,
            "BillingCountry": "Germany" if company.language == "de" else "United Kingdom",
            "OwnerId": self._random.choice(self._owners),
        }
        imported = self._start - timedelta(days=self._random.randint(30, 900))
        record = self._add("Account", imported, self._some_time(), fields)
        self._book.company_record(company, "salesforce", "Account", record.record_id)

    def _contacts(self, people: list[Person]) -> None:
        # One import brought many contacts in at once, so many share one second.
        imported = self._start - timedelta(days=20)
        for number, person in enumerate(people):
            modified = imported if number % 4 == 0 else self._some_time()
            self._contact(person, imported, modified)
        with_email = [person for person in people if person.mailboxes["salesforce"].email]
        for person in with_email[:SECOND_CONTACTS]:
            self._contact(person, self._start, self._some_time())
        contacts = self.tables["Contact"][-FILLED_CONTACTS - SECOND_CONTACTS : -SECOND_CONTACTS]
        for record in contacts:
            score = self._random.randint(0, 10)
            category = "Promoter" if score >= 9 else "Passive" if score >= 7 else "Detractor"  # noqa: PLR2004
            record.fields |= {"NPS_Score__c": float(score), "NPS_Category__c": category}

    def _contact(self, person: Person, created: datetime, modified: datetime) -> None:
        number = len(self.tables["Contact"]) + 1
        fields = {
            "FirstName": person.first_name,
            "LastName": person.last_name,
            "Email": person.mailboxes["salesforce"].email,
            "AccountId": person.company.record_ids.get("salesforce"),
            "Customer_Number__c": f"C-{number:05}",
            "OwnerId": self._random.choice(self._owners),
        }
        record = self._add("Contact", created, modified, fields)
        self._book.person_record(person, "salesforce", "Contact", record.record_id)

    def hard_contact(
        self, person: Person, company: Company, created: datetime, modified: datetime, known: dict[str, str | None]
    ) -> Record:
        """Add a contact as it is declared: name, email, phone and mobile_phone."""
        first, _, last = str(known["name"]).partition(" ")
        fields = {
            "FirstName": first,
            "LastName": last,
            "Email": known["email"],
            "Phone": known["phone"],
            "MobilePhone": known["mobile_phone"],
            "AccountId": company.record_ids.get("salesforce"),
            "Customer_Number__c": f"C-{len(self.tables['Contact']) + 1:05}",
            "OwnerId": self._owners[0],
        }
        record = self._add("Contact", created, modified, fields)
        self._book.person_record(person, "salesforce", "Contact", record.record_id)
        return record

    def _business(self) -> None:
        """Leads, cases and opportunities of the first contacts: one lead is converted, half of the rest is closed."""
        for number, contact in enumerate(self.tables["Contact"][:4]):
            at, done = self._start + timedelta(days=10 * number), number % 2 == 0
            account, owner = contact.fields["AccountId"], self._owners[0]
            name = {"FirstName": contact.fields["FirstName"], "LastName": contact.fields["LastName"]}
            lead = name | {"Company": "Nordlicht", "Email": contact.fields["Email"], "Status": "Open", "OwnerId": owner}
            if number == 0:
                converted = {"ConvertedContactId": contact.record_id, "ConvertedAccountId": account}
                lead |= {
                    "Status": "Closed - Converted",
                    "IsConverted": True,
                    "ConvertedDate": f"{at:%Y-%m-%d}",
                } | converted
            self._add("Lead", at, at, lead)
            case = {
                "CaseNumber": f"{1000 + number:08}",
                "Subject": "Question about the invoice",
                "Status": "Closed" if done else "Working",
                "Origin": "Email",
                "IsClosed": done,
                "ClosedDate": stamp(at) if done else None,
                "ContactId": contact.record_id,
                "AccountId": account,
                "OwnerId": owner,
            }
            self._add("Case", at, at, case)
            opportunity = {
                "Name": f"Renewal {number + 1}",
                "StageName": "Closed Won" if done else "Proposal",
                "CloseDate": f"{at:%Y-%m-%d}",
                "Amount": 1200.5 + number,
                "IsClosed": done,
                "IsWon": done,
                "AccountId": account,
                "OwnerId": owner,
            }
            self._add("Opportunity", at, at, opportunity)

    def _survey(self, survey: Survey) -> None:
        fields = {"Name": survey.name, "DeveloperName": survey.name.lower().replace(" ", "_"), "SurveyType": "SURVEY"}
        record = self._add("Survey", self._start, self._start, fields)
        version = {"Name": survey.name, "SurveyId": record.record_id, "VersionNumber": 1, "SurveyStatus": "Active"}
        version_id = self._add("SurveyVersion", self._start, self._start, version).record_id
        record.fields["ActiveVersionId"] = version_id
        self._surveys[survey.key], self._versions[survey.key] = record.record_id, version_id
        for order, (kind, text) in enumerate(QUESTIONS[survey.key], start=1):
            question = {
                "Name": text,
                "QuestionName": text,
                "DeveloperName": f"{survey.key.replace('-', '_')}_{order}",
                "QuestionType": kind,
                "QuestionOrder": order,
                "SurveyVersionId": version_id,
                "IsDeprecated": False,
            }
            record = self._add("SurveyQuestion", self._start, self._start, question)
            self._questions[survey.key, kind] = record.record_id

    def _invitation(self, invitation: Invitation) -> None:
        person, survey, at = invitation.person, invitation.survey, invitation.invited_at
        contact = person.record_ids["salesforce"] if person else None
        fields = {
            "Name": f"{survey.name} invitation",
            "SurveyId": self._surveys[survey.key],
            "ParticipantId": contact,
            "ContactId": contact,
            "ResponseStatus": "NotStarted",
            "IsDefault": person is None,
            "InviteExpiryDateTime": stamp(at + timedelta(days=30)) if person else None,
            "OptionsAllowGuestUserResponse": True,
            "OptionsCollectAnonymousResponse": person is None,
            "OwnerId": self._owners[0],
            "UUID": self._uuid(),
        }
        record = self._add("SurveyInvitation", at, at, fields)
        self._invitations[invitation.key] = record
        account = person.company.record_ids.get("salesforce") if person else None
        if account:
            subject = {
                "Name": "Account",
                "ParentId": record.record_id,
                "SurveyInvitationId": record.record_id,
                "SurveyId": self._surveys[survey.key],
                "SubjectId": account,
                "SubjectEntityType": "Account",
            }
            self._add("SurveySubject", at, at, subject)

    def _stored(self, answer: Answer) -> None:
        if answer.survey.stream == surveys.QUESTION_STREAM:
            self._survey_answer(answer)
        if answer.survey.stream == surveys.NPS_OBJECT:
            self.nps_record(answer, answer.survey, answer.responded_at, answer.comment)
        for copied in answer.copies:
            if copied.system == "salesforce":
                later = answer.responded_at + timedelta(seconds=copied.seconds_later)
                self.nps_record(answer, surveys.LOYALTY, later, copied.comment)

    def _survey_answer(self, answer: Answer) -> None:
        survey, at = answer.survey, answer.recorded_at
        invitation = self._invitations[answer.invitation.key] if answer.invitation else None
        partial = answer.flaw == "partial"
        fields = {
            "Name": f"{answer.person.first_name} {answer.person.last_name}" if answer.person else "Guest",
            "SurveyId": self._surveys[survey.key],
            "SurveyVersionId": self._versions[survey.key],
            "InvitationId": invitation.record_id if invitation else None,
            "SubmitterId": answer.person.record_ids["salesforce"] if answer.person else None,
            "Status": "Started" if partial else "Completed",
            "CompletionDateTime": None if partial else stamp(answer.responded_at),
            "Language": LANGUAGES[answer.language],
            "InterviewGuid": self._uuid(),
        }
        response = self._add("SurveyResponse", at, at, fields)
        if invitation and answer.person:
            invitation.fields["ResponseStatus"] = fields["Status"]
            invitation.modified = max(invitation.modified, at)
        rows = {kind: self._row(answer, response, kind) for kind, _ in QUESTIONS[survey.key]}
        others = [RecordRef("salesforce", "SurveyResponse", response.record_id)]
        for kind, row in rows.items():
            ref = RecordRef("salesforce", surveys.QUESTION_STREAM, row.record_id)
            if kind == "FreeText":
                others.append(ref)
            if kind != "NPS":
                reason = "not_nps" if kind == "FreeText" else "other_metric"
                self._book.no_answer(ref, reason, f"{answer.key}-{kind.lower()}", answer.person)
        nps = RecordRef("salesforce", surveys.QUESTION_STREAM, rows["NPS"].record_id)
        self._book.response(answer, nps, carried_by=others)
        if not partial and answer.invitation and answer.person:
            self._answered_by[answer.invitation.key] = nps

    def _row(self, answer: Answer, response: Record, kind: str) -> Record:
        value: int | None = None
        text: str | None = None
        if kind == "NPS" and answer.value is not None:
            value, text = int(answer.value), answer.value
        elif kind == "Rating":
            value = self._random.randint(1, 5)
            text = str(value)
        elif kind == "FreeText":
            text = answer.comment
        fields = {
            "QuestionId": self._questions[answer.survey.key, kind],
            "ResponseId": response.record_id,
            "InvitationId": response.fields["InvitationId"],
            "SurveyVersionId": response.fields["SurveyVersionId"],
            "Datatype": "String" if kind == "FreeText" else "Number",
            "NumberValue": value,
            "ResponseShortText": text,
            "ResponseValue": text,
            "IsTrueOrFalse": False,
        }
        return self._add("SurveyQuestionResponse", answer.recorded_at, answer.recorded_at, fields)

    def nps_record(self, answer: Answer, survey: Survey, responded_at: datetime, comment: str | None) -> None:
        """Add a record of the custom NPS object; its person's contact has to be there."""
        number = len(self.tables[surveys.NPS_OBJECT]) + 1
        person = answer.person
        fields = {
            "Name": f"NPS-{number:05}",
            "Score__c": float(answer.value) if answer.value else None,
            "Comment__c": comment,
            "Contact__c": person.record_ids["salesforce"] if person else None,
            "Account__c": person.company.record_ids.get("salesforce") if person else None,
            "Responded_At__c": stamp(responded_at),
            "Survey__c": survey.name,
            "Survey_Type__c": survey.survey_type,
            "Channel__c": survey.channel,
            "Touchpoint__c": survey.touchpoint,
            "Language__c": answer.language,
            "External_Id__c": f"nps-{number:05}",
            "OwnerId": self._owners[0],
        }
        at = max(answer.recorded_at, responded_at)
        record = self._add(surveys.NPS_OBJECT, at, at, fields)
        ref = RecordRef("salesforce", surveys.NPS_OBJECT, record.record_id)
        self._book.response(answer, ref, responded_at=responded_at, comment=comment)

    def _invitation_truth(self, invitation: Invitation) -> InvitationTruth:
        record = self._invitations[invitation.key]
        return InvitationTruth(
            ref=RecordRef("salesforce", "SurveyInvitation", record.record_id),
            person=invitation.person.key if invitation.person else None,
            survey=invitation.survey.key,
            invited_at=iso(invitation.invited_at),
            answered_by=self._answered_by.get(invitation.key),
        )

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))


def stamp(moment: datetime) -> str:
    """A date and time as Salesforce writes it: 2026-03-01T09:30:00.000+0000."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
