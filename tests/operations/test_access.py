"""Keys, roles and sessions: what a key may do, and how it ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from counterfoil.base.problems import InvalidInput, NotAllowed
from counterfoil.operations.access import access
from counterfoil.operations.access.key_list import KEY_LIST
from counterfoil.operations.access.sessions import close_session
from tests.house.tree import ROOT, SOURCE
from tests.listed import newest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = access.new_secret(bytes(range(25)), live=False)


@pytest.fixture
def key(conn):
    return access.create_key(conn, "key_1", SECRET, name="ada", role="operator", by="test", now=NOW)


def test_a_key_says_who_calls_and_in_which_role(conn, key):
    caller = access.authenticate(conn, SECRET, now=NOW)
    assert (caller.actor, caller.role) == ("key:ada", "operator")
    assert newest(conn, KEY_LIST)[0].last_used_at == NOW


def test_only_the_hash_of_a_secret_is_kept(conn, key):
    assert SECRET not in str(conn.execute("select * from api_key").fetchall())


@pytest.mark.parametrize(
    ("scopes", "limit"),
    [
        ([], "1 to 50"),
        (["payouts"], "such as payouts:read"),
        (["payouts:read "], "such as payouts:read"),
        (["Payouts:read"], "such as payouts:read"),
        (["payouts:read payouts:operate"], "such as payouts:read"),
        (["payouts:approve"], "of what operator allows"),
        (["payouts:read", "payouts:everything"], "of what operator allows"),
        ([f"{'a' * n}:read" for n in range(1, 52)], "1 to 50"),
    ],
)
def test_a_scope_is_of_what_the_role_allows(conn, scopes, limit):
    with pytest.raises(InvalidInput, match=limit):
        access.create_key(conn, "key_1", SECRET, name="narrow", role="operator", by="test", now=NOW, scopes=scopes)


def test_a_key_with_scopes_may_what_they_say_also_in_a_session_of_the_pages(conn):
    given = ["payouts:read", "disputes:operate", "payouts:read"]
    made = access.create_key(conn, "key_1", SECRET, name="narrow", role="operator", by="test", now=NOW, scopes=given)
    assert made.scopes == newest(conn, KEY_LIST)[0].scopes == ["disputes:operate", "payouts:read"]
    caller = access.authenticate(conn, SECRET, now=NOW)
    access.open_session(conn, caller, "ses_1", token := access.LOGIN_PREFIX + "x", None, now=NOW)
    for one in (caller, access.session_caller(conn, token, now=NOW)[0]):
        access.require(one, "read", "payouts")
        for permission, area in (("read", "disputes"), ("operate", "payouts"), ("read", "pages"), ("read", "")):
            with pytest.raises(access.OutOfScope) as refused:
                access.require(one, permission, area)
            assert refused.value.facts["needs"] == f"{area}:{permission}"


def test_the_database_keeps_what_a_key_may(conn):
    access.create_key(conn, "key_1", SECRET, name="narrow", role="operator", by="test", now=NOW, scopes=["payouts:read"])
    with pytest.raises(psycopg.Error, match="permission denied"), conn.transaction():
        conn.execute("update api_key set scopes = null")
    for scopes in ([], ["payouts"], ["payouts:read", None], ["payouts:read x:y z"], ["a:b"] * 51):
        with pytest.raises(psycopg.Error, match="api_key_scopes_are_named"), conn.transaction():
            conn.execute(
                """insert into api_key (id, name, role, principal_id, hint, created_by, created_at, secret_hash, skeleton, scopes)
                   select 'key_2', 'n', role, principal_id, hint, created_by, created_at, 'x', 'n', %s from api_key""",
                [scopes],
            )


def test_a_narrow_key_administers_nothing_so_the_last_administrator_stays(conn):
    for number, scopes in ((1, None), (2, ["programs:administer"])):
        secret = access.new_secret(bytes([number] * 25), live=True)
        access.create_key(conn, f"key_{number}", secret, name=f"k{number}", role="administrator", by="t", now=NOW, scopes=scopes)
    with pytest.raises(psycopg.Error, match="nobody would administer"), conn.transaction():
        access.revoke_key(conn, "key_1", now=NOW)
    access.revoke_key(conn, "key_2", now=NOW)


def test_a_typing_error_in_a_key_is_told_apart_from_an_unknown_key(conn, key):
    with pytest.raises(access.KeyMistyped):
        access.authenticate(conn, SECRET[:-9] + "0" + SECRET[-8:], now=NOW)
    with pytest.raises(access.KeyRefused):
        access.authenticate(conn, access.new_secret(bytes(25), live=False), now=NOW)
    with pytest.raises(access.KeyMistyped):
        access.authenticate(conn, SECRET.replace("test", "live"), now=NOW)


def test_a_key_that_was_made_by_an_earlier_version_is_no_typing_error():
    access.refuse_misspelt("cf_test_040G2081040G2081040G2081040G2081040G20810GP4DA6")


def test_whatever_lets_somebody_in_is_declared_by_how_it_begins():
    told = {found for path in SOURCE for found in re.findall(r"\bcf_[a-z]+_", (ROOT / path).read_text("utf-8"))}
    assert told == set(access.PREFIXES), "name it in PREFIXES: what hides secrets knows them from there"


def test_a_key_that_is_revoked_or_has_expired_opens_nothing(conn, key):
    access.create_key(
        conn,
        "key_2",
        other := access.new_secret(b"x" * 25, live=True),
        name="bob",
        role="viewer",
        by="test",
        now=NOW,
        expires_at=NOW + timedelta(hours=1),
    )
    assert access.authenticate(conn, other, now=NOW).name == "bob"
    with pytest.raises(access.KeyRefused):
        access.authenticate(conn, other, now=NOW + timedelta(hours=1))
    access.revoke_key(conn, "key_1", now=NOW)
    with pytest.raises(access.KeyRefused):
        access.authenticate(conn, SECRET, now=NOW)


def test_a_session_ends_with_its_time_its_logout_and_its_key(conn, key):
    caller = access.authenticate(conn, SECRET, now=NOW)
    for token in ("one", "two"):
        access.open_session(conn, caller, f"ses_{token}", token, "csrf", now=NOW)
    assert access.session_caller(conn, "one", now=NOW) == (caller, "csrf")
    with pytest.raises(access.KeyRefused):
        access.session_caller(conn, "one", now=NOW + access.SESSION_LIFE)
    close_session(conn, "one", now=NOW)
    with pytest.raises(access.KeyRefused):
        access.session_caller(conn, "one", now=NOW)
    access.revoke_key(conn, "key_1", now=NOW)
    with pytest.raises(access.KeyRefused):
        access.session_caller(conn, "two", now=NOW)


@pytest.mark.parametrize(
    ("role", "permission", "allowed"),
    [
        ("viewer", access.READ, True),
        ("viewer", access.OPERATE, False),
        ("operator", access.POST_JOURNAL, False),
        ("controller", access.POST_JOURNAL, True),
        ("administrator", access.OPERATE, False),
        ("administrator", access.APPROVE, False),
        ("auditor", access.AUDIT, True),
        ("auditor", access.OPERATE, False),
    ],
)
def test_a_role_does_what_is_its_own_and_nothing_else(role, permission, allowed):
    caller = access.Caller("key_1", "ada", role)
    if allowed:
        access.require(caller, permission, "payouts")
    else:
        with pytest.raises(NotAllowed, match="roles"):
            access.require(caller, permission, "payouts")


def test_a_role_that_does_not_exist_is_refused(conn):
    with pytest.raises(InvalidInput, match="role"):
        access.create_key(conn, "key_9", SECRET, name="eve", role="root", by="test", now=NOW)
