"""What the pages show, asked of the database and the configuration. One object for the life of the console.

Owns which connection is used for what: one that reads, and one that asks for replays and purges, where there is one.
The privacy report is kept for a while, since it counts the whole table.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from sofetch import __version__
from sofetch.clock import SystemClock
from sofetch.columns import JOINABLE_MASKS, token_domain
from sofetch.config import describe_settings, lint_config
from sofetch.errors import ConfigError, SofetchError
from sofetch.findings import Finding
from sofetch.governance.request import Purpose
from sofetch.load.console import neighbours, quarantine, repeats
from sofetch.load.console.session import powers
from sofetch.load.profile import profile_table
from sofetch.load.quarantine import requests
from sofetch.report import Observer, PrivacyReport, privacy_report
from sofetch.settings import Settings

_REPORT_ROWS = 200_000
_REPORT_SECONDS = 600.0


class Data:
    """Answers for the pages. Any thread may ask. ``write_dsn`` is None where nothing may be asked for; ``others`` are
    pipelines whose tables are in the same database, under the same keys.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        file: str | None,
        dsn: str,
        write_dsn: str | None,
        others: Sequence[Settings] = (),
    ) -> None:
        self.settings = settings
        self._others = others
        self._file = file
        self._dsn = dsn
        self._write_dsn = write_dsn
        self._report: tuple[float, PrivacyReport] | None = None
        self._reporting = threading.Lock()

    @property
    def may_ask(self) -> bool:
        """Whether replays and purges can be asked for."""
        return self._write_dsn is not None

    def powers(self) -> list[str]:
        """What the reading role may do beyond reading; empty is right, and where it cannot be told."""
        try:
            return powers(self.settings, dsn=self._dsn)
        except SofetchError:
            return []

    def quarantine(
        self, *, reason: str | None = None, keys: Sequence[UUID] | None = None, limit: int = 100
    ) -> quarantine.Quarantine:
        """Reasons, entries and requests. Raises SinkRefused or SinkUnavailable."""
        return quarantine.read_quarantine(self.settings, dsn=self._dsn, reason=reason, keys=keys, limit=limit)

    def ask(self, action: requests.Action, keys: Sequence[UUID], by: Purpose) -> int:
        """Put in a request; its number."""
        if self._write_dsn is None:
            raise ConfigError("this console may ask for nothing", hint="set SOFETCH_CONSOLE_WRITE_DSN where it runs")
        return requests.ask(
            self.settings,
            action,
            keys,
            actor=by.actor,
            purpose=by.purpose,
            ticket=by.ticket,
            dsn=self._write_dsn,
        )

    def masked_columns(self) -> list[repeats.MaskedColumn]:
        """The columns of tokens."""
        return repeats.masked_columns(self.settings)

    def join_domains(self) -> dict[str, str]:
        """By column the domain whose other columns it joins; of those alone whose mask lets equal values be joined."""
        columns = self.settings.column
        return {column.name: token_domain(column) for column in columns if column.mask in JOINABLE_MASKS}

    def repeats(self, column: str) -> repeats.Repeats:
        """The most repeated tokens of a column."""
        return repeats.read_repeats(self.settings, column, dsn=self._dsn)

    def joins(self) -> dict[str, list[str]]:
        """By column what joins it in other pipelines' tables; nothing where that cannot be told."""
        try:
            return neighbours.read_joins(self.settings, self._others, dsn=self._dsn) if self._others else {}
        except SofetchError:
            return {}

    def find_token(self, token: str) -> dict[str, int | None]:
        """Where a token stands."""
        return repeats.find_token(self.settings, token, dsn=self._dsn, others=self._others)

    def privacy(self, *, anew: bool = False) -> PrivacyReport:
        """The privacy report; at most ten minutes old unless it is wanted anew. One is made at a time."""
        with self._reporting:
            if self._report is None or anew or time.monotonic() - self._report[0] > _REPORT_SECONDS:
                self._report = time.monotonic(), self._make_report()
            return self._report[1]

    def lint(self) -> list[Finding]:
        """What is to be said of the configuration file as it is now."""
        try:
            return lint_config(self._file, environ=os.environ)
        except SofetchError as error:
            return [Finding(severity="error", code=error.code, where="configuration", what=error.what, hint=error.hint)]

    def configuration(self) -> Mapping[str, Any]:
        """Every section as it is in force, defaults included, without connection strings."""
        known: dict[str, Any] = msgspec.to_builtins(self.settings)
        for section in ("sink", "vault"):
            for name in ("dsn", "dsn_file"):
                if known.get(section, {}).get(name):
                    known[section][name] = "(set, not shown)"
        return known

    def _make_report(self) -> PrivacyReport:
        observer = Observer(self.settings)
        profile = profile_table(
            self.settings, dsn=self._dsn, look=observer.look, combine=observer.combine, sample_rows=_REPORT_ROWS
        )
        made_at = datetime.fromtimestamp(SystemClock().now_ms() // 1000, tz=UTC)
        return privacy_report(self.settings, profile, observer, made_at=made_at, version=__version__)


def meanings() -> dict[tuple[str, str], str]:
    """What each setting means, by section and key."""
    return {(setting.section.strip("[]"), setting.key): setting.description for setting in describe_settings()}
