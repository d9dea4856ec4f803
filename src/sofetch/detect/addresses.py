"""Addresses and identifiers by form: e-mail, IP, network card, UUID, place on the map. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_LOCAL = r"[^\s@<>\"',;:()\[\]\\]{1,64}"
_DOMAIN = r"(?:[^\W_](?:[\w-]{0,62})\.){1,8}(?:[^\W\d_]{2,63}|xn--[a-zA-Z0-9-]{2,59})"
_EMAIL = re.compile(rf"{_LOCAL}@{_DOMAIN}")
_ENDINGS = (
    "avif bmp conf css csv gif html ico ini jpeg jpg js json jsx log map md pdf php png scss svg tar tgz tif tiff "
    "toml ts tsx txt wasm webp xml yaml yml "
)
_FILE_ENDINGS: Final = frozenset(_ENDINGS.split())
_IP_AND_MORE = re.compile(r"\[?(?P<ip>[0-9A-Fa-f:.]{2,45}?)(?:%[^/\]]*)?\]?(?:/[0-9]{1,3}|(?<=[\]0-9]):[0-9]{1,5})?")
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
_DECIMAL = r"[+-]?\d{1,3}\.\d{3,}"
_PAIR = re.compile(rf"[\[(]?({_DECIMAL})\s*[,; ]\s*({_DECIMAL})[\])]?", re.ASCII)
_GEO = re.compile(r"geo:([+-]?\d{1,2}(?:\.\d+)?),([+-]?\d{1,3}(?:\.\d+)?)(?:[,;?].*)?", re.ASCII | re.IGNORECASE)
_WKT = re.compile(
    r"(?:SRID=\d+;)?POINT\s*Z?\s*\(\s*([+-]?\d+(?:\.\d+)?)\s+([+-]?\d+(?:\.\d+)?).*\)", re.ASCII | re.IGNORECASE
)


def is_email(text: str) -> bool:
    """``local@domain.word``; ``icon@2x.png`` is a file."""
    return len(text) <= 320 and "@" in text and bool(_EMAIL.fullmatch(text)) and not _is_file(text)


def is_ip(text: str) -> bool:
    """An address, also with a zone, a port, brackets or a prefix length; it is as personal with all of these.

    Not the loopback or the unspecified address, nor a network as wide as `truncate` makes: that is meant to be seen.
    """
    if not 2 <= len(text) <= 80 or (text.count(".") < 3 and text.count(":") < 2):
        return False  # asking ipaddress costs ten times as much
    address = _address(text) or _address_and_more(text)
    return address is not None and not (address.is_loopback or address.is_unspecified or _is_wide_network(text))


def is_mac(text: str) -> bool:
    """A network card's address; one of equal digits is a placeholder."""
    return len(text) <= 17 and _MAC.fullmatch(text) is not None and len(set(text) - set(":-.")) > 1


def is_uuid(text: str) -> bool:
    """A UUID with its hyphens; 32 digits without are as likely a hash, and one of equal digits is a placeholder."""
    return len(text) == 36 and _UUID.fullmatch(text) is not None and len(set(text)) > 2


def is_place(text: str) -> bool:
    """Latitude and longitude: a pair with three decimals (a hundred metres), a geo: URI or a WKT point."""
    if len(text) > 100:
        return False
    if pair := _PAIR.fullmatch(text) or _GEO.fullmatch(text):
        return _on_earth(pair[1], pair[2])
    point = _WKT.fullmatch(text)
    return point is not None and _on_earth(point[2], point[1])


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _address_and_more(text: str) -> IPv4Address | IPv6Address | None:
    more = _IP_AND_MORE.fullmatch(text)
    return None if more is None else _address(more["ip"])


def _on_earth(latitude: str, longitude: str) -> bool:
    return abs(float(latitude)) <= 90 and abs(float(longitude)) <= 180


def _is_file(address: str) -> bool:
    return address.rpartition(".")[2].lower() in _FILE_ENDINGS


def _is_wide_network(text: str) -> bool:
    try:
        network = ip_network(text) if "/" in text else None
    except ValueError:
        return False
    return network is not None and network.prefixlen <= (24 if network.version == 4 else 48)
