"""Documents of nps.yaml for the tests of the settings; they are written into the current directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from nps_pipeline.settings import Settings, SettingsError, load_settings

FULL = """
version: 1
reporting: {timezone: Europe/Berlin, min_n: 30, comments: shown}
sources:
  files:
    - {name: retail, match: "retail_*.csv", id: id, score: nps, scale: [0, 10], comment: explication,
       responded_at: {constant: 2017-01-01, timezone: Europe/Paris}, survey_type: relational,
       channel: store, touchpoint: purchase}
    - name: countries
      match: "*_countries.csv"
      exports: cumulative
      score: nps
      scale: [0, 10]
      email: e-mail
      responded_at: {column: answered, timezone: America/Sao_Paulo, format: day_first}
      survey: {column: survey}
      survey_type: {column: type}
      channel: {column: channel}
      touchpoint: Product use
      exclude: [{column: status, values: [test, "0"], reason: test}]
      replaces: {countries_2.csv: countries_1.csv}
    - {name: qualtrics_eu, match: "eu_*.csv", profile: qualtrics}
deduplication: {order: [files.retail, files, hubspot]}
publish: {keep: 3}
schedule: {cron: "30 4 * * mon-fri"}
"""
ENTRY = {"name": "retail", "match": "*.csv", "id": "id", "score": "nps", "scale": [0, 10]}


def write(document: str | dict[str, Any]) -> Path:
    path = Path("nps.yaml")
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    return path


def load(document: str | dict[str, Any]) -> Settings:
    write(document)
    return load_settings({})


def problems(document: str | dict[str, Any]) -> list[str]:
    """The problems of a document, without the name of the file."""
    with pytest.raises(SettingsError) as refusal:
        load(document)
    assert str(refusal.value) == "\n".join(refusal.value.problems)
    assert all(problem.endswith((".", "?")) and not problem.endswith("?.") for problem in refusal.value.problems)
    return [problem.removeprefix("nps.yaml: ") for problem in refusal.value.problems]


def entry(**changes: Any) -> dict[str, Any]:
    """A document with one entry of sources.files."""
    return {"version": 1, "sources": {"files": [{**ENTRY, **changes}]}}
