"""A newcomer's own queue: from waiting orders to a masked table, by the lines of the README and what ``init`` wrote."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from canaries import all_tables, canaries_in
from world import World

ORDERS = 60
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Point it at yours\n")[2].partition("\n## ")[0]
QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/how-to/querying.md").read_text(encoding="utf-8"), re.DOTALL)
CUSTOMERS = [
    {
        "name": f"Kanarie{letter} Quillfeather{letter}",
        "email": f"kanarie.{letter}@quill.example.org",
        "phone": f"+49 30 90182{number:04}",
        "birth_date": f"19{30 + number}-03-1{number}",  # made-up dates in `sofetch test --write` begin with 1950
        "iban": iban,
        "card": card,
        "street": f"Pelikanweg{letter} {number}",
    }
    for number, (letter, iban, card) in enumerate(
        [
            ("ada", "GB82WEST12345698765432", "4111 1111 1111 1111"),
            ("bo", "DE89370400440532013000", "5555 5555 5555 4444"),
            ("cleo", "NL91ABNA0417164300", "4012 8888 8888 1881"),
        ]
    )
]
CANARIES = [value for customer in CUSTOMERS for value in customer.values()]
CANARIES += [customer["card"].replace(" ", "") for customer in CUSTOMERS]
CANARIES += [value.split()[-1] for customer in CUSTOMERS for value in (customer["name"], customer["street"][:-2])]


def order(number: int) -> dict[str, Any]:
    """An order as a shop sends it: nested, a field missing here and there, one that changes its type."""
    customer = CUSTOMERS[number % 7 % len(CUSTOMERS)]
    whole: dict[str, Any] = {
        "order_id": f"o-{number}",
        "placed_at": f"2026-03-01T09:15:{number:02}+02:00",
        "customer": {key: customer[key] for key in ("name", "email", "phone", "birth_date")},
        "card": {"number": customer["card"]},
        "iban": customer["iban"],
        "total": f"{number}.30",
        "shipping_address": {"street": customer["street"], "city": "Lyon", "zip": "69002", "country": "FR"},
        "coordinates": [45.75123, 4.83456],
        "items": [{"sku": f"SKU-{number % 7}", "qty": 1, "price": "0.30"}],
        "discount": "5%" if number % 2 else 5,
    }
    if number % 2:
        whole["card"]["number"] = customer["card"].replace(" ", "")
        whole["customer"]["email"] = customer["email"].upper()
    if number % 3 == 0:
        whole["note"] = f"please ring at {customer['name']}"
    if number % 5 == 0:
        del whole["customer"]["phone"], whole["iban"]
    return whole


def bare(order: dict[str, Any]) -> str:
    return json.dumps(order)


def notified(order: dict[str, Any]) -> str:
    return json.dumps({"Type": "Notification", "TopicArn": "arn:aws:sns:::orders", "Message": json.dumps(order)})


@pytest.mark.parametrize("wrap", [bare, notified])
def test_what_init_writes_loads_every_order_once_and_no_person_in_the_clear(
    world: World, wrap: Callable[[dict[str, Any]], str]
) -> None:
    orders = [order(number) for number in range(ORDERS)]
    world.send(map(wrap, orders))
    codes = newcomer(world)
    assert codes.pop("check") == 5, "there is no table yet"
    assert set(codes.values()) == {0}, codes
    assert list(codes) == ["init", "keys", "schema", "test --write --from-queue", "test", "run", "show", "report"]
    assert world.left_in_queue() == 0
    bought = Counter(order["customer"]["email"].lower() for order in orders)
    total = sum(Decimal(order["total"]) for order in orders)
    assert world.query("SELECT count(DISTINCT order_id) AS orders, sum(total) AS total FROM orders") == [
        {"orders": ORDERS, "total": total}
    ]
    world.execute("CREATE TABLE refunds AS SELECT masked_customer_email, total AS amount FROM orders WHERE total > 50")
    counted, repeated, shared, joined, doubled, each, _ = (world.query(query) for query in QUERIES)
    assert counted == [{"orders": ORDERS, "customers": len(bought)}]
    assert sorted(row["orders"] for row in repeated) == sorted(bought.values())
    assert sum(row["spent"] for row in joined) == total
    assert (len(shared), len(doubled), len(each)) == (0, 0, ORDERS)
    assert world.query("SELECT count(DISTINCT masked_card_number) AS cards FROM orders") == [{"cards": len(bought)}]
    written = "".join(path.read_text() for path in world.folder.glob("sofetch*.toml"))
    for place in (all_tables(world), written.encode(), "\n".join(world.outputs).encode()):
        assert canaries_in(place, [*CANARIES, "45.75123"]) == []


def newcomer(world: World) -> dict[str, int]:
    """Do what the README says, in a folder of its own, and write tests before the run; the exit code of each command.

    Its queue is the world's, its database too, and the run ends when all is loaded; else each line is as it stands.
    """
    world.folder /= "newcomer"
    world.folder.mkdir()
    del world.environ["SOFETCH_KEYRING"], world.environ["SOFETCH_SOURCE_QUEUE"]
    codes: dict[str, int] = {}

    def sofetch(name: str, *arguments: str) -> None:
        codes[name] = world.sofetch(*arguments).returncode

    for line in re.findall(r"^    (.+)$", README, re.MULTILINE):
        match shlex.split(line.replace("--queue orders", f"--queue {world.queue}"), comments=True):
            case ["export", assignment]:
                name, _, value = assignment.partition("=")
                mine = {"SOFETCH_SINK_DSN": world.dsn, "SOFETCH_KEYRING_FILE": value.replace("$PWD", str(world.folder))}
                world.environ[name] = mine[name]
            case ["sofetch", "run"]:
                sofetch("test --write --from-queue", "test", "--write", "--from-queue")
                sofetch("test", "test")
                sofetch("run", "run", "--drain")
            case ["sofetch", name, *arguments]:
                sofetch(name, name, *arguments)
            case other:
                raise AssertionError(other)
    return codes
