"""A Postgres and an SQS server in one folder of their own, for the demo and the tests.

Owns their life from start to removal. Must not know what travels through them, nor import psycopg or boto3:
whoever uses the servers brings a client. Never for production: no password, no durability promise, one machine.
"""

from __future__ import annotations

from sofetch.embedded.servers import Embedded, start_embedded

__all__ = ["Embedded", "start_embedded"]
