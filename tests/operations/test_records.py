"""What is recorded of access, and when somebody waits: counted for everybody together, in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.operations.access import records
from counterfoil.operations.access.access import open_session
from counterfoil.operations.access.audit_records import ACCESS_LIST
from counterfoil.operations.access.principals import skeleton
from tests.listed import newest
from tests.people import log_in_as

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def fail(conn, name, address, times=1, at=NOW):
    for _ in range(times):
        records.count_failure(conn, records.buckets_of(skeleton(name), address), now=at)


def waits(conn, name, address, at=NOW, *, known=False):
    try:
        with conn.transaction(force_rollback=True):
            records.count_attempt(conn, records.buckets_of(skeleton(name), address, known=known), now=at)
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
    assert waits(conn, "mira", "192.0.2.7", known=True) is None, "who guesses from elsewhere locks nobody out where they come from"


def test_each_round_of_failures_waits_longer_and_a_round_that_was_not_full_begins_again(conn):
    at = NOW
    for minutes in (5, 10, 20, 40, 80, 80):
        fail(conn, "mira", "10.0.0.1", records.OF_NAME_AND_ADDRESS, at)
        assert waits(conn, "mira", "10.0.0.1", at) == minutes * 60 + 1
        at += timedelta(minutes=minutes)
        assert waits(conn, "mira", "10.0.0.1", at) is None
    fail(conn, "mira", "10.0.0.1", 1, at)
    at += timedelta(minutes=80)
    fail(conn, "mira", "10.0.0.1", records.OF_NAME_AND_ADDRESS, at)
    assert waits(conn, "mira", "10.0.0.1", at) == 301


def test_what_was_no_failure_is_taken_back(conn):
    buckets = records.buckets_of("mira", "10.0.0.1")
    for _ in range(3 * records.OF_NAME_AND_ADDRESS):
        records.count_attempt(conn, buckets, now=NOW)
        records.take_back(conn, buckets)


def test_somebody_is_known_where_they_logged_in_by_name_and_for_thirty_days(conn):
    caller, _ = log_in_as(conn, "mira", at=NOW)
    open_session(conn, caller, "ses_known", "token", None, now=NOW, address="10.0.0.1")
    assert records.comes_from(conn, skeleton("mira"), "10.0.0.1", now=NOW)
    assert not records.comes_from(conn, skeleton("mira"), "10.0.0.2", now=NOW)
    assert not records.comes_from(conn, skeleton("noah"), "10.0.0.1", now=NOW)
    assert not records.comes_from(conn, skeleton("mira"), "", now=NOW), "no address is nobody's"
    assert not records.comes_from(conn, skeleton("mira"), "10.0.0.1", now=NOW + records.KNOWN_FOR)


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
    fail(conn, "noah", "10.0.0.2", at=NOW + timedelta(minutes=161))
    assert conn.execute("select count(*) from access_attempt where began_at = %s", [NOW]).fetchone() == (0,)


def test_a_record_is_cleaned_and_never_changed(conn):
    event = records.AccessEvent(
        "acc_1", NOW, "login_failed", "a\x1b[31m\x00" + "x" * 500, None, None, "::1", "POST", "/api/logins", None, "r"
    )
    records.record_access(conn, event)
    (kept,) = newest(conn, ACCESS_LIST, 5)
    assert kept.name.startswith("a��".replace("��", "\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}"))
    assert len(kept.name) == records.TEXT_MAX
    with pytest.raises(psycopg.Error), conn.transaction():
        conn.execute("delete from access_event")
