"""Starts the three CRMs on loopback and says how to reach them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.admin import PREFIX, admin_routes
from sandbox.certificates import write_login_key, write_server_files
from sandbox.control import Control
from sandbox.faults import FaultLayer, Faults
from sandbox.hubspot.service import ACCESS_TOKEN, HubSpot
from sandbox.population import Population, build
from sandbox.population.truth import Truth
from sandbox.refusals import REFUSALS
from sandbox.salesforce import logins
from sandbox.salesforce.service import Salesforce
from sandbox.servers import Servers, Site
from sandbox.specifications.layer import SpecificationLayer
from sandbox.specifications.operations import specification
from sandbox.web import RequestLog, Service, application
from sandbox.zendesk.service import EMAIL, OAUTH_TOKEN, SUBDOMAIN, TOKEN, Zendesk

CRMS = ("salesforce", "hubspot", "zendesk")


@dataclass(frozen=True)
class Sandbox:
    """The running CRMs.

    ``urls`` and ``control`` (its log, state and edits) have an entry per CRM. ``logins`` are the variables of every way
    to log in, per CRM and way; ``environment`` holds the first way of each and the addresses: all that a client needs.
    """

    population: Population = field(repr=False)
    urls: Mapping[str, str]
    control: Mapping[str, Control]
    logins: Mapping[str, Mapping[str, Mapping[str, str]]]
    addresses: Mapping[str, str]
    _servers: Servers = field(repr=False)

    @property
    def truth(self) -> Truth:
        """What a pipeline ought to make of the population."""
        return self.population.truth

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that reach the three CRMs."""
        return self.environment_for()

    def environment_for(self, **ways: str) -> dict[str, str]:
        """The environment with another way to log in.

        Args:
            ways: CRM and the name of the way, such as ``salesforce="jwt"``.

        Returns:
            Variables and values.
        """
        environment = dict(self.addresses)
        for crm, known in self.logins.items():
            environment |= known[ways.get(crm, next(iter(known)))]
        return environment

    def stop(self) -> None:
        """Stop the servers; their state is gone."""
        self._servers.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start(
    folder: Path, seed: int, today: date, ports: Mapping[str, int] | None = None, *, strict: bool = True
) -> Sandbox:
    """Start the three CRMs, filled.

    Args:
        folder: Where certificates and keys go; made if absent.
        seed: Names the population; the same seed and day give the same one.
        today: The population's history ends with the day before.
        ports: CRM -> port; any free port where none is named.
        strict: Enforce the limits of requests, and show what was changed as late as the real systems do. Tests ask
            faster than that allows: where this is off, limits are told, and enforced only where a test says so.

    Returns:
        The running sandbox; stop it, or use it in a ``with``.

    Raises:
        RuntimeError: A port is taken, or a server did not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    population = build(seed, today)
    files = write_server_files(folder)
    login_key, public_key = write_login_key(folder)
    services: dict[str, Service] = {
        "salesforce": Salesforce(population.tables["salesforce"], public_key, strict=strict),
        "hubspot": HubSpot(population.tables["hubspot"], strict=strict),
        "zendesk": Zendesk(population.tables["zendesk"], strict=strict),
    }
    tls = {"salesforce": (files.certificate, files.key)}
    sites = [site(service, (ports or {}).get(name, 0), tls.get(name)) for name, service in services.items()]
    servers = Servers(sites)
    servers.start()
    urls = dict(zip(services, servers.urls, strict=True))
    addresses = {
        "SALESFORCE_LOGIN_URL": urls["salesforce"],
        "SALESFORCE_CA_BUNDLE": str(files.authority),
        "HUBSPOT_BASE_URL": urls["hubspot"],
        "ZENDESK_BASE_URL": urls["zendesk"],
    }
    control = {name: Control(url, files.authority) for name, url in urls.items()}
    return Sandbox(population, urls, control, _logins(urls, login_key), addresses, servers)


def site(service: Service, port: int = 0, tls: tuple[Path, Path] | None = None) -> Site:
    """A CRM as a web site: its API, its request log and its control interface, behind the faults that are asked for.

    Every request is held against what the vendor published.
    """
    log, faults = RequestLog(), Faults()
    inner = application(service, log, admin_routes(service, log, faults))
    struck = FaultLayer(inner, faults, log, REFUSALS[service.name], PREFIX)
    return Site(SpecificationLayer(struck, service.name, specification(service.name), PREFIX), port, tls)


def _logins(urls: Mapping[str, str], login_key: Path) -> dict[str, dict[str, dict[str, str]]]:
    return {
        "salesforce": {
            "password": {
                "SALESFORCE_USERNAME": logins.USERNAME,
                "SALESFORCE_PASSWORD": logins.PASSWORD,
                "SALESFORCE_SECURITY_TOKEN": logins.SECURITY_TOKEN,
                "SALESFORCE_DOMAIN": "login",
            },
            "jwt": {
                "SALESFORCE_CONSUMER_KEY": logins.CLIENT_ID,
                "SALESFORCE_PRIVATE_KEY_FILE": str(login_key),
                "SALESFORCE_USERNAME": logins.USERNAME,
                "SALESFORCE_DOMAIN": "login",
            },
            "client_credentials": {
                "SALESFORCE_CLIENT_ID": logins.CLIENT_ID,
                "SALESFORCE_CLIENT_SECRET": logins.CLIENT_SECRET,
                "SALESFORCE_DOMAIN": logins.DOMAIN,
            },
            "session": {
                "SALESFORCE_INSTANCE_URL": urls["salesforce"],
                "SALESFORCE_SESSION_ID": logins.SESSION_ID,
            },
        },
        "hubspot": {"token": {"HUBSPOT_ACCESS_TOKEN": ACCESS_TOKEN}},
        "zendesk": {
            "token": {"ZENDESK_SUBDOMAIN": SUBDOMAIN, "ZENDESK_EMAIL": EMAIL, "ZENDESK_TOKEN": TOKEN},
            "oauth": {"ZENDESK_SUBDOMAIN": SUBDOMAIN, "ZENDESK_OAUTH_TOKEN": OAUTH_TOKEN},
        },
    }
