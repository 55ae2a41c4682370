"""The runbook of workers and incidents, walked from top to bottom in its own order against one running server. Each section names its rows.

A section that is built later is written into `RUNBOOK`, at its place in the runbook.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from tests.builders import PROGRAM, Desk, issue
from tests.stories.by_the_machine import walk
from tests.stories.superuser import by_a_superuser
from tests.stories.terminal import Terminal, told

Section = Callable[[Desk, Terminal], None]
COUNTERS = ("payoutOutboxPending", "payoutOutboxSendingStuck", "providerPayoutSentStuck10m", "providerPayoutUnknown")
RESERVED = ("webhooks", "verify", "settle", "events", "reserve")


def reserved(desk: Desk, price: str, prefix: str) -> str:
    """A paid invoice whose payout is about to be sent; the payout's id."""
    [invoice] = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice, int(price.replace(".", "")))
    desk.deliver()
    desk.work(*RESERVED)
    [(payout,)] = desk.rows("select id from payout where invoice_id = %s", invoice)
    return str(payout)


def attempt_of(desk: Desk, payout: str) -> str:
    """The state of its newest attempt."""
    return str(desk.rows("select state from provider_payout where payout_id = %s order by number desc limit 1", payout)[0][0])


def health(terminal: Terminal) -> dict[str, int]:
    """The counters by their names: the command says what HTTP says."""
    found = terminal.ask("/api/admin/ops/health")
    shown = told(terminal("health", "--output", "json"))
    names = (*COUNTERS, "maxOutboxAgeMinutes")
    assert {name: found[name] for name in names} == {name: shown[name] for name in names}
    return {name: found[name] for name in names}


def jobs_run_by_their_schedule_and_on_demand(desk: Desk, terminal: Terminal) -> None:
    """P1: each job of the runbook by its address and by its command; what it did is said."""
    payout = reserved(desk, "100.00", "a")
    known = {one["name"] for one in told(terminal("jobs", "list", "--output", "json"))}
    assert known >= {"outbox", "webhooks", "reconcile-pull", "repair", "sentinel"}
    sent = terminal.ask("/api/admin/ops/run/outbox", {}, role="operator")
    assert (sent["handled"], sent["failed"]) == (1, 0)
    desk.work("answers")
    assert attempt_of(desk, payout) == "sent"
    desk.settle_time()
    desk.deliver()
    assert terminal("jobs", "run", "webhooks")[0] == 0
    for job in ("reconcile-pull", "repair", "sentinel"):
        assert terminal.ask(f"/api/admin/ops/run/{job}", {}, role="operator")["failed"] == 0
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "completed"
    assert terminal.ask("/api/admin/ops/run/teleport", {}, role="operator", status=404)


def the_pulse_is_as_expected(desk: Desk, terminal: Terminal) -> None:
    """P2: nothing is stuck, and what waits is counted by its name."""
    assert health(terminal) == {**dict.fromkeys(COUNTERS, 0), "maxOutboxAgeMinutes": None}
    payout = reserved(desk, "10.00", "b")
    assert health(terminal)["payoutOutboxPending"] == 1
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "completed"


def what_the_provider_paid_and_nobody_booked_is_finalised_by_two(desk: Desk, terminal: Terminal) -> None:
    """P3: on the provider's own word, which lies unread; once, and never without a word of it."""
    payout = reserved(desk, "20.00", "c")
    desk.work("outbox", "answers")
    desk.settle_time()
    desk.deliver()  # the webhook is stored, and its job does not run
    [(webhook,)] = desk.rows("select id from webhook_in where state = 'received' and event_type like 'payout%'")
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "processing"
    address = f"/api/admin/ops/payouts/{payout}/force-finalize"
    because = {"reason": "paid, and not booked"}
    assert terminal.ask(address, because, role="operator", status=422)["field"] == "webhook_id"
    terminal.by_two("payouts", "force-finalize", payout, "--webhook-id", webhook, "--reason", "paid, and not booked")
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "completed"
    desk.work("webhooks")  # and the webhook, read at last, moves nothing a second time
    again = terminal.ask(address, {**because, "webhookId": webhook}, role="operator", status=409)
    assert (again["why"], again["state"]) == ("its attempt is succeeded", "completed")
    kinds = [one["kind"] for one in terminal.ask(f"/api/payouts/{payout}")["journals"]]
    assert kinds.count("payout_finalize") == 1, "booked once"


def a_send_that_stands_is_asked_about_and_never_sent_blindly(desk: Desk, terminal: Terminal) -> None:
    """P4: its sender froze in the middle of a call, past its lease: counted, mended by the repair job, and run again by hand."""
    payout = reserved(desk, "30.00", "d")
    desk.fault("timeout_before_accepting", on="payout.create", count=1, params={"hold_ms": 3_000})
    sender = Thread(target=lambda: desk.ticks["outbox"]())
    sender.start()
    query = "select 1 from provider_payout where payout_id = %s and state = 'sending' and request_sent_at is not null"
    while not desk.rows(query, payout):  # claimed, and its call announced
        sender.join(0.01)
    desk.clock.advance(minutes=16)
    assert health(terminal)["payoutOutboxSendingStuck"] == 1
    ran = terminal.ask("/api/admin/ops/run/repair", {}, role="operator")
    assert ran["handled"] == 1
    sender.join(20)
    assert attempt_of(desk, payout) == "unknown", "a call began: only the provider knows"
    ran_again = terminal.ask(f"/api/admin/ops/payouts/{payout}/rerun-outbox", {}, role="operator")
    assert ran_again["id"] == payout
    assert terminal("payouts", "rerun", payout)[0] == 0
    desk.settle_time()
    for _ in range(4):
        desk.clock.advance(minutes=16)
        desk.work()
        desk.settle_time()
        desk.deliver()
        desk.work()
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "completed"
    assert desk.simulator.oracle().moved_twice() == []


def what_is_sent_and_silent_is_asked_for(desk: Desk, terminal: Terminal) -> None:
    """P5: its webhook was lost; the pull job would ask, and so does a person."""
    payout = reserved(desk, "40.00", "e")
    desk.work("outbox", "answers")
    desk.settle_time()  # and nobody hands its webhook over
    assert attempt_of(desk, payout) == "sent"
    desk.clock.advance(minutes=11)
    assert health(terminal)["providerPayoutSentStuck10m"] == 1
    address = f"/api/admin/ops/payouts/{payout}/force-reconcile"
    assert terminal.ask(address, {}, role="operator")["id"] == payout
    assert terminal("payouts", "force-reconcile", payout)[0] == 0
    ran = terminal.ask("/api/admin/ops/run/reconcile-pull", {}, role="operator")
    assert ran["handled"] == 1
    assert terminal.ask(f"/api/payouts/{payout}")["state"] == "completed"
    assert health(terminal)["providerPayoutSentStuck10m"] == 0


def books_that_do_not_balance_are_isolated_shown_and_escalated(desk: Desk, terminal: Terminal) -> None:
    """P6: what differs is shown, the program's new settlements stand, nobody is offered a repair; without an answer the next is asked."""
    edit = "update account set debits = debits {0} 7, credits = credits {0} 7 where name = 'fee:platform'"
    by_a_superuser(desk, edit.format("+"))
    assert terminal.ask("/api/admin/ops/run/sentinel", {}, role="operator")["handled"] > 0
    assert terminal.ask("/api/sentinel-runs", {"kind": "full"}, role="operator")["verdict"] == "broken"
    [alert] = [one for one in terminal.rows("/api/alerts?state=open") if one["code"] == "LEDGER_UNBALANCED"]
    shown = terminal.ask(f"/api/alerts/{alert['id']}")
    assert (shown["playbook"], shown["programId"], bool(shown["evidence"]["rows"])) == ("P1", PROGRAM, True)
    assert set(shown["allowed"]) == {"ack", "resolve", "accept", "snooze", "assign"}, "no repair"
    assert [(one["queue"], one["programId"]) for one in terminal.ask("/api/admin/queue/pauses")["paused"]] == [("settle", PROGRAM)]
    desk.clock.advance(hours=4, minutes=1)
    desk.work("alerts")
    assert terminal.ask(f"/api/alerts/{alert['id']}")["escalatedTo"] != alert["escalatedTo"]
    by_a_superuser(desk, edit.format("-"))
    assert terminal("alerts", "resolve", alert["id"])[0] == 0
    terminal.by_two("queue", "resume", "settle", "--program", PROGRAM, "--reason", "verified")


def what_is_suspicious_is_never_sent_while_it_is_quarantined(desk: Desk, terminal: Terminal) -> None:
    """P7: with a reason, and whatever runs meanwhile; its release takes two. I9 its approvals and what was done are in its timeline."""
    payout = reserved(desk, "50.00", "f")
    address = f"/api/admin/ops/payouts/{payout}/quarantine"
    assert terminal.ask(address, {}, role="operator", status=422)["field"] == "reason"
    terminal.ask(address, {"reason": "Suspected fraud"}, role="operator")
    before = desk.simulator.oracle().paid_out()
    for _ in range(3):
        desk.clock.advance(minutes=20)
        desk.work()
    assert (attempt_of(desk, payout), desk.simulator.oracle().paid_out()) == ("quarantined", before)
    code, refused = terminal("payouts", "rerun", payout)
    assert code == 5, refused
    terminal.by_two("payouts", "release-to-queue", payout, "--reason", "it was the payee's new bank")
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()
    shown = terminal.ask(f"/api/payouts/{payout}")
    assert shown["state"] == "completed"
    assert "Suspected fraud" in terminal("payouts", "show", payout, "--timeline")[1]


def alerts_are_acknowledged_and_resolved(desk: Desk, terminal: Terminal) -> None:
    """P8: somebody takes it; it is over when its check, asked again, no longer finds it, and not before."""
    payout = reserved(desk, "60.00", "g")
    desk.work("outbox", "answers")
    desk.settle_time()  # its webhook is lost
    desk.clock.advance(minutes=30)
    terminal.ask("/api/sentinel-runs", {"kind": "recent"}, role="operator")
    silent = [one for one in told(terminal("alerts", "list", "--state", "open", "--output", "json")) if one["code"] == "PAYOUT_SENT_SILENT"]
    [first] = [one["id"] for one in silent]
    assert terminal("alerts", "ack", first)[0] == 0
    counted = terminal.ask("/api/admin/ops/health")["integrityAlertsWarningOpen"]
    address = f"/api/admin/ops/alerts/{first}/resolve"
    assert terminal.ask(address, {}, role="operator", status=409)["type"].endswith("FaultStands")
    assert terminal("alerts", "resolve", first)[0] == 5
    assert terminal("payouts", "force-reconcile", payout)[0] == 0
    assert terminal.ask(address, {}, role="operator")["state"] == "resolved"
    assert terminal.ask("/api/admin/ops/health")["integrityAlertsWarningOpen"] == counted - 1
    other = next(one["id"] for one in terminal.rows("/api/alerts?state=open"))
    assert terminal.ask(f"/api/admin/ops/alerts/{other}/ack", {}, role="operator")["state"] == "acknowledged"
    desk.deliver()  # the webhook arrives after all, with the provider's fee
    desk.work()


def only_who_may_does_it_and_it_is_recorded(desk: Desk, terminal: Terminal) -> None:
    """P9: no key and the wrong role are refused as problems; what was done says who did it."""
    payout = desk.rows("select id from payout order by id limit 1")[0][0]
    refused = terminal.ask(f"/api/admin/ops/payouts/{payout}/quarantine", {"reason": "x"}, role="viewer", status=403)
    assert refused["type"] == "/problems/NotAllowed"
    actions = desk.rows("select verb, actor from action where verb = 'payout.quarantine'")
    assert [row[0] for row in actions] == ["payout.quarantine"]


def the_pulse_is_walked_by_the_file_that_comes_with_it(desk: Desk, terminal: Terminal) -> None:
    """`worker-pulse`, from its first step to its signature: P1 to P8, answered by the machine."""

    def a_worker_is_heard_of() -> None:
        desk.rows(
            """insert into worker (id, host, pid, version, started_at, beat_at) values ('w:1', 'h', 1, '1', %s, %s) returning id""",
            *(desk.clock.now, desk.clock.now),
        )
        desk.rows("insert into reconciliation_schedule values ('full', '0 2 * * *', %s) returning name", desk.clock.now)  # it wants it

    def everything_is_asked() -> None:
        code, said = terminal("sentinel", "run", "--full")
        assert code == 0, (said, [(one["code"], one["subject"]) for one in terminal.rows("/api/alerts?state=open")])

    def what_was_mended_is_resolved() -> None:
        for one in terminal.rows("/api/alerts?state=acknowledged"):
            assert terminal("alerts", "resolve", one["id"])[0] == 0

    doing = {
        "A worker is at work": a_worker_is_heard_of,
        "Everything is asked now, not only what is new": everything_is_asked,
        "No critical alert is open": what_was_mended_is_resolved,
    }
    steps = {step["title"]: step for step in walk(terminal, "worker-pulse", "--day", f"{desk.clock.now.date()}", doing=doing)}
    assert "payout.quarantine" in str(steps["What people did by hand since the day before"]["evidence"]["rows"])


RUNBOOK: tuple[Section, ...] = (
    jobs_run_by_their_schedule_and_on_demand,
    the_pulse_is_as_expected,
    what_the_provider_paid_and_nobody_booked_is_finalised_by_two,
    a_send_that_stands_is_asked_about_and_never_sent_blindly,
    what_is_sent_and_silent_is_asked_for,
    books_that_do_not_balance_are_isolated_shown_and_escalated,
    what_is_suspicious_is_never_sent_while_it_is_quarantined,
    alerts_are_acknowledged_and_resolved,
    only_who_may_does_it_and_it_is_recorded,
    the_pulse_is_walked_by_the_file_that_comes_with_it,
)


def test_the_runbook_of_workers_and_incidents_from_top_to_bottom(desk: Desk, terminal: Terminal) -> None:
    for section in RUNBOOK:
        section(desk, terminal)
    code, said = terminal("invariants")
    assert code == 0, said
    desk.still_true()
