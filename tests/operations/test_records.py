"""What is recorded of access, and when somebody waits: counted for everybody together, in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.operations.access import records
from counterfoil.operations.access.principals import skeleton

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def fail(conn, name, address, times=1, at=NOW):
    for _ in range(times):
        records.count_failure(conn, list(records.buckets_of(skeleton(name), address)), now=at)


def waits(conn, name, address, at=NOW):
    try:
        records.refuse_if_many(conn, records.buckets_of(skeleton(name), address), now=at)
    except records.TooManyAttempts as refused:
        return refused.facts["wait_seconds"]
    return None


def test_five_failures_of_a_name_from_an_address_wait_and_nobody_else_does(conn):
    fail(conn, "mira", "10.0.0.1", records.OF_NAME_AND_ADDRESS)
    assert waits(conn, "mira", "10.0.0.1") == 301
    assert waits(conn, "MIRA", "10.0.0.1"), "another way to write the name is no other name"
    assert waits(conn, "mira", "10.0.0.2") is None
    assert waits(conn, "noah", "10.0.0.1") is None
    assert waits(conn, "mira", "10.0.0.1", NOW + timedelta(minutes=5)) is None


def test_a_name_that_is_guessed_from_many_addresses_waits_everywhere(conn):
    for number in range(records.OF_NAME):
        fail(conn, "mira", f"10.0.1.{number}")
    assert waits(conn, "mira", "192.0.2.7")
    assert waits(conn, "noah", "192.0.2.7") is None


def test_an_address_that_guesses_many_names_waits_for_all_of_them(conn):
    for number in range(records.OF_ADDRESS):
        fail(conn, f"guess {number}", "10.0.0.1")
    assert waits(conn, "noah", "10.0.0.1")
    assert waits(conn, "noah", "10.0.0.2") is None


def test_keys_of_one_address_do_not_lock_out_another_until_they_are_very_many(conn):
    fail(conn, "", "a", records.OF_NAME_AND_ADDRESS)
    assert waits(conn, "", "a")
    assert waits(conn, "", "b") is None
    for number in range(records.OF_ALL):
        fail(conn, "", f"x{number}")
    assert waits(conn, "", "b")
    assert waits(conn, "mira", "b") is None, "failures with keys lock nobody out who has a name"


def test_old_windows_are_forgotten(conn):
    fail(conn, "mira", "10.0.0.1", 3)
    fail(conn, "noah", "10.0.0.2", at=NOW + timedelta(minutes=11))
    assert conn.execute("select count(*) from access_attempt where began_at = %s", [NOW]).fetchone() == (0,)


def test_a_record_is_cleaned_and_never_changed(conn):
    event = records.AccessEvent(
        "acc_1", NOW, "login_failed", "a\x1b[31m\x00" + "x" * 500, None, None, "::1", "POST", "/api/logins", None, "r"
    )
    records.record_access(conn, event)
    (kept,) = records.list_access(conn, rows_max=5)
    assert kept.name.startswith("a��".replace("��", "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"))
    assert len(kept.name) == records.TEXT_MAX
    with pytest.raises(psycopg.Error), conn.transaction():
        conn.execute("delete from access_event")
