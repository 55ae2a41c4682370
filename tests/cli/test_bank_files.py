"""`counterfoil bank-files`: look, download what was made and nothing else, and import what the bank says."""

from __future__ import annotations

import hashlib
from pathlib import Path

from counterfoil.cli.core.exit_codes import EXIT, USAGE
from tests.api.office import Office
from tests.api.test_providers import a_file
from tests.cli.conftest import Cli


def test_a_file_is_listed_and_downloaded_once_to_a_place_that_is_free(office: Office, cli: Cli):
    file_id = a_file(office)
    assert file_id in cli("bank-files", "list", "--state", "made").out
    assert cli("bank-files", "show", file_id, "--output", "json").json()["orders"] == 1
    done = cli("bank-files", "download", file_id)
    body = Path(f"{file_id}.xml").read_bytes()
    assert (done.code, body) == (0, b"<Document/>")
    assert hashlib.sha256(body).hexdigest() in done.out
    assert cli("bank-files", "download", file_id).code == USAGE  # never over a file
    assert cli("bank-files", "list", "--state", "made").out.startswith("There is no such file.")


def test_a_file_is_cancelled_with_a_reason_until_somebody_has_it(office: Office, cli: Cli):
    one, other = a_file(office), a_file(office)
    assert cli("bank-files", "cancel", one, "--reason", "wrong day").code == 0
    cli("bank-files", "download", other)
    late = cli("bank-files", "cancel", other, "--reason", "too late")
    assert (late.code, "The bank may have this file" in late.err) == (EXIT["conflict"], True)


def test_what_is_no_report_of_the_bank_is_refused_and_says_what_one_is(cli: Cli):
    Path("r.txt").write_text("paid, all of it")
    refused = cli("bank-files", "import-status", "r.txt")
    assert refused.code == EXIT["invalid"]
    assert "pain.002, camt.053 or camt.054" in refused.err


def test_how_providers_do_is_told_with_the_span_that_was_measured(cli: Cli):
    told = cli("providers", "stats", "--hours", "1")
    assert told.code == 0
    assert "simulator" in told.out
    assert "Calls announced from" in told.out
    assert cli("providers", "list", "--output", "json").json()[0]["keyMemoryS"] == 82_800
