"""The console as an ASGI application: its routes, and what stands in front of them.

Owns which path shows what. Who may see it is ``guard``'s, what is known is ``data``'s and ``collector``'s.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from sofetch.console.collector import Collector
from sofetch.console.data import Data
from sofetch.console.entrance import Entrance
from sofetch.console.guard import Door, Guard
from sofetch.console.live import Live
from sofetch.console.pages import Pages
from sofetch.console.view import View
from sofetch.errors import SinkUnavailable, SofetchError


def application(*, data: Data, collector: Collector, door: Door, demo: bool = False) -> Starlette:
    """The whole console. The collector is started and stopped by whoever runs it."""
    view = View(data, demo=demo)
    pages, entrance, live = Pages(data, view), Entrance(door, view), Live(collector)

    def failed(request: Request, error: Exception) -> Response:
        """What a person can meet, told as every command tells it."""
        assert isinstance(error, SofetchError)  # noqa: S101  it is registered for these alone
        status = 503 if isinstance(error, SinkUnavailable) else 409
        return view.page(request, "error.html", status, error=error)

    def missing(request: Request, error: Exception) -> Response:  # noqa: ARG001 - Starlette's signature
        return view.page(
            request, "error.html", 404, error=SofetchError("there is no such page", hint="the menu has all there are")
        )

    return Starlette(
        routes=[
            Route("/", pages.overview),
            Route("/quarantine", pages.quarantine),
            Route("/quarantine/confirm", pages.confirm, methods=["POST"]),
            Route("/quarantine/ask", pages.ask, methods=["POST"]),
            Route("/quarantine/{key:uuid}", pages.entry),
            Route("/duplicates", pages.duplicates),
            Route("/duplicates/token", pages.token, methods=["POST"]),
            Route("/privacy", pages.privacy, methods=["GET", "POST"]),
            Route("/configuration", pages.configuration),
            Route("/api/live", live.answer),
            Route("/enter", entrance.show),
            Route("/enter", entrance.enter, methods=["POST"]),
            Route("/leave", entrance.leave, methods=["POST"]),
            Mount("/static", StaticFiles(packages=[("sofetch.console", "static")])),
        ],
        middleware=[Middleware(Guard, door=door)],
        exception_handlers={SofetchError: failed, 404: missing},
    )
