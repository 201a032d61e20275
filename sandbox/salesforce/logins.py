"""The four ways into the organisation: SOAP login and the three OAuth grants. Every one ends in a session id."""

from __future__ import annotations

import base64
import binascii
import html
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import jwt
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.salesforce.answers import no_session
from sandbox.web import Endpoint, Refusal

USERNAME = "integration@crm.example"
PASSWORD = "sandbox-password"  # noqa: S105  (opens the sandbox, nothing else)
SECURITY_TOKEN = "sandbox-token"  # noqa: S105
TRUSTED_USERNAME = "trusted@crm.example"  # logs in from an address that the organisation trusts: without the token
CLIENT_ID = "sandbox-client"
CLIENT_SECRET = "sandbox-secret"  # noqa: S105
SESSION_ID = "00D5g0000000001!sandbox-session"
DOMAIN = "sandbox.my"
ORGANISATION_ID, USER_ID = "00D5g0000000001EAA", "0055g0000000001AAA"
WITHOUT_LOGIN = 65.0  # from this version on the SOAP API has no login()
LONGEST_ASSERTION = timedelta(minutes=5)
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES = [f"https://{domain}.salesforce.com" for domain in ("login", "test", DOMAIN)]

LOGIN_ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com">
<soapenv:Body><loginResponse><result>
<metadataServerUrl>{instance}/services/Soap/m/{version}/{organisation}</metadataServerUrl>
<passwordExpired>false</passwordExpired><sandbox>false</sandbox>
<serverUrl>{instance}/services/Soap/u/{version}/{organisation}</serverUrl><sessionId>{session}</sessionId>
<userId>{user}</userId></result></loginResponse></soapenv:Body></soapenv:Envelope>"""
LOGIN_FAULT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>
<faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring><detail>
<sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>{code}</sf:exceptionCode>
<sf:exceptionMessage>{message}</sf:exceptionMessage>
</sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"""


@dataclass
class Logins:
    """The sessions that are open, and the endpoints that open one. ``public_key`` (PEM) belongs to the JWT grant."""

    public_key: str
    _sessions: set[str] = field(default_factory=lambda: {SESSION_ID})
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def endpoints(self) -> list[Endpoint]:
        """The login endpoints, open to all."""
        return [
            Endpoint("POST", "/services/Soap/u/{version}", self._soap, open_to_all=True),
            Endpoint("POST", "/services/oauth2/token", self._token, open_to_all=True),
        ]

    def check(self, request: Request) -> None:
        """Raise 401 unless the request names an open session."""
        if request.headers.get("authorization", "").removeprefix("Bearer ") not in self._sessions:
            raise no_session()

    def end(self) -> None:
        """End all sessions; only a new login opens one."""
        self._sessions.clear()

    def reset(self) -> None:
        """Open the session of the start again; those of logins stay open."""
        self._sessions.add(SESSION_ID)

    def _open(self) -> str:
        session = f"00D5g0000000001!sandbox-{next(self._numbers):06}"
        self._sessions.add(session)
        return session

    async def _soap(self, request: Request) -> Response:
        text = (await request.body()).decode()
        version = request.path_params["version"]
        if "soapaction" not in request.headers:
            return _soap_fault("UNKNOWN_EXCEPTION", "SOAPAction HTTP header missing")
        if not re.fullmatch(r"\d\d\.0", version) or float(version) >= WITHOUT_LOGIN:
            return _soap_fault("UNSUPPORTED_API_VERSION", f"Invalid Api version specified on URL: {version}")
        expected = ((USERNAME, PASSWORD + SECURITY_TOKEN), (TRUSTED_USERNAME, PASSWORD))
        if (_element(text, "username"), _element(text, "password")) not in expected:
            return _soap_fault("INVALID_LOGIN", "Invalid username, password, security token; or user locked out.")
        filled = LOGIN_ANSWER.format(
            instance=_instance(request),
            version=version,
            organisation=ORGANISATION_ID[:15],
            session=self._open(),
            user=USER_ID,
        )
        return Response(filled, media_type="text/xml")

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        grants = {"password": self._by_password, JWT_GRANT: self._by_assertion, "client_credentials": self._by_client}
        check = grants.get(form.get("grant_type", ""))
        if check is None:
            raise _oauth_refusal("unsupported_grant_type", "grant type not supported")
        check(request, form)
        instance = _instance(request)
        return JSONResponse(
            {
                "access_token": self._open(),
                "instance_url": instance,
                "id": f"{instance}/id/{ORGANISATION_ID}/{USER_ID}",
                "token_type": "Bearer",
                "issued_at": "0",
                "signature": "sandbox",
            }
        )

    def _by_password(self, _: Request, form: dict[str, str]) -> None:
        _check_client(form.get("client_id"), form.get("client_secret"))
        if (form.get("username"), form.get("password")) not in _accepted_passwords():
            raise _oauth_refusal("invalid_grant", "authentication failure")

    def _by_client(self, request: Request, _form: dict[str, str]) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        try:
            identifier, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise _oauth_refusal("invalid_client", "invalid client credentials") from None
        if scheme != "Basic":
            raise _oauth_refusal("invalid_client", "invalid client credentials")
        _check_client(identifier, secret)

    def _by_assertion(self, request: Request, form: dict[str, str]) -> None:
        try:
            claims: dict[str, Any] = jwt.decode(
                form.get("assertion", ""),
                self.public_key,
                algorithms=["RS256"],
                audience=[*AUDIENCES, _instance(request)],
                options={"require": ["exp", "iss", "sub", "aud"]},
            )
        except jwt.InvalidAudienceError:
            raise _oauth_refusal("invalid_grant", "audience is invalid") from None
        except jwt.InvalidTokenError:
            raise _oauth_refusal("invalid_grant", "invalid assertion") from None
        if int(claims["exp"]) > (datetime.now(UTC) + LONGEST_ASSERTION).timestamp():
            raise _oauth_refusal("invalid_grant", "invalid assertion")
        if claims["iss"] != CLIENT_ID:
            raise _oauth_refusal("invalid_client_id", "client identifier invalid")
        if claims["sub"] != USERNAME:
            raise _oauth_refusal("invalid_grant", "user hasn't approved this consumer")


def _soap_fault(code: str, message: str) -> Response:
    return Response(LOGIN_FAULT.format(code=code, message=message), 500, media_type="text/xml")


def _accepted_passwords() -> set[tuple[str, str]]:
    return {(USERNAME, PASSWORD), (USERNAME, PASSWORD + SECURITY_TOKEN)}


def _check_client(identifier: str | None, secret: str | None) -> None:
    if identifier != CLIENT_ID:
        raise _oauth_refusal("invalid_client_id", "client identifier invalid")
    if secret != CLIENT_SECRET:
        raise _oauth_refusal("invalid_client", "invalid client credentials")


def _oauth_refusal(error: str, description: str) -> Refusal:
    return Refusal(400, {"error": error, "error_description": description})


def _instance(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _element(text: str, name: str) -> str | None:
    found = re.search(rf"<(?:\w+:)?{name}>(.*?)</(?:\w+:)?{name}>", text, re.DOTALL)
    return html.unescape(found[1]) if found else None
