"""AWS Secrets Manager and KMS: fetching and storing a keyring, wrapping and unwrapping a key.

Owns the calls, their limits, and what their failures mean. Every failure is a KeyringError: without the key nothing
starts. botocore's texts and answers are never passed on, and while a key is under way botocore logs nothing of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Final

import botocore.session
from botocore import exceptions as boto
from botocore.config import Config

from sofetch.aws_region import regional
from sofetch.errors import KeyringError
from sofetch.mask.keyring_text import KeyEntry, Wrapped
from sofetch.settings import KeysSettings

ATTEMPTS: Final = 3
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9.:]{0,79}")
_REGION_IN_ARN: Final = re.compile(r"arn:[a-z0-9-]+:(?:secretsmanager|kms):([a-z0-9-]+):")
_DENIED: Final = re.compile(r"AccessDenied|NotAuthorized|AuthFailure|OptInRequired|NotAuthorised")
_CREDENTIALS: Final = re.compile(
    r"InvalidClientTokenId|UnrecognizedClient|MissingAuthenticationToken|ExpiredToken|SignatureDoesNotMatch|"
    r"InvalidSignature|IncompleteSignature|RequestTimeTooSkewed"
)
_ABSENT: Final = frozenset({"ResourceNotFoundException", "NotFoundException"})
_NOT_OPENED: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})


_Why = tuple[str, str, Callable[[str, str], KeyringError]]
"""Why it failed, what to do, and what makes the error of the two."""


def fetch_secret(name: str, keys: KeysSettings) -> str:
    """The current text of a secret. Raises KeyringError: denied, missing, no answer in time, or no text."""
    doing = f"read AWS secret {name}"
    answer = _call(lambda it: it.get_secret_value(SecretId=name), "secretsmanager", name, keys, doing)
    if not isinstance(answer.get("SecretString"), str):
        del answer
        raise KeyringError(f"AWS secret {name} holds no text", hint="store the keyring's JSON as SecretString")
    return str(answer["SecretString"])


def store_secret(name: str, text: str, keys: KeysSettings) -> None:
    """Make the text the secret's current version; AWS keeps the one before as AWSPREVIOUS. Raises KeyringError."""
    held = [text]  # taken by the call: no frame of a traceback keeps it
    del text
    doing = f"update AWS secret {name}"
    _call(lambda it: it.put_secret_value(SecretId=name, SecretString=held.pop()), "secretsmanager", name, keys, doing)


def wrap_key(entry: KeyEntry, *, kms_key: str, keys: KeysSettings) -> Wrapped:
    """The key encrypted by a KMS key, bound to its kid. Raises KeyringError."""
    answer = _call(
        lambda it: it.encrypt(KeyId=kms_key, Plaintext=entry.material, EncryptionContext=_context(entry.kid)),
        "kms",
        kms_key,
        keys,
        f"wrap key {entry.kid} with KMS key {kms_key}",
    )
    return Wrapped(answer["CiphertextBlob"], kms_key)


def unwrap_key(kid: str, wrapped: Wrapped, keys: KeysSettings) -> bytes:
    """The material of a wrapped key. Only the KMS key it names is asked. Raises KeyringError."""
    answer = _call(
        lambda it: it.decrypt(
            CiphertextBlob=wrapped.ciphertext, KeyId=wrapped.kms_key, EncryptionContext=_context(kid)
        ),
        "kms",
        wrapped.kms_key,
        keys,
        f"unwrap key {kid} with KMS key {wrapped.kms_key}",
    )
    return bytes(answer["Plaintext"])


def _context(kid: str) -> dict[str, str]:
    """Stands in CloudTrail, can be asked for in a key policy, and keeps one kid's key from serving as another's."""
    return {"sofetch": "keyring", "kid": kid}


def _call(
    operation: Callable[[Any], Mapping[str, Any]], service: str, resource: str, keys: KeysSettings, doing: str
) -> Mapping[str, Any]:
    """Run one call with a client of its own; whatever goes wrong in it becomes a KeyringError."""
    try:
        with _unlogged(), closing(_make_client(service, resource, keys)) as client:
            return operation(client)
    except Exception as error:  # noqa: BLE001  # botocore lets through what urllib3 and sockets raise, too
        refusal = _refusal(error, doing, keys)
    # Not within `except`: botocore's exception, whose frames hold what was to be encrypted, would be kept as context.
    raise refusal


def _make_client(service: str, resource: str, keys: KeysSettings) -> Any:
    in_arn = _REGION_IN_ARN.match(resource)
    config = Config(
        connect_timeout=keys.timeout_seconds,
        read_timeout=keys.timeout_seconds,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra="sofetch",
    )
    return regional(botocore.session.get_session()).create_client(
        service, region_name=keys.region or (in_arn and in_arn[1]), endpoint_url=keys.endpoint, config=config
    )


@contextmanager
def _unlogged() -> Iterator[None]:
    """At DEBUG botocore logs parameters and answers, which here are keys. For the whole process, for one call."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.DEBUG))
    try:
        yield
    finally:
        logging.disable(before)


def _refusal(error: Exception, doing: str, keys: KeysSettings) -> KeyringError:
    why, hint, refused = _of_answer(error) if isinstance(error, boto.ClientError) else _of_connection(error, keys)
    return refused(f"cannot {doing}: {why}", hint)


def _denied(what: str, hint: str) -> KeyringError:
    return KeyringError(what, hint=hint, code="keyring_denied")


def _missing(what: str, hint: str) -> KeyringError:
    return KeyringError(what, hint=hint, code="keyring_missing")


def _unreachable(what: str, hint: str) -> KeyringError:
    return KeyringError(what, hint=hint, code="keyring_unreachable")


def _unusable(what: str, hint: str) -> KeyringError:
    return KeyringError(what, hint=hint)


def _of_answer(error: boto.ClientError) -> _Why:
    code = str(error.response.get("Error", {}).get("Code", ""))
    code = code if _CODE.fullmatch(code) else "unknown"
    why = f"AWS answers {code}"
    if code in _ABSENT:
        return f"there is no such thing ({code})", "check name, region and account", _missing
    if _DENIED.search(code):
        return why, f"let the role {_WANTED}", _denied
    if _CREDENTIALS.search(code):
        return why, "check the AWS credentials, their expiry, and this machine's clock", _denied
    if code in _NOT_OPENED:
        return why, "it was wrapped by another KMS key, for another kid, or was altered", _unusable
    return why, "look the code up in the API reference of the service; nothing starts without the key", _unusable


_WANTED: Final = "call secretsmanager:GetSecretValue, and kms:Decrypt with the encryption context sofetch=keyring"


def _of_connection(error: Exception, keys: KeysSettings) -> _Why:  # noqa: PLR0911  # one for each
    match error:
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return "no AWS credentials found", "give a role, a profile, or AWS_ACCESS_KEY_ID", _denied
        case boto.TokenRetrievalError() | boto.SSOError() | boto.NoAuthTokenError() | boto.LoginError():
            return "the AWS login has ended", "log in again with `aws sso login`", _denied
        case boto.NoRegionError():
            return "no AWS region", "set AWS_REGION or [keys] region, or give an ARN", _unusable
        case boto.ReadTimeoutError() | boto.ConnectTimeoutError():
            why = f"no answer in {ATTEMPTS} tries of {keys.timeout_seconds} s"
            return why, "can this machine reach the service (endpoint, proxy, firewall)?", _unreachable
        case boto.EndpointConnectionError() | boto.ProxyConnectionError() | boto.SSLError():
            return "the service is not to be reached", "check region, endpoint, network and TLS", _unreachable
        case boto.ParamValidationError() | boto.ValidationError() | ValueError():
            return "a setting is not usable", "check name, [keys] region and endpoint", _unusable
        case _:
            why = f"the call failed ({type(error).__name__})"
            return why, "check the network, then try again", _unreachable
