"""Pages made of templates.

Owns the menu, and what every page knows: the pipeline, its queue and table. Everything put into a page is escaped.
"""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sofetch import __version__
from sofetch.console import shown
from sofetch.console.data import Data

MENU = (
    ("/", "Overview"),
    ("/quarantine", "Quarantine"),
    ("/duplicates", "Duplicates"),
    ("/privacy", "Privacy"),
    ("/configuration", "Configuration"),
)


class View:
    """Makes pages of templates. Everything put into one is escaped."""

    def __init__(self, data: Data, *, demo: bool) -> None:
        self.demo = demo
        self._environment = Environment(
            loader=PackageLoader("sofetch.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._environment.filters |= {
            name: getattr(shown, name)
            for name in ("number", "share", "moment", "clock", "iso", "short", "setting", "spark")
        }
        settings = data.settings
        self._environment.globals |= {
            "menu": MENU,
            "version": __version__,
            "pipeline": settings.pipeline_name,
            "queue": settings.source.queue.rstrip("/").rpartition("/")[2],
            "table": settings.sink.table,
            "severities": shown.SEVERITIES,
            "demo": demo,
        }

    def page(self, request: Request, template: str, status: int = 200, **known: Any) -> Response:
        """One page, for whoever asked."""
        text = self._environment.get_template(template).render(
            path=request.url.path, session=getattr(request.state, "session", None), **known
        )
        return HTMLResponse(text, status)
