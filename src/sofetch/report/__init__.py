"""The privacy report: what a table gives away, judged column by column, as data and as a page to file.

Owns the verdicts and the page. Counting is ``sofetch.load.profile``'s. No value of the table is in a report.
"""

from __future__ import annotations

from sofetch.report.page import html_page
from sofetch.report.privacy import ColumnReport, Observer, PrivacyReport, Spread, Together, privacy_report
from sofetch.report.verdicts import Verdict

__all__ = ["ColumnReport", "Observer", "PrivacyReport", "Spread", "Together", "Verdict", "html_page", "privacy_report"]
