"""`counterfoil login`, `people`, `approvals`: two people on two terminals; and a key that goes to its own server alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import psycopg
import pyotp
import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.cli.core.connection import URL, server
from counterfoil.cli.core.kept_logins import keep_login, login_at
from counterfoil.operations.access import logins, principals
from counterfoil.operations.access.second_factor import begin_factor
from counterfoil.wiring import cannot_be_done_now
from tests.api.office import Office
from tests.cli.conftest import Cli
from tests.people import codes_of_two_steps
from tests.reconciliation.breaks.builders import NOW, a_break, a_run, an_open_program, the_cases

PASSWORD = "a password of many words"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def a_login(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch, name: str, role: str) -> None:
    added = cli("people", "add", name, "--reason", "new here", "-o", "json").json()
    grant = ("people", "grant", added["id"], "--role", role, "--reason", "her work")
    assert "It takes two people" in cli(*grant).out
    (waits,) = cli("approvals", "list", "--machine", "principal", "-o", "json").json()
    approve = ("approvals", "approve", waits["id"], "--sha256", waits["payloadSha256"], "--reason", "she works here")
    monkeypatch.setenv("COUNTERFOIL_API_KEY", office.keys["second administrator"])
    monkeypatch.setenv("COUNTERFOIL_URL", office.url)
    assert cli(*approve).code == 0
    monkeypatch.delenv("COUNTERFOIL_API_KEY")
    monkeypatch.delenv("COUNTERFOIL_URL")
    assert role in cli(*grant).out
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{added['once']}\n{PASSWORD}\n"))
    done = cli("login", name, "--password-stdin")
    assert (done.code, role in done.out, PASSWORD in done.out) == (0, True, False), done


def test_two_people_on_the_command_line(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    with office.database.transaction() as conn:
        an_open_program(conn)
        a_run(conn, [a_break(theirs=995_00)], at=now(), first=NOW.date(), last=now().date())
        case = the_cases(conn)[0].id
    cli("breaks", "investigate", case, "--reason", "mine")
    cli("breaks", "write-off", case, "--reason", "small")
    assert "Nothing waits" not in cli("approvals", "list").out
    (one,) = cli("approvals", "list", "-o", "json").json()
    assert "payload.lines" in cli("approvals", "show", one["id"]).out
    a_login(cli, office, monkeypatch, "anna", "operator")
    approve = ("approvals", "approve", one["id"], "--sha256", one["payloadSha256"], "--reason", "seen")
    assert cli(*approve).code == 6
    a_login(cli, office, monkeypatch, "bert", "approver")
    done = cli(*approve)
    assert (done.code, "is done" in done.out) == (0, True), done
    assert cli(*approve).code == 5
    assert "logged out" in cli("logout").out
    assert "Nobody is logged in" in cli("logout").out


def test_a_wrong_password_ends_with_7(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("wrong and long enough\n"))
    assert cli("login", "vera", "--password-stdin").code == 7


def test_a_key_goes_to_the_address_that_it_was_given_with_and_to_no_other(tmp_path: Path):
    """A file in the working directory names an address of its own choice; it never gets a key of the environment."""
    evil = {"url": "http://evil.example", "keys": {"viewer": "theirs"}}
    (tmp_path / "client.json").write_text(json.dumps(evil))
    here = {"COUNTERFOIL_DATA_FOLDER": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    keep_login("https://ours.example:443", "token", here)
    assert server("read", {**here, "COUNTERFOIL_API_KEY": "ours"}) == (URL, "ours")
    assert server("read", {**here, "COUNTERFOIL_API_KEY": "ours", "COUNTERFOIL_URL": "https://ours.example"}) == (
        "https://ours.example",
        "ours",
    )
    assert server("read", here) == ("http://evil.example", "theirs")
    assert server("approve", here) == ("http://evil.example", None)
    ours = {**here, "COUNTERFOIL_URL": "https://ours.example"}
    assert server("read", ours) == ("https://ours.example", "token")
    assert login_at("https://ours.example:8443", here) is None
    assert (tmp_path / "config/counterfoil/logins.json").stat().st_mode & 0o077 == 0


def test_the_first_two_administrators_are_made_once_and_here(cli: Cli, make_database_url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    url = make_database_url()
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", url)
    made = cli("people", "first", "mira", "noah", "-o", "json").json()
    assert [(one["name"], one["role"], one["once"][:8]) for one in made] == [
        ("mira", "administrator", "cf_once_"),
        ("noah", "administrator", "cf_once_"),
    ]
    again = cli("people", "first", "eve", "adam")
    assert (again.code, "two administrators" in again.err) == (3, True)


def test_a_second_factor_at_the_command_line_and_logins_that_are_listed_and_ended(
    cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch
):
    a_login(cli, office, monkeypatch, "carla", "viewer")
    (one,) = cli("logins", "list", "-o", "json").json()
    assert [row["id"] for row in cli("people", "logins", "carla", "-o", "json").json()] == [one["id"]]
    with office.database.transaction() as conn:
        made = begin_factor(conn, "fac_carla", one["principalId"], "carla", entropy(20), now=now())
        conn.execute("update second_factor set confirmed_at = made_at where id = 'fac_carla'")
    code, following = codes_of_two_steps(pyotp.TOTP(made.secret))
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert "second factor" in cli("login", "carla", "--password-stdin").err
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n\n{code}\n"))
    assert cli("login", "carla", "--password-stdin").code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{following}\n"))
    confirmed = cli("confirm", "--code-stdin")
    assert (confirmed.code, "may approve" in confirmed.out) == (0, True), confirmed
    assert "is ended" in cli("logins", "end", one["id"]).out
    assert "1 ended" in cli("people", "end-logins", "carla", "--reason", "test").out
    assert cli("logins", "end", one["id"]).code != 0


def test_a_reset_and_a_link_wait_for_a_second_administrator(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    a_login(cli, office, monkeypatch, "dario", "viewer")
    assert "It takes two people" in cli("people", "reset", "dario", "--reason", "lost").out
    linked = ("people", "link", "dario", "--issuer", "https://login.example", "--subject", "d-1", "--reason", "his account")
    assert "It takes two people" in cli(*linked).out
    assert "Nobody there" in cli("people", "subjects", "dario").out
    assert cli("people", "unlink", "dario", "lnk_01KA0000000000000000000000", "--reason", "gone").code == 4


def test_somebody_who_is_locked_out_is_rescued_on_the_machine(cli: Cli, make_database_url, monkeypatch: pytest.MonkeyPatch):
    url = make_database_url()
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", url)
    made = cli("people", "first", "mira", "noah", "-o", "json").json()
    assert made[0]["link"].endswith(f"/password?once={made[0]['once']}")
    (rescued,) = cli("people", "rescue", "mira", "--reason", "lost her telephone", "-o", "json").json()
    assert rescued["once"].startswith("cf_once_")
    assert rescued["once"] != made[0]["once"]
    assert cli("people", "rescue", "nobody", "--reason", "x").code == 4
    with psycopg.connect(url) as conn:
        ((level, told),) = conn.execute("select level, payload ->> 'why' from event where name = 'person_rescued'").fetchall()
    assert (level, told) == ("critical", "lost her telephone")


def test_who_is_left_alone_lets_a_second_begin_on_the_machine(cli: Cli, make_database_url, monkeypatch: pytest.MonkeyPatch):
    url = make_database_url()
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", url)
    announce = ("people", "second", "eve", "--reason", "noah left the company")
    never = cli(*announce)
    assert (never.code, "people first NAME OTHER" in never.err) == (5, True), never
    cli("people", "first", "mira", "noah")
    agree = cli(*announce)
    assert "AdministratorsAgree" in agree.err or "Two people can agree" in agree.err, agree
    with psycopg.connect(url) as conn:
        conn.execute("update principal set disabled_at = now() where name = 'noah'")
        principals.create_principal(conn, make_id("prn"), kind="person", name="eve", by="t", now=now())
        conn.execute("insert into password (principal_id, hash, set_at) select id, 'x', now() from principal where name = 'eve'")
    (one,) = cli(*announce, "-o", "json").json()
    assert one["state"] == "announced"
    early = cli(*announce)
    assert (early.code, one["beginsAt"][:16] in early.err) == (5, True), early
    with psycopg.connect(url) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute(
            """update second_administrator set written_at = written_at - interval '73 hours',
                      announced_at = announced_at - interval '73 hours', begins_at = begins_at - interval '73 hours'"""
        )
    (begun,) = cli(*announce, "-o", "json").json()
    assert (begun["id"], begun["state"]) == (one["id"], "begun")
    with psycopg.connect(url) as conn:
        assert conn.execute("select verb from action where verb like 'person.%second' order by at").fetchall() == [
            ("person.announce_second",),
            ("person.begin_second",),
        ]
        assert logins.roles_of(conn, conn.execute("select id from principal where name = 'eve'").fetchone()[0]) == ["administrator"]


def test_the_list_of_people_ends_with_what_nobody_can_do(cli: Cli, office: Office):
    told = "No administrator can log in"
    with psycopg.connect(office.database.url) as conn:
        conn.execute(
            "update principal set disabled_at = now() where id in (select principal_id from role_grant where role = 'administrator')"
        )
    assert told in cli("people", "list").out
    file = cli("people", "list", "-o", "csv")
    assert (told in file.out, told in file.err) == (False, True)
    with office.database.transaction() as conn:
        assert next(one.short for one in cannot_be_done_now(conn, now(), issuer="")) == told
