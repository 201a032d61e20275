"""One spelling for what people and tools write in many."""

from __future__ import annotations

import pytest

from nps_pipeline.person_keys import email_key, name_key, phone_key


@pytest.mark.parametrize(
    "text",
    [
        "Name@Müller.example",
        " name@MÜLLER.example\n",
        "name@xn--mller-kva.example",
        "NAME@XN--MLLER-KVA.EXAMPLE.",
        "name@mu\u0308ller.example",  # u and its dots, as macOS writes them
        "\uff4eame@müller\u3002example",  # full-width, as Japanese keyboards write them
    ],
)
def test_spellings_of_an_address_are_one(text: str) -> None:
    assert email_key(text) == "name@xn--mller-kva.example"


@pytest.mark.parametrize("text", ["a.b@c.example", "ab@c.example", "ab+x@c.example", "müller@c.example"])
def test_what_a_provider_may_tell_apart_stays_apart(text: str) -> None:
    assert email_key(text) == text


def test_a_domain_that_cannot_be_in_the_dns_is_only_lower_case() -> None:
    assert email_key("A@Ü_-.example") == "a@ü_-.example"


@pytest.mark.parametrize("text", [None, "", " ", "n/a", "a@", "@b.example", "a@b", "a b@c.example", "a@b@c.example",
                                  "a@b..example", "a@.example"])  # fmt: skip
def test_what_is_no_address_is_no_key(text: str | None) -> None:
    assert email_key(text) is None


@pytest.mark.parametrize(
    ("text", "country"),
    [
        ("+49 30 23125-123", None),
        ("0049 30 23125123", "DE"),
        ("(030) 23125 123", "DE"),
        ("030/23125123", "DE"),
        ("+49 (0)30 23125-123", "GB"),
        ("tel:+49-30-23125123", None),
        ("\uff0b49 30 23125123", None),  # a full-width plus
    ],
)
def test_spellings_of_a_phone_number_are_one(text: str, country: str | None) -> None:
    assert phone_key(text, country) == "+493023125123"


def test_an_extension_is_a_part_of_the_number() -> None:
    assert phone_key("030 23125123 ext. 5", "DE") == "+493023125123x5"


@pytest.mark.parametrize(
    ("text", "country"),
    [
        (None, "DE"), ("", "DE"), ("n/a", "DE"), ("0000", "DE"), ("0000", None), ("1111111111", "DE"), ("112", "DE"),
        ("030 23125123", None), ("+49 30 23125123 04 1234567", None),
    ],
)  # fmt: skip
def test_what_is_no_number_in_use_is_no_key(text: str | None, country: str | None) -> None:
    assert phone_key(text, country) is None


@pytest.mark.parametrize(
    "text",
    [
        "Jörg O'Hära",
        "O'HÄRA, Jörg",
        "Dr. Joerg OHaera",
        "joerg  o\u2019haera",
        "Jo\u0308rg O'Ha\u0308ra",
        "Herr Prof. Jörg O'Hära",
    ],
)
def test_spellings_of_a_name_are_one(text: str) -> None:
    assert name_key(text) == "joerg ohaera"


@pytest.mark.parametrize(
    ("text", "key"),
    [(None, None), (" - ", None), ("Anna-Lena Weiß", "anna lena weiss"), ("Zoë É.", "e zoe"), ("陳 大文", "大文 陳")],
)
def test_a_name_is_its_words(text: str | None, key: str | None) -> None:
    assert name_key(text) == key
