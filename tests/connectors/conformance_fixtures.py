"""Fixtures of the conformance suite: the sandbox CRMs with few records, and one stream of them in small pages.

``conftest.py`` hands them to every test of this folder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from pathlib import Path
from typing import Self

import duckdb
import pytest

from connectors.base import Cursor
from nps_pipeline.home import Home
from sandbox import population
from sandbox.serve import Sandbox, start
from sandbox.store import Record
from tests.connectors.conformance import Case
from tests.connectors.landed_source import Source, Versions, in_small_pages, is_served, versions

SEED, TODAY = 7, date(2026, 11, 22)
FEW = 24  # records of a table
Engine = Callable[..., "Database"]


@dataclass(frozen=True)
class Whole:
    """A pull of everything: its records, its pages, its cursor, how many requests a new session makes for it.

    ``spare`` of them ask whether a job is done, which one that gets no answer also does, or clean up behind it.
    """

    records: Versions
    pages: int
    cursor: Cursor
    requests: int
    spare: int


@pytest.fixture(scope="session")
def small_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The sandbox with a few records of each kind: a property holds of few as of many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sandbox.serve.build", _few)
        running = start(tmp_path_factory.mktemp("small_sandbox"), SEED, TODAY, strict=False)
    with running:
        yield running


def _few(seed: int, today: date) -> population.Population:
    whole = population.build(seed, today)
    tables = {crm: {name: _some(name, held) for name, held in of.items()} for crm, of in whole.tables.items()}
    return replace(whole, tables=tables)


def _some(table: str, held: Iterable[Record]) -> list[Record]:
    return [record for record in held if is_served(table, record)][:FEW]


@pytest.fixture(scope="session")
def one_engine() -> Iterator[Engine]:
    """One DuckDB in which every comparison of loads has a database: to start one for each takes longer than to compare.

    Only landing opens any here.
    """
    numbers = count(1)
    with duckdb.connect(":memory:", config={"threads": 1}) as engine:
        yield lambda *_, **__: Database(engine, f"comparison_{next(numbers)}")


class Database:
    """A connection to a database of an engine, whose cursors are in it, too; it is gone when it is left."""

    def __init__(self, engine: duckdb.DuckDBPyConnection, name: str) -> None:
        engine.execute(f"attach ':memory:' as {name}")
        self._engine, self._name = engine, name
        self._opened: list[duckdb.DuckDBPyConnection] = []
        self.execute = self.cursor().execute

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Another connection."""
        self._opened.append(self._engine.cursor())
        self._opened[-1].execute(f"use {self._name}")
        return self._opened[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self._opened:
            one.close()
        self._engine.execute(f"detach {self._name}")


@pytest.fixture
def source_of(
    small_sandbox: Sandbox, one_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> Iterator[Callable[[Case], Source]]:
    """Makes the source of a stream, as at its start. Neither retries nor jobs are waited for."""
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", lambda _: None)
    monkeypatch.setattr("nps_pipeline.comparison.duckdb.connect", one_engine)
    made: list[Source] = []

    def make(case: Case) -> Source:
        control = small_sandbox.control[case.source]
        control.reset()
        waits.clear()
        page = in_small_pages(monkeypatch, case.source, len(control.state(case.name)))
        made.append(Source(small_sandbox, Home(tmp_path), case, page))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def whole_of() -> Callable[[Source], Whole]:
    """Tells what a pull of everything serves at the start, and what it costs; each stream is pulled once for that."""
    known: dict[Case, Whole] = {}

    def tell(one: Source) -> Whole:
        if one.case not in known:
            one.control.forget_requests()
            pages = list(one.pages())
            asked = one.control.requests()
            spare = [request for request in asked if re.search("/jobs/query/[^/]+$", request["path"])]
            known[one.case] = Whole(versions(pages), len(pages), pages[-1].cursor, len(asked), len(spare))
            one.close()
        return known[one.case]

    return tell
