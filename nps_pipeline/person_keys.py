"""What people and tools write for an address, in the one spelling by which records are compared. No SQL, no rules."""

from __future__ import annotations

import re
import unicodedata

import idna

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+(?:[.][^@\s.]+)+")


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
    return f"{name}@{_in_dns(domain)}"


def _in_dns(domain: str) -> str:
    """A domain in its ASCII form (IDNA 2008, mapped as UTS 46 has it); one that cannot be in the DNS stays."""
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return domain
