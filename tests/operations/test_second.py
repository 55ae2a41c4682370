"""A second administrator where one is left alone: announced at the server's machine, told to all, stopped by whoever may, begun later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import Database, make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput, NotFound, Problem, ReasonRequired
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access import access, logins, principals
from counterfoil.operations.access.administering import second
from counterfoil.operations.access.administering.second import GOOD_FOR, WAIT, SecondAdministrator
from counterfoil.operations.access.oidc import attempts

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DUE = NOW + WAIT
NUMBERS = count(1)
ISSUER = "https://login.example"


def a_person(conn: Connection[Any], name: str, *roles: str, password: bool = True, program_id: str | None = None) -> str:
    made = principals.create_principal(conn, f"prn_{name}", kind="person", name=name, by="t", now=NOW, program_id=program_id).id
    for role in roles:
        logins.grant_role(conn, f"grant_{name}_{role}", made, role, by="t", now=NOW)
    if password:
        conn.execute("insert into password (principal_id, hash, set_at) values (%s, 'x', %s)", [made, NOW])
    return made


def a_key(conn: Connection[Any], name: str, role: str, **more: Any) -> None:
    secret = access.new_secret((name.encode() * 25)[: access.SECRET_BYTES], live=False)
    access.create_key(conn, f"key_{name}", secret, name=name, role=role, by="t", now=NOW, **more)


def say(
    conn: Connection[Any], name: str = "eve", at: datetime = NOW, *, issuer: str = "", reason: str = "noah left"
) -> SecondAdministrator:
    def next_id(prefix: str) -> str:
        return f"{prefix}_{next(NUMBERS)}"

    return second.announce_or_begin(conn, name, reason=reason, by="local:anna", issuer=issuer, make_id=next_id, now=at)


def told(conn: Connection[Any]) -> list[tuple[str, str, str]]:
    return conn.execute(
        "select name, level, payload ->> 'title' from event where name like 'administrator@_%' escape '@' order by at, id"
    ).fetchall()


def test_one_who_is_left_alone_gets_a_second_after_three_days(conn):
    a_person(conn, "mira", "administrator"), a_person(conn, "eve")
    one = say(conn)
    assert (one.state(NOW), one.begins_at, one.lapses_at) == ("announced", DUE, DUE + GOOD_FOR)
    assert logins.roles_of(conn, "prn_eve") == []
    with pytest.raises(second.WaitNotOver, match="from_moment 2026-11-23T12:00:00"):
        say(conn, at=DUE - timedelta(seconds=1))
    begun = say(conn, at=DUE)
    assert (begun.id, begun.state(DUE), logins.roles_of(conn, "prn_eve")) == (one.id, "begun", ["administrator"])
    assert told(conn) == [
        ("administrator_announced", "critical", "eve is an administrator from 2026-11-23 12:00 UTC on, unless it is stopped before"),
        ("administrator_begun", "critical", "eve is an administrator from now on"),
    ]
    with pytest.raises(second.AdministratorsAgree, match="log_in eve, mira"):
        say(conn, "eve", DUE)


def test_what_was_stopped_or_lapsed_is_announced_anew_and_waits_anew(conn):
    a_person(conn, "mira", "administrator"), a_person(conn, "eve")
    one = say(conn)
    stopped = second.stop_second(conn, one.id, reason="who is eve?", by="person:mira", now=NOW)
    assert (stopped.state(DUE), stopped.stopped_by, stopped.stop_reason) == ("stopped", "person:mira", "who is eve?")
    assert told(conn)[-1] == ("administrator_stopped", "warning", "eve is no administrator: person:mira stopped it")
    with pytest.raises(second.AnnouncementOver, match="ended stopped"):
        second.stop_second(conn, one.id, reason="again", by="person:mira", now=NOW)
    other = say(conn, at=DUE)
    assert (other.id == one.id, other.begins_at) == (False, DUE + WAIT)
    late = other.lapses_at + timedelta(seconds=1)
    assert other.state(late) == "lapsed"
    assert say(conn, at=late).begins_at == late + WAIT
    assert [each.state(late) for each in second.announced(conn)] == ["announced", "lapsed", "stopped"]
    with pytest.raises(NotFound):
        second.stop_second(conn, "adm_nothing", reason="x", by="t", now=NOW)


def test_what_is_true_at_the_announcement_must_be_true_at_the_end(conn):
    a_person(conn, "mira", "administrator"), a_person(conn, "eve"), a_person(conn, "noah")
    say(conn)
    logins.grant_role(conn, "grant_noah", "prn_noah", "administrator", by="t", now=NOW)
    with pytest.raises(second.AdministratorsAgree):
        say(conn, at=DUE)
    principals.end_principal(conn, "prn_noah", now=DUE)
    principals.end_principal(conn, "prn_eve", now=DUE)
    with pytest.raises(principals.PrincipalEnded):
        say(conn, at=DUE)


def test_who_can_agree_or_is_locked_out_or_was_never_there_is_named_with_the_true_way(conn):
    a_person(conn, "eve")
    with pytest.raises(second.NeverAdministered):
        say(conn)
    a_person(conn, "mira", "administrator"), a_person(conn, "noah", "administrator", password=False)
    with pytest.raises(second.AdministratorLockedOut, match="locked_out noah"):
        say(conn)
    conn.execute("insert into login_subject values ('lnk_1', 'prn_noah', %s, 'n', 't', %s)", [ISSUER, NOW])
    with pytest.raises(second.AdministratorLockedOut, match="locked_out noah"):
        say(conn, issuer="https://another.example")  # a link to a provider that nobody logs in by is no way in
    with pytest.raises(second.AdministratorsAgree, match="log_in mira, noah"):
        say(conn, issuer=ISSUER)
    principals.end_principal(conn, "prn_noah", now=NOW)
    a_key(conn, "ops", "administrator")
    with pytest.raises(second.AdministratorsAgree, match="by_key True"):
        say(conn)  # the key proposes, and mira approves


def test_only_somebody_who_could_administer_is_announced(conn):
    open_program(conn, "north", name="north", assets=[Asset("EUR", 2)], now=NOW)
    a_person(conn, "mira", "administrator"), a_person(conn, "vera", "approver"), a_person(conn, "nora", program_id="north")
    a_person(conn, "kim", password=False)
    with pytest.raises(NotFound):
        say(conn, "nobody")
    with pytest.raises(access.RoleConflict):
        say(conn, "vera")
    with pytest.raises(InvalidInput, match="sees every program"):
        say(conn, "nora")
    with pytest.raises(InvalidInput, match="another person than who administers"):
        say(conn, "mira")
    with pytest.raises(second.CannotLogIn):
        say(conn, "kim")
    logins.invite(conn, "prn_kim", b"k" * 41, now=NOW)
    with pytest.raises(second.CannotLogIn):
        say(conn, "kim")  # whoever holds the one-time secret might be mira herself
    attempts.link_subject(conn, "lnk_kim", "prn_kim", issuer="https://of-before.example", subject="k", by="t", now=NOW)
    with pytest.raises(second.CannotLogIn):
        say(conn, "kim", issuer=ISSUER)  # a link to a provider that nobody logs in by proves nobody either
    with pytest.raises(ReasonRequired):
        say(conn, reason=" ")
    with pytest.raises(InvalidInput, match="2000"):
        say(conn, reason="x" * 2001)
    assert second.announced(conn) == []


def test_as_many_are_announced_at_once_as_are_lacking(conn):
    a_person(conn, "mira", "administrator")
    for name in ("eve", "kim", "olaf"):
        a_person(conn, name)
    say(conn)
    with pytest.raises(second.AdministratorAnnounced, match="name eve"):
        say(conn, "kim")


def test_where_nobody_administers_any_more_two_are_announced(conn):
    a_key(conn, "ops", "administrator", expires_at=NOW + timedelta(days=1))  # alone, and its time is over
    for name in ("eve", "kim", "olaf"):
        a_person(conn, name)
    at = NOW + timedelta(days=2)
    say(conn, "eve", at), say(conn, "kim", at)
    with pytest.raises(second.AdministratorAnnounced):
        say(conn, "olaf", at)
    assert [say(conn, name, at + WAIT).state(at + WAIT) for name in ("eve", "kim")] == ["begun", "begun"]


@pytest.fixture
def alone(database: Database) -> Database:
    """One administrator and somebody with a password, committed."""
    with database.transaction() as conn:
        a_person(conn, "mira", "administrator"), a_person(conn, "eve")
    return database


def begun(database: Database, at: datetime = DUE) -> None:
    with database.transaction() as conn:
        second.announce_or_begin(conn, "eve", reason="x", by="t", issuer="", make_id=make_id, now=at)


def waited(database: Database) -> None:
    """As if the database's own clock had gone on: past its triggers, as a superuser."""
    with psycopg.connect(database.url) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute("update second_administrator set written_at = written_at - interval '72 hours'")


def test_the_database_counts_the_wait_by_its_own_clock(alone: Database):
    begun(alone, NOW)
    with pytest.raises(ApprovalNeeded):
        begun(alone)  # whoever calls it says that three days have passed
    waited(alone)
    begun(alone)
    with alone.transaction(read_only=True) as conn:
        assert logins.roles_of(conn, "prn_eve") == ["administrator"]


@pytest.mark.parametrize(
    "around",
    [
        "insert into role_grant (id, principal_id, role, granted_by, granted_at) values ('g', 'prn_eve', 'administrator', 't', now())",
        """with made as (insert into role_grant (id, principal_id, role, granted_by, granted_at)
                         values ('g', 'prn_eve', 'viewer', 't', now()) returning id)
           update second_administrator set begun_at = begins_at, grant_id = 'g'""",
        """with made as (insert into role_grant (id, principal_id, role, granted_by, granted_at)
                         select 'g', 'prn_kim', 'administrator', 't', begins_at from second_administrator returning id)
           update second_administrator set begun_at = begins_at, grant_id = 'g'""",
        "update second_administrator set begins_at = announced_at",
        "update second_administrator set written_at = now() - interval '4 days'",
        """insert into second_administrator (id, principal_id, reason, announced_by, announced_at, begins_at, lapses_at)
           values ('adm_2', 'prn_eve', 'x', 't', now(), now(), now())""",
        "delete from second_administrator",
    ],
)
def test_the_application_does_not_get_around_the_wait(alone: Database, around: str):
    with psycopg.connect(alone.url) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute(
            "insert into principal select 'prn_kim', kind, 'kim', 'kim', program_id, created_by, created_at from principal limit 1"
        )
    begun(alone, NOW)
    waited(alone)
    with pytest.raises((Problem, psycopg.Error)), alone.transaction() as conn:
        conn.execute(around.encode())
    with alone.transaction(read_only=True) as conn:
        assert conn.execute("select count(*) from role_grant").fetchone() == (1,)


def test_what_was_stopped_stays_stopped(alone: Database):
    begun(alone, NOW)
    waited(alone)
    with alone.transaction() as conn:
        second.stop_second(conn, second.announced(conn)[0].id, reason="x", by="t", now=NOW)
    undone = "stopped_at = null, stopped_by = null, stop_reason = null"
    for change in (undone, "begun_at = begins_at, grant_id = 'grant_mira_administrator'"):
        with pytest.raises((Problem, psycopg.Error)), alone.transaction() as conn:
            conn.execute(f"update second_administrator set {change}".encode())
