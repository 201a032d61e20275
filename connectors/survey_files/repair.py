"""Single bytes that mean one thing on Windows and another under DOS. Finding a file's encoding is in ``encoding``.

Some exports went through half a conversion: one cell holds Latin-1 or Windows-1252 bytes beside CP850 bytes, and no
codec reads both. Here each byte is read by its neighbours: a letter where the letters of a word surround it, a sign
where a sign stands (``typography``). A byte that could still be either is read as the same byte is read where its
neighbours leave no doubt in this file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from connectors.survey_files.typography import CERTAIN, NEVER, OPEN, USUAL, Place, grade, is_letter, kind_of, stem

Codec = Literal["cp1252", "cp850"]
Context = tuple[str, str, str]
"""The characters before a byte run, the run itself (as lone surrogates), the characters after it."""

BEFORE: Final = 5
AFTER: Final = 3
"""How many characters around a byte run are looked at."""

ESCAPED: Final = 0xDC00
"""Python's ``surrogateescape`` shows the undecodable byte b as the character U+DC00 + b."""

_WINDOWS: Final = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
# CP858 is CP850 with the euro sign in the place of the dotless i.
_DOS: Final = bytes(range(256)).decode("cp858")
_CODECS: Final[tuple[Codec, Codec]] = ("cp1252", "cp850")
_TABLES: Final[dict[Codec, str]] = {"cp1252": _WINDOWS, "cp850": _DOS}
UNDEFINED_ON_WINDOWS: Final = frozenset(byte for byte in range(0x80, 0xA0) if _WINDOWS[byte] == chr(byte))

# Letters that come together: a file that proves its ä and ü to be DOS bytes means ß, not á, by the byte that could be
# either.
_FAMILIES: Final = tuple(
    frozenset(letters) for letters in ("äöüßÄÖÜ", "áíóúñÁÍÓÚÑ", "ãõÃÕ", "åæøÅÆØ", "ÀÂÇÈÉÊËÎÏÔÛÙŒ", "àâçèéêëîïôûùœ")
)


# Undecoded neighbours as they are most likely meant, for what is looked up around a byte.
_NEIGHBOURS: Final = {
    ESCAPED + byte: (_DOS if byte in UNDEFINED_ON_WINDOWS else _WINDOWS)[byte] for byte in range(0x80, 0x100)
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A byte run as text, the codecs whose own reading was taken for a byte, and whether one byte stayed doubtful."""

    text: str
    codecs: frozenset[Codec]
    doubtful: bool


@dataclass
class Evidence:
    """What the bytes of one file prove: how often each byte can only be its Windows, or only its DOS reading."""

    proofs: Counter[tuple[Codec, int]] = field(default_factory=Counter)
    undefined: int = 0
    endings: Counter[str] = field(default_factory=Counter)

    def add(self, contexts: Iterable[tuple[Context, int]]) -> None:
        """Count the proofs in byte runs that are given with their number of occurrences."""
        for (before, run, after), times in contexts:
            for byte, place in _places(before, run, after):
                windows, dos = grade(_WINDOWS[byte], place), grade(_DOS[byte], place)
                if windows >= USUAL and dos == NEVER:
                    self.proofs["cp1252", byte] += times
                elif dos >= USUAL and windows == NEVER:
                    self.proofs["cp850", byte] += times
                self.undefined += times * (byte in UNDEFINED_ON_WINDOWS)
                if place.ends_a_word and NEVER in (windows, dos) and max(windows, dos) > NEVER:
                    ending = stem(place.before) + (_WINDOWS if windows else _DOS)[byte].lower()
                    self.endings.update(dict.fromkeys((ending, ending[-1:]), times))

    def total(self, codec: Codec) -> int:
        """Number of bytes that only this codec reads sensibly."""
        return sum(times for (name, _), times in self.proofs.items() if name == codec)

    def ends_words(self, letter: str, before: str) -> bool:
        """Whether words of this file end with this letter after such letters, as its certain bytes show.

        Words that end with ò or ì are Italian, and then à ends words as well.
        """
        ending = stem(before) + letter.lower()
        is_italian = letter in "àÀ" and self.endings["ò"] + self.endings["ì"] > 0 and ending[-2:-1] in ("t", "r", "g")
        return self.endings[ending] > 0 or is_italian

    def company(self, byte: int) -> tuple[int, int]:
        """Proofs of the letters that come together with the Windows, and with the DOS reading of a byte.

        Where both readings belong to one family, only proofs by the same codec count for each.
        """
        families = [_family(table[byte]) for table in (_WINDOWS, _DOS)]
        both = _CODECS if families[0] != families[1] else ()
        windows, dos = (
            sum(
                times
                for (codec, other), times in self.proofs.items()
                if codec in (both or (own,)) and _TABLES[codec][other] in family
            )
            for own, family in zip(_CODECS, families, strict=True)
        )
        return windows, dos


def read_run(evidence: Evidence, before: str, run: str, after: str) -> Reading:
    """Read a run of undecodable bytes (lone surrogates) in its context, in the light of what the file proves."""
    text, codecs, doubtful = "", set[Codec](), False
    for byte, place in _places(before, run, after):
        codec, sure = _decide(evidence, byte, place)
        text += _WINDOWS[byte] if codec == "cp1252" else _DOS[byte]
        if _WINDOWS[byte] != _DOS[byte]:
            codecs.add(codec)
        doubtful = doubtful or not sure
    return Reading(text, frozenset(codecs), doubtful)


def _places(before: str, run: str, after: str) -> Iterator[tuple[int, Place]]:
    around, first = before + run + after, len(before)
    for index in range(first, first + len(run)):
        char = around[index]
        # Repeated signs and letters all stand where their repetition stands.
        left, right = around[:index].rstrip(char), around[index:].lstrip(char)
        kinds = _kind(left[-1:]), _kind(right[:1])
        yield ord(char) - ESCAPED, Place(*kinds, left.translate(_NEIGHBOURS), right.translate(_NEIGHBOURS))


def _family(char: str) -> frozenset[str]:
    return next((letters for letters in _FAMILIES if char in letters), frozenset())


def _kind(char: str) -> str:
    """The kind of a neighbour that may itself be an undecoded byte."""
    if not char or not ESCAPED <= ord(char) <= ESCAPED + 0xFF:
        return kind_of(char)
    byte = ord(char) - ESCAPED
    if byte in UNDEFINED_ON_WINDOWS:
        return kind_of(_DOS[byte])
    return OPEN if is_letter(_DOS[byte]) and not is_letter(_WINDOWS[byte]) else kind_of(_WINDOWS[byte])


def _decide(evidence: Evidence, byte: int, place: Place) -> tuple[Codec, bool]:
    """The codec of one byte, and whether its neighbours or the same byte elsewhere were decisive."""
    windows, dos = grade(_WINDOWS[byte], place), grade(_DOS[byte], place)
    by_grade = _larger(windows, dos)
    if by_grade and (min(windows, dos) == NEVER or max(windows, dos) == CERTAIN):
        return by_grade, True
    may_end_a_word = place.ends_a_word and dos != NEVER and is_letter(_DOS[byte]) and not is_letter(_WINDOWS[byte])
    if may_end_a_word and evidence.ends_words(_DOS[byte], place.before):
        return "cp850", True
    proofs = evidence.proofs["cp1252", byte], evidence.proofs["cp850", byte]
    by_byte = _larger(*proofs)
    if is_letter(_WINDOWS[byte]) and is_letter(_DOS[byte]):
        by_company = _larger(*evidence.company(byte))
        return by_byte or by_company or by_grade or "cp1252", bool(by_byte or by_company)
    if by_byte and min(proofs) == 0:
        return by_byte, True
    if decisive := by_grade or by_byte:
        return decisive, True
    return "cp850" if is_letter(_DOS[byte]) and windows + dos else "cp1252", False


def _larger(windows: int, dos: int) -> Codec | None:
    if windows == dos:
        return None
    return "cp1252" if windows > dos else "cp850"
