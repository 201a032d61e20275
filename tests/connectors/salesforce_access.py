"""How the tests reach Salesforce: settings, sessions, and a proxy before the sandbox for the faults that it has not."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from connectors.base import Change, Kind, Page, Value
from connectors.salesforce import CONNECTOR, SalesforceSession
from connectors.salesforce_streams import SalesforceSettings
from sandbox.serve import Sandbox

NO_OVERLAP = timedelta(0)
PASSED_ON = ("date", "content-type", "sforce-locator", "sforce-numberofrecords")
KINDS: dict[str, Kind] = {"NPS_Score__c": "number", "NPS_Category__c": "text", "NPS_Responded_At__c": "datetime"}
SETTINGS = SalesforceSettings.model_validate(
    {
        "account_segment": "Segment__c",
        "nps_objects": [
            {
                "object": "NPS_Response__c",
                "score": "Score__c",
                "scale": [0, 10],
                "comment": "Comment__c",
                "responded_at": "Responded_At__c",
                "contact": "Contact__c",
                "account": "Account__c",
                "survey": {"field": "Survey__c"},
                "survey_type": {"field": "Survey_Type__c"},
                "channel": "phone",
                "touchpoint": {"field": "Touchpoint__c"},
                "language": {"field": "Language__c"},
            }
        ],
    }
)
STREAMS = {stream.name: stream for stream in CONNECTOR.streams(SETTINGS, {"contact": list(KINDS)})}
TARGET = CONNECTOR.targets[0]


def connect(environment: Mapping[str, str], **settings: Any) -> SalesforceSession:
    return CONNECTOR.connect(SETTINGS.model_copy(update=settings), environment)


def session_of(proxy: Proxy, way: str = "jwt", **settings: Any) -> SalesforceSession:
    """A session by way of a proxy."""
    return connect(proxy.environment(way), **settings)


def pulled(session: SalesforceSession, name: str, cursor: Mapping[str, Any] | None = None) -> list[Page]:
    return list(session.pull(STREAMS[name], cursor or {}, NO_OVERLAP))


def records_of(pages: list[Page]) -> dict[str, Any]:
    return {record.record_id: record for page in pages for record in page.records}


def contacts(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    return sandbox.control["salesforce"].state("Contact")


def change(record_id: str, **values: str | None) -> Change:
    return Change(f"op-{record_id}", record_id, {name: Value(KINDS[name], text) for name, text in values.items()})


@dataclass(frozen=True)
class Answer:
    """What a server answers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


# Is given what lets the sandbox answer; returns the answer to pass on, None to cut the connection instead.
Fault = Callable[[Callable[[], Answer]], Answer | None]


def refusing(status: int, code: str, message: str = "m", **headers: str) -> Fault:
    """The sandbox does not get the request; the answer is an error of the API."""
    body = json.dumps([{"message": message, "errorCode": code}]).encode()
    return lambda _: Answer(status, body, headers)


def saying(body: str | bytes, status: int = 200) -> Fault:
    """The sandbox does what was asked, but the answer has another body."""
    return lambda forward: forward() and Answer(status, body if isinstance(body, bytes) else body.encode())


def changing(edit: Callable[[Any], Any]) -> Fault:
    """The sandbox's answer with its body edited."""

    def fault(forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        return Answer(answer.status, json.dumps(edit(json.loads(answer.body))).encode(), answer.headers)

    return fault


def halved(forward: Callable[[], Answer]) -> Answer:
    """The connection ends in the middle of the answer."""
    answer = forward()
    return Answer(answer.status, answer.body[: len(answer.body) // 2], {"Content-Length": str(len(answer.body))})


def cut(forward: Callable[[], Answer]) -> None:
    """The sandbox does what was asked, but the connection ends without an answer."""
    forward()


EXPIRED = refusing(401, "INVALID_SESSION_ID")


@dataclass
class Proxy:
    """Passes requests on to the sandbox in pages of 200, and commits faults: (part of the path, fault), each once.

    ``written`` are the bodies that were to change records.
    """

    sandbox: Sandbox
    url: str
    faults: list[tuple[str, Fault]] = field(default_factory=list)
    written: list[Any] = field(default_factory=list)

    def environment(self, way: str) -> dict[str, str]:
        """The variables that log in by way of the proxy."""
        found = self.sandbox.environment_for(salesforce=way) | {"SALESFORCE_LOGIN_URL": self.url}
        return found | {"SALESFORCE_INSTANCE_URL": self.url} if way == "session" else found

    def requests(self, part: str) -> list[dict[str, Any]]:
        """What arrived at the sandbox, by a part of the path."""
        return [one for one in self.sandbox.control["salesforce"].requests() if part in one["path"]]

    def fault_for(self, path: str) -> Fault | None:
        """The next fault for a path; it is used up."""
        place = next((place for place, (part, _) in enumerate(self.faults) if part in path), None)
        return None if place is None else self.faults.pop(place)[1]


@contextmanager
def proxied(sandbox: Sandbox) -> Iterator[Proxy]:
    """A proxy with the sandbox's own certificate, on a free port of loopback."""
    authority = Path(sandbox.environment["SALESFORCE_CA_BUNDLE"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(authority.with_name("server.pem"), authority.with_name("server.key"))
    trusting = ssl.create_default_context(cafile=authority)
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.daemon_threads = True
    proxy = Proxy(sandbox, f"https://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = _handler(proxy, trusting)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield proxy
    server.shutdown()
    server.server_close()


def _handler(proxy: Proxy, trusting: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "PATCH" and "/composite/" in self.path:
                proxy.written.append(json.loads(body))
            fault = proxy.fault_for(self.path)
            answer = fault(lambda: self._forwarded(body)) if fault else self._forwarded(body)
            if answer is not None:
                self.send_response_only(answer.status)
                for name, value in ({"Content-Length": str(len(answer.body))} | dict(answer.headers)).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

        def _forwarded(self, body: bytes) -> Answer:
            address = urlsplit(proxy.sandbox.urls["salesforce"])
            connection = HTTPSConnection(str(address.hostname), address.port, timeout=10, context=trusting)
            wanted = ("Host", "Authorization", "Content-Type", "SOAPAction")
            headers = {name: self.headers[name] for name in wanted if name in self.headers}
            connection.request(self.command, self.path, body, headers | {"Sforce-Query-Options": "batchSize=200"})
            response = connection.getresponse()
            passed = {name: value for name, value in response.getheaders() if name.lower() in PASSED_ON}
            answer = Answer(response.status, response.read(), passed)
            connection.close()
            return answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815

    return Handler
