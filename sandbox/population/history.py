"""A year of invitations and answers: who was asked, who answered what, and what went wrong with some of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from sandbox.population import surveys
from sandbox.population.comments import Category, draw_comment
from sandbox.population.model import Answer, Copy, Invitation, Language, Person, Survey, System

DAYS = 365
IMPROVEMENT = 16.0  # NPS points from the first day to the last
PASSIVE_SHARE = 0.27
SCORES: dict[Category, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "promoter": ((9, 10), (5, 6)),
    "passive": ((7, 8), (4, 6)),
    "detractor": ((0, 1, 2, 3, 4, 5, 6), (3, 1, 2, 4, 5, 9, 12)),
}


@dataclass(frozen=True)
class Campaign:
    """How often (``rounds`` a year) a survey is put to a person whom its CRM knows, and how likely an answer is."""

    survey: Survey
    system: System
    rounds: int
    asked: float
    answered: float


CAMPAIGNS = (
    Campaign(surveys.LOYALTY, "hubspot", 2, 0.95, 0.36),
    Campaign(surveys.PURCHASE, "hubspot", 2, 0.55, 0.30),
    Campaign(surveys.SATISFACTION, "hubspot", 1, 0.45, 0.40),
    Campaign(surveys.ONBOARDING, "salesforce", 1, 0.45, 0.50),
    Campaign(surveys.PRODUCT, "salesforce", 1, 0.30, 0.45),
    Campaign(surveys.CALLS, "salesforce", 1, 0.20, 0.70),
    Campaign(surveys.RENEWAL, "salesforce", 1, 0.30, 0.60),
    Campaign(surveys.TICKETS, "zendesk", 3, 0.65, 0.38),
)


@dataclass(frozen=True)
class Flaw:
    """Something wrong with the first answers of a survey: how many, and what their score field then holds.

    ``name`` is a reason of the mart's closed list, or says what the record lacks.
    """

    name: str
    survey: Survey
    values: tuple[str | None, ...]


# Where a field is numeric in its CRM it cannot hold words: those stand in the Zendesk text field only.
FLAWS = (
    Flaw("score_out_of_scale", surveys.LOYALTY, ("11", "-1")),
    Flaw("score_blank", surveys.LOYALTY, (None, "")),
    Flaw("score_blank", surveys.ONBOARDING, (None,)),
    Flaw("score_out_of_scale", surveys.RENEWAL, ("11", "100")),
    Flaw("score_not_whole", surveys.RENEWAL, ("8.5",)),
    Flaw("score_blank", surveys.CALLS, (None,)),
    Flaw("score_not_a_number", surveys.TICKETS, ("ten", "10/10")),
    Flaw("score_out_of_scale", surveys.TICKETS, ("11",)),
    Flaw("score_not_available", surveys.TICKETS, ("n/a",)),
)
# Flaws that leave the score alone: name, survey, number of answers.
OTHER_FLAWS = (
    ("responded_at_in_future", surveys.PURCHASE, 2),
    ("responded_before_invited", surveys.PRODUCT, 2),
    ("partial", surveys.ONBOARDING, 3),
    ("anonymous", surveys.PURCHASE, 6),
)
ANONYMOUS_LINKS = ((surveys.PRODUCT, 7),)


class History:
    """Draws the history from one random stream, day by day up to the end of yesterday."""

    def __init__(self, random: Random, today: date) -> None:
        self._random = random
        self.end = datetime.combine(today, time(), UTC)
        self.start = self.end - timedelta(days=DAYS)
        self._weather = [random.gauss(0, 6) for _ in range(13)]  # a mood for each month

    def draw(self, people: Iterable[Person]) -> tuple[list[Invitation], list[Answer]]:
        """All invitations and answers, oldest first, flaws and copies included."""
        invitations: list[Invitation] = []
        answers: list[Answer] = []
        for person in people:
            for campaign in CAMPAIGNS:
                self._ask(person, campaign, invitations, answers)
        for survey, number in ANONYMOUS_LINKS:
            link = Invitation(survey, None, self.start)
            invitations.append(link)
            answers += [self._answer(survey, None, self._moment(0, 1), link) for _ in range(number)]
        invitations.sort(key=lambda invitation: invitation.invited_at)
        answers.sort(key=lambda answer: answer.responded_at)
        for number, invitation in enumerate(invitations, start=1):
            invitation.key = f"invitation-{number:04}"
        for number, answer in enumerate(answers, start=1):
            answer.key = f"answer-{number:04}"
        self._spoil(answers)
        self._copy(answers)
        return invitations, answers

    def _ask(self, person: Person, campaign: Campaign, invitations: list[Invitation], answers: list[Answer]) -> None:
        if campaign.system not in person.mailboxes:
            return
        for number in range(campaign.rounds):
            if self._random.random() >= campaign.asked:
                continue
            invitation = Invitation(campaign.survey, person, self._moment(number, campaign.rounds))
            invitations.append(invitation)
            if self._random.random() < campaign.answered:
                delay = timedelta(seconds=self._random.randint(300, 5 * 86_400))
                answers.append(self._answer(campaign.survey, person, invitation.invited_at + delay, invitation))

    def _moment(self, part: int, parts: int) -> datetime:
        """Some second in one of the equal parts of the year, at least six days before its end."""
        length = (DAYS - 6) * 86_400 // parts
        return self.start + timedelta(seconds=part * length + self._random.randrange(length))

    def _answer(self, survey: Survey, person: Person | None, responded_at: datetime, invitation: Invitation) -> Answer:
        language: Language = person.language if person else self._random.choice(("de", "en"))
        if survey.metric == "CSAT":
            rating = self._random.choices(("0", "1", "2"), (1, 2, 5))[0]
            return Answer(survey, person, language, responded_at, responded_at, None, rating, None, invitation)
        category = self._category(survey, person, responded_at)
        values, weights = SCORES[category]
        score = self._random.choices(values, weights)[0]
        comment = draw_comment(self._random, language, survey.touchpoint, category)
        return Answer(survey, person, language, responded_at, responded_at, score, str(score), comment, invitation)

    def _category(self, survey: Survey, person: Person | None, responded_at: datetime) -> Category:
        progress = (responded_at - self.start) / timedelta(days=DAYS)
        nps = survey.base_nps + IMPROVEMENT * (progress - 0.5) + self._weather[int(progress * 12) % 13]
        nps += person.company.bias if person else 0
        promoters = (1 - PASSIVE_SHARE + max(-60.0, min(70.0, nps)) / 100) / 2
        draw = self._random.random()
        if draw < promoters:
            return "promoter"
        return "passive" if draw < promoters + PASSIVE_SHARE else "detractor"

    def _spoil(self, answers: list[Answer]) -> None:
        sound = {survey.key: iter(_personal(answers, survey)) for survey in surveys.SURVEYS}
        for flaw in FLAWS:
            for value in flaw.values:
                answer = next(sound[flaw.survey.key])
                answer.flaw, answer.value, answer.score = flaw.name, value, None
        for name, survey, number in OTHER_FLAWS:
            for _ in range(number):
                self._spoil_other(next(sound[survey.key]), name)

    def _spoil_other(self, answer: Answer, flaw: str) -> None:
        answer.flaw = flaw
        if flaw == "responded_at_in_future":
            answer.responded_at = self.end + timedelta(days=self._random.randint(200, 600))
        elif flaw == "responded_before_invited" and answer.invitation:
            answer.responded_at = answer.invitation.invited_at - timedelta(days=self._random.randint(2, 20))
        elif flaw == "anonymous":
            answer.person, answer.flaw = None, None

    def _copy(self, answers: list[Answer]) -> None:
        """Store some loyalty answers a second and third time, within two minutes: the duplicates to be found."""
        loyal = [a for a in answers if a.survey is surveys.LOYALTY and a.flaw is None and a.person and a.person.email]
        for number, answer in enumerate(loyal):
            if number % 5 == 0:
                answer.copies.append(Copy("files", self._random.randint(5, 60), _respelled(answer.comment, number)))
            if number % 7 == 0 and answer.person and "salesforce" in answer.person.mailboxes:
                answer.copies.append(Copy("salesforce", self._random.randint(0, 50), answer.comment))
        called = [a for a in answers if a.survey is surveys.CALLS and a.flaw is None and a.person and a.person.email]
        for answer in called[::4]:
            answer.copies.append(Copy("files", self._random.randint(5, 60), answer.comment))


def near_misses(answers: Iterable[Answer]) -> list[Answer]:
    """Answers of the survey export that look like copies and are none: minutes later, or with another score."""
    loyal = [
        a
        for a in answers
        if a.survey is surveys.LOYALTY and a.flaw is None and not a.copies and a.person and a.person.email
    ]
    misses = []
    for answer in loyal[:5]:
        later = answer.responded_at + timedelta(minutes=10)
        misses.append(_exported(answer, later, answer.score))
    for answer in loyal[5:8]:
        other = answer.score - 1 if answer.score else 1
        misses.append(_exported(answer, answer.responded_at + timedelta(seconds=30), other))
    return misses


def _exported(answer: Answer, responded_at: datetime, score: int | None) -> Answer:
    return Answer(
        surveys.EXPORT,
        answer.person,
        answer.language,
        responded_at,
        responded_at,
        score,
        str(score),
        answer.comment,
        key=f"{answer.key}-near-miss",
    )


def _personal(answers: Iterable[Answer], survey: Survey) -> list[Answer]:
    return [answer for answer in answers if answer.survey is survey and answer.person is not None]


def _respelled(comment: str | None, number: int) -> str | None:
    """Another spelling that is the same once case and blanks are folded."""
    if comment is None:
        return None
    shouted = comment.upper()
    return f"{shouted} " if number % 2 and shouted.lower() == comment.lower() else comment.replace(" ", "  ")
