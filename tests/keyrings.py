"""The keyring of the tests, and what it is made of."""

from __future__ import annotations

import base64
import json

MASTER_KEY = bytes(range(32))
"""The key material of k1 in the token vectors, so that tests can recompute tokens."""

KEYRING = json.dumps({"keys": [{"kid": "k1", "material": base64.b64encode(MASTER_KEY).decode(), "status": "primary"}]})
