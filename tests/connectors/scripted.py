"""A server on loopback that answers what a test tells it: the faults that the sandbox CRMs do not have."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self


@dataclass(frozen=True)
class Reply:
    """One answer: text or bytes as they are, all else as JSON. ``cut``: the connection ends where an answer is due."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


@dataclass
class Scripted:
    """A server on loopback: replies in order, the last one again and again; a callable makes its own of the body."""

    replies: tuple[Reply | Callable[[Any], Reply], ...]
    asked: list[Any] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        script = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = json.loads(body) if body else None
                reply = script.replies[min(len(script.asked), len(script.replies) - 1)]
                script.asked.append({"path": self.path, "body": asked})
                reply = reply if isinstance(reply, Reply) else reply(asked)
                self.close_connection = True
                if not reply.cut:
                    self._send(reply)

            def _send(self, reply: Reply) -> None:
                text = reply.body if isinstance(reply.body, (str, bytes)) else json.dumps(reply.body)
                body = text if isinstance(text, bytes) else text.encode()
                usual = {"Date": format_datetime(datetime.now(UTC), usegmt=True), "Content-Length": str(len(body))}
                self.send_response_only(reply.status)
                for name, value in {**usual, **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

        return Handler
