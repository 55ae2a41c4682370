"""Proofs and signers at the command line: keys of one's own, and verifying with nothing but two files."""

from __future__ import annotations

import io
import json
import re
import time
from datetime import timedelta
from pathlib import Path

import pytest

from counterfoil.base.edge import now
from counterfoil.cli.nouns.proofs import exporting
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs import exports
from tests.api.office import Office
from tests.builders import PROGRAM
from tests.cli.conftest import Cli
from tests.points import at_points

DAY = f"{now():%Y-%m-%d}"


def test_a_key_is_made_once_with_a_passphrase_worth_the_name(cli: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "at least 12 characters" in cli("signers", "new-key", "a.pem", "--passphrase-stdin").err
    assert not Path("a.pem").exists()
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough for it\n"))
    made = cli("signers", "new-key", "a.pem", "--passphrase-stdin")
    assert (made.code, len(made.out.strip().splitlines()[-1])) == (0, 64)
    assert Path("a.pem").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in Path("a.pem").read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough for it\n"))
    assert "never written over" in cli("signers", "new-key", "a.pem", "--passphrase-stdin").err


def test_a_proof_is_exported_listed_shown_downloaded_and_verified(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    assert cli("proof", "list").out == "No period was proven yet.\n"
    end = now().isoformat()
    made = cli("proof", "export", DAY, end)
    assert (made.code, made.out.startswith("proofId: prf_")) == (1, True), "nothing was reconciled, so it is incomplete"
    assert "was made before" in cli("proof", "export", DAY, end).out
    [row] = cli("proof", "list", "--output", "json").json()
    assert cli("proof", "show", row["id"], "--output", "json").json()["files"]
    shown = cli("proof", "show", row["id"], "--file", "manifest.json", "--out", "m.json")
    assert (shown.code, json.loads(Path("m.json").read_text())["proof_id"]) == (0, row["id"])
    assert "one of" in cli("proof", "show", row["id"], "--file", "nothing.json").err
    assert cli("proof", "download", row["id"]).code == 0
    assert cli("signers", "pin", "--out", "keys.json").code == 0
    found = cli("proof", "verify", f"{row['id']}.zip", "--keys", "keys.json")
    assert (found.code, found.out.splitlines()[0], "signed by 0 of the 2" in found.out) == (2, "INCOMPLETE", True)
    as_json = cli("proof", "verify", f"{row['id']}.zip", "--keys", "keys.json", "--output", "json")
    assert as_json.json()["exitCode"] == 2
    Path("keys.json").write_text("{}")
    assert cli("proof", "verify", f"{row['id']}.zip", "--keys", "keys.json").code == 3
    gone = cli("proof", "verify", "gone.zip", "--keys", "keys.json")
    assert (gone.code, "gone.json cannot be read" in cli("proof", "verify", f"{row['id']}.zip", "--keys", "gone.json").err) == (3, True)
    Path("no.zip").write_bytes(b"no zip")
    assert cli("signers", "pin", "--out", "keys.json").code == 0
    assert cli("proof", "verify", "no.zip", "--keys", "keys.json").out.splitlines()[0] == "BROKEN"
    status = cli("signers", "status")
    assert (status.code, "TOO FEW" in status.out) == (1, True)
    anew = cli("proof", "reissue", row["id"], "--reason", "once more")
    assert (anew.code, "Too few people could sign it anew" in anew.err) == (5, True)
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough for it\n"))
    assert cli("signers", "new-key", "b.pem", "--passphrase-stdin").code == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("another passphrase\n"))
    assert "key that this passphrase opens" in cli("proof", "sign", row["id"], "--key", "b.pem", "--passphrase-stdin").err
    monkeypatch.setattr("sys.stdin", io.StringIO("long enough for it\n"))
    assert "no signer's" in cli("proof", "sign", row["id"], "--key", "b.pem", "--passphrase-stdin").err


def test_an_export_shows_how_far_it_is_and_outlives_the_patience_of_a_request(cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch):
    """The server is at it longer than an answer may take: the command looks on, and asks again for the same."""
    begin = now() - timedelta(hours=1)
    with office.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["suspense", "bad_debt"], asset="EUR", actor="test", now=now())
        post(conn, PROGRAM, key="slow", kind="t", lines=[("suspense", "bad_debt", 5)], asset="EUR", actor="t", now=now())
    monkeypatch.setattr(exports, "BEAT_EVERY_S", 0.05)
    monkeypatch.setattr(exporting, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(exporting, "LINE_EVERY_S", 0.0)
    monkeypatch.setattr("counterfoil.cli.core.connection.TIMEOUT_S", 0.3)

    def hook(point: str) -> None:
        if point == "proof_export.page":
            time.sleep(2.5)

    with at_points(hook):
        made = cli("proof", "export", begin.isoformat(), now().isoformat())
    assert (made.code, made.out.startswith("proofId: prf_")) == (1, True), made.err
    assert re.search(r"^(\d+) of \1 entries\. Writing the entries$", made.err, re.MULTILINE), made.err
    [row] = cli("proof", "exports", "--output", "json").json()
    assert (row["state"], row["entriesDone"], row["proofId"] in made.out) == ("made", row["entries"], True)
    assert "its process may be gone" in exporting.told({"stage": "It begins", "silentS": 12})


def test_that_a_journal_is_in_the_log_is_fetched_and_verified_without_a_server(cli: Cli, office: Office):
    with office.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["suspense", "bad_debt"], asset="EUR", actor="test", now=now())
        made = post(conn, PROGRAM, key="one", kind="t", lines=[("suspense", "bad_debt", 5)], asset="EUR", actor="t", now=now())
    one = str(made.journal_id)
    assert cli("proof", "inclusion", one).code == 8, "nothing is in the log yet"
    assert cli("jobs", "run", "log").code == 0
    done = cli("proof", "inclusion", one)
    assert (done.code, done.out.startswith(f"{one}.inclusion.json: 1 entry of the log, ")) == (0, True), done.err
    assert cli("signers", "pin", "--out", "keys.json").code == 0
    found = cli("proof", "verify", f"{one}.inclusion.json", "--keys", "keys.json")
    assert (found.code, found.out.splitlines()[0]) == (0, "OK"), found.out
    assert "  debit suspense, credit bad_debt: 5 (EUR, minor units)." in found.out
    for wrong in ("", "x", "inv_01KA0000000000000000000000"):
        refused = cli("proof", "inclusion", wrong)
        assert (refused.code, "neither the id of a payout" in refused.err) == (2, True), refused.err
    assert cli("proof", "inclusion", "po_01KA0000000000000000000000").code == 4
    assert "that can be written" in cli("proof", "inclusion", one, "--out", "gone/x.json").err
