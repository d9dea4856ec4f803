"""The SQS source: receiving and deleting fleets round a bounded buffer, control of queues, and reading from S3.

The only place, beside the key fetcher, where boto3 and botocore may be imported; importing this package itself
imports neither, so that ``sofetch --help`` stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sofetch.events import Events
    from sofetch.ports import Clock
    from sofetch.settings import SourceSettings, UnwrapSettings
    from sofetch.source.s3 import S3Store
    from sofetch.source.sqs import SqsSource


def open_source(
    settings: SourceSettings, *, clock: Clock, events: Events | None = None, traced: bool = False
) -> SqsSource:
    """Find the configured queue and open a source on it; close it when done. ``events`` is told from its threads.
    ``traced`` asks for the trace that a message was sent in, and has it among its attributes.

    Raises SourceUnavailable or SourceRefused.
    """
    from sofetch.source.opening import open_transport
    from sofetch.source.sqs import SqsSource

    transport = open_transport(settings, clock=clock, traced=traced)
    return SqsSource(settings, transport=transport, clock=clock, events=events)


def open_object_store(settings: UnwrapSettings) -> S3Store:
    """A client of S3; close it when done. Nothing is asked of S3 yet. Raises SourceRefused."""
    from sofetch.source.s3 import S3Store

    return S3Store(settings)
