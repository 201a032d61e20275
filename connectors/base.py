"""What a source declares, yields and accepts: frozen declarations and protocols. No I/O and no vendor code here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

Role = Literal["response", "invitation", "person", "account", "event", "reference"]
Mode = Literal["incremental", "full", "reconcile", "file"]
Kind = Literal["number", "text", "date", "datetime"]
# Where the next pull resumes: each value is ISO 8601 text or Unix seconds, none later than what was served, or text
# that begins with PLACE: a place in a list.
Cursor = Mapping[str, str | int]
PLACE = "@"


@dataclass(frozen=True, slots=True)
class Stream:
    """One kind of record that a source serves.

    ``fields`` says where each conformed field sits in the payload: conformed name -> JSON path
    (``{"score": "$.properties.hs_value"}``; ``$.custom_fields[id=360001].value`` is the member of a list with that id).
    ``constants`` are the values of conformed fields where the payload has none. ``written`` are the fields of this
    record that sync-back writes and therefore observes: name of the field at its destination -> JSON path. Staging is
    generated from all three, so a new stream needs no SQL. Records of the role ``reference`` are what other records
    point to, such as the questions of a survey. ``append_only``: the source never changes or deletes a record of it, so
    that reading all of it anew finds nothing and is not done by schedule.
    """

    source: str
    name: str
    role: Role
    fields: Mapping[str, str]
    constants: Mapping[str, str] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)
    append_only: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the source served it.

    ``payload`` is JSON text, ``source_version`` the source's own timestamp of this
    version (UTC, None where it has none).
    """

    record_id: str
    payload: str
    source_version: datetime | None = None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What a source's API still allows: ``remaining`` of ``limit`` requests in the window ``per`` (day, 10 s, ...)."""

    limit: int
    remaining: int
    per: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some records and the cursor that holds once they are landed; ``requests`` and ``bytes`` are what they cost.

    An empty cursor leaves the one before. ``budget`` is what the API allowed after this page, None where it does not
    say.
    """

    records: Sequence[Record]
    cursor: Cursor = field(default_factory=dict)
    requests: int = 0
    bytes: int = 0
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a field at its destination, in the one spelling of its kind (``connectors.values``); None is empty."""

    kind: Kind
    text: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """An object of a destination that scores are written to.

    ``name`` is its word in nps.yaml (``contact``), ``stream`` the stream that serves its records, ``path`` where a
    written field sits in their payload (``$.properties.{field}``), ``batch_size`` the most records that one write
    takes, ``kinds`` what ``score``, ``category`` and ``responded_at`` are unless nps.yaml says otherwise.
    """

    name: str
    stream: str
    path: str
    batch_size: int
    kinds: Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Change:
    """One record's new values: destination field -> value. ``op_id`` names the change in the ledger."""

    op_id: str
    record_id: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What became of one change.

    ``error_code`` is the destination's own code of a refusal, None when it was written; ``written_at`` is the
    destination's clock (UTC), None where it does not tell.
    """

    op_id: str
    error_code: str | None = None
    written_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """One way to log in and the environment variables that it needs, all of them."""

    name: str
    variables: Sequence[str]


class Session(Protocol):
    """A source or destination after login. Used by one thread, closed after use.

    Every method raises ``ConfigError``, ``FatalError`` or ``RetryableError``; no message has customer data or a secret.
    """

    def check(self) -> None:
        """Ask the cheapest question that only valid credentials answer."""

    def pull(self, stream: Stream, cursor: Cursor, overlap: timedelta) -> Iterator[Page]:
        """Serve what changed since the cursor, and again what changed in the ``overlap`` before it.

        An empty cursor asks for everything. A page carries a cursor only where a pull from it on misses nothing, so the
        last one does, and any page of a source that serves in an order. Raises
        ``ExpiredCursorError`` where the source has forgotten what was deleted since the cursor.
        """

    def count(self, stream: Stream) -> int | None:
        """The source's own count of live records of the stream; None where it has none that is exact."""

    def gone(self, stream: Stream, record_ids: Sequence[str]) -> Collection[str]:
        """Of records that a pull of everything did not list, those that are not live; by id where a list can err."""

    def push(self, target: Target, changes: Sequence[Change]) -> Sequence[WriteResult]:
        """Write one batch (at most ``target.batch_size`` records, each once) and tell what became of every change.

        It only updates: a record that is not there is refused. Raises ``InDoubtError`` where the batch was sent and
        may have been applied; any other error means that nothing of it was.
        """

    def read_back(
        self, target: Target, record_ids: Sequence[str], fields: Mapping[str, Kind]
    ) -> Mapping[str, Mapping[str, str | None]]:
        """The present values, read by id and not from a search: record id -> field -> text; absent: no such record."""

    def close(self) -> None:
        """Let go of the connection."""


class Connector(Protocol):
    """One system of customer feedback: how it is configured, what it serves, what it accepts.

    ``source`` is its word in nps.yaml, ``settings`` the pydantic model of its section there; ``logins`` are the ways to
    log in, ``addresses`` further variables it reads. ``targets`` are the objects it accepts scores on.
    """

    @property
    def source(self) -> str:
        """Its word in nps.yaml and everywhere else."""

    @property
    def title(self) -> str:
        """Its name for people."""

    @property
    def settings(self) -> type[Any]:
        """The model of its section in nps.yaml, a ``connectors.config.SourceSettings``."""

    @property
    def logins(self) -> Sequence[Login]:
        """The ways to log in, the preferred first."""

    @property
    def addresses(self) -> Sequence[str]:
        """Optional variables that point it at another server."""

    @property
    def targets(self) -> Sequence[Target]:
        """The objects that scores can be written to."""

    def streams(self, settings: Any, written: Mapping[str, Sequence[str]]) -> Sequence[Stream]:
        """What it serves under these settings; ``written``: target name -> the fields that sync-back writes there."""

    def connect(self, settings: Any, environment: Mapping[str, str]) -> Session:
        """Log in. Raises ``ConfigError`` where credentials are missing or refused."""
