"""Connected components of a graph: records that share a key are one person, one company or one answer.

What makes two records share a key belongs to dbt, which calls this as a function of SQL (``dbt_functions``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def smallest_nodes(ends_a: Any, ends_b: Any, sizes: Any) -> Any:
    """The smallest node of each node's component, for undirected graphs whose nodes are numbered from 0.

    Args are columns of Arrow; DuckDB evaluates annotations, and those of Arrow cannot be.

    Args:
        ends_a: one list per graph, with one end of each of its edges.
        ends_b: the other ends, in the same order.
        sizes: how many nodes each graph has.

    Returns:
        A column of Arrow: one list per graph, as long as it has nodes.
    """
    graphs = zip(ends_a, ends_b, sizes, strict=True)
    labels = [_smallest_of_each(a.values.to_numpy(), b.values.to_numpy(), size.as_py()) for a, b, size in graphs]
    return pa.array(labels, type=pa.list_(pa.int64()))


def _smallest_of_each(ends_a: Any, ends_b: Any, size: int) -> Any:
    edges = coo_array((np.ones(len(ends_a), dtype=bool), (ends_a, ends_b)), shape=(size, size))
    count, component_of = connected_components(edges, directed=False)
    smallest = np.full(count, size, dtype=np.int64)
    np.minimum.at(smallest, component_of, np.arange(size))
    return smallest[component_of]
