"""What the sandboxes of this process say of requests that break a published specification, gathered for tests."""

from __future__ import annotations

import logging


class Noted(logging.Handler):
    """Keeps the sentences; whoever has judged them forgets them."""

    def __init__(self) -> None:
        super().__init__()
        self.sentences: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.sentences.append(record.getMessage())
