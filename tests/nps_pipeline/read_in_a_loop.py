"""Reads publish/mart.duckdb again and again as a BI tool does, until the file ``stop`` is there.

Words: the folder. Each line that it prints is what one opening found: the ids in the rows, and the digest of them all.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.nps_pipeline.small_marts import read_all

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    while not (folder / "stop").exists():
        ids, digest = read_all(folder / "home" / "publish" / "mart.duckdb")
        print(json.dumps([sorted(ids), digest]))  # noqa: T201 - its answer
