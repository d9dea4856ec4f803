"""A visitor of the console without a browser: cookies, forms, and the link that a command printed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

_WAIT_SECONDS = 30


def printed_link(lines: Iterable[str]) -> str:
    """The link that is good once, of the first line that holds one."""
    for line in lines:
        if found := re.search(r"open\s+(http://\S+)", line):
            return found[1]
    raise AssertionError("no link was printed")


class Visitor:
    """Comes in by a link, and asks for pages as a browser does."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        self.address = f"{parts.scheme}://{parts.netloc}"
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor())
        self.first_page = self._ask(link)

    def get(self, path: str) -> str:
        """A page."""
        return self._ask(self.address + path)

    def live(self) -> Any:
        """What the charts are told."""
        return json.loads(self.get("/api/live"))

    def post(self, path: str, **fields: str) -> str:
        """What comes of a form, sent with the secret of this session."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/quarantine"))
        assert found is not None, "this visitor was not let in"
        return self._ask(self.address + path, urlencode({"csrf": found[1], **fields}).encode())

    def _ask(self, url: str, form: bytes | None = None) -> str:
        with self._opener.open(url, form, timeout=_WAIT_SECONDS) as answer:
            return str(answer.read().decode())
