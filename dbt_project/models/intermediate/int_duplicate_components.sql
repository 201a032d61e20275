-- Copies of one answer as connected components of the graph of duplicate pairs; a lone answer is not in it.
-- noqa: disable=PRS
{{ connected_components(ref('int_duplicate_edges'), 'node_a', 'node_b') }}
