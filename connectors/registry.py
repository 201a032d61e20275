"""The CRMs there are: every module of this package that exposes CONNECTOR. Naming one here would be a second list."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

import connectors
from connectors.base import Connector


@cache
def discover() -> dict[str, Connector]:
    """Source -> connector, by name. A vendor's SDK is not imported before it is used."""
    modules = (import_module(f"connectors.{found.name}") for found in pkgutil.iter_modules(connectors.__path__))
    found = [module.CONNECTOR for module in modules if hasattr(module, "CONNECTOR")]
    return {connector.source: connector for connector in sorted(found, key=lambda connector: connector.source)}
