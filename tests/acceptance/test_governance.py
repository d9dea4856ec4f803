"""Recovery and erasure, as people run them: audited first, told plainly, leaking nowhere, and final."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest

from governing import BY, Governed, governed_world, login
from sofetch.mask.vaulting import open_value, parse_recovery_key
from sofetch.record import StoredValue

pytestmark = pytest.mark.slow

ANNA, BOB = "kanarie-anna-4801", "kanarie-bob-4802"
IP, DEVICE = "203.0.113.81", "kanarie-device-4803"
SECRETS = [ANNA, IP, DEVICE]
BODIES = [
    login(ANNA, ip=IP, device=DEVICE),
    login(BOB, ip="203.0.113.82", device="kanarie-device-4804"),
    login(ANNA, ip=IP, device=DEVICE, locale=None),
    login(BOB, ip="203.0.113.82", device="x", locale=None),
    f'{{"user_id": "{ANNA}", "ip": '.encode(),
    f'{{"user_id": "{ANNA}9", "ip": '.encode(),
]


@pytest.fixture
def world(tmp_path: Path, database: str, queue_endpoint: str) -> Iterator[Governed]:
    with governed_world(folder=tmp_path, dsn=database, endpoint=queue_endpoint) as made:
        yield made


@pytest.fixture
def own_log(postgres_log: Path) -> OwnLog:
    """Postgres' own log from here on: what other tests wrote into it is theirs."""
    return OwnLog(postgres_log, postgres_log.stat().st_size)


class OwnLog(NamedTuple):
    path: Path
    start: int

    def text(self) -> str:
        return self.path.read_bytes()[self.start :].decode(errors="replace")


@pytest.fixture
def loaded(world: Governed) -> Governed:
    """Two users, a row each, two messages each in quarantine (one of them without its end), one of a third user."""
    world.send(BODIES)
    summary = world.drain()
    assert (summary["loaded"], summary["quarantined"]) == (2, 4)
    return world


def audit(world: Governed) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(world.ask("audit", "list", "--json").stdout)["rows"]
    return rows


def leaks(world: Governed, log: OwnLog) -> dict[str, list[str]]:
    """The secrets that stand where nobody asked for them."""
    rows = world.query("SELECT a::text AS row FROM sofetch.audit AS a")
    places = {
        "audit": json.dumps(rows),
        "errors": "\n".join(world.outputs[1::2]),
        "Postgres' own log": log.text(),
        "vault": world.vault_dump().decode(),
    }
    return {place: found for place, text in places.items() if (found := [one for one in SECRETS if one in text])}


def test_each_way_back_gives_the_value_and_one_audit_row(own_log: OwnLog, loaded: Governed) -> None:
    row = loaded.row(ANNA)
    answers = loaded.recover(row["masked_ip"], row["masked_device_id"], row["open_ip"])
    assert [answer["values"] for answer in answers] == [[IP], [DEVICE], [IP]]
    [written] = audit(loaded)
    assert (written["actor"], written["action"], written["purpose"]) == ("ana", "recover", "a test")
    assert json.loads(loaded.ask("audit", "verify", "--json").stdout)["intact"]
    found = json.loads(loaded.ask("audit", "list", "--token", row["masked_ip"], "--json").stdout)["rows"]
    assert [one["seq"] for one in found] == [1]
    assert leaks(loaded, own_log) == {}


def test_values_go_to_standard_output_and_the_warning_to_the_other(loaded: Governed) -> None:
    done = loaded.ask("recover", "--recovery-key", "recovery.pem", *BY, loaded.row(ANNA)["masked_ip"])
    assert IP in done.stdout
    assert IP not in done.stderr
    assert "personal data" in done.stderr


def test_a_file_that_others_can_read_is_warned_of(loaded: Governed) -> None:
    line = [sys.executable, "-m", "sofetch", "recover", "--recovery-key", "recovery.pem", *BY]
    for mode, warned in ((0o644, True), (0o600, False)):
        with os.fdopen(os.open(loaded.folder / f"out{mode}", os.O_CREAT | os.O_WRONLY, mode), "wb") as out:
            done = subprocess.run(
                [*line, loaded.row(ANNA)["masked_ip"]],
                cwd=loaded.folder, env=loaded.environ, stdout=out, stderr=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
        assert ("others can read" in done.stderr) is warned


def test_what_cannot_be_recovered_is_told_apart(loaded: Governed) -> None:
    r1 = loaded.row(ANNA)["masked_device_id"]
    tokens = ["h1.k1." + "0" * 40, "r1.k9." + r1.split(".")[2], r1[:-4] + "AAAA", "nonsense"]
    answers = loaded.recover(*tokens, code=5)
    assert [answer["outcome"] for answer in answers] == ["not_found", "key_missing", "wrong_key", "not_a_token"]
    loaded.ask("keys", "recovery-new", "-o", "other.pem", "--public", "other.pub")
    done = loaded.ask("recover", "--recovery-key", "other.pem", "--json", *BY, loaded.row(ANNA)["masked_ip"], code=5)
    assert [answer["outcome"] for answer in json.loads(done.stdout)["answers"]] == ["wrong_key"]


def test_nothing_is_shown_when_the_audit_row_cannot_be_written(own_log: OwnLog, loaded: Governed) -> None:
    loaded.execute("ALTER TABLE sofetch.audit ADD CONSTRAINT is_full CHECK (false) NOT VALID")
    row = loaded.row(ANNA)
    for token in row.values():
        done = loaded.ask("recover", "--recovery-key", "recovery.pem", "--json", *BY, token, code=3)
        assert done.stdout == ""
        assert json.loads(done.stderr)["error"]["code"] == "audit_unavailable"
    done = loaded.ask("erase", "--subject", ANNA, "--yes", *BY, code=3)
    assert done.stdout == ""
    assert loaded.count("user_logins") == 2
    assert loaded.count("sofetch.quarantine") == 4
    loaded.execute("ALTER TABLE sofetch.audit DROP CONSTRAINT is_full")
    assert loaded.recover(row["masked_ip"])[0]["values"] == [IP]
    assert leaks(loaded, own_log) == {}


def test_a_recovery_without_reason_limit_or_key_is_refused_and_leaves_no_row(loaded: Governed) -> None:
    token = loaded.row(ANNA)["masked_ip"]
    loaded.ask("recover", token, code=2)
    loaded.ask("recover", token, "--actor", "ana", "--purpose", " ", "--ticket", "T", code=2)
    loaded.ask("recover", token, *BY, code=4)
    loaded.ask("recover", "--limit", "1", token, "h1.k1." + "0" * 40, *BY, code=2)
    assert audit(loaded) == []


def test_looking_somebody_up_is_audited_before_a_token_is_told(own_log: OwnLog, loaded: Governed) -> None:
    token = loaded.row(ANNA)["masked_ip"]
    lines = f"{IP}\n" * 1_001
    done = loaded.ask("token", "--domain", "ip", *BY, stdin=lines)
    assert done.stdout.splitlines() == [token] * 1_001
    assert [(row["action"], row["detail"]["count"]) for row in audit(loaded)] == [("token", 1_000), ("token", 1)]
    found = json.loads(loaded.ask("audit", "list", "--token", token, "--json").stdout)["rows"]
    assert [row["actor"] for row in found] == ["ana", "ana"]
    loaded.execute("ALTER TABLE sofetch.audit ADD CONSTRAINT is_full CHECK (false) NOT VALID")
    for form in ((), ("--json",)):
        assert loaded.ask("token", "--domain", "ip", *BY, *form, code=3, stdin=lines).stdout == ""
    assert leaks(loaded, own_log) == {}


@pytest.mark.parametrize("words", [("--ticket", f"about {IP}"), ("--purpose", f"asked by {ANNA}@example.com")])
def test_the_audit_takes_no_personal_data_for_a_reason(own_log: OwnLog, loaded: Governed, words: Sequence[str]) -> None:
    token = loaded.row(ANNA)["masked_ip"]
    for line in (
        ("recover", "--recovery-key", "recovery.pem", *BY, *words, token),
        ("erase", "--subject", BOB, "--yes", *BY, *words),
        ("token", "--domain", "ip", *BY, *words),
    ):
        done = loaded.ask(*line, code=2, stdin=IP)
        assert "looks like personal data" in done.stderr
        assert done.stdout == ""
    assert audit(loaded) == []
    assert leaks(loaded, own_log) == {}


def test_a_subject_in_the_wrong_place_is_not_repeated(loaded: Governed) -> None:
    for line in (
        ("erase", "--subject", "-", *BY, ANNA),
        ("erase", "--subject", "-", *BY, ANNA, IP),
        ("audit", "list", ANNA),
    ):
        done = loaded.ask(*line, code=2)
        assert "extra argument" in done.stderr
        assert ANNA not in done.stderr
        assert IP not in done.stderr


def test_a_reason_that_names_the_subject_is_refused(loaded: Governed) -> None:
    done = loaded.ask("erase", "--subject", ANNA, "--yes", *BY, "--purpose", f"{ANNA} wants it", code=2)
    assert "name the subject" in done.stderr
    assert ANNA not in done.stderr
    assert (audit(loaded), loaded.count("user_logins")) == ([], 2)


def test_an_erasure_takes_keys_rows_and_quarantine_and_spares_the_others(own_log: OwnLog, loaded: Governed) -> None:
    tokens, others = loaded.row(ANNA), loaded.row(BOB)
    receipt = loaded.erase(ANNA)
    assert receipt["vault"] == {"keys": 1, "values": 1}
    assert receipt["tables"] == {"user_logins": 1}
    assert (receipt["quarantine"]["examined"], receipt["quarantine"]["purged"]) == (4, 2)
    assert receipt["complete"]
    assert receipt["backups_until"]
    assert [row["user_id"] for row in loaded.query("SELECT user_id FROM user_logins")] == [BOB]
    assert loaded.count("sofetch.quarantine") == 2
    assert loaded.recover(tokens["masked_ip"], code=5)[0]["outcome"] == "erased"
    assert loaded.recover(others["masked_ip"])[0]["values"] == ["203.0.113.82"]
    assert [row["action"] for row in audit(loaded)] == ["erase", "erased", "recover", "recover"]
    verified = json.loads(loaded.ask("audit", "verify", "--expect-head", receipt["audit"][1], "--json").stdout)
    assert verified["intact"]
    assert ANNA not in json.dumps(receipt)
    assert leaks(loaded, own_log) == {}


def test_after_an_erasure_neither_the_dump_nor_the_recovery_key_gives_the_value_back(loaded: Governed) -> None:
    private = parse_recovery_key((loaded.folder / "recovery.pem").read_bytes())
    before = stored_values(loaded)
    assert sorted(open_value(one, private) or "" for one in before) == [IP, "203.0.113.82"]
    loaded.erase(ANNA)
    after = stored_values(loaded)
    assert [open_value(one, private) for one in after] == ["203.0.113.82"]
    # A copy of the sealed values that was kept aside does not open with the keys that are left.
    for kept in before:
        for left in after:
            forged = StoredValue(
                subject=kept.subject, domain=kept.domain, token=kept.token, origin=kept.origin, key_id=kept.key_id,
                wrapped=left.wrapped, sealed=kept.sealed, first_seen=kept.first_seen,
            )  # fmt: skip
            assert open_value(forged, private) != IP


def stored_values(world: Governed) -> list[StoredValue]:
    """Every value that the vault's tables hold with its key, as a thief of the database would have it."""
    with psycopg.connect(world.vault_dsn) as connection:
        rows = connection.execute(
            "SELECT v.subject, v.domain, v.token, v.origin, v.key_id, k.wrapped, v.sealed, v.first_seen"
            " FROM sofetch_vault.value AS v JOIN sofetch_vault.subject_key AS k USING (key_id)"
        ).fetchall()
    return [
        StoredValue(
            subject=row[0], domain=row[1], token=row[2], origin=row[3], key_id=row[4].bytes, wrapped=row[5],
            sealed=row[6], first_seen=row[7],
        )
        for row in rows
    ]  # fmt: skip


def test_an_erasure_may_be_run_again_and_ends_one_that_was_cut_off(loaded: Governed) -> None:
    loaded.execute("ALTER TABLE sofetch.quarantine RENAME TO away")
    loaded.ask("erase", "--subject", ANNA, "--yes", *BY, code=3)
    assert loaded.count("user_logins") == 1
    loaded.execute("ALTER TABLE sofetch.away RENAME TO quarantine")
    receipt = loaded.erase(ANNA)
    assert (receipt["tables"], receipt["quarantine"]["purged"]) == ({"user_logins": 0}, 2)
    again = loaded.erase(ANNA)
    assert (again["vault"], again["quarantine"]["purged"]) == ({"keys": 0, "values": 0}, 0)
    assert [row["action"] for row in audit(loaded)] == ["erase", "erase", "erased", "erase", "erased"]


def test_a_dry_run_counts_and_changes_nothing(loaded: Governed) -> None:
    receipt = loaded.erase(ANNA, "--dry-run")
    assert (receipt["vault"], receipt["tables"]) == ({"keys": 1, "values": 1}, {"user_logins": 1})
    assert (receipt["quarantine"]["purged"], receipt["complete"]) == (2, False)
    assert loaded.count("user_logins") == 2
    assert loaded.recover(loaded.row(ANNA)["masked_ip"])[0]["values"] == [IP]
    assert [row["action"] for row in audit(loaded)] == ["preview", "recover"]


def test_randomised_rows_stay_and_join_with_nothing(loaded: Governed) -> None:
    more = '[[erasure.table]]\nname = "visits"\nsubject_column = "visitor"\ntoken_columns = ["token", "address", "n"]\n'
    loaded.configure(erasure=f'mode = "randomise"\n{more}')
    before = loaded.row(ANNA)
    loaded.execute("CREATE TABLE public.visits (visitor text, token varchar(20), address inet, n int, kept text)")
    visitors = f"ARRAY['{ANNA}', ' {BOB}', '{ANNA}']"
    loaded.execute(f"INSERT INTO public.visits SELECT u, 't', '10.0.0.1', 7, 'kept' FROM unnest({visitors}) AS u")
    receipt = loaded.erase(ANNA)
    assert receipt["tables"] == {"user_logins": 1, "visits": 2}
    assert loaded.count("user_logins") == 2
    [row] = loaded.query("SELECT * FROM user_logins WHERE user_id <> %s", [BOB])
    assert row["user_id"].startswith("h1.k1.")
    assert not {str(value) for value in row.values()} & {ANNA, *before.values()}
    visits = loaded.query(
        "SELECT visitor, token, host(address) AS address, n, kept FROM public.visits ORDER BY kept, n"
    )
    assert len({visit["visitor"] for visit in visits}) == 3
    assert [visit["n"] for visit in visits] == [7, None, None]
    assert all(len(visit["token"]) == 20 and ":" in visit["address"] for visit in visits[1:])
    assert loaded.erase(ANNA)["tables"] == {"user_logins": 0, "visits": 0}


def test_rows_of_another_table_are_found_by_the_subjects_token_there(loaded: Governed) -> None:
    token = loaded.ask("token", "--domain", "person", *BY, ANNA).stdout.strip()
    loaded.execute(f"CREATE TABLE public.orders AS SELECT '{token}'::text AS who UNION ALL SELECT 'h1.k1.other'")
    loaded.configure(erasure='[[erasure.table]]\nname = "orders"\nsubject_column = "who"\ndomain = "person"\n')
    assert loaded.erase(ANNA)["tables"] == {"user_logins": 1, "orders": 1}
    assert loaded.count("public.orders") == 1


@pytest.mark.parametrize(
    "table",
    ['name = "missing"\nsubject_column = "x"', 'name = "user_logins"\nsubject_column = "no_such_column"'],
)
def test_an_erasure_that_could_not_be_finished_is_not_begun(loaded: Governed, table: str) -> None:
    loaded.configure(erasure=f"[[erasure.table]]\n{table}\n")
    loaded.ask("erase", "--subject", ANNA, "--yes", *BY, code=3)
    assert loaded.count("user_logins") == 2
    assert audit(loaded) == []
    assert loaded.recover(loaded.row(ANNA)["masked_ip"])[0]["values"] == [IP]


def test_the_subject_comes_on_standard_input_and_nobody_is_erased_unconfirmed(loaded: Governed) -> None:
    loaded.ask("erase", "--subject", ANNA, *BY, code=2)
    done = loaded.ask("erase", "--subject", "-", "--yes", *BY, stdin=f"{ANNA}\n")
    assert json.loads(done.stdout)["tables"] == {"user_logins": 1}


def approver(world: Governed, name: str) -> str:
    """A key pair of an approver's, made as the documentation says; the lines of its public half for the config."""
    key = world.folder / f"{name}.pem"
    with os.fdopen(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
        file.write(
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519"], capture_output=True, check=True).stdout
        )
    public = subprocess.run(["openssl", "pkey", "-in", str(key), "-pubout"], capture_output=True, text=True, check=True)
    return f'[[recovery.approver]]\nname = "{name}"\npublic_key = "{public.stdout.splitlines()[1]}"\n'


def test_a_file_that_cannot_serve_is_called_what_it_is(loaded: Governed) -> None:
    loaded.configure(recovery=f"approvals = 1\n{approver(loaded, 'bo')}")
    token = loaded.row(ANNA)["masked_ip"]
    loaded.ask("recover", "--prepare", "r.json", *BY, token)
    (loaded.folder / "bo.pem").chmod(0o644)
    (loaded.folder / "recovery.pem").chmod(0o644)
    said = {
        "bo.pem": loaded.ask("recover", "--approve", "r.json", "--key", "bo.pem", code=4),
        "none.pem": loaded.ask("recover", "--approve", "r.json", "--key", "none.pem", code=4),
        "r.json": loaded.ask("recover", "--prepare", "r.json", *BY, token, code=4),
    }
    loaded.configure()
    said["recovery.pem"] = loaded.ask("recover", "--recovery-key", "recovery.pem", *BY, token, code=4)
    for name, done in said.items():
        assert name in done.stderr
        assert "keyring" not in done.stderr.lower()
        assert "lost for good" not in done.stderr


def test_a_second_person_approves_and_the_request_is_good_once(loaded: Governed) -> None:
    approvers = approver(loaded, "bo") + approver(loaded, "ana")
    loaded.configure(recovery=f"approvals = 1\n{approvers}")
    token = loaded.row(ANNA)["masked_ip"]
    key = ("--recovery-key", "recovery.pem")
    assert "needs 1 approval" in loaded.ask("recover", *key, *BY, token, code=2).stderr
    loaded.ask("recover", "--prepare", "r.json", *BY, token)
    assert (loaded.folder / "r.json").stat().st_mode & 0o777 == 0o600
    assert "0 of the 1" in loaded.ask("recover", "--request", "r.json", *key, code=2).stderr
    assert "their own" in loaded.ask("recover", "--approve", "r.json", "--key", "ana.pem", code=2).stderr
    assert token in loaded.ask("recover", "--approve", "r.json", "--key", "bo.pem").stdout
    altered = (loaded.folder / "r.json").read_text().replace(token, loaded.row(BOB)["masked_ip"])
    (loaded.folder / "altered.json").write_text(altered)
    assert "0 of the 1" in loaded.ask("recover", "--request", "altered.json", *key, code=2).stderr
    loaded.ask("recover", "--request", "r.json", *key, "--purpose", "another", code=2)
    assert IP in loaded.ask("recover", "--request", "r.json", *key).stdout
    again = loaded.ask("recover", "--request", "r.json", *key, code=2)
    assert again.stdout == ""
    assert "used already, see audit row 1" in again.stderr
    assert len(audit(loaded)) == 1
    assert "approvers: bo" in loaded.ask("audit", "list").stdout
