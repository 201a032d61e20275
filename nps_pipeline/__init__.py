"""The NPS pipeline: from what sources serve to a published mart, one stage per module.

pull -> landing -> transform (dbt_project/) -> gate (expectations/) -> publish -> report, status, quarantine.

Stages never import each other: they meet at asset keys and at the files below ``NPS_HOME``. ``build`` assembles them,
``cli`` runs them. What talks to the outside world lives in ``connectors``, what judges data in ``expectations``.
"""

import os

# Arrow's own allocator keeps what a pull has freed, 30 MB of it; Arrow looks here when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

__version__ = "0.1.0"
