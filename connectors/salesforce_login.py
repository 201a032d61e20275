"""The way into Salesforce: logins, the HTTP session, renewal of an expired session, failures in words. No records here.

The client, simple-salesforce, renews sessions without end or not at all, has no timeouts, trips over bodies that are no
JSON and puts whole answers into its errors; so it is used logged in, through ``SalesforceClient`` alone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit
from xml.parsers.expat import ExpatError

from connectors import http
from connectors.base import Budget, Login
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError

if TYPE_CHECKING:
    import requests
    from simple_salesforce.api import Salesforce

Result = TypeVar("Result")

TITLE: Final = "Salesforce"
API_VERSION: Final = "59.0"
LOGIN_PATHS: Final = ("/services/Soap/u/", "/services/oauth2/token")
NEVER_CONNECTED: Final = ("ConnectTimeoutError", "NameResolutionError", "NewConnectionError")
ERROR_CODE: Final = re.compile(r"[A-Za-z_ ]{1,60}")
API_USAGE: Final = re.compile(r"(?<![\w-])api-usage=(\d+)/(\d+)")

JWT: Final = Login(
    "signed token (JWT)",
    ("SALESFORCE_CONSUMER_KEY", "SALESFORCE_PRIVATE_KEY_FILE", "SALESFORCE_USERNAME", "SALESFORCE_DOMAIN"),
)
CLIENT: Final = Login("client credentials", ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "SALESFORCE_DOMAIN"))
PASSWORD: Final = Login(
    "username, password and security token",
    ("SALESFORCE_USERNAME", "SALESFORCE_PASSWORD", "SALESFORCE_SECURITY_TOKEN", "SALESFORCE_DOMAIN"),
)
SESSION: Final = Login("session id", ("SALESFORCE_INSTANCE_URL", "SALESFORCE_SESSION_ID"))
LOGINS: Final = (JWT, CLIENT, PASSWORD, SESSION)
ADDRESSES: Final = ("SALESFORCE_CA_BUNDLE", "SALESFORCE_LOGIN_URL")
# Variable -> how its value looks, and what to do where it does not.
FORMS: Final = {
    "SALESFORCE_SESSION_ID": (r"[!-~]+", "has blanks or other characters that no session id has; copy it again"),
    "SALESFORCE_INSTANCE_URL": (
        r"(https?://)?[\w.-]+(:\d+)?(/\S*)?",
        "is no address; write for instance https://example.my.salesforce.com",
    ),
    "SALESFORCE_LOGIN_URL": (
        r"https?://[\w.-]+(:\d+)?(/\S*)?",
        "is no address; write for instance https://login.salesforce.com, or unset it",
    ),
}
# Variable -> argument of the client's login.
ARGUMENTS: Final = {
    "SALESFORCE_USERNAME": "username",
    "SALESFORCE_PASSWORD": "password",
    "SALESFORCE_SECURITY_TOKEN": "security_token",
    "SALESFORCE_DOMAIN": "domain",
    "SALESFORCE_CONSUMER_KEY": "consumer_key",
    "SALESFORCE_CLIENT_ID": "consumer_key",
    "SALESFORCE_CLIENT_SECRET": "consumer_secret",
}
# Refusals of a login that say nothing of the credentials, by their code or by words of their description.
PASSING: Final = ("SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION", "temporarily_unavailable", "unknown_error")
PASSING_WORDS: Final = ("rate exceeded", "retry your request")
# What Salesforce's edge answers while it moves or sets up an organisation, with no words or a page.
NOT_NOW: Final = (406, 420)
# Said instead of a security token: Salesforce asks for none from an address that the organisation trusts.
NO_TOKEN: Final = "none"  # noqa: S105  (a word of ours)
LIMIT: Final = "REQUEST_LIMIT_EXCEEDED"
NO_CALLS_LEFT: Final = (
    "Salesforce allows no more API calls in these 24 hours. What was landed is kept; run again when calls are left, or "
    "pull less often."
)
A_DAY: Final = 86_400.0

# What the codes of refused requests mean to the operator; all others mean what their HTTP status means.
REFUSALS: Final[Mapping[str, tuple[type[ConnectorError], str]]] = {
    "INVALID_FIELD": (
        ConfigError,
        (
            "Salesforce has no field {field} on {object}, or its user may not see it. "
            "Correct the name in nps.yaml, or give the user access to the field."
        ),
    ),
    "INVALID_TYPE": (
        ConfigError,
        (
            "Salesforce has no object {object}, or its user may not see it. Correct nps.yaml (surveys: false where "
            "there are no Salesforce Surveys), or give the user access to the object."
        ),
    ),
    "JSON_PARSER_ERROR": (
        ConfigError,
        (
            "Salesforce could not read the values for {object} ({columns}) and wrote none. "
            "Correct the kind of the field in nps.yaml."
        ),
    ),
    "INVALID_QUERY_LOCATOR": (FatalError, "Salesforce closed the query of {object} before its end; run again."),
    "QUERY_TIMEOUT": (RetryableError, "Salesforce gave up the query of {object} as too slow; run again later."),
    "UNABLE_TO_LOCK_ROW": (RetryableError, "Salesforce locks records of {object} for somebody else; run again later."),
    LIMIT: (RetryableError, "Salesforce allows no more API calls at the same time; run again later."),
}


class Refused(Exception):  # noqa: N818  (an answer; whoever asked knows what it means)
    """Salesforce answered with a status other than success."""

    def __init__(self, status: int, content: Any, headers: Mapping[str, str]) -> None:
        super().__init__(status)
        first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
        self.status, self.code, self._message = status, str(first.get("errorCode") or ""), str(first.get("message"))
        self._headers = headers

    def means(self, doing: str, name: str, columns: Sequence[str]) -> ConnectorError:
        """The error for the operator; of the vendor's message, only names that were sent with the request are taken.

        Args:
            doing: What was asked, such as "reading Contact".
            name: The object.
            columns: The fields that were asked for or written.
        """
        if self.status in NOT_NOW:
            what = f"{TITLE} answered {self.status} when {doing}, also after waiting; run again later."
            return RetryableError(what, http.retry_after(self._headers))
        if self.code not in REFUSALS:
            code = f" ({self.code})" if ERROR_CODE.fullmatch(self.code) else ""
            return http.failure(TITLE, self.status, self._headers, doing + code)
        if self.code == LIMIT and "concurrent" not in self._message.lower():
            return RetryableError(NO_CALLS_LEFT, A_DAY)  # nobody waits that long
        kind, sentence = REFUSALS[self.code]
        named = (column for column in columns if any(f"'{part}'" in self._message for part in column.split(".")))
        return kind(sentence.format(object=name, field=next(named, "of that name"), columns=", ".join(columns)))


class Lost(Exception):  # noqa: N818  (what it means depends on whether something was to change)
    """No answer came, or none that can be read. ``sent``: the request may have arrived."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        reason = getattr(error.args[0] if error.args else None, "reason", None)
        self._error = error
        self._untrusted = "CERTIFICATE_VERIFY_FAILED" in str(error)
        self.sent = not self._untrusted and type(reason).__name__ not in NEVER_CONNECTED

    def means(self, doing: str) -> ConnectorError:
        """The error for the operator; ``doing`` is what was asked."""
        if self._untrusted:
            return ConfigError(f"The certificate of {TITLE} is not trusted when {doing}; check SALESFORCE_CA_BUNDLE.")
        if self.sent:
            return RetryableError(f"{TITLE} gave no readable answer when {doing}; run again later.")
        return http.unreachable(TITLE, self._error, doing, "the SALESFORCE_ variables")


class SalesforceClient:
    """A client that is logged in. An expired session is renewed once per request; a session id cannot be.

    ``meter`` knows what its requests cost. Raises ``ConfigError`` where the login is refused.
    """

    def __init__(self, login: Login, environment: Mapping[str, str]) -> None:
        self.meter = http.Meter(_budget)
        self._login, self._environment = login, environment
        _require_forms(login, environment)
        self._http = _http_session(environment, self.meter)
        self._headers: Mapping[str, str] = {}
        self._http.hooks["response"].append(self._note_headers)
        self._client = http.retried(self._log_in)

    def ask(self, send: Callable[[Salesforce], Result]) -> Result:
        """Send a request through the client; raises ``Refused`` or ``Lost``, or what a renewed login raises."""
        try:
            return self._sent(send)
        except Refused as refused:
            if refused.status != http.UNAUTHORIZED or self._login is SESSION:
                raise
        self._client = self._log_in()
        return self._sent(send)

    def request(self, method: str, path: str, read: Callable[[http.Answer], Result], **what: Any) -> Result:
        """Send a request that the client has no method for, or one that does not renew sessions.

        Args:
            method: GET, POST, PATCH or DELETE.
            path: Below ``/services/data/v59.0/``.
            read: Makes the result of the answer; ``ValueError`` says that the answer is none.
            what: ``params`` or ``json``, as ``requests`` takes them.

        Raises:
            Refused: It was answered with an error.
            Lost: It was not answered, or ``read`` did not understand the answer.
        """
        return self.ask(lambda client: read(_answer(client, method, path, what)))

    def _sent(self, send: Callable[[Salesforce], Result]) -> Result:
        from requests.exceptions import RequestException  # noqa: PLC0415
        from simple_salesforce.exceptions import SalesforceError  # noqa: PLC0415

        try:
            return send(self._client)
        except SalesforceError as error:
            raise Refused(error.status, error.content, self._headers) from None
        except (
            RequestException,
            ValueError,
            TypeError,
        ) as error:  # the latter two: a body that is not what it should be
            raise Lost(error) from None

    def _note_headers(self, answer: requests.Response, **_: Any) -> None:
        self._headers = answer.headers  # the client's errors have none

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _log_in(self) -> Salesforce:
        from simple_salesforce.api import Salesforce  # noqa: PLC0415

        if self._login is SESSION:
            session_id, instance = (
                self._environment[name] for name in ("SALESFORCE_SESSION_ID", "SALESFORCE_INSTANCE_URL")
            )
        else:
            session_id, instance = _new_session(self._login, self._environment, self._http)
        host = urlsplit(instance if "://" in instance else f"//{instance}").netloc
        # Without credentials of its own the client leaves renewing to us.
        return Salesforce(session_id=session_id, instance=host, session=self._http, version=API_VERSION)


def _answer(client: Salesforce, method: str, path: str, what: Mapping[str, Any]) -> http.Answer:
    from simple_salesforce.util import exception_handler  # noqa: PLC0415

    headers = {"Authorization": client.headers["Authorization"]}
    response = client.session.request(method, client.base_url + path, headers=headers, **what)
    if response.status_code >= http.REDIRECT:
        exception_handler(response, name=path)
    return http.Answer(response.status_code, response.headers, response.content)


def _new_session(login: Login, environment: Mapping[str, str], http_session: requests.Session) -> tuple[str, str]:
    """Log in by anything but a session id: the new session id and the host of the organisation."""
    from requests.exceptions import RequestException  # noqa: PLC0415
    from simple_salesforce.exceptions import SalesforceAuthenticationFailed  # noqa: PLC0415
    from simple_salesforce.login import SalesforceLogin  # noqa: PLC0415

    arguments: dict[str, Any] = {ARGUMENTS[name]: environment[name] for name in login.variables if name in ARGUMENTS}
    if arguments.get("security_token") == NO_TOKEN:
        arguments["security_token"] = ""
    if login is JWT:
        arguments["privatekey"] = _private_key(environment["SALESFORCE_PRIVATE_KEY_FILE"])
    try:
        with warnings.catch_warnings(action="ignore"):  # the client would print the consumer key
            session_id, instance = SalesforceLogin(session=http_session, sf_version=API_VERSION, **arguments)
    except SalesforceAuthenticationFailed as refused:
        raise _login_refusal(login, refused.code, refused.content.decode()) from None
    except (RequestException, ExpatError, AttributeError, TypeError) as error:  # the latter three: an unreadable body
        raise Lost(error).means("logging in") from None
    if not isinstance(session_id, str):
        raise RetryableError(f"{TITLE} answered the login without a session; run again later.")
    return session_id, instance


def _login_refusal(login: Login, code: str | int | None, description: str) -> ConnectorError:
    """What a refused login means; ``code`` is the vendor's, or the status of an answer that had none."""
    if isinstance(code, int) and code >= http.REDIRECT:
        return http.failure(TITLE, code, {}, "logging in")
    passing = any(words in description.lower() for words in PASSING_WORDS)
    if not isinstance(code, str) or code.startswith(PASSING) or passing:
        return RetryableError(f"{TITLE} could not answer the login; run again later.")
    if code.startswith(LIMIT):
        return RetryableError(NO_CALLS_LEFT, A_DAY)
    shown = f" ({code})" if ERROR_CODE.fullmatch(code) else ""
    hint = f" SALESFORCE_SECURITY_TOKEN may be '{NO_TOKEN}' only where this address is trusted." * (login is PASSWORD)
    return ConfigError(f"{TITLE} refused the login by {login.name}{shown}; check {', '.join(login.variables)}.{hint}")


def _require_forms(login: Login, environment: Mapping[str, str]) -> None:
    """Raise ``ConfigError`` for what cannot be sent at all: a request would fail as if nobody could be reached."""
    for name in (*login.variables, *ADDRESSES):
        form, remedy = FORMS.get(name, (".*", ""))
        if environment.get(name) and not re.fullmatch(form, environment[name], re.DOTALL):
            raise ConfigError(f"{TITLE}: {name} {remedy}.")


def _private_key(path: str) -> str:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = Path(path).read_text(encoding="ascii")
        load_pem_private_key(key.encode(), password=None)
    except (OSError, ValueError, TypeError):
        raise ConfigError(
            "SALESFORCE_PRIVATE_KEY_FILE names no readable private key; it must be a PEM file without a password."
        ) from None
    return key


def _http_session(environment: Mapping[str, str], meter: http.Meter) -> requests.Session:
    """Counts, has timeouts, trusts SALESFORCE_CA_BUNDLE whatever else is set, sends logins to SALESFORCE_LOGIN_URL."""
    import requests  # noqa: PLC0415

    authority, login_server = environment.get("SALESFORCE_CA_BUNDLE"), environment.get("SALESFORCE_LOGIN_URL")
    if authority and not Path(authority).is_file():
        raise ConfigError("SALESFORCE_CA_BUNDLE names no file; correct its path or unset it.")
    # Said per request the authority wins over REQUESTS_CA_BUNDLE; said for the session it would not.
    always = {"verify": authority or None, "timeout": (http.CONNECT_SECONDS, http.READ_SECONDS)}

    class Session(requests.Session):
        def request(self, method: str, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
            return super().request(method, _login_address(str(url), login_server), *args, **(kwargs | always))

    session = Session()
    session.auth = lambda request: request  # or an entry in .netrc would replace the session id
    meter.watch(session)
    return session


def _login_address(url: str, login_server: str | None) -> str:
    asked = urlsplit(url)
    if not login_server or not asked.path.startswith(LOGIN_PATHS):
        return url
    server = urlsplit(login_server)
    return asked._replace(scheme=server.scheme, netloc=server.netloc).geturl()


def _budget(headers: Mapping[str, str]) -> Budget | None:
    found = API_USAGE.search(headers.get("sforce-limit-info", ""))
    return Budget(int(found[2]), max(0, int(found[2]) - int(found[1])), "day") if found else None
