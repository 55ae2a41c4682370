"""The morning of each runbook in the browser: log in, see on Today what is wrong, follow it, do what the page offers, see Today green.

One house for all of them: each morning begins and ends with a green Today, so that the next one finds nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.payouts.batches.policies import Tier, set_policy
from counterfoil.payouts.disputes.disputes import open_dispute, step
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.proofs import request_of, sign_proof
from counterfoil.treasury.agents.agents import NewMandate, create_agent, grant_mandate
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from tests.builders import PROGRAM, Desk
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import PAGE
from tests.people import log_in_as, past_the_guard
from tests.proofs.builders import Person, a_person

ROLES = {"gita": "operator", "vera": "approver", "otto": "auditor"}


@dataclass
class House:
    """A house with its people, each at a browser of their own."""

    desk: Desk
    url: str
    browser: Any
    signers: dict[str, Person]
    complaints: list[str] = field(default_factory=list)
    at_work: dict[str, Any] = field(default_factory=dict)

    def who(self, name: str) -> Any:
        """The page of this person, who logged in when they were first asked for."""
        if name not in self.at_work:
            with past_the_guard(self.desk.database.url) as conn:
                _, token = log_in_as(conn, name, ROLES[name])
            page = self.browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
            page.set_default_timeout(30_000)
            page.on("console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None)
            page.on("pageerror", lambda error: self.complaints.append(str(error)))
            page.goto(f"{self.url}/login?next={PAGE}")
            page.get_by_label("Password or API key").fill(token)
            page.get_by_role("button", name="Log in").click()
            self.at_work[name] = page
        return self.at_work[name]

    def today(self, name: str) -> str:
        """The word of Today, as this person sees it now."""
        self.desk.clock.now = max(self.desk.clock.now, now())
        self.who(name).goto(self.url + PAGE)
        return str(self.who(name).locator("#verdict-word").inner_text())

    def to(self, name: str, place: str) -> None:
        """Go to this place of the rail."""
        self.who(name).locator("#rail").get_by_role("link", name=place, exact=True).click()

    def reconciled(self, name: str) -> None:
        """This person holds the provider's statement against the books, on the page of runs."""
        self.desk.clock.now = max(self.desk.clock.now, now())
        page = self.who(name)
        self.to(name, "Runs")
        page.locator("#act select[name=run_source]").select_option("simulator")
        page.get_by_role("button", name="Preview: reconcile").click()
        page.locator("#act input[name=reason]").fill("the books are looked at")
        page.get_by_role("button", name="Confirm: reconcile").click()
        page.wait_for_url("**/runs/rec_*")

    def green(self, name: str) -> None:
        assert self.today(name) == "Yes", self.who(name).locator("main").inner_text()
        assert "Nothing waits for a person" in self.who(name).locator("#action_required").inner_text()
        assert self.complaints == []


@pytest.fixture(scope="module")
def house(server, browser, tmp_path_factory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("mornings")
    with a_desk(server, folder) as desk:
        desk.wiring = replace(desk.wiring, proof_folder=folder / "proofs")
        days.a_full_day(desk, prices=["120.00", "77.30"])
        with desk.database.transaction() as conn:
            signers = {name: a_person(conn, name, role, at=now()) for name, role in (("ann", "controller"), ("otto", "auditor"))}
        days.reconciled(desk)
        days.everything_asked(desk)
        with days.working(desk, idle=True), days.served(desk) as url:
            made = House(desk, url, browser, signers)
            yield made
            for page in made.at_work.values():
                page.context.close()


def said(page: Any) -> str:
    """All that the page says."""
    return str(page.locator("main").inner_text())


def do(page: Any, label: str, *, seen: str = "Nothing is changed yet", **given: str) -> None:
    """Fill in the form of a verb, look at what would happen, and confirm it."""
    form = page.locator("form", has=page.get_by_role("button", name=f"Preview: {label}"))
    for name, value in given.items():
        form.get_by_label(name).fill(value)
    form.get_by_role("button", name=f"Preview: {label}").click()
    assert seen in said(page)
    page.get_by_role("button", name=f"Confirm: {label}").click()
    page.wait_for_load_state()


def approved(house: House, name: str, what: str) -> None:
    """This person sees on Today that something waits, looks at it among the approvals, and approves it."""
    assert house.today(name) != "Yes"
    page = house.who(name)
    page.locator("#my-approvals").get_by_role("link", name=what).click()
    page.get_by_role("button", name="Preview: approve").click()
    assert "Nothing is changed yet" in said(page)
    page.get_by_label("reason").fill("looked at, and right")
    page.get_by_role("button", name="Confirm: approve").click()
    assert f"{what}: done" in page.locator("#receipt").inner_text()


def test_a_payout_whose_send_got_no_answer_is_asked_about_and_never_sent_again(house):
    """Workers and incidents (Periodya): the provider answers nothing, the money may be out; it is asked, and says so."""
    desk, page = house.desk, house.who("gita")
    house.green("gita")
    [invoice] = days.issued(desk, ["15.75"], prefix="p", payee="payee-1")
    desk.fault("timeout_after_accepting", params={"hold_ms": 1500})
    desk.pay(invoice, 1575)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")
    assert house.today("gita") == "Not known"
    page.locator(".cause", has_text="Payouts in doubt").get_by_role("link", name="Ask the provider").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Payout: in doubt"
    do(page, "ask the provider now")
    assert "Done: ask the provider now." in said(page)
    house.to("gita", "Queues")
    page.locator("#jobs-payouts summary").click()
    page.get_by_role("button", name="Preview: run reconcile-pull").click()
    page.locator("#act input[name=reason]").fill("we wait for it")
    page.get_by_role("button", name="Confirm: run").click()
    assert "reconcile-pull ran once: 1 handled, 0 failed." in page.locator("#receipt").inner_text()
    days.through(desk)
    assert house.today("gita").startswith("Not verified since")
    house.reconciled("gita")
    house.green("gita")
    assert desk.simulator.oracle().moved_twice() == []


def test_a_difference_that_a_run_found_is_looked_into_and_gone_once_the_statement_is_whole(house, monkeypatch):
    """Reconciliation: the provider's file of the night lacked a line; it sends it whole, and the next run closes the break."""
    desk, page = house.desk, house.who("gita")
    house.green("gita")
    [invoice] = days.issued(desk, ["64.20"], prefix="r", payee="payee-2")
    desk.pay(invoice, 6420)
    days.through(desk)
    with monkeypatch.context() as night:
        whole = desk.provider.statement
        night.setattr(desk.provider, "statement", lambda first, last: without_line(whole(first, last), ",6420,"))
        days.reconciled(desk)
    assert house.today("gita") == "No"
    cause = page.locator(".cause", has_text="Missing in their statement")
    assert "63.90" in cause.inner_text()  # what the provider keeps is taken off
    cause.get_by_role("link", name="Look into it").click()
    assert "Ask the other side for this record by its id before anything else." in said(page)
    do(page, "investigate", because="the night's file is a line short: asked for it anew")
    assert page.locator("#receipt").inner_text().startswith("Done: investigate.")
    assert desk.rows("select state, owner from break") == [("investigating", "gita")]
    house.reconciled("gita")
    assert desk.rows("select state from break") == [("matched",)]
    house.green("gita")


def without_line(statement: bytes, amount: str) -> bytes:
    """The same file, which lost this line."""
    return b"".join(line for line in statement.splitlines(keepends=True) if amount.encode() not in line)


def test_a_batch_is_approved_by_a_second_person_and_paid(house):
    """Daily operations (SGE): what is beyond the rule waits in a batch; one person hands it in, another approves, it is executed."""
    desk, page = house.desk, house.who("gita")
    house.green("gita")
    with desk.database.transaction() as conn:
        # from here on payouts of the house wait for a batch
        how = {"by_rule_max": 0, "tiers": [Tier(0, 1)], "cooling_hours": 0, "reason": "agreed with the bank", "actor": "test"}
        set_policy(conn, PROGRAM, "EUR", **how, now=desk.clock.now)
    for invoice, price in zip(days.issued(desk, ["70.00", "80.00"], prefix="b", payees=2), (7000, 8000), strict=True):
        desk.pay(invoice, price)
    days.through(desk)
    assert house.today("gita") != "Yes"
    cause = page.locator(".cause", has_text="it needs an approved batch")
    cause.locator("summary").click()
    assert "counterfoil batches gather --asset EUR --program main" in cause.inner_text()
    cause.get_by_role("link", name="Gather a batch").click()
    page.get_by_text("Fill in the form").click()
    page.get_by_role("button", name="Preview: gather a payout batch").click()
    assert "A draft of 2 payouts." in said(page)
    page.get_by_role("button", name="Confirm: gather a payout batch").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Batch: draft"
    do(page, "submit")
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Batch: pending approval"
    assert house.today("vera") != "Yes"
    other = house.who("vera")
    other.locator("#my-approvals").get_by_role("link", name="Batch of 2 payouts").click()
    do(other, "approve")
    assert other.get_by_role("heading", level=1).inner_text().strip() == "Batch: approved"
    page.reload()
    cover = page.locator("#cover").inner_text()
    assert "133.50" in cover, cover  # what is still to be paid stands beside what the treasury holds
    do(page, "execute")
    days.through(desk)
    desk.work("batches")
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Batch: executed"
    assert house.today("gita").startswith("Not verified since")
    house.reconciled("gita")
    house.green("gita")


def test_a_transaction_that_does_not_go_on_is_forced_by_two_people(house):
    """The treasury of agents: every participant promised, and nobody says the word; the commit is forced by two."""
    desk, page = house.desk, house.who("gita")
    house.green("gita")
    desk.clock.now = now() - timedelta(minutes=12)
    with past_the_guard(desk.database.url) as conn:
        at: dict[str, Any] = {"actor": "test", "now": desk.clock.now}
        payer, payee = (create_agent(conn, make_id("agent"), PROGRAM, name=name, **at).id for name in ("buyer", "seller"))
        open_accounts(conn, PROGRAM, ["platform:own_funds"], asset="EUR", **at)
        post(
            conn, PROGRAM, key="to buyer", kind="test", lines=[("platform:own_funds", f"treasury:agent:{payer}", 100_00)], asset="EUR", **at
        )
        grant_mandate(conn, make_id("mdt"), payer, NewMandate("EUR", None, "anyone", {"per_day": 100_00}, None), reason="agreed", **at)
        parts = [NewParticipant(payer, "debit", "EUR", 40_00), NewParticipant(payee, "credit", "EUR", 40_00)]
        begin_transaction(
            conn, make_id("txn"), NewTransaction(PROGRAM, "task 7", parts, commits="on_request", time_out=timedelta(hours=1)), **at
        )
    desk.work("transactions")
    assert house.today("gita") != "Yes"
    need = page.locator(".cause", has_text="task 7")
    assert "40.00" in need.inner_text()
    need.get_by_role("link", name="Decide it").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Transaction: prepared"
    do(page, "force the commit", seen="It waits for a second person", reason="the coordinator is gone", approval="INC-12345")
    assert "Another person approves it within 24 hours" in said(page)
    approved(house, "vera", "Force the commit")
    desk.work("transactions")
    days.through(desk)
    house.green("gita")
    assert desk.rows("select state from two_phase") == [("committed",)]


def test_a_proof_that_lacks_a_signature_says_whose_and_how(house):
    """Proofs (Illuvrse): the month's proof waits; its page says who is missing and the command of their own machine."""
    desk, page = house.desk, house.who("otto")
    house.green("otto")
    with_proofs = replace(desk.wiring, clock=now).exporter()
    proof, _ = export_proof(with_proofs, now() - timedelta(hours=1), now(), by="test")
    signed(house, proof.id, "ann")
    assert house.today("otto") == "Yes, but"
    need = page.locator(".cause", has_text="Proofs that wait")
    assert "signed by 1 of 2 people" in need.inner_text()
    need.get_by_role("link", name="What to sign").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Proof: waiting"
    standing = {row[1]: row[3] for row in (line.split("\t") for line in page.locator("#signers tbody").inner_text().splitlines())}
    assert standing == {"ann": "signed", "otto": "missing"}
    assert f"counterfoil proof sign {proof.id} --key KEY.pem --package {proof.id}.zip" in said(page)
    signed(house, proof.id, "otto")  # at their own machine: the key never comes to the server
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Proof: signed"
    assert "counterfoil proof sign" not in said(page)
    house.green("otto")


def signed(house: House, proof_id: str, name: str) -> None:
    one = house.signers[name]
    with house.desk.database.transaction() as conn:
        request = request_of(conn, proof_id)
        signature = one.signed(bytes(request.statement)).signature
        how = {"number": request.number, "signer_id": one.signer_id, "signature": signature, "by": one.caller}
        sign_proof(conn, proof_id, **how, now=now())


def test_a_ruling_is_seen_with_its_split_before_it_is_given(house):
    """Payouts (VirtEngine): a customer complains; the approver sees who would get what, and only then decides. Nothing moves for a week."""
    desk, page = house.desk, house.who("vera")
    house.green("vera")
    [invoice] = desk.rows("select id from invoice where state = 'paid' order by id limit 1")[0]
    with desk.database.transaction() as conn:
        by = log_in_as(conn, "gita", "operator")[0]
        one = open_dispute(conn, make_id("dsp"), invoice, cause="empty box", make_id=make_id, by=by, now=desk.clock.now)
        step(conn, one.id, "review", reason="looked at", by=by, now=desk.clock.now)
    house.to("vera", "Disputes")
    page.locator(f'a[href="/admin/disputes/{one.id}"]').click()
    form = page.locator("#act-resolve")
    form.locator("[name=refund]").evaluate("one => (one.value = '20.00')")
    form.locator("[name=outcome]").select_option("partial")
    form.locator("output").filter(has_text="The customer gets back 20.00 EUR of ").wait_for(timeout=20_000)  # told before anybody asks
    assert desk.rows("select outcome from dispute") == [(None,)]
    form.locator("[name=reason]").fill("half of it came")
    form.get_by_role("button", name="Preview: decide").click()
    told = page.locator("#act-resolve").inner_text()
    assert "The customer gets back 20.00 EUR of " in told
    assert "are the payee's" in told
    assert desk.rows("select outcome from dispute") == [(None,)], "a preview changes nothing"
    page.get_by_role("button", name="Confirm: decide").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Dispute: resolved pending appeal"
    assert house.complaints == []
