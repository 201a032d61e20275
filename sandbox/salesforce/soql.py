"""SOQL, the part that a connector needs: text in, a parsed query out. What fields exist is not known here.

SELECT fields or COUNT() FROM object WHERE conditions ORDER BY fields LIMIT n; conditions are comparisons and IN, joined
by AND or OR (mixing the two needs parentheses, as in Salesforce), and NOT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal as OneOf

from sandbox.salesforce.answers import refusal
from sandbox.salesforce.organisation import stamp
from sandbox.web import Refusal

TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>'(?:\\.|[^'\\])*')
    |(?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d))
    |(?P<number>-?\d+(?:\.\d+)?)
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<operator><=|>=|!=|<>|=|<|>)
    |(?P<mark>[(),])
    )""",
    re.VERBOSE,
)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
OPERATORS = {"<>": "!="}
WORDS = {"true": True, "false": False, "null": None}

Value = str | float | bool | None


@dataclass(frozen=True)
class Token:
    """A piece of the query; ``kind`` names the group of TOKEN that matched, or is ``end``."""

    kind: str
    text: str
    position: int

    @property
    def word(self) -> str:
        """The text as a keyword."""
        return self.text.upper() if self.kind == "name" else ""


@dataclass(frozen=True)
class Literal:
    """A value in a condition and how it was written."""

    kind: OneOf["string", "datetime", "number", "word"]
    value: Value


@dataclass(frozen=True)
class Path:
    """A field, perhaps of a related record: Contact.Email."""

    names: tuple[str, ...]
    position: int


@dataclass(frozen=True)
class Comparison:
    """A field against one value (=, !=, <, <=, >, >=) or several (IN, NOT IN)."""

    path: Path
    operator: str
    literals: tuple[Literal, ...]


@dataclass(frozen=True)
class Not:
    """The opposite of a condition."""

    condition: Condition


@dataclass(frozen=True)
class Junction:
    """Several conditions that must hold all (AND) or one (OR)."""

    word: str
    conditions: tuple[Condition, ...]


Condition = Comparison | Not | Junction


@dataclass(frozen=True)
class Ordering:
    """One part of ORDER BY; blanks come first unless said otherwise."""

    path: Path
    descending: bool
    nulls_last: bool


@dataclass(frozen=True)
class Query:
    """A parsed query; no fields: COUNT()."""

    text: str
    fields: tuple[Path, ...]
    sobject: Token
    condition: Condition | None
    ordering: tuple[Ordering, ...]
    limit: int | None


def parse(text: str) -> Query:
    """Parse a query.

    Args:
        text: The query.

    Returns:
        Its parts.

    Raises:
        Refusal: 400 MALFORMED_QUERY where it is none.
    """
    return _Parser(text).query()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(_tokens(text))
        self._next = 0

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._selection()
        self._expect("FROM")
        sobject = self._take("name")
        condition = self._condition() if self._accept("WHERE") else None
        ordering = self._order_by() if self._accept("ORDER") else ()
        limit = int(self._take("number").text) if self._accept("LIMIT") else None
        if self._peek().kind != "end":
            raise self._unexpected(self._peek())
        return Query(self._text, fields, sobject, condition, ordering, limit)

    def _selection(self) -> tuple[Path, ...]:
        if self._peek().word == "COUNT":
            self._advance()
            self._mark("(")
            self._mark(")")
            return ()
        fields = [self._path()]
        while self._accept_mark(","):
            fields.append(self._path())
        return tuple(fields)

    def _condition(self) -> Condition:
        parts = [self._simple()]
        word = self._peek().word
        if word not in ("AND", "OR"):
            return parts[0]
        while self._accept(word):
            parts.append(self._simple())
        return Junction(word, tuple(parts))  # the other word is then unexpected, to Salesforce too

    def _simple(self) -> Condition:
        if self._accept("NOT"):
            return Not(self._simple())
        if self._accept_mark("("):
            condition = self._condition()
            self._mark(")")
            return condition
        path = self._path()
        if self._accept("IN"):
            return Comparison(path, "IN", self._list())
        if self._accept("NOT"):
            self._expect("IN")
            return Comparison(path, "NOT IN", self._list())
        operator = self._take("operator").text
        return Comparison(path, OPERATORS.get(operator, operator), (self._literal(),))

    def _list(self) -> tuple[Literal, ...]:
        self._mark("(")
        literals = [self._literal()]
        while self._accept_mark(","):
            literals.append(self._literal())
        self._mark(")")
        return tuple(literals)

    def _literal(self) -> Literal:
        token = self._advance()
        if token.kind == "string":
            return Literal("string", _unescaped(token.text[1:-1]))
        if token.kind == "datetime":
            return Literal("datetime", stamp(datetime.fromisoformat(token.text).astimezone(UTC)))
        if token.kind == "number":
            return Literal("number", float(token.text))
        if token.kind == "name" and token.text.lower() in WORDS:
            return Literal("word", WORDS[token.text.lower()])
        raise self._unexpected(token)

    def _order_by(self) -> tuple[Ordering, ...]:
        self._expect("BY")
        parts = [self._ordering()]
        while self._accept_mark(","):
            parts.append(self._ordering())
        return tuple(parts)

    def _ordering(self) -> Ordering:
        path = self._path()
        descending = self._accept("DESC")
        if not descending:
            self._accept("ASC")
        nulls_last = False
        if self._accept("NULLS"):
            nulls_last = self._accept("LAST")
            if not nulls_last:
                self._expect("FIRST")
        return Ordering(path, descending, nulls_last)

    def _path(self) -> Path:
        token = self._take("name")
        return Path(tuple(token.text.split(".")), token.position)

    def _peek(self) -> Token:
        return self._tokens[self._next]

    def _advance(self) -> Token:
        token = self._peek()
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _take(self, kind: str) -> Token:
        token = self._advance()
        if token.kind != kind:
            raise self._unexpected(token)
        return token

    def _accept(self, word: str) -> bool:
        if self._peek().word != word:
            return False
        self._advance()
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            raise self._unexpected(self._peek())

    def _accept_mark(self, mark: str) -> bool:
        if (self._peek().kind, self._peek().text) != ("mark", mark):
            return False
        self._advance()
        return True

    def _mark(self, mark: str) -> None:
        if not self._accept_mark(mark):
            raise self._unexpected(self._peek())

    @staticmethod
    def _unexpected(token: Token) -> Refusal:
        what = f"unexpected token: '{token.text}'" if token.text else "unexpected token: <EOF>"
        return refusal(400, "MALFORMED_QUERY", what)


def _tokens(text: str) -> list[Token]:
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        found = TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise refusal(400, "MALFORMED_QUERY", f"unexpected token: '{text[position:].split(maxsplit=1)[0]}'")
        tokens.append(Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
        position = found.end()
    return [*tokens, Token("end", "", end)]


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text)
