"""What every CRM's section of nps.yaml has in common, and the choice of a login. A vendor's own stands in its file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from connectors.base import Connector, Login
from connectors.errors import ConfigError

SurveyType = Literal["relational", "transactional", "unclassified"]

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _nps_scale(scale: list[int]) -> list[int]:
    if scale != [0, 10]:
        raise ValueError("must be [0, 10]: answers on any other scale are another metric")
    return scale


Duration = Annotated[str, Field(pattern=r"^[0-9]{1,6}[smhd]$")]
Scale = Annotated[list[int], AfterValidator(_nps_scale)]
Name = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of nps.yaml: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Section):
    """What is pulled from a CRM, and how. `{}` is enough where nothing is special."""

    required: bool = Field(False, description="Whether nothing is published while this source fails.")
    overlap: Duration = Field(
        "10m", description="How far each pull looks back behind the last one, for records that came late: 10m, 2h, 1d."
    )

    reconcile: Duration = Field(
        "7d",
        description="How often everything is pulled again, to find what pulls of changes missed and what was deleted "
        "without a trace: 1d, 30d.",
    )

    @property
    def look_back(self) -> timedelta:
        """The overlap as a duration."""
        return _duration(self.overlap)

    @property
    def reconcile_every(self) -> timedelta:
        """How old the last pull of everything may be."""
        return _duration(self.reconcile)


def _duration(text: str) -> timedelta:
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def choose_login(connector: Connector, environment: Mapping[str, str]) -> Login | None:
    """The first way to log in whose variables are all set; None when none of any way is.

    Raises:
        ConfigError: Some are set, but no way is complete; names the variables that the nearest one lacks.
    """
    for login in connector.logins:
        if all(environment.get(name) for name in login.variables):
            return login
    given = {name for login in connector.logins for name in login.variables if environment.get(name)}
    if not given:
        return None
    begun = [login for login in connector.logins if given & set(login.variables)]
    nearest = min(begun, key=lambda login: (len(missing(login, environment)), -len(login.variables)))
    raise ConfigError(
        f"{connector.title}: {', '.join(missing(nearest, environment))} must be set too to log in by {nearest.name}; "
        "set it in the environment or in .env."
    )


def missing(login: Login, environment: Mapping[str, str]) -> list[str]:
    """The variables of a way to log in that are not set."""
    return [name for name in login.variables if not environment.get(name)]


def ways_to_log_in(connector: Connector) -> str:
    """Every way to log in with its variables, as the end of a sentence that says to set them."""
    return "; or ".join(f"{', '.join(login.variables)} ({login.name})" for login in connector.logins)


def variables_of(connector: Connector) -> list[str]:
    """Every environment variable that a connector reads, each once."""
    return list(
        dict.fromkeys([name for login in connector.logins for name in login.variables] + [*connector.addresses])
    )


def requested_fields(paths: Mapping[str, Any], prefix: str) -> list[str]:
    """The names to ask an API for: what follows ``prefix`` in the JSON paths, sorted, each once."""
    return sorted({str(path).removeprefix(prefix) for path in paths.values() if str(path).startswith(prefix)})
