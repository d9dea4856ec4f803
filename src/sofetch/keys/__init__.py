"""Where keys come from: the environment, a file that nobody else can read, AWS Secrets Manager; unwrapped by AWS KMS.

Owns which place counts, and reading it. It must not understand keys (``sofetch.mask.keyring`` does), and it invents
none: no key, no start. Error texts name variables, paths and secrets, never content.
"""

from __future__ import annotations

from sofetch.keys.files import MAX_KEYRING_BYTES, load_keyring_file, replace_keyring_file, write_new_keyring
from sofetch.keys.loading import load_keyring, load_keyrings
from sofetch.keys.places import FILE_VARIABLE, KEYRING_VARIABLE, FilePlace, Place, Role, SecretPlace, Variable

__all__ = [
    "FILE_VARIABLE",
    "KEYRING_VARIABLE",
    "MAX_KEYRING_BYTES",
    "FilePlace",
    "Place",
    "Role",
    "SecretPlace",
    "Variable",
    "load_keyring",
    "load_keyring_file",
    "load_keyrings",
    "replace_keyring_file",
    "write_new_keyring",
]
