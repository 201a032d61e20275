"""The `nps` command: reads the words, calls a stage, prints what came of it. What a stage does is unknown here."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any

import click

from connectors.survey_files.connector import SOURCE
from expectations.suites import SuiteError
from expectations.verdict import GateError
from nps_pipeline import __version__
from nps_pipeline.errors import PipelineError
from nps_pipeline.settings import json_schema, load_settings

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def _sentences(command: Callable[..., int | None]) -> Callable[..., None]:
    """Turn every error that a person can act on into its sentence and exit code 1."""

    @wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            code = command(*arguments, **options)
        except (PipelineError, SuiteError, GateError) as error:
            click.secho(str(error), fg="red", err=True)
            code = 1
        sys.exit(code or 0)

    return wrapped


def _free_port(_: click.Context, __: click.Parameter, port: int) -> int:
    """Refuse a port that is taken: Dagster would go on without its web server."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise click.BadParameter(f"{port} cannot be used ({error.strerror}); name another one.") from None
    return port


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nps")
def main() -> None:
    """Customer feedback from every source into one judged, atomically published NPS mart."""


@main.command()
@click.option("--only", metavar="SOURCE", help="Pull this source alone, such as files or hubspot.")
@click.option("--apply", "sync", flag_value="apply", help="Write the scores back into the CRMs.")
@click.option("--dry-run", "sync", flag_value="plan", help="Only plan the writes, whatever nps.yaml says.")
@click.option("--no-sync", "sync", flag_value="off", help="Leave sync-back out.")
@click.option("--reconcile", is_flag=True, help="Pull everything again, also where that is not due.")
@click.option("--accept-shrink", is_flag=True, help="The sources really have as little as their full pulls listed.")
@AS_JSON
@_sentences
def run(only: str | None, sync: str | None, reconcile: bool, accept_shrink: bool, as_json: bool) -> int:
    """Run the loop: pull, transform, gate, publish, sync back.

    Nothing is written to a CRM without --apply, unless `sync.mode` in nps.yaml is apply.

    Exit code 0: done. 1: failed, nothing was published. 3: published, but a source failed, a file was refused, or a
    write was rejected or is unknown.
    """
    settings = load_settings()
    if only is not None and only not in (sources := [SOURCE, *settings.crms()]):
        raise click.BadParameter(f"nps.yaml pulls from {', '.join(sources)}.", param_hint="--only")
    # Dagster and dbt take seconds to import: a wrong nps.yaml is told before that.
    from nps_pipeline.build import build_defs  # noqa: PLC0415
    from nps_pipeline.execute import Wishes, run_job  # noqa: PLC0415

    definitions = build_defs(quiet=as_json)
    wishes = Wishes(only=only, sync=sync or "configured", reconcile=reconcile, accept_shrink=accept_shrink)
    result = run_job(settings, definitions, wishes)
    if as_json:
        click.echo(json.dumps({**asdict(result), "exit": int(result.exit)}))
    elif result.published and not result.same_content:
        _show_current()
    for problem in result.problems:
        click.secho(problem, fg="red", err=True)
    return int(result.exit)


@main.command()
@click.option("--loads", is_flag=True, help="Also show where the rows of every load went.")
@AS_JSON
@_sentences
def status(loads: bool, as_json: bool) -> None:
    """Show the last publication: NPS, conservation and freshness per source; and the last syncs."""
    from nps_pipeline.publications import require_current  # noqa: PLC0415
    from nps_pipeline.summary import summarise  # noqa: PLC0415

    settings = load_settings()
    if as_json:
        click.echo(summarise(settings.home, require_current(settings.home), loads=loads).as_json())
        return
    _show_current(loads=loads)


@main.command()
@click.option("--destination", metavar="NAME", help="Only this CRM.")
@AS_JSON
@_sentences
def plan(destination: str | None, as_json: bool) -> None:
    """Show what a sync would write, field by field, and why; it connects to nothing."""
    from nps_pipeline import console, sync_back  # noqa: PLC0415

    settings = load_settings()
    if destination is not None and destination not in settings.crms():
        raise click.BadParameter(f"nps.yaml has {', '.join(settings.crms()) or 'no CRM'}.", param_hint="--destination")
    outlets = sync_back.Outlets(settings.sync_fields(), settings.targets(), settings.connect)
    result = sync_back.sync(settings.home, "plan", outlets)
    if not as_json:
        console.print_plan(result, destination)
        return
    chosen = [asdict(one) for one in result.plan.decisions if destination in (None, one.destination)]
    costs = {one.destination: one.requests for one in result.destinations if destination in (None, one.destination)}
    document = {"publication_id": result.publication_id, "decisions": chosen, "write_requests": costs}
    click.echo(json.dumps(document, indent=1, default=str))


@main.command()
@click.argument("what")
@AS_JSON
@_sentences
def explain(what: str, as_json: bool) -> None:
    """Show why records are one customer, and what was refused to join.

    WHAT is a customer_id, a response_id, a record's id (alone or as source.stream/id), an e-mail address or a phone
    number (+493023125123).
    """
    from nps_pipeline import console  # noqa: PLC0415
    from nps_pipeline.explain import explain as explained  # noqa: PLC0415
    from nps_pipeline.publications import require_current  # noqa: PLC0415

    identities = explained(require_current(load_settings().home), what)
    if as_json:
        click.echo(json.dumps([asdict(identity) for identity in identities], indent=1, default=str))
        return
    for identity in identities:
        console.print_identity(identity)


@main.command()
@click.option("--source", help="Only this source (files) or stream (files.retail).")
@click.option("--reason", help="Only this reason.")
@click.option("--load", metavar="LOAD_ID", help="Only rows of this load.")
@click.option("--csv", "csv_file", metavar="FILE", help="Write them for a spreadsheet; - is standard output.")
@AS_JSON
@_sentences
def quarantine(source: str | None, reason: str | None, load: str | None, csv_file: str | None, as_json: bool) -> None:
    """List refused rows with their reasons and what can be done about them."""
    from nps_pipeline import console  # noqa: PLC0415
    from nps_pipeline.project import reasons  # noqa: PLC0415
    from nps_pipeline.publications import require_current  # noqa: PLC0415
    from nps_pipeline.quarantine import EXPORTED, explained, quarantined  # noqa: PLC0415
    from nps_pipeline.spreadsheet import as_csv, write_csv  # noqa: PLC0415

    rows = quarantined(require_current(load_settings().home), source, reason, load)
    if csv_file is not None:
        text = as_csv(explained(rows), EXPORTED)
        if csv_file == "-":
            click.echo(text, nl=False)
            return
        try:
            write_csv(Path(csv_file), text)
        except OSError as error:
            raise click.BadParameter(f"{csv_file} cannot be written ({error.strerror}).", param_hint="--csv") from None
        click.echo(f"{len(rows):,} rows in {csv_file}")
        return
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    console.print_table(
        f"Quarantined rows: {len(rows):,}",
        rows,
        {
            "source_system": "source",
            "source_stream": "stream",
            "source_record_id": "record",
            "reason": "reason",
            "detail": "detail",
        },
    )
    for name in dict.fromkeys(row["reason"] for row in rows):
        click.echo(f"{name}: {reasons()[name]['description']} {reasons()[name]['remedy']}")


@main.command()
@AS_JSON
@_sentences
def publications(as_json: bool) -> None:
    """List the publications on disk, the newest first: what readers see now, what they can go back to."""
    from nps_pipeline import console  # noqa: PLC0415
    from nps_pipeline.catalogue import catalogue  # noqa: PLC0415

    home = load_settings().home
    entries = catalogue(home)
    if as_json:
        click.echo(json.dumps([asdict(entry) for entry in entries], indent=1))
    elif entries:
        console.print_publications(entries)
    else:
        click.echo(f"Nothing is published yet below {home.root}. Start with `nps run`.")


@main.command()
@click.argument("publication_id", required=False)
@click.option("--release", is_flag=True, help="Let the next run publish again.")
@AS_JSON
@_sentences
def rollback(publication_id: str | None, release: bool, as_json: bool) -> None:
    """Let readers see an older publication again, by default the one before the current, and hold it.

    While it is held, `nps run` pulls, builds and judges as always, and publishes nothing.
    """
    from nps_pipeline import rollback as stage  # noqa: PLC0415

    if release and publication_id is not None:
        raise click.BadParameter("It releases whatever is held; leave the publication out.", param_hint="--release")
    home = load_settings().home
    if release:
        was_held = stage.release(home)
        sentence = "Released: the next `nps run` publishes again." if was_held else "Nothing is held: runs publish."
        click.echo(json.dumps({"released": was_held}) if as_json else sentence)
        return
    done = stage.rollback(home, publication_id, datetime.now(UTC))
    if as_json:
        click.echo(json.dumps(asdict(done.hold)))
    else:
        name = done.publication.publication_id
        click.echo(f"Readers see {name} again. {done.hold.sentence(name)}")


@main.command()
@click.argument("source", required=False)
@AS_JSON
@_sentences
def requeue(source: str | None, as_json: bool) -> int:
    """Read anew what nps.yaml reads in another way by now: landed files, refused ones, and rows of CRMs.

    SOURCE limits it to a source (files) or a stream (files.retail). The next `nps run` publishes what came of it.

    Exit code 3: a file could not be read anew, so what was landed of it stays.
    """
    from nps_pipeline.requeue import requeue as read_anew  # noqa: PLC0415

    outcomes = read_anew(load_settings(), source)
    if as_json:
        click.echo(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        for outcome in outcomes:
            click.secho(f"{outcome.what}: {outcome.says}", fg="red" if outcome.failed else None, err=outcome.failed)
        if not outcomes:
            click.echo("Nothing was landed or refused yet.")
        elif any(outcome.rows for outcome in outcomes):
            click.echo("`nps run` publishes what came of it.")
    return 3 if any(outcome.failed for outcome in outcomes) else 0


@main.command()
@_sentences
def report() -> None:
    """Say where the report of the current publication is."""
    from nps_pipeline.publications import require_current  # noqa: PLC0415

    settings = load_settings()
    publication = require_current(settings.home)
    click.echo(settings.home.publish / "current" / publication.report.name)


@main.command()
@AS_JSON
@_sentences
def doctor(as_json: bool) -> int:
    """Check the configuration and the state: every problem at once, each with its remedy."""
    from nps_pipeline.doctor import examine  # noqa: PLC0415

    findings = examine()
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        for finding in findings:
            if finding.problem:
                click.secho(f"✗ {finding.subject:<12} {finding.problem}", fg="red")
            else:
                click.echo(f"✓ {finding.subject:<12} {finding.detail}")
    return int(any(finding.problem for finding in findings))


@main.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=3000,
    show_default=True,
    callback=_free_port,
    help="Port on 127.0.0.1.",
)
@_sentences
def ui(port: int) -> None:
    """Open the Dagster UI and daemon on loopback, with the runs that `nps run` made."""
    from nps_pipeline import instance, project  # noqa: PLC0415

    settings = load_settings()
    project.prepare_manifest()
    instance.use(settings)
    instance.bury_dead_runs_of_idle(settings.home)
    workspace = str(project.ROOT / "workspace.yaml")
    command = ["dagster", "dev", "--workspace", workspace, "--host", "127.0.0.1", "--port", str(port)]
    os.chdir(project.ROOT)
    # A shell lets background jobs ignore this signal; Dagster would then ignore SIGTERM too and never end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-W", "ignore", "-m", *command])  # noqa: S606 - our own interpreter, fixed words


@main.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Names the population.")
@click.option("--write-env", metavar="FILE", help="Also write the environment to a file, such as .env.")
@click.option("--survey-csv", metavar="FOLDER", help="Also write the survey export that repeats some answers there.")
@click.option("--faults", type=int, metavar="SEED", help="Let about one request in ten fail; the seed says which.")
def sandbox(seed: int, write_env: str | None, survey_csv: str | None, faults: int | None) -> None:
    """Serve Salesforce, HubSpot and Zendesk on loopback, filled with a synthetic year, until Ctrl-C.

    Prints the environment that reaches them.
    """
    options = {"--write-env": write_env, "--survey-csv": survey_csv, "--faults": faults}
    words = ["--seed", seed, *(word for pair in options.items() if pair[1] is not None for word in pair)]
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", *map(str, words)])  # noqa: S606 - our own interpreter


@main.command("map")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_sentences
def map_(file: Path) -> None:
    """Show how a survey file is read, and write its mapping into nps.yaml where nothing knows it yet.

    Shows ten rows as they are mapped. Asks what it cannot know; an answer in brackets is taken by Enter.
    """
    from nps_pipeline import console, map_file  # noqa: PLC0415 - imported by the one command that needs it

    settings = load_settings()
    if (survey_file := map_file.known(settings, file)) is None:
        mapping = map_file.draft(settings, file, _answered)
        survey_file = map_file.understood(settings, file, mapping)
    else:
        mapping = {}
    for note in survey_file.notes:
        click.echo(f"{file.name}: {note}")
    console.print_table(f"The first of {survey_file.data_rows:,} rows", map_file.sample(survey_file), map_file.SHOWN)
    if not mapping:
        click.echo(f"{file.name} is known; nothing was changed.")
    elif click.confirm(f"Write the mapping '{mapping['name']}' into {settings.config_path}?", default=True):
        map_file.write(settings, mapping)
        click.echo(f"Written. Put the file into {settings.home.inbox} and run `nps run`.")
    else:
        click.echo("Nothing was changed.")


def _answered(question: Any) -> str:
    """Ask on the terminal, until the answer is one of the choices."""
    kind = click.Choice(question.choices) if question.choices else str
    shown = len(question.choices) <= 6  # noqa: PLR2004 - what fits on a line
    if question.choices and not shown:
        click.echo(f"  {', '.join(question.choices)}")
    return str(click.prompt(question.text, type=kind, default=question.proposed, show_choices=shown))


@main.command()
def schema() -> None:
    """Print the JSON schema of nps.yaml."""
    click.echo(json.dumps(json_schema(), indent=2))


def _show_current(*, loads: bool = False) -> None:
    from nps_pipeline.console import print_summary  # noqa: PLC0415
    from nps_pipeline.publications import require_current  # noqa: PLC0415
    from nps_pipeline.summary import summarise  # noqa: PLC0415

    settings = load_settings()
    print_summary(summarise(settings.home, require_current(settings.home), loads=loads))
