"""Answers that are cut off, garbled or without end: all connectors end them as errors, soon, and none as "no data"."""

from __future__ import annotations

import gzip
import socket
import ssl
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count, repeat
from threading import Event, Thread
from typing import Any, Self

import pytest
import requests

from connectors import http
from connectors.base import Change, Connector, Session, Value
from connectors.errors import ConnectorError, InDoubtError, RetryableError
from connectors.registry import discover
from sandbox.certificates import ServerFiles, write_server_files

CONNECTORS = discover()
WRITE_AT_ONCE = {"hubspot": "contacts", "salesforce": "Contact"}  # Zendesk is asked for the fields of users before
every_source = pytest.mark.parametrize("source", CONNECTORS)


@dataclass
class Raw:
    """A server on loopback that sends these bytes to every request, one piece after the other, whatever it was asked.

    Between two pieces it waits ``pause`` seconds; when they are all sent it hangs up, or says no more (``hangs``).
    """

    pieces: Callable[[], Iterator[bytes]]
    pause: float = 0.0
    hangs: bool = False
    tls: ServerFiles | None = None
    asked: int = 0
    sent: int = 0
    _over: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.tls.certificate, self.tls.key)
            self._socket = context.wrap_socket(self._socket, server_side=True)
        Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._socket.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while not self._over.is_set():
            with suppress(OSError):
                connection, _ = self._socket.accept()
                Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            self.asked += 1
            for piece in self.pieces():
                connection.sendall(piece)
                self.sent += len(piece)
                if self._over.wait(self.pause):
                    return
            if self.hangs:
                self._over.wait(60)


def answer(body: bytes, *headers: str, length: int | None = None) -> bytes:
    """One answer with status 200; ``length`` is what it says of the length of its body."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", "Connection: close", *headers]
    lines += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def chunk(text: bytes) -> bytes:
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


CHUNKED = "Transfer-Encoding: chunked"
JSON = b'{"results": [], "users": [], "records": [], "end_of_stream": true'
PACKED = gzip.compress(JSON + b"}")


def chunks_without_end() -> Iterator[bytes]:
    yield answer(b"", CHUNKED)
    yield from repeat(chunk(b" " * 50_000))


def trickle() -> Iterator[bytes]:
    yield answer(b"", length=1_000_000)
    yield from repeat(b" ")


def zeros_without_end() -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    yield answer(chunk(packer.compress(b" ")), CHUNKED, "Content-Encoding: gzip")
    for _ in count():
        piece = packer.compress(b" " * 1_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield chunk(piece)


def once(*pieces: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter(pieces)


BROKEN: Mapping[str, Callable[[], Iterator[bytes]]] = {
    "nothing": once(),
    "half a header": once(b"HTTP/1.1 200 OK\r\nContent-"),
    "no HTTP": once(b"220 mail.example ESMTP\r\n\r\n"),
    "cut in the body": once(answer(JSON, length=5_000)),
    "cut in the body of unsaid length": once(answer(JSON)),
    "cut in a chunk": once(answer(b"ff\r\n" + JSON, CHUNKED)),
    "cut between chunks": once(answer(chunk(JSON + b"}"), CHUNKED)),
    "no size of a chunk": once(answer(b"xyz\r\n" + JSON, CHUNKED)),
    "not packed as it says": once(answer(JSON + b"}", "Content-Encoding: gzip", length=len(JSON) + 1)),
    "half packed": once(answer(PACKED[:20], "Content-Encoding: gzip", length=20)),
    "packed, and rubbish in it": once(
        answer(PACKED[:20] + bytes(len(PACKED) - 20), "Content-Encoding: gzip", length=len(PACKED))
    ),
}
every_broken = pytest.mark.parametrize("kind", BROKEN)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> ServerFiles:
    return write_server_files(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def reached(files: ServerFiles) -> Iterator[Callable[..., tuple[Session, Raw]]]:
    """Starts a server and logs in to it without asking it; both end with the test."""
    with ExitStack() as open_until_the_end:

        def start(source: str, pieces: Callable[[], Iterator[bytes]], **options: Any) -> tuple[Session, Raw]:
            tls = files if source == "salesforce" else None
            server = open_until_the_end.enter_context(Raw(pieces, tls=tls, **options))
            environment = {
                "HUBSPOT_ACCESS_TOKEN": "pat-1",
                "HUBSPOT_BASE_URL": server.url,
                "ZENDESK_SUBDOMAIN": "acme",
                "ZENDESK_OAUTH_TOKEN": "token",
                "ZENDESK_BASE_URL": server.url,
                "SALESFORCE_SESSION_ID": "session",
                "SALESFORCE_INSTANCE_URL": server.url,
                "SALESFORCE_CA_BUNDLE": str(files.authority),
            }
            connector: Connector = CONNECTORS[source]
            session = connector.connect(connector.settings(), environment)
            open_until_the_end.callback(session.close)
            return session, server

        yield start


Reached = Callable[..., tuple[Session, Raw]]


@every_source
@every_broken
def test_a_broken_answer_is_asked_for_again_and_then_an_error(
    reached: Reached, waits: list[float], source: str, kind: str
) -> None:
    session, server = reached(source, BROKEN[kind])
    with pytest.raises(RetryableError):
        session.check()
    assert (server.asked, len(waits)) == (http.ATTEMPTS, http.ATTEMPTS - 1)


@every_source
@pytest.mark.usefixtures("waits")
def test_a_server_that_says_nothing_is_not_waited_for_without_end(
    reached: Reached, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setattr("connectors.http.READ_SECONDS", 0.1)
    session, server = reached(source, once(), hangs=True)
    with pytest.raises(RetryableError):
        session.check()
    assert server.asked == http.ATTEMPTS


@every_source
@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize(
    ("pieces", "limits"),
    [
        (chunks_without_end, {"LARGEST_ANSWER": 1_000_000}),
        (zeros_without_end, {"LARGEST_ANSWER": 10_000_000}),
        (chunks_without_end, {"ANSWER_SECONDS": 0.1}),
        (trickle, {"ANSWER_SECONDS": 0.1}),
    ],
)
def test_an_answer_without_end_is_given_up(
    reached: Reached,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    pieces: Callable[[], Iterator[bytes]],
    limits: dict[str, float],
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(f"connectors.http.{name}", value)
    session, server = reached(source, pieces, pause=0.001 if "ANSWER_SECONDS" in limits else 0.0)
    with pytest.raises(RetryableError):
        session.check()
    assert server.asked == http.ATTEMPTS


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("source", WRITE_AT_ONCE)
@every_broken
def test_a_write_with_a_broken_answer_is_in_doubt_and_sent_once(reached: Reached, source: str, kind: str) -> None:
    session, server = reached(source, BROKEN[kind])
    (target,) = [one for one in CONNECTORS[source].targets if one.stream == WRITE_AT_ONCE[source]]
    with pytest.raises(InDoubtError):
        session.push(target, [Change("op", "5", {"nps": Value("number", "9")})])
    assert server.asked == 1


@every_source
@pytest.mark.usefixtures("waits")
def test_a_packed_answer_is_unpacked(reached: Reached, source: str) -> None:
    said = b'{"user": {"id": 5}, "portalId": 5, "sobjects": []}'
    packed = gzip.compress(said)
    session, _ = reached(source, once(answer(packed, "Content-Encoding: gzip", length=len(packed))))
    with suppress(ConnectorError):  # not every connector is content with this answer
        session.check()
    meter = session._client.meter  # type: ignore[attr-defined]  # noqa: SLF001
    assert meter.bytes == meter.requests * len(said) > 0


def test_a_session_reads_an_answer_once_and_keeps_it() -> None:
    meter = http.Meter()
    with Raw(once(answer(b"0123456789", length=10))) as server, requests.Session() as session:
        meter.watch(session)
        found = session.get(server.url, timeout=10)
    assert (found.content, found.text, meter.bytes) == (b"0123456789", "0123456789", 10)
