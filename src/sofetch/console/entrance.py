"""Coming in and leaving: by the link that was printed at the start, by the token, or by a proxy's word.

Owns the entrance page. A wrong token costs time, and nothing here says how wrong it was.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from starlette.responses import RedirectResponse

from sofetch.console.access import is_token
from sofetch.console.guard import COOKIE, Door, peer_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from sofetch.console.view import View


class Entrance:
    """The handlers of ``/enter`` and ``/leave``."""

    def __init__(self, door: Door, view: View) -> None:
        self._door = door
        self._view = view

    async def show(self, request: Request) -> Response:
        """The form; or straight in, by a link that is good once."""
        once = request.query_params.get("once")
        if once is None:
            if request.state.session is not None:
                return RedirectResponse("/", 303)
            return self._page(request)
        peer, now = peer_of(request), time.monotonic()
        if wait := self._door.tries.wait_seconds(peer, now=now):
            return self._page(request, 429, wait=wait)
        if self._door.enter_by_link(once):
            return self._let_in(request)
        self._door.tries.note_wrong(peer, now=now)
        return self._page(request, 403, wrong="This link was used already. Enter with the token.")

    async def enter(self, request: Request) -> Response:
        """Look at a token, unless too many wrong ones came."""
        peer, now = peer_of(request), time.monotonic()
        if wait := self._door.tries.wait_seconds(peer, now=now):
            return self._page(request, 429, wait=wait)
        if is_token(self._door.rules, request.state.form.get("token", "").strip()):
            return self._let_in(request)
        self._door.tries.note_wrong(peer, now=now)
        return self._page(request, 403, wrong="That is not the token.")

    async def leave(self, request: Request) -> Response:
        """End the session."""
        self._door.sessions.end(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse("/enter", 303)
        answer.delete_cookie(COOKIE, path="/")
        return answer

    def _let_in(self, request: Request) -> Response:
        answer = RedirectResponse("/", 303)
        self._door.let_in(request, answer, identity=self._door.identity(request))
        return answer

    def _page(self, request: Request, status: int = 200, *, wrong: str = "", wait: int = 0) -> Response:
        by_token = self._door.rules.token is not None
        page = self._view.page(request, "enter.html", status, wrong=wrong, wait=wait, by_token=by_token)
        if wait:
            page.headers["Retry-After"] = str(wait)
        return page
