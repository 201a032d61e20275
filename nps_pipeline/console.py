"""The terminal: how summaries, problems and progress are printed. What they mean is known elsewhere."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import dagster as dg
from rich import box
from rich.console import Console
from rich.table import Table

from nps_pipeline.catalogue import Entry
from nps_pipeline.explain import REFUSALS, Identity
from nps_pipeline.hold import Hold
from nps_pipeline.plan import WRITTEN
from nps_pipeline.progress import is_told
from nps_pipeline.project import reasons
from nps_pipeline.summary import Summary
from nps_pipeline.sync_back import SyncResult

# Bound to the real streams: a run redirects what libraries print.
out = Console(
    file=sys.__stdout__,
    highlight=False,
    markup=False,  # what stands in a CRM or a file is no instruction to the terminal
    emoji=False,
    soft_wrap=True,
    width=None if sys.__stdout__ is not None and sys.__stdout__.isatty() else 140,  # a pipe has no width of its own
)


def print_table(title: str, rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Rows under a title.

    Args:
        title: Above the table.
        rows: {field: value} each.
        columns: field -> heading, in order; numbers are set to the right.
    """
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for field, heading in columns.items():
        numeric = any(isinstance(row.get(field), int | float) for row in rows)
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*[_cell(row.get(field)) for field in columns])
    out.print(table)


def print_summary(summary: Summary) -> None:
    """What a publication says: NPS, conservation, freshness, reasons, and where to look."""
    latest = {_stream(row): f"{row['latest_response_at']:%Y-%m-%d %H:%M}" for row in summary.freshness}
    print_table(
        "NPS, all time",
        [{**row, "nps": _score(row), "interval": _interval(row)} for row in summary.nps],
        {
            "survey_type": "survey type",
            "nps": "NPS",
            "interval": "95 % interval",
            "responses": "responses",
            "promoters": "promoters",
            "passives": "passives",
            "detractors": "detractors",
        },
    )
    streams = [{**row, "stream": _stream(row), "latest": latest.get(_stream(row))} for row in summary.conservation]
    counted = {"source_count": "counted by the source"} if any(row["source_count"] for row in streams) else {}
    print_table(
        "Answers: every row served, in one class",
        [row for row in streams if row["role"] == "response"],
        {
            "stream": "source",
            "served": "served",
            "kept": "kept",
            "quarantined": "quarantined",
            "excluded": "excluded",
            "duplicate": "duplicate",
            "superseded": "superseded",
            "deleted": "deleted",
            "latest": "latest kept (UTC)",
            **counted,
        },
    )
    if others := [row for row in streams if row["role"] != "response"]:
        print_table(
            "People, accounts and what answers point to: every row served, in one class",
            others,
            {
                "stream": "source",
                "served": "served",
                "current": "current",
                "superseded": "superseded",
                "deleted": "deleted",
                **counted,
            },
        )
    print_loads(summary.loads)
    print_reasons("Quarantined", summary.quarantined)
    print_reasons("Excluded", summary.excluded)
    print_syncs(summary.sync)
    out.print(f"Publication  {summary.publication_id}, as of {summary.as_of_date}", markup=False)
    out.print(f"Mart         {summary.mart}", markup=False)
    out.print(f"Report       {summary.report}", markup=False)
    if summary.held:
        out.print(f"Held         {Hold(**summary.held).sentence(summary.publication_id)}", markup=False)


def print_identity(identity: Identity) -> None:
    """A customer with its records, what joins them and what does not; or a record that is no customer's."""
    if identity.customer is None:
        out.print(f"No customer: nothing tells whose {_record(identity.records[0])} is, or nothing of it is live.")
    else:
        known = identity.customer
        named = ", ".join(known[name] for name in ("display_name", "email", "account") if known[name])
        out.print(f"Customer {known['customer_id']}" + (f": {named}" if named else ""))
        print_table(
            f"Records: {len(identity.records):,}",
            [{**row, "record": _record(row)} for row in identity.records],
            {"record": "record", "rule": "joined by", "evidence": "evidence"},
        )
        # the key that a record has by itself says something where another record names it
        shared = Counter(row["shared_key"] for row in identity.keys)
        joining = [row for row in identity.keys if row["rule"] != "own_record" or shared[row["shared_key"]] > 1]
        if joining:
            print_table(
                "Keys: records that share one are one customer",
                [{**row, "record": _record(row)} for row in joining],
                {"shared_key": "key", "record": "record", "rule": "rule", "evidence": "evidence"},
            )
    if identity.refused:
        print_table(
            "Refused to join",
            [{**row, "record": _record(row), "why": REFUSALS[row["refused"]]} for row in identity.refused],
            {
                "evidence": "evidence",
                "record": "record",
                "rule": "rule",
                "other_records": "other records",
                "why": "why",
            },
        )


def _record(row: Mapping[str, Any]) -> str:
    return f"{row['source_system']}.{row['source_stream']}/{row['source_record_id']}"


def print_publications(entries: Sequence[Entry]) -> None:
    """The publications on disk, and under the table what is wrong with the damaged ones."""
    print_table(
        "Publications",
        [
            {
                **asdict(entry),
                "published": None if entry.published_at is None else entry.published_at[:16].replace("T", " "),
                "size": f"{entry.size / 1e6:,.1f} MB",
                "gate": None if entry.passed is None else "passed" if entry.passed else "not passed",
                "state": ", ".join(word for word in ("current", "held") if getattr(entry, word)),
            }
            for entry in entries
        ],
        {
            "publication_id": "publication",
            "published": "published (UTC)",
            "as_of_date": "as of",
            "responses": "responses",
            "size": "size",
            "gate": "gate",
            "failed_warnings": "warnings",
            "state": "state",
        },
    )
    for entry in entries:
        if entry.problem:
            out.print(entry.problem, markup=False, style="red")


def print_loads(loads: Sequence[Mapping[str, Any]]) -> None:
    """Where the rows of every load went; a class that no row is in has no column."""
    if not loads:
        return
    classes = ("kept", "current", "quarantined", "excluded", "duplicate", "superseded", "deleted")
    print_table(
        "Loads: every row landed, in one class",
        [{**row, "stream": _stream(row), "at": f"{row['finished_at']:%Y-%m-%d %H:%M}"} for row in loads],
        {
            "stream": "source",
            "at": "landed (UTC)",
            "mode": "mode",
            "manifest_rows": "landed",
            **{name: name for name in classes if any(row[name] for row in loads)},
            "reread_rows": "served again",
        },
    )


def print_syncs(syncs: Sequence[Mapping[str, Any]]) -> None:
    """What the last sync of every destination decided and did, and each write that is rejected or unknown."""
    if not syncs:
        return
    rows = [
        {
            **sync,
            "at": f"{sync['started_at']:%Y-%m-%d %H:%M}",
            "written": sync["states"].get("CONFIRMED", 0),
            "rejected": sum(one["state"] == "REJECTED" for one in sync["open"]),
            "unknown": sum(one["state"] in ("SENDING", "UNKNOWN") for one in sync["open"]),
            "left": ", ".join(f"{name} {count:,}" for name, count in sorted(sync["decisions"].items())),
        }
        for sync in syncs
    ]
    print_table(
        "Last sync",
        rows,
        {
            "destination": "destination",
            "at": "started (UTC)",
            "written": "records written",
            "rejected": "rejected",
            "unknown": "unknown",
            "left": "decisions per field",
        },
    )
    open_writes = [{**one, "destination": sync["destination"]} for sync in syncs for one in sync["open"]]
    if open_writes:
        print_table(
            "Writes that are rejected or unknown",
            open_writes,
            {
                "destination": "destination",
                "object": "object",
                "record_id": "record",
                "state": "state",
                "error_code": "code",
                "attempt": "attempts",
            },
        )


def print_plan(result: SyncResult, destination: str | None) -> None:
    """What a sync would write field by field, what it leaves alone and why, and what it costs."""
    decisions = [one for one in result.plan.decisions if destination in (None, one.destination)]
    written = [one for one in decisions if one.decision in WRITTEN]
    if written:
        print_table(
            f"Fields to write: {len(written):,}",
            [asdict(one) for one in written],
            {
                "destination": "destination",
                "object": "object",
                "record_id": "record",
                "field": "field",
                "old": "old",
                "new": "new",
                "reason": "reason",
            },
        )
    left = Counter((one.destination, one.object, one.decision, one.reason) for one in decisions)
    print_table(
        "All decisions",
        [
            {"destination": name, "object": kind, "decision": decision, "fields": number, "reason": reason}
            for (name, kind, decision, reason), number in sorted(left.items())
        ],
        {
            "destination": "destination",
            "object": "object",
            "decision": "decision",
            "fields": "fields",
            "reason": "reason",
        },
    )
    for one in result.destinations:
        if destination in (None, one.destination):
            cost = f"{one.requests} write requests to send, as many to read before them"
            out.print(f"{one.destination}: {cost}", markup=False)


def print_reasons(title: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """How many rows were set aside for which reason, and what it means."""
    described = [
        {**row, "stream": _stream(row), "meaning": reasons().get(row["reason"], {}).get("description", "")}
        for row in rows
    ]
    if described:
        print_table(
            title, described, {"stream": "source", "responses": "rows", "reason": "reason", "meaning": "what it means"}
        )


def _stream(row: Mapping[str, Any]) -> str:
    return f"{row['source_system']}.{row['source_stream']}"


def _score(row: Mapping[str, Any]) -> str:
    return "not shown" if row["nps"] is None else f"{row['nps']:+.1f}"


def _interval(row: Mapping[str, Any]) -> str:
    if row["nps"] is None:
        return str(row["score_reason"]).replace("_", " ")
    return f"{row['nps_low']:+.1f} to {row['nps_high']:+.1f}"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


class _StageLines(logging.Handler):
    """What the ops say for people; Dagster's own events stay in the UI."""

    def emit(self, record: logging.LogRecord) -> None:
        if is_told(record):
            meta = getattr(record, "dagster_meta", {})
            out.print(f"{meta.get('step_key', ''):<15} {meta.get('orig_message')}", markup=False)


def _stage_lines(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("nps.stages")
    logger.setLevel(logging.INFO)
    logger.handlers = [_StageLines()]
    return logger


def _silence(_: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("nps.silent")
    logger.handlers = [logging.NullHandler()]
    return logger


# The console of a run in the terminal: what its steps say, one line each.
stage_lines = dg.LoggerDefinition(_stage_lines)
# The console of a run whose output is read by a program; everything is in the UI.
silence = dg.LoggerDefinition(_silence)
