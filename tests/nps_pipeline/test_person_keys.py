"""One spelling for what people and tools write in many."""

from __future__ import annotations

import pytest

from nps_pipeline.person_keys import email_key


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
