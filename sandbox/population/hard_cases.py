"""People whose records are hard to join, or must not be joined, declared. How a CRM stores them is said elsewhere.

Every kind of case comes once at each of ``PLACES`` companies. In the texts of a record stand ``{first}`` (the name),
``{given}`` and ``{family}`` (the name in ASCII), ``{domain}`` (of the company), ``{idn}`` and ``{dns}`` (another one in
two notations), ``{n}`` (a number of the case at that company) and ``{world}``, ``{home}`` and ``{prefixed}`` (a phone
number of the case in three notations).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from sandbox.population.model import Language

PLACES: Final = 3
NAMES: Final[dict[Language, tuple[tuple[str, str], ...]]] = {
    "de": (("Jürgen", "Großmann"), ("Käthe", "Schäfer"), ("Günther", "Böhm"), ("Zoë", "Weiß"), ("Björn", "Rößler")),
    "en": (("Siobhán", "O'Brien"), ("Renée", "Quinn"), ("Fergus", "Vaughan"), ("Naomi", "Clarke"), ("Umar", "Ellis")),
}
# Numbers that are kept free for films and books: Berlin and London.
PHONES: Final[dict[Language, tuple[str, str, str]]] = {
    "de": ("+49 30 23125{n}", "(030) 23125-{n}", "0049 30 / 23125 {n}"),
    "en": ("+44 20 7946 0{n}", "(020) 7946 0{n}", "0044 20 79460{n}"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a person.

    ``name`` is the whole name where this record spells it in another way. ``elsewhere``: the record belongs to another
    company. ``refers_to`` is the number of an earlier entry, a Salesforce contact whose id this record holds, with
    ``short`` in 15 characters. ``merged_into`` is the number of the entry that was kept when this one was deleted.
    """

    table: Literal["Contact", "contacts", "users"]
    email: str | None = None
    phone: str | None = None
    mobile_phone: str | None = None
    name: str | None = None
    elsewhere: bool = False
    refers_to: int | None = None
    short: bool = False
    merged_into: int | None = None


# Kind of case -> its people, of whom each is the tuple of the records. Different people are never to be joined.
CASES: Final[dict[str, tuple[tuple[Entry, ...], ...]]] = {
    "spelling": (
        (
            Entry("Contact", "{given}.{family}@{idn}"),
            Entry("contacts", "{given}.{family}@{dns}"),
            Entry("users", "{Given}.{family}@{IDN}"),
        ),
    ),
    "plus_address": (
        (
            Entry("Contact", "nps.sandbox.{family}.{n}@gmail.com"),
            Entry("contacts", "npssandbox{family}{n}+survey@googlemail.com"),
            Entry("users", "NPS.sandbox{family}.{n}+help@gmail.com"),
        ),
    ),
    "tags_told_apart": (
        (Entry("Contact", "team{n}+anna@{domain}"), Entry("contacts", "team{n}+anna@{domain}")),
        (Entry("Contact", "team{n}+ben@{domain}"), Entry("users", "team{n}+ben@{domain}")),
    ),
    "phone": (
        (
            Entry("Contact", phone="{world}"),
            Entry("contacts", "{given}.{family}.{n}@{domain}", mobile_phone="{home}"),
            Entry("users", phone="{prefixed}", name="{family}, {given}"),
        ),
    ),
    "switchboard": (
        (Entry("Contact", "{given}.{family}.{n}@{domain}", phone="{world}"),),
        (Entry("contacts", "{given}.{family}.{n}@{domain}", phone="{home}"),),
        (Entry("users", phone="{world}", name="{first}"),),
    ),
    "namesakes": (
        (Entry("Contact", "{given}.{family}.{n}@{domain}", name="Kim Lorenz"),),
        (Entry("contacts", "{given}.{family}.{n}@{domain}", name="Kim Lorenz", elsewhere=True),),
    ),
    "no_number": (
        (Entry("Contact", "{given}.{family}.{n}@{domain}", phone="0000", name="Toni Vogt"),),
        (Entry("contacts", "{given}.{family}.{n}@{domain}", phone="0000", name="Toni Vogt"),),
    ),
    "shared_mailbox": (
        (Entry("Contact", "info@{domain}", phone="{world}"), Entry("users", phone="{home}")),
        (Entry("Contact", "info@{domain}"),),
        (Entry("contacts", "info@{domain}"),),
    ),
    "many_people": (
        (Entry("Contact", "front.desk.{n}@{domain}"), Entry("contacts", "{given}.{family}.{n}@{domain}", refers_to=0)),
        (Entry("Contact", "front.desk.{n}@{domain}"),),
        (Entry("Contact", "front.desk.{n}@{domain}"),),
        (Entry("contacts", "front.desk.{n}@{domain}"),),
    ),
    "merged": (
        (
            Entry("Contact", "{given}.{family}.{n}@{domain}"),
            Entry("Contact", "{family}.{n}@mail.example", merged_into=0),
            Entry("contacts", "{given}.{n}@mail.example", refers_to=1),
        ),
    ),
    "two_companies": (
        (
            Entry("Contact", "{given}.{family}.{n}@mail.example"),
            Entry("Contact", "{given}.{family}.{n}@mail.example", elsewhere=True),
            Entry("users", "{Given}.{family}.{n}@mail.example", elsewhere=True),
        ),
    ),
    "cross_reference": (
        (
            Entry("Contact", "{given}.{family}.{n}@{domain}"),
            Entry("contacts", "{given}.private.{n}@mail.example", refers_to=0, short=True),
            Entry("users", "{family}.help.{n}@mail.example", refers_to=0),
        ),
    ),
}
