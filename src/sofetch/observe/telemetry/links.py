"""Which traces a batch's messages belong to.

Owns reading a trace context out of a message: the W3C ``traceparent`` attribute (https://www.w3.org/TR/trace-context/),
else the ``AWSTraceHeader`` of SQS. Pure. What is not exactly of such a form is passed over, so that nothing else that a
message holds can reach a trace.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from sofetch.record import TRACE_HEADER, Message

MOST_LINKS = 128
"""OpenTelemetry's own default limit on the links of one span."""

_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_ROOT: Final = re.compile(r"(?:^|;)Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;|$)")
_PARENT: Final = re.compile(r"(?:^|;)Parent=([0-9a-f]{16})(?:;|$)")
_SAMPLED: Final = re.compile(r"(?:^|;)Sampled=1(?:;|$)")


class TraceContext(Struct, frozen=True):
    """A span that a message was sent in."""

    trace_id: int
    span_id: int
    sampled: bool


def trace_contexts(messages: Iterable[Message]) -> list[TraceContext]:
    """The spans that these messages come from, each once, the first ``MOST_LINKS`` of them."""
    found: dict[TraceContext, None] = {}
    for message in messages:
        context = _context(message.attributes) if message.attributes else None
        if context is not None:
            found[context] = None
            if len(found) == MOST_LINKS:
                break
    return list(found)


def _context(attributes: Mapping[str, str]) -> TraceContext | None:
    return _of_traceparent(attributes.get("traceparent", "")) or _of_trace_header(attributes.get(TRACE_HEADER, ""))


def _of_traceparent(text: str) -> TraceContext | None:
    match = _TRACEPARENT.fullmatch(text)
    return _valid(match[1], match[2], sampled=bool(int(match[3], 16) & 1)) if match else None


def _of_trace_header(text: str) -> TraceContext | None:
    root, parent = _ROOT.search(text), _PARENT.search(text)
    if root is None or parent is None:
        return None
    return _valid(root[1] + root[2], parent[1], sampled=_SAMPLED.search(text) is not None)


def _valid(trace: str, span: str, *, sampled: bool) -> TraceContext | None:
    """Zeros mean that there is none."""
    context = TraceContext(int(trace, 16), int(span, 16), sampled)
    return context if context.trace_id and context.span_id else None
