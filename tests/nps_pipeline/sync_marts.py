"""Small marts to sync: what is wanted, what was pulled, which answers there are; and their publication."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from connectors.base import Target
from nps_pipeline import publications
from nps_pipeline.home import Home
from nps_pipeline.landing import sha256_of
from nps_pipeline.publications import Publication
from nps_pipeline.sync_fields import SyncField
from nps_pipeline.warehouse import CONTRACT_TABLES
from tests.nps_pipeline.small_marts import tables_of

SCORE = SyncField(
    destination="hubspot",
    object="contact",
    stream="contacts",
    survey_type="relational",
    touchpoint=None,
    value="score",
    field="nps_score",
    kind="number",
)
CONTACT = Target("contact", "contacts", "$.properties.{field}", 2, {"score": "number"})
TABLES = """
create table sync_wanted (
    destination varchar, object varchar, record_id varchar, field varchar, wanted varchar, as_of timestamp,
    response_id varchar, customer_id varchar, survey_type varchar, value varchar
);
create table sync_observed (
    destination varchar, object varchar, record_id varchar, field varchar, observed varchar, observed_at timestamp
);
create table fct_nps_responses (
    response_id varchar, customer_id varchar, survey_type varchar, touchpoint varchar, responded_at timestamp
);
"""


def day(number: int, hour: int = 12) -> datetime:
    """A time in March."""
    return datetime(2026, 3, 1, hour, tzinfo=UTC) + timedelta(days=number - 1)


PULLED, ANSWERED = day(5), day(10)


@dataclass(frozen=True)
class Wanted:
    """A row of sync_wanted; customers and answers are named after the record unless said otherwise."""

    record_id: str
    wanted: str | None
    as_of: datetime | None = ANSWERED
    customer_id: str | None = None
    field: str = "nps_score"
    destination: str = "hubspot"
    object: str = "contact"
    survey_type: str = "relational"
    value: str = "score"

    def row(self) -> list[object]:
        answer = f"answer of {self.record_id}"
        place = [self.destination, self.object, self.record_id, self.field]
        customer = self.customer_id or self.record_id
        return [*place, self.wanted, _utc(self.as_of), answer, customer, self.survey_type, self.value]


@dataclass(frozen=True)
class Observed:
    """A row of sync_observed."""

    record_id: str
    observed: str | None = None
    observed_at: datetime | None = PULLED
    field: str = "nps_score"
    destination: str = "hubspot"
    object: str = "contact"

    def row(self) -> list[object]:
        place = [self.destination, self.object, self.record_id, self.field]
        return [*place, self.observed, _utc(self.observed_at)]


@dataclass(frozen=True)
class Answer:
    """A kept answer."""

    response_id: str
    customer_id: str | None
    survey_type: str = "relational"
    touchpoint: str = "unknown"
    responded_at: datetime = ANSWERED

    def row(self) -> list[object]:
        *facts, responded_at = astuple(self)
        return [*facts, _utc(responded_at)]


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC).replace(tzinfo=None) if moment else None


def make_mart(
    path: Path, wanted: Iterable[Wanted] = (), observed: Iterable[Observed] = (), answers: Iterable[Answer] = ()
) -> Path:
    """A closed mart with these rows; a record that is wanted and not observed is observed empty."""
    wanted, observed = list(wanted), list(observed)
    known = {(one.destination, one.object, one.record_id, one.field) for one in observed}
    for one in wanted:
        if (one.destination, one.object, one.record_id, one.field) not in known:
            observed.append(Observed(one.record_id, None, PULLED, one.field, one.destination, one.object))
    tables = {"sync_wanted": wanted, "sync_observed": observed, "fct_nps_responses": list(answers)}
    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLES)
        for table, rows in tables.items():
            for one in rows:
                row = one.row()
                connection.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)
    return path


def publish(
    home: Home,
    publication_id: str,
    wanted: Sequence[Wanted] = (),
    observed: Sequence[Observed] = (),
    answers: Sequence[Answer] = (),
) -> Publication:
    """Publish a small mart with the verdict of a gate that had nothing to complain about."""
    candidate = home.publish / ".candidates" / publication_id
    candidate.mkdir(parents=True)
    mart = make_mart(candidate / publications.MART, wanted, observed, answers)
    with duckdb.connect(str(mart)) as connection:  # what a sync does not read, a swap looks for
        there = {name for (name,) in connection.execute("select table_name from duckdb_tables()").fetchall()}
        connection.execute(tables_of(publication_id, [name for name in CONTRACT_TABLES if name not in there]))
    verdict = {
        "publication_id": publication_id,
        "mart_sha256": sha256_of(mart),
        "parquet_sha256": {},
        "fingerprint": publication_id,
        "suites_hash": "",
        "results": [],
        "passed": True,
    }
    (candidate / "gate.json").write_text(json.dumps(verdict), encoding="utf-8")
    facts = {"publication_id": publication_id, "fingerprint": publication_id, "mart_sha256": sha256_of(mart)}
    return publications.swap(home, candidate, facts, keep=3)
