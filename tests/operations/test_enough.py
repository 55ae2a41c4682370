"""What takes two people and lacks one: counted by who has a way to log in, and by what is declared and in force."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access import access, logins, principals
from counterfoil.operations.access.administering.enough import ALONE, FIRST, GRANT, RESCUE, lost_by
from counterfoil.payouts.batches.policies import Tier, set_policy
from counterfoil.wiring import PAIRED, TWO_PEOPLE, cannot_be_done_now

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ISSUER = "https://login.example"
LATER = NOW + timedelta(days=5)  # a one-time secret is over by then


@pytest.fixture
def people(conn):
    """`people(name, role)`: somebody with a role and a one-time secret of 72 hours."""

    def add(name, *roles, at=NOW, program=None):
        random = (name.encode() * 41)[:41]
        made = logins.add_person(conn, f"prn_{name}", random, name=name, by="t", now=at).principal.id
        for role in roles:
            logins.grant_role(conn, f"grant_{name}_{role}", made, role, by="t", now=at, program_id=program)
        return made

    return add


def a_key(conn, name, role, **more):
    secret = access.new_secret((name.encode() * 25)[: access.SECRET_BYTES], live=False)
    access.create_key(conn, f"key_{name}", secret, name=name, role=role, by="t", now=NOW, **more)


def told(conn, at=NOW, issuer=""):
    return [(one.short, one.do) for one in cannot_be_done_now(conn, at, issuer=issuer)]


def test_without_anybody_and_without_a_program_the_first_two_are_missing(conn):
    assert told(conn) == [("No administrator can log in", FIRST)]


def test_a_key_approves_nothing_and_proposes_to_the_one_who_logs_in(conn, people):
    a_key(conn, "ops", "administrator", scopes=["people:read"])
    assert told(conn) == [("No administrator can log in", ALONE)]
    people("anna", "administrator")
    assert told(conn) == [("Only one administrator can log in", ALONE)], "a key that is narrower proposes nothing of the kind"
    a_key(conn, "all", "administrator")
    assert told(conn) == []


def test_whoever_is_alone_is_told_what_cannot_be_done_as_it_is_declared(conn, people):
    people("anna", "administrator")
    a_key(conn, "hers", "administrator", principal_id="prn_anna")
    (one,) = cannot_be_done_now(conn, NOW, issuer="")
    assert one.said == (
        "Only one administrator can log in, and two people are needed to grant a role, reset a person's login, link a login of the "
        f"provider, and {len(TWO_PEOPLE['administer']) - 3} acts more."
    )
    assert sum(map(len, TWO_PEOPLE.values())) == len(PAIRED)
    people("noah", "administrator")
    assert told(conn) == []


def test_whoever_is_locked_out_or_sees_one_program_or_has_ended_is_not_counted(conn, people):
    open_program(conn, "north", name="north", assets=[Asset("EUR", 2)], now=NOW)
    people("vera", "approver", at=LATER)
    people("anna", "administrator", at=LATER)
    people("noah", "administrator")
    assert told(conn, LATER) == [("Only one administrator can log in", RESCUE)], "his one-time secret is over"
    people("nora", "administrator", at=LATER, program="north")
    assert told(conn, LATER) == [("Only one administrator can log in", RESCUE)]
    people("mira", "administrator", at=LATER)
    assert told(conn, LATER) == []
    principals.end_principal(conn, "prn_vera", now=LATER)
    assert told(conn, LATER) == [("Nobody who may approve can log in", GRANT)]


def test_a_program_in_which_nobody_approves_is_named(conn, people):
    for name in ("north", "south"):
        open_program(conn, name, name=name, assets=[Asset("EUR", 2)], now=NOW)
    people("anna", "administrator"), people("noah", "administrator")
    assert told(conn) == [("Nobody who may approve can log in", GRANT)]
    people("vera", "approver", program="north")
    assert told(conn) == [("Nobody who may approve in south can log in", GRANT)]
    people("olaf", "approver")
    assert told(conn) == []


def test_a_policy_that_asks_for_more_people_than_there_are_is_told_with_its_amount(conn, people):
    open_program(conn, "north", name="north", assets=[Asset("EUR", 2)], now=NOW)
    people("anna", "administrator"), people("noah", "administrator"), people("vera", "approver")
    how = {"by_rule_max": 0, "cooling_hours": 72, "reason": "agreed", "actor": "t"}
    set_policy(conn, "north", "EUR", tiers=[Tier(0, 1), Tier(10_000_00, 2)], now=NOW, **how)
    (one,) = cannot_be_done_now(conn, NOW, issuer="")
    assert one.said == "2 people are needed to approve payouts of north beyond 10,000.00 EUR, and 1 of those who may can log in."
    people("olaf", "approver")
    assert told(conn) == []


def test_who_takes_the_second_away_is_told_what_is_lost_by_it(conn, people):
    people("anna", "administrator"), people("noah", "administrator"), people("mira", "administrator")

    def end(name):
        return lost_by(conn, lambda: principals.end_principal(conn, f"prn_{name}", now=NOW), issuer="", now=NOW)

    assert end("mira") == ""
    assert end("noah") == " Then one is missing for what takes two people: only one administrator can log in."


def test_a_link_is_a_way_in_where_people_log_in_by_its_provider_and_nowhere_else(conn, people):
    people("anna", "administrator", at=LATER), people("noah", "administrator")
    conn.execute("insert into login_subject values ('lnk_1', 'prn_noah', %s, 'n-1', 't', %s)", [ISSUER, NOW])
    assert told(conn, LATER) == [("Only one administrator can log in", RESCUE)], "no provider is set"
    assert told(conn, LATER, "https://another.example") == [("Only one administrator can log in", RESCUE)]
    assert told(conn, LATER, ISSUER) == []
    conn.execute("update login_subject set ended_at = %s", [LATER])
    assert told(conn, LATER, ISSUER) == [("Only one administrator can log in", RESCUE)]


def test_a_session_that_ended_by_itself_lets_nobody_in(conn, people):
    people("anna", "administrator", at=LATER), people("noah", "administrator")
    conn.execute(
        """insert into session (id, secret_hash, principal_id, created_at, expires_at, seen_at, idle_s)
           values ('ses_1', 'x', 'prn_noah', %(at)s, %(at)s + interval '12 hours', %(at)s, 3600)""",
        {"at": LATER},
    )
    assert told(conn, LATER + timedelta(minutes=59)) == []
    assert told(conn, LATER + timedelta(minutes=61)) == [("Only one administrator can log in", RESCUE)]


def test_the_last_administrator_who_gets_in_stays_whoever_else_holds_the_role(conn, people):
    people("anna", "administrator", at=LATER), people("noah", "administrator")

    def end(name, issuer=""):
        return lost_by(conn, lambda: principals.end_principal(conn, f"prn_{name}", now=LATER), issuer=issuer, now=LATER)

    with pytest.raises(principals.LastAdministrator, match="locked_out noah"), conn.transaction():
        end("anna")
    conn.execute("insert into login_subject values ('lnk_1', 'prn_noah', %s, 'n-1', 't', %s)", [ISSUER, NOW])
    with pytest.raises(principals.LastAdministrator, match="locked_out noah"), conn.transaction():
        end("anna", "https://another.example")
    assert "only one administrator can log in" in end("anna", ISSUER)
