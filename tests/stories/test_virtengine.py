"""The payouts' runbook, walked from top to bottom in its own order against one running server. Each section names the rows it makes real.

A section that is built later is written into `RUNBOOK`, at its place in the runbook.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from tests.builders import PROGRAM, Desk, issue
from tests.stories.by_the_machine import walk
from tests.stories.terminal import Terminal, told

LEVELS = {"payout_failed": "warning", "payout_held": "info", "payout_completed": "debug", "treasury_withdrawal": "critical"}


class Story(NamedTuple):
    """Who walks, and the invoices of the day: one that goes well, one whose payee's account is closed."""

    desk: Desk
    terminal: Terminal
    well: str
    closed: str


def span(desk: Desk) -> tuple[str, ...]:
    """The day of this story, as options."""
    today = desk.clock.now.date()
    return ("--start-time", f"{today}T00:00:00Z", "--end-time", f"{today + timedelta(days=1)}T00:00:00Z")


def carried(desk: Desk) -> None:
    """What the provider tells is heard, and the workers do what there is to do."""
    desk.deliver()
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()


def pay_to(terminal: Terminal, payee: str, token: str) -> None:
    """Two people say where a payee is paid; then it is written."""
    words = ("destinations", "set", payee, "--token", token)
    terminal.by_two(*words)
    code, said = terminal(*words)
    assert code == 0, said


def a_days_work(desk: Desk, terminal: Terminal) -> Story:
    pay_to(terminal, "payee-2", "closed_account")
    [well] = issue(desk.database, "100.00", prefix="a")
    [closed] = issue(desk.database, "40.00", payee="payee-2", prefix="b")
    desk.pay(well, 100_00)
    desk.pay(closed, 40_00)
    carried(desk)
    return Story(desk, terminal, well, closed)


def states_and_fees(one: Story) -> None:
    """V1 the states; V2 the fees of a settlement, by the rates of its day."""
    states = {row["invoiceId"]: row["state"] for row in told(one.terminal("payouts", "list", "--output", "json"))}
    assert states == {one.well: "completed", one.closed: "failed"}
    [failed] = one.terminal.rows("/api/payouts?state=failed")
    assert failed["invoiceId"] == one.closed
    payout = told(one.terminal("payouts", "show", "--invoice-id", one.well, "--output", "json"))
    fees = payout["breakdown"]
    assert (fees["gross"], fees["platformFee"], fees["validatorFee"], fees["holdback"], fees["net"]) == ("10000", "500", "100", "0", "9400")
    assert one.terminal.ask(f"/api/payouts/{payout['id']}")["breakdown"] == fees


def the_days_report(one: Story) -> None:
    """V3: what agrees on a day, and what does not."""
    code, said = one.terminal("reconcile", "run", "--program", PROGRAM, "--scope", "recent", "--output", "json")
    assert code == 0, said
    report = told(one.terminal("reconcile", "report", *span(one.desk), "--output", "json"))
    assert (report["verdict"], report["report"]["items"]) == ("reconciled", [])
    day = span(one.desk)
    over_http = one.terminal.ask(f"/api/reconciliation/report?startTime={day[1]}&endTime={day[3]}")
    assert over_http["report"] == report["report"]


def each_paid_invoice_has_its_payout(one: Story) -> None:
    """V4."""
    paid = {row["id"] for row in told(one.terminal("invoices", "list", "--status", "paid", "--output", "json"))}
    assert paid == {row["id"] for row in one.terminal.rows("/api/invoices?status=paid")} == {one.well, one.closed}
    for invoice_id in sorted(paid):
        [payout] = one.terminal.rows(f"/api/payouts?invoiceId={invoice_id}")
        assert told(one.terminal("payouts", "show", "--invoice-id", invoice_id, "--output", "json"))["id"] == payout["id"]


def failed_payouts_are_tried_again(one: Story) -> None:
    """V5: three times at most, each under a key of its own; then it is refused, with what to do instead."""
    [failed] = told(one.terminal("payouts", "list", "--state", "failed", "--output", "json"))
    again = ("payouts", "retry", failed["id"], "--reason", "the payee says that it is open")
    for _ in range(2):
        code, said = one.terminal(*again)
        assert code == 0, said
        carried(one.desk)
    code, refused = one.terminal(*again)
    assert (code, one.desk.simulator.oracle().paid_out()) == (5, {"EUR": 94_00}), refused
    assert "reissue" in refused
    pay_to(one.terminal, "payee-2", "acct_open")
    made = told(one.terminal("payouts", "reissue", failed["id"], "--reason", "another account", "--output", "json"))["made"]
    carried(one.desk)
    assert one.terminal.ask(f"/api/payouts/{made}")["state"] == "completed"


def balances(one: Story) -> None:
    """V6: what an account holds, as the provider has it; and fees in a range, which add up to what is held of them."""
    held = told(one.terminal("accounts", "balance", "clearing:simulator", "--output", "json"))
    assert int(held["balance"]) == one.desk.simulator.oracle().balances["EUR"]
    over_http = one.terminal.ask("/api/accounts/clearing:simulator/balance?asset=EUR")
    assert over_http["balance"] == held["balance"]
    code, said = one.terminal("treasury", "summary", *span(one.desk), "--output", "json")
    assert code == 0, said
    [fees] = told((code, said))["assets"]
    taken = told(one.terminal("accounts", "balance", "fee:platform", "--output", "json"))
    assert (fees["held"], fees["addsUp"]) == (taken["balance"], True)
    first, end = span(one.desk)[1::2]
    assert one.terminal.ask(f"/api/treasury/summary?startTime={first}&endTime={end}")["assets"] == [fees]


def what_is_disputed_is_held_and_goes_where_the_ruling_says(one: Story) -> None:
    """V7: what is not paid out is held at once. V8: decided for the payee, for the customer, and in part. V9: the hold is released, and
    the payout refunded, once the ruling can no longer be appealed and never before."""
    invoices = issue(one.desk.database, "50.00", "60.00", "70.00", "10.00", "20.00", prefix="h")
    for invoice, amount in zip(invoices, (50_00, 60_00, 70_00, 10_00, 20_00), strict=True):
        one.desk.pay(invoice, amount)
    one.desk.deliver()
    one.desk.work("webhooks", "verify", "settle", "events", "reserve")
    disputes = {}
    for invoice in invoices:
        asked = ("disputes", "open", "--invoice-id", invoice, "--reason", "the box was empty", "--output", "json")
        disputes[invoice] = told(one.terminal(*asked))["id"]
    carried(one.desk)
    payouts = {invoice: one.terminal.rows(f"/api/payouts?invoiceId={invoice}")[0] for invoice in invoices}
    assert {payout["state"] for payout in payouts.values()} == {"held"}, "nothing of it was sent"
    assert {one.terminal.ask(f"/api/invoices/{invoice}")["state"] for invoice in invoices} == {"disputed"}
    twice = {"invoiceId": invoices[0], "reason": "once more"}
    assert disputes[invoices[0]] in str(one.terminal.ask("/api/disputes", twice, role="operator", status=409))
    rulings = (("provider_win",), ("customer_win",), ("partial", "--refund", "20.00"), ("provider_win",), ("customer_win",))
    for dispute, ruling in zip(disputes.values(), rulings, strict=True):
        for words in (("review",), ("resolve", "--outcome", *ruling, "--reason", "by the photos")):
            code, said = one.terminal("disputes", words[0], dispute, *words[1:])
            assert code == 0, said
    because = {"reason": "it is decided"}
    verbs = {
        "release-hold": ("pending", 0, 3),
        "refund": ("refunded", 1, 4),
    }  # and of which: by command, by HTTP
    ids = [payout["id"] for payout in payouts.values()]
    for verb, (_, typed, asked) in verbs.items():
        code, said = one.terminal("payouts", verb, ids[typed], "--reason", "it is decided")
        assert (code, "may be appealed until" in said) == (5, True), said
        refused = one.terminal.ask(f"/api/payouts/{ids[asked]}/{verb}", because, role="operator", status=409)
        assert "may be appealed until" in refused["why"]
    one.desk.clock.advance(days=7)
    for verb, (state, typed, asked) in verbs.items():
        code, said = one.terminal("payouts", verb, ids[typed], "--reason", "it is decided")
        assert code == 0, said
        assert one.terminal.ask(f"/api/payouts/{ids[asked]}/{verb}", because, role="operator")["state"] == state
    one.desk.work("disputes")  # the job does what nobody does by hand
    carried(one.desk)
    after = {payout["id"]: one.terminal.ask(f"/api/payouts/{payout['id']}") for payout in payouts.values()}
    assert [each["state"] for each in after.values()] == ["completed", "refunded", "completed", "completed", "refunded"]
    assert {row["invoiceId"]: row["amount"] for row in told(one.terminal("refunds", "list", "--output", "json"))} == {
        invoices[1]: "6000",
        invoices[2]: "2000",
        invoices[4]: "2000",
    }
    states = {invoice: one.terminal.ask(f"/api/invoices/{invoice}")["state"] for invoice in invoices}
    assert list(states.values()) == ["paid", "refunded", "paid", "paid", "refunded"]


def a_payout_is_found_by_its_key_and_made_once(one: Story) -> None:
    """V10."""
    [payout] = one.terminal.rows(f"/api/payouts?invoiceId={one.well}")
    assert payout["key"] == f"payout-{one.well}-{payout['settlementId']}"
    assert told(one.terminal("payouts", "show", "--key", payout["key"], "--output", "json"))["id"] == payout["id"]
    assert [row["id"] for row in one.terminal.rows(f"/api/payouts?key={payout['key']}")] == [payout["id"]]


def a_payout_that_is_stuck_is_marked_as_failed(one: Story) -> None:
    """V11: only while nobody knows what became of it, and by two people."""
    [invoice] = issue(one.desk.database, "20.00", prefix="c")
    one.desk.pay(invoice, 20_00)
    one.desk.fault("timeout_before_accepting", on="payout.create", count=1, params={"hold_ms": 1_500})
    one.desk.deliver()
    one.desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox", "answers")
    [payout] = one.terminal.rows(f"/api/payouts?invoiceId={invoice}")
    one.desk.clock.advance(hours=1)
    seen = (one.desk.clock.now - timedelta(minutes=1)).isoformat()
    evidence = ("--evidence", "the provider's portal, ticket 7", "--seen-at", seen, "--error", "transaction timeout")
    one.terminal.by_two("payouts", "mark-failed", payout["id"], *evidence)
    shown = one.terminal.ask(f"/api/payouts/{payout['id']}")
    assert (shown["state"], shown["lastError"]) == ("failed", "transaction timeout")


def the_payout_that_an_invoice_is_missing_is_made_once(one: Story) -> None:
    """V11: what the event has not made yet, a person makes; whoever makes it then finds it done."""
    [invoice, unpaid] = issue(one.desk.database, "30.00", "1.00", prefix="d")
    one.desk.pay(invoice, 30_00)
    one.desk.deliver()
    one.desk.work("webhooks")
    asked = ("payouts", "execute", "--invoice-id", invoice, "--reason", "paid, and no payout")
    code, refused = one.terminal(*asked)
    assert (code, "not settled yet: its intent is verifying" in refused) == (5, True), refused
    body = {"invoiceId": unpaid, "reason": "paid?"}
    assert "only what is paid in full" in one.terminal.ask("/api/payouts/execute", body, role="operator", status=409)["why"]
    one.desk.work("verify", "settle")  # and the worker that follows the settlement is not there
    assert one.terminal.rows(f"/api/payouts?invoiceId={invoice}") == []
    code, said = one.terminal(*asked, "--dry-run")
    assert (code, one.terminal.rows(f"/api/payouts?invoiceId={invoice}")) == (0, []), said
    made, again = (told(one.terminal(*asked, "--output", "json")) for _ in range(2))
    assert (made["existed"], again["existed"], again["id"]) == (False, True, made["id"])
    carried(one.desk)
    [payout] = one.terminal.rows(f"/api/payouts?invoiceId={invoice}")
    assert (payout["id"], payout["state"]) == (made["id"], "completed")
    assert one.terminal.rows(f"/api/events?name=payout_idempotent_skip&subjectId={made['id']}")


def an_account_that_does_not_match_is_recomputed(one: Story) -> None:
    """V12."""
    code, said = one.terminal("accounts", "explain", "clearing:simulator", *span(one.desk), "--output", "json")
    explained = told((code, said))
    assert code == 0, said
    assert explained["missing"] == explained["stray"] == explained["suspects"] == []
    assert one.terminal.ask("/api/accounts/clearing:simulator/explain?asset=EUR")["sound"] is True


def events_have_levels(one: Story) -> None:
    """V14: each as the runbook says, that of a withdrawal, too, which takes two people; by command and by HTTP."""
    withdrawn = ("treasury", "withdraw", "--asset", "EUR", "--amount", "1.00", "--reference", "W-1", "--reason", "monthly")
    one.terminal.by_two(*withdrawn)
    code, said = one.terminal(*withdrawn)
    assert code == 0, said
    rows = told(one.terminal("events", "list", "--limit", "1000", "--output", "json"))
    levels = {row["name"]: row["level"] for row in rows}
    for name, level in LEVELS.items():
        assert levels[name] == level, name
        [newest] = one.terminal.rows(f"/api/events?level={level}&name={name}&limit=1")
        assert newest["name"] == name


def money_waits_in_escrow(one: Story) -> None:
    """V15: funded by the customer's payment, released in part and paid out; the rest goes back."""
    until = (one.desk.clock.now + timedelta(days=9)).isoformat()
    asked = ("--customer-id", "ann", "--payee-id", "payee-1", "--asset", "EUR", "--amount", "30.00", "--reference", "order 7")
    made = told(one.terminal("escrow", "open", *asked, "--expires-at", until, "--output", "json"))["id"]
    one.desk.pay(made, 30_00)
    carried(one.desk)
    assert told(one.terminal("escrow", "show", made, "--output", "json"))["state"] == "active"
    assert told(one.terminal("escrow", "release", made, "--amount", "20.00", "--output", "json"))["state"] == "active"
    assert told(one.terminal("escrow", "refund", made, "--reason", "the rest was not delivered", "--output", "json"))["state"] == "split"
    carried(one.desk)
    [payout] = one.terminal.rows(f"/api/payouts?invoiceId={made}")
    assert (payout["amount"], payout["state"]) == ("1880", "completed")
    assert made in {row["id"] for row in one.terminal.rows("/api/escrows")}


def usage_becomes_invoices_that_are_not_all_paid_as_asked(one: Story) -> None:
    """V15: a file with a bad line loses no other; overdue, credited, written off by two, paid too late; and each stands in its customer's
    statement, whose balance is that of the books."""
    file = one.terminal.folder / "usage.csv"
    when = (one.desk.clock.now - timedelta(hours=1)).isoformat()
    lines = [f"v15-{n},late-{n},payee-1,EUR,{quantity},10.00,{when},hours" for n, quantity in enumerate(("1", "2", "three", "4"), 1)]
    file.write_text("record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description\n" + "\n".join(lines) + "\n")
    code, said = one.terminal("usage", "import", str(file), "--output", "json")
    assert (code, told((code, said))["mistakes"][0]["line"], told((code, said))["new"]) == (1, 4, 3)
    file.write_text(file.read_text().replace("three", "3"))
    assert told(one.terminal("usage", "import", str(file), "--output", "json"))["new"] == 1
    made = told(one.terminal("invoices", "issue", "--output", "json"))["invoiceIds"]
    invoices = {one.terminal.ask(f"/api/invoices/{invoice}")["customerId"]: invoice for invoice in made}
    one.desk.pay(invoices["late-1"], 4_00)
    one.desk.deliver()
    one.desk.work("webhooks")
    one.desk.clock.advance(days=16)
    one.desk.work("overdue")
    overdue = told(one.terminal("invoices", "list", "--status", "overdue", "--output", "json"))
    assert {row["id"]: row["due"] for row in overdue} == dict(zip(invoices.values(), ("600", "2000", "3000", "4000"), strict=True)) | {
        row["id"]: row["due"] for row in overdue if row["id"] not in made
    }
    code, said = one.terminal("invoices", "credit", invoices["late-1"], "--amount", "6.00", "--reason", "agreed")
    assert code == 0, said
    one.terminal.by_two("invoices", "write-off", invoices["late-2"], "--reason", "bankrupt")
    assert one.terminal("invoices", "credit", invoices["late-3"], "--amount", "30.00", "--reason", "never delivered")[0] == 0
    one.desk.pay(invoices["late-3"], 30_00)  # too late
    one.desk.pay(invoices["late-4"], 40_00)
    carried(one.desk)
    states = [one.terminal.ask(f"/api/invoices/{invoice}")["state"] for invoice in invoices.values()]
    assert states == ["paid", "cancelled", "cancelled", "paid"]
    [late] = told(one.terminal("overpayments", "list", "--output", "json"))
    assert (late["customerId"], late["amount"], late["state"]) == ("late-3", "3000", "owed")
    assert one.terminal("overpayments", "repay", late["id"], "--provider", "bank", "--reference", "B-77")[0] == 0
    for customer in invoices:
        statement = told(one.terminal("customers", "statement", customer, "--output", "json"))
        assert (statement["closing"], statement["agrees"]) == ("0", True), statement
        assert one.terminal.ask(f"/api/customers/{customer}/statement")["lines"] == statement["lines"]
    assert one.terminal("customers", "statement", "late-3", "--format", "pdf")[0] == 0
    assert (one.terminal.folder / "statement-late-3.pdf").read_bytes().startswith(b"%PDF")


def a_months_end_is_answered_by_the_machine(one: Story) -> None:
    """V13: six items, each with its evidence; the one that fails cannot be ticked; the report is kept with the run."""
    day = one.desk.clock.now.date().isoformat()
    made = one.terminal.ask("/api/checklists/monthly-settlement/runs", {"day": day}, role="operator")
    outcomes = [step["outcome"] for step in made["steps"]]
    assert (len(outcomes), outcomes[2], outcomes[5]) == (6, "passed", "passed")
    code, said = one.terminal("checklist", "run", "monthly-settlement", "--day", day, "--output", "json")
    again = told((code, said))
    assert (code, [step["outcome"] for step in again["steps"]]) == (0 if set(outcomes) == {"passed"} else 1, outcomes)
    shown = one.terminal.ask(f"/api/runbook-runs/{again['id']}")
    report = shown["answers"][5]["evidence"]["reports"][PROGRAM]
    assert (report["report"]["program"], len(report["sha256"])) == (PROGRAM, 64)
    assert one.terminal("runbook", "tick", again["id"], "1", "--note", "looks fine")[0] == 5, "what the machine asks nobody ticks"
    assert set(outcomes) == {"passed"}, made["steps"]
    assert one.terminal("runbook", "sign", again["id"])[0] == 0


def the_day_is_walked_by_the_file_that_comes_with_it(one: Story) -> None:
    """`marketplace-payouts`, from its first step to its signature: V3 to V8 and V11 to V14, answered by the machine."""
    day = one.desk.clock.now.date().isoformat()
    reconciled = {"Our records and everybody else's are held against each other": lambda: recently_reconciled(one)}
    steps = {step["title"]: step for step in walk(one.terminal, "marketplace-payouts", "--day", day, doing=reconciled)}
    assert PROGRAM in steps["The day agrees in every program"]["told"]
    failed = steps["Payouts that failed, and why"]["evidence"]
    assert (failed["found"], steps["What failed is tried again"]["outcome"]) == (
        len(one.terminal.rows("/api/payouts?state=failed")),
        "skipped",
    )


def recently_reconciled(one: Story) -> None:
    code, said = one.terminal("reconcile", "run", "--program", PROGRAM, "--scope", "recent")
    assert code == 0, said


RUNBOOK: tuple[Callable[[Story], None], ...] = (
    states_and_fees,
    the_days_report,
    each_paid_invoice_has_its_payout,
    failed_payouts_are_tried_again,
    balances,
    what_is_disputed_is_held_and_goes_where_the_ruling_says,
    a_payout_is_found_by_its_key_and_made_once,
    a_payout_that_is_stuck_is_marked_as_failed,
    the_payout_that_an_invoice_is_missing_is_made_once,
    a_months_end_is_answered_by_the_machine,
    an_account_that_does_not_match_is_recomputed,
    events_have_levels,
    money_waits_in_escrow,
    usage_becomes_invoices_that_are_not_all_paid_as_asked,
    the_day_is_walked_by_the_file_that_comes_with_it,
)


def test_the_runbook_of_payouts_from_top_to_bottom(desk: Desk, terminal: Terminal) -> None:
    story = a_days_work(desk, terminal)
    for section in RUNBOOK:
        section(story)
    carried(desk)
    code, said = terminal("invariants")
    assert code == 0, said
    desk.still_true()
