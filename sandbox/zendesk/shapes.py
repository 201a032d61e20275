"""Zendesk's records in JSON, and its error bodies. No endpoint and no state here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sandbox.store import Record
from sandbox.web import Refusal

Json = dict[str, Any]
LOCALE_ZONES = {"de": ("Berlin", "Europe/Berlin"), "en-US": ("London", "Europe/London")}


def refusal(status: int, error: str, description: str, **further: Any) -> Refusal:
    """An error with a name and a sentence."""
    return Refusal(status, {"error": error, "description": description} | further)


def not_found() -> Refusal:
    """No such record."""
    return refusal(404, "RecordNotFound", "Not found")


def limit_reached(headers: Mapping[str, str]) -> Refusal:
    """A limit of requests is reached; the headers say how long to wait."""
    body = {"error": "APIRateLimitExceeded", "description": "Number of allowed API requests per minute exceeded"}
    return Refusal(429, body, headers)


def unauthenticated() -> Refusal:
    """Wrong credentials."""
    headers = {"WWW-Authenticate": 'Basic realm="Web Password"'}
    return Refusal(401, {"error": "Couldn't authenticate you"}, headers)


def iso(moment: datetime) -> str:
    """UTC with whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def unix(moment: datetime) -> int:
    """Whole seconds since 1970."""
    return int(moment.timestamp())


def generated_timestamp(ticket: Record) -> int:
    """When the ticket was last touched by anything, the system included: what its exports go by."""
    return unix(ticket.modified) + 1


def user(record: Record, base: str, field_keys: list[str]) -> Json:
    """A user; fields that are defined but not filled are null."""
    fields = record.fields
    zone, iana_zone = LOCALE_ZONES.get(fields.get("locale", ""), LOCALE_ZONES["en-US"])
    agent = fields.get("role") != "end-user"
    values = fields.get("user_fields") or {}
    return {
        "id": int(record.record_id),
        "url": f"{base}/api/v2/users/{record.record_id}.json",
        "name": fields.get("name"),
        "email": fields.get("email"),
        "created_at": iso(record.created),
        "updated_at": iso(record.modified),
        "time_zone": zone,
        "iana_time_zone": iana_zone,
        "phone": fields.get("phone"),
        "shared_phone_number": None,
        "photo": None,
        "locale_id": fields.get("locale_id", 1),
        "locale": fields.get("locale", "en-US"),
        "organization_id": fields.get("organization_id"),
        "role": fields.get("role", "end-user"),
        "verified": agent,
        "external_id": fields.get("external_id"),
        "tags": fields.get("tags", []),
        "alias": None,
        "active": record.deleted is None,
        "shared": False,
        "shared_agent": False,
        "last_login_at": None,
        "two_factor_auth_enabled": None,
        "signature": None,
        "details": fields.get("details"),
        "notes": fields.get("notes"),
        "role_type": 4 if agent else None,
        "custom_role_id": None,
        "moderator": agent,
        "ticket_restriction": None if agent else "requested",
        "only_private_comments": False,
        "restricted_agent": not agent,
        "suspended": False,
        "default_group_id": None,
        "report_csv": agent,
        "user_fields": {key: values.get(key) for key in field_keys},
    }


def anonymous(base: str) -> Json:
    """Who a caller with wrong credentials is told to be: status 200, and no id."""
    return {
        "id": None,
        "url": f"{base}/api/v2/users/.json",
        "name": "Anonymous user",
        "email": "invalid@example.com",
        "created_at": None,
        "updated_at": None,
        "role": "end-user",
        "verified": False,
        "active": None,
        "user_fields": {},
    }


def organization(record: Record, base: str) -> Json:
    """An organization."""
    fields = record.fields
    return {
        "url": f"{base}/api/v2/organizations/{record.record_id}.json",
        "id": int(record.record_id),
        "name": fields.get("name"),
        "shared_tickets": False,
        "shared_comments": False,
        "external_id": fields.get("external_id"),
        "created_at": iso(record.created),
        "updated_at": iso(record.modified),
        "domain_names": fields.get("domain_names", []),
        "details": None,
        "notes": None,
        "group_id": None,
        "tags": fields.get("tags", []),
        "organization_fields": {},
    }


def exported_organization(record: Record, base: str) -> Json:
    """An organization in an export, which tells of deletions."""
    return organization(record, base) | {"deleted_at": iso(record.deleted) if record.deleted else None}


def ticket(record: Record, base: str) -> Json:
    """A ticket; its custom fields stand there twice, as they do in the real API."""
    fields = record.fields
    custom = [{"id": int(field_id), "value": value} for field_id, value in fields.get("custom_values", {}).items()]
    return {
        "url": f"{base}/api/v2/tickets/{record.record_id}.json",
        "id": int(record.record_id),
        "external_id": fields.get("external_id"),
        "via": {"channel": "email", "source": {"from": {}, "to": {}, "rel": None}},
        "created_at": iso(record.created),
        "updated_at": iso(record.modified),
        "type": None,
        "subject": fields.get("subject"),
        "raw_subject": fields.get("subject"),
        "description": fields.get("description"),
        "priority": fields.get("priority"),
        "status": fields.get("status"),
        "recipient": None,
        "requester_id": fields.get("requester_id"),
        "submitter_id": fields.get("submitter_id"),
        "assignee_id": fields.get("assignee_id"),
        "organization_id": fields.get("organization_id"),
        "group_id": None,
        "collaborator_ids": [],
        "follower_ids": [],
        "email_cc_ids": [],
        "forum_topic_id": None,
        "problem_id": None,
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": fields.get("tags", []),
        "custom_fields": custom,
        "satisfaction_rating": fields.get("satisfaction_rating", {"score": "unoffered"}),
        "sharing_agreement_ids": [],
        "custom_status_id": None,
        "fields": custom,
        "followup_ids": [],
        "ticket_form_id": None,
        "brand_id": None,
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }


def exported_ticket(record: Record, base: str) -> Json:
    """A ticket in an export: with its timestamp, and deleted ones with that status."""
    body = ticket(record, base) | {"generated_timestamp": generated_timestamp(record)}
    return body | {"status": "deleted"} if record.deleted else body


def satisfaction_rating(record: Record, base: str) -> Json:
    """A satisfaction rating: a word, never a number."""
    fields = record.fields
    return {
        "url": f"{base}/api/v2/satisfaction_ratings/{record.record_id}.json",
        "id": int(record.record_id),
        "assignee_id": fields.get("assignee_id"),
        "group_id": None,
        "requester_id": fields.get("requester_id"),
        "ticket_id": fields.get("ticket_id"),
        "score": fields.get("score"),
        "created_at": iso(record.created),
        "updated_at": iso(record.modified),
        "comment": fields.get("comment"),
        "reason": fields.get("reason"),
    }


def survey_response(record: Record) -> Json:
    """A response to a satisfaction survey; its id is a text, and its answers have the times."""
    fields = record.fields
    times = {"created_at": iso(record.created), "updated_at": iso(record.modified)}
    question = {"id": "01GFYBENPDGN1R6NAA4WRDNVFR", "type": "rating_scale", "alias": "rating"}
    answers = [{"type": "rating_scale", "rating": fields.get("rating"), "question": question, **times}]
    if fields.get("comment"):
        open_question = {"id": "01GFYBENPD2MS8R55BW6D76FBC", "type": "open_ended", "alias": "comment"}
        answers.append({"type": "open_ended", "value": fields["comment"], "question": open_question, **times})
    return {
        "id": f"01J{int(record.record_id):023d}",
        "survey": {"id": "01J58KJ9RAE0D2EK7HRVM7Z8F2", "state": "enabled", "version": 3},
        "responder_id": fields.get("responder_id"),
        "subject_zrns": [f"zen:ticket:{fields.get('ticket_id')}"],
        "subjects": [
            {"id": str(fields.get("ticket_id")), "type": "ticket", "zrn": f"zen:ticket:{fields.get('ticket_id')}"}
        ],
        "expires_at": fields.get("expires_at"),
        "answers": answers,
    }
