"""Rules about [drift]: a column that can hold what is collected, and that is named for nothing else.

Owns what [drift] and its column say of each other, and what the rules of other sections say where they name columns.
"""

from __future__ import annotations

from sofetch.config.positions import Path
from sofetch.config.report import Report, shown
from sofetch.config.shape import Draft


def check_drift(draft: Draft, report: Report) -> None:
    """Report a policy without its column, and a column that is read or masked by itself."""
    drift = draft.sections["drift"]
    name = drift.given.get("collect_into")
    if name is None:
        if drift.given.get("unknown_fields") == "collect":
            what = "`collect` has no column to collect into"
            hint = 'set collect_into = "extra" and add a [[column]] of that name with type = "jsonb"'
            report.error("drift_column", drift.at("unknown_fields"), what, hint=hint)
        return
    column = next((column for column in draft.columns if column.given.get("name") == name), None)
    if column is None:
        what, hint = "`collect_into` names no column", 'add a [[column]] of that name with type = "jsonb"'
        report.error("drift_column", drift.at("collect_into"), what, hint=hint)
    elif column.given.get("type") != "jsonb" or column.given.keys() - {"name", "type", "description"}:
        what = "the column that `collect_into` names cannot hold what is collected"
        hint = 'give it `name` and type = "jsonb", and nothing else'
        report.error("drift_column", drift.at("collect_into"), what, hint=hint)


def names_collecting(draft: Draft, name: object, path: Path, report: Report) -> bool:
    """Whether the setting at ``path`` names the collecting column, which is then reported: whatever stands in that
    column today, it says neither who a row is about, nor when, nor which row it is.
    """
    if name is None or name != draft.sections["drift"].given.get("collect_into"):
        return False
    key = next(step for step in reversed(path) if isinstance(step, str))
    what = f"`{key}` names {shown(str(name))}, into which [drift] collects whatever fields are new"
    hint = "name a column that reads one field: give the field that is meant a [[column]] of its own"
    report.error("drift_named", path, what, hint=hint)
    return True
