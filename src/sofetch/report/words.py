"""The report in plain words, for a page and a terminal alike: the headline, the summary, method and limits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sofetch.columns import KEEPING_MASKS
from sofetch.report.collected import LIMITS
from sofetch.report.verdicts import Verdict, percent

if TYPE_CHECKING:
    from sofetch.report.privacy import ColumnReport, PrivacyReport

METHOD: Final = (
    "Everything was counted inside the database, in one read-only snapshot; this report holds names of columns, counts "
    "and shares, and no value.",
    "The smallest group (k) is the least number of rows that share a value. A value that stands in one row points to "
    "that row; whoever knows it of a person has found the person's row.",
    "Columns that look personal were recognised by their names and by the form of the values looked at (up to 2,000 "
    "rows). That is a guess: what was not recognised may still be personal.",
    "Where the table is large its numbers are of a sample of its pages, which the head of the report then says. In a "
    "sample groups look smaller than they are.",
    "Masked does not mean anonymous. The rows stay personal data: pseudonymised in the sense of Art. 4(5) GDPR. Who "
    "holds the keys can find a person's rows, and frequencies, times and combinations can tell something without them.",
    "The report says nothing about the queue, an archive of its messages, backups, logs of other programs, or who may "
    "read the table.",
)


def headline(report: PrivacyReport) -> Verdict:
    """The verdict on the whole table."""
    errors, warnings = report.errors, report.warnings
    if errors:
        return Verdict(
            severity="error",
            what=f"{_columns(len(errors))} must be changed",
            hint=f"{_names(errors)}. What is wrong and what to do stands with each.",
        )
    if report.rows == 0:
        return Verdict(severity="ok", what="The table is empty", hint="There is nothing to judge yet.")
    if warnings or report.together.verdict.severity == "warning":
        together = " and the columns in the clear together" if report.together.verdict.severity == "warning" else ""
        hint = f"{_names(warnings)}{together}." if warnings else "The columns in the clear, taken together."
        return Verdict(severity="warning", what="Nothing must be changed, something is worth a look", hint=hint)
    return Verdict(severity="ok", what="Nothing was found that must be changed")


def summary(report: PrivacyReport) -> list[str]:
    """What the report says, in a few sentences."""
    said = [_extent(report, sum(one.scheme is not None and one.collected is None for one in report.columns))]
    masked = [column for column in report.columns if column.scheme and column.verdict.severity != "error"]
    hidden = [column for column in masked if column.scheme not in KEEPING_MASKS and column.collected is None]
    kept = [column for column in masked if column.scheme in KEEPING_MASKS]
    if hidden and report.rows:
        said.append(
            f"Who has only this table cannot read what is masked ({_names(hidden)}); equal values can still be counted."
        )
    if kept and report.rows:
        said.append(f"Of {_names(kept)} a part can be read, or about what the value is.")
    said += [f"{column.name}: {column.verdict.what}." for column in [*report.errors, *_collecting(report)]]
    together = report.together
    if together.spread is not None and together.spread.present:
        said.append(
            f"Taken together, {', '.join(together.columns)} leave {of_rows(together.spread.share_single)} alone with "
            f"their combination; the smallest group has {together.spread.smallest} (k)."
        )
    if report.missing:
        said.append(f"Configured, but not in the table: {', '.join(report.missing)}.")
    return [*said, "The rows are pseudonymised, not anonymous, and remain personal data."]


def limits(report: PrivacyReport) -> list[str]:
    """How it was counted, and what the report cannot say; of collected fields only where there is a column of them."""
    return [*METHOD, *LIMITS] if any(column.collected is not None for column in report.columns) else [*METHOD]


def of_rows(share: float) -> str:
    """A share of the rows: ``no row``, ``12% of the rows``, ``every row``."""
    return {0.0: "no row", 1.0: "every row"}.get(share, f"{percent(share)} of the rows")


def moment(report: PrivacyReport) -> str:
    """When the report was made, for people."""
    made = datetime.fromisoformat(report.made_at)
    return f"{made.day} {made:%B %Y}, {made:%H:%M} UTC"


def _extent(report: PrivacyReport, masked: int) -> str:
    rows = f"{report.rows:,} {'row' if report.rows == 1 else 'rows'}"
    if report.sampled:
        rows = f"about {report.estimated_rows:,} rows, of which {report.rows:,} were counted"
    return f"The table holds {rows} in {_columns(len(report.columns))}, {masked} of them masked."


def _columns(number: int) -> str:
    return f"{number} column" if number == 1 else f"{number} columns"


def _collecting(report: PrivacyReport) -> list[ColumnReport]:
    """The column that holds collected fields; not where it is among the errors, or holds none."""
    return [one for one in report.warnings if one.collected is not None]


def _names(columns: Sequence[ColumnReport]) -> str:
    return ", ".join(column.name for column in columns)
