"""Persons and services: names that nobody takes for another's, roles that nobody holds together, and logins of persons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access import access, logins, principals
from counterfoil.operations.access.access import ROLES

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
RANDOM = bytes(range(41))
PASSWORD = "correct horse battery"


@pytest.fixture
def mira(conn):
    return logins.add_person(conn, "prn_mira", RANDOM, name="mira", by="t", now=NOW)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mira", "Mira"),
        ("mira", " mira "),
        ("mila", "mi1a"),
        ("olga", "о1gа"),
        ("billing service", "billing-service"),
        ("anna", "ａｎｎａ"),
        ("warner", "wamer"),
        ("viewer", "vіewer"),
        ("NOAH", "ΝΟΑΗ"),
        ("josé", "jose\u0301"),
        ("ops_bot", "ops bot"),
        ("I", "l"),
    ],
)
def test_names_that_look_alike_are_one(conn, one, other):
    principals.create_principal(conn, "prn_1", kind="person", name=one, by="t", now=NOW)
    with pytest.raises(principals.NameTaken) as refused:
        principals.create_principal(conn, "prn_2", kind="service", name=other, by="t", now=NOW)
    assert (refused.value.facts["taken"], refused.value.facts["id"]) == (principals.valid_name(one), "prn_1")
    principals.end_principal(conn, "prn_1", now=NOW)
    with pytest.raises(principals.NameTaken) as refused:
        principals.create_principal(conn, "prn_2", kind="service", name=other, by="t", now=NOW)
    assert refused.value.facts["ended"] == NOW.isoformat()


@pytest.mark.parametrize(("one", "other"), [("mira", "mara"), ("noah", "noa"), ("bot-1", "bot-2"), ("李", "王")])
def test_names_that_do_not_look_alike_are_two(conn, one, other):
    for number, name in enumerate((one, other)):
        principals.create_principal(conn, f"prn_{number}", kind="person", name=name, by="t", now=NOW)


@pytest.mark.parametrize("name", ["", " ", "a" * 81, "a\x00b", "a\x1b[31mb", "a\nb", "a\u202eb"])
def test_a_name_can_be_printed(conn, name):
    with pytest.raises(InvalidInput, match="name"):
        principals.create_principal(conn, "prn_1", kind="person", name=name, by="t", now=NOW)


def test_a_principal_keeps_its_name_for_ever(conn, mira):
    with pytest.raises(psycopg.Error, match=r"stays what it is|permission denied"), conn.transaction():
        conn.execute("update principal set name = 'noah' where id = 'prn_mira'")


def test_a_key_of_the_same_or_a_similar_name_is_refused(conn):
    access.create_key(conn, "key_1", access.new_secret(bytes(25), live=True), name="billing", role="viewer", by="t", now=NOW)
    for name in ("billing", "bi11ing"):
        with pytest.raises(principals.NameTaken):
            access.create_key(conn, "key_2", access.new_secret(b"x" * 25, live=True), name=name, role="viewer", by="t", now=NOW)


def test_a_second_key_of_a_similar_name_is_refused_with_the_key_that_has_it(conn):
    secrets = [access.new_secret(bytes([n]) * 25, live=True) for n in range(3)]
    one = access.create_key(conn, "key_1", secrets[0], name="billing", role="viewer", by="t", now=NOW)
    more = {"role": "viewer", "by": "t", "now": NOW, "principal_id": one.principal_id}
    access.create_key(conn, "key_2", secrets[1], name="billing two", **more)
    with pytest.raises(principals.NameTaken) as refused:
        access.create_key(conn, "key_3", secrets[2], name="bi11ing-two", **more)
    assert (refused.value.facts["taken"], refused.value.facts["id"]) == ("billing two", "key_2")


def test_a_second_key_of_a_service_rotates_the_first(conn):
    first = access.create_key(conn, "key_1", access.new_secret(bytes(25), live=True), name="billing", role="viewer", by="t", now=NOW)
    second = access.create_key(
        conn,
        "key_2",
        access.new_secret(b"x" * 25, live=True),
        name="billing 2027",
        role="viewer",
        by="t",
        now=NOW,
        principal_id=first.principal_id,
    )
    assert second.principal_id == first.principal_id


def test_the_roles_that_nobody_holds_together_are_the_same_in_the_database(conn):
    rows = conn.execute("select role, other from role_conflict").fetchall()
    assert {frozenset(row) for row in rows} == access.CONFLICTS
    assert {role for pair in access.CONFLICTS for role in pair} <= set(ROLES)


def test_whoever_makes_does_not_approve_under_any_grant_or_key(conn, mira):
    logins.grant_role(conn, "grant_1", mira.principal.id, "operator", by="t", now=NOW)
    logins.grant_role(conn, "grant_2", mira.principal.id, "viewer", by="t", now=NOW)
    for role in ("approver", "administrator", "auditor"):
        with pytest.raises(access.RoleConflict):
            logins.grant_role(conn, "grant_3", mira.principal.id, role, by="t", now=NOW)
        with pytest.raises(access.RoleConflict):
            access.create_key(
                conn,
                "key_1",
                access.new_secret(bytes(25), live=True),
                name="hers",
                role=role,
                by="t",
                now=NOW,
                principal_id=mira.principal.id,
            )
    with pytest.raises(psycopg.Error, match="conflicts"), conn.transaction():
        conn.execute(
            "insert into role_grant (id, principal_id, role, granted_by, granted_at) values ('g', 'prn_mira', 'approver', 't', %s)",
            [NOW],
        )
    assert logins.roles_of(conn, mira.principal.id) == ["operator", "viewer"]


def test_the_last_administrator_stays(conn, mira):
    logins.grant_role(conn, "grant_1", mira.principal.id, "administrator", by="t", now=NOW)
    for act in (
        lambda: logins.revoke_role(conn, mira.principal.id, "administrator", by="t", now=NOW),
        lambda: principals.end_principal(conn, mira.principal.id, now=NOW),
    ):
        with pytest.raises(psycopg.Error, match="nobody would administer"), conn.transaction():
            act()
    ended = {"role": "administrator", "by": "t", "now": NOW - timedelta(days=2), "expires_at": NOW - timedelta(days=1)}
    access.create_key(conn, "key_old", access.new_secret(RANDOM[: access.SECRET_BYTES], live=False), name="old", **ended)
    with pytest.raises(psycopg.Error, match="nobody would administer"), conn.transaction():
        logins.revoke_role(conn, mira.principal.id, "administrator", by="t", now=NOW)  # what opens nothing administers nothing
    noah = logins.add_person(conn, "prn_noah", RANDOM, name="noah", by="t", now=NOW)
    logins.grant_role(conn, "grant_2", noah.principal.id, "administrator", by="t", now=NOW)
    logins.revoke_role(conn, mira.principal.id, "administrator", by="t", now=NOW)


@pytest.fixture
def two_programs(conn):
    for name in ("north", "south"):
        open_program(conn, name, name=name, assets=[Asset("EUR", 2)], now=NOW)


def test_roles_conflict_where_they_meet(conn, mira, two_programs):
    """Operator in one program and approver in another is nobody's own check; in the same program, or in all, it is."""
    grant = lambda role, program: logins.grant_role(  # noqa: E731
        conn, f"grant_{role}_{program}", mira.principal.id, role, by="t", now=NOW, program_id=program
    )
    grant("operator", "north")
    grant("approver", "south")
    for role, program in (("approver", "north"), ("approver", None), ("operator", "south"), ("operator", None), ("administrator", None)):
        with pytest.raises(access.RoleConflict):
            grant(role, program)
        with pytest.raises(psycopg.Error, match="conflicts"), conn.transaction():
            conn.execute(
                """insert into role_grant (id, principal_id, role, granted_by, granted_at, program_id)
                   values ('g', 'prn_mira', %s, 't', %s, %s)""",
                [role, NOW, program],
            )
    key = {"name": "hers", "by": "t", "now": NOW, "principal_id": mira.principal.id}
    secret = access.new_secret(bytes(25), live=True)
    with pytest.raises(access.RoleConflict):
        access.create_key(conn, "key_1", secret, role="controller", program_id="south", **key)
    access.create_key(conn, "key_1", secret, role="controller", program_id="north", **key)
    assert logins.grants_of(conn, mira.principal.id) == [("operator", "north"), ("approver", "south")]
    assert logins.roles_of(conn, mira.principal.id) == []


def test_a_person_of_one_program_has_no_role_in_another(conn, two_programs):
    nora = logins.add_person(conn, "prn_nora", RANDOM, name="nora", by="t", now=NOW, program_id="north").principal.id
    with pytest.raises(InvalidInput, match="north"):
        logins.grant_role(conn, "grant_1", nora, "viewer", by="t", now=NOW, program_id="south")
    with pytest.raises(psycopg.Error, match="is of the program north"), conn.transaction():
        conn.execute(
            """insert into role_grant (id, principal_id, role, granted_by, granted_at, program_id)
               values ('g', %s, 'viewer', 't', %s, 'south')""",
            [nora, NOW],
        )


def test_whoever_administers_one_program_is_not_the_last_administrator_of_all(conn, mira, two_programs):
    noah = logins.add_person(conn, "prn_noah", RANDOM, name="noah", by="t", now=NOW).principal.id
    logins.grant_role(conn, "grant_1", mira.principal.id, "administrator", by="t", now=NOW)
    logins.grant_role(conn, "grant_2", noah, "administrator", by="t", now=NOW, program_id="north")
    with pytest.raises(psycopg.Error, match="nobody would administer"), conn.transaction():
        logins.revoke_role(conn, mira.principal.id, "administrator", by="t", now=NOW)
    logins.revoke_role(conn, noah, "administrator", by="t", now=NOW, program_id="north")


def test_a_role_of_a_program_is_written_once(conn, mira, two_programs):
    logins.grant_role(conn, "grant_1", mira.principal.id, "viewer", by="t", now=NOW, program_id="north")
    with pytest.raises(psycopg.Error, match="permission denied"), conn.transaction():
        conn.execute("update role_grant set program_id = null")


def test_a_one_time_secret_chooses_a_password_and_nothing_else(conn, mira):
    with pytest.raises(logins.PasswordNeeded):
        logins.check_login(conn, "mira", mira.once, now=NOW)
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, "mira", mira.once, now=NOW + timedelta(hours=72), new_password=PASSWORD, salt=RANDOM)
    with pytest.raises(InvalidInput, match="12 to 200"):
        logins.check_login(conn, "mira", mira.once, now=NOW, new_password="short", salt=RANDOM)
    caller = logins.check_login(conn, "mira", mira.once, now=NOW, new_password=PASSWORD, salt=RANDOM)
    assert (caller.actor, caller.principal_id) == ("person:mira", "prn_mira")
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, "mira", mira.once, now=NOW, new_password=PASSWORD, salt=RANDOM)
    assert logins.check_login(conn, "mira", PASSWORD, now=NOW).name == "mira"


@pytest.mark.parametrize(("name", "password"), [("mira", "wrong but long"), ("noah", PASSWORD), ("Mira", PASSWORD), ("mira", "")])
def test_a_wrong_name_or_password_opens_nothing(conn, mira, name, password):
    logins.set_password(conn, mira.principal.id, PASSWORD, RANDOM[:16], now=NOW)
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, name, password, now=NOW)


def test_a_login_lasts_an_hour_carries_the_roles_of_now_and_ends_with_its_person(conn, mira):
    found = logins.check_login(conn, "mira", mira.once, now=NOW, new_password=PASSWORD, salt=RANDOM)
    _, token = logins.log_in(conn, "ses_1", bytes(25), found, now=NOW)
    assert access.authenticate(conn, token, now=NOW).permissions == frozenset()
    logins.grant_role(conn, "grant_1", mira.principal.id, "operator", by="t", now=NOW)
    caller = access.authenticate(conn, token, now=NOW)
    assert (caller.actor, caller.role, caller.session_id) == ("person:mira", "operator", "ses_1")
    with pytest.raises(access.SessionOver):
        access.authenticate(conn, token, now=NOW + logins.LOGIN_LIFE)
    principals.end_principal(conn, mira.principal.id, now=NOW)
    with pytest.raises(access.SessionOver):
        access.authenticate(conn, token, now=NOW)


def test_only_a_slow_hash_of_a_password_is_kept(conn, mira):
    logins.set_password(conn, mira.principal.id, PASSWORD, RANDOM[:16], now=NOW)
    kept = str(conn.execute("select * from password").fetchall())
    assert PASSWORD not in kept
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in kept
