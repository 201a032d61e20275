"""Data Docs: the results of one gate run as pages, by Great Expectations' own site builder. No rule is run here.

The pages hold counts and the words of the suites, never a value of the data, and load nothing from anywhere: Great
Expectations' own page templates fetch fonts, styles and scripts from the internet, so renderers and views are ours.
Importing this module imports Great Expectations, which takes seconds: import it inside functions only.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from great_expectations.core.expectation_validation_result import (
    ExpectationSuiteValidationResult,
    ExpectationValidationResult,
)
from great_expectations.core.run_identifier import RunIdentifier
from great_expectations.data_context.data_context.abstract_data_context import AbstractDataContext
from great_expectations.data_context.types.resource_identifiers import (
    ExpectationSuiteIdentifier,
    ValidationResultIdentifier,
)
from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
from great_expectations.render.renderer.renderer import Renderer
from great_expectations.render.renderer.site_builder import SiteBuilder

from expectations.datasource import context_in_memory
from expectations.runner import CheckResult, configuration_of, silent_great_expectations
from expectations.suites import EXPORTS, EXPORTS_CHECK, Suite
from expectations.verdict import Verdict

INDEX = "index.html"
# From bad to good; what could not run is no bad data, so it has a word of its own.
_WORDS = {"error": "could not run", "failed": "failed", "passed": "passed"}
_OURS = {"module_name": __name__}
_SITE = {
    "expectations": "none",
    "profiling": "none",
    "validations": {
        "renderer": {**_OURS, "class_name": "SuiteRenderer"},
        "view": {**_OURS, "class_name": "SuiteView"},
    },
}
_OVERVIEW = {
    "class_name": "DefaultSiteIndexBuilder",
    "renderer": {**_OURS, "class_name": "OverviewRenderer"},
    "view": {**_OURS, "class_name": "OverviewView"},
}


class DataDocsError(Exception):
    """Pages are missing; the text says how many."""


def write_data_docs(directory: Path, verdict: Verdict, suites: Sequence[Suite]) -> None:
    """Make the pages of one gate run: ``index.html`` with a table per suite, and a page per suite with its rules.

    Args:
        directory: where to; it is made, and must be missing or empty.
        verdict: the results. No suite is run again.
        suites: those that the verdict is about; the pages quote their rules.

    Raises:
        DataDocsError: Great Expectations could not make a page.
        OSError: a file cannot be written.
    """
    run = RunIdentifier(run_name=verdict.publication_id, run_time=datetime.now(UTC))
    groups = dict(_groups(verdict, suites))
    with silent_great_expectations():
        context = context_in_memory()
        for name, results in groups.items():
            key = ValidationResultIdentifier(ExpectationSuiteIdentifier(name), run, "mart")
            context.validation_results_store.set(key, _validation(name, verdict, results))
        backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(directory)}
        site = SiteBuilder(
            context, backend, "the gate", site_index_builder=_OVERVIEW, site_section_builders=dict(_SITE)
        )
        # `site.build` would also copy fonts, pictures and scripts that these pages do not use.
        for section in site.site_section_builders.values():
            section.build()
        site.site_index_builder.build()
    # The builder logs the exception of a page and goes on without it.
    pages = [path for path in directory.rglob("*.html") if path.stat().st_size]
    if len(pages) != len(groups) + 1:
        raise DataDocsError(f"Great Expectations made {len(pages)} of {len(groups) + 1} pages")


class OverviewRenderer(Renderer):
    """All suites of a run; the site builder hands it links to their pages, the results are in the context's store."""

    def __init__(self, data_context: AbstractDataContext) -> None:
        self._store = data_context.validation_results_store

    def render(self, links: Mapping[str, Any]) -> dict[str, Any]:
        """What the template of the overview needs."""
        pages = {link["expectation_suite_name"]: link["filepath"] for link in links["validations_links"]}
        documents = [SuiteRenderer().render(self._store.get(key)) for key in self._store.list_keys()]
        suites = [{**document, "page": pages[document["suite"]]} for document in documents]
        return {
            "publication_id": suites[0]["publication_id"],
            "suites": suites,
            "counts": sum((Counter(suite["counts"]) for suite in suites), Counter()),
            "blocking": sum(check["blocks"] for suite in suites for check in suite["checks"]),
        }


class SuiteRenderer(Renderer):
    """One suite of a run, with its rules."""

    def render(self, validation: Any) -> dict[str, Any]:
        """What the template of a suite needs, from an ``ExpectationSuiteValidationResult``; the worst comes first."""
        checks = [{**result.meta, "rule": _rule(result.expectation_config)} for result in validation.results]
        return {
            "publication_id": validation.meta["publication_id"],
            "suite": validation.suite_name,
            "counts": dict(Counter(check["status"] for check in checks)),
            "checks": sorted(checks, key=lambda check: list(_WORDS).index(check["status"])),
        }


class _View:
    """A page from a template of ours: values are escaped, and it is complete in itself."""

    template: str

    def __init__(self) -> None:
        loader = jinja2.PackageLoader("expectations", "templates")
        self._environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
        self._environment.globals["words"] = _WORDS

    def render(self, document: Mapping[str, Any], **_: object) -> str:
        """The page; what else the site builder says is about Great Expectations, not about the run."""
        return self._environment.get_template(self.template).render(document)


class OverviewView(_View):
    """The page that one starts from."""

    template = "overview.html.j2"


class SuiteView(_View):
    """The page of one suite."""

    template = "suite.html.j2"


def _groups(verdict: Verdict, suites: Sequence[Suite]) -> Iterator[tuple[str, list[ExpectationValidationResult]]]:
    """The results by suite, as Great Expectations' own objects; last what the gate checks besides the suites."""
    results = {result.check: result for result in verdict.results}
    for suite in suites:
        yield (
            suite.name,
            [
                _validated(results.pop(expectation.name), configuration_of(expectation))
                for expectation in suite.expectations
            ],
        )
    yield EXPORTS, [_validated(one, ExpectationConfiguration(type=one.check, kwargs={})) for one in results.values()]


def _validated(result: CheckResult, rule: ExpectationConfiguration) -> ExpectationValidationResult:
    """A result of counts and words alone; where a check could not run, nothing is told of the exception."""
    return ExpectationValidationResult(
        success=result.status == "passed",
        expectation_config=rule,
        result={} if result.failed_rows is None else {"unexpected_count": result.failed_rows},
        exception_info={"raised_exception": result.status == "error"},
        meta={
            "check": result.check,
            "table": result.table,
            "severity": result.severity,
            "owner": result.owner,
            "status": result.status,
            "failed_rows": result.failed_rows,
            "says": result.says,
            "advice": result.advice,
            "blocks": result.blocks,
        },
    )


def _validation(
    name: str, verdict: Verdict, results: list[ExpectationValidationResult]
) -> ExpectationSuiteValidationResult:
    return ExpectationSuiteValidationResult(
        success=all(result.success for result in results),
        results=results,
        suite_name=name,
        meta={"publication_id": verdict.publication_id},
    )


def _rule(configuration: ExpectationConfiguration) -> str:
    """The rule as its suite states it: SQL, or an expectation with its arguments."""
    if configuration.type == EXPORTS_CHECK:
        return ""
    sql = configuration.kwargs.get("unexpected_rows_query")
    return str(sql) if sql else f"{configuration.type} {json.dumps(dict(configuration.kwargs))}"
