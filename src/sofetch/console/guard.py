"""The door: every request passes here before a page is made, and every answer after.

Owns applying ``access`` to HTTP: the host's name, who asks, the form's secret, the headers of each answer. A page
behind it may rely on a session and, for what is posted, on a form that we gave it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from sofetch.console.access import (
    Rules,
    Session,
    Sessions,
    Tries,
    identity_of,
    is_csrf,
    is_our_name,
    is_same_origin,
    is_token,
    vouches,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE: Final = "sofetch_console"
ENTER: Final = "/enter"
MOST_FORM_BYTES: Final = 524_288  # 10,000 keys
_OPEN_TO_ALL = ("/static/",)

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser does not say which page a form came from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Of every answer. A static file may be kept: its own Cache-Control wins."""


class Door:
    """Lets in, with a session, who may; everybody else is sent to the entrance."""

    def __init__(self, rules: Rules, *, once: str | None = None) -> None:
        """``once`` is good for one entrance by a link."""
        self.rules = rules
        self.sessions = Sessions()
        self.tries = Tries()
        self._once = once

    def session_of(self, request: Request) -> Session | None:
        """The session of a request, if it has one."""
        return self.sessions.find(
            request.cookies.get(COOKIE, ""), identity=self.identity(request), now=time.monotonic()
        )

    def identity(self, request: Request) -> str | None:
        """Who a proxy says is asking."""
        header = self.rules.identity_header
        values = request.headers.getlist(header) if header else []
        return identity_of(self.rules, peer=peer_of(request), header=values[0] if len(values) == 1 else None)

    def enter_by_link(self, given: str) -> bool:
        """Whether the link is the one that was given out, and not used yet."""
        fits = self._once is not None and is_token(Rules(token=self._once), given)
        if fits:
            self._once = None
        return fits

    def let_in(self, request: Request, answer: Response, *, identity: str | None) -> Session:
        """Begin a session, and have the answer carry its cookie."""
        name, session = self.sessions.begin(identity=identity, now=time.monotonic())
        # TLS ends at the proxy: it says whether there was any, and is believed of its address alone.
        over_tls = request.headers.get("x-forwarded-proto") == "https"
        secure = over_tls and vouches(self.rules, peer_of(request))
        answer.set_cookie(COOKIE, name, httponly=True, samesite="strict", secure=secure, path="/")
        return session


class Guard:
    """The door as middleware."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on with ``request.state.session`` and, for a form, ``request.state.form``."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        answer = await self._refusal(request)
        await (self._app if answer is None else answer)(scope, receive, _with_headers(send))

    async def _refusal(self, request: Request) -> Response | None:
        if not is_our_name(self._door.rules, request.headers.get("host")):
            return PlainTextResponse("This console does not go by that name.\n", 421)
        if request.url.path.startswith(_OPEN_TO_ALL):
            return None
        session = request.state.session = self._door.session_of(request)
        refused = await self._refused_form(request, session) if request.method == "POST" else None
        if refused is None and session is None and request.url.path != ENTER:
            return self._uninvited(request)
        return refused

    async def _refused_form(self, request: Request, session: Session | None) -> Response | None:
        """Reads the form. The entrance's needs no secret of ours: what it asks for is one."""
        if not is_same_origin(origin=request.headers.get("origin"), host=request.headers.get("host")):
            return PlainTextResponse("This form is not of this console.\n", 403)
        form = request.state.form = await _form(request)
        if form is None:
            return PlainTextResponse("This is no form of this console.\n", 413)
        if session is not None and request.url.path != ENTER and not is_csrf(session, form.get("csrf", "")):
            return PlainTextResponse("This form is out of date. Go back, load the page anew, and try again.\n", 403)
        return None

    def _uninvited(self, request: Request) -> Response:
        """Who a proxy vouches for gets a session at the first page; everybody else shows a token first."""
        identity = self._door.identity(request)
        if identity is not None and request.method == "GET":
            again = RedirectResponse(request.url.path, 303)
            self._door.let_in(request, again, identity=identity)
            return again
        if request.url.path.startswith("/api/"):
            return PlainTextResponse("Enter first.\n", 401)
        return RedirectResponse(ENTER, 303)


def peer_of(request: Request) -> str:
    """The address at the other end of the connection, whatever headers say."""
    return request.client.host if request.client else ""


async def _form(request: Request) -> dict[str, str] | None:
    """The fields of a small form, the last of each name; None for what is none."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            return None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100))
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [*message["headers"]] + [
                (name.lower().encode(), value.encode())
                for name, value in HEADERS.items()
                if name.lower().encode() not in given
            ]
        await send(message)

    return sending
