"""One field that sync-back keeps up to date, as nps.yaml says it. What a plan makes of it is in ``plan``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

from connectors.base import Kind

Policy = Literal["theirs", "ours", "newest"]
Adopt = Literal["overwrite", "keep"]
OnDelete = Literal["keep", "clear"]
Measure = Literal["score", "category", "responded_at"]


@dataclasses.dataclass(frozen=True, slots=True)
class SyncField:
    """A field of a destination object: which value goes there and what happens where another value stands already.

    ``value`` is what is written, of the latest kept answer of ``survey_type`` (and of ``touchpoint``, unless None);
    ``field`` is the destination's name for it, ``kind`` what it holds. ``policy`` decides when a person changed what we
    wrote, ``adopt`` when a value stands there that we never wrote, ``on_delete`` when the answer behind it is gone.
    ``spelling`` is how the destination writes promoter, passive and detractor.
    """

    destination: str
    object: str
    stream: str
    survey_type: str
    touchpoint: str | None
    value: Measure
    field: str
    kind: Kind
    policy: Policy = "theirs"
    adopt: Adopt = "overwrite"
    on_delete: OnDelete = "keep"
    spelling: Mapping[str, str] = dataclasses.field(default_factory=dict)
