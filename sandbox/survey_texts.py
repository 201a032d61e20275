"""Invented names and comments for the survey files of the sandbox. Who answers what is in ``survey_exports``."""

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = (
    "Anna", "Ben", "Chiara", "David", "Elif", "Femke", "Georg", "Hanna", "Ines", "Jonas", "Katja", "Lena", "Mikkel",
    "Nora", "Oskar", "Paula", "Quentin", "Rosa", "Stefan", "Tilda", "Umut", "Vera", "Wanda", "Yann", "Zoe",
)  # fmt: skip
LAST_NAMES: Final = (
    "Albers", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "Greve", "Hansen", "Ivanova", "Jansen", "Keller",
    "Lindqvist", "Moreau", "Neumann", "Olsen", "Peeters", "Quist", "Roth", "Santos", "Thiel",
)  # fmt: skip

COMMENTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "promoter": {
        "en": (
            "Fast delivery and a friendly team.",
            "Works every time, I would buy again.",
            "Great advice on the phone.",
        ),
        "de": ("Schnelle Lieferung, sehr freundlich.", "Alles großartig, gerne wieder!", "Tolle Beratung, weiter so."),
        "fr": (
            "Le personnel est très agréable, même le dimanche.",
            "Grâce à vos conseils mon jardin a retrouvé sa fraîcheur.",
            "Épicerie bien rangée, prix corrects : j'ai payé 15€ au lieu de 20€.",
            "Choix étonnant à Noël, bravo !",
            "Où trouver mieux ? Nulle part, c'est sûr.",
        ),
    },
    "passive": {
        "en": ("Good, but the parcel came a day late.", "Fine overall.", "The app could be quicker."),
        "de": ("Ganz gut, aber etwas langsam.", "In Ordnung, könnte günstiger sein.", "Größe fiel kleiner aus."),
        "fr": (
            "Assez bien, mais l'accueil pourrait être plus chaleureux.",
            "La caisse était lente… dommage.",
            "Produits de qualité, parking un peu étroit à côté.",
        ),
    },
    "detractor": {
        "en": ("Nobody answered my complaint.", "Arrived broken, twice.", "Too expensive for what it is."),
        "de": (
            "Niemand hat sich gemeldet.",
            "Zweimal beschädigt angekommen, ärgerlich.",
            "Viel zu teuer für das Gebotene.",
        ),
        "fr": (
            "Très déçu, la boîte était abîmée et personne pour m'aider.",
            "CAISSE FERMÉE, SERVICE TRÈS LENT.",
            "Ça fait trois fois que je réclame, j'ai dû partir sans réponse.",
            "Prix trop élevés, goût médiocre.",
        ),
    },
}
