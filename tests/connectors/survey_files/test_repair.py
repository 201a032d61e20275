# ruff: noqa: RUF001 - look-alike signs are the subject here
"""Bytes that mean two things, each decided by its neighbours, in files that prove both encodings."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.survey_files.encoding import decode

PROOF = "très bien été, ".encode("cp1252") + "événement élevé, ".encode("cp850")


def repaired(data: bytes) -> str:
    text, _, _ = decode(PROOF + b'"' + data + b'"\n')
    return text.split('"')[1]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        # 0x85: an ellipsis after a word, CP850's à alone before a word
        (b"une co\xefncidence\x85", "une coïncidence…"),
        (b"merci \x85 tous", "merci à tous"),
        (b"et voil\x85 !", "et voilà !"),
        (b"celle-l\x85, non", "celle-là, non"),
        (b"je ne sais pas \x85", "je ne sais pas …"),
        # 0x80: euro beside a number, Ç in a word
        (b"un bon de 15\x80 que", "un bon de 15€ que"),
        (b"co\x96te 6 \x80 de plus", "coûte 6 € de plus"),
        (b"\x80a suffit", "Ça suffit"),
        (b"D\x90\x80U", "DÉÇU"),
        # 0x82: é in words, at their beginning and end; a low quote is not usual there
        (b"l'\x82tat \x82lev\x82", "l'état élevé"),
        # apostrophe and quotes against æ, Æ, ô, ö
        (b"l\x92accueil", "l’accueil"),
        (b"don\x92t", "don’t"),
        (b"un \x93bon\x94 choix", "un “bon” choix"),
        (b"le tr\x93ne", "le trône"),
        (b"\x84Sch\x94n\x93", "„Schön“"),
        (b"sch\x94n", "schön"),
        (b"sch\x94n, milj\x94, ja", "schön, miljö, ja"),
        # dashes against û and ù
        (b"un go\x96t s\x96r", "un goût sûr"),
        (b"j'ai d\x96 payer", "j'ai dû payer"),
        (b"bien \x96 mais cher", "bien – mais cher"),
        (b"de 10\x9612 euros", "de 10–12 euros"),
        (b"o\x97 aller", "où aller"),
        (b"bien \x97 mais", "bien — mais"),
        # the others of the row 0x80
        (b"tr\x8as ch\x8are", "très chère"),
        (b"la m\x88me f\x88te", "la même fête"),
        (b"re\x87u", "reçu"),
        (b"No\x89l", "Noël"),
        (b"ambigu\x89", "ambiguë"),
        (b"na\x8bf", "naïf"),
        (b"conna\x8ctre", "connaître"),
        (b"\x8cuvre, b\x9cuf, \x8cil", "Œuvre, bœuf, Œil"),
        (b"g\x83teau", "gâteau"),
        (b"\x99l und \x8erger, \x9abung", "Öl und Ärger, Übung"),
        (b"Produkt\x99 neu", "Produkt™ neu"),
        (b"f\x81r M\x84nner", "für Männer"),
        # capitals
        (b"TR\xd4S CH\xd4RE", "TRÈS CHÈRE"),
        (b"\xd2TRE SERVI", "ÊTRE SERVI"),
        (b"NO\xd3L", "NOËL"),
        (b"\xb7 VOS CLIENTS", "À VOS CLIENTS"),
        (b"QUALIT\xe9", "QUALITé"),
        # signs
        (b"l'ambiance \xaezen\xaf, oui", "l'ambiance «zen», oui"),
        (b"\xab zen \xbb", "« zen »"),
        (b"question n\xf81, N\xf8 14", "question n°1, N° 14"),
        (b"K\xf8benhavn", "København"),
        (b"attendre d\xefavoir", "attendre d´avoir"),
        (b"serait bien\xf5 merci", "serait bien§ merci"),
        (b"qualit\xe9\xa0: bien", "qualité\u00a0: bien"),
        (b"20 m\xfd au sol", "20 m² au sol"),
    ],
)
def test_a_byte_with_two_meanings_is_decided_by_its_neighbours(data: bytes, text: str) -> None:
    assert repaired(data) == text


def test_sz_and_a_with_acute_are_told_apart_by_the_other_letters_of_the_file() -> None:
    german = "schön für Männer, ".encode("cp850") + "größer, ".encode("cp1252")
    assert decode(german + b"Stra\xe1e\n")[0].endswith("Straße\n")
    half = PROOF + "schön für Männer, ".encode("cp1252")
    assert decode(half + b"Stra\xe1e\n")[0].endswith("Straße\n")
    spanish = "más rápido, así, año, último, ".encode("cp1252") + "é élevé ".encode("cp850")
    assert decode(spanish + b"m\xe1s\n")[0].endswith("más\n")


def test_the_same_byte_elsewhere_decides_where_the_neighbours_cannot() -> None:
    assert decode(PROOF + "vélo rapide ".encode("cp850") + b"aid\x82S\n")[0].endswith("aidéS\n")


def test_a_reading_without_any_evidence_is_counted_as_doubtful() -> None:
    sure = decode(PROOF + b"tr\x8as\n")[2].doubtful
    assert decode(PROOF + b"personne \xa0 l'accueil\n")[2].doubtful == sure + 1


def test_a_windows_file_with_typographic_signs_is_not_taken_for_a_mix() -> None:
    text = "„Wort“ – ‚so‘ … 5 € • Menü™, it’s 10–12 “ok” Œuvre ¡¡¡Vaya! 2º nº1 «sí» ¿qué?\n"
    found, encoding, _ = decode(text.encode("cp1252"))
    assert (found, encoding.name) == (text, "cp1252")


SENTENCES = (
    "Le personnel est très agréable, même le dimanche à Pâques.",
    "Grâce à vos conseils j'ai dû réclamer une boîte abîmée, où est le goût ?",
    "Schöne Grüße aus Köln, die Straße ist größer und übersichtlich.",
    "Ärger über Öl: die Männer fühlen sich überfordert.",
)


@given(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=6), st.integers())
def test_sentences_whose_letters_are_each_in_either_encoding_stay_readable(sentences: list[str], seed: int) -> None:
    text, random = "\n".join((*SENTENCES, *sentences)) + "\n", Random(seed)  # noqa: S311
    data = b"".join(char.encode(random.choice(("cp1252", "cp850"))) for char in text)
    found, _, _ = decode(PROOF + data)
    assert found == "très bien été, événement élevé, " + text


ITALIAN = (
    "La qualità del servizio è ottima, la città però è lontana. Metà della merce è arrivata rotta…\n"
    "L'università è così bella che tornerò. Sarà difficile trovare di meglio, ma la puntualità lascia a desiderare.\n"
    "Disponibilità, cordialità e professionalità: tutto perfetto. Lunedì vi chiamerò, spero che qualcuno risponderà.\n"
    "È stato un piacere. La velocità è buona. Chi lo sa, forse un giorno cambierà. Tranquillità sì, serietà no.\n"
)
"""Words that end with à, which CP850 writes as the byte that is an ellipsis on Windows."""


@pytest.mark.parametrize("seed", range(20))
def test_italian_words_that_end_with_an_accent_are_known_by_the_endings_that_are_certain(seed: int) -> None:
    random = Random(seed)  # noqa: S311
    data = b"".join(char.encode("cp1252" if char == "…" or random.random() < 0.5 else "cp850") for char in ITALIAN)
    assert decode(PROOF + data)[0] == "très bien été, événement élevé, " + ITALIAN


def test_an_ellipsis_after_a_french_word_stays_one_although_the_file_has_words_with_such_an_ending() -> None:
    french = "voilà, celle-là, jusqu'à, déjà, là ".encode("cp1252")
    assert decode(PROOF + french + b"c'est nul\x85 fait\x85 cher\x85\n")[0].endswith("c'est nul… fait… cher…\n")
