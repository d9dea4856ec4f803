"""Opens the transport that is configured: the fast path where it can be taken, boto3 where not.

Owns that choice and how it is told. Must not make the choice again later: a fast path in trouble finds boto3 by itself.
"""

from __future__ import annotations

from sofetch.errors import SourceRefused
from sofetch.ports import Clock
from sofetch.settings import SourceSettings
from sofetch.source.boto import BotoTransport, find_queue
from sofetch.source.boto_client import Clients
from sofetch.source.fast import FastTransport
from sofetch.source.recipe import NoRecipe
from sofetch.source.transport import Transport


def open_transport(settings: SourceSettings, *, clock: Clock, traced: bool = False) -> Transport:
    """Connect, find the queue, and be ready to receive. Raises SourceUnavailable or SourceRefused."""
    boto = _open_boto(settings, traced=traced)
    try:
        return _chosen(settings, boto, clock)
    except BaseException:
        boto.close()
        raise


def _open_boto(settings: SourceSettings, *, traced: bool) -> BotoTransport:
    clients = Clients(settings)
    try:
        return BotoTransport(clients, queue_url=find_queue(clients.calls, settings.queue), traced=traced)
    except BaseException:
        clients.close()
        raise


def _chosen(settings: SourceSettings, boto: BotoTransport, clock: Clock) -> Transport:
    if settings.transport == "boto3":
        return boto
    try:
        recipe = boto.recipe()
    except NoRecipe as obstacle:
        if settings.transport == "auto":
            return boto
        raise no_fast_path(obstacle.why) from None
    return FastTransport(boto, recipe=recipe, longest_wait_seconds=settings.wait_seconds, clock=clock)


def no_fast_path(why: str) -> SourceRefused:
    """The error for a fast path that is insisted on and cannot be taken."""
    return SourceRefused(
        f"cannot take the fast path to the queue: {why}", hint="[source] transport = 'auto' uses boto3 instead"
    )
