"""Web servers on loopback in one background thread, whatever they serve."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from sandbox.faults import HANG_UP

LOOPBACK = "127.0.0.1"
START_SECONDS = 10.0
BACKLOG = 128


@dataclass(frozen=True)
class Site:
    """One application, the port it is to have (0: any free one), and its certificate and key where it speaks TLS."""

    application: ASGIApp
    port: int = 0
    tls: tuple[Path, Path] | None = None


class Servers:
    """Serves sites until it is stopped. Starting returns when all of them answer."""

    def __init__(self, sites: Sequence[Site]) -> None:
        with ExitStack() as bound:  # closes what is bound already where a later port is taken
            self._sockets = [bound.enter_context(_bound(site.port)) for site in sites]
            bound.pop_all()
        self._servers = [uvicorn.Server(_config(site)) for site in sites]
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="sandbox", daemon=True)
        self.urls = [
            f"{'https' if site.tls else 'http'}://{LOOPBACK}:{bound.getsockname()[1]}"
            for site, bound in zip(sites, self._sockets, strict=True)
        ]

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Start serving and wait until every site answers."""
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not all(server.started for server in self._servers):
            if time.monotonic() > deadline or not self._thread.is_alive():
                self.stop()
                raise RuntimeError("The sandbox servers did not start; the lines above say why.")
            time.sleep(0.005)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop serving and wait until it is so."""
        for server in self._servers:
            server.should_exit = True
            server.force_exit = True  # clients keep connections open; nobody waits for them
        if self._thread.is_alive():
            self._thread.join(START_SECONDS)
        for bound in self._sockets:
            bound.close()

    async def _serve(self) -> None:
        await asyncio.gather(
            *(server.serve([bound]) for server, bound in zip(self._servers, self._sockets, strict=True))
        )


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it; small answers leave at once
    try:
        bound.bind((LOOPBACK, port))
    except OSError as error:
        bound.close()
        raise RuntimeError(
            f"Port {port} on {LOOPBACK} is taken; name another one, or none for any free port."
        ) from error
    bound.listen(BACKLOG)
    return bound


def _config(site: Site) -> uvicorn.Config:
    certificate, key = site.tls or (None, None)
    return uvicorn.Config(
        site.application,
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        http=_protocol,  # type: ignore[arg-type]  # it is called like a class
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def _protocol(**given: Any) -> asyncio.Protocol:
    """A connection whose application may end it: ``hang_up`` in the scope closes it when what was sent has left."""
    protocol: Any = AutoHTTPProtocol(**given)
    application: ASGIApp = protocol.app

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, HANG_UP: protocol.transport.close}, receive, send)

    protocol.app = answer
    made: asyncio.Protocol = protocol
    return made
