# ruff: noqa: RUF001 - look-alike signs are the subject here
"""Where the letters and signs of Western European text usually stand. What bytes mean is decided in ``repair``.

A grade says how well a character fits a place: NEVER, POSSIBLE, USUAL, or CERTAIN where nothing else fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

NEVER: Final = 0
POSSIBLE: Final = 1
USUAL: Final = 2
CERTAIN: Final = 3

LOWER: Final = "a"
UPPER: Final = "A"
DIGIT: Final = "0"
BLANK: Final = " "
OTHER: Final = "."
OPEN: Final = "?"
"""A neighbour that may be a letter or a sign: an undecided byte."""

_LETTER: Final = (LOWER, UPPER)
_OUTSIDE: Final = (BLANK, OTHER)
_NOT_LETTERS: Final = frozenset("ªºµƒˆ")
_RARE: Final = frozenset("ÐðÞþÝýıÿŸ")
_RARE_CAPITALS: Final = frozenset("ÁÍÓÚÌÒÙÃÕŠŽ")
_ONE_LETTER_WORDS: Final = {
    "à": USUAL, "À": USUAL, "è": POSSIBLE, "é": POSSIBLE, "ó": POSSIBLE, "á": POSSIBLE, "å": POSSIBLE, "ö": POSSIBLE,
    "ø": POSSIBLE, "È": USUAL, "É": POSSIBLE, "Ô": POSSIBLE, "ô": POSSIBLE,
}  # fmt: skip

# Where a word begins with this letter: the letters that usually follow, and the grade before any other.
_BEGINS: Final[Mapping[str, tuple[str, int]]] = {
    "ê": ("t", POSSIBLE), "î": ("l", NEVER), "ô": ("t", POSSIBLE), "Œ": ("uidUID", POSSIBLE),
    **dict.fromkeys("àèëïùûñòìõ", ("", POSSIBLE)),
}  # fmt: skip
# The same inside a word.
_INSIDE: Final[Mapping[str, tuple[str, int]]] = {
    "à": ("", NEVER), "ù": ("", POSSIBLE), "ì": ("", POSSIBLE), "õ": ("e", POSSIBLE), "Ô": ("LMNT", POSSIBLE),
}  # fmt: skip
# Where a word ends with this letter: the unaccented letters that usually stand before it, the grade after any other.
_ENDS: Final[Mapping[str, tuple[tuple[str, ...], int]]] = {
    "à": (("l", "j", "dej", "voil", "del", "cel", "hol", "gi"), POSSIBLE),
    "û": (("d", "cr", "m", "rec"), POSSIBLE),
    "ù": (("o", "pi", "gi", "cos"), POSSIBLE),
    "õ": ((), NEVER),
    **dict.fromkeys("âçêîñôöæø", ((), POSSIBLE)),
}
_ELIDED: Final = frozenset({"c", "d", "j", "l", "m", "n", "s", "t", "jourd"})
_CONTRACTED: Final = frozenset({"s", "t", "ll", "re", "ve", "m", "d"})
_UNITS_WITH_MICRO: Final = tuple("gFlmsVW")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a character stands: the kinds of its two neighbours, and the text before and after it."""

    left: str
    right: str
    before: str
    after: str

    @property
    def inside(self) -> bool:
        """Between two letters."""
        return self.left in _LETTER and self.right in _LETTER

    @property
    def ends_a_word(self) -> bool:
        """After a letter and before none."""
        return self.left in _LETTER and self.right in _OUTSIDE

    @property
    def alone(self) -> bool:
        """Without a letter or digit on either side."""
        return self.left in _OUTSIDE and self.right in _OUTSIDE


def is_letter(char: str) -> bool:
    """Whether a character is a letter of a word; ordinal and micro signs are not."""
    return char.isalpha() and char not in _NOT_LETTERS


def kind_of(char: str) -> str:
    """The kind of a decoded character as a neighbour; the end of the text and a quote around a cell count as blanks."""
    if is_letter(char):
        return UPPER if char.isupper() else LOWER
    if char.isdecimal():
        return DIGIT
    return BLANK if not char or char.isspace() or char == '"' else OTHER


def grade(char: str, place: Place) -> int:
    """How well a character fits a place; characters that Western text does not use fit nowhere."""
    if is_letter(char):
        best = NEVER if char in _RARE else POSSIBLE if char in _RARE_CAPITALS else USUAL
        return min(best, _capital(char, place) if char.isupper() else _small(char, place))
    return _SIGNS[char](place) if char in _SIGNS else NEVER


def stem(text: str) -> str:
    """The last two letters of a word, in lower case; a blank stands for what a shorter one does not have."""
    cut = len(text)
    while cut > max(0, len(text) - 2) and text[cut - 1].isalpha():
        cut -= 1
    return text[cut:].lower().rjust(2)


def _letters_at_the_end(text: str) -> str:
    cut = len(text)
    while cut and text[cut - 1].isascii() and text[cut - 1].isalpha():
        cut -= 1
    return text[cut:].lower()


def _leading_letters(text: str) -> str:
    cut = 0
    while cut < len(text) and text[cut].isalpha():
        cut += 1
    return text[:cut].lower()


# --- letters ---------------------------------------------------------------------------------------------------------


def _capital(char: str, place: Place) -> int:
    if place.alone:
        return _one_letter_word(char, place)
    if place.left == LOWER or (place.left == DIGIT and place.right not in _LETTER):
        return NEVER
    if place.left == DIGIT or (place.left == UPPER and place.right == LOWER):
        return POSSIBLE
    return _followed(_INSIDE if UPPER in (place.left, place.right) else _BEGINS, char, place)


def _small(char: str, place: Place) -> int:
    if place.alone:
        return _one_letter_word(char, place)
    if place.right == UPPER:
        return POSSIBLE if place.left in _LETTER else NEVER
    if place.inside:
        return _followed(_INSIDE, char, place)
    if place.left in _LETTER:
        return _at_the_end(char, place)
    if place.left == DIGIT:
        return USUAL if char in "èé" else POSSIBLE
    return _followed(_BEGINS, char, place)


def _one_letter_word(char: str, place: Place) -> int:
    word_follows = place.right == BLANK and place.after[1:2].isalnum()
    return _ONE_LETTER_WORDS.get(char, NEVER) if word_follows else NEVER


def _followed(table: Mapping[str, tuple[str, int]], char: str, place: Place) -> int:
    following, elsewhere = table.get(char, ("", USUAL))
    return USUAL if place.after[:1] in tuple(following) else elsewhere


def _at_the_end(char: str, place: Place) -> int:
    in_capitals = place.left == UPPER and is_letter(place.before[-2:-1] or BLANK)
    stems, elsewhere = _ENDS.get(char, ((), USUAL))
    if in_capitals:
        return POSSIBLE
    return USUAL if _letters_at_the_end(place.before) in stems else elsewhere


# --- signs -----------------------------------------------------------------------------------------------------------


def _opening(place: Place) -> int:
    return USUAL if place.left in _OUTSIDE and place.right in (LOWER, UPPER, DIGIT) else NEVER


def _closing(place: Place) -> int:
    return USUAL if place.left != BLANK and place.right in _OUTSIDE else NEVER


def _quote(place: Place) -> int:
    return max(_opening(place), _closing(place), POSSIBLE if place.alone else NEVER)


def _guillemet(place: Place, attached: Callable[[Place], int]) -> int:
    return USUAL if place.left == BLANK and place.right == BLANK else attached(place)


def _apostrophe(place: Place, inside: int) -> int:
    if not place.inside:
        return max(POSSIBLE, _closing(place))
    stem = _letters_at_the_end(place.before)
    elided = stem in _ELIDED or stem.endswith("qu") or _leading_letters(place.after) in _CONTRACTED
    return CERTAIN if elided else inside


def _dash(place: Place) -> int:
    return USUAL if place.alone or (place.left == DIGIT and place.right == DIGIT) else POSSIBLE


def _ellipsis(place: Place) -> int:
    if place.alone and place.right == BLANK and place.after[1:2].isalnum():
        return POSSIBLE
    return USUAL if place.right in _OUTSIDE or place.left == BLANK else POSSIBLE


def _mark(place: Place, alone: int = NEVER, attached: int = USUAL) -> int:
    if place.alone:
        return alone
    return attached if place.left in (LOWER, UPPER, DIGIT) and place.right in _OUTSIDE else NEVER


def _money(place: Place) -> int:
    if DIGIT in (place.left, place.right) or place.before[-2:-1].isdecimal() or place.after[1:2].isdecimal():
        return USUAL
    return POSSIBLE if place.alone else NEVER


def _after_digit(place: Place) -> int:
    return USUAL if place.left == DIGIT else NEVER


def _degree(place: Place) -> int:
    numero = place.before[-1:] in ("n", "N") and place.after.lstrip()[:1].isdecimal()
    return USUAL if numero else _after_digit(place)


def _superscript(place: Place) -> int:
    return USUAL if place.before[-1:] == "m" and place.right in _OUTSIDE else NEVER


def _section(place: Place) -> int:
    return USUAL if place.left not in _LETTER and place.after.lstrip()[:1].isdecimal() else POSSIBLE


def _number(place: Place) -> int:
    return USUAL if place.left in (BLANK, DIGIT) and place.right not in _LETTER else NEVER


def _hard_blank(place: Place) -> int:
    if place.after[:1] in tuple(":;!?»%€"):
        return CERTAIN
    return USUAL if place.left == DIGIT or place.before[-1:] == "«" else POSSIBLE


def _soft_hyphen(_: Place) -> int:
    return POSSIBLE


def _bullet(place: Place) -> int:
    return USUAL if place.left == BLANK and place.right == BLANK else NEVER


def _micro(place: Place) -> int:
    unit = place.after[:1] in _UNITS_WITH_MICRO and not place.after[1:2].isalpha()
    return USUAL if unit and place.left in (BLANK, DIGIT) else NEVER


_SIGNS: Final[Mapping[str, Callable[[Place], int]]] = {
    **dict.fromkeys("„‚‹¿¡", _opening),
    "›": _closing,
    **dict.fromkeys("“”‘", _quote),
    "«": partial(_guillemet, attached=_opening),
    "»": partial(_guillemet, attached=_closing),
    "’": partial(_apostrophe, inside=USUAL),
    "´": partial(_apostrophe, inside=NEVER),
    **dict.fromkeys("–—", _dash),
    "…": _ellipsis,
    **dict.fromkeys("™®", _mark),
    "©": partial(_mark, alone=USUAL),
    **dict.fromkeys("†‡", partial(_mark, alone=POSSIBLE, attached=POSSIBLE)),
    **dict.fromkeys("€£¢¥", _money),
    **dict.fromkeys("‰ª", _after_digit),
    **dict.fromkeys("°º", _degree),
    **dict.fromkeys("²³", _superscript),
    "§": _section,
    **dict.fromkeys("±×÷½¼¾", _number),
    "\u00a0": _hard_blank,
    "\u00ad": _soft_hyphen,
    **dict.fromkeys("•·", _bullet),
    "µ": _micro,
}
