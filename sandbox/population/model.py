"""The people, companies, surveys and answers that the CRMs are filled from. How a CRM stores them is said elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

System = Literal["salesforce", "hubspot", "zendesk", "files"]
Language = Literal["de", "en"]

SYSTEMS: tuple[System, ...] = ("salesforce", "hubspot", "zendesk")


@dataclass(slots=True)
class Company:
    """A customer company; ``systems`` are the CRMs that know it."""

    key: str
    name: str
    legal_form: str
    domain: str
    language: Language
    segment: str
    bias: float
    systems: frozenset[System]
    record_ids: dict[System, str] = field(default_factory=dict)


@dataclass(slots=True)
class Mailbox:
    """How one CRM knows a person: the e-mail as it is spelled there (None: not stored), and a stored Salesforce id."""

    email: str | None
    linked: bool


@dataclass(slots=True)
class Person:
    """A contact person; ``mailboxes`` has one entry per CRM that knows the person."""

    key: str
    first_name: str
    last_name: str
    language: Language
    company: Company
    mailboxes: dict[System, Mailbox]
    record_ids: dict[System, str] = field(default_factory=dict)

    @property
    def email(self) -> str | None:
        """The address the person answers surveys from: the first one stored anywhere, in lower case."""
        known = [mailbox.email for mailbox in self.mailboxes.values() if mailbox.email]
        return known[0].lower() if known else None


@dataclass(frozen=True, slots=True)
class Survey:
    """A survey as one CRM runs it. ``metric`` other than NPS: its answers are another metric."""

    key: str
    system: System
    stream: str
    name: str
    survey_type: Literal["relational", "transactional"]
    channel: str
    touchpoint: str
    base_nps: float
    metric: Literal["NPS", "CSAT"] = "NPS"


@dataclass(slots=True)
class Invitation:
    """Somebody was asked; ``person`` None is a link that anybody may use."""

    survey: Survey
    person: Person | None
    invited_at: datetime
    key: str = ""


@dataclass(slots=True)
class Copy:
    """The same answer once more, in another system: seconds later, and the comment in another spelling."""

    system: System
    seconds_later: int
    comment: str | None


@dataclass(slots=True)
class Answer:
    """One answer. ``value`` is the score as its field holds it; ``flaw`` names what is wrong with it, if anything.

    ``recorded_at`` is when the CRM stored it, which a wrong ``responded_at`` does not change.
    """

    survey: Survey
    person: Person | None
    language: Language
    recorded_at: datetime
    responded_at: datetime
    score: int | None
    value: str | None
    comment: str | None
    invitation: Invitation | None = None
    flaw: str | None = None
    copies: list[Copy] = field(default_factory=list)
    key: str = ""
