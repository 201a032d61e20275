-- People: one row per record of a customer, by which rule, on what evidence.
-- noqa: disable=PRS
{{ resolved_records(ref('int_identity_keys'), ref('int_identity_components'), 'customer') }}
