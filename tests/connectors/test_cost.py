"""What a pull costs, by the log of the server that is asked: everything, and nothing new, for every stream.

Requests are counted by kind. A login, a description and a look for deletes are made once a run or when they are due,
so they do not count where there is nothing new: HubSpot's list of archived records is its look for deletes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from math import ceil
from typing import TypeVar
from urllib.parse import parse_qs

import pytest

from connectors.base import Cursor
from sandbox.serve import Sandbox
from tests.connectors.conformance import CONNECTORS, Case, holds, settings_of
from tests.connectors.landed_source import Source

# What a request is, by its method, path and query: the first line that fits.
KINDS: Mapping[str, re.Pattern[str]] = {
    "login": re.compile(r"/services/(Soap|oauth2)/"),
    "description": re.compile(r"/describe|/crm/v3/properties/|/ticket_fields"),
    "deletes": re.compile(r"/deleted/|archived=true"),
    "count": re.compile(r"/query/\?q=SELECT\+COUNT"),
    "job": re.compile(r"/jobs/query(/\w+)?\?$"),
    "page": re.compile(r"/queryAll|/query/\w|/results|/crm/v3/objects/\w+(/search)?\?|/incremental/|/api/v2/"),
    "links": re.compile(r"/crm/v4/associations/|/crm/v3/objects/\w+/\d+\?"),
}
# The largest page that a vendor allows. Of a job's results it is ours: a page is in memory, and more rows are not.
LARGEST: Mapping[str, int] = {
    "salesforce-rest-*": 2_000,
    "salesforce-bulk-*": 20_000,
    "hubspot-*": 100,
    "zendesk-s*": 100,  # a list; all others are exports
    "zendesk-*": 1_000,
}
SIZES = ("limit", "page[size]", "per_page", "maxRecords")  # as a request names them
# What a pull of everything costs besides its pages. An object is described, and one that it has a column of; a job is
# made, asked three times whether it is done, and deleted.
BESIDES: Mapping[str, Mapping[str, int]] = {
    "salesforce-rest-*": {"login": 1, "description": 2, "count": 1},
    "salesforce-bulk-*": {"login": 1, "description": 2, "count": 1, "job": 5},
    "hubspot-tickets": {"description": 1, "deletes": 1},
    "hubspot-*": {"deletes": 1},
    "zendesk-ticket*": {"description": 1},
    "zendesk-*": {},
}
NOT_COUNTED = ("login", "description", "deletes")  # where there is nothing new
# The change that was last comes again. Had several of HubSpot's tickets or deals changed within the overlap, both types
# of records that they are associated with would be asked for: one request more.
MOST = 2
# Exports by time repeat the second that they have cut, which costs every page a row at least.
REPEATING = ("zendesk-organizations", "zendesk-ticket_events")
T = TypeVar("T")
Asked = list[str]
Pulled = Callable[[Case, Cursor], tuple[int, Cursor, Asked]]


def of(table: Mapping[str, T], case: Case) -> T:
    """What a table has for a case: the first line that fits."""
    return next(value for pattern, value in table.items() if fnmatchcase(str(case), pattern))


def asked_of(requests: list[dict[str, str]]) -> Asked:
    return [f"{request['path']}?{request['query']}" for request in requests]


def by_kind(asked: Asked) -> Counter[str]:
    """How many requests there are of each kind; every one is of some kind."""
    return Counter(next(kind for kind, fits in KINDS.items() if fits.search(one)) for one in asked)


def sizes(asked: Asked) -> set[int]:
    """The sizes of pages that requests name."""
    queries = [parse_qs(one.partition("?")[2]) for one in asked if not KINDS["description"].search(one)]
    return {int(query[name][0]) for query in queries for name in SIZES if name in query}


@pytest.fixture
def pulled(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pulled]:
    """Pulls a stream as a run of its own does: how many rows came, where the next pull goes on, what was asked."""
    monkeypatch.setattr("connectors.salesforce_bulk.sleep", lambda _: None)
    opened = []

    def pull(case: Case, cursor: Cursor) -> tuple[int, Cursor, Asked]:
        settings, control = settings_of(case.source, case.variant), sandbox.control[case.source]
        control.forget_requests()
        opened.append(CONNECTORS[case.source].connect(settings, sandbox.environment))
        pages = list(opened[-1].pull(case.stream, cursor, settings.look_back))
        return sum(len(page.records) for page in pages), pages[-1].cursor, asked_of(control.requests())

    yield pull
    for session in opened:
        session.close()


@holds("cost")
def test_everything_costs_a_request_per_largest_page_and_a_few_and_nothing_new_at_most_two(
    sandbox: Sandbox, pulled: Pulled, case: Case
) -> None:
    rows = len(sandbox.control[case.source].state(case.name))
    served, cursor, asked = pulled(case, {})
    costs = by_kind(asked)
    assert served > 0
    assert costs.pop("page") == ceil(rows / of(LARGEST, case))
    assert costs <= Counter(of(BESIDES, case))
    assert sizes(asked) <= {of(LARGEST, case)}
    _, same, asked = pulled(case, cursor)
    assert same == cursor
    counted = {kind: number for kind, number in by_kind(asked).items() if kind not in NOT_COUNTED}
    assert 1 <= counted["page"] <= sum(counted.values()) <= MOST


@holds("cost")
def test_each_of_many_pages_costs_a_request_and_no_more(source_of: Callable[[Case], Source], case: Case) -> None:
    one = source_of(case)
    one.control.forget_requests()
    list(one.pages())
    costs = by_kind(asked_of(one.control.requests()))
    rows, repeated = len(one.rows()), 1 if str(case) in REPEATING else 0
    assert 1 < ceil(rows / one.page) <= costs.pop("page") <= ceil(rows / (one.page - repeated))
    assert costs <= Counter(of(BESIDES, case))
