"""Rules about [unwrap]: an order of layers that can work, and buckets for those that are fetched.

Owns what the layers say of each other. Must not open one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sofetch.config.report import Report
from sofetch.config.shape import Draft, Part
from sofetch.decode.unwrap import FETCHED

_INTO_BYTES: Final = frozenset({"base64", "s3_pointer"})
"""Layers with something else than text in them. Gzip cannot stand anywhere else: SQS carries text."""

_OF_S3: Final = ("s3_buckets", "s3_max_object_bytes", "s3_region", "s3_endpoint", "s3_fetchers")


def check_unwrap(draft: Draft, report: Report) -> None:
    """Report layers that cannot work, and what is lacking or idle beside them."""
    unwrap = draft.sections["unwrap"]
    layers: Sequence[str] = unwrap.get("layers")
    for index, layer in enumerate(layers):
        problem = _problem(layer, layers[:index], last=index == len(layers) - 1)
        if problem is not None:
            what, hint = problem
            report.error("bad_unwrap", (*unwrap.at("layers"), index), what, hint=hint)
    if "layers" not in unwrap.broken:
        _check_buckets(unwrap, layers, report)


def _problem(layer: str, before: Sequence[str], *, last: bool) -> tuple[str, str] | None:
    if layer in before:
        return f'`layers` names "{layer}" twice', "each layer is taken off once"
    if layer in FETCHED and not FETCHED.isdisjoint(before):
        return "`layers` has both s3_pointer and s3_objects", "a message points to its body, or names objects"
    if layer == "s3_objects" and not last:
        return '"s3_objects" is not the last layer', "its lines are the documents; gzip is noticed by itself"
    if layer == "gzip" and (not before or before[-1] not in _INTO_BYTES):
        return '"gzip" can only follow "base64" or "s3_pointer"', 'SQS carries text: write "base64", "gzip"'
    return None


def _check_buckets(unwrap: Part, layers: Sequence[str], report: Report) -> None:
    fetches = not FETCHED.isdisjoint(layers)
    if fetches and not unwrap.get("s3_buckets") and "s3_buckets" not in unwrap.broken:
        where = unwrap.at("s3_buckets") if unwrap.has("s3_buckets") else unwrap.at("layers")
        what = "`layers` reads from S3, and no bucket may be read from"
        report.error("bad_unwrap", where, what, hint='name them: s3_buckets = ["my-bucket"]')
    for key in _OF_S3 if not fetches else ():
        if unwrap.has(key):
            what = f"`{key}` does nothing: no layer reads from S3"
            report.warning("unwrap_unused", unwrap.at(key), what, hint='add "s3_pointer" or "s3_objects" to `layers`')
