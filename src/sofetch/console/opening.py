"""Everything that the console needs, put together from the configuration and what its command was given.

Owns who is let in by which means, and that nothing but this machine is listened to without one.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from sofetch.calls import price
from sofetch.console.access import LEAST_TOKEN_CHARS, Rules
from sofetch.console.app import application
from sofetch.console.collector import Collector
from sofetch.console.data import Data
from sofetch.console.elsewhere import DatabaseActivity, QueueDepth
from sofetch.console.guard import Door
from sofetch.console.serve import ConsoleServer, is_loopback
from sofetch.errors import ConfigError
from sofetch.load.console.neighbours import shared
from sofetch.load.dsn import resolve_console_dsns
from sofetch.settings import Settings

TOKEN_VARIABLE = "SOFETCH_CONSOLE_TOKEN"  # noqa: S105 - a variable's name
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


class Wanted(Struct, frozen=True, kw_only=True):
    """What the command was given. ``listen`` is HOST:PORT; without ``workers`` it is the configuration's own."""

    listen: str
    workers: Sequence[str] = ()
    names: Sequence[str] = ()
    proxies: Sequence[str] = ()
    identity_header: str | None = None
    with_queue: bool = True
    demo: bool = False


class Opened(Struct, frozen=True, kw_only=True):
    """A console that listens. ``link`` is good for one entrance; ``token`` was made for this run, if it was."""

    url: str
    link: str | None
    token: str | None

    def __repr__(self) -> str:
        return f"<Opened {self.url}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("url", self.url)]


@contextmanager
def opened(
    settings: Settings,
    wanted: Wanted,
    *,
    file: str | None,
    environ: Mapping[str, str],
    others: Sequence[Settings] = (),
) -> Iterator[Opened]:
    """A console that listens and collects until the end of the block. Raises ConfigError.

    ``others`` are the other pipelines of the configuration: what joins with this one's table may be in theirs.
    """
    host, port = _address(wanted.listen)
    token, made = _token(wanted, host=host, environ=environ)
    once = secrets.token_urlsafe(24) if made else None
    door = Door(_rules(wanted, token=token, host=host), once=once)
    dsn, write_dsn = resolve_console_dsns(settings, environ=environ)
    database = DatabaseActivity(settings, dsn=dsn)
    asks = {"database": database} | ({"queue": QueueDepth(settings)} if wanted.with_queue else {})
    collector = Collector(
        _workers(settings, wanted),
        pipeline=settings.pipeline_name,
        dollars_per_million=price(settings.source.queue, settings.cost.dollars_per_million_requests),
        asks=asks,
    )
    neighbours = shared(settings, others, environ=environ)
    data = Data(settings, file=file, dsn=dsn, write_dsn=write_dsn, others=neighbours)
    app = application(data=data, collector=collector, door=door, demo=wanted.demo)
    with ConsoleServer(app, host=host, port=port) as server:
        collector.start()
        try:
            url = f"http://{server.address}"
            yield Opened(url=url, link=f"{url}/enter?once={once}" if once else None, token=token if made else None)
        finally:
            collector.stop()


def _token(wanted: Wanted, *, host: str, environ: Mapping[str, str]) -> tuple[str | None, bool]:
    """The token, and whether it was made for this run: only where this machine alone can ask, and no proxy vouches.

    Nothing else listens without a token that somebody chose, or a proxy.
    """
    token = environ.get(TOKEN_VARIABLE, "").strip() or None
    if token is not None:
        if len(token) < LEAST_TOKEN_CHARS:
            raise ConfigError(
                f"{TOKEN_VARIABLE} has fewer than {LEAST_TOKEN_CHARS} characters",
                hint="make one that nobody guesses: openssl rand -hex 24",
            )
        return token, False
    if wanted.identity_header is not None:
        return None, False
    if not is_loopback(host):
        raise ConfigError(
            f"the console would listen on {host}, where others reach it, and let anybody in",
            hint=f"set {TOKEN_VARIABLE}, or name the proxy that says who asks: --proxy ADDRESS --identity-header NAME",
        )
    return secrets.token_urlsafe(24), True


def _rules(wanted: Wanted, *, token: str | None, host: str) -> Rules:
    if bool(wanted.proxies) != (wanted.identity_header is not None):
        raise ConfigError(
            "--proxy and --identity-header go together",
            hint="a header is believed only of an address that is known to set it itself",
        )
    names = {name.lower() for name in wanted.names}
    if names or is_loopback(host):
        names |= _LOOPBACK_NAMES
    return Rules(
        token=token,
        names=frozenset(names),
        identity_header=wanted.identity_header,
        proxies=[_network(one) for one in wanted.proxies],
    )


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text)
    except ValueError:
        raise ConfigError("--proxy is no address and no network", hint="as 10.0.0.7 or 10.0.0.0/28") from None


def _workers(settings: Settings, wanted: Wanted) -> list[str]:
    if wanted.workers:
        return [_url(one) for one in wanted.workers]
    listen = settings.http.listen
    if listen is None:
        return []
    host, _, port = listen.rpartition(":")
    return [f"http://{'127.0.0.1' if host in {'0.0.0.0', '[::]'} else host}:{port}"]  # noqa: S104 - compared, not bound


def _url(text: str) -> str:
    parts = urlsplit(text)
    try:
        fits = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        fits = False
    if not fits:
        raise ConfigError("--worker is no URL of a worker", hint="as http://10.0.0.5:8080, where [http] listen is set")
    return text.rstrip("/")


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError("--listen is no address and port", hint="as 127.0.0.1:8383")
    return host.strip("[]"), int(port)
