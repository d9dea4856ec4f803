"""Drift: what becomes of messages whose fields are not those of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sofetch.settings.names import Name


class DriftSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """[drift]: what becomes of messages whose fields are not those of the configuration."""

    unknown_fields: Annotated[
        Literal["ignore", "warn", "quarantine", "collect"],
        Meta(
            description="Fields that no column reads: `ignore` leaves them out, `warn` counts them too, `quarantine` "
            "rejects the message, `collect` keeps them in the column of `collect_into`, every text as a keyed token."
        ),
    ] = "ignore"
    collect_into: Annotated[
        Name | None,
        Meta(description="The jsonb column for what is collected. Never read from the body, whatever the policy."),
    ] = None
    missing_fields: Annotated[
        Literal["ignore", "warn", "quarantine"],
        Meta(
            description="Fields that are missing or null, of columns that are neither `required` nor have a `default`: "
            "`ignore` leaves NULL, `warn` counts them too, `quarantine` rejects the message."
        ),
    ] = "ignore"
    type_changes: Annotated[
        Literal["quarantine", "null"],
        Meta(
            description="Values of another type or form than their column's: `quarantine` rejects the message, `null` "
            "leaves the column NULL or at its `default`, and the value is lost. Columns that are `required` or say "
            "which row is meant always reject."
        ),
    ] = "quarantine"
