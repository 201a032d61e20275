"""Questions to Salesforce over REST: SOQL page by page, counts, what a refusal means. Which ones is not known here.

What the REST API says (its Developer Guide): queryAll serves deleted records too, in no order but that of ORDER BY, and
says in ``totalSize`` how many there are; ``nextRecordsUrl`` leads to the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from connectors import http
from connectors.errors import ConfigError, ConnectorError, FatalError, RetryableError
from connectors.salesforce_login import TITLE, Lost, Refused, SalesforceClient
from connectors.salesforce_streams import identifier

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce

Result = TypeVar("Result")
Meaning = Callable[[Refused], ConnectorError | None]  # what a refusal means here and nowhere else
# Salesforce may still serve fewer rows in a page.
LARGEST_PAGES: Final = {"Sforce-Query-Options": "batchSize=2000"}
RECORD_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")


@dataclass(frozen=True, slots=True)
class RowPage:
    """Some rows of a query; ``total`` are all rows that it has, ``done`` says that these are the last."""

    rows: list[dict[str, Any]]
    total: int
    done: bool


@dataclass(frozen=True)
class Reader:
    """Asks, asks again where that helps, and says in a ``ConnectorError`` what is wrong where it does not."""

    client: SalesforceClient

    def pages(self, name: str, columns: Sequence[str], rest: str, *, deleted: bool = False) -> Iterator[RowPage]:
        """The pages of ``SELECT columns FROM name rest``; ``deleted``: the deleted records too."""
        soql = select(name, columns, rest)
        served, done, following, begun = 0, False, "", set[str]()
        while not done:
            answer = self._query(name, columns, _page_request(soql, following, deleted=deleted))
            rows, done, total = answer["records"], answer["done"], answer["totalSize"]
            following = answer.get("nextRecordsUrl", "")
            served, first = served + len(rows), str(rows[0]["Id"]) if rows else ""
            if served > total or (served < total if done else not rows) or begins_again(first, begun):
                raise short(name, served, total)
            if strange := [column for column in columns if rows and column.split(".")[0] not in rows[0]]:
                raise ConfigError(
                    f"{TITLE} spells {', '.join(strange)} of {name} otherwise: mind upper and lower case."
                )
            yield RowPage(rows, total, done)

    def count(self, name: str) -> int:
        """How many records there are that are not deleted."""
        soql = f"SELECT COUNT() FROM {identifier(name)}"
        total: int = self._query(name, [], _page_request(soql, "", deleted=False))["totalSize"]
        return total

    def request(
        self,
        name: str,
        method: str,
        path: str,
        read: Callable[[http.Answer], Result],
        meaning: Meaning = lambda _: None,
        **what: Any,
    ) -> Result:
        """Ask something else about an object; see ``SalesforceClient.request``.

        ``meaning`` says what a refusal means here; None: what it means everywhere.
        """
        return self._asked(name, [], lambda: self.client.request(method, path, read, **what), meaning)

    def _query(self, name: str, columns: Sequence[str], request: Callable[[Salesforce], Any]) -> Any:
        def ask() -> Any:
            return self.client.ask(lambda client: _query_result(request(client)))

        return self._asked(name, columns, ask, lambda _: None)

    @staticmethod
    def _asked(name: str, columns: Sequence[str], ask: Callable[[], Result], meaning: Meaning) -> Result:
        doing = f"reading {name}"

        def attempt() -> Result:
            try:
                return ask()
            except Refused as refused:
                raise meaning(refused) or refused.means(doing, name, columns) from None
            except Lost as lost:
                raise lost.means(doing) from None

        return http.retried(attempt)


def by_code(**errors: ConnectorError) -> Meaning:
    """The errors that the vendor's codes mean."""
    return lambda refused: errors.get(refused.code)


def select(name: str, columns: Sequence[str], rest: str) -> str:
    """A query; raises ``ConfigError`` for what is no name."""
    return f"SELECT {', '.join(map(identifier, columns))} FROM {identifier(name)} {rest}".rstrip()


def one_of(ids: Sequence[str]) -> str:
    """The condition that a record has one of these ids."""
    from simple_salesforce.format import quote_soql_value  # noqa: PLC0415

    return f"WHERE Id IN {quote_soql_value(list(ids))}"


def short(name: str, served: int, total: int) -> RetryableError:
    """Not all rows came, or too many."""
    return RetryableError(f"{TITLE} served {served} of {total} records when reading {name}; run again later.")


def begins_again(first: str, begun: set[str]) -> bool:
    """Whether a page begins as one before it: then another one is missing, though the number of rows is right.

    Args:
        first: The id of its first record; empty where it has none.
        begun: Those of the pages before; this one is added.
    """
    again = first in begun
    begun.add(first)
    return again and first != ""


def unusable(name: str, column: str) -> FatalError:
    """A record does not say what has to be known of every record, such as when it changed last."""
    return FatalError(f"{TITLE} served a record of {name} without a usable {column}. Nothing of this page was kept.")


def _page_request(soql: str, following: str, *, deleted: bool) -> Callable[[Salesforce], Any]:
    if following:
        return lambda client: client.query_more(following, identifier_is_url=True, headers=LARGEST_PAGES)
    return lambda client: client.query(soql, include_deleted=deleted, headers=LARGEST_PAGES)


def _query_result(answer: Any) -> Any:
    """A page of a query; raises ``ValueError`` for anything else, which must never pass for "no data"."""
    match answer:
        case {"records": list(rows), "totalSize": int(), "done": True}:
            pass
        case {"records": list(rows), "totalSize": int(), "done": False, "nextRecordsUrl": str(following)}:
            if not following.startswith("/services/data/"):
                raise ValueError
        case _:
            raise ValueError
    if not all(isinstance(row, dict) and isinstance(row.get("Id"), str) for row in rows):
        raise ValueError
    return answer
