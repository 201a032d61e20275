"""What the seeds of identity say fits together, and fits what reads them."""

from __future__ import annotations

import csv

import phonenumbers
import pytest

from nps_pipeline.person_keys import email_key
from nps_pipeline.project import DBT_PROJECT


def rows(seed: str) -> list[dict[str, str]]:
    with (DBT_PROJECT / "seeds" / f"{seed}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_whoever_gives_mailboxes_to_everybody_is_the_domain_of_no_company() -> None:
    shared = {row["domain"] for row in rows("shared_domains")}
    assert {row["domain"] for row in rows("mail_providers")} <= shared


def test_a_provider_under_several_domains_ignores_the_same_in_each() -> None:
    providers = {row["domain"]: row for row in rows("mail_providers")}
    for row in providers.values():
        same = providers[row["same_as"]]
        assert (same["ignores_dots"], same["ignores_tags"]) == (row["ignores_dots"], row["ignores_tags"])


@pytest.mark.parametrize("seed", ["shared_domains", "mail_providers"])
def test_domains_are_spelled_as_keys_are(seed: str) -> None:
    wrong = [row["domain"] for row in rows(seed) if email_key(f"x@{row['domain']}") != f"x@{row['domain']}"]
    assert wrong == []


def test_countries_are_those_of_phone_numbers_and_spelled_as_they_are_looked_up() -> None:
    for row in rows("countries"):
        assert row["country"] in phonenumbers.SUPPORTED_REGIONS
        assert row["name"] == " ".join(row["name"].lower().split())
