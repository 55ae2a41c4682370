"""A second factor: each code once, within a step of now; recovery codes once; and no approval without a fresh one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pyotp
import pytest

from counterfoil.base.edge import entropy
from counterfoil.operations import approvals
from counterfoil.operations.access import logins, second_factor
from counterfoil.operations.access.access import SessionRules, authenticate
from counterfoil.operations.access.second_factor import CodeNeeded, CodeRefused, CodeUsed, FactorHeld, SecondFactorMissing, SecondFactorOld
from tests.people import log_in_as

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def mira(conn):
    caller, _ = log_in_as(conn, "mira", "approver", at=NOW)
    logins.set_password(conn, caller.principal_id, PASSWORD, bytes(16), now=NOW)
    return caller


@pytest.fixture
def factor(conn, mira):
    """Their authenticator, and their recovery codes."""
    made = second_factor.begin_factor(conn, "fac_1", mira.principal_id, "mira", entropy(20), now=NOW)
    codes = pyotp.TOTP(made.secret)
    recovery = second_factor.confirm_factor(conn, "fac_1", mira.principal_id, codes.at(NOW), entropy(second_factor.RECOVERY_BYTES), now=NOW)
    return codes, recovery


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def test_a_login_needs_the_code_and_takes_each_once(conn, mira, factor):
    codes, _ = factor
    at = later(60)
    with pytest.raises(CodeNeeded):
        logins.check_login(conn, "mira", PASSWORD, now=at)
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, "mira", "wrong and long enough", code=codes.at(at), now=at)
    assert logins.check_login(conn, "mira", PASSWORD, code=codes.at(at), now=at).with_factor
    with pytest.raises(CodeUsed):
        logins.check_login(conn, "mira", PASSWORD, code=codes.at(at), now=at)


def test_the_code_that_turned_it_on_is_used_up(conn, mira, factor):
    with pytest.raises(CodeUsed):
        second_factor.use_code(conn, mira.principal_id, factor[0].at(NOW), now=NOW)


@pytest.mark.parametrize(("off", "opens"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_a_clock_may_be_half_a_minute_off_and_no_more(conn, mira, factor, off, opens):
    at = later(300)
    code = factor[0].at(at + timedelta(seconds=off))
    if opens:
        assert second_factor.use_code(conn, mira.principal_id, code, now=at) is False
    else:
        with pytest.raises(CodeRefused):
            second_factor.use_code(conn, mira.principal_id, code, now=at)


def test_a_code_that_is_older_than_one_that_was_used_opens_nothing(conn, mira, factor):
    at = later(300)
    second_factor.use_code(conn, mira.principal_id, factor[0].at(at), now=at)
    with pytest.raises(CodeUsed):
        second_factor.use_code(conn, mira.principal_id, factor[0].at(at - timedelta(seconds=30)), now=at)


def test_the_database_takes_no_step_back(conn, mira, factor):
    with pytest.raises(psycopg.Error, match="used once"), conn.transaction():
        conn.execute("update second_factor set used_step = used_step")


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "000000\x00", "０００００0", "A" * 500])
def test_what_is_no_code_opens_nothing(conn, mira, factor, code):
    with pytest.raises(CodeRefused):
        second_factor.use_code(conn, mira.principal_id, code, now=later(300))


def test_a_recovery_code_lets_in_once_however_it_is_typed(conn, mira, factor):
    one, other = factor[1][:2]
    assert second_factor.recovery_codes_left(conn, mira.principal_id) == 10
    assert second_factor.use_code(conn, mira.principal_id, f" {one.lower().replace('-', ' ')}", now=NOW) is True
    for code in (one, one.replace("-", "")):
        with pytest.raises(CodeRefused):
            second_factor.use_code(conn, mira.principal_id, code, now=NOW)
    assert second_factor.use_code(conn, mira.principal_id, other, now=NOW) is True
    assert second_factor.recovery_codes_left(conn, mira.principal_id) == 8


def test_neither_secret_nor_recovery_codes_lie_in_the_database_as_they_are(conn, mira, factor):
    kept = str(conn.execute("select * from second_factor").fetchall()) + str(conn.execute("select * from recovery_code").fetchall())
    assert factor[0].secret not in kept
    assert not [one for one in factor[1] if one in kept or one.replace("-", "") in kept]


def test_a_secret_that_nobody_gave_a_code_of_asks_nobody_for_one(conn, mira):
    second_factor.begin_factor(conn, "fac_1", mira.principal_id, "mira", entropy(20), now=NOW)
    assert logins.check_login(conn, "mira", PASSWORD, now=NOW).with_factor is False
    with pytest.raises(CodeRefused):
        second_factor.confirm_factor(conn, "fac_1", "prn_other", "000000", entropy(second_factor.RECOVERY_BYTES), now=NOW)


def test_there_is_one_and_it_ends(conn, mira, factor):
    with pytest.raises(FactorHeld):
        second_factor.begin_factor(conn, "fac_2", mira.principal_id, "mira", entropy(20), now=NOW)
    assert second_factor.end_factor(conn, mira.principal_id, now=NOW)
    assert not second_factor.has_factor(conn, mira.principal_id)
    with pytest.raises(CodeRefused):
        second_factor.use_code(conn, mira.principal_id, factor[1][0], now=NOW)


def test_its_picture_is_drawn_here_and_carries_its_address(conn, mira):
    made = second_factor.begin_factor(conn, "fac_1", mira.principal_id, "mira & co", entropy(20), now=NOW)
    assert made.address == f"otpauth://totp/counterfoil:mira%20%26%20co?secret={made.secret}&issuer=counterfoil"
    assert made.picture().startswith("<svg")
    assert "style=" not in made.picture(), "the pages' policy allows no styles within"


def a_proposal(conn, at):
    noah, _ = log_in_as(conn, "noah", "operator", at=at)
    return approvals.propose(conn, "prop_1", machine="t", subject_id="s", verb="v", payload={"a": 1}, reason="r", by=noah, now=at)


def a_login(conn, code, at, *, session_id="ses_1"):
    found = logins.check_login(conn, "mira", PASSWORD, code=code, now=at)
    _, token = logins.log_in(conn, session_id, entropy(25), found, now=at, rules=SessionRules(fresh=timedelta(minutes=5)))
    return authenticate(conn, token, now=at)


def test_an_approval_needs_a_second_factor_that_is_fresh(conn, mira, factor):
    at = later(60)
    one, caller = a_proposal(conn, at), a_login(conn, factor[0].at(at), at)
    approved = {"payload_sha256": one.payload_sha256, "reason": "seen", "by": caller}
    with pytest.raises(SecondFactorOld):
        approvals.approve(conn, one.id, **approved, now=at + timedelta(minutes=5))
    assert approvals.approve(conn, one.id, **approved, now=at + timedelta(minutes=4)).decision == "approved"


def test_a_session_of_before_the_second_factor_approves_nothing_and_the_database_says_so_too(conn, mira, factor):
    one = a_proposal(conn, NOW)
    with pytest.raises(SecondFactorOld):
        approvals.approve(conn, one.id, payload_sha256=one.payload_sha256, reason="seen", by=mira, now=NOW)
    with pytest.raises(psycopg.Error, match="fresh second factor"), conn.transaction():
        conn.execute(
            """insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker_id, checker, session_id,
                      reason, at) values (%s, %s, %s, %s, 'approved', %s, 'mira', %s, 'r', %s)""",
            [one.id, one.maker_id, bytes.fromhex(one.payload_sha256), one.expires_at, mira.principal_id, mira.session_id, NOW],
        )


def test_where_a_second_factor_is_demanded_nobody_approves_without_one_and_the_database_says_so_too(conn, mira):
    one = a_proposal(conn, NOW)
    approved = {"payload_sha256": one.payload_sha256, "reason": "seen"}

    _, token = logins.log_in(conn, "ses_d1", entropy(25), mira, now=NOW, rules=SessionRules(demands_factor=True))
    with pytest.raises(SecondFactorMissing, match="has none"):
        approvals.approve(conn, one.id, **approved, by=authenticate(conn, token, now=NOW), now=NOW)
    assert conn.execute("select approves_with_second_factor('ses_d1', %s)", [NOW]).fetchone() == (False,)
    assert approvals.approve(conn, one.id, **approved, by=mira, now=NOW).decision == "approved", "a login of before it was demanded"


def test_where_it_is_demanded_whoever_adds_one_approves_with_it(conn, mira, factor):
    at = later(60)
    one, rules = a_proposal(conn, at), SessionRules(demands_factor=True)
    found = logins.check_login(conn, "mira", PASSWORD, code=factor[0].at(at), now=at)
    caller = authenticate(conn, logins.log_in(conn, "ses_e1", entropy(25), found, now=at, rules=rules)[1], now=at)
    approved = {"payload_sha256": one.payload_sha256, "reason": "seen", "by": caller}
    with pytest.raises(SecondFactorOld):
        approvals.approve(conn, one.id, **approved, now=at + timedelta(minutes=6))
    assert approvals.approve(conn, one.id, **approved, now=at).decision == "approved"


def test_where_everybody_needs_one_whoever_has_none_is_known_by_it_until_they_add_one(conn, mira):
    _, token = logins.log_in(conn, "ses_n1", entropy(25), mira, now=NOW, rules=SessionRules(needs_factor=True))
    assert authenticate(conn, token, now=NOW).lacks_factor
    assert not authenticate(conn, logins.log_in(conn, "ses_n2", entropy(25), mira, now=NOW)[1], now=NOW).lacks_factor
    made = second_factor.begin_factor(conn, "fac_n", mira.principal_id, "mira", entropy(20), now=NOW)
    assert authenticate(conn, token, now=NOW).lacks_factor, "its first code is still to come"
    second_factor.confirm_factor(conn, made.id, mira.principal_id, pyotp.TOTP(made.secret).at(NOW), entropy(100), now=NOW)
    assert not authenticate(conn, token, now=NOW).lacks_factor


def test_a_reset_ends_password_second_factor_and_sessions_and_lets_them_begin_anew(conn, mira, factor):
    once = logins.reset_person(conn, mira.principal_id, entropy(25), now=NOW)
    assert not second_factor.has_factor(conn, mira.principal_id)
    assert conn.execute("select count(*) from session where expires_at > %s", [NOW]).fetchone() == (0,)
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, "mira", PASSWORD, now=NOW)
    assert logins.check_login(conn, "mira", once, new_password="another long password", salt=bytes(16), now=NOW).name == "mira"
