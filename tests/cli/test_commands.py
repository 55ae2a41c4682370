"""Noun, verb, reason: the commands against a running server."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from counterfoil.cli.core.commands import PARTS, load
from counterfoil.cli.core.connection import ROLES as ROLES_ASKED
from counterfoil.cli.core.connection import server
from counterfoil.cli.core.exit_codes import EXIT, NOT_GREEN
from counterfoil.cli.core.progress import taken_in
from counterfoil.cli.nouns.settlement import usage as module
from counterfoil.cli.nouns.settlement.usage import parts_of
from counterfoil.client.client import Client
from counterfoil.client.problems import Unreachable
from counterfoil.operations.access import access
from tests.api.office import PROGRAM, Office, charge_event, signed, usage_csv
from tests.cli.conftest import Cli, Ran

PERMISSION = {
    "read": access.READ,
    "audit": access.AUDIT,
    "operate": access.OPERATE,
    "post": access.POST_JOURNAL,
    "administer": access.ADMINISTER,
    "work": access.WORK_BREAKS,
    "approve": access.APPROVE,
    "accept": access.ACCEPT_BREAK,
}


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    file = tmp_path / "january.csv"
    file.write_bytes(usage_csv(3, word="jan"))
    return file


@pytest.fixture
def invoices(cli: Cli, usage: Path) -> list[str]:
    """Three invoices, imported and issued by the command line."""
    assert cli("usage", "import", str(usage)).code == 0
    found: list[str] = cli("invoices", "issue", "--output", "json").json()["invoiceIds"]
    return found


def test_usage_is_imported_once(cli: Cli, usage: Path):
    first, again = cli("usage", "import", str(usage)), cli("usage", "import", str(usage))
    assert (first.code, first.out) == (0, "january.csv: 3 of 3 are new.\n")
    assert (again.code, again.out) == (0, "january.csv: was imported before; nothing was added.\n")


def test_a_dry_run_says_so_and_changes_nothing(cli: Cli, usage: Path):
    dry = cli("usage", "import", str(usage), "--dry-run")
    assert (dry.code, dry.out) == (0, "(dry run, nothing was changed) january.csv: 3 of 3 are new.\n")
    assert cli("usage", "import", str(usage)).out == "january.csv: 3 of 3 are new.\n"


def test_broken_usage_is_told_by_line_and_column_and_loses_no_other_line(cli: Cli, usage: Path):
    usage.write_bytes(usage_csv(3).replace(b"10.00", b"-1", 1))
    ran = cli("usage", "import", str(usage))
    assert ran.code == NOT_GREEN
    assert "january.csv: 2 of 2 are new; 1 line has a mistake and was not recorded.\n" in ran.out
    (mistake,) = cli("usage", "import", str(usage), "--output", "json").json()["mistakes"]
    assert (mistake["line"], mistake["column"], mistake["field"], mistake["got"]) == (2, 6, "unit_price", "-1")


@pytest.mark.parametrize(("cut", "code"), [(Unreachable("the line is dead"), EXIT["unreachable"]), (KeyboardInterrupt(), 130)])
def test_a_file_of_usage_that_was_cut_off_goes_on_where_it_stood(
    cli: Cli, usage: Path, monkeypatch: pytest.MonkeyPatch, cut: BaseException, code: int
):
    """Parts of two lines; the third never arrives, or somebody stops it, and the same command says where it stood and goes on."""
    monkeypatch.setattr(module, "parts_of", lambda file: parts_of(file, lines=2))
    whole = usage_csv(7, word="cut")
    usage.write_bytes(whole)
    sent = Client.import_usage

    def breaks(self: Client, *args: Any, **given: Any) -> Any:
        if given["from_line"] == 6:
            raise cut
        return sent(self, *args, **given)

    monkeypatch.setattr(Client, "import_usage", breaks)
    ran = cli("usage", "import", str(usage))
    assert (ran.code, "lines up to 5 are recorded" in ran.err) == (code, True)
    monkeypatch.setattr(Client, "import_usage", sent)
    assert cli("usage", "import", str(usage)).out == "january.csv: 3 of 7 are new.\n"
    assert cli("usage", "import", str(usage)).out == "january.csv: was imported before; nothing was added.\n"
    assert len(cli("invoices", "issue", "--output", "json").json()["invoiceIds"]) == 7


def test_how_far_a_file_is_stands_in_the_log_of_a_job_every_ten_seconds(capsys: pytest.CaptureFixture[str]):
    moments = iter([0.0, 3.0, 11.0, 11.0, 15.0, 22.0, 22.0])
    with taken_in("usage.csv", clock=lambda: next(moments)) as tell:
        for done in (100, 400, 500, 999):
            tell(done, 1_000)
    assert capsys.readouterr().err == "usage.csv: 40 % is taken in.\nusage.csv: 99 % is taken in.\n"


def test_parts_of_a_file_are_the_file(tmp_path: Path):
    lines = [b"head\n", *[f"row {n}\n".encode() for n in range(1, 8)], b'"two\n', b'lines"\n', b"last"]
    file = tmp_path / "a.csv"
    file.write_bytes(b"".join(lines))
    parts = list(parts_of(file, lines=4))
    assert b"".join(one.body.removeprefix(b"head\n") for one in parts) == b"".join(lines[1:])
    assert [(one.from_line, one.until_line) for one in parts] == [(2, 5), (6, 10), (11, 11)]
    assert all(one.body.startswith(b"head\n") for one in parts)
    file.write_bytes(b'{"a": 1}\n{"a": 2}\n{"a": 3}\n')
    assert [(one.body, one.from_line) for one in parts_of(file, lines=2)] == [(b'{"a": 1}\n{"a": 2}\n', 1), (b'{"a": 3}\n', 3)]


def test_lists_are_tables_json_or_csv(cli: Cli, invoices: list[str]):
    table, plain = cli("invoices", "list"), cli("invoices", "list", "--output", "json").json()
    cells = list(csv.DictReader(io.StringIO(cli("invoices", "list", "-o", "csv").out)))
    assert [row["id"] for row in plain] == [row["id"] for row in cells] == sorted(invoices, reverse=True)
    assert all(one in table.out for one in (*invoices, "customerId", "pending"))
    assert cli("invoices", "list", "--status", "paid").out == "No such invoices.\n"
    assert len(cli("invoices", "list", "--limit", "2", "-o", "json").json()) == 2


def test_one_thing_is_shown_with_its_parts(cli: Cli, invoices: list[str]):
    shown = cli("invoices", "show", invoices[0])
    assert (shown.code, all(word in shown.out for word in ("lines", "jan-", "steps", "issue"))) == (0, True)


def test_a_reason_is_asked_for_and_kept(cli: Cli, invoices: list[str]):
    without = cli("invoices", "cancel", invoices[0])
    assert (without.code, "--reason" in without.err) == (2, True)
    done = cli("invoices", "cancel", invoices[0], "--reason", "typed twice")
    assert done.out == f"{invoices[0]} is cancelled.\n"
    (action,) = cli("invoices", "show", invoices[0], "-o", "json").json()["actions"]
    assert (action["verb"], action["reason"]) == ("invoice.cancel", "typed twice")


def test_a_payout_is_found_by_its_id_its_invoice_or_its_key(cli: Cli, office: Office, invoices: list[str]):
    ran = cli("payouts", "show", "--invoice-id", invoices[0])
    assert (ran.code, ran.err.splitlines()[0]) == (EXIT["missing"], "There is no such payout.")
    assert cli("payouts", "show").code == 2
    assert cli("payouts", "show", "po_1", "--key", "k").code == 2
    assert cli("payouts", "list").out == "No such payouts.\n"


def test_the_machinery_is_shown(cli: Cli, office: Office):
    assert "No worker" in cli("workers", "list").out
    assert "webhooks" in cli("queue", "status").out
    assert cli("health", "-o", "json").json()["payoutOutboxPending"] == 0
    assert cli("invariants").code == 0
    assert cli("events", "list").code == 0
    assert cli("circuits", "list").code == 0
    assert cli("intents", "stats", "-o", "json").json()["measured"] == 0
    assert cli("intents", "list", "--stuck").out == "No such intents.\n"
    assert cli("jobs", "run", "repair").out == "repair: 0 handled.\n"
    books = cli("programs", "status", "-o", "json").json()
    assert {book["balanced"] for book in books} == {True}


def test_an_intent_is_retried(cli: Cli, office: Office, invoices: list[str]):
    invoice = office.ask("GET", f"/api/invoices/{invoices[0]}").json()
    body = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_1"))
    assert cli("jobs", "run", "webhooks").out == "webhooks: 1 handled.\n"
    (intent,) = cli("intents", "list", "--state", "verifying", "-o", "json").json()
    done = cli("intents", "retry", intent["id"], "--reason", "look again")
    assert done.out == f"{intent['id']} is verifying; the worker takes it up now.\n"


def test_journals_are_posted_shown_and_reversed(cli: Cli, office: Office, tmp_path: Path):
    office.fund("payable:payee:bolt", 1_000)
    lines = [{"debit": "payable:payee:bolt", "credit": "cash:bank:own", "amount": "250"}]
    file = tmp_path / "fix.json"
    file.write_text(json.dumps({"programId": PROGRAM, "asset": "EUR", "key": "fix-1", "lines": lines, "reason": "x"}))
    posted = cli("journal", "post", str(file), "--reason", "a correction", "-o", "json").json()
    assert "was posted before" in cli("journal", "post", str(file), "--reason", "a correction").out
    assert cli("accounts", "balance", "payable:payee:bolt", "--asset", "EUR", "-o", "json").json()["balance"] == "750"
    assert "a correction" in cli("journal", "show", posted["id"]).out
    assert cli("journal", "reverse", posted["id"], "--reason", "wrong").code == 0
    again = cli("journal", "reverse", posted["id"], "--reason", "wrong again", "--dry-run")
    assert (again.code, again.err.splitlines()[0]) == (
        EXIT["conflict"],
        "This was reversed before, and is reversed only once.",
    )
    assert cli("journal", "list", "-o", "json").json()[0]["reverses"] == posted["id"]
    span = ("--start-time", "2026-01-01T00:00:00Z", "--end-time", "2100-01-01T00:00:00Z", "--asset", "EUR")
    told = cli("accounts", "statement", "payable:payee:bolt", *span, "-o", "json").json()
    assert (told["opening"], told["closing"], len(told["data"])) == ("0", "1000", 3)
    assert cli("accounts", "statement", "payable:payee:bolt", *span, "-o", "csv").out.count("\n") == 4
    assert cli("accounts", "explain", "payable:payee:bolt", "--asset", "EUR").code == 0
    trial = cli("accounts", "trial", "--asset", "EUR")
    assert (trial.code, "total" in trial.out) == (0, True)


@pytest.mark.parametrize(("text", "says"), [("{", "no JSON"), ("[]", "no journal"), (None, "No such file")])
def test_a_journal_that_cannot_be_read_is_told(cli: Cli, tmp_path: Path, text: str | None, says: str):
    file = tmp_path / "x.json"
    if text is not None:
        file.write_text(text)
    ran = cli("journal", "post", str(file))
    assert (ran.code, says in ran.err) == (2, True), ran.err


def by_two(cli: Cli, office: Office, checker: str, *words: str) -> Ran:
    """Say it, have another person approve it, and say it again."""
    assert cli(*words).code == 0
    (one,) = office.ask("GET", "/api/approvals").json()["data"]
    decision = {"payloadSha256": one["payloadSha256"], "reason": "seen"}
    assert office.ask("POST", f"/api/approvals/{one['id']}/approve", role=checker, json=decision).status_code == 200
    return cli(*words)


def test_keys_programs_rates_and_destinations_are_made(cli: Cli, office: Office):
    made = by_two(cli, office, "second administrator", "keys", "create", "billing", "--role", "operator", "-o", "json").json()
    assert made["secret"].startswith("cf_live_")
    assert made["secret"] not in cli("keys", "list").out
    assert cli("keys", "revoke", made["id"], "--reason", "rotated").code == 0
    assert cli("programs", "create", "second", "--name", "Second", "--asset", "EUR:2").code == 0
    assert cli("programs", "create", "third", "--name", "T", "--asset", "EUR").code == 2
    assert "EUR:2" in cli("programs", "list").out
    assert cli("rates", "set", "second", "--platform-bps", "500", "--validator-bps", "100").code == 0
    assert cli("rates", "show", "second", "-o", "json").json()["version"] == 1
    assert "…" in by_two(cli, office, "approver", "destinations", "set", "bolt", "--token", "acct_bolt_0001").out
    assert "acct_bolt_0001" not in cli("destinations", "list").out
    (place,) = cli("destinations", "list", "--payee", "bolt", "-o", "json").json()
    assert cli("destinations", "quarantine", place["id"], "--reason", "a letter").out == f"Nothing is sent to {place['id']} from now on.\n"
    assert "a letter" in cli("destinations", "show", place["id"]).out
    assert "a person quarantined it: a letter" in " ".join(cli("payees", "card", "bolt").out.split())
    closed = cli("periods", "close", PROGRAM, "--until", "2026-01-01T00:00:00Z", "--reason", "year end")
    assert closed.code == 0
    assert "2026-01-01" in cli("periods", "show", PROGRAM).out


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("payouts", "show", "po_01KA0000000000000000000000"), "missing"),
        (("payouts", "list", "--state", "lost"), "invalid"),
        (("rates", "set", "main", "--platform-bps", "9999", "--validator-bps", "9999"), "invalid"),
    ],
)
def test_the_exit_code_says_what_kind_of_problem_it_is(cli: Cli, arguments: tuple[str, ...], kind: str):
    ran = cli(*arguments)
    assert (ran.code, ran.out) == (EXIT[kind], "")


def test_a_key_that_may_not_is_told_which_role_may(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COUNTERFOIL_URL", office.url)  # a key of the environment goes to the environment's address
    monkeypatch.setenv("COUNTERFOIL_API_KEY", office.keys["viewer"])
    ran = cli("jobs", "run", "repair")
    assert (ran.code, "roles: controller, operator" in ran.err) == (EXIT["forbidden"], True)
    monkeypatch.setenv("COUNTERFOIL_API_KEY", "cf_live_nonsense")
    ran = cli("payouts", "list")
    assert (ran.code, "checksum" in ran.err) == (EXIT["unauthenticated"], True)


def test_no_server_and_no_key_are_told_apart(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("counterfoil.client.transport.AGAIN_AFTER_S", ())
    monkeypatch.setenv("COUNTERFOIL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COUNTERFOIL_API_KEY", "cf_test_none")
    ran = cli("payouts", "list")
    assert (ran.code, "counterfoil serve" in ran.err) == (EXIT["unreachable"], True)
    monkeypatch.delenv("COUNTERFOIL_API_KEY")
    (tmp_path / ".counterfoil" / "client.json").unlink()
    ran = cli("payouts", "list")
    assert (ran.code, "COUNTERFOIL_API_KEY" in ran.err) == (EXIT["unauthenticated"], True)


@pytest.mark.parametrize(("typed", "meant"), [(("payuts",), "payouts"), (("payouts", "sho"), "show"), (("worke",), "worker")])
def test_an_unknown_command_is_answered_with_the_nearest(cli: Cli, typed: tuple[str, ...], meant: str):
    ran = cli(*typed)
    assert (ran.code, f"'{meant}'" in ran.err) == (2, True)


def test_the_role_that_is_asked_with_can_do_it_and_is_the_least(office: Office):
    for need, roles in ROLES_ASKED.items():
        able = {role for role, held in access.ROLES.items() if PERMISSION[need] in held}
        assert set(roles) == able, need
    assert server("operate", {"COUNTERFOIL_URL": "http://x", "COUNTERFOIL_API_KEY": "k"}) == ("http://x", "k")


def test_every_part_loads_and_every_command_says_what_it_does():
    poor = []
    for name, part in PARTS.items():
        if name == "demo" and not Path("src/counterfoil/cli/local/demo/demo.py").exists():
            continue
        command = load(name)
        commands = [command] if part.alone else list(command.commands.values())
        poor += [f"{name} {one.name}" for one in commands if not (one.help or "").strip()]
    assert poor == []


def test_help_imports_neither_server_nor_database():
    said = "import sys; from counterfoil.cli.main import run; run(['--help']); print([m for m in sys.modules if m.split('.')[0] in {n!r}])"
    code = said.replace("{n!r}", "('fastapi', 'psycopg', 'uvicorn', 'duckdb', 'httpx2', 'pyarrow')")
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert ended.stdout.strip().splitlines()[-1] == "[]"
    assert time.monotonic() - began < 10


def test_a_cell_that_a_spreadsheet_would_run_is_defused(cli: Cli, office: Office):
    body = {"id": "p3", "name": "=cmd()", "assets": [{"code": "EUR", "scale": 2}]}
    assert office.ask("POST", "/api/programs", role="administrator", key="p3", json=body).status_code == 201
    assert "'=cmd()" in cli("programs", "list", "-o", "csv").out
