"""Made-up logins for a queue to begin with: distinct, and known by their number. Owns their look."""

from __future__ import annotations

import json


def login(number: int, *, body_bytes: int) -> str:
    """The login of a number, as the logins preset reads it, filled up to ``body_bytes`` bytes."""
    fields: dict[str, str | None] = {
        "user_id": f"00000000-0000-4000-8000-{number:012x}",
        "app_version": f"2.{number % 10}.{number % 7}",
        "device_type": ("android", "ios")[number % 2],
        "ip": f"11.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
        "locale": ("RU", "DE", None)[number % 3],
        "device_id": f"{number % 1000:03}-{number % 100:02}-{number:08}",
    }
    body = json.dumps(fields)
    room = body_bytes - len(body) - len(', "more": ""')
    return body if room < 0 else f'{body[:-1]}, "more": "{"x" * room}"}}'
