"""The runbook of the treasury of agents, walked from top to bottom in its own order on one server. Each section names its rows.

A section that is built later is written into `RUNBOOK`, at its place in the runbook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post, reverse
from counterfoil.treasury.carbon.model import CarbonMeans
from counterfoil.treasury.carbon.watttime import WattTime
from tests.builders import PROGRAM, Desk
from tests.stories.by_the_machine import walk
from tests.stories.superuser import by_a_superuser
from tests.stories.terminal import Terminal, told
from tests.treasury.carbon.fake_watttime import PASSWORD, USER, fake_watttime

Section = Callable[[Desk, Terminal, dict[str, str]], None]


def agents_with_money_and_mandates(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """Before the first line of the runbook: three agents, two of them with money that they may spend."""
    for name, money in (("buyer", 2_000_00), ("seller", 500_00), ("broker", 0)):
        agent = told(terminal("agents", "create", "--name", name, "--output", "json"))["id"]
        known[name] = agent
        if money:
            with desk.database.transaction() as conn:
                given: dict[str, Any] = {"asset": "EUR", "actor": "test", "now": desk.clock.now}
                open_accounts(conn, PROGRAM, ["cash:bank:own"], **given)
                post(conn, PROGRAM, key=f"to {name}", kind="test", lines=[("cash:bank:own", f"treasury:agent:{agent}", money)], **given)
        terminal.by_two("agents", "grant", agent, "--asset", "EUR", "--per-day", "1500.00", "--reason", "agreed")


def moved(desk: Desk, times: int = 3) -> None:
    for _ in range(times):
        desk.work("transactions")


def the_daily_checks_are_asked_by_hand(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T1: what the job asks at 00:00 UTC: every agent, what is pending, and carbon of the days before."""
    code, said = terminal("jobs", "run", "treasury-daily", "--output", "json")
    assert (code, told((code, said))["handled"]) == (0, 3), said
    assert terminal.ask("/api/admin/ops/run/treasury-daily", {}, role="operator")["failed"] == 0
    events = terminal.rows("/api/events?name=treasury_checked")
    nothing = {"carbon": "NOTHING", "carbon_days": {}, "bills": {}, "bills_differ": 0}
    assert events[0]["payload"] == {"agents": 3, "differ": 0, "pending": 0} | nothing


def an_agent_is_reconciled_by_hand(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T2: one agent for a span, after a transfer of its own."""
    code, said = terminal(
        *("transactions", "begin", "--reference", "task 1", "--from", f"{known['buyer']},10.00,EUR", "--to", f"{known['seller']},10.00,EUR")
    )
    assert code == 0, said
    moved(desk)
    code, said = terminal("reconcile", "run", "--agent-id", known["buyer"], "--last", "7d")
    assert (code, said.startswith(f"No money of {known['buyer']} moved")) == (1, True), "nobody outside has a record of it to compare"


def stuck_transactions_are_found(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T3: prepared, and nobody says the word; in the columns of the runbook, and over HTTP."""
    for name, amount in (("first", "1000.00"), ("second", "250.50")):
        words = ("--from", f"{known['buyer']},{amount},EUR", "--to", f"{known['broker']},{amount},EUR", "--time-out", "3600")
        begun = terminal("transactions", "begin", "--reference", name, *words, "--on-request", "--output", "json")
        known[name] = told(begun)["id"]
    moved(desk)
    assert told(terminal("transactions", "list", "--state", "pending", "--age", ">5m", "--output", "json")) == []
    desk.clock.advance(minutes=12)
    code, said = terminal("transactions", "list", "--state", "pending", "--age", ">5m")
    lines = [line.split() for line in said.splitlines() if line.strip() and not set(line.strip()) <= set("─ ")]
    assert (code, lines[0]) == (0, ["TXN_ID", "STATE", "AGE", "PARTICIPANTS", "AMOUNT"])
    assert {tuple(line) for line in lines[1:]} == {
        (known["second"], "PREPARED", "12m", f"{known['buyer']},{known['broker']}", "250.50", "EUR"),
        (known["first"], "PREPARED", "12m", f"{known['buyer']},{known['broker']}", "1,000.00", "EUR"),
    }
    rows = terminal.ask("/api/transactions?state=pending&age=%3E5m")["data"]
    assert {one["id"] for one in rows} == {known["first"], known["second"]}


def their_resolution_is_forced_by_two(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T4: looked at first; committed where every participant promised, rolled back where nothing is decided; and never the other way."""
    found = told(terminal("transactions", "inspect", "--txn-id", known["first"], "--output", "json"))
    assert [part["vote"] for part in found["participants"]] == ["yes", "yes"]
    assert {one["verb"]: one["safe"] for one in found["advice"]}["force_commit"] is True
    code, said = terminal("transactions", "inspect", "--txn-id", known["first"])
    assert (code, "2 of 2 participants promised" in " ".join(said.split())) == (0, True)
    terminal.by_two("transactions", "force-commit", "--txn-id", known["first"], "--approval", "INC-12345")
    terminal.by_two("transactions", "force-rollback", "--txn-id", known["second"], "--approval", "INC-12345")
    moved(desk, 1)
    for name, state in (("first", "committed"), ("second", "aborted")):
        found = terminal.ask(f"/api/transactions/{known[name]}")
        assert (found["state"], found["forced"], found["approval"]) == (state, True, "INC-12345")
        assert [one["agrees"] for one in found["checks"]] == [True, True]
    code, said = terminal("transactions", "force-rollback", "--txn-id", known["first"], "--approval", "INC-12345")
    assert (code != 0, "commit was decided" in said) == (True, True)


def their_balances_are_verified(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T5: every figure from postings and records."""
    words = ("--agent-id", known["buyer"], "--agent-id", known["broker"])
    code, said = terminal("agents", "verify", *words, "--output", "json")
    assert code == 0, said
    found = {one["agentId"]: one for one in told((code, said))}
    assert {name: found[known[name]]["assets"][0]["balance"] for name in ("buyer", "broker")} == {"buyer": "99000", "broker": "100000"}
    assert terminal("agents", "verify", *words)[0] == 0
    assert terminal.ask(f"/api/agents/{known['broker']}/verify")["agrees"] is True


def what_does_not_match_is_explained(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T7: somebody credits the broker a second time by hand; it is named with its evidence, and gone once it is reversed."""
    code, said = terminal("agents", "explain", known["broker"])
    assert (code, "Nothing is wrong in what was looked at" in said, "carbon" in said) == (0, True, True)
    given: dict[str, Any] = {"asset": "EUR", "actor": "test", "now": desk.clock.now}
    with desk.database.transaction() as conn:
        lines = [("cash:bank:own", f"treasury:agent:{known['broker']}", 1_000_00)]
        narrative = f"{known['first']} did not arrive"
        again = post(conn, PROGRAM, key="by mistake", kind="test", lines=lines, narrative=narrative, **given)
    code, said = terminal("agents", "explain", known["broker"], "--output", "json")
    [finding] = told((code, said))["findings"]
    assert (code, finding["symptom"], finding["cause"]) == (1, "balance higher than its transactions", "duplicate credit")
    assert (str(again.journal_id) in finding["command"], known["first"] in finding["evidence"]) == (True, True)
    assert terminal.ask(f"/api/agents/{known['broker']}/explain")["findings"] == [finding]
    with desk.database.transaction() as conn:
        reverse(conn, PROGRAM, again.journal_id, key="back", reason="it had arrived", actor="test", now=desk.clock.now)
    assert terminal("agents", "explain", known["broker"])[0] == 0


def carbon_is_synced_and_verified(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T8: energy of yesterday becomes grams by the source's figures; lag is not a difference, and what comes too late is one."""
    day = (desk.clock.now - timedelta(days=1)).date()
    known["day of energy"] = str(day)
    file = terminal.folder / "energy.csv"
    lines = [f"m-{name},{known[name]},DE,{day}T06:00:00Z,{day}T07:00:00Z,1000000" for name in ("buyer", "broker")]
    file.write_text("\n".join(["reference,agent_id,region,starts_at,ends_at,watt_hours", *lines]))
    for new in (2, 0):
        assert told(terminal("carbon", "import-energy", str(file), "--output", "json"))["new"] == new
    code, said = terminal("carbon", "verify", "--date", str(day))
    assert (code, "SYNC_LAG. Wait for the next sync" in said) == (1, True)
    code, said = terminal("carbon", "sync", "--force")
    assert (code, "2 of agents were posted" in said) == (0, True), said
    code, said = terminal("carbon", "verify", "--date", str(day))
    assert (code, "AGREES" in said) == (0, True), said
    assert terminal.ask(f"/api/carbon/verify?date={day}")["lines"][0]["ledger"] == "362874"
    a_bill_of_the_source_is_held_against_the_books(terminal, str(day))
    code, said = terminal("carbon", "verify", "--date", str(day - timedelta(days=7)))
    assert (code, "nothing was compared" in " ".join(said.split())) == (1, True), "an empty day is not green"
    words = ("--registry", "Verra", "--series", "VCS-191-2025", "--first", "1", "--last", "100", "--vintage", "2025")
    bought = told(terminal("carbon", "buy", *words, "--reference", "order 81", "--reason", "for the year", "--output", "json"))["id"]
    serials = (bought, "--first", "1", "--last", "2", "--agent-id", known["buyer"], "--reason", "its emissions")
    assert terminal("carbon", "retire", *serials)[0] == 0
    code, said = terminal("carbon", "retire", *serials)
    assert (code != 0, "not retired" in said) == (True, True)
    assert terminal.ask("/api/carbon/credits")["data"][0]["retired"] == 2


def a_bill_of_the_source_is_held_against_the_books(terminal: Terminal, day: str) -> None:
    """T8: what the source billed of that day; a bill that counts more is lag at first, and taken back it agrees."""
    file = terminal.folder / "bill.csv"
    file.write_text(f"region,day,watt_hours,grams\nDE,{day},2000000,725748\n")
    period = ("--from", day, "--to", day)
    for _ in range(2):
        code, said = terminal("carbon", "import-bill", str(file), "--reference", "bill 1", *period)
        assert (code, "AGREES. bill 1" in said) == (0, True), said
    file.write_text(f"region,day,watt_hours,grams\nDE,{day},1,100\n")
    code, said = terminal("carbon", "import-bill", str(file), "--reference", "bill 2", *period)
    assert (code, "SYNC_LAG" in said) == (1, True), said
    code, said = terminal("carbon", "verify", "--date", day)
    both = "SYNC_LAG. DE: watttime bill 1 and watttime bill 2 together count 2000001 Wh"
    assert (code, both in " ".join(said.split())) == (1, True), said
    file.write_text(f"region,day,watt_hours,grams\nDE,{day},-1,-100\n")
    assert terminal("carbon", "import-bill", str(file), "--reference", "bill 3", *period)[0] == 0
    bills = terminal.ask("/api/carbon/bills")["data"]
    assert [(one["reference"], one["verdict"]) for one in bills] == [(f"bill {number}", "AGREES") for number in (3, 2, 1)]
    assert terminal("carbon", "check-bill", bills[0]["id"])[0] == 0


def the_month_is_reported(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T9: the month as a file in every form; the same twice is the same, and what keeps it from being final is said."""
    month = f"{desk.clock.now:%Y-%m}"
    for form, begins in (("pdf", b"%PDF"), ("json", b"{"), ("csv", b'"section"'), ("xlsx", b"PK")):
        made = []
        for name in ("first", "second"):
            file = terminal.folder / f"{name}.{form}"
            code, said = terminal("report", "monthly", "--month", month, "--format", form, "--output", str(file))
            assert (code, str(file) in said) == (0, True), said
            made.append(file.read_bytes())
        assert (made[0] == made[1], made[0].startswith(begins)) == (True, True)
    found = terminal.ask(f"/api/reports/monthly?month={month}")
    assert (found["verdict"], "The month is not over." in found["report"]["notes"]) == ("not final", True)
    by = {row["agent"]: row for row in found["report"]["sections"]["agents"]}
    assert (by[known["buyer"]]["sent_minor"], by[known["buyer"]]["closing_minor"]) == ("101000", "99000")


def what_is_found_is_asked_of_more_people_the_further_it_reaches(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """T10: one agent is the on-call's for 4 hours, several the treasury lead's for 2, the whole system everybody's at once; and without an
    answer the next is asked."""

    def found(code: str) -> list[tuple[str, str, float]]:
        terminal.ask("/api/sentinel-runs", {"kind": "full"}, role="operator")
        rows = [one for one in told(terminal("alerts", "list", "--state", "open", "--output", "json")) if one["code"] == code]
        times = [datetime.fromisoformat(one["respondBy"]) - desk.clock.now for one in rows]
        return [(one["extent"], one["escalatedTo"], round(time.total_seconds() / 3600, 3)) for one, time in zip(rows, times, strict=True)]

    by_a_superuser(desk, called("frozen", known["buyer"]))  # and its account goes on
    assert found("AGENT_ACCOUNTS") == [("one", "on_call", 4.0)]
    by_a_superuser(desk, called("frozen", known["seller"]))
    assert found("AGENT_ACCOUNTS") == [("several", "treasury_lead", 2.0)] * 2
    by_a_superuser(
        desk,
        """insert into worker (id, host, pid, version, started_at, beat_at)
           values ('gone', 'h', 1, 'v', now() - interval '2 days', now() - interval '1 day')""",
    )
    assert found("WORKER_DOWN") == [("system", "everyone", 0.0)]
    desk.clock.advance(hours=2, minutes=1)
    desk.work("alerts")
    alerts = [one for one in terminal.rows("/api/alerts?state=open") if one["code"] == "AGENT_ACCOUNTS"]
    assert {one["escalatedTo"] for one in alerts} == {"everyone"}
    for name in ("buyer", "seller"):
        by_a_superuser(desk, called("active", known[name]))
    by_a_superuser(desk, "delete from worker where id = 'gone'")
    for one in alerts:
        assert terminal("alerts", "resolve", one["id"])[0] == 0


def called(state: str, agent: str) -> str:
    return f"update agent set state = '{state}' where id = '{agent}'"


def the_day_is_walked_by_the_file_that_comes_with_it(desk: Desk, terminal: Terminal, known: dict[str, str]) -> None:
    """`agent-treasury`, from its first step to its signature: T1, T3 to T5, T7, T8 and T10, answered by the machine."""

    def asked() -> None:
        assert terminal("jobs", "run", "treasury-daily")[0] == 0

    day = known["day of energy"]
    steps = {
        step["title"]: step
        for step in walk(terminal, "agent-treasury", "--day", day, doing={"Agents, transactions and carbon are asked now": asked})
    }
    held = {row[0]: row[4] for row in steps["What each agent holds"]["evidence"]["rows"] if row[3] == "EUR"}
    assert (held[known["buyer"]], held[known["broker"]]) == ("99000", "100000")
    assert {row[0] for row in steps["Grams of the day, by agent and region"]["evidence"]["rows"]} == {known["buyer"], known["broker"]}


RUNBOOK: tuple[Section, ...] = (
    agents_with_money_and_mandates,
    the_daily_checks_are_asked_by_hand,
    an_agent_is_reconciled_by_hand,
    stuck_transactions_are_found,
    their_resolution_is_forced_by_two,
    their_balances_are_verified,
    what_does_not_match_is_explained,
    carbon_is_synced_and_verified,
    the_month_is_reported,
    what_is_found_is_asked_of_more_people_the_further_it_reaches,
    the_day_is_walked_by_the_file_that_comes_with_it,
)


@pytest.fixture
def desk(desk: Desk) -> Iterator[Desk]:
    """As everywhere, with a source of carbon figures."""
    with fake_watttime() as (_, url):
        means = CarbonMeans(WattTime(USER, PASSWORD, url=url, sleep=lambda _: None))
        desk.wiring = replace(desk.wiring, carbon=means)
        yield desk


def test_the_runbook_of_the_treasury_is_walked(desk: Desk, terminal: Terminal) -> None:
    known: dict[str, str] = {}
    for section in RUNBOOK:
        section(desk, terminal, known)
    code, said = terminal("invariants")
    assert code == 0, said
    desk.still_true()
