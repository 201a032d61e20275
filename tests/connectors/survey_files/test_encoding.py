# ruff: noqa: RUF001 - look-alike signs are the subject here
"""Bytes to text: the encoding of a whole file, and files that mix several."""

from __future__ import annotations

import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.survey_files.encoding import Repairs, decode, detect, lines

FRENCH = "id;note;commentaire\n1;9;Très bien, l’accueil était « parfait » – merci… 15 €, œufs à côté\n"
GERMAN = "id;note;kommentar\n1;9;Größe für Fußgänger „übertrieben“ – aber schön, Ärger über Öl und Üppigkeit\n"


@pytest.mark.parametrize(
    ("data", "text", "name"),
    [
        (b"id,score\n1,9\n", "id,score\n1,9\n", "utf-8"),
        (FRENCH.encode(), FRENCH, "utf-8"),
        (FRENCH.encode("utf-8-sig"), FRENCH, "utf-8"),
        (FRENCH.encode("utf-16"), FRENCH, "utf-16"),
        (codecs.BOM_UTF16_BE + FRENCH.encode("utf-16-be"), FRENCH, "utf-16"),
        (FRENCH.encode("utf-16-le"), FRENCH, "utf-16-le"),
        (FRENCH.encode("utf-16-be"), FRENCH, "utf-16-be"),
        (FRENCH.encode("utf-32"), FRENCH, "utf-32"),
        (FRENCH.encode("cp1252"), FRENCH, "cp1252"),
        (GERMAN.encode("cp1252"), GERMAN, "cp1252"),
        ("été à Noël\n".encode("latin-1"), "été à Noël\n", "cp1252"),
        ("Müller fuhr nach Köln, Straße für Fußgänger\n".encode("cp850"), None, "cp850"),
        ("L'été à Noël, où êtes-vous ? À bientôt\n".encode("cp850"), None, "cp850"),
        ("Оценка;Очень хороший магазин, спасибо большое за помощь\n".encode("cp1251") * 3, None, "cp1251"),
    ],
)
def test_a_file_in_one_encoding_is_read_as_it_was_written(data: bytes, text: str | None, name: str) -> None:
    found, encoding, repairs = decode(data)
    expected = text if text is not None else data.decode("cp858" if name == "cp850" else name)
    assert found == expected
    assert encoding.name == name
    assert repairs == Repairs()


@pytest.mark.parametrize(
    ("data", "text", "runs"),
    [
        # valid UTF-8 among Latin-1 bytes, and the reverse
        (b"caf\xe9, tr\xe8s bien, d\xe9j\xe0 \xc3\xa9t\xc3\xa9\n", "café, très bien, déjà été\n", 2),
        ("été ".encode() * 4 + b"tr\xe8s \x82lev\x82\n", "été " * 4 + "très élevé\n", 3),
        # a mark that says UTF-8 does not make the bytes UTF-8
        (codecs.BOM_UTF8 + b"id\ntr\xe8s\n", "id\ntrès\n", 1),
        # three Latin-1 bytes that are one Chinese character in UTF-8
        ("« la qualité\u00a0» été ".encode("cp1252") + b"\x82lev\x82\n", "« la qualité\u00a0» été élevé\n", 2),
        # bytes that Windows-1252 does not define are CP850's
        (b"Stra\xdfe, M\x81ller, f\xfcr\n", "Straße, Müller, für\n", 1),
    ],
)
def test_mixed_bytes_are_repaired_run_by_run_and_counted(data: bytes, text: str, runs: int) -> None:
    found, encoding, repairs = decode(data)
    assert found == text
    assert encoding.codec is None
    assert repairs.runs == runs


def test_a_declared_encoding_wins_where_it_reads_the_file() -> None:
    data = "Obsługa była świetna\n".encode("cp1250")
    assert decode(data)[0] != "Obsługa była świetna\n"
    assert decode(data, "cp1250")[0] == "Obsługa była świetna\n"


def test_a_declared_encoding_that_does_not_read_the_file_is_passed_over() -> None:
    text, encoding, _ = decode("très bien\n".encode("cp1252"), "utf-8")
    assert (text, encoding.name) == ("très bien\n", "cp1252")


def test_lines_keep_their_ends_and_the_mark_is_gone() -> None:
    stream = io.BytesIO(codecs.BOM_UTF8 + b"a\r\nb\rc\n")
    assert list(lines(stream, detect(stream))) == ["a\r\n", "b\r", "c\n"]


def test_a_file_of_several_chunks_is_repaired_alike_in_each() -> None:
    line = b"1,tr\xe8s \x82lev\x82 et plus cher qu'avant\n"
    times = (3 << 20) // len(line)
    stream, repairs = io.BytesIO(line * times), Repairs()
    found = list(lines(stream, detect(stream), repairs))
    assert len(found) == times
    assert set(found) == {"1,très élevé et plus cher qu'avant\n"}
    assert repairs.runs == 2 * times


@given(st.binary(max_size=400))
def test_no_bytes_at_all_make_decoding_fail(data: bytes) -> None:
    text, _, repairs = decode(data)
    assert not any("\ud800" <= char <= "\udfff" for char in text)
    assert 0 <= repairs.runs <= len(data)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=300))
def test_valid_utf_8_is_never_changed(text: str) -> None:
    found, encoding, repairs = decode(text.encode())
    assert found == text.removeprefix("\ufeff")
    assert encoding.name == "utf-8"
    assert repairs == Repairs()
