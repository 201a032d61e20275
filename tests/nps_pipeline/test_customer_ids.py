"""What becomes of a customer's id when records come, join and part, over several publications."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from nps_pipeline import transform
from nps_pipeline.execute import Exit
from tests.nps_pipeline.command import SHOP
from tests.nps_pipeline.pipeline import Pipeline, content

HEADER = "id,mail,customer,name,nps,why,at"
HISTORY = "select customer_id, became_customer_id, change, records from customer_id_history order by published_at"


def ids(pipeline: Pipeline) -> dict[str, str]:
    return {
        row["source_record_id"]: row["customer_id"]
        for row in pipeline.query("select source_record_id, customer_id from customer_identities")
    }


def step(pipeline: Pipeline, name: str, *rows: str) -> dict[str, str]:
    """One more file with these rows, an hour later."""
    pipeline.write(name, "\n".join([HEADER, *(f"{row},,9,,2026-11-01 10:00:00" for row in rows)]) + "\n")
    pipeline.now += timedelta(hours=1)
    assert pipeline.run().exit == Exit.DONE
    return ids(pipeline)


def test_an_id_changes_by_a_join_alone_and_history_says_so(tmp_path: Path) -> None:
    configuration: dict[str, Any] = yaml.safe_load(SHOP)
    pipeline = Pipeline(tmp_path, configuration=configuration)
    first = step(pipeline, "shop1.csv", "1,ann@x.example,K1", "2,bo@x.example,K2")
    second = step(pipeline, "shop2.csv", "3,cy@x.example,K3", "4,ann@x.example,")
    assert {record: second[record] for record in first} == first
    assert second["4"] == first["1"]
    assert pipeline.query(HISTORY) == []

    joined = step(pipeline, "shop3.csv", "5,ann@x.example,K2")
    assert joined == dict.fromkeys(["1", "2", "4", "5"], first["1"]) | {"3": second["3"]}
    (join,) = pipeline.query(HISTORY)
    assert join == {
        "customer_id": first["2"], "became_customer_id": first["1"], "change": "join", "records": 1
    }  # fmt: skip

    # without the weakest rule they are two again, and each has the id that it had
    pipeline.configuration = configuration | {"identity": {"keys_per_customer": 3}}
    parted = step(pipeline, "shop4.csv", "6,d@x.example,K6")
    assert {record: parted[record] for record in first} == first
    split = {"customer_id": first["1"], "became_customer_id": first["2"], "change": "split", "records": 1}
    assert pipeline.query(HISTORY) == [join, split]

    pipeline.home.work_db.unlink()
    before = pipeline.publication.publication_id
    assert step(pipeline, "shop5.csv", "7,e@x.example,K7").items() >= parted.items()
    assert pipeline.publication.publication_id != before
    assert pipeline.query(HISTORY) == [join, split]


def test_the_order_in_which_sources_are_read_decides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration: dict[str, Any] = yaml.safe_load(SHOP)
    (shop,) = configuration["sources"]["files"]
    kiosk = shop | {"name": "kiosk", "match": "kiosk*.csv"}
    configuration["sources"]["files"] = [shop, kiosk]
    pipeline = Pipeline(tmp_path, configuration=configuration)
    pipeline.write("kiosk1.csv", f"{HEADER}\n1,bo@x.example,K1,,9,,2026-11-01 10:00:00\n")
    step(pipeline, "shop1.csv", "1,ann@x.example,K1", "2,bo@x.example,K2")
    pipeline.write("kiosk2.csv", f"{HEADER}\n2,ann@x.example,K2,,9,,2026-11-01 10:00:00\n")
    step(pipeline, "shop2.csv", "3,cy@x.example,K1", "4,cy@x.example,K2")
    expected = content(pipeline)
    assert len(expected["dim_customers"]) == 1

    pin = transform.pin
    for number in range(3):
        monkeypatch.setattr(transform, "pin", lambda *words, n=number: shuffled(pin(*words), n))
        pipeline.home.work_db.unlink()
        assert pipeline.run().exit == Exit.DONE
        with transform.warehouse.open_work(pipeline.home) as work:
            rows = work.execute("select * from marts.customer_identities order by all").fetchall()
        assert rows == expected["customer_identities"]


def shuffled(pinned: list[Any], seed: int) -> list[Any]:
    return pinned[seed:][::-1] + pinned[:seed]
