"""Where a function finds its configuration and its connection strings: in its package, in variables, or kept by AWS.

Owns the spelling of those places and the calls that read them, once a cold start. The SDK is imported only where a
place is AWS's. A connection string can hold a password: no error shows any of it, or of a vendor's text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Final

from sofetch.aws_region import regional
from sofetch.config import load_config
from sofetch.config.load import CONFIG_VARIABLE, MAX_FILE_BYTES, load_content
from sofetch.errors import ConfigError
from sofetch.settings import KeysSettings, Settings

S3: Final = "s3://"
SSM: Final = "ssm:"
SECRETS_MANAGER: Final = "secret:"
DSN_VARIABLES: Final = ("SOFETCH_SINK_DSN", "SOFETCH_VAULT_DSN")

_TIMEOUT_SECONDS: Final = 5
_ATTEMPTS: Final = 3
_HINT: Final = (
    "may the function's role call {action}, is the name right, and can the function reach the service? In a VPC that "
    "needs an endpoint of the service or a NAT gateway"
)


def load_settings(environ: Mapping[str, str]) -> Settings:
    """The settings that SOFETCH_CONFIG names: a file, ``s3://bucket/key``, or ``ssm:/name``; variables go first.

    Raises ConfigError.
    """
    named = environ.get(CONFIG_VARIABLE, "")
    if named.startswith(S3):
        return load_content(_s3_object(named), file=named, environ=environ)
    if named.startswith(SSM):
        return load_content(_parameter(named).encode(), file=named, environ=environ)
    return load_config(environ=environ)


def with_connection_strings(environ: Mapping[str, str], keys: KeysSettings) -> dict[str, str]:
    """The environment, with connection strings in the place of ``ssm:/name`` and ``secret:name``.

    Raises ConfigError, or KeyringError for a secret that cannot be read.
    """
    return {**environ, **{name: _text(environ[name], keys) for name in DSN_VARIABLES if environ.get(name)}}


def _text(named: str, keys: KeysSettings) -> str:
    if named.startswith(SSM):
        return _parameter(named)
    if named.startswith(SECRETS_MANAGER):
        from sofetch.keys.aws import fetch_secret

        return fetch_secret(named.removeprefix(SECRETS_MANAGER), keys)
    return named


def _s3_object(named: str) -> bytes:
    bucket, _, key = named.removeprefix(S3).partition("/")
    if not bucket or not key:
        raise ConfigError(f"{CONFIG_VARIABLE} is no place in S3", hint="write it as s3://bucket/key")

    def read(client: Any) -> bytes:
        return bytes(client.get_object(Bucket=bucket, Key=key)["Body"].read(MAX_FILE_BYTES + 1))

    return bytes(_asked("s3", read, place=named, action="s3:GetObject"))


def _parameter(named: str) -> str:
    name = named.removeprefix(SSM)

    def read(client: Any) -> str:
        return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])

    return str(_asked("ssm", read, place=named, action="ssm:GetParameter (and kms:Decrypt, if it is a SecureString)"))


def _asked(service: str, read: Callable[[Any], Any], *, place: str, action: str) -> Any:
    """One call with a client of its own. Whatever goes wrong in it is told by type or AWS's code."""
    import botocore.session
    from botocore.config import Config

    config = Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        user_agent_extra="sofetch",
    )
    try:
        with closing(regional(botocore.session.get_session()).create_client(service, config=config)) as client:
            return read(client)
    except Exception as error:  # noqa: BLE001  # botocore lets through what urllib3 and sockets raise, too
        why = _why(error)
    raise ConfigError(f"cannot read {place}: {why}", hint=_HINT.format(action=action), code="config_unreachable")


def _why(error: Exception) -> str:
    from botocore.exceptions import ClientError

    from sofetch.source.boto_errors import error_code

    return f"AWS answers {error_code(error)}" if isinstance(error, ClientError) else type(error).__name__
