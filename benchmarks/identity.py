"""Who is who among many people: seconds and peak memory of the models from the keys to the customers.

``python -m benchmarks.identity 2000000`` fills the tables before these models with that many records of half as many
people, runs the models as shipped in a fresh process of dbt and writes ``benchmarks/results/identity.json``. Seconds
differ between machines; the ratio to counting the distinct keys once with DuckDB differs less.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from nps_pipeline import project

RESULTS = Path(__file__).parent / "results" / "identity.json"
SEEDS = ("countries", "identity_decisions", "mail_providers", "placeholder_values", "shared_mailboxes")
MODELS = (
    "int_addresses", "int_phones", "int_identity_claims", "int_claim_components", "int_identity_cuts",
    "int_identity_keys", "int_identity_components", "int_identities", "customer_identities", "identity_edges",
)  # fmt: skip
# Two records of each person: both have the address; every second person has the same number in both, half of them in
# national form and one without a country of its own, and every second person's later record names the earlier one.
_FILL = """
create schema staging;
create schema intermediate;
create table staging.stg_run as
select 3 as people_per_address, 50 as keys_per_customer, 'DE' as default_country;
create table intermediate.int_people as
with numbered as (
    select i, i // 2 as person, case when i % 2 = 0 then 'salesforce' else 'hubspot' end as source_system,
        case when i % 2 = 0 then 'Contact' else 'contacts' end as source_stream
    from range({records}) as t(i)
)
select source_system, source_stream, cast(i as varchar) as source_record_id, false as is_deleted,
    timestamp '2026-01-01' + to_minutes(i % 1000) as first_landed_at,
    'person' || person || '@firm' || person % 5000 || '.example' as email,
    'person' || person || '@firm' || person % 5000 || '.example' as email_key,
    'First' || person % 999 || ' Last' || person % 7919 as display_name,
    'first' || person % 999 || ' last' || person % 7919 as name_key,
    case when person % 4 = 1 then '+49 30 2' || lpad(cast(person as varchar), 7, '0') end as phone,
    case when person % 4 = 3 then '030/2' || lpad(cast(person as varchar), 7, '0') end as mobile_phone,
    case when i % 2 = 0 then 'Germany' end as country, null::varchar as account_stream,
    null::varchar as account_record_id,
    case when i % 4 = 3 then cast(i - 1 as varchar) end as cross_reference,
    case when i % 2 = 1 then 'salesforce.Contact' end as cross_reference_to, false as is_staff
from numbered;
create table intermediate.int_responses (
    source_system varchar, source_stream varchar, source_record_id varchar, first_landed_at timestamp, state varchar,
    is_answer boolean, respondent_id varchar, person_stream varchar, person_record_id varchar, email_key varchar
);
create table intermediate.int_merges (
    source_system varchar, source_stream varchar, source_record_id varchar, other_record_id varchar
);
create table intermediate.int_account_identities (
    account_id varchar, source_system varchar, source_stream varchar, source_record_id varchar,
    first_landed_at timestamp
);
create table intermediate.int_account_records (
    source_system varchar, source_stream varchar, source_record_id varchar, country varchar
);
create table intermediate.int_stream_places (source_system varchar, source_stream varchar, place bigint);
"""


def fill(work_db: Path, records: int) -> None:
    """Write the tables that the models read, with two records of each person."""
    with duckdb.connect(str(work_db)) as connection:
        connection.execute("set threads = 2")
        connection.execute(_FILL.format(records=records))


def dbt(work_db: Path, command: str, *names: str) -> dict[str, float]:
    """Run dbt in a process of its own; seconds by model."""
    folders = ["--project-dir", str(project.DBT_PROJECT), "--profiles-dir", str(project.DBT_PROJECT)]
    target = work_db.with_name("target")
    words = [str(project.DBT), "--quiet", command, *folders, "--target-path", str(target), "--select", *names]
    subprocess.run(words, env={**project.dbt_environment(), "NPS_WORK_DB": str(work_db)}, check=True)  # noqa: S603
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {one["unique_id"].split(".")[-1]: round(one["execution_time"], 2) for one in results}


def figures(work_db: Path) -> dict[str, int]:
    """What the models found: records, the edges that join, customers."""
    queries = {
        "records": "select count(*) from intermediate.int_people",
        "edges": "select count(*) from marts.identity_edges where refused is null and rule <> 'own_record'",
        "customers": "select count(distinct customer_id) from marts.customer_identities",
    }
    with duckdb.connect(str(work_db), read_only=True) as connection:
        return {name: connection.execute(query).fetchall()[0][0] for name, query in queries.items()}


def _counted(work_db: Path) -> float:
    """Seconds of counting the distinct keys once."""
    with duckdb.connect(str(work_db), read_only=True) as connection:
        connection.execute("set threads = 2")
        started = time.perf_counter()
        connection.execute("select count(distinct shared_key) from marts.identity_edges").fetchall()
        return time.perf_counter() - started


def measure(work_db: Path, records: int) -> dict[str, Any]:
    """Fill a working database, run the models and say what was found and what it took."""
    # The peak is the highest of all processes that were waited for: filling in this one counts for nothing.
    fill(work_db, records)
    dbt(work_db, "seed", *SEEDS)
    load = os.getloadavg()[0]
    started = time.perf_counter()
    seconds = dbt(work_db, "run", *MODELS)
    elapsed = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    counted = _counted(work_db)
    return {
        **figures(work_db),
        "seconds": round(elapsed, 1),
        "peak_mib": peak,
        "in_counts_of_distinct_keys": round(elapsed / counted, 1),
        "models": seconds,
        "processors": os.cpu_count(),
        "duckdb": duckdb.__version__,
        "load_average_before": round(load, 2),
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case [count]:
            with tempfile.TemporaryDirectory() as folder:
                document = measure(Path(folder) / "work.duckdb", int(count))
            RESULTS.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
            print(json.dumps(document, indent=2))  # noqa: T201
        case _:
            sys.exit("How many records of people? For example: python -m benchmarks.identity 2000000")
