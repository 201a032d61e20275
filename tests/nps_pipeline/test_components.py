"""Connected components: the same as a plain search finds, for any graph."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nps_pipeline.components import smallest_nodes

GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(st.just(size), st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))))
)


def searched(size: int, edges: list[tuple[int, int]]) -> list[int]:
    """The smallest node that can be reached from each node, by walking."""
    smallest = list(range(size))
    for _ in range(size):
        for one, other in edges:
            smallest[one] = smallest[other] = min(smallest[one], smallest[other])
    return smallest


@settings(deadline=None)
@given(st.lists(GRAPHS, max_size=3))
def test_it_finds_what_a_search_finds(graphs: list[tuple[int, list[tuple[int, int]]]]) -> None:
    lists = pa.list_(pa.int64())
    graphs = [*graphs, (3, [(1, 2)] * 256)]
    ends_a, ends_b = (
        pa.chunked_array([pa.array([[edge[end] for edge in edges] for _, edges in graphs], type=lists)])
        for end in (0, 1)
    )
    sizes = pa.chunked_array([pa.array([size for size, _ in graphs], type=pa.int64())])

    assert smallest_nodes(ends_a, ends_b, sizes).to_pylist() == [searched(size, edges) for size, edges in graphs]
