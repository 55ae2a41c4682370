"""A day at a provider and at the bank, reconciled: by force, of a day, in full; reported; signed for. Rows V3, S8, T2 and I4."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

from counterfoil.base.edge import now
from tests.builders import PROGRAM, Desk, issue
from tests.stories.terminal import Terminal, told


def paid(desk: Desk, *prices: str, prefix: str) -> None:
    """Customers pay these prices; everything is carried as far as our side goes without hearing of the payouts."""
    for invoice_id, price in zip(issue(desk.database, *prices, prefix=prefix), prices, strict=True):
        desk.pay(invoice_id, int(price.replace(".", "")))
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")


def test_a_day_is_reconciled_reported_and_signed_for(desk: Desk, terminal: Terminal, tmp_path: Path):
    today = now().date()
    paid(desk, "100.00", "40.00", prefix="a")
    desk.deliver()
    desk.work()  # the first two payouts have arrived
    paid(desk, "70.00", prefix="b")  # the third is under way: nobody has told us

    # S8: one program, now.
    code, said = terminal("reconcile", "run", "--program", PROGRAM, "--scope", "recent", "--output", "json")
    runs = {run["source"]: run for run in json.loads(said)["runs"]}
    assert code == 0, said
    assert {run["verdict"] for run in runs.values()} == {"reconciled"}
    assert runs["simulator"]["expected"] == 1
    assert "nobody has told us" in runs["simulator"]["report"]["expected_later"][0]["why"]
    [balance] = runs["simulator"]["report"]["balances"]
    assert balance["unexplained"] == "0"
    assert int(balance["difference"]) == int(balance["only_there"]) < 0

    # It arrives; what was expected later matures into a match.
    desk.deliver()
    desk.work()
    desk.still_true()
    week = told(terminal("reconcile", "run", "--source", "simulator", "--last", "7d", "--output", "json"))
    assert (week["verdict"], week["expected"], week["breaks"]) == ("reconciled", 0, 0)

    # T2: everything of a day, on which the statement loses a line.
    desk.fault("line_lost", count=1)
    paid(desk, "55.00", prefix="c")
    desk.deliver()
    desk.work()
    code, said = terminal("reconcile", "run", "--scope", "full", "--date", today.isoformat(), "--output", "json")
    assert code == 1
    [lost] = [one for run in json.loads(said)["runs"] if run["source"] == "simulator" for one in run["found"]]
    assert lost["kind"] == "MISSING_RIGHT"

    # Everything since the books began says the same as the runs in between.
    terminal("reconcile", "run", "--source", "simulator", "--scope", "recent")
    full = told(terminal("reconcile", "run", "--source", "simulator", "--scope", "full", "--output", "json"))
    assert (full["scope"], full["comparison"]["agrees"], full["breaks"]) == ("full", True, 1)
    again = told(terminal("reconcile", "run", "--source", "simulator", "--scope", "full", "--output", "json"))
    assert again["id"] == full["id"]

    # V3, I4: the report of the period, beside what proves it.
    span = ("--start-time", f"{today}T00:00:00Z", "--end-time", f"{today + timedelta(days=1)}T00:00:00Z")
    report = told(terminal("reconcile", "report", *span, "--output", "json"))
    assert report["verdict"] == "not reconciled"
    assert {one["kind"] for one in report["report"]["items"]} >= {"MISSING_RIGHT"}
    assert terminal("reconcile", "report", *span, "--format", "json", "--file", "reconciliation_report.json")[0] == 0
    assert json.loads((tmp_path / "reconciliation_report.json").read_text()) == report["report"]

    # Client money: what the provider says it holds covers what is owed, less what the provider took as fees.
    made = told(terminal("client-money", "make", "--date", today.isoformat(), "--output", "json"))["statements"][0]
    assert int(made["inTransit"]) == desk.balance("clearing:simulator")
    assert terminal("client-money", "sign", made["id"], "--sha256", made["sha256"], "--reason", "seen")[0] == 0
    desk.still_true()
