"""Connector errors, named by what the caller can do about them; messages never carry customer data or secrets."""

from __future__ import annotations


class ConnectorError(Exception):
    """Base of every error that a connector raises on purpose; its text is a sentence for the operator."""


class ConfigError(ConnectorError):
    """The configuration or a credential is wrong: nothing will work until a person changes it."""


class FatalError(ConnectorError):
    """The source answered in a way that cannot be trusted: stop this source, keep what was landed."""


class ExpiredCursorError(ConnectorError):
    """The source does not know any more what changed since the cursor: everything has to be pulled again."""


class RetryableError(ConnectorError):
    """The source is unavailable for now: the same request may succeed later.

    ``retry_after`` is how many seconds the source asks to wait, None where it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class InDoubtError(ConnectorError):
    """A write was sent and no answer came: it may or may not have been applied. Read back before sending again."""


class RecordError(ConnectorError):
    """One record, row or file is unusable: set it aside with this reason and go on with the others."""
