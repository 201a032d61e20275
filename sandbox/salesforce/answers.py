"""How Salesforce refuses: a list of one object with message and errorCode."""

from __future__ import annotations

from sandbox.web import Refusal

APPROPRIATE_NAMES = "Please reference your WSDL or the describe call for the appropriate names."


def refusal(status: int, code: str, message: str) -> Refusal:
    """An error in the REST API's form."""
    return Refusal(status, [{"message": message, "errorCode": code}])


def in_query(code: str, query: str, position: int, message: str) -> Refusal:
    """A 400 that points at a place of a query, with the lines around it.

    Args:
        code: The error code.
        query: The query's text.
        position: Where in the text the trouble starts, from 0.
        message: What is wrong.

    Returns:
        The refusal.
    """
    excerpt = query.replace("\n", " ")
    marker = " " * position + "^"
    return refusal(400, code, f"\n{excerpt}\n{marker}\nERROR at Row:1:Column:{position + 1}\n{message}")


def no_session() -> Refusal:
    """The session id is unknown or has ended."""
    return refusal(401, "INVALID_SESSION_ID", "Session expired or invalid")


def no_calls_left() -> Refusal:
    """The calls of the day are used up."""
    return refusal(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def not_found() -> Refusal:
    """No such resource."""
    return refusal(404, "NOT_FOUND", "The requested resource does not exist")
