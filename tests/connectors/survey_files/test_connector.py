"""A survey file as a source: mapping or profile, identity, the mapped fields, refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.base import Record
from connectors.errors import ConfigError, RecordError
from connectors.survey_files import FILE_FIELDS, FileMapping, FileRefused, SurveyFile, open_survey_file

Write = Callable[..., Path]
Build = Callable[..., FileMapping]
Mapped = Callable[..., list[dict[str, Any]]]
Payloads = Callable[[SurveyFile], list[dict[str, Any]]]


def records(file: SurveyFile, size: int = 5000) -> list[Record]:
    return [record for page in file.pages(size) for record in page.records]


def test_a_mapped_file_becomes_records_with_its_fields_and_its_cells(write: Write, mapping: Build) -> None:
    path = write("id;score;why;mail;who;Name;when;store\n7; 10 ;Très bien;A@b.org;K1;Eva Roth;24.12.2024 18:00;Lyon\n")
    declared = mapping(
        comment="why", email="mail", respondent="who", display_name="Name", language="fr", survey={"column": "store"},
        responded_at={"column": "when", "timezone": "Europe/Paris"}, survey_type="relational", channel="store",
        touchpoint={"column": "store"}, tool="kiosk",
    )  # fmt: skip
    (record,) = records(open_survey_file(path, [declared], "UTC"))
    assert record.record_id == "7"
    assert record.source_version is None
    assert '"Très bien"' in record.payload
    assert json.loads(record.payload) == {
        "mapped": {
            "response_id": "7", "response_id_scope": "kiosk", "score": " 10 ", "scale_min": 0, "scale_max": 10,
            "comment": "Très bien", "language": "fr", "responded_at": "2024-12-24 17:00:00.000000",
            "responded_at_basis": "source", "survey": "Lyon", "survey_type": "relational", "channel": "store",
            "touchpoint": "Lyon", "respondent_id": "K1", "email": "A@b.org", "display_name": "Eva Roth",
        },
        "cells": {
            "id": "7", "score": " 10 ", "why": "Très bien", "mail": "A@b.org", "who": "K1", "Name": "Eva Roth",
            "when": "24.12.2024 18:00", "store": "Lyon",
        },
    }  # fmt: skip


def test_every_mapped_field_is_declared_for_staging(mapped: Mapped) -> None:
    (row,) = mapped(
        "id,score,when\n1,9,soon\n",
        responded_at="when",
        survey="spring",
        exclude=[{"column": "score", "values": ["9"], "reason": "test"}],
    )
    assert {f"$.mapped.{name}" for name in row} <= set(FILE_FIELDS.values())
    assert FILE_FIELDS["responded_at_unreadable"] == "$.mapped.responded_at_unreadable"
    assert len(FILE_FIELDS) == 20


def test_the_file_describes_itself(write: Write, mapping: Build) -> None:
    path = write("id,score\n1,9\n2,8\n", "Shop_2024.CSV")
    file = open_survey_file(path, [mapping(match="shop_*.csv", replaces={"shop_2024.csv": "shop_2023.csv"})], "UTC")
    content = path.read_bytes()
    assert (file.name, file.sha256, file.bytes) == ("Shop_2024.CSV", hashlib.sha256(content).hexdigest(), len(content))
    assert (file.stream.source, file.stream.name, file.stream.role) == ("files", "shop", "response")
    assert dict(file.stream.fields) == dict(FILE_FIELDS)
    assert file.replaces == ("shop_2023.csv",)
    assert file.data_rows == 2


def test_pages_hold_the_records_in_file_order_and_the_cost_once(write: Write, mapping: Build) -> None:
    path = write("id,score\n" + "".join(f"{number},9\n" for number in range(25)))
    file = open_survey_file(path, [mapping()], "UTC")
    pages = list(file.pages(size=10))
    assert [len(page.records) for page in pages] == [10, 10, 5]
    assert [record.record_id for page in pages for record in page.records] == [str(number) for number in range(25)]
    assert [page.bytes for page in pages] == [file.bytes, 0, 0]
    assert records(file) == records(file, size=3)


@pytest.mark.parametrize("score", ["NA", "", "9.5", "11", "-1", "ten", " 10 "])
def test_the_score_cell_is_passed_on_untouched(mapped: Mapped, score: str) -> None:
    assert mapped(f"id,score\n1,{score}\n")[0]["score"] == score


@pytest.mark.parametrize(
    ("cell", "comment"), [("NA", None), ("  ", None), ("", None), (" ok ", "ok"), ("NA NA", "NA NA")]
)
def test_a_comment_of_na_or_blanks_is_none(mapped: Mapped, cell: str, comment: str | None) -> None:
    assert mapped(f"id,score,c\n1,9,{cell}\n", comment="c")[0].get("comment") == comment


@pytest.mark.parametrize(
    ("cell", "fields"),
    [
        ("2024-05-01 10:00", {"responded_at": "2024-05-01 08:00:00.000000", "responded_at_basis": "source"}),
        ("soon", {"responded_at_unreadable": True}),
        (" ", {}),
    ],
)
def test_a_date_is_read_or_said_to_be_unreadable_and_never_now(
    mapped: Mapped, cell: str, fields: dict[str, object]
) -> None:
    (row,) = mapped(f"id,score,when\n1,9,{cell}\n", "Europe/Paris", responded_at="when")
    assert {key: value for key, value in row.items() if key.startswith("responded_at")} == fields


def test_a_stated_date_is_declared(mapped: Mapped) -> None:
    (row,) = mapped("id,score\n1,9\n", responded_at={"constant": "2017-01-01", "timezone": "Europe/Paris"})
    assert (row["responded_at"], row["responded_at_basis"]) == ("2016-12-31 23:00:00.000000", "declared")


@pytest.mark.parametrize(
    ("header", "responded_at", "utc"),
    [
        ("when", "when", "2024-05-01 08:00:00.000000"),
        ("when (UTC)", "when (UTC)", "2024-05-01 10:00:00.000000"),
        ("when (UTC)", {"column": "when (UTC)", "timezone": "America/New_York"}, "2024-05-01 14:00:00.000000"),
    ],
)
def test_the_zone_comes_from_the_mapping_else_the_header_else_the_default(
    mapped: Mapped, header: str, responded_at: object, utc: str
) -> None:
    (row,) = mapped(f"id,score,{header}\n1,9,2024-05-01 10:00\n", "Europe/Paris", responded_at=responded_at)
    assert row["responded_at"] == utc


def test_the_last_change_is_the_version_of_the_record(write: Write, mapping: Build) -> None:
    path = write("id,score,sent,changed\n1,9,2024-05-01 09:00,2024-05-02 10:00\n2,8,,\n")
    first, second = records(open_survey_file(path, [mapping(updated_at="changed", invited_at="sent")], "UTC"))
    assert first.source_version == datetime(2024, 5, 2, 10, tzinfo=UTC)
    assert second.source_version is None
    assert json.loads(first.payload)["mapped"]["invited_at"] == "2024-05-01 09:00:00.000000"


def test_a_constant_survey_is_comparable_and_one_from_a_column_is_not(mapped: Mapped) -> None:
    assert mapped("id,score\n1,9\n", survey="spring")[0]["survey_is_declared"] is True
    assert "survey_is_declared" not in mapped("id,score,s\n1,9,spring\n", survey={"column": "s"})[0]


def test_marked_rows_are_excluded_by_the_first_rule_that_applies(mapped: Mapped) -> None:
    rules = [
        {"column": "kind", "values": ["Demo "], "reason": "test"},
        {"column": "done", "values": [False, ""], "reason": "partial"},
    ]
    rows = mapped("id,score,kind,done\n1,9,demo,\n2,9,real,false\n3,9,real,\n4,9,real,true\n", exclude=rules)
    assert [row.get("excluded") for row in rows] == ["test", "partial", "partial", None]


@pytest.mark.parametrize("scale", [[1, 10], [1, 5], [0, 100]])
def test_another_scale_is_another_metric(mapped: Mapped, scale: list[int]) -> None:
    (row,) = mapped("id,score\n1,5\n", scale=scale)
    assert (row["excluded"], [row["scale_min"], row["scale_max"]]) == ("other_metric", scale)


def test_two_columns_with_the_name_of_the_score_are_asked_about(
    write: Write, mapping: Build, payloads: Payloads
) -> None:
    content = "id,nps,nps\n1,9,2\n"
    with pytest.raises(FileRefused, match=r"has 2 columns named nps, .* name in nps.yaml a later one: nps_2\."):
        open_survey_file(write(content), [mapping(score="nps")], "UTC")
    (payload,) = payloads(open_survey_file(write(content), [mapping(score="nps_2")], "UTC"))
    assert payload["mapped"]["score"] == "2"


def test_quotes_behind_backslashes_that_shift_cells_refuse_the_file(write: Write, mapping: Build) -> None:
    content = 'id,why,nps\n1,"so \\"good, so 3\\" said",9\n2,"C:\\",4\n'
    with pytest.raises(FileRefused, match=r"1 rows have more cells than the header, and backslashes"):
        open_survey_file(write(content), [mapping(score="nps")], "UTC")
    file = open_survey_file(write('id,why,nps\n2,"C:\\",4\n'), [mapping(score="nps")], "UTC")
    assert file.data_rows == 1


def test_short_and_long_rows_keep_their_cells_and_are_counted(write: Write, mapping: Build, payloads: Payloads) -> None:
    file = open_survey_file(write("id,score,c\n1,9\n2,8,ok,more,\n3,7,ok,,\n"), [mapping()], "UTC")
    assert [row["cells"] for row in payloads(file)] == [
        {"id": "1", "score": "9", "c": ""},
        {"id": "2", "score": "8", "c": "ok", "column_4": "more"},
        {"id": "3", "score": "7", "c": "ok"},
    ]
    assert "1 rows shorter than the header: missing cells are empty" in file.notes
    assert "1 rows longer than the header: extra cells kept as column_N" in file.notes


def test_repairs_are_counted_in_a_note_and_no_note_holds_a_cell(write: Write, mapping: Build) -> None:
    content = b"id,score,c\n1,9,tr\xe8s secret \x82lev\x82\n2,8,d\xe9j\xe0 vu\0\n"
    notes = open_survey_file(write(content), [mapping(comment="c")], "UTC").notes
    assert "encoding cp1252 with repairs" in notes
    assert "2 byte runs repaired, 0 of them doubtful" in notes
    assert "1 zero bytes removed" in notes
    assert not any("secret" in note or "vu" in note for note in notes)


# --- identity ---------------------------------------------------------------------------------------------------------


def ids(write: Write, mapping: Build, content: str, name: str = "survey.csv", **changes: object) -> list[str]:
    return [record.record_id for record in records(open_survey_file(write(content, name), [mapping(**changes)], "UTC"))]


def test_without_ids_identical_rows_are_told_apart_by_their_number(write: Write, mapping: Build) -> None:
    found = ids(write, mapping, "score,c\n9,ok\n8,ok\n9,ok\n", id=None, exports="cumulative")
    assert found[0].endswith("#1")
    assert found[2] == found[0].removesuffix("#1") + "#2"
    assert len(set(found)) == 3


def test_a_cumulative_export_repeats_the_ids_of_its_earlier_rows(write: Write, mapping: Build) -> None:
    first = ids(write, mapping, "score,c\n9,ok\n8,\n", id=None, exports="cumulative")
    later = ids(write, mapping, "score;c\r\n9;ok\r\n8;\r\n9;ok\r\n", "later.csv", id=None, exports="cumulative")
    assert later[:2] == first
    moved = ids(write, mapping, "new,c,score\n,ok,9\n, ,8\n", "moved.csv", id=None, exports="cumulative")
    assert moved == first


def test_separate_exports_share_no_id_even_for_the_same_row(write: Write, mapping: Build) -> None:
    first = ids(write, mapping, "score,c\n9,ok\n", id=None, exports="separate")
    again = ids(write, mapping, "score,c\n9,ok\n", "copy.csv", id=None, exports="separate")
    other = ids(write, mapping, "score,c\n9,ok\n8,\n", "other.csv", id=None, exports="separate")
    assert first == again
    assert not set(first) & set(other)


def test_a_row_without_an_id_in_a_file_with_ids_is_kept_under_its_hash(write: Write, mapping: Build) -> None:
    found = ids(write, mapping, "id,score\nA1,9\n ,8\n,8\n")
    assert found[0] == "A1"
    assert [len(found[1]), found[1][-2:], found[2][-2:]] == [66, "#1", "#2"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["9", "8", ""]), st.sampled_from(["a", "b", " a", "b,c"])), min_size=1, max_size=12
    )
)
def test_hashed_ids_are_unique_and_stable(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    declared = FileMapping(name="shop", match="*", score="score", scale=(0, 10), exports="cumulative")
    path = tmp_path / "survey.csv"
    path.write_text("score,c\n" + "".join(f'{score},"{comment}"\n' for score, comment in rows))
    file = open_survey_file(path, [declared], "UTC")
    found = [record.record_id for record in records(file)]
    assert len(set(found)) == len(rows)
    assert found == [record.record_id for record in records(file, size=2)]


# --- which mapping, and refusals --------------------------------------------------------------------------------------


def test_the_first_mapping_whose_pattern_fits_is_used(write: Write, mapping: Build) -> None:
    mappings = [
        mapping(name="berlin", match="berlin_*"),
        mapping(name="all", match="*.csv"),
        mapping(name="late", match="*"),
    ]
    assert open_survey_file(write("id,score\n1,9\n", "BERLIN_1.csv"), mappings, "UTC").stream.name == "berlin"
    assert open_survey_file(write("id,score\n1,9\n", "other.csv"), mappings, "UTC").stream.name == "all"


def test_an_unknown_file_is_refused_with_its_columns_and_what_to_write(write: Write, mapping: Build) -> None:
    with pytest.raises(FileRefused) as refused:
        open_survey_file(write("Kunde,Note\n1,9\n", "Umfrage 24.csv"), [mapping(match="shop_*")], "UTC")
    sentence = str(refused.value)
    assert "Umfrage 24.csv: no mapping in nps.yaml is for it and no built-in profile knows it" in sentence
    assert "its columns are: Kunde, Note" in sentence
    assert '{name: umfrage_24, match: "Umfrage 24.csv", id: COLUMN, score: COLUMN, scale: [0, 10]' in sentence


@pytest.mark.parametrize("first", ["eva@example.org,secret comment", "7,secret comment", "9.5,secret comment"])
def test_a_file_without_a_header_does_not_show_its_first_answers(write: Write, mapping: Build, first: str) -> None:
    path = write(f"{first}\n{first}\n")
    for mappings in ([], [mapping()]):
        with pytest.raises(FileRefused, match="may be answers instead of column names") as refused:
            open_survey_file(path, mappings, "UTC")
        assert "secret" not in str(refused.value)
        assert "eva" not in str(refused.value)


def test_columns_that_are_not_there_are_named_with_those_that_are(write: Write, mapping: Build) -> None:
    with pytest.raises(FileRefused) as refused:
        open_survey_file(write("id,score,remarks\n1,9,x\n"), [mapping(comment="remark", email="mail")], "UTC")
    assert str(refused.value) == (
        "survey.csv has no column mail, remark, which the mapping 'shop' in nps.yaml names; "
        "its columns are: id, score, remarks. Did you mean remarks?"
    )


def test_a_column_is_found_without_regard_to_case_and_blanks(mapped: Mapped) -> None:
    assert mapped("ID,Overall  Score\n1,9\n", score="overall score")[0]["score"] == "9"


def test_a_file_with_several_header_rows_needs_its_profile_in_the_mapping(write: Write, mapping: Build) -> None:
    content = "Respondent ID,Start Date,End Date,Q\n,,,Response\n10001,,2024-05-01,9\n"
    with pytest.raises(
        FileRefused, match=r"is a SurveyMonkey export with several header rows.*Add profile: surveymonkey"
    ):
        open_survey_file(write(content), [mapping(id="Respondent ID", score="Q")], "UTC")


def test_a_declared_profile_that_is_not_the_files_is_refused(write: Write, mapping: Build) -> None:
    with pytest.raises(FileRefused, match=r"matches the mapping 'shop' in nps.yaml, but it is no Typeform export"):
        open_survey_file(write("id,score\n1,9\n"), [mapping(profile="typeform")], "UTC")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,score\n", "has a header but no rows"),
        (
            "id,score,c\n1,9,ok\n2,8",
            "its last row has fewer cells than the header and no line end, so the file was cut off",
        ),
        ('id,score,c\n1,9,"cut', "ends inside a quoted cell"),
        (
            "id,score,c\n1,9,03/04/2024\n",
            r"in column c day and month cannot be told apart.*nps.yaml: responded_at: {column: c, format: ...}",
        ),
        ("id,score,c\n1,9,13/04/2024\n2,9,04/13/2024\n", "1 dates only fit day/month and 1 only month/day"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_as_a_whole(
    write: Write, mapping: Build, content: str, sentence: str
) -> None:
    declared = mapping(responded_at="c") if "c" in content.split("\n", maxsplit=1)[0].split(",") else mapping()
    with pytest.raises(FileRefused, match=sentence) as refused:
        open_survey_file(write(content), [declared], "UTC")
    assert isinstance(refused.value, RecordError)


def test_a_short_last_row_is_fine_where_the_line_is_complete(mapped: Mapped) -> None:
    assert len(mapped("id,score,c\n1,9,ok\n2,8\n")) == 2


def test_an_unknown_default_zone_is_a_configuration_error(write: Write, mapping: Build) -> None:
    with pytest.raises(ConfigError, match="'Mars' is not a time zone"):
        open_survey_file(write("id,score\n1,9\n"), [mapping()], "Mars")


def test_the_mapping_hash_changes_with_what_makes_the_records(write: Write, mapping: Build) -> None:
    path = write("id,score,when\n1,9,2024-05-01\n")

    def hash_of(zone: str = "UTC", **changes: object) -> str:
        return open_survey_file(path, [mapping(**{"responded_at": "when", **changes})], zone).mapping_hash

    assert hash_of() == hash_of(match="survey*")
    assert len({hash_of(), hash_of("Europe/Paris"), hash_of(survey="spring"), hash_of(responded_at=None)}) == 4
    stated = {"column": "when", "timezone": "UTC"}
    assert hash_of("UTC", responded_at=stated) == hash_of("Europe/Paris", responded_at=stated)
