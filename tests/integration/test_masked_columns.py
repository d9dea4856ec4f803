"""Masked columns in a real table: one field in several of them, networks that stay networks, widths that do not do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from loading import new_key, open_sink, query, settings_for
from masking import message, ring
from sofetch.load.setup.inspect import check_sink
from sofetch.load.setup.schema import apply_schema
from sofetch.mask import compile_masker, reveal
from sofetch.record import FIRST_KEY_ATTRIBUTE, Record
from sofetch.settings import MasksSettings, Settings

SIDE_BY_SIDE = settings_for(
    [
        {"name": "masked_ip", "from": "ip", "mask": "token", "kind": "ip", "domain": "ip"},
        {"name": "network_ip", "from": "ip", "mask": "ip_prefix", "domain": "ip"},
        {"name": "hidden_ip", "from": "ip", "mask": "ip", "domain": "ip"},
        {"name": "sealed_ip", "from": "ip", "mask": "reversible", "kind": "ip", "domain": "ip"},
    ]
)
ADDRESSES = ["203.0.113.7", "203.0.113.200", "203.0.114.7", "2001:db8::1", "203.0.113.7"]


def load(settings: Settings, values: list[str], dsn: str) -> None:
    records = [
        Record(message(id=f"m{row}", attributes={FIRST_KEY_ATTRIBUTE: new_key().hex()}), (value,) * 4)
        for row, value in enumerate(values)
    ]
    masked = compile_masker(settings, ring()).mask(records)
    assert not masked.rejections
    with open_sink(settings, dsn) as sink:
        sink.load(masked.records, [])


def test_one_field_feeds_a_token_and_addresses_that_postgres_can_reckon_with(database: str) -> None:
    load(SIDE_BY_SIDE, ADDRESSES, database)
    [(rows, tokens, addresses, hidden)] = query(
        database,
        "SELECT count(*), count(DISTINCT masked_ip), count(DISTINCT network_ip), count(DISTINCT hidden_ip) FROM events",
    )
    assert (rows, tokens, addresses, hidden) == (5, 4, 4, 4)
    networks = query(
        database,
        "SELECT set_masklen(network_ip, 24)::cidr, count(*) FROM events WHERE family(network_ip) = 4"
        " GROUP BY 1 ORDER BY 2",
    )
    assert [found for _, found in networks] == [1, 3]


def test_what_was_loaded_opens_as_it_comes_out_of_the_table(database: str) -> None:
    load(SIDE_BY_SIDE, ADDRESSES, database)
    rows = query(database, "SELECT sealed_ip, hidden_ip, network_ip FROM events")
    sealed, hidden, network = zip(*rows, strict=True)
    opened = [
        reveal(sealed, mask="reversible", domain="ip", keyring=ring()),
        reveal(hidden, mask="ip", domain="ip", keyring=ring()),
        reveal(network, mask="ip_prefix", domain="ip", keyring=ring()),
    ]
    assert opened[0] == opened[1] == opened[2]
    assert sorted(opened[0]) == sorted(ADDRESSES)


@pytest.mark.parametrize(
    ("column", "there", "code"),
    [
        ({"mask": "token"}, "varchar(51)", "sink_column"),
        ({"mask": "token"}, "varchar(52)", None),
        ({"mask": "reversible"}, "varchar(54)", "sink_column"),
        ({"mask": "reversible"}, "varchar(256)", "sink_width"),
        ({"mask": "reversible"}, "text", None),
        ({"mask": "reversible", "kind": "uuid", "not_of_kind": "reject"}, "varchar(97)", "sink_column"),
        ({"mask": "reversible", "kind": "uuid", "not_of_kind": "reject"}, "varchar(98)", None),
        ({"mask": "redact", "redact_to": "nothing to see"}, "varchar(13)", "sink_column"),
        ({"mask": "ip"}, "inet", None),
        ({"mask": "ip_prefix"}, "text", None),
        ({"mask": "ip"}, "integer", "sink_column"),
    ],
)
def test_check_refuses_a_column_in_which_the_results_have_no_room(
    column: dict[str, Any], there: str, code: str | None, database: str
) -> None:
    settings = settings_for([{"name": "masked", "domain": "d"} | column])
    query(database, f"CREATE TABLE events (masked {there})")
    apply_schema(settings, dsn=database)
    found = {f.code: f for f in check_sink(settings, dsn=database) if f.code in {"sink_column", "sink_width"}}
    assert set(found) == ({code} if code else set())
    if code:
        assert 'ALTER TABLE … ALTER COLUMN "masked" TYPE' in found[code].hint


def test_dates_numbers_and_parts_are_stored_as_what_they_are(database: str) -> None:
    settings = settings_for(
        [
            {"name": "user_id"},
            {"name": "born", "mask": "date_shift", "subject": "user_id", "shift_days": 30},
            {"name": "pay", "mask": "round", "round_to": 1000},
            {"name": "near", "mask": "noise", "noise_scale": 5, "domain": "pay"},
            {"name": "card", "mask": "partial"},
            {"name": "device", "mask": "fpe", "domain": "device"},
        ]
    )
    settings = structs.replace(settings, masks=MasksSettings(allow_fpe=True))
    values = ("ann", "1985-12-10", "52300.70", 52300, "4111 1111 1111 1234", "593-47-5928")
    masked = compile_masker(settings, ring()).mask([Record(message(attributes={}), values)])
    apply_schema(settings, dsn=database)
    with open_sink(settings, database) as sink:
        sink.load(masked.records, [])
    [row] = query(database, "SELECT born - date '1985-12-10', pay, near - 52300, card, device FROM events")
    days, pay, off, card, device = row
    assert (0 < abs(days) <= 30, pay, abs(off) < 500, card) == (True, 52000, True, "***1234")
    assert len(device) == len("593-47-5928")
    assert [found for found in check_sink(settings, dsn=database) if found.severity == "error"] == []
