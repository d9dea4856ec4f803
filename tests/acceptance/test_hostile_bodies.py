"""Bodies of every hostile kind end in table or quarantine, and the next message is unharmed."""

from __future__ import annotations

import json

from world import World

GOOD = {"user_id": "u", "app_version": "1", "device_type": "d", "ip": "10.0.0.1", "locale": None, "device_id": "x"}


def good(number: int, **changes: object) -> str:
    return json.dumps(GOOD | {"user_id": f"user-{number}"} | changes)


SQL = "'); DROP TABLE user_logins;--"

# SQS itself refuses empty bodies and characters outside of XML's set, so those are tried on the decoder alone.
QUARANTINED = {
    "blank": " \n\t ",
    "not JSON": "hello",
    "truncated": good(0)[:-3],
    "wrong shape, an array": "[1, 2]",
    "wrong shape, a string": '"text"',
    "wrong shape, null": "null",
    "another message": '{"foo": "oops_wrong_msg_type", "bar": "123"}',
    "NUL in a plain column": good(0, locale="a\0b"),
    "lone surrogate in a plain column": good(0).replace("null", '"\\ud800"'),
    "20,000 levels deep": good(0).replace("null", "[" * 20_000 + "]" * 20_000),
    "20,000 levels deep, not closed": "[" * 20_000,
    "a number where text belongs": good(0).replace("null", "1e400000"),
    "two documents": good(0) + good(1),
    "too long for its column": good(0, locale="x" * 33),
}
LOADED = {
    "10,000 unknown keys": json.dumps(GOOD | {f"key{n}": n for n in range(10_000)}),
    "100 levels deep in no column": good(0)[:-1] + ', "deep": ' + "[" * 100 + "]" * 100 + "}",
    "a huge number in no column": good(0)[:-1] + ', "n": 1e400000}',
    "duplicate keys": good(0)[:-1] + ', "locale": "NL"}',
    "SQL in every field": json.dumps(dict.fromkeys(GOOD, SQL)),
    "a mebibyte": json.dumps(GOOD | {"padding": "x" * 1_000_000}),
    "control characters, escaped": good(0, locale="\x1b[31m\x07"),
    "right to left and emoji": good(0, locale="\u202e\U0001f986"),
}


def test_every_hostile_body_ends_in_table_or_quarantine_and_its_neighbours_load(world: World) -> None:
    bodies = [*QUARANTINED.values(), *LOADED.values()]
    sent = [text for number, body in enumerate(bodies) for text in (body, good(1_000 + number))]
    for text in sent:
        world.send([text])
    summary = world.drain()
    assert world.left_in_queue() == 0
    assert summary["loaded"] == len(LOADED) + len(bodies)
    assert summary["quarantined"] == len(QUARANTINED)
    neighbours = world.query("SELECT user_id FROM user_logins WHERE user_id ~ '^user-[0-9]{4}$'")
    assert len(neighbours) == len(bodies)
