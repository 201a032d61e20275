-- People as connected components of the graph of records and keys: whoever shares a key is one person.
-- noqa: disable=PRS
{{ connected_components(ref('int_identity_keys'), 'record_key', 'identity_key') }}
