-- Accounts as connected components of the graph of records and keys: what shares a key is one account.
-- noqa: disable=PRS
{{ connected_components(ref('int_account_keys'), 'record_key', 'account_key') }}
