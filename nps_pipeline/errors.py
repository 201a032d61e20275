"""The base of every error that a person can act on."""

from __future__ import annotations


class PipelineError(Exception):
    """Its text is a sentence: what is wrong, where, what was kept, what to do. It is printed without a traceback."""
