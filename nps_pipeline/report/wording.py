"""How the report writes numbers, dates and labels: one place for each format. No HTML and no data access here."""

from __future__ import annotations

from datetime import date, datetime

MINUS = "\N{MINUS SIGN}"
NARROW_SPACE = "\N{NARROW NO-BREAK SPACE}"
# Not strftime: its month names follow the locale of the process.
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
SPELLINGS = {
    "api": "API",
    "ces": "CES",
    "crm": "CRM",
    "csat": "CSAT",
    "hubspot": "HubSpot",
    "id": "ID",
    "ivr": "IVR",
    "nps": "NPS",
    "qr": "QR",
    "sms": "SMS",
    "surveymonkey": "SurveyMonkey",
    "whatsapp": "WhatsApp",
}


def number(value: int) -> str:
    """A count with a thousands separator: 13612 -> 13,612."""
    return f"{value:,}"


def nps(value: float) -> str:
    """NPS points with their sign and one decimal: 53.4161 -> +53.4; zero has no sign."""
    text = f"{abs(value):.1f}"
    if text == "0.0":
        return text
    return ("+" if value > 0 else MINUS) + text


def interval(low: float, high: float) -> str:
    """The two ends of an interval in NPS points: +52.3 to +54.5."""
    return f"{nps(low)} to {nps(high)}"


def percent(share: float) -> str:
    """A share (0 to 1) as a percentage with one decimal: 0.0877 -> 8.8 %."""
    return f"{100 * share:.1f}{NARROW_SPACE}%"


def label(code: str | None) -> str:
    """A code of the mart as a reader would write it: web_popup -> Web popup, sms -> SMS."""
    words = [SPELLINGS.get(word, word) for word in (code or "unknown").replace("_", " ").split()]
    text = " ".join(words)
    return text if words and words[0] in SPELLINGS.values() else text[:1].upper() + text[1:]


def day(value: date) -> str:
    """A calendar day: 3 March 2026."""
    return f"{value.day} {MONTHS[value.month - 1]} {value.year}"


def month(value: date) -> str:
    """A calendar month: Mar 2026."""
    return f"{MONTHS[value.month - 1][:3]} {value.year}"


def moment(value: datetime) -> str:
    """A point in time, in the time zone it carries: 3 March 2026, 14:05."""
    return f"{day(value)}, {value:%H:%M}"


def plural(count: int, singular: str, more: str | None = None) -> str:
    """A count with its noun: 1 answer, 1,204 answers."""
    return f"{number(count)} {singular if count == 1 else more or singular + 's'}"
