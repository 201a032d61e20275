"""Salesforce record ids: 15 characters that tell upper from lower case, and the 18-character form that need not."""

from __future__ import annotations

import string

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
SUFFIXES = string.ascii_uppercase + "012345"
POD = "5g00000"
SHORT, LONG = 15, 18
CHUNK = 5


def salesforce_id(prefix: str, number: int) -> str:
    """The 18-character id of the n-th record of an object; ``prefix`` are the object's three key characters."""
    digits = ""
    for _ in range(SHORT - len(prefix) - len(POD)):
        number, rest = divmod(number, len(DIGITS))
        digits = DIGITS[rest] + digits
    return with_suffix(prefix + POD + digits)


def with_suffix(short: str) -> str:
    """The 18-character form: one more character per five, whose bits say which of the five are upper case."""
    suffix = ""
    for start in range(0, SHORT, CHUNK):
        chunk = short[start : start + CHUNK]
        bits = sum(1 << place for place, letter in enumerate(chunk) if letter in string.ascii_uppercase)
        suffix += SUFFIXES[bits]
    return short + suffix


def long_id(text: str) -> str | None:
    """An id given in either form, in its long form; None where it is no id."""
    if not text.isascii() or not text.isalnum():
        return None
    if len(text) == SHORT:
        return with_suffix(text)
    return text if len(text) == LONG else None
