"""What commands do with a queue, in one place to import from: ``QueueControl`` and ``check_source``."""

from sofetch.source.check import check_source
from sofetch.source.queue import Action, QueueAttributes, QueueControl, RedrivePolicy
from sofetch.source.s3 import check_buckets
from sofetch.source.sending import MessagesRefused, RefusedMessage, SendReport

__all__ = [
    "Action",
    "MessagesRefused",
    "QueueAttributes",
    "QueueControl",
    "RedrivePolicy",
    "RefusedMessage",
    "SendReport",
    "check_buckets",
    "check_source",
]
