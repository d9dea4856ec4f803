"""Who may look: tokens, sessions, the proxy that vouches, names the console goes by, and tries that were wrong.

Pure but for the randomness of a new session: it is given the time and what a request said, and decides. It must not log
or show a token.
"""

from __future__ import annotations

import hmac
import secrets
from collections import deque
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Final

from msgspec import Struct

IDLE_SECONDS: Final = 8 * 3_600
"""A session that was not used for so long is over."""

MOST_SESSIONS: Final = 1_000
WRONG_TRIES: Final = 5
WRONG_TRIES_OF_ALL: Final = 30
TRIES_SECONDS: Final = 60
LEAST_TOKEN_CHARS: Final = 16


class Rules(Struct, frozen=True, kw_only=True):
    """Who is let in. ``names`` are the hosts that a request may call us by; empty: any.

    ``identity_header`` is believed of ``proxies`` alone.
    """

    token: str | None = None
    names: frozenset[str] = frozenset()
    identity_header: str | None = None
    proxies: Sequence[IPv4Network | IPv6Network] = ()

    def __repr__(self) -> str:
        return "<Rules>"  # the token is in it

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Session(Struct, kw_only=True):
    """One who was let in. ``identity`` is who the proxy says it is; None where a token was shown."""

    csrf: str
    identity: str | None
    used: float

    def __repr__(self) -> str:
        return "<Session>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Sessions:
    """Those who were let in, in memory: a restart of the console ends them. Called from the server's one thread."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}

    def begin(self, *, identity: str | None, now: float) -> tuple[str, Session]:
        """A new session and its secret name, for the cookie."""
        self._open = {name: one for name, one in self._open.items() if now - one.used < IDLE_SECONDS}
        while len(self._open) >= MOST_SESSIONS:
            del self._open[min(self._open, key=lambda name: self._open[name].used)]
        name = secrets.token_urlsafe(32)
        self._open[name] = Session(csrf=secrets.token_urlsafe(32), identity=identity, used=now)
        return name, self._open[name]

    def find(self, name: str, *, identity: str | None, now: float) -> Session | None:
        """The session of that name, if it is still open and its own: one of another identity is not."""
        session = self._open.get(name)
        if session is None or session.identity != identity or now - session.used >= IDLE_SECONDS:
            return None
        session.used = now
        return session

    def end(self, name: str) -> None:
        """Forget it."""
        self._open.pop(name, None)


class Tries:
    """Wrong tokens: who sent too many has to wait, and so have all if too many came in all."""

    def __init__(self) -> None:
        self._wrong: dict[str, deque[float]] = {}
        self._all: deque[float] = deque()

    def wait_seconds(self, peer: str, *, now: float) -> int:
        """How long this peer must wait before a token is looked at; 0 if it need not."""
        waits = [_wait(self._wrong.get(peer, deque()), WRONG_TRIES, now), _wait(self._all, WRONG_TRIES_OF_ALL, now)]
        return max(waits)

    def note_wrong(self, peer: str, *, now: float) -> None:
        """One more wrong token of this peer."""
        self._wrong = {one: times for one, times in self._wrong.items() if now - times[-1] < TRIES_SECONDS}
        for times in (self._wrong.setdefault(peer, deque()), self._all):
            times.append(now)
            while now - times[0] >= TRIES_SECONDS:
                times.popleft()


def is_token(rules: Rules, given: str) -> bool:
    """Whether it is the token, in a time that does not tell how near it is."""
    return rules.token is not None and hmac.compare_digest(given.encode(), rules.token.encode())


def is_csrf(session: Session, given: str) -> bool:
    """Whether a form is one that we gave this session."""
    return hmac.compare_digest(given.encode(), session.csrf.encode())


def identity_of(rules: Rules, *, peer: str, header: str | None) -> str | None:
    """Who the proxy says it is; None where none vouches."""
    if rules.identity_header is None or not header or not vouches(rules, peer):
        return None
    identity = header.strip()
    return identity if identity and identity.isprintable() and len(identity) <= 200 else None


def vouches(rules: Rules, peer: str) -> bool:
    """Whether this address is a proxy's that is believed."""
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in rules.proxies)


def is_our_name(rules: Rules, host: str | None) -> bool:
    """Whether a request's Host is a name of ours: a page of another site that resolves to us has its own."""
    if not rules.names:
        return True
    return host is not None and host_of(host) in rules.names


def host_of(host: str) -> str:
    """The name in a Host header, without its port, lower-case."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].lower()


def is_same_origin(*, origin: str | None, host: str | None) -> bool:
    """Whether a request that changes something came from a page of ours, where the browser says so."""
    return origin is None or (host is not None and origin.partition("://")[2].lower() == host.lower())


def _wait(times: deque[float], most: int, now: float) -> int:
    recent = [at for at in times if now - at < TRIES_SECONDS]
    if len(recent) < most:
        return 0
    return int(recent[-most] + TRIES_SECONDS - now) + 1
