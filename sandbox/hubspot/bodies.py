"""The bodies of requests to HubSpot: objects, and the inputs of a batch. What an endpoint makes of them is not here."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from sandbox.hubspot.answers import invalid
from sandbox.web import json_object

_MALFORMED = invalid("Invalid input JSON: the body must be an object.")


async def body_of(request: Request) -> dict[str, Any]:
    """The body as an object; anything else is refused."""
    return await json_object(request, _MALFORMED)


def inputs_of(body: dict[str, Any], most: int) -> list[dict[str, Any]]:
    """The inputs of a batch, each with an id; none of them and more than ``most`` are refused."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not all(isinstance(one, dict) and one.get("id") for one in inputs):
        raise invalid("Invalid input JSON: inputs must be a list of objects with an id.")
    if not 1 <= len(inputs) <= most:
        raise invalid(f"The maximum number of inputs in a batch request is {most}; there are {len(inputs)}.")
    return inputs
