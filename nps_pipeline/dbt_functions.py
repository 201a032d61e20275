"""Functions in Python that dbt's connection to DuckDB offers to SQL: what SQL cannot say. Loaded by dbt's profile."""

from __future__ import annotations

from typing import Any

from dbt.adapters.duckdb.plugins import BasePlugin

from nps_pipeline.components import smallest_nodes
from nps_pipeline.person_keys import dns_name, email_key, name_key, phone_key


class Plugin(BasePlugin):
    """The name by which dbt-duckdb finds a plugin in a module."""

    def configure_connection(self, conn: Any) -> None:
        """Register every function on a new connection of DuckDB."""
        conn.create_function("nps_email_key", email_key, ["VARCHAR"], "VARCHAR", null_handling="special")
        conn.create_function("nps_dns_name", dns_name, ["VARCHAR"], "VARCHAR")
        conn.create_function("nps_phone_key", phone_key, ["VARCHAR", "VARCHAR"], "VARCHAR", null_handling="special")
        conn.create_function("nps_name_key", name_key, ["VARCHAR"], "VARCHAR", null_handling="special")
        conn.create_function(
            "nps_smallest_nodes", smallest_nodes, ["BIGINT[]", "BIGINT[]", "BIGINT"], "BIGINT[]", type="arrow"
        )
