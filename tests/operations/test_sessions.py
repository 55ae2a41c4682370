"""Sessions: ended by time, by want of use, by their person; renewed under another token."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.base.problems import NotFound
from counterfoil.operations.access import sessions
from counterfoil.operations.access.access import SessionOver, SessionRules, open_session, session_caller
from tests.people import log_in_as

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RULES = SessionRules(life=timedelta(hours=12), idle=timedelta(hours=1), fresh=timedelta(minutes=5))


@pytest.fixture
def mira(conn):
    caller, _ = log_in_as(conn, "mira", "viewer", at=NOW, life=timedelta(minutes=1))
    return caller._replace(session_id=None)


def opened(conn, caller, token, *, at=NOW, rules=RULES):
    return open_session(conn, caller, f"ses_{token}", token, "csrf", now=at, rules=rules, address="10.0.0.1", agent="a browser")


def test_a_session_that_nobody_uses_ends_and_one_that_is_used_goes_on_until_its_time(conn, mira):
    opened(conn, mira, "one")
    at = NOW
    while at < NOW + timedelta(hours=11, minutes=30):
        at += timedelta(minutes=50)
        session_caller(conn, "one", now=at)
        sessions.note_use(conn, "one", now=at)
    with pytest.raises(SessionOver):
        session_caller(conn, "one", now=NOW + RULES.life)
    opened(conn, mira, "two")
    session_caller(conn, "two", now=NOW + timedelta(minutes=59))
    with pytest.raises(SessionOver):
        session_caller(conn, "two", now=NOW + timedelta(hours=1))


def test_use_is_written_down_once_a_minute(conn, mira):
    opened(conn, mira, "one")
    seen = []
    for seconds in (30, 61, 90):
        sessions.note_use(conn, "one", now=NOW + timedelta(seconds=seconds))
        (one,) = [one for one in sessions.open_sessions(conn, mira.principal_id, now=NOW) if one.id == "ses_one"]
        seen.append((one.seen_at - NOW).total_seconds())
    assert seen == [0, 61, 61]


def test_what_is_open_is_listed_and_ended_by_its_own_person_alone(conn, mira):
    noah, _ = log_in_as(conn, "noah", at=NOW)
    opened(conn, mira, "one")
    opened(conn, mira, "two", at=NOW + timedelta(minutes=2))
    at = NOW + timedelta(minutes=3)
    shown = sessions.open_sessions(conn, mira.principal_id, now=at)
    assert [(one.id, one.address, one.agent) for one in shown] == [(f"ses_{n}", "10.0.0.1", "a browser") for n in ("two", "one")]
    with pytest.raises(NotFound):
        sessions.end_session(conn, noah.principal_id, "ses_one", now=at)
    sessions.end_session(conn, mira.principal_id, "ses_one", now=at)
    with pytest.raises(SessionOver):
        session_caller(conn, "one", now=at)
    assert [one.id for one in sessions.open_sessions(conn, mira.principal_id, now=at)] == ["ses_two"]
    assert sessions.end_other_sessions(conn, mira.principal_id, but=None, now=at) == 1


def test_a_session_that_is_renewed_has_another_token_and_the_same_end(conn, mira):
    caller = opened(conn, mira, "one")
    at = NOW + timedelta(hours=11)
    sessions.note_use(conn, "one", now=at)
    ends = sessions.renew_session(conn, caller._replace(with_factor=True), "ses_new", "new", "other", now=at, rules=RULES)
    assert ends == NOW + RULES.life
    with pytest.raises(SessionOver):
        session_caller(conn, "one", now=at)
    assert session_caller(conn, "new", now=at)[1] == "other"
    with pytest.raises(SessionOver):
        session_caller(conn, "new", now=ends)
    with pytest.raises(SessionOver):
        sessions.renew_session(conn, caller, "ses_again", "again", None, now=at, rules=RULES)


def test_nobody_makes_a_session_longer_or_gives_it_a_second_factor_later(conn, mira):
    opened(conn, mira, "one")
    for change in ("expires_at = expires_at + interval '1 hour'", "factor_until = now()", "idle_s = null", "principal_id = 'prn_x'"):
        with pytest.raises(psycopg.Error), conn.transaction():
            conn.execute(f"update session set {change} where id = 'ses_one'".encode())
