"""How survey questions are worded: the recommend question, the question for a reason, a stated scale. No columns."""

from __future__ import annotations

import re
from typing import Final

# Both words of a language must be in the question, in either order: what is asked, and how likely it is.
_RECOMMEND: Final[dict[str, tuple[str, str]]] = {
    "en": (r"how likely|likelihood|how probable", r"recommend|suggest|refer\b"),
    "de": (r"wie wahrscheinlich|wahrscheinlichkeit|wie gro(?:ß|ss) ist die bereitschaft", r"empfehl|empfiehl"),
    "fr": (r"probab|vraisembl|susceptible|dans quelle mesure|à quel point", r"recommand"),
    "es": (r"probab|en qu[ée] medida|qu[ée] tan dispuest", r"recom[ie]e?nd"),
    "it": (r"probab|dispost", r"consigli|raccomand"),
    "nl": (r"waarschijnlijk|in hoeverre|in welke mate", r"aanbev|aanbeveel|aanra[ad]"),
    "pt": (r"prov[áa]ve|probab|em que medida", r"recomend"),
    "sv": (r"sannolik|troligt", r"rekommender"),
    "da": (r"sandsynlig", r"anbefal"),
    "no": (r"sannsynlig|trolig", r"anbefal"),
    "pl": (r"prawdopodob|skłonn", r"polec"),
    "fi": (r"todennäköi", r"suosittel"),
    "cs": (r"pravděpodob", r"doporuč"),
    "hu": (r"valószín", r"ajánl"),
    "ro": (r"probab", r"recomand"),
    "tr": (r"olas|ihtimal", r"tavsiye|öner"),
    "ru": (r"вероят", r"рекоменд|посовет"),
}
_REASON: Final[dict[str, str]] = {
    "en": r"\bwhy\b|reason|what (?:could|can) we|how can we|tell us more|anything else|"
    r"\bcomments\b|your comment|a comment|feedback|explain",
    "de": r"warum|weshalb|wieso|\bgr(?:und|ünde)|begründ|was können wir|kommentar|anmerkung|rückmeldung|verbessern",
    "fr": r"pourquoi|raison|expliqu|comment pouvons|comment pourrions|commentaire|améliorer|remarque",
    "es": r"por ?qué|raz[óo]n|motivo|comentario|mejorar",
    "it": r"perch[ée]|motiv|ragion|commento|migliorare",
    "nl": r"waarom|reden|toelicht|opmerking|verbeteren",
    "pt": r"por ?qu[eê]|raz[ãa]o|motivo|coment[áa]rio|melhorar",
    "sv": r"varför|anledning|orsak|kommentar|förbättra",
    "da": r"hvorfor|årsag|grund|kommentar|forbedre",
    "no": r"hvorfor|årsak|grunn|kommentar|forbedre",
    "pl": r"dlaczego|pow[óo]d|komentarz|uzasadn|popraw",
    "fi": r"miksi|\bsyy\b|perust|kommentti|parantaa",
    "cs": r"proč|důvod|komentář|zlepšit",
    "hu": r"miért|indok|megjegyzés|javít",
    "ro": r"de ce\b|motiv|comentari|îmbunătăți",
    "tr": r"\bneden(?:i|iniz)?\b|yorum|geliştir",
    "ru": r"почему|причин|комментари|улучш",
}
_TO: Final = r"(?:-|–|—|\bto\b|\bbis\b|\bà\b|\bal?\b|\baté\b|\bdo\b|\bдо\b|\btot\b|\btill?\b)"  # noqa: RUF001
_SCALE: Final = re.compile(rf"(?<![\d.])(\d{{1,2}})\s*(?:\([^)]*\)\s*)?{_TO}\s*(\d{{1,3}})(?![\d.])")
_LARGEST_SCALE: Final = 100
_WORD_BREAK: Final = re.compile(r"<[^>]*>|\s+")

_RECOMMEND_PATTERNS: Final = tuple(
    (re.compile(likely), re.compile(recommend)) for likely, recommend in _RECOMMEND.values()
)
_REASON_PATTERN: Final = re.compile("|".join(_REASON.values()))


def plain(text: str) -> str:
    """A question without HTML tags and with single blanks, in its own case."""
    return " ".join(_WORD_BREAK.sub(" ", text).split())


def asks_to_recommend(question: str) -> bool:
    """Whether a question asks how likely a recommendation is; the scale 0 to 10 in the question is evidence as well."""
    text, scaled = plain(question).casefold(), stated_scale(question) == (0, 10)
    return any(recommend.search(text) and (scaled or likely.search(text)) for likely, recommend in _RECOMMEND_PATTERNS)


def asks_for_a_reason(question: str) -> bool:
    """Whether a question asks for the reason of a score, or for a comment."""
    return bool(_REASON_PATTERN.search(plain(question).casefold()))


def stated_scale(question: str) -> tuple[int, int] | None:
    """The scale that a question states itself ("from 1 to 5"), None where it states none."""
    for match in _SCALE.finditer(plain(question).casefold()):
        low, high = int(match[1]), int(match[2])
        if low in (0, 1) and low < high <= _LARGEST_SCALE:
            return low, high
    return None
