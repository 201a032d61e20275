"""Ids of the Zendesk account that a configuration or a test names."""

from __future__ import annotations

AGENT_ID = 61_300_000_000_001
SCORE_FIELD, COMMENT_FIELD = 360_001, 360_002
