"""Tokens of AWS IAM in a password's place: RDS and Aurora take one that is signed for host, port and user.

Owns the signing, with no call to AWS but what the credentials need, and nothing of the connection. A token is as good
as a password for fifteen minutes: it is made for one connection, kept nowhere and never told.
"""

from __future__ import annotations

import logging
import re
from functools import cache
from typing import Any, Final

import botocore.session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError

from sofetch.aws_region import regional
from sofetch.errors import SinkUnavailable

LIFETIME_SECONDS: Final = 900
"""How long RDS takes a token to log in with; a connection that stands outlives it. It takes no other lifetime."""

_REGION_IN_HOST: Final = re.compile(r"\.([a-z0-9-]+)\.rds\.amazonaws\.com(?:\.cn)?\.?$")


def token(*, host: str, port: int, user: str) -> str:
    """A new token for one log-in. ``host`` is the endpoint as AWS names it, which also says the region.

    For another name the region is that of the AWS environment. Raises SinkUnavailable without credentials or region:
    both may come back, as when the instance's metadata service does not answer.
    """
    found = _REGION_IN_HOST.search(host)
    try:
        region = found[1] if found else _session().get_config_variable("region")
        credentials = _session().get_credentials()
        if credentials is not None and region:
            return _signed(credentials.get_frozen_credentials(), host=host, port=port, user=user, region=region)
    except BotoCoreError as error:
        name = type(error).__name__
        raise SinkUnavailable(f"no AWS credentials to log in to the database with ({name})", hint=HINT) from None
    missing = "AWS credentials" if credentials is None else "AWS region"
    raise SinkUnavailable(f"no {missing} to log in to the database with", hint=HINT)


HINT = "[sink] rds_iam needs credentials of a role that may do rds-db:connect, and AWS_REGION where the host names none"


def _signed(credentials: Any, *, host: str, port: int, user: str, region: str) -> str:
    """What botocore's ``generate_db_auth_token`` gives, without a client for a service that is not called."""
    scheme = "https://"
    request = AWSRequest("GET", f"{scheme}{host}:{port}/", params={"Action": "connect", "DBUser": user})
    SigV4QueryAuth(credentials, "rds-db", region, expires=LIFETIME_SECONDS).add_auth(request)
    return str(request.url)[len(scheme) :]


@cache
def _session() -> botocore.session.Session:
    """One for all: it keeps credentials that AWS gives for a time, and renews them."""
    logging.getLogger("botocore.auth").setLevel(logging.INFO)  # at DEBUG it tells what it signed, and the signature
    return regional(botocore.session.Session())
