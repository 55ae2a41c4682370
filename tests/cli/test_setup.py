"""`counterfoil setup`: it shows what it writes, writes it once, and refuses half answers by name."""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.encryption.keys import carry
from counterfoil.base.money import Asset
from counterfoil.base.problems import InvalidInput
from counterfoil.base.settings import load_settings
from counterfoil.cli.local.installation import keys_here, providers_of
from counterfoil.cli.local.setting_up import first_program
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.webhooks.inbound import receive
from tests.cli.conftest import Cli, runner
from tests.conftest import NOW, as_server

ENCRYPTION = "COUNTERFOIL_ENCRYPTION_KEYS"
ANSWERS = {
    "--name": "Bolt :bank: [red]",
    "--asset": "EUR:2",
    "--platform-bps": "500",
    "--validator-bps": "100",
    "--provider": "simulator",
}


def words(**changed: str | None) -> list[str]:
    """A command line of these answers; None leaves one out."""
    answers = ANSWERS | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return [word for name, value in answers.items() if value is not None for word in (name, value)]


@pytest.fixture
def cli(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Runs `counterfoil setup …` in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", as_server(database_url))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    run = runner(capsys)
    return lambda *more: run("setup", *more)


def kept(database_url: str) -> list[Any]:
    with psycopg.connect(database_url) as conn:
        return conn.execute(
            """select p.id, p.name, array_agg(b.asset), (select array_agg(platform_bps) from fee_rate r where r.program_id = p.id),
                      (select count(*) from action where verb = 'program.setup')
               from program p join book b on b.program_id = p.id group by p.id"""
        ).fetchall()


def test_it_is_shown_written_once_and_the_settings_that_it_writes_start_a_server(cli: Cli, database_url: str) -> None:
    shown = cli(*words(), "--dry-run")
    assert (shown.code, "Bolt :bank: [red]" in shown.out, "platform 5 %, validator 1 %" in shown.out) == (0, True, True)
    asked = cli(*words())
    assert (asked.code, "--yes" in asked.err, kept(database_url), Path(".env").exists()) == (2, True, [], False)
    done = cli(*words(), "--yes")
    assert (done.code, "counterfoil people first" in done.out) == (0, True), done.err
    assert kept(database_url) == [("main", "Bolt :bank: [red]", ["EUR"], [500], 1)]
    written = Path(".env").read_text()
    assert stat.S_IMODE(Path(".env").stat().st_mode) == 0o600
    assert "whsec_" not in done.out
    assert list(providers_of(load_settings({}))) == ["simulator"]
    again = cli(*words(), "--yes")
    assert (again.code, again.out) == (0, "Nothing to do: all of it is set up.\n")
    assert (Path(".env").read_text(), len(kept(database_url))) == (written, 1)


def test_a_database_of_ones_own_gets_an_encryption_key_once_and_one_with_encrypted_rows_never(
    cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENCRYPTION)
    shown = cli(*words(), "--dry-run")
    assert f".env      {ENCRYPTION}=(a new secret)" in shown.out
    done = cli(*words(), "--yes")
    assert (done.code, f"Keep a copy of the encryption key elsewhere: {ENCRYPTION} in .env." in done.out) == (0, True), done.err
    settings = load_settings({})
    keys = keys_here(settings)
    assert settings.encryption_keys is not None
    assert settings.encryption_keys.get_secret_value() not in shown.out + done.out
    assert cli(*words(), "--yes").out == "Nothing to do: all of it is set up.\n"
    kept_lines = Path(".env").read_text()
    with psycopg.connect(database_url) as conn:
        carry(conn, keys)
        receive(conn, "whi_1", provider="simulator", event_id="evt_1", event_type="x", body=b"{}", now=NOW)
    Path(".env").write_text("".join(line for line in kept_lines.splitlines(keepends=True) if ENCRYPTION not in line))
    refused = cli(*words(), "--yes")
    assert (refused.code, keys.current.hex() in refused.err) == (3, True), refused
    assert ENCRYPTION not in Path(".env").read_text()


def test_half_answers_are_refused_by_name_and_write_nothing(cli: Cli, database_url: str) -> None:
    ran = cli(*words(name=None, provider=None), "--yes")
    told = " ".join(ran.err.replace("│", " ").split())
    assert (ran.code, "--name, --provider: give them" in told) == (2, True), told
    assert "--asset" not in told
    assert (kept(database_url), Path(".env").exists()) == ([], False)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"asset": "EUR"}, "--asset"),
        ({"asset": "EUR:99"}, "--asset"),
        ({"asset": "EUR:²"}, "--asset"),
        ({"provider": "stripe"}, "--provider"),
        ({"program": "Main Street"}, "--program"),
        ({"name": " "}, "--name"),
        ({"public_url": "books.example"}, "--public-url"),
        ({"provider_url": "http://x y"}, "--provider-url"),
        ({"provider": "none", "provider_url": "http://x"}, "--provider-url"),
    ],
    ids=str,
)
def test_a_bad_answer_is_refused_by_name(cli: Cli, database_url: str, changed: dict[str, str], field: str) -> None:
    ran = cli(*words(**changed), "--yes")
    assert (ran.code, field in ran.err) == (2, True), ran.err
    assert (kept(database_url), Path(".env").exists()) == ([], False)


def test_rates_of_more_than_everything_are_refused(cli: Cli, database_url: str) -> None:
    assert cli(*words(platform_bps="9999", validator_bps="2"), "--yes").code == 3
    assert kept(database_url) == []


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "Other"}, "name"),
        ({"asset": "EUR:2 USD:2"}, "programs create main"),
        ({"platform_bps": "501"}, "rates set main"),
        ({"provider_url": "http://127.0.0.1:9999"}, "COUNTERFOIL_PROVIDER_URL"),
        ({"program": "second"}, "COUNTERFOIL_PROGRAM"),
    ],
    ids=str,
)
def test_what_is_set_up_otherwise_is_never_changed(cli: Cli, database_url: str, changed: dict[str, str], says: str) -> None:
    assert cli(*words(), "--yes").code == 0
    before = kept(database_url), Path(".env").read_text()
    ran = cli(*words(**changed), "--yes")
    assert (ran.code, says in ran.err) == (5, True), ran.err
    assert (kept(database_url), Path(".env").read_text()) == before


def test_a_second_program_is_left_to_an_administrator(cli: Cli, database_url: str) -> None:
    assert cli(*words(provider="none"), "--yes").code == 0
    Path(".env").unlink()
    ran = cli(*words(program="second", provider="none"), "--yes")
    assert (ran.code, "counterfoil programs create" in ran.err) == (5, True)


def test_lines_that_are_there_stay_and_secrets_that_are_there_are_used(cli: Cli) -> None:
    Path(".env").write_text("OTHER=1\nCOUNTERFOIL_PROVIDER_API_KEY=sk_c08ab83e5c366350163d287c")  # no line end
    assert cli(*words(), "--yes").code == 0
    lines = Path(".env").read_text().splitlines()
    assert lines[:2] == ["OTHER=1", "COUNTERFOIL_PROVIDER_API_KEY=sk_c08ab83e5c366350163d287c"]
    assert sum("PROVIDER_API_KEY" in line for line in lines) == 1


def test_a_file_that_cannot_be_written_leaves_the_database_as_it_was(cli: Cli, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").mkdir()  # a folder stands in its place
    ran = cli(*words(), "--yes")
    assert ran.code == 3, ran.err
    assert kept(database_url) == []


def test_a_database_without_our_tables_is_told_what_to_do(make_database_url: Any, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", make_database_url(empty=True))
    ran = cli(*words(), "--yes")
    assert (ran.code, "counterfoil migrate" in ran.err) == (5, True)


@given(st.text(max_size=30))
def test_whatever_is_answered_is_taken_as_it_stands_or_refused(text: str) -> None:
    for read in (
        first_program.program_id,
        first_program.name,
        first_program.assets,
        first_program.bps,
        first_program.address,
    ):
        with suppress(InvalidInput):
            read(text)


def test_a_program_is_found_among_however_many_there_are(cli: Cli, database_url: str) -> None:
    assert cli(*words(), "--yes").code == 0
    with psycopg.connect(database_url) as conn:
        for number in range(12):  # by their ids they all come before it
            open_program(conn, f"a{number:02}", name="Another", assets=[Asset("EUR", 2)], now=NOW)
    again = cli(*words(), "--yes")
    assert (again.code, again.out) == (0, "Nothing to do: all of it is set up.\n"), again.err
    Path(".env").unlink()
    other = cli(*words(program="zzz"), "--yes")
    assert (other.code, "a09, …" in other.err) == (5, True), other.err
