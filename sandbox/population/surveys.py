"""The surveys that the CRMs run, declared: what is asked where, and what an answer to it is in the mart's terms."""

from __future__ import annotations

from sandbox.population.model import Survey

LOYALTY_NAME = "Customer loyalty"
CSV_STREAM = "customer_loyalty"

HUBSPOT_STREAM = "feedback_submissions"
QUESTION_STREAM = "SurveyQuestionResponse"
NPS_OBJECT = "NPS_Response__c"
TICKET_STREAM = "tickets"

LOYALTY = Survey("hubspot-loyalty", "hubspot", HUBSPOT_STREAM, LOYALTY_NAME, "relational", "email", "unknown", 22)
PURCHASE = Survey(
    "hubspot-purchase", "hubspot", HUBSPOT_STREAM, "After purchase", "transactional", "web", "purchase", 38
)
SATISFACTION = Survey(
    "hubspot-csat", "hubspot", HUBSPOT_STREAM, "Support satisfaction", "transactional", "email", "support", 0, "CSAT"
)
ONBOARDING = Survey(
    "salesforce-onboarding",
    "salesforce",
    QUESTION_STREAM,
    "Onboarding feedback",
    "transactional",
    "email",
    "onboarding",
    30,
)
PRODUCT = Survey(
    "salesforce-product",
    "salesforce",
    QUESTION_STREAM,
    "Product feedback",
    "transactional",
    "in_app",
    "product_use",
    15,
)
CALLS = Survey("salesforce-calls", "salesforce", NPS_OBJECT, LOYALTY_NAME, "relational", "phone", "unknown", 18)
RENEWAL = Survey(
    "salesforce-renewal", "salesforce", NPS_OBJECT, "Renewal call", "transactional", "phone", "renewal", 10
)
TICKETS = Survey("zendesk-tickets", "zendesk", TICKET_STREAM, "Support ticket", "transactional", "email", "support", 4)
EXPORT = Survey("files-loyalty", "files", CSV_STREAM, LOYALTY_NAME, "relational", "email", "unknown", 22)

SURVEYS = (LOYALTY, PURCHASE, SATISFACTION, ONBOARDING, PRODUCT, CALLS, RENEWAL, TICKETS, EXPORT)
