"""The gate: what must hold of a candidate mart, and the proof that this very file was judged.

``suites`` reads the rules (data, in ``suites/*.yaml``), ``runner`` runs them with Great Expectations, ``verdict`` binds
the results to the files by their hashes, ``data_docs`` shows them as pages, ``datasource`` is what Great Expectations
lacks for DuckDB. Nothing here knows Dagster, the stages or the outside world; nothing here writes anything but
``gate.json`` and those pages.
"""
