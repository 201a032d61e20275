"""What people and tools write for a person, in the one spelling by which records are compared. No SQL, no rules."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import idna
import phonenumbers

_ADDRESS: Final = re.compile(r"[^@\s]+@[^@\s.]+(?:[.][^@\s.]+)+")
_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "æ": "ae", "å": "aa"})
_WORD: Final = re.compile(r"\w+")
_TITLES: Final = frozenset(
    {"dr", "prof", "dipl", "ing", "mr", "mrs", "ms", "miss", "sir", "herr", "frau", "mme", "mlle"}
)


def email_key(text: str | None) -> str | None:
    """An e-mail address in one spelling: Unicode in form NFKC, lower case, its domain as DNS has it.

    What only some providers do (dots, tags) is no matter of spelling and left alone.

    Args:
        text: The address as it is stored, or anything else that stands in its place.

    Returns:
        ``name@xn--mller-kva.example`` for `` Name@Müller.example. ``; None where the text is no address.
    """
    if text is None:
        return None
    folded = unicodedata.normalize("NFKC", text).replace("\u3002", ".").strip().lower().rstrip(".")
    if not _ADDRESS.fullmatch(folded):
        return None
    name, domain = folded.split("@")
    return f"{name}@{dns_name(domain)}"


def dns_name(domain: str) -> str:
    """A domain in its ASCII form (IDNA 2008, mapped as UTS 46 has it); one that cannot be in the DNS stays.

    Args:
        domain: In lower case.
    """
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain


def phone_key(text: str | None, country: str | None) -> str | None:
    """A phone number in one spelling: E.164, with an extension behind it.

    Args:
        text: The number as it is stored, or anything else that stands in its place.
        country: ISO 3166 code of the country whose national form the number may be in; None if it is not known.

    Returns:
        ``+493023125123`` for ``(030) 23125-123`` in ``DE``, ``+493023125123x5`` with the extension 5; None where the
        text is no number that can be in use.
    """
    if text is None:
        return None
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164}x{number.extension}" if number.extension else e164


def name_key(text: str | None) -> str | None:
    """The words of a name in one spelling and order: ``joerg mueller`` for ``Dr. MÜLLER, Jörg``.

    Args:
        text: The name as it is stored.

    Returns:
        Lower-case words without accents, apostrophes and titles, sorted; German umlauts as they are transliterated.
        None where there is none.
    """
    if not text:
        return None
    folded = text.lower() if text.isascii() else _transliterated(text)
    words = _WORD.findall(folded.replace("'", "").replace("\u2019", ""))
    return " ".join(sorted(word for word in words if word not in _TITLES)) or None


def _transliterated(text: str) -> str:
    composed = unicodedata.normalize("NFKC", text).casefold().translate(_GERMAN)
    return "".join(sign for sign in unicodedata.normalize("NFKD", composed) if not unicodedata.combining(sign))
