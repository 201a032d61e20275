"""Exports of the known tools: one small file each, in the form that the tool writes, and what must be read from it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NPS = "How likely are you to recommend us to a friend or colleague?"


@dataclass(frozen=True)
class Export:
    """The rows of a file, and of each answer in it what must be read: response id, score, time (UTC), and more."""

    profile: str
    content: str | bytes
    answers: Sequence[Mapping[str, Any]]
    name: str = "export.csv"


def table(*rows: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


EXPORTS = (
    Export(
        "google_forms",
        table(
            ["Timestamp", "Email Address", f"{NPS} ", "Why?"],
            ["2017/11/24 12:39:58 PM GMT+4", "a@b.example", "9", "Quick"],
            ["2017/11/25 1:00:00 AM GMT+4", "", "3", ""],
        ),
        [
            {"score": "9", "responded_at": "2017-11-24 08:39:58.000000", "email": "a@b.example", "comment": "Quick"},
            {"score": "3", "responded_at": "2017-11-24 21:00:00.000000"},
        ],
    ),
    Export(
        "google_forms",
        table(
            ["Zeitstempel", "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen? (0 bis 10)"],
            ["24.11.2017 12:39:58", "10"],
        ),
        [{"score": "10", "responded_at": "2017-11-24 11:39:58.000000"}],
    ),
    Export(
        "microsoft_forms",
        table(
            ["ID", "Start time", "Completion time", "Email", "Name", "Last modified time", NPS, "Please tell us why"],
            ["1", "7/13/20 10:58:00", "7/13/20 11:00:22", "anonymous", "Anonymous", "", "8", "Fine"],
            ["2", "7/13/20 11:58:00", "7/13/20 12:00:22", "a@b.example", "Eva Roth", "", "10", ""],
        ),
        [
            {
                "response_id": "1 7/13/20 10:58:00 7/13/20 11:00:22",
                "score": "8",
                "responded_at": "2020-07-13 09:00:22.000000",
                "comment": "Fine",
                "email": None,
                "display_name": None,
            },
            {"score": "10", "email": "a@b.example", "display_name": "Eva Roth"},
        ],
    ),
    Export(
        "limesurvey",
        table(
            ["id", "submitdate", "lastpage", "startlanguage", "seed", "startdate", NPS],
            ["4", "2026-03-01 14:05:00", "3", "de", "123456", "2026-03-01 14:00:00", "7"],
            ["5", "", "1", "de", "654321", "2026-03-01 15:00:00", ""],
        ),
        [
            {"response_id": "4 123456", "score": "7", "responded_at": "2026-03-01 13:05:00.000000", "language": "de"},
            {"response_id": "5 654321", "excluded": "partial"},
        ],
    ),
    Export(
        "limesurvey",
        "Antwort ID;Datum Abgeschickt;Letzte Seite;Start-Sprache;Zufallsstartwert;"
        "Wie wahrscheinlich ist es, dass Sie uns weiterempfehlen?\n"
        "4;24.03.26 14:05;3;de;123456;9 - sehr wahrscheinlich\n",
        [{"response_id": "4 123456", "score": "9", "responded_at": "2026-03-24 13:05:00.000000"}],
    ),
    Export(
        "formbricks",
        table(
            ["No.", "Response ID", "Timestamp", "Finished", "Survey ID", "User ID", "url", f"1. {NPS}", "2. Why?"],
            ["1", "clx1", "Wed Oct 16 2024", "Yes", "s1", "u7", "https://x.example", "6", "Slow"],
            ["2", "clx2", "Wed Oct 16 2024", "No", "s1", "", "", "", ""],
        ),
        [
            {"response_id": "clx1", "score": "6", "responded_at": "2024-10-15 22:00:00.000000", "comment": "Slow"},
            {"response_id": "clx2", "excluded": "partial"},
        ],
    ),
    Export(
        "delighted",
        json.dumps(
            [
                {
                    "id": "47",
                    "person": {"id": "96", "email": "a@b.example", "name": "Eva Roth"},
                    "survey_type": "nps",
                    "score": 10,
                    "comment": "Top",
                    "permalink": "https://x.example/r",
                    "created_at": 1517430403,
                    "updated_at": None,
                    "person_properties": {"Delighted Source": "Web"},
                    "notes": [],
                    "tags": [],
                },
                {
                    "id": "48",
                    "person": {"id": "97", "email": "c@d.example", "name": None},
                    "survey_type": "csat",
                    "score": 5,
                    "comment": None,
                    "permalink": "https://x.example/s",
                    "created_at": 1517430404,
                },
            ]
        ),
        [
            {
                "response_id": "47",
                "score": "10",
                "comment": "Top",
                "responded_at": "2018-01-31 20:26:43.000000",
                "email": "a@b.example",
                "respondent_id": "96",
                "display_name": "Eva Roth",
                "excluded": None,
            },
            {"response_id": "48", "excluded": "other_metric"},
        ],
        "delighted.json",
    ),
    Export(
        "retently",
        table(
            [
                "id",
                "customerId",
                "email",
                "firstName",
                "lastName",
                "campaignId",
                "campaignName",
                "createdDate",
                "score",
                "comment",
                "channel",
                "metricsType",
                "isBogus",
            ],
            [
                "r1",
                "c1",
                "a@b.example",
                "Eva",
                "Roth",
                "9",
                "Spring",
                "2026-03-01T13:05:00.000Z",
                "9",
                "Good",
                "email",
                "NPS",
                "false",
            ],
            ["r2", "c2", "", "", "", "9", "Spring", "2026-03-01T13:05:00.000Z", "0", "", "email", "NPS", "true"],
            ["r3", "c3", "", "", "", "9", "Spring", "2026-03-01T13:05:00.000Z", "4", "", "email", "CSAT", "false"],
        ),
        [
            {"response_id": "r1", "score": "9", "survey": "Spring", "display_name": "Eva Roth", "channel": "email"},
            {"response_id": "r2", "excluded": "bogus"},
            {"response_id": "r3", "excluded": "other_metric"},
        ],
    ),
    Export(
        "zenloop",
        table(
            [
                "name",
                "score_type",
                "score",
                "sentiment",
                "recipient_id",
                "labels",
                "inserted_at",
                "email",
                "identity",
                "comment",
                "translated_comment",
            ],
            [
                "Shop",
                "promoter",
                "10",
                "positive",
                "77",
                "",
                "2026-03-01T13:05:00.000000Z",
                "a@b.example",
                "K1",
                "Schön",
                "Nice",
            ],
        ),
        [{"score": "10", "comment": "Schön", "respondent_id": "K1", "survey": "Shop"}],
    ),
    Export(
        "wootric",
        table(
            [
                "id",
                "score",
                "text",
                "ip_address",
                "origin_url",
                "completed",
                "excluded_from_calculations",
                "created_at",
            ],
            ["1", "9", "Good", "", "", "true", "false", "1517430403"],
            ["2", "1", "", "", "", "true", "true", "1517430404"],
            ["3", "", "", "", "", "false", "false", "1517430405"],
        ),
        [
            {"response_id": "1", "score": "9", "responded_at": "2018-01-31 20:26:43.000000", "excluded": None},
            {"response_id": "2", "excluded": "bogus"},
            {"response_id": "3", "excluded": "partial"},
        ],
    ),
    Export(
        "hubspot_export",
        table(
            [
                "hs_object_id",
                "hs_survey_name",
                "hs_survey_type",
                "hs_survey_channel",
                "hs_value",
                "hs_response_group",
                "hs_content",
                "hs_submission_timestamp",
            ],
            ["1", "Loyalty", "NPS", "EMAIL", "9", "PROMOTER", "Good", "2026-03-01T13:05:00.000Z"],
            ["2", "Ticket", "CSAT", "EMAIL", "2", "2", "", "2026-03-01T13:05:00.000Z"],
        ),
        [{"response_id": "1", "score": "9", "survey": "Loyalty"}, {"response_id": "2", "excluded": "other_metric"}],
    ),
    Export(
        "help_scout",
        '{"id": 5, "value": "10", "category": "promoter", "comment": "Top", "timestamp": "2026-03-01T13:05:00Z"}\n'
        '{"id": 6, "value": "2", "category": "detractor", "comment": "", "timestamp": "2026-03-01T13:06:00Z"}\n',
        [{"response_id": "5", "score": "10", "responded_at": "2026-03-01 13:05:00.000000"}, {"score": "2"}],
        "answers.jsonl",
    ),
    Export(
        "zendesk_nps",
        json.dumps(
            {
                "count": 1,
                "end_time": 1377759600,
                "next_page": None,
                "responses": [
                    {
                        "id": 1,
                        "rating": 9,
                        "comment": "Good",
                        "rated_at": "2013-08-29T00:00:00-07:00",
                        "delivered_at": "2013-08-28T00:00:00-07:00",
                        "recipient_id": 360121416853,
                        "delivery_id": 1,
                        "survey_id": 1,
                        "survey_name": "Spring",
                        "user_id": 154506367,
                        "user_email": "a@b.example",
                        "user_name": "Eva Roth",
                    }
                ],
            }
        ),
        [
            {
                "response_id": "1",
                "score": "9",
                "responded_at": "2013-08-29 07:00:00.000000",
                "survey": "Spring",
                "invited_at": "2013-08-28 07:00:00.000000",
                "respondent_id": "154506367",
            }
        ],
        "nps.json",
    ),
    Export(
        "mattermost",
        table(
            [
                "User ID",
                "Submitted At",
                "How likely are you to suggest this app to someone else?",
                "How can we make this app better for you?",
            ],
            ["u1", "23 July 2024", "9", "Dark mode"],
        ),
        [{"score": "9", "comment": "Dark mode", "respondent_id": "u1", "responded_at": "2024-07-22 22:00:00.000000"}],
    ),
    Export(
        "trustpilot",
        table(
            [
                "Review Id",
                "Review Created (UTC)",
                "Review Username",
                "Review User Email",
                "Review Title",
                "Review Content",
                "Review Stars",
            ],
            ["t1", "2026-03-01 13:05:00", "Eva", "a@b.example", "Good", "Very good", "5"],
        ),
        [{"response_id": "t1", "score": None, "excluded": "other_metric", "comment": "Very good"}],
    ),
    Export(
        "google_play",
        (
            "Package Name,App Version Code,Reviewer Language,Device,Review Submit Date and Time,"
            "Review Submit Millis Since Epoch,Star Rating,Review Title,Review Text,Review Link\n"
            "com.x,1,de,pixel,2026-03-01T13:05:00Z,1772370300000,4,,Schön,https://x.example/1\n"
        ).encode("utf-16"),
        [{"response_id": "https://x.example/1", "excluded": "other_metric", "comment": "Schön"}],
    ),
    Export(
        "zendesk_csat",
        table(
            ["id", "assignee_id", "group_id", "requester_id", "ticket_id", "score", "comment", "created_at"],
            ["1", "2", "3", "4", "5", "good", "Thanks", "2026-03-01T13:05:00Z"],
        ),
        [{"response_id": "1", "score": None, "excluded": "other_metric"}],
    ),
    Export(
        "thanx",
        table(
            ["nps_feedback_uid", "merchant_id", "user_id", "state", "rating", "review", "created_at", "rated_at"],
            ["n1", "m", "u1", "rated", "9", "Good", "2026-03-01T13:05:00Z", "2026-03-02T13:05:00Z"],
            ["n2", "m", "u2", "sent", "", "", "2026-03-01T13:05:00Z", ""],
        ),
        [
            {"response_id": "n1", "score": "9", "responded_at": "2026-03-02 13:05:00.000000"},
            {"response_id": "n2", "excluded": "partial"},
        ],
    ),
    Export(
        "qualtrics",
        json.dumps(
            {
                "responses": [
                    {
                        "responseId": "R_1",
                        "displayedFields": ["QID2"],
                        "labels": {"finished": "True"},
                        "values": {
                            "startDate": "2026-03-01T13:00:00Z",
                            "endDate": "2026-03-01T13:05:00Z",
                            "status": 0,
                            "progress": 100,
                            "finished": 1,
                            "QID2": 8,
                            "QID2_NPS_GROUP": 2,
                            "userLanguage": "DE",
                        },
                    }
                ]
            }
        ),
        [{"response_id": "R_1", "score": "8", "responded_at": "2026-03-01 13:05:00.000000", "language": "DE"}],
        "survey.json",
    ),
)
