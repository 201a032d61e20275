"""The CRMs in nps.yaml and in the environment: what is pulled, what is written back, how to log in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.errors import ConfigError
from nps_pipeline.settings import SettingsError, load_settings
from tests.nps_pipeline.documents import load, problems, write

TICKETS = {"score": "field:360001", "scale": [0, 10]}
TO = {"contact": {"fields": {"score": {"to": "nps_score"}}}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_crm_without_anything_behind_it_is_pulled_with_the_defaults() -> None:
    settings = load("version: 1\nsources:\n  hubspot:\n")

    assert settings.crms() == ["hubspot"]
    assert settings.crm("hubspot").look_back.total_seconds() == 600
    assert {stream.name for stream in settings.crm_streams("hubspot")} == {
        "feedback_submissions",
        "contacts",
        "companies",
    }


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (
            {"sources": {"hubspot": {"requierd": True}}},
            "sources.hubspot.requierd: unknown key; did you mean required?",
        ),
        ({"sources": {"hubspott": {}}}, "sources.hubspott: unknown key; did you mean hubspot?"),
        (
            {"sources": {"hubspot": {"overlap": "10 minutes"}}},
            "sources.hubspot.overlap: must have the form ^[0-9]{1,6}[smhd]$.",
        ),
        (
            {"sources": {"zendesk": {"tickets": {**TICKETS, "scale": [1, 5]}}}},
            "sources.zendesk.tickets.scale: must be [0, 10]: answers on any other scale are another metric.",
        ),
        (
            {"sources": {"zendesk": {"tickets": {**TICKETS, "channel": "emial"}}}},
            (
                "sources.zendesk: tickets.channel: 'emial' is no standard channel; did you mean email or e_mail or "
                "mail? Else add a line for it to dbt_project/seeds/channels.csv."
            ),
        ),
        (
            {"surveys": [{"name": "Loyalty"}, {"name": "NPS", "also": ["loyalty "]}]},
            "surveys: the name 'loyalty' stands twice; a name belongs to one survey.",
        ),
        (
            {"sync": {"hubspot": TO}},
            "sync.hubspot: what stands in a CRM is read before it is written; add `hubspot: {}` under sources.",
        ),
        (
            {"sources": {"hubspot": {}}, "sync": {"hubspot": {"contact": {"create": True, **TO["contact"]}}}},
            "sync.hubspot.contact.create: must be False.",
        ),
        (
            {"sources": {"hubspot": {}}, "sync": {"hubspot": {"contact": {"fields": {"score": {}}}}}},
            "sync.hubspot.contact.fields.score.to: is missing; add it.",
        ),
        (
            {"sources": {"hubspot": {}}, "sync": {"hubspot": {"contakt": {}}}},
            "sync.hubspot.contakt: unknown key; did you mean contact?",
        ),
    ],
)
def test_a_mistake_is_one_sentence_with_its_key_and_remedy(document: dict[str, Any], told: str) -> None:
    assert problems({"version": 1, **document}) == [told]


def test_a_field_of_sync_back_takes_what_it_does_not_say_from_its_target() -> None:
    fields = {
        "score": {"to": "score", "policy": "ours"},
        "category": {"to": "category", "spelling": {"promoter": "Fan"}},
        "responded_at": {"to": "at", "on_delete": "clear"},
    }
    settings = load(
        {
            "version": 1,
            "sources": {"zendesk": {}, "hubspot": {}},
            "sync": {
                "zendesk": {"user": {"fields": fields}},
                "hubspot": {"contact": {"survey_type": "transactional", "fields": {"responded_at": {"to": "at"}}}},
            },
        }
    )

    found = {(field.destination, field.value): field for field in settings.sync_fields()}
    score, category = found["zendesk", "score"], found["zendesk", "category"]
    assert (score.object, score.stream, score.field, score.kind, score.policy, score.adopt, score.on_delete) == (
        "user", "users", "score", "number", "ours", "overwrite", "keep",
    )  # fmt: skip
    assert category.spelling == {"promoter": "Fan", "passive": "passive", "detractor": "detractor"}
    assert (found["zendesk", "responded_at"].kind, found["zendesk", "responded_at"].on_delete) == ("date", "clear")
    at = found["hubspot", "responded_at"]
    assert (at.kind, at.survey_type, at.policy) == ("datetime", "transactional", "theirs")
    (users,) = [stream for stream in settings.crm_streams("zendesk") if stream.name == "users"]
    assert set(users.written) == {"score", "category", "at"}


def test_what_is_written_back_is_content_and_how_conflicts_end_is_not() -> None:
    def hash_of(**field: str) -> str:
        sync = {"hubspot": {"contact": {"fields": {"score": {"to": "nps_score", **field}}}}}
        return load({"version": 1, "sources": {"hubspot": {}}, "sync": sync}).content_hash()

    assert hash_of() == hash_of(policy="ours", adopt="keep", on_delete="clear")
    assert hash_of() != hash_of(to="nps_score_2")


def test_credentials_come_from_the_environment_and_are_never_shown() -> None:
    write({"version": 1, "sources": {"hubspot": {}, "salesforce": {}}})
    settings = load_settings({"HUBSPOT_ACCESS_TOKEN": "pat-secret", "SALESFORCE_PASSWORD": "open-sesame", "HOME": "/x"})

    assert settings.environment == {"HUBSPOT_ACCESS_TOKEN": "pat-secret", "SALESFORCE_PASSWORD": "open-sesame"}
    assert "secret" not in repr(settings)
    assert "sesame" not in repr(settings)
    with pytest.raises(ConfigError) as refusal:
        settings.connect("salesforce")
    for name in ("SALESFORCE_USERNAME", "SALESFORCE_SECURITY_TOKEN", "SALESFORCE_DOMAIN"):
        assert name in str(refusal.value)
    assert "sesame" not in str(refusal.value)


def test_without_any_credential_there_is_no_session() -> None:
    write({"version": 1, "sources": {"hubspot": {}, "salesforce": {}, "zendesk": {}}})
    settings = load_settings({})

    assert [settings.connect(source) for source in settings.crms()] == [None, None, None]


def test_a_misspelt_credential_is_named_with_what_was_meant() -> None:
    write({"version": 1})
    with pytest.raises(SettingsError) as refusal:
        load_settings({"HUBSPOT_ACESS_TOKEN": "pat-secret", "ZENDESK_EMIAL": "x"})
    assert refusal.value.problems == [
        "environment: HUBSPOT_ACESS_TOKEN is not read; did you mean HUBSPOT_ACCESS_TOKEN?",
        "environment: ZENDESK_EMIAL is not read; did you mean ZENDESK_EMAIL?",
    ]
