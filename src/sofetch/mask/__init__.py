"""Masking: what makes personal values tokens, and nothing else. See ``policy`` for the way through it."""

from sofetch.mask.identity import ledger_key
from sofetch.mask.keyring import KeyFingerprint, Keyring, Keyrings, keyring_of_tests, new_keyring_text, parse_keyring
from sofetch.mask.policy import Masker, compile_masker
from sofetch.mask.reversible import open_column, reveal
from sofetch.mask.seal import unseal

__all__ = [
    "KeyFingerprint",
    "Keyring",
    "Keyrings",
    "Masker",
    "compile_masker",
    "keyring_of_tests",
    "ledger_key",
    "new_keyring_text",
    "open_column",
    "parse_keyring",
    "reveal",
    "unseal",
]
