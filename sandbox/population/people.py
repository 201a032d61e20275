"""Companies and people, and which CRM knows them under which spelling. No records and no answers here."""

from __future__ import annotations

from random import Random

from sandbox.population.model import SYSTEMS, Company, Language, Mailbox, Person, System

COMPANIES = 42
PEOPLE = 360


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


FIRST_NAMES: dict[Language, tuple[str, ...]] = {
    "de": _words(
        "Anna Björn Christina Dieter Elke Florian Greta Hannah Ingo Jörg Karin Lukas Maren Nadine Oliver Petra Ralf "
        "Sabine Thomas Ute Volker Wiebke Jürgen Käthe Sören Günther Lena Matthias Zoë Franziska"
    ),
    "en": _words(
        "Alice Benjamin Charlotte Daniel Emily Fergus Grace Harriet Isaac Julia Kieran Laura Mark Naomi Owen Priya "
        "Quentin Rachel Samuel Tessa Umar Victoria William Yasmin Zachary Siobhán Renée Chloe Liam Megan"
    ),
}
LAST_NAMES: dict[Language, tuple[str, ...]] = {
    "de": _words(
        "Albrecht Böhm Conrad Dörfler Ebert Fröhlich Großmann Hübner Iversen Jäger Köhler Lorenz Müller Neumann "
        "Ostermann Pfeiffer Quandt Rößler Schäfer Thiel Ullrich Vogt Weiß Ziegler Aydin"
    ),
    "en": _words(
        "Abbott Barker Clarke Dawson Ellis Fletcher Graham Hughes Irwin Jennings Knight Lawson Mitchell Norris O'Brien "
        "Parker Quinn Reynolds Sutton Turner Underwood Vaughan Watson Yates Zimmer"
    ),
}
COMPANY_NAMES: dict[Language, tuple[str, ...]] = {
    "de": _words("Nordlicht Brückner Hafenwerk Silberbach Kranich Lindenhof Talweg Morgenstern Rheinufer Falkenau"),
    "en": _words("Ashdown Brightwater Copperfield Dunmore Elmwood Fairhaven Greystone Hillcrest Larkspur Oakfield"),
}
TRADES: dict[Language, tuple[str, ...]] = {
    "de": ("Logistik", "Maschinenbau", "Energie", "Handel", "Medizintechnik"),
    "en": ("Logistics", "Foods", "Analytics", "Insurance", "Textiles"),
}
LEGAL_FORMS: dict[Language, tuple[str, ...]] = {"de": ("GmbH", "AG", "GmbH & Co. KG"), "en": ("Ltd", "Inc.", "PLC")}
SEGMENTS = ("Enterprise", "Mid-Market", "Small Business")
IN_ASCII = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ë": "e", "é": "e", "á": "a", "'": ""})

COMPANY_SHARE: dict[System, float] = {"salesforce": 0.92, "hubspot": 0.88, "zendesk": 0.65}
PERSON_SHARE: dict[System, float] = {"salesforce": 0.78, "hubspot": 0.82, "zendesk": 0.56}
LINKED_SHARE: dict[System, float] = {"salesforce": 0.0, "hubspot": 0.55, "zendesk": 0.40}
ODD_MAILBOX_SHARE = 0.12
NO_MAILBOX_SHARE = 0.4  # of the odd ones; the others are stored with a private address


def draw_companies(random: Random) -> list[Company]:
    """The companies, each known to at least one CRM."""
    companies = []
    for number in range(COMPANIES):
        language: Language = "de" if number % 2 == 0 else "en"
        word = COMPANY_NAMES[language][number // 2 % 10]
        trade = TRADES[language][(number // 20 + number // 2) % 5]
        companies.append(
            Company(
                key=f"company-{number + 1:03}",
                name=f"{word} {trade}",
                legal_form=random.choice(LEGAL_FORMS[language]),
                domain=f"{in_ascii(word)}-{in_ascii(trade)}.example",
                language=language,
                segment=random.choice(SEGMENTS),
                bias=random.gauss(0, 12),
                systems=_systems(random, COMPANY_SHARE),
            )
        )
    return companies


def draw_people(random: Random, companies: list[Company]) -> list[Person]:
    """The people, each known to at least one CRM; the records of one person are linked by e-mail or stored id."""
    taken: set[str] = set()
    people = []
    for number in range(PEOPLE):
        company = companies[number % len(companies)]
        language = company.language if random.random() < 0.9 else _other(company.language)  # noqa: PLR2004
        first = random.choice(FIRST_NAMES[language])
        last = random.choice(LAST_NAMES[language])
        address = _free_address(f"{in_ascii(first)}.{in_ascii(last)}", company.domain, taken)
        people.append(
            Person(
                key=f"person-{number + 1:03}",
                first_name=first,
                last_name=last,
                language=language,
                company=company,
                mailboxes=_mailboxes(random, address, number),
            )
        )
    return people


def in_ascii(name: str) -> str:
    """A name as it stands in an address: lower case, transliterated."""
    return name.lower().translate(IN_ASCII)


def _other(language: Language) -> Language:
    return "en" if language == "de" else "de"


def _systems(random: Random, shares: dict[System, float]) -> frozenset[System]:
    chosen = frozenset(system for system in SYSTEMS if random.random() < shares[system])
    return chosen or frozenset({random.choice(SYSTEMS)})


def _free_address(local_part: str, domain: str, taken: set[str]) -> str:
    address, number = f"{local_part}@{domain}", 2
    while address in taken:
        address, number = f"{local_part}{number}@{domain}", number + 1
    taken.add(address)
    return address


def _mailboxes(random: Random, address: str, number: int) -> dict[System, Mailbox]:
    """Spell the address per CRM. At most one CRM stores another address or none; a stored id then makes up for it."""
    known = _systems(random, PERSON_SHARE)
    systems = [system for system in SYSTEMS if system in known]
    in_salesforce = "salesforce" in systems
    mailboxes = {
        system: Mailbox(_spelled(random, address), in_salesforce and random.random() < LINKED_SHARE[system])
        for system in systems
    }
    odd = random.choice(systems)
    if random.random() >= ODD_MAILBOX_SHARE or (len(systems) > 1 and not in_salesforce):
        return mailboxes
    private = f"{address.split('@', maxsplit=1)[0]}.{number + 1}@mail.example"
    mailboxes[odd].email = None if random.random() < NO_MAILBOX_SHARE else private
    for system in systems if odd == "salesforce" else [odd]:
        mailboxes[system].linked = system != "salesforce" and in_salesforce
    return mailboxes


def _spelled(random: Random, address: str) -> str:
    local_part, domain = address.split("@")
    spellings = (address, address, address, f"{local_part.title()}@{domain}", f"{local_part}@{domain.upper()}")
    return random.choice(spellings)
