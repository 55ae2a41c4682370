"""Passwords: how they are kept, what may be one, and that what was kept before still opens, once."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access import logins, passwords

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"
SALT = bytes(range(16))


def kept_before(password: str) -> str:
    made = hashlib.scrypt(password.encode(), salt=SALT, n=2**15, r=8, p=3, maxmem=64 << 20)
    return "$".join(("scrypt", "32768", "8", "3", base64.b64encode(SALT).decode(), base64.b64encode(made).decode()))


def test_a_password_fits_what_was_kept_of_it_and_no_other_does():
    kept = passwords.hashed(PASSWORD, SALT)
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert passwords.fits(PASSWORD, kept)
    assert passwords.fits("ｃorrect horse battery", kept), "another way to write the same letter is the same"
    assert not passwords.fits("correct horse batterY", kept)
    assert not passwords.fits(PASSWORD, None)
    assert not passwords.fits("nobody's", None), "a name that nobody has is opened by nothing"
    assert not passwords.is_outdated(kept)


def test_nothing_is_cut_off_what_is_too_long():
    longest = "correct horse battery"[:20] * 10
    for kept in (passwords.hashed(longest, SALT), kept_before(longest)):
        assert passwords.fits(longest, kept)
        assert not passwords.fits(longest + "x", kept)


def test_a_one_time_secret_is_not_opened_as_a_password_nor_a_password_as_one():
    once = "cf_once_" + "0" * 47
    assert passwords.fits(once, passwords.hashed_once(once))
    assert not passwords.fits(once, passwords.hashed(once, SALT))
    assert not passwords.fits(PASSWORD, passwords.hashed_once(PASSWORD))


def test_what_was_kept_before_opens_and_comes_under_argon2id_at_the_next_login(conn):
    mira = logins.add_person(conn, "prn_mira", bytes(25), name="mira", by="t", now=NOW).principal
    conn.execute("update password set hash = %s, expires_at = null where principal_id = %s", [kept_before(PASSWORD), mira.id])
    with pytest.raises(logins.LoginRefused):
        logins.check_login(conn, "mira", "wrong and long enough", now=NOW, salt=SALT)
    assert logins.check_login(conn, "mira", PASSWORD, now=NOW, salt=SALT).name == "mira"
    assert conn.execute("select hash like '$argon2id$%%' from password").fetchone() == (True,)
    assert logins.check_login(conn, "mira", PASSWORD, now=NOW).name == "mira"


def test_of_two_who_hold_the_same_one_time_secret_one_chooses(conn):
    once = logins.add_person(conn, "prn_mira", bytes(25), name="mira", by="t", now=NOW).once
    first, second = (logins.check_password(conn, "mira", once, now=NOW) for _ in range(2))
    logins.keep_password(conn, first, once, PASSWORD, SALT, now=NOW)
    with pytest.raises(logins.LoginRefused):
        logins.keep_password(conn, second, once, "another long password", SALT, now=NOW)
    assert logins.check_login(conn, "mira", PASSWORD, now=NOW).name == "mira"


def test_a_password_that_was_reset_while_it_was_looked_at_does_not_come_back(conn):
    mira = logins.add_person(conn, "prn_mira", bytes(25), name="mira", by="t", now=NOW).principal
    conn.execute("update password set hash = %s, expires_at = null where principal_id = %s", [kept_before(PASSWORD), mira.id])
    known = logins.check_password(conn, "mira", PASSWORD, now=NOW)
    logins.invite(conn, mira.id, bytes(range(25)), now=NOW)
    with pytest.raises(logins.LoginRefused):
        logins.keep_password(conn, known, PASSWORD, None, SALT, now=NOW)
    with pytest.raises(logins.LoginRefused):
        logins.check_password(conn, "mira", PASSWORD, now=NOW)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("short", "mira"),
        ("a" * 12, "mira"),
        ("abcde" * 3, "mira"),
        ("x" * 201, "mira"),
        ("password1234", "mira"),
        ("counterfoil1", "mira"),
        ("Wilhelmine-1", "wilhelmine"),
    ],
)
def test_what_everybody_guesses_is_no_password_and_is_not_shown(given, name):
    with pytest.raises(InvalidInput) as refused:
        passwords.refuse_bad_password(given, name=name)
    assert given not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    ["password1234", "qwertyuiop12", "1q2w3e4r5t6y", "iloveyou1234", "unbelievable", "trustno1trustno1", "michaeljordan", "Liverpool123"],
)
def test_what_is_known_and_what_is_made_of_it_is_no_password(given):
    with pytest.raises(InvalidInput, match=r"known|guesses") as refused:
        passwords.refuse_bad_password(given, name="mira")
    assert given not in str(refused.value)


def test_a_long_password_is_judged_as_fast_as_a_short_one():
    passwords.refuse_bad_password("correct horse battery staple, " * 6, name="mira")


@pytest.mark.parametrize("given", [PASSWORD, "Ünïcödé 文字 ok", "a counterfoil of my own", "q1fhanr0t8h5"])
def test_length_is_what_counts(given):
    passwords.refuse_bad_password(given, name="mira")
