"""Values in nps.yaml of which the world has a list: time zones, countries, cron expressions, standard terms."""

from __future__ import annotations

import difflib
from zoneinfo import available_timezones

import phonenumbers

from nps_pipeline.project import standard_terms


def known_timezone(name: str) -> str:
    """The name of a time zone; raises ``ValueError`` where there is none of that name."""
    if name in available_timezones():
        return name
    close = difflib.get_close_matches(name, available_timezones(), n=1)
    hint = f", did you mean {close[0]}?" if close else " such as Europe/Berlin or UTC"
    raise ValueError(f"is no time zone; use an IANA name{hint}")


def known_country(code: str) -> str:
    """The ISO code of a country that has phone numbers; raises ``ValueError`` where it is none."""
    if code not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("is no country; use its ISO code of two capital letters, such as DE or GB")
    return code


def known_cron(expression: str) -> str:
    """A cron expression; raises ``ValueError`` where it is none."""
    import dagster as dg  # noqa: PLC0415 - a second of import for one check

    try:
        dg.ScheduleDefinition(job_name="any", cron_schedule=expression)
    except dg.DagsterInvalidDefinitionError:
        raise ValueError("is no cron expression; five fields such as '0 5 * * *' (every day at 5)") from None
    return expression


def standard_term(name: str, value: str) -> str:
    """The standard term that a constant means, looked up as the dbt macro ``term`` spells it; raises ``ValueError``."""
    known = standard_terms(f"{name}s")
    spelling = value.strip(" ").lower().replace(" ", "_").replace("-", "_")
    if spelling in known:
        return known[spelling]
    close = difflib.get_close_matches(spelling, sorted(known), n=3)
    hint = f"; did you mean {' or '.join(close)}? Else" if close else ";"
    raise ValueError(f"'{value}' is no standard {name}{hint} add a line for it to dbt_project/seeds/{name}s.csv")
