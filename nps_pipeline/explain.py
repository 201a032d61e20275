"""Explain: why records of the published mart are one customer, and what was refused to join. No printing here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nps_pipeline.errors import PipelineError
from nps_pipeline.publications import Publication
from nps_pipeline.warehouse import Connection, open_published, rows_as_dicts

AT_MOST = 10
# Why a key joins nobody, as identity_edges.refused has it, and what a person can do.
REFUSALS = {
    "placeholder": "stands where there is no address or id (seed placeholder_values)",
    "shared_mailbox": "the address of a role, not of a person (seed shared_mailboxes)",
    "many_people": "more people than identity.people_per_address have this address (nps.yaml)",
    "no_country": "a number in national form, and no country is known (the account's, or identity.default_country)",
    "no_number": "no phone number that can be in use",
    "no_full_name": "a phone number counts only beside a first and a last name",
    "split": "a person decided so (seed identity_decisions)",
    "too_many_keys": "the customer would have more keys than identity.keys_per_customer (nps.yaml)",
}

_FOUND = """
select customer_id, source_system, source_stream, source_record_id from identity_edges
where customer_id = $what
    or source_record_id = $what
    or concat(source_system, '.', source_stream, '/', source_record_id) = $what
    or (source_system = 'salesforce' and length($what) = 15 and left(source_record_id, 15) = $what)
    or lower(evidence) = lower(trim($what))
union
select customer_id, source_system, source_stream, source_record_id from fct_nps_responses where response_id = $what
order by all
"""
_CUSTOMER = """
select customers.customer_id, customers.display_name, customers.email, customers.account_id, accounts.name as account
from dim_customers as customers
left join dim_accounts as accounts on accounts.account_id = customers.account_id
where customers.customer_id = $customer_id
"""
_RECORDS = """
select source_system, source_stream, source_record_id, rule, evidence from customer_identities
where customer_id = $customer_id
order by all
"""
_KEYS = """
select shared_key, rule, source_system, source_stream, source_record_id, evidence from identity_edges
where customer_id = $customer_id and refused is null
order by all
"""
_REFUSED = """
with refused as (
    select shared_key, rule, source_system, source_stream, source_record_id, evidence, refused from identity_edges
    where refused is not null and {mine}
),

counted as (
    select shared_key, count(*) as records from identity_edges
    where shared_key in (select shared_key from refused)
    group by shared_key
)

select
    refused.*,
    counted.records - count(*) over (partition by refused.shared_key) as other_records
from refused
inner join counted on counted.shared_key = refused.shared_key
order by all
"""
_OF_CUSTOMER = "customer_id = $customer_id"
_OF_RECORD = (
    "customer_id is null and source_system = $source_system and source_stream = $source_stream "
    "and source_record_id = $source_record_id"
)


class UnknownRecordError(PipelineError):
    """Nothing of that name is in the mart, or too much; the text says what to ask for."""


@dataclass(frozen=True)
class Identity:
    """One customer, or one record that is nobody's.

    ``customer`` is what is known of it, None for a record without one; ``records`` are its source records, each with
    the strongest rule that made it this customer's; ``keys`` every key of each record, those that share one being one
    customer; ``refused`` every key that joins nobody, with the reason and how many records besides these have it too.
    """

    customer: dict[str, Any] | None
    records: list[dict[str, Any]]
    keys: list[dict[str, Any]]
    refused: list[dict[str, Any]]


def explain(publication: Publication, what: str) -> list[Identity]:
    """Say who somebody is.

    Args:
        publication: Whose mart is read.
        what: A customer_id, a response_id, a record's id (alone or as ``source.stream/id``), an e-mail
            address or a phone number in E.164.

    Returns:
        The customers of that name, then the records of that name that are no customer's.

    Raises:
        UnknownRecordError: There is none, or there are more than AT_MOST.
        WarehouseError: The mart is missing or damaged.
    """
    with open_published(publication.mart) as mart:
        found = rows_as_dicts(mart, _FOUND, {"what": what})
        customers = sorted({row["customer_id"] for row in found if row["customer_id"] is not None})
        strangers = [row for row in found if row["customer_id"] is None]
        if not found:
            raise UnknownRecordError(
                "Nothing in the published mart has this name. Ask for a customer_id, a response_id, a record's id "
                "(alone or as source.stream/id), an e-mail address or a phone number (+493023125123); what was landed "
                f"after {publication.publication_id} is not in it."
            )
        if len(customers) + len(strangers) > AT_MOST:
            raise UnknownRecordError(
                f"{len(customers)} customers and {len(strangers)} records of nobody have this name; at most {AT_MOST} "
                "are explained at once. Ask for one of them: the table identity_edges of the mart lists them."
            )
        return [_customer(mart, customer_id) for customer_id in customers] + [_nobody(mart, row) for row in strangers]


def _customer(mart: Connection, customer_id: str) -> Identity:
    key = {"customer_id": customer_id}
    return Identity(
        customer=rows_as_dicts(mart, _CUSTOMER, key)[0],
        records=rows_as_dicts(mart, _RECORDS, key),
        keys=rows_as_dicts(mart, _KEYS, key),
        refused=rows_as_dicts(mart, _REFUSED.format(mine=_OF_CUSTOMER), key),
    )


def _nobody(mart: Connection, record: dict[str, Any]) -> Identity:
    named = {name: record[name] for name in ("source_system", "source_stream", "source_record_id")}
    refused = rows_as_dicts(mart, _REFUSED.format(mine=_OF_RECORD), named)
    return Identity(customer=None, records=[named], keys=[], refused=refused)
