-- Accounts: one row per record of an account, by which rule, on what evidence.
-- noqa: disable=PRS
{{ resolved_records(ref('int_account_keys'), ref('int_account_components'), 'account') }}
