"""The ways into the Salesforce organisation, through simple-salesforce."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed, SalesforceExpiredSession

from sandbox.salesforce.hooks import SalesforceControl
from sandbox.serve import Sandbox

ARGUMENTS = {
    "SALESFORCE_USERNAME": "username",
    "SALESFORCE_PASSWORD": "password",
    "SALESFORCE_SECURITY_TOKEN": "security_token",
    "SALESFORCE_DOMAIN": "domain",
    "SALESFORCE_CONSUMER_KEY": "consumer_key",
    "SALESFORCE_PRIVATE_KEY_FILE": "privatekey_file",
    "SALESFORCE_CLIENT_ID": "consumer_key",
    "SALESFORCE_CLIENT_SECRET": "consumer_secret",
    "SALESFORCE_INSTANCE_URL": "instance_url",
    "SALESFORCE_SESSION_ID": "session_id",
}
WAYS = ("password", "jwt", "client_credentials", "session")


def login(variables: Mapping[str, str], session: requests.Session, **replaced: str) -> Any:
    arguments: dict[str, Any] = {ARGUMENTS[name]: value for name, value in variables.items()}
    return Salesforce(session=session, **(arguments | replaced))


@pytest.mark.parametrize("way", WAYS)
def test_every_way_leads_to_a_session_that_works(sandbox: Sandbox, to_salesforce: requests.Session, way: str) -> None:
    client = login(sandbox.logins["salesforce"][way], to_salesforce)
    assert f"https://{client.sf_instance}" == sandbox.urls["salesforce"]
    assert client.query("SELECT COUNT() FROM User")["totalSize"] == 3


def test_the_password_grant_works_too(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    variables = sandbox.logins["salesforce"]
    client = Salesforce(
        username=variables["password"]["SALESFORCE_USERNAME"],
        password=variables["password"]["SALESFORCE_PASSWORD"],
        consumer_key=variables["client_credentials"]["SALESFORCE_CLIENT_ID"],
        consumer_secret=variables["client_credentials"]["SALESFORCE_CLIENT_SECRET"],
        session=to_salesforce,
    )
    assert client.query("SELECT COUNT() FROM User")["totalSize"] == 3


def test_a_refused_session_is_renewed_by_the_client(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    client = login(sandbox.logins["salesforce"]["jwt"], to_salesforce)
    client.headers = client.headers | {"Authorization": "Bearer ended"}
    assert client.query("SELECT COUNT() FROM User")["totalSize"] == 3
    paths = [one["path"] for one in sandbox.control["salesforce"].requests()]
    assert paths.count("/services/oauth2/token") == 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # the client explains one of the refusals
@pytest.mark.parametrize(
    ("way", "wrong", "code"),
    [
        ("password", {"password": "guess"}, "INVALID_LOGIN"),
        ("password", {"security_token": "guess"}, "INVALID_LOGIN"),
        ("jwt", {"username": "stranger@crm.example"}, "invalid_grant"),
        ("jwt", {"consumer_key": "stranger"}, "invalid_client_id"),
        ("jwt", {"domain": "elsewhere"}, "invalid_grant"),
        ("client_credentials", {"consumer_secret": "guess"}, "invalid_client"),
        ("client_credentials", {"consumer_key": "stranger"}, "invalid_client_id"),
    ],
)
def test_wrong_credentials_are_refused_as_salesforce_refuses_them(
    sandbox: Sandbox, to_salesforce: requests.Session, way: str, wrong: dict[str, str], code: str
) -> None:
    with pytest.raises(SalesforceAuthenticationFailed) as error:
        login(sandbox.logins["salesforce"][way], to_salesforce, **wrong)
    assert error.value.code == code


def test_an_assertion_by_another_key_is_refused(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    url = f"{sandbox.urls['salesforce']}/services/oauth2/token"
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}
    answer = to_salesforce.post(url, form, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    answer = to_salesforce.post(url, {"grant_type": "guess"}, timeout=10)
    assert answer.json()["error"] == "unsupported_grant_type"


def test_a_session_that_was_ended_stays_so_until_somebody_logs_in(
    sandbox: Sandbox, to_salesforce: requests.Session
) -> None:
    old = login(sandbox.logins["salesforce"]["session"], to_salesforce)
    control = SalesforceControl.of(sandbox.control["salesforce"])
    control.end_sessions()
    for _ in range(2):
        with pytest.raises(SalesforceExpiredSession):
            old.query("SELECT COUNT() FROM User")
    assert login(sandbox.logins["salesforce"]["jwt"], to_salesforce).query("SELECT COUNT() FROM User")
    control.reset()
    assert old.query("SELECT COUNT() FROM User")


@pytest.mark.parametrize(
    ("version", "headers", "code"),
    [("65.0", {"SOAPAction": "login"}, "UNSUPPORTED_API_VERSION"), ("59.0", {}, "UNKNOWN_EXCEPTION")],
)
def test_the_soap_login_has_its_rules(
    sandbox: Sandbox, to_salesforce: requests.Session, version: str, headers: dict[str, str], code: str
) -> None:
    url = f"{sandbox.urls['salesforce']}/services/Soap/u/{version}"
    answer = to_salesforce.post(url, "<x/>", headers=headers | {"Content-Type": "text/xml"}, timeout=10)
    assert (answer.status_code, f"<faultcode>sf:{code}</faultcode>" in answer.text) == (500, True)


def test_an_assertion_must_not_be_good_for_long(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    way = sandbox.logins["salesforce"]["jwt"]
    claims = {
        "iss": way["SALESFORCE_CONSUMER_KEY"],
        "sub": way["SALESFORCE_USERNAME"],
        "aud": "https://login.salesforce.com",
    }
    key = Path(way["SALESFORCE_PRIVATE_KEY_FILE"]).read_text(encoding="ascii")
    for minutes, status in ((3, 200), (60, 400)):
        until = int((datetime.now(UTC) + timedelta(minutes=minutes)).timestamp())
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
            "assertion": jwt.encode(claims | {"exp": until}, key, algorithm="RS256"),
        }
        answer = to_salesforce.post(f"{sandbox.urls['salesforce']}/services/oauth2/token", form, timeout=10)
        assert answer.status_code == status


def test_a_login_is_no_write(sandbox: Sandbox, to_salesforce: requests.Session) -> None:
    login(sandbox.logins["salesforce"]["password"], to_salesforce)
    assert [one["changes_records"] for one in sandbox.control["salesforce"].requests()] == [False]
