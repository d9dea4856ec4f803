"""What a connection string leaves open: TLS towards other machines, the search for the primary, how a dead link shows.

Owns the defaults and where they apply. What the string or libpq's own environment says always wins. Pure: it opens
nothing and looks up no name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from sofetch.settings import SinkSettings

VERIFIED = "verify-full"
ENCRYPTED = frozenset({"require", "verify-ca", VERIFIED})
"""The values of ``sslmode`` with which nothing is ever sent in the clear."""


def completed(given: Mapping[str, Any], sink: SinkSettings, *, role: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a connection: ours where ``given``, a parsed connection string, and ``environ`` say nothing.

    ``role`` is a suffix of the application name. Towards another machine TLS with a verified certificate; with several
    hosts the one that takes writes. A service file is left to say both itself, for it cannot be looked into here.
    """
    ours: dict[str, Any] = {
        "application_name": sink.application_name + role,
        "connect_timeout": sink.connect_timeout_seconds,
        "keepalives": 1,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": sink.tcp_user_timeout_seconds * 1_000,
    }
    if not (given.get("service") or environ.get("PGSERVICE")):
        if leads_elsewhere(given, environ) and not environ.get("PGSSLMODE"):
            ours["sslmode"] = VERIFIED
        if has_several_hosts(given, environ) and not environ.get("PGTARGETSESSIONATTRS"):
            ours["target_session_attrs"] = "read-write"
    return ours | dict(given) | {"client_encoding": "UTF8"}


def leads_elsewhere(given: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Whether one of the hosts is another machine: no Unix socket, no loopback. Names are not looked up."""
    return any(_is_elsewhere(host) for part in ("host", "hostaddr") for host in _listed(part, given, environ))


def has_several_hosts(given: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Whether there is more than one host to try."""
    return any(len(list(_listed(part, given, environ))) > 1 for part in ("host", "hostaddr"))


def hosts_of(given: Mapping[str, Any], environ: Mapping[str, str]) -> list[tuple[str, str, int]]:
    """Host, address and port of each server to try. One port may stand for all; an address may be empty.

    Raises ValueError where there are other ports than hosts, or one is no number.
    """
    hosts = list(_listed("host", given, environ))
    addresses = list(_listed("hostaddr", given, environ))
    ports = list(_listed("port", given, environ))
    if len(ports) == 1:
        ports *= len(hosts)
    if len(addresses) < len(hosts):
        addresses = [""] * len(hosts)
    return [(host, address, int(port or 5432)) for host, address, port in zip(hosts, addresses, ports, strict=True)]


def _listed(part: str, given: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    for host in str(given.get(part) or environ.get(f"PG{part.upper()}") or "").split(","):
        yield host.strip()


def _is_elsewhere(host: str) -> bool:
    if not host or host.startswith(("/", "@")):  # a folder, or a name in Linux' abstract space: a Unix socket
        return False
    try:
        return not ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") != "localhost"
