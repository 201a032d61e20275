"""The landing zone: several writers, bounded memory, and any sequence of pulls."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Page, Record
from nps_pipeline.home import Home, HomeLockedError
from nps_pipeline.landing import (
    land,
    list_loads,
    verify,
)
from tests.nps_pipeline.loads import (
    RETAIL,
    ROOT,
    Start,
    pull,
    record,
    rows,
    scratch,
    version,
    wait_for,
)

# --- several writers -------------------------------------------------------------------------------------------------

SLOW_WRITER = """
import sys, time
from pathlib import Path
from connectors.base import Page
from nps_pipeline.home import Home
from nps_pipeline.landing import land
from tests.nps_pipeline.loads import RETAIL, record

def pages():
    yield Page([record("slow")])
    Path(sys.argv[2]).touch()
    sys.stdin.readline()
    yield Page([record("slow too")])

land(Home(Path(sys.argv[1])), RETAIL, pages())
"""
SIDE_BY_SIDE = """
import sys
from pathlib import Path
from nps_pipeline.home import Home
from tests.nps_pipeline.loads import pull, record

folder, mine, other = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
for number in range(60):
    (folder / f"{mine}-{number}").touch()
    while not (folder / f"{other}-{number}").exists():
        pass
    pull(Home(folder / f"var-{number}"), record("a"), stream=mine)
"""


def test_a_second_writer_of_a_stream_is_refused_and_another_stream_is_not(
    home: Home, tmp_path: Path, start: Start
) -> None:
    writer = start(SLOW_WRITER, home.root, tmp_path / "writing")
    wait_for(tmp_path / "writing")
    alive = scratch(home)
    with pytest.raises(HomeLockedError) as refusal:
        pull(home, record("a"))
    assert str(refusal.value) == (
        f"{home.root} is in use by landing files/retail (process {writer.pid}). "
        "Nothing was changed; wait until it has finished and start again."
    )
    assert pull(home, record("a"), stream="other").load is not None
    assert scratch(home) == alive
    _, errors = writer.communicate("go\n", timeout=20)
    assert (writer.returncode, errors) == (0, "")
    assert [load.manifest.stream for load in list_loads(home)] == ["other", "retail"]
    assert pull(home, record("a")).load is not None


def test_two_streams_of_a_fresh_home_land_at_the_same_time(tmp_path: Path, start: Start) -> None:
    """Both start at the same moment, in many fresh homes: each may find every directory there or not."""
    for writer in [start(SIDE_BY_SIDE, tmp_path, *pair) for pair in (("left", "right"), ("right", "left"))]:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    for number in range(60):
        loads = list_loads(Home(tmp_path / f"var-{number}"))
        assert [load.manifest.stream for load in loads] == ["left", "right"]


# --- memory ----------------------------------------------------------------------------------------------------------

BIG_PULLS = """
import dataclasses, random, resource, sys
from pathlib import Path
from connectors.base import Page, Record
from nps_pipeline.home import Home
from nps_pipeline.landing import land
from tests.nps_pipeline.loads import RETAIL

noise = random.Random(1).randbytes(1_000_000).hex()

def pages(pull):
    for first in range(0, 300_000, 5_000):
        yield Page([
            Record(str(n), f'{{"pull": {pull if n % 3 == 0 else 0}, "text": "{noise[n:n + 1000]}"}}')
            for n in range(first, first + 5_000)
        ])

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1_000_000

before = peak()
everything = dataclasses.replace(RETAIL, mode="reconcile", gone=lambda ids: ids)
for pull, request in enumerate((RETAIL, RETAIL, everything, everything)):
    result = land(Home(Path(sys.argv[1])), request, pages(min(pull, 1)) if pull < 3 else [])
    print(result.load.manifest.rows, result.reread_rows, peak() - before)
print("pandas" in sys.modules)
"""


def test_memory_is_bounded_by_the_page_not_by_the_pull(home: Home) -> None:
    """300,000 records of 1 kB, a third of them changed, nothing changed, all of them gone; megabytes of growth."""
    done = subprocess.run(
        [sys.executable, "-c", BIG_PULLS, home.root],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    *lines, has_pandas = done.stdout.splitlines()
    pulls = [[int(word) for word in line.split()] for line in lines]
    assert [pull[:2] for pull in pulls] == [[300_000, 0], [100_000, 200_000], [0, 300_000], [300_000, 0]]
    assert [pull[2] for pull in pulls if pull[2] >= 150] == []
    assert has_pandas == "False"


# --- any sequence of pulls -------------------------------------------------------------------------------------------

Content = tuple[str, datetime | None, bool]
RECORD_COLUMNS = ("record_id", "payload", "source_version", "is_deleted")
RECORDS = st.builds(
    Record,
    record_id=st.sampled_from(["a", "b"]),
    payload=st.sampled_from(["1", "2"]),
    source_version=st.sampled_from([None, version(1), version(2)]),
    is_deleted=st.booleans(),
)
PULLS = st.lists(
    st.tuples(st.lists(st.lists(RECORDS, max_size=4), min_size=1, max_size=2), st.booleans()), min_size=1, max_size=5
)


def current(landed: list[tuple[int, int, Record]]) -> dict[str, Content]:
    """Per record the content of the greatest (source_version, load, row)."""
    found: dict[str, Content] = {}
    oldest = datetime(1, 1, 1, tzinfo=UTC)
    for _, _, one in sorted(landed, key=lambda row: (row[2].source_version or oldest, row[0], row[1])):
        found[one.record_id] = (one.payload, one.source_version, one.is_deleted)
    return found


@settings(max_examples=60, deadline=None)
@given(PULLS)
def test_the_current_versions_are_those_of_everything_served(pulls: list[tuple[list[list[Record]], bool]]) -> None:
    """Whatever was served, in whatever order; now and then a pull replaces all before it."""
    served: list[tuple[int, int, Record]] = []
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        for number, (pages, replaces_all) in enumerate(pulls):
            replaces = tuple(load.manifest.load_id for load in list_loads(home)) if replaces_all else ()
            result = land(home, dataclasses.replace(RETAIL, replaces=replaces), map(Page, pages))
            records = [one for page in pages for one in page]
            landed_rows = result.load.manifest.rows if result.load else 0
            assert landed_rows + result.reread_rows == len(records)
            if replaces_all:
                served.clear()
            served += [(number, row_no, one) for row_no, one in enumerate(records)]
        loads = list_loads(home)
        replaced = {load_id for load in loads for load_id in load.manifest.replaces}
        landed = [
            (load.manifest.load_seq, row["row_no"], Record(*(row[name] for name in RECORD_COLUMNS)))
            for load in loads
            if load.manifest.load_id not in replaced
            for row in rows(load)
        ]
        for load in loads:
            verify(load)
            assert load.manifest.rows == len(rows(load))
            assert load.manifest.deleted_rows == sum(row["is_deleted"] for row in rows(load))
    assert current(landed) == current(served)
