"""The part of nps.yaml that every CRM has, the choice of a login, and that connectors are found without a list."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Connector, Login
from connectors.config import (
    Scale,
    Section,
    SourceSettings,
    choose_login,
    missing,
    requested_fields,
    variables_of,
)
from connectors.errors import ConfigError
from connectors.hubspot import CONNECTOR as HUBSPOT
from connectors.registry import discover

KEY, PASSWORD = Login("a key", ("CRM_KEY", "CRM_HOST")), Login("password", ("CRM_USER", "CRM_PASSWORD", "CRM_HOST"))

TOKEN = Login("a token", ("CRM_TOKEN",))


class Crm(type(HUBSPOT)):  # type: ignore[misc]
    """A connector with three ways to log in."""

    title = "Acme"
    logins = (KEY, PASSWORD, TOKEN)
    addresses = ("CRM_URL", "CRM_HOST")


CRM: Connector = Crm()


# --- login ---


@pytest.mark.parametrize(
    ("environment", "chosen"),
    [
        ({}, None),
        ({"CRM_URL": "https://crm.example"}, None),
        ({"CRM_KEY": "", "CRM_HOST": ""}, None),
        ({"CRM_KEY": "k", "CRM_HOST": "h"}, KEY),
        ({"CRM_USER": "u", "CRM_PASSWORD": "p", "CRM_HOST": "h"}, PASSWORD),
        ({"CRM_KEY": "k", "CRM_USER": "u", "CRM_PASSWORD": "p", "CRM_HOST": "h"}, KEY),
        ({"CRM_KEY": "", "CRM_USER": "u", "CRM_PASSWORD": "p", "CRM_HOST": "h"}, PASSWORD),
    ],
)
def test_the_first_complete_way_to_log_in_is_taken(environment: Mapping[str, str], chosen: Login | None) -> None:
    assert choose_login(CRM, environment) is chosen


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"CRM_KEY": "k3y"}, "Acme: CRM_HOST must be set too to log in by a key"),
        ({"CRM_HOST": "h"}, "Acme: CRM_KEY must be set too to log in by a key"),
        ({"CRM_USER": "u", "CRM_HOST": "h"}, "Acme: CRM_PASSWORD must be set too to log in by password"),
        ({"CRM_USER": "u", "CRM_PASSWORD": "k3y"}, "Acme: CRM_HOST must be set too to log in by password"),
        ({"CRM_PASSWORD": "k3y"}, "Acme: CRM_USER, CRM_HOST must be set too to log in by password"),
    ],
)
def test_half_a_login_names_what_the_nearest_way_lacks(environment: Mapping[str, str], sentence: str) -> None:
    with pytest.raises(ConfigError) as error:
        choose_login(CRM, environment)
    assert str(error.value).startswith(sentence)
    assert "k3y" not in str(error.value)


def test_variables_are_listed_once() -> None:
    assert variables_of(CRM) == ["CRM_KEY", "CRM_HOST", "CRM_USER", "CRM_PASSWORD", "CRM_TOKEN", "CRM_URL"]
    assert missing(PASSWORD, {"CRM_USER": "u", "CRM_HOST": ""}) == ["CRM_PASSWORD", "CRM_HOST"]


# --- settings ---


def test_nothing_needs_to_be_said() -> None:
    settings = SourceSettings.model_validate({})
    assert not settings.required
    assert settings.look_back == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("45s", timedelta(seconds=45)),
        ("10m", timedelta(minutes=10)),
        ("2h", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("0s", timedelta(0)),
        ("999999d", timedelta(days=999_999)),
    ],
)
def test_durations_are_a_number_and_a_unit(written: str, meant: timedelta) -> None:
    assert SourceSettings.model_validate({"overlap": written}).look_back == meant


@pytest.mark.parametrize("written", ["10", 10, "10 m", "1w", "-1h", "1.5h", "1h\n", "1000000s", "", None, ["1h"]])
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(ValidationError, match="overlap"):
        SourceSettings.model_validate({"overlap": written})


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="overlp"):
        SourceSettings.model_validate({"overlp": "10m"})


class Scored(Section):
    scale: Scale


@pytest.mark.parametrize("scale", [[1, 10], [0, 5], [0], [10, 0]])
def test_another_scale_is_another_metric(scale: list[int]) -> None:
    assert Scored.model_validate({"scale": [0, 10]}).scale == [0, 10]
    with pytest.raises(ValidationError, match="another metric"):
        Scored.model_validate({"scale": scale})


def test_requested_fields_are_what_follows_the_prefix_once_and_sorted() -> None:
    paths = {"email": "$.properties.email", "id": "$.id", "name": "$.properties.name", "again": "$.properties.email"}
    assert requested_fields(paths, "$.properties.") == ["email", "name"]


# --- discovery ---


def test_every_connector_is_found_by_its_source() -> None:
    found = discover()
    assert found["hubspot"] is HUBSPOT
    assert {source: connector.source for source, connector in found.items()} == {source: source for source in found}
    assert list(found) == sorted(found)
    assert "files" not in found


def test_every_connector_is_whole() -> None:
    for connector in discover().values():
        assert connector.title
        assert issubclass(connector.settings, SourceSettings)
        assert all(login.variables for login in connector.logins)
        for target in connector.targets:
            assert target.kinds.keys() == {"score", "category", "responded_at"}
            assert "{field}" in target.path


def test_discovery_imports_no_sdk() -> None:
    code = "import sys; from connectors.registry import discover; discover(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"hubspot", "simple_salesforce", "zenpy"}.isdisjoint(ran.stdout.split())
