"""What people write beside their score, by language, touchpoint and category."""

from __future__ import annotations

from random import Random
from typing import Literal

from sandbox.population.model import Language

Category = Literal["promoter", "passive", "detractor"]

ANYWHERE: dict[Language, dict[Category, tuple[str, ...]]] = {
    "de": {
        "promoter": (
            "Sehr zufrieden, gerne wieder!",
            "Ich empfehle Sie schon jetzt überall weiter.",
            "Läuft seit Jahren zuverlässig, weiter so 👍",
            "Persönlicher Kontakt, schnelle Antworten.\nDanke!",
        ),
        "passive": (
            "Im Großen und Ganzen gut, Luft nach oben.",
            "Preis-Leistung ist okay, mehr nicht.",
            "Funktioniert; die Doku könnte besser sein.",
        ),
        "detractor": (
            "Viel zu teuer für das, was geboten wird.",
            "Seit dem letzten Update ständig Fehler.",
            "Keiner fühlt sich zuständig, ich wurde dreimal weitergereicht.",
            '"Wir melden uns" hieß es; das war vor vier Wochen.',
        ),
    },
    "en": {
        "promoter": (
            "Great product, would recommend to anyone.",
            "Your team is a pleasure to work with!",
            "Saves us hours every week 🎉",
            "Reliable, fast, friendly. Keep it up.",
        ),
        "passive": (
            "Does the job, nothing special.",
            "Good, but the price went up again.",
            "Decent overall; reporting feels dated.",
        ),
        "detractor": (
            "Too expensive, too slow.",
            "We're looking at alternatives, sorry.",
            "Promised features never came; very disappointing.",
            '"Next week" was three months ago.',
        ),
    },
}
AT_TOUCHPOINT: dict[str, dict[Language, dict[Category, tuple[str, ...]]]] = {
    "purchase": {
        "de": {
            "promoter": ("Bestellung war in zwei Minuten erledigt.", "Lieferung schneller als erwartet, prima."),
            "passive": ("Kauf ging, nur die Rechnung kam spät.",),
            "detractor": ("Falsche Ware geliefert, Rücksendung mühsam.", "Bezahlung dreimal abgebrochen."),
        },
        "en": {
            "promoter": ("Ordering took two minutes, perfect.", "Delivered a day early, thank you!"),
            "passive": ("Checkout is fine, invoice was late.",),
            "detractor": ("Wrong item delivered; returning it was painful.", "Payment failed three times."),
        },
    },
    "support": {
        "de": {
            "promoter": ("Frau Köhler hat sofort geholfen, großartig!", "Ticket nach einer Stunde gelöst."),
            "passive": ("Gelöst, aber erst nach Nachfrage.",),
            "detractor": ("Zwei Wochen auf Antwort gewartet.", "Nur Textbausteine, Problem besteht weiter."),
        },
        "en": {
            "promoter": ("Solved within the hour, brilliant.", "The agent really understood the problem."),
            "passive": ("Got there in the end.",),
            "detractor": ("Two weeks for a first reply.", "Canned answers only; the issue is still open."),
        },
    },
    "onboarding": {
        "de": {
            "promoter": ("Einführung war klar und gut vorbereitet.",),
            "passive": ("Schulung okay, etwas zu schnell.",),
            "detractor": ("Ohne Hilfe wären wir an der Einrichtung gescheitert.",),
        },
        "en": {
            "promoter": ("Set up in a day, excellent guidance.",),
            "passive": ("Training was fine, a bit rushed.",),
            "detractor": ("Set-up took six weeks and four consultants.",),
        },
    },
}
SILENT_SHARE = 0.4


def draw_comment(random: Random, language: Language, touchpoint: str, category: Category) -> str | None:
    """A comment that fits, or None: many people write nothing."""
    if random.random() < SILENT_SHARE:
        return None
    here = AT_TOUCHPOINT.get(touchpoint, {}).get(language, {}).get(category, ())
    return random.choice(ANYWHERE[language][category] + here)
