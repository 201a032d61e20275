"""The report: one self-contained HTML page per publication, from its closed mart. Storing it is the caller's.

facts (what the mart says) -> sections (what the page shows) -> charts and templates (how it looks).
"""

from __future__ import annotations

from nps_pipeline.report.facts import ReportError
from nps_pipeline.report.page import Comments, render_report

__all__ = ["Comments", "ReportError", "render_report"]
