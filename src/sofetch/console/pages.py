"""The pages behind the door, each a handler that asks ``data`` and fills a template.

Owns what a page is given. The handlers are plain functions: Starlette runs each in a thread, since they wait for the
database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from starlette.responses import RedirectResponse

from sofetch.console.asked import purpose_of
from sofetch.console.data import Data, meanings
from sofetch.errors import ConfigError
from sofetch.load.quarantine.requests import MOST_KEYS
from sofetch.report.words import headline, limits, summary

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sofetch.console.view import View
    from sofetch.load.quarantine.requests import Action

_SHOWN = 100


class Pages:
    """The handlers."""

    def __init__(self, data: Data, view: View) -> None:
        self._data = data
        self._view = view
        self._meanings = meanings()
        self._powers: list[str] | None = None

    def overview(self, request: Request) -> Response:
        """Charts and workers; filled by the script."""
        if self._powers is None:
            self._powers = [] if self._view.demo else self._data.powers()
        return self._view.page(request, "overview.html", powers=self._powers)

    def quarantine(self, request: Request) -> Response:
        """By reason, and the newest entries of all or of one."""
        reason = request.query_params.get("reason") or None
        found = self._data.quarantine(reason=reason, limit=_SHOWN)
        return self._view.page(
            request,
            "quarantine.html",
            found=found,
            reason=reason,
            limit=_SHOWN,
            may_ask=self._data.may_ask,
            asked=request.query_params.get("asked", "").isdecimal(),
        )

    def entry(self, request: Request) -> Response:
        """One entry, without its body."""
        key: UUID = request.path_params["key"]
        found = self._data.quarantine(keys=[key])
        if not found.entries:
            raise ConfigError("no such entry is in quarantine", hint="it may be replayed or purged by now")
        return self._view.page(request, "entry.html", entry=found.entries[0], may_ask=self._data.may_ask)

    def confirm(self, request: Request) -> Response:
        """What would be asked for, with how many entries, before it is."""
        form = request.state.form
        action, keys = _action(form.get("action", "")), self._meant(form)
        return self._view.page(
            request, "confirm.html", action=action, keys=keys, identity=request.state.session.identity, most=MOST_KEYS
        )

    def ask(self, request: Request) -> Response:
        """Put in the request that was confirmed."""
        form = request.state.form
        if form.get("sure") != "yes":
            raise ConfigError("the box that confirms it is not ticked", hint="go back and tick it, if it is meant")
        action, keys = _action(form.get("action", "")), _keys(form.get("keys", ""))
        number = self._data.ask(action, keys, purpose_of(form, identity=request.state.session.identity))
        return RedirectResponse(f"/quarantine?asked={number}", 303)

    def duplicates(self, request: Request) -> Response:
        """The columns of tokens, and the most repeated tokens of one."""
        columns = self._data.masked_columns()
        chosen = request.query_params.get("column") or (columns[0].name if columns else None)
        found = self._data.repeats(chosen) if chosen is not None else None
        return self._duplicates(request, columns=columns, found=found, where=None, token=None)

    def token(self, request: Request) -> Response:
        """Where one token stands. Posted, so that it is in no address and no history."""
        token = request.state.form.get("token", "").strip()
        columns = self._data.masked_columns()
        return self._duplicates(request, columns=columns, found=None, where=self._data.find_token(token), token=token)

    def _duplicates(self, request: Request, **known: Any) -> Response:
        return self._view.page(request, "duplicates.html", elsewhere=self._data.joins(), **known)

    def privacy(self, request: Request) -> Response:
        """The privacy report, as `sofetch report privacy` makes it."""
        report = self._data.privacy(anew=request.method == "POST")
        return self._view.page(
            request,
            "privacy.html",
            report=report,
            verdict=headline(report),
            said=summary(report),
            method=limits(report),
        )

    def configuration(self, request: Request) -> Response:
        """What is in force, and what is to be said of the file."""
        return self._view.page(
            request,
            "configuration.html",
            findings=self._data.lint(),
            sections=self._data.configuration(),
            domains=self._data.join_domains(),
            meanings=self._meanings,
        )

    def _meant(self, form: dict[str, str]) -> list[UUID]:
        """The entries that are there now: one, those of a reason, or all. Only these are asked for, none that comes."""
        if form.get("keys"):
            return _keys(form["keys"])
        found = self._data.quarantine(reason=form.get("reason") or None, limit=MOST_KEYS)
        if not found.entries:
            raise ConfigError("no such entry is in quarantine", hint="it may be replayed or purged by now")
        return [entry.key for entry in found.entries]


def _action(text: str) -> Action:
    match text:
        case "replay" | "purge":
            return text
        case _:
            raise ConfigError("this asks for neither a replay nor a purge", hint="use the buttons of the page")


def _keys(text: str) -> list[UUID]:
    try:
        keys = [UUID(part) for part in text.split()]
    except ValueError:
        keys = []
    if not 0 < len(keys) <= MOST_KEYS:
        raise ConfigError("no entry is named", hint="use the buttons of the page")
    return keys
