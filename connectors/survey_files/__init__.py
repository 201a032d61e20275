"""Survey export files, from bytes to records; another survey tool is one more declaration in ``profiles``.

encoding, repair, typography: bytes to text. reader: a file on disk. table, delimited, workbook, json_rows, parquet: its
rows. columns, questions, profiles, mapping, layout: which column is what. scan, scales, row_count: may the file be
trusted. scores, dates, records: rows to records. connector: a file as a source.
"""

from __future__ import annotations

from connectors.survey_files.connector import SOURCE, SurveyFile, open_survey_file
from connectors.survey_files.mapping import FileMapping, mapping_hash
from connectors.survey_files.profiles import PROFILES
from connectors.survey_files.records import FILE_FIELDS
from connectors.survey_files.table import FileRefused

__all__ = [
    "FILE_FIELDS",
    "PROFILES",
    "SOURCE",
    "FileMapping",
    "FileRefused",
    "SurveyFile",
    "mapping_hash",
    "open_survey_file",
]
