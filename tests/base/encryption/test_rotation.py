"""Rows of before, written in clear, and rows under an older key: brought under the current one, whatever happens on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, entropy
from counterfoil.base.encryption import rotation
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.encryption.keys import EncryptionKeyMissing, EncryptionKeys, id_of, parse_keys
from counterfoil.base.encryption.standing import (
    EncryptionKeysUnset,
    check_encryption,
    refuse_unknown_keys,
    rows_by_key,
    unopened,
)
from counterfoil.base.invariant import run_invariants
from counterfoil.base.migrations.runner import FOLDER, OWNER, files, migrate
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import InvariantBroken
from counterfoil.cli.local.crash_drill import ARMED, REACHED
from counterfoil.operations.webhooks.inbound import receive, received_by_id
from counterfoil.payouts.destinations.destinations import active_destinations, set_destination
from counterfoil.payouts.destinations.tokens import CONFIDENTIAL as DESTINATION
from counterfoil.payouts.destinations.tokens import not_as_agreed, tokens_of
from counterfoil.payouts.payment_files.files import download_payment_file
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST
from counterfoil.wiring import CONFIDENTIAL, INVARIANTS
from tests.cli.test_processes import within
from tests.conftest import EMPTY, NOW, copy_template
from tests.listed import newest

BEFORE = next(one.number for one in files(FOLDER) if one.name.endswith("_confidential.sql")) - 1  # the last that kept it in clear
LINES = 1_200  # more than two batches
ROWS = LINES + 7
TOKEN, PERSON, BODY = "acct_DE89370400440532013000", "Frida Kahlo", b'{"id": "evt_1", "payee": "Frida Kahlo"}'
FILE = b"<IBAN>DE89370400440532013000</IBAN>"
OLD, NEW = new_key(entropy), new_key(entropy)


def keys(*texts: str, lost: tuple[bytes, ...] = ()) -> EncryptionKeys:
    return EncryptionKeys(parse_keys(",".join(texts)), entropy, lost=lost)


def owner(url: str, *texts: str) -> Database:
    return Database(url, role=OWNER, connections_max=4, keys=keys(*texts)).open()


@pytest.fixture
def before(make_database_url: Any, of_before: str) -> str:
    """A database of this test's own, as it was."""
    url: str = make_database_url(like=of_before)
    return url


@pytest.fixture(scope="module")
def of_before(server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """As it was, with a payee, an attempt, a webhook, and a bank's lines in clear; migrated to now. Made once: it takes seconds."""
    name = f"of_before_{os.getpid()}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        copy_template(conn, name, template=EMPTY)
    url, folder = server.url_of(name), tmp_path_factory.mktemp("before")
    for one in files(FOLDER):
        if one.number <= BEFORE:
            shutil.copy(FOLDER / one.name, folder)
    shutil.copy(FOLDER / "grants.sql", folder)
    migrate(url, folder=folder)
    with psycopg.connect(url) as conn:
        conn.execute("insert into program (id, name, opened_at) values ('main', 'Main', %s)", [NOW])
        conn.execute("insert into asset (code, scale) values ('EUR', 2) on conflict do nothing")
        conn.execute(
            """insert into destination (id, program_id, payee_id, provider, token, actor, created_at, ended_at) values
               ('dst_0', 'main', 'frida', 'sim', 'acct_of_before', 't', %s, %s), ('dst_1', 'main', 'frida', 'sim', %s, 't', %s, null),
               ('dst_2', 'main', 'diego', 'sim', 'acct_diego', 't', %s, null)""",
            [NOW, NOW, TOKEN, NOW, NOW],
        )
        conn.execute(
            """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
               values ('po_1', 'main', 'frida', 'i', 's', 'k', 'EUR', 100, %s, 'processing', %s)""",
            [NOW, NOW],
        )
        conn.execute(
            """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination, asset, amount,
                      payload_sha256, created_at, state, state_at)
               values ('pp_1', 'po_1', 'main', 1, 'sim', 'k-1', %s, 'EUR', 100, %s, %s, 'unknown', %s)""",
            [TOKEN, bytes(32), NOW, NOW],
        )
        conn.execute(
            """insert into payout_approval (provider_payout_id, payout_id, program_id, basis, destination_id, amount, at)
               values ('pp_1', 'po_1', 'main', 'none', 'dst_1', 100, %s)""",
            [NOW],
        )
        conn.execute(
            """insert into payment_file (id, provider, program_id, asset, orders, amount, body, sha256, execute_on, created_at,
                                         state, state_at)
               values ('pf_1', 'sepa', 'main', 'EUR', 1, 100, %s, sha256(%s), '2026-11-20', %s, 'made', %s)""",
            [FILE, FILE, NOW, NOW],
        )
        conn.execute(
            """insert into bank_report (id, provider, program_id, file_id, format, file_name, body, sha256, told, actor, at)
               values ('br_1', 'sepa', 'main', 'pf_1', 'pain.002', 'f', %s, sha256(%s), '{}', 't', %s)""",
            [FILE, FILE, NOW],
        )
        conn.execute(
            """insert into webhook_in (id, provider, event_id, event_type, body, body_sha256, received_at, state, state_at)
               values ('whi_1', 'sim', 'evt_1', 'x', %s, sha256(%s), %s, 'received', %s)""",
            [BODY, BODY, NOW, NOW],
        )
        conn.execute(
            """insert into bank_file (id, program_id, account, file_name, sha256, format, records, new, known, rejected, actor, at)
               values ('bf_1', 'main', 'cash:bank:own', 'f', '\\x01', 'csv', %s, %s, 0, %s, 't', %s)""",
            [LINES, LINES, json.dumps([{"line": 9, "raw": f"2026-13-45,{PERSON}"}]), NOW],
        )
        conn.execute(
            """insert into bank_line (program_id, account, key, asset, amount, booked_on, reference, counterparty, memo, file_id, line)
               select 'main', 'cash:bank:own', sha256(int4send(n)), 'EUR', n, '2026-11-01', 'r' || n, %s, null, 'bf_1', n
               from generate_series(1, %s) n""",
            [PERSON, LINES],
        )
    with psycopg.connect(url) as conn:  # somebody edited a record past the rules, before
        conn.execute("set session_replication_role = replica")
        conn.execute("alter table destination disable trigger user")
        conn.execute("update destination set token = 'acct_thief' where id = 'dst_2'")
        conn.execute("alter table destination enable trigger user")
        conn.execute("alter table destination enable always trigger is_sealed")
    migrate(url)
    return name


def everything(url: str) -> bytes:
    """Every row of every table, as PostgreSQL would dump it, bytes as they are."""
    found = []
    with psycopg.connect(url) as conn:
        conn.execute("set bytea_output = 'escape'")
        tables = conn.execute("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'm')")
        for (table,) in tables.fetchall():
            found += [row[0] for row in conn.execute(f'select t::text from "{table}" t'.encode()).fetchall()]
    return "\n".join(found).encode()


def by_key(database: Database) -> dict[bytes | None, int]:
    with database.transaction() as conn:
        found: dict[bytes | None, int] = {}
        for one in rows_by_key(conn, CONFIDENTIAL):
            found[one.key] = found.get(one.key, 0) + one.rows
    return found


def test_rows_of_before_are_readable_then_encrypted_and_nothing_of_them_is_left_in_clear(before: str) -> None:
    database = owner(before, OLD)
    current = database.keys.current  # type: ignore[union-attr]
    assert all(word in everything(before) for word in (TOKEN.encode(), PERSON.encode(), b"evt_1"))
    with database.transaction() as conn:
        assert tokens_of(conn, ["dst_1"]) == {"dst_1": TOKEN}
        assert conn.execute("select destination_id, destination from provider_payout").fetchall() == [("dst_1", None)]
        said = check_encryption(conn, CONFIDENTIAL, keys(OLD))
        assert (said.how, f"{LINES} bank lines" in said.said, said.said.endswith(" in clear")) == ("bad", True, True)
    seen: list[tuple[int, int]] = []
    done = rotation.rotate(database.transaction, CONFIDENTIAL, keys(OLD), shown=lambda *one: seen.append(one))
    assert (done, seen[-1]) == (rotation.Rotated(ROWS, []), (ROWS, ROWS))
    assert rotation.rotate(database.transaction, CONFIDENTIAL, keys(OLD)) == rotation.Rotated(0, [])
    assert by_key(database) == {current: ROWS}
    left = everything(before)
    assert not any(word in left for word in (TOKEN.encode(), b"acct_of_before", PERSON.encode(), b"2026-13-45", b"<IBAN>"))
    with database.transaction() as conn:
        assert tokens_of(conn, ["dst_0", "dst_1"]) == {"dst_0": "acct_of_before", "dst_1": TOKEN}
        assert received_by_id(conn, ["whi_1"])[0].body == BODY
        (file,) = newest(conn, BANK_FILE_LIST)
        assert file.rejected == [{"line": 9, "raw": f"2026-13-45,{PERSON}"}]
        assert download_payment_file(conn, "pf_1", actor="t", now=NOW) == FILE
        assert conn.execute("select rejected_count from bank_file").fetchone() == (1,)
        assert check_encryption(conn, CONFIDENTIAL, keys(OLD)).how == "good"
        assert list(unopened(conn, CONFIDENTIAL)) == []
    with psycopg.connect(before) as conn:  # what stood beside another seal still does, and nothing else
        broken = conn.execute("select relation, row_id from broken_seals()").fetchall()
    assert broken == [("destination", "dst_2")]
    database.close()


def test_a_webhook_of_before_that_comes_again_is_known_and_with_another_body_a_conflict(before: str) -> None:
    database = Database(before, keys=keys(OLD)).open()
    what: dict[str, Any] = {"provider": "sim", "event_id": "evt_1", "event_type": "x", "now": NOW}
    with database.transaction() as conn:
        assert not receive(conn, "whi_2", body=b'{"payee":"Frida Kahlo","id":"evt_1"}', **what)
        assert not receive(conn, "whi_3", body=b"{}", **what)
        assert conn.execute("select duplicates, conflicts from webhook_in").fetchall() == [(2, 1)]
    database.close()


def test_rows_come_under_a_new_key_with_two_processes_at_once_and_a_row_that_does_not_open_stays_and_is_named(
    before: str,
) -> None:
    database = owner(before, NEW, OLD)
    rotation.rotate(database.transaction, CONFIDENTIAL, keys(OLD))
    with psycopg.connect(before) as conn:
        conn.execute("update destination d set envelope = o.envelope from destination o where (d.id, o.id) = ('dst_2', 'dst_1')")
    with ThreadPoolExecutor(2) as two:
        both = list(two.map(lambda _: rotation.rotate(database.transaction, CONFIDENTIAL, keys(NEW, OLD)), range(2)))
    assert sum(one.rows for one in both) == ROWS - 1, "each row once"
    assert {one[:2] for each in both for one in each.unopened} == {("destination", "dst_2")}
    with database.transaction() as conn:
        assert [one[:2] for one in unopened(conn, CONFIDENTIAL)] == [("destination", "dst_2")]
        (found,) = [one for one in run_invariants(conn, INVARIANTS) if one.code == "ENVELOPE_UNOPENED"]
        assert found.shown == [f"destination dst_2 does not open with key {keys(OLD).current.hex()}"]
        shown = {one.id: one.token for one in active_destinations(conn, "main", ["frida", "diego"]).values()}
    assert shown == {"dst_1": TOKEN, "dst_2": None}, "one that does not open hides no other"
    database.close()


def test_nothing_starts_with_keys_that_do_not_open_what_is_there_unless_they_are_said_to_be_lost(before: str) -> None:
    database = owner(before, OLD)
    rotation.rotate(database.transaction, CONFIDENTIAL, keys(OLD))
    old = id_of(parse_keys(OLD)[0])
    with database.transaction() as conn:
        with pytest.raises(EncryptionKeysUnset, match=old.hex()):
            refuse_unknown_keys(conn, CONFIDENTIAL, keys(NEW))
        assert check_encryption(conn, CONFIDENTIAL, keys(NEW)).how == "bad"
        refuse_unknown_keys(conn, CONFIDENTIAL, keys(NEW, lost=(old,)))
        assert check_encryption(conn, CONFIDENTIAL, keys(NEW, lost=(old,))).how == "warning"
        assert check_encryption(conn, CONFIDENTIAL, keys(NEW, OLD)).how == "warning"
    with pytest.raises(psycopg.DatabaseError, match="kept encrypted"), database.transaction() as conn:
        conn.execute("update destination set envelope = null where id = 'dst_1'")
    with pytest.raises(psycopg.DatabaseError, match="kept encrypted"), database.transaction() as conn:
        conn.execute("update bank_line set memo = 'x'")
    database.close()


def rotated(url: str, *texts: str) -> None:
    database = owner(url, *texts)
    rotation.rotate(database.transaction, CONFIDENTIAL, keys(*texts))
    database.close()


def agreed(url: str) -> str:
    """A destination that is set now, under the old key, with the fingerprint of its account."""
    database = Database(url, keys=keys(OLD)).open()
    with database.transaction() as conn:
        made = set_destination(conn, "dst_9", program_id="main", payee_id="lola", provider="sim", token="acct_lola", actor="t", now=NOW)
    database.close()
    rotated(url, OLD)  # what lies in clear
    return made.id


def written(url: str, destination_id: str, token: str, *texts: str) -> None:
    """Somebody who has the keys writes another account."""
    with psycopg.connect(url) as conn:
        envelope = DESTINATION.encrypted(keys(*texts), [destination_id], [token])
        assert conn.execute("update destination set envelope = %s where id = %s", [envelope, destination_id]).rowcount == 1


def test_what_was_agreed_on_comes_under_the_new_key_too_and_is_held_against_the_account_once_the_old_key_is_gone(before: str) -> None:
    one = agreed(before)
    rotated(before, NEW, OLD)
    database = owner(before, NEW)
    with database.transaction() as conn:
        refuse_unknown_keys(conn, CONFIDENTIAL, keys(NEW))
        assert {each.key for each in rows_by_key(conn, CONFIDENTIAL)} == {keys(NEW).current}
        assert (tokens_of(conn, [one]), not_as_agreed(conn)) == ({one: "acct_lola"}, [])
    written(before, one, "acct_thief", NEW)
    with database.transaction() as conn:
        assert not_as_agreed(conn) == [(one, "lola", "another account")]
        with pytest.raises(InvariantBroken, match="agreed on"):
            tokens_of(conn, [one])
    database.close()


def test_an_account_that_was_changed_before_a_rotation_is_not_made_to_look_agreed_by_it(before: str) -> None:
    one = agreed(before)
    written(before, one, "acct_thief", OLD)
    database = owner(before, NEW, OLD)
    done = rotation.rotate(database.transaction, CONFIDENTIAL, keys(NEW, OLD))
    assert [each[:2] for each in done.unopened] == [("destination", one)]
    assert "agreed on" in done.unopened[0][2]
    assert by_key(database)[keys(OLD).current] == 1, "it stays as it is"
    with database.transaction() as conn:
        assert not_as_agreed(conn) == [(one, "lola", "another account")]
    database.close()


def test_an_old_key_that_only_a_fingerprint_needs_is_asked_for_until_it_is_said_to_be_lost(before: str) -> None:
    one, old = agreed(before), keys(OLD).current
    rotated(before, NEW, OLD)
    with psycopg.connect(before) as conn:  # as a rotation of before left it
        conn.execute("alter table destination disable trigger fingerprint_goes_with_envelope")
        conn.execute("update destination set fingerprint = %s where id = %s", [DESTINATION.fingerprints(keys(OLD), ["acct_lola"])[0], one])
        conn.execute("alter table destination enable trigger fingerprint_goes_with_envelope")
    database = owner(before, NEW)
    with database.transaction() as conn:
        assert (old, 1) in [(each.key, each.rows) for each in rows_by_key(conn, CONFIDENTIAL)]
        assert check_encryption(conn, CONFIDENTIAL, keys(NEW)).how == "bad"
        with pytest.raises(EncryptionKeysUnset, match=old.hex()):
            refuse_unknown_keys(conn, CONFIDENTIAL, keys(NEW))
        with pytest.raises(EncryptionKeyMissing, match=old.hex()):
            tokens_of(conn, [one])
        assert [each[:2] for each in not_as_agreed(conn)] == [(one, "lola")]
        assert [each[:2] for each in unopened(conn, CONFIDENTIAL)] == [("destination", one)]
    assert [each[:2] for each in rotation.rotate(database.transaction, CONFIDENTIAL, keys(NEW)).unopened] == [("destination", one)]
    lost = Database(before, role=OWNER, connections_max=4, keys=keys(NEW, lost=(old,))).open()
    with lost.transaction() as conn:
        refuse_unknown_keys(conn, CONFIDENTIAL, keys(NEW, lost=(old,)))
        assert (tokens_of(conn, [one]), not_as_agreed(conn)) == ({one: "acct_lola"}, [])
    assert [each[:2] for each in rotation.rotate(lost.transaction, CONFIDENTIAL, keys(NEW, lost=(old,))).unopened] == [("destination", one)]
    assert rotation.rotate(database.transaction, CONFIDENTIAL, keys(NEW, OLD)) == rotation.Rotated(1, []), "its key is found again"
    assert by_key(database) == {keys(NEW).current: ROWS + 1}
    lost.close()
    database.close()


def test_a_fingerprint_is_never_changed_without_its_envelope(before: str) -> None:
    one = agreed(before)
    for key in (OLD, NEW):
        mark = DESTINATION.fingerprints(keys(key), ["acct_thief"])[0]
        with pytest.raises(psycopg.DatabaseError, match="renewed with its envelope"), psycopg.connect(before) as conn:
            conn.execute("update destination set fingerprint = %s where id = %s", [mark, one])


def test_every_confidential_table_says_the_same_in_python_and_in_the_database(conn: Any) -> None:
    for one in CONFIDENTIAL:
        rows = conn.execute(
            """select t.tgname, array(select attname::text from pg_attribute a where a.attrelid = t.tgrelid and a.attnum = any(t.tgattr))
               from pg_trigger t where tgrelid = %s::regclass and tgname in ('is_encrypted_anew', 'is_append_only')""",
            [one.relation],
        ).fetchall()
        guarded = dict(rows)
        assert sorted(guarded["is_encrypted_anew"]) == sorted(["envelope", *one.clear])
        key = conn.execute(
            """select array_agg(attname::text order by array_position(i.indkey, a.attnum)) from pg_index i
               join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
               where indrelid = %s::regclass and indisprimary""",
            [one.relation],
        ).fetchone()
        assert tuple(key[0]) == one.key
        if "is_append_only" in guarded:  # a column that a later migration adds must be guarded too
            columns = conn.execute(
                "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped",
                [one.relation],
            ).fetchall()
            assert {name for (name,) in columns} - set(guarded["is_append_only"]) == {"envelope", *one.clear}


def run(url: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    given = {
        "COUNTERFOIL_DATABASE_URL": url,
        "COUNTERFOIL_ENCRYPTION_KEYS": f"{NEW},{OLD}",
        "COUNTERFOIL_DRILL_FOLDER": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "encryption", *arguments],
        env={**environment, **given},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("point", ["encryption.before_commit", "encryption.after_commit"])
def test_a_rotation_that_is_killed_goes_on_where_it_was(before: str, tmp_path: Path, point: str) -> None:
    (tmp_path / ARMED).write_text(point)
    killed = run(before, tmp_path, "rotate")
    assert within(40, (tmp_path / REACHED).exists, lambda: killed.poll() is not None), killed.communicate()[0]
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL
    killed.communicate()
    (tmp_path / REACHED).unlink()
    database = owner(before, NEW, OLD)
    done = 3 if point == "encryption.after_commit" else 0  # the destinations are the first batch
    assert by_key(database).get(database.keys.current, 0) == done  # type: ignore[union-attr]
    again = run(before, tmp_path, "rotate")
    told, _ = again.communicate(timeout=60)
    assert again.returncode == 0, told
    assert f"{ROWS - done:,} rows are now under key {keys(NEW).current.hex()}" in told
    assert by_key(database) == {keys(NEW).current: ROWS}
    database.close()
