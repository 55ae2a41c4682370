"""The runbook of daily operations, walked from top to bottom in its own order against one running server. Each section names its rows.

A section that is built later is written into `RUNBOOK`, at its place in the runbook.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from counterfoil.operations.webhooks.inbound import verify_standard
from tests.builders import PROGRAM, Desk, issue
from tests.integrity.metrics.test_metrics import samples, value
from tests.operations.webhooks_out.partner import partner
from tests.stories.by_the_machine import walk
from tests.stories.superuser import by_a_superuser
from tests.stories.terminal import Terminal, told

Section = Callable[[Desk, Terminal], None]


def paid_and_not_verified(desk: Desk, price: str, prefix: str) -> str:
    """A payment that the provider did not bear out when it was asked: there was an outage."""
    [invoice] = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice, int(price.replace(".", "")))
    desk.deliver()
    desk.fault("outage", on="charge.get", count=1, params={"ms": 60_000})
    desk.work("webhooks", "verify")
    desk.settle_time()  # for the provider the outage is over
    assert desk.rows("select attempt, state from intent where invoice_id = %s", invoice) == [(1, "verifying")]
    return invoice


def carried(desk: Desk) -> None:
    """What the provider tells is heard, and the workers do what there is to do."""
    for _ in range(2):
        desk.deliver()
        desk.work()


def the_dashboard_is_open_and_refreshes_itself(desk: Desk, terminal: Terminal) -> None:
    """S1: every 30 seconds, a setting; without scripts, too."""
    headers = {"Authorization": f"Bearer {terminal.keys['viewer']}"}
    with httpx2.Client(base_url=terminal.url, headers=headers, timeout=20, trust_env=False) as client:
        page = client.get("/admin/reconciliation")
        told_as_json = client.get("/admin/reconciliation.json")
    assert (page.status_code, 'data-refresh-s="30"' in page.text) == (200, True)
    assert '<meta http-equiv="refresh" content="30; url=' in page.text
    assert told_as_json.json()["readings"]


def the_books_of_each_program_balance(desk: Desk, terminal: Terminal) -> None:
    """S2 what each book shows; S8 one program reconciled, now."""
    [invoice] = issue(desk.database, "100.00", prefix="a")
    desk.pay(invoice, 100_00)
    carried(desk)
    [book] = told(terminal("programs", "status", "--output", "json"))
    assert (book["programId"], book["difference"], book["balanced"], book["debits"]) == (PROGRAM, "0", True, book["credits"])
    assert int(book["debits"]) > 0
    assert terminal.ask("/api/admin/reconciliation/status")["books"] == [book]
    code, said = terminal("reconcile", "run", "--program", PROGRAM, "--scope", "recent", "--output", "json")
    assert code == 0, said
    again = terminal.ask("/api/admin/reconciliation/force-reconcile", {"programId": PROGRAM}, role="operator")
    assert {one["verdict"] for one in again["runs"]} == {"reconciled"}


def workers_are_heard_of(desk: Desk, terminal: Terminal) -> None:
    """S3: no worker runs beside this server, and both say so."""
    assert told(terminal("workers", "list", "--output", "json")) == []
    assert terminal.ask("/api/admin/reconciliation/status")["workers"] == []


def a_queue_is_paused_and_resumed_by_two(desk: Desk, terminal: Terminal) -> None:
    """S4: what is paused waits, however often a worker looks; what sends money goes on again by two people."""
    assert terminal("queue", "pause", "send", "--reason", "look at it first")[0] == 0
    [invoice] = issue(desk.database, "20.00", prefix="b")
    desk.pay(invoice, 20_00)
    carried(desk)
    [send] = [one for one in told(terminal("queue", "status", "--output", "json")) if one["name"] == "send"]
    assert (send["paused"], send["due"], send["depth"]) == (True, 1, "fine")
    assert terminal.rows(f"/api/payouts?invoiceId={invoice}")[0]["state"] == "processing"
    words = ("queue", "resume", "send", "--reason", "all is well")
    terminal.by_two(*words)
    carried(desk)
    assert terminal.rows(f"/api/payouts?invoiceId={invoice}")[0]["state"] == "completed"


def how_long_intents_take(desk: Desk, terminal: Terminal) -> None:
    """S5: of the last 100 that were completed."""
    stats = told(terminal("intents", "stats", "--output", "json"))
    assert (stats["measured"], stats["moving"], stats["stuck"], stats["failed"]) == (2, 0, 0, 0)
    assert stats["pace"] in ("fast", "degraded", "slow")
    assert terminal.ask("/api/admin/reconciliation/status")["processing"]["measured"] == 2


def a_stuck_intent_is_found_and_retried(desk: Desk, terminal: Terminal) -> None:
    """S6: after ten minutes; by the command, and by the address of the runbook."""
    invoices = [paid_and_not_verified(desk, "30.00", "c"), paid_and_not_verified(desk, "40.00", "d")]
    assert told(terminal("intents", "list", "--stuck", "--output", "json")) == []
    desk.clock.advance(minutes=11)
    stuck = told(terminal("intents", "list", "--stuck", "--output", "json"))
    assert sorted(one["invoiceId"] for one in stuck) == sorted(invoices)
    assert sorted((one["customerId"], one["amount"], one["state"]) for one in stuck) == [
        ("customer-c-1", "3000", "verifying"),
        ("customer-d-1", "4000", "verifying"),
    ]
    assert all(one["isStuck"] and one["inStateS"] >= 11 * 60 for one in stuck)
    shown = terminal("intents", "list", "--stuck")[1]
    assert all(word in shown for word in ("customer-c-1", "30.00", "verifying", "0:11:"))
    first, second = (one["id"] for one in stuck)
    assert terminal("intents", "retry", first, "--reason", "the provider answers again")[0] == 0
    body = {"intentId": second, "reason": "the provider answers again"}
    terminal.ask("/api/admin/reconciliation/retry-intent", body, role="operator")
    carried(desk)
    assert terminal.rows("/api/intents?stuck=true") == []
    assert {terminal.ask(f"/api/intents/{one}")["state"] for one in (first, second)} == {"completed"}


def prometheus_asks(desk: Desk, terminal: Terminal) -> None:
    """S17: the four series of the runbook, by what just happened here; their first word is a setting."""
    headers = {"Authorization": f"Bearer {terminal.keys['viewer']}"}
    with httpx2.Client(base_url=terminal.url, headers=headers, timeout=20, trust_env=False) as client:
        found = samples(client.get("/metrics").text)
    name, completed = desk.wiring.metrics_namespace, len(desk.rows("select from intent where state = 'completed'"))
    assert completed
    assert value(found, f"{name}_intent_processing_duration_seconds_count", program=PROGRAM) == completed
    assert value(found, f"{name}_ledger_balance_difference_cents", program=PROGRAM, asset="EUR") == 0
    assert value(found, f"{name}_queue_depth_total", queue="events") == 0
    assert value(found, f"{name}_worker_status", status="down") == 1


def what_fails_is_tried_again_by_itself(desk: Desk, terminal: Terminal) -> None:
    """S7: a minute later, a fifth more or less, and not before."""
    invoice = paid_and_not_verified(desk, "50.00", "e")
    desk.clock.advance(seconds=47)
    desk.work("verify")
    assert desk.rows("select attempt, state from intent where invoice_id = %s", invoice) == [(1, "verifying")]
    desk.clock.advance(seconds=26)
    carried(desk)
    assert terminal.rows(f"/api/payouts?invoiceId={invoice}")[0]["state"] == "completed"


def entries_are_asked_for_in_sql_and_corrected_through_the_api(desk: Desk, terminal: Terminal) -> None:
    """S9: the two queries as they are printed, by who may only look. I5: what is missing is posted through the API, never
    written by hand, and the books still agree."""
    entries = f"SELECT * FROM ledger_entries WHERE program_id = '{PROGRAM}' ORDER BY created_at DESC"
    sums = f"SELECT type, SUM(amount) as total FROM ledger_entries WHERE program_id = '{PROGRAM}' GROUP BY type"

    def asked(query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(desk.database.url) as conn:
            conn.execute("set role counterfoil_auditor")
            return conn.execute(query.encode()).fetchall()

    rows, totals = asked(entries), dict(asked(sums))
    assert len(rows) % 2 == 0
    assert totals["debit"] == totals["credit"] > 0
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        asked("insert into posting default values returning 1")
    journal = {
        "programId": PROGRAM,
        "asset": "EUR",
        "key": "correction-1",
        "kind": "adjustment",
        "lines": [{"debit": "provider_fee", "credit": "cash:bank:own", "amount": "125"}],
        "reason": "a fee of the provider's invoice, incident 7",
    }
    account = {"programId": PROGRAM, "asset": "EUR", "names": ["cash:bank:own"]}
    terminal.ask("/api/accounts", account, role="controller")
    file = terminal.folder / "correction.json"
    file.write_text(json.dumps(journal))
    words = ("journal", "post", str(file))
    code, said = terminal(*words)
    assert code == 0, said
    after = dict(asked(sums))
    assert after == {name: total + 125 for name, total in totals.items()}
    assert len(asked(entries)) == len(rows) + 2
    assert told(terminal("programs", "status", "--output", "json"))[0]["balanced"] is True


def a_batch_waits_for_a_second_person_and_is_executed(desk: Desk, terminal: Terminal) -> None:
    """S10: once by the commands, once by the addresses of the runbook. Who may gather does not approve; an approval and the
    service level are 24 hours; what the treasury does not cover is refused; below a threshold a rule approves."""
    batch_policy(terminal, "0.00")
    first, second = (a_batch(desk, terminal, price, prefix) for price, prefix in (("150.00", "g"), ("20.00", "q")))
    address = f"/api/admin/payouts/batch/{second}"
    shown = told(terminal("batches", "show", first, "--output", "json"))
    assert (shown["state"], shown["amount"], shown["approvers"], shown["executeBy"]) == ("pending_approval", "14100", 1, None)
    assert {row["id"]: row["state"] for row in told(terminal("batches", "list", "--output", "json"))} == dict.fromkeys(
        (first, second), "pending_approval"
    )
    code, said = terminal("batches", "execute", first)
    assert (code, "it is pending approval" in said) == (5, True), said
    assert terminal.ask(f"{address}/execute", {}, role="operator", status=409)["why"] == "it is pending approval"
    for role in ("operator", "administrator"):  # who gathers never approves, nor does whoever gives out roles
        assert terminal.ask(f"{address}/approve", {}, role=role, status=403)["type"] == "/problems/NotAllowed"
    assert terminal("batches", "approve", first)[0] == 0
    desk.clock.advance(hours=24)
    code, said = terminal("batches", "execute", first)
    assert (code, "its approval is older than 24 hours" in said) == (5, True), said
    desk.work("batches")
    assert terminal.ask(f"/api/batches/{first}")["state"] == "pending_approval"
    assert terminal("batches", "approve", first)[0] == 0
    terminal.ask(f"{address}/approve", {}, role="approver")
    shown = terminal.ask(f"/api/batches/{first}")
    assert datetime.fromisoformat(shown["executeBy"]) - datetime.fromisoformat(shown["approvedAt"]) == timedelta(hours=24)
    what_the_treasury_does_not_cover_is_refused(terminal, first, address)
    assert terminal("batches", "execute", first)[0] == 0
    terminal.ask(f"{address}/execute", {}, role="operator")
    carried(desk)
    desk.work("batches")
    for batch in (first, second):
        done = told(terminal("batches", "show", batch, "--output", "json"))
        assert (done["state"], done["late"], {line["status"] for line in done["payouts"]}) == ("executed", False, {"paid"})
    batch_policy(terminal, "1000000.00")
    [small] = issue(desk.database, "5.00", prefix="i")
    desk.pay(small, 5_00)
    carried(desk)
    assert terminal.rows(f"/api/payouts?invoiceId={small}")[0]["state"] == "completed", "by rule"


def batch_policy(terminal: Terminal, by_rule: str) -> None:
    words = ("batches", "policy", "EUR", "--by-rule", by_rule, "--tier", "0.00=1", "--reason", "agreed with the bank")
    terminal.by_two(*words)
    code, said = terminal(*words)
    assert code == 0, said


def gathered(terminal: Terminal) -> dict[str, Any]:
    """A batch of all that waits, handed in for approval."""
    made = told(terminal("batches", "gather", "--asset", "EUR", "--output", "json"))
    assert terminal("batches", "submit", made["id"])[0] == 0
    return dict(made)


def a_batch(desk: Desk, terminal: Terminal, price: str, prefix: str) -> str:
    """The batch of what waits after a payment of this price."""
    [invoice] = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice, int(price.replace(".", "")))
    carried(desk)
    assert terminal.rows(f"/api/payouts?invoiceId={invoice}")[0]["state"] == "pending"
    return str(gathered(terminal)["id"])


def what_the_treasury_does_not_cover_is_refused(terminal: Terminal, batch: str, address: str) -> None:
    """What lay at the provider is taken to the bank, but for one euro; then it is there again."""
    held = int(terminal.ask("/api/accounts/clearing:simulator/balance?asset=EUR")["balance"]) - 100
    for number, (debit, credit) in enumerate((("cash:bank:client", "clearing:simulator"), ("clearing:simulator", "cash:bank:client"))):
        line = {"debit": debit, "credit": credit, "amount": str(held)}
        journal = {"programId": PROGRAM, "asset": "EUR", "key": f"to-bank-{number}", "kind": "adjustment", "lines": [line]}
        account = {"programId": PROGRAM, "asset": "EUR", "names": ["cash:bank:client"]}
        terminal.ask("/api/accounts", account, role="controller")
        terminal.ask("/api/finance/journal", {**journal, "reason": "what the bank was told, incident 8"}, role="controller")
        if number == 0:
            code, said = terminal("batches", "execute", batch)
            assert code == 5, said
            assert "simulator holds 1.00 EUR that is not on its way, and 141.00 is needed: 140.00 is missing" in said
            why = terminal.ask(f"{address}/execute", {}, role="operator", status=409)["why"]
            assert "and 18.80 is needed: 17.80 is missing" in why


def commissions_are_checked_on_a_sample(desk: Desk, terminal: Terminal) -> None:
    """S13, weekly: what affiliates earn of a sale, worked out again, on a sample and on all; a refund takes its part back."""
    because = ("--reason", "signed the contract", "--output", "json")
    above = told(terminal("affiliates", "set", "bob", *because))["id"]
    ann = told(terminal("affiliates", "set", "ann", "--parent-id", above, *because))["id"]
    words = ("--asset", "EUR", "--level-bps", "1000", "--level-bps", "200", "--cap-bps", "2000", "--mature-days", "0", "--minimum", "5.00")
    assert terminal("commissions", "rates", "set", PROGRAM, *words)[0] == 0
    for customer in ("customer-k-1", "customer-k-2"):
        assert terminal("affiliates", "refer", ann, "--customer-id", customer)[0] == 0
    invoices = issue(desk.database, "99.99", "70.00", "30.00", prefix="k")  # of the third nobody says who referred it
    for invoice, minor in zip(invoices, (99_99, 70_00, 30_00), strict=True):
        desk.pay(invoice, minor)
    carried(desk)
    earned = {(one["affiliateId"], one["amount"]) for one in terminal.rows("/api/commissions")}
    assert earned == {(ann, "999"), (above, "199"), (ann, "700"), (above, "140")}
    code, said = terminal("commissions", "verify", "--sample", "1", "--output", "json")
    assert (code, told((code, said))["lookedAt"], told((code, said))["isSample"]) == (0, 1, True)
    refund = ("--invoice-id", invoices[1], "--amount", "35.00", "--reason", "half was not delivered")
    assert terminal("refunds", "open", *refund)[0] == 0
    carried(desk)
    code, said = terminal("commissions", "verify", "--sample", "10", "--output", "json")
    whole = told((code, said))
    assert (code, whole["sales"], whole["lookedAt"], whole["differing"], whole["isSample"]) == (0, 2, 2, 0, False)
    left = {(one["affiliateId"], one["remaining"]) for one in terminal.rows("/api/commissions")}
    assert left == {(ann, "999"), (above, "199"), (ann, "350"), (above, "70")}


def affiliates_are_a_tree_and_are_paid_by_the_contract(desk: Desk, terminal: Terminal) -> None:
    """S13, monthly: no cycle and no orphan; and what matured goes out as one payout, above the minimum of 5.00."""
    code, said = terminal("affiliates", "verify", "--output", "json")
    assert (code, told((code, said))["affiliates"], told((code, said))["faulty"]) == (0, 2, 0)
    by_name = {one["name"]: one["id"] for one in terminal.rows("/api/affiliates")}
    assert terminal("affiliates", "set", "bob", "--parent-id", by_name["ann"], "--reason", "by mistake")[0] != 0
    destination = ("destinations", "set", by_name["ann"], "--token", "acct_ann_0001")
    terminal.by_two(*destination)
    assert terminal(*destination)[0] == 0
    desk.work("mature-commissions", "pay-commissions")
    carried(desk)
    batch = gathered(terminal)  # a payee that was never paid before: no rule lets it go
    for verb, role in (("approve", "approver"), ("execute", "operator")):
        terminal.ask(f"/api/admin/payouts/batch/{batch['id']}/{verb}", {}, role=role)
    carried(desk)
    desk.work("batches")
    paid = {one["payeeId"]: (one["amount"], one["state"]) for one in terminal.rows("/api/payouts") if one["payeeId"] in by_name.values()}
    assert paid == {by_name["ann"]: ("1349", "completed")}, "of the other less than the minimum matured: it carries over"
    assert terminal.ask(f"/api/affiliates/{by_name['bob']}/payable")["data"][0]["earned"] == "269"
    assert {one["affiliateId"] for one in terminal.rows("/api/commissions?state=paid")} == {by_name["ann"]}


def an_imbalance_is_found_answered_and_closed(desk: Desk, terminal: Terminal) -> None:
    """S15: an imbalance is a P0 that is answered within 15 minutes and pauses new settlements of its program; two people let them go."""
    assert "is finished" in terminal("sentinel", "run", "--full")[1]
    by_a_superuser(desk, "update account set debits = debits + 5, credits = credits + 5 where name = 'fee:platform'")
    assert terminal.ask("/api/sentinel-runs", {"kind": "full"}, role="operator")["verdict"] == "broken"
    [alert] = [one for one in told(terminal("alerts", "list", "--state", "open", "--output", "json")) if one["code"] == "LEDGER_UNBALANCED"]
    assert (alert["severity"], alert["programId"]) == ("critical", PROGRAM)
    [narrowed] = told(terminal("alerts", "list", "--code", "LEDGER_UNBALANCED", "--output", "json"))
    assert narrowed["id"] == alert["id"]
    kinds = {one["kind"] for one in told(terminal("sentinel", "list", "--kind", "full", "--output", "json"))}
    assert kinds == {"full"}
    shown = terminal("alerts", "show", alert["id"])[1]
    for told_of_it in ("Asked: Is every journal whole", alert["subject"], f"runbook run P1 --alert {alert['id']}", "alerts resolve alt_"):
        assert told_of_it in shown, shown
    [incident] = [one for one in told(terminal("incidents", "list", "--output", "json")) if one["level"] == "P0"]
    assert terminal.rows("/api/incidents?state=open")
    assert [(one["queue"], one["programId"]) for one in terminal.ask("/api/admin/queue/pauses")["paused"]] == [("settle", PROGRAM)]
    assert datetime.fromisoformat(incident["respondBy"]) - datetime.fromisoformat(incident["openedAt"]) == timedelta(minutes=15)
    assert terminal("incidents", "respond", incident["id"], "--reason", "on it")[0] == 0
    by_a_superuser(desk, "update account set debits = debits - 5, credits = credits - 5 where name = 'fee:platform'")
    assert terminal("incidents", "close", incident["id"], "--reason", "verified")[0] != 0, "its alert stands"
    a_correction_is_tied_to_the_incident(terminal, incident["id"])
    assert terminal("alerts", "resolve", alert["id"])[0] == 0
    terminal.by_two("queue", "resume", "settle", "--program", PROGRAM, "--reason", "verified")
    assert terminal("incidents", "write", incident["id"], "--text", "An account was edited.")[0] == 0
    assert terminal("incidents", "close", incident["id"], "--reason", "verified")[0] == 0
    code, document = terminal("incidents", "post-mortem", incident["id"])
    assert (code, "An account was edited." in document) == (0, True)


def a_correction_is_tied_to_the_incident(terminal: Terminal, incident: str) -> None:
    """S19: a correction through the API says for which incident it is posted, and the incident shows it."""
    file = terminal.folder / "correction.json"  # the one of before, under a key of its own
    file.write_text(json.dumps({**json.loads(file.read_text()), "key": "correction-2", "reason": "what the edit left wrong"}))
    code, said = terminal("journal", "post", str(file), "--incident", "inc_01KA0000000000000000000000")
    assert (code, "incident" in said) == (4, True), said
    twice = {**json.loads(file.read_text()), "incidentId": incident, "sourceType": "invoice", "sourceId": "inv"}
    assert terminal.ask("/api/finance/journal", twice, role="controller", status=422)["field"] == "incidentId"
    code, said = terminal("journal", "post", str(file), "--incident", incident)
    assert code == 0, said
    [posted] = terminal.ask(f"/api/incidents/{incident}")["corrections"]
    assert (posted["key"], posted["reason"], posted["programId"]) == ("correction-2", "what the edit left wrong", PROGRAM)
    assert (posted["proofId"], posted["proof"]) == (None, "none"), "no proof of this month yet"
    assert terminal.ask(f"/api/journals/{posted['journalId']}")["sourceId"] == incident


def people_are_told_on_their_channels(desk: Desk, terminal: Terminal) -> None:
    """S16: whoever is on call hears of what was found, once, and a test says whether a channel works."""
    code, said = terminal("notify", "test", "--output", "json")
    assert (code, [one["taken"] for one in told((code, said))]) == (0, [True])
    for job in ("events", "notices"):
        while terminal.ask(f"/api/admin/ops/run/{job}", {}, role="operator")["handled"]:
            pass
    heard = [one["title"] for one in terminal.receiver.heard]
    assert heard[0] == "counterfoil: a test"
    assert any("P0 Incident opened: LEDGER_UNBALANCED" in one for one in heard)
    assert any("Alert critical: LEDGER_UNBALANCED" in one for one in heard)
    states = {one["state"] for one in told(terminal("notify", "list", "--output", "json"))}
    assert states in ({"delivered"}, {"delivered", "waiting"}), "warnings are gathered for a minute"


def checklists_are_answered_by_the_machine_and_signed(desk: Desk, terminal: Terminal) -> None:
    """S12: the morning's, the week's and the month's; what the machine asks carries its evidence, and a person signs what passed."""
    desk.work()
    assert "is finished" in terminal("sentinel", "run", "--full")[1]
    made = told(terminal("checklist", "run", "morning", "--output", "json"))
    asked = {one["title"]: one["outcome"] for one in made["steps"] if one["type"] == "check"}
    assert asked["No intent stands still"] == asked["Debits are credits in every program"] == "passed"
    assert asked["A worker is at work"] == "failed", "in this story people run the jobs"
    assert terminal("runbook", "sign", made["id"])[0] == 5
    assert terminal("runbook", "close", made["id"], "--reason", "a drill without workers")[0] == 0
    week = told(terminal("checklist", "run", "weekly", "--day", desk.clock.now.date().isoformat(), "--output", "json"))
    steps = {one["title"]: one for one in week["steps"]}
    assert steps["Commissions are as the contract makes them"]["outcome"] == "passed"
    assert steps["Payouts went out within 24 hours of their approval"]["outcome"] == "passed"
    assert terminal("runbook", "tick", week["id"], str(week["stepsTotal"]), "--note", "as fast as the week before")[0] == 0
    assert terminal("runbook", "sign", week["id"])[0] == 0
    month = terminal.ask("/api/checklists/monthly/runs", {"day": desk.clock.now.date().isoformat()}, role="operator")
    outcomes = {one["title"]: one["outcome"] for one in month["steps"]}
    assert outcomes["Affiliates are a tree: no circle, no orphan"] == outcomes["Commissions follow the rates of their contract"] == "passed"
    assert outcomes["The month is proven, and its proof is signed"] == "failed", "nobody has exported it yet"
    assert "## [x] 3." in terminal("runbook", "print", month["id"])[1]
    listed = {one["name"]: one["lastRun"] for one in terminal.rows("/api/checklists")}
    assert {name: listed[name]["state"] for name in ("morning", "weekly", "monthly")} == {
        "morning": "closed",
        "weekly": "signed",
        "monthly": "running",
    }


def service_levels_and_trends_are_measured(desk: Desk, terminal: Terminal) -> None:
    """S14: what is promised, what was kept of it, and how fast its budget burns; S21: how long it takes, how deep queues are."""
    for _ in range(3):
        assert terminal.ask("/api/admin/ops/run/samples", {}, role="operator")["failed"] == 0
        desk.clock.advance(minutes=1)
    levels = {one["name"]: one for one in terminal.rows("/api/admin/slo")}
    assert {name: one["target"] for name, one in levels.items()} == {"availability": 0.999, "intents": 0.95, "ledger": 1.0, "payouts": 0.95}
    assert levels["availability"]["verdict"] == "not_measured", "nobody said where the server is asked"
    assert (levels["ledger"]["verdict"], levels["ledger"]["good"] < levels["ledger"]["counted"]) == ("missed", True), (
        "the imbalance of before"
    )
    assert (levels["payouts"]["verdict"], levels["payouts"]["counted"] > 0) == ("kept", True)
    code, said = terminal("slo", "--output", "json")
    assert (code, {one["name"] for one in told((code, said))}) == (1, set(levels)), "one is missed"
    assert "set COUNTERFOIL_HEALTH_URL" in terminal("slo")[1], "what to do about what was not measured"
    found = told(terminal("trends", "--days", "7", "--output", "json"))
    assert len(found["processing"]) == len(found["payouts"]) == 7
    assert (sum(one["intents"] for one in found["processing"]) > 0, found["payouts"][-1]["late"]) == (True, 0)
    assert {one["minutesMeasured"] for one in found["queues"]} <= {1, 2, 3}


def webhooks_that_fail_are_seen_and_sent_again(desk: Desk, terminal: Terminal) -> None:
    """S11: the event, the endpoint, the attempt, the error, the next try; one is sent again, a range is; 410 disables, and what happens
    is kept."""
    with partner() as shop:
        made = told(terminal("webhooks", "create", shop.url, "--owner-email", "hooks@partner.example", "--output", "json"))
        assert made["secret"].startswith("whsec_")
        endpoint = made["id"]

        def enabled() -> None:
            one = told(terminal("webhooks", "enable", endpoint, "--reason", "a partner", "--output", "json"))
            body = {"payloadSha256": one["payloadSha256"], "reason": "seen"}
            assert terminal.ask(f"/api/approvals/{one['proposal']}/approve", body, role="second administrator")["state"] == "done"

        enabled()
        shop.answers = [500]
        [invoice] = issue(desk.database, "61.00", prefix="w")
        desk.pay(invoice, 61_00)
        desk.deliver()
        desk.work("webhooks")
        terminal.ask("/api/admin/ops/run/send-webhooks", {}, role="operator")
        failing = told(terminal("webhooks", "deliveries", "--state", "failing", "--output", "json"))
        first = failing[0]
        assert (first["endpointId"], first["attempts"], first["status"], first["error"]) == (endpoint, 1, 500, "answered 500")
        assert first["nextAt"] is not None
        assert "answered 500" in terminal("webhooks", "delivery", first["id"])[1]
        shop.answers = [410]
        desk.clock.now += timedelta(minutes=2)
        terminal.ask("/api/admin/ops/run/send-webhooks", {}, role="operator")
        [shown] = told(terminal("webhooks", "endpoints", "--output", "json"))
        assert (shown["state"], shown["waiting"], shown["kept"] > 0) == ("disabled", 0, True)
        shop.answers = [200]
        enabled()
        again = terminal.ask(f"/api/admin/webhooks/{first['id']}/retry", {"reason": "they are back"}, role="operator")
        assert again["state"] == "due"
        code, said = terminal("webhooks", "replay", endpoint, "--since", "2020-01-01T00:00:00Z", "--reason", "they are back")
        assert (code, "deliveries are due" in said) == (0, True)
        terminal.ask("/api/admin/ops/run/send-webhooks", {}, role="operator")
        assert "invoice_paid" in shop.names
        last = shop.got[-1]
        verify_standard(last.body, last.headers, made["secret"], now=datetime.fromtimestamp(int(last.headers["webhook-timestamp"]), UTC))
        assert told(terminal("webhooks", "deliveries", "--state", "failing", "--output", "json")) == []
        assert terminal("webhooks", "remove", endpoint, "--reason", "the runbook goes on")[0] == 0
    carried(desk)


def jobs_are_run_by_name(desk: Desk, terminal: Terminal) -> None:
    """S18: each job of the schedule, on demand."""
    [invoice] = issue(desk.database, "60.00", prefix="f")
    desk.pay(invoice, 60_00)
    desk.deliver()
    names = {one["name"] for one in told(terminal("jobs", "list", "--output", "json"))}
    for job in ("webhooks", "verify", "settle"):
        assert job in names
        ran = terminal.ask(f"/api/admin/ops/run/{job}", {}, role="operator")
        assert (ran["handled"], ran["failed"]) == (1, 0)
    assert terminal("jobs", "run", "events")[0] == 0
    assert names >= {"reconcile", "payout-reminder", "audit-export"}, "daily, on Mondays at 09:00, on the 1st"
    assert terminal("jobs", "run", "payout-reminder")[0] == 0
    assert terminal("jobs", "run", "audit-export")[0] == 0
    assert [one["payload"]["title"][:9] for one in terminal.rows("/api/events?name=audit_exported")] == ["Proof of "]
    assert terminal.rows(f"/api/payouts?invoiceId={invoice}")[0]["state"] == "pending"


def the_service_is_walked_by_the_file_that_comes_with_it(desk: Desk, terminal: Terminal) -> None:
    """`service-health`, from its first step to its signature: S2 to S7, S10, S11, S14 and S15, answered by the machine. Four days later:
    until then a service level's budget burns, by the intents of this story that stood still, and nobody can tick that away."""
    _, said = terminal("runbook", "run", "service-health", "--output", "json")
    burning = next(step for step in told((0, said))["steps"] if "SERVICE_LEVEL_BURN" in step["told"])
    assert burning["outcome"] == "failed"
    assert terminal("runbook", "tick", told((0, said))["id"], str(burning["number"]), "--note", "it will pass")[0] == 5
    desk.clock.advance(days=4)

    def what_nobody_answered_is_answered() -> None:
        for one in terminal.rows("/api/incidents?state=open"):
            assert terminal("incidents", "respond", one["id"], "--reason", "it was mended that day")[0] == 0
            assert terminal("incidents", "write", one["id"], "--text", "It was mended that day, and answered late.")[0] == 0

    title = "Every incident was answered in its time, and every post-mortem is written"
    day = f"{desk.clock.now.date()}"
    steps = {
        step["title"]: step for step in walk(terminal, "service-health", "--day", day, doing={title: what_nobody_answered_is_answered})
    }
    [book] = steps["What each book holds"]["evidence"]["rows"]
    assert (book[0], book[4]) == (PROGRAM, "0")
    assert steps["No intent stands still"]["outcome"] == "passed"


RUNBOOK: tuple[Section, ...] = (
    the_dashboard_is_open_and_refreshes_itself,
    the_books_of_each_program_balance,
    workers_are_heard_of,
    a_queue_is_paused_and_resumed_by_two,
    how_long_intents_take,
    a_stuck_intent_is_found_and_retried,
    prometheus_asks,
    what_fails_is_tried_again_by_itself,
    entries_are_asked_for_in_sql_and_corrected_through_the_api,
    a_batch_waits_for_a_second_person_and_is_executed,
    commissions_are_checked_on_a_sample,
    affiliates_are_a_tree_and_are_paid_by_the_contract,
    an_imbalance_is_found_answered_and_closed,
    people_are_told_on_their_channels,
    checklists_are_answered_by_the_machine_and_signed,
    service_levels_and_trends_are_measured,
    webhooks_that_fail_are_seen_and_sent_again,
    jobs_are_run_by_name,
    the_service_is_walked_by_the_file_that_comes_with_it,
)


def test_the_runbook_of_daily_operations_from_top_to_bottom(desk: Desk, terminal: Terminal) -> None:
    for section in RUNBOOK:
        section(desk, terminal)
    carried(desk)
    code, said = terminal("invariants")
    assert code == 0, said
    desk.still_true()
