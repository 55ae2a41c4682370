"""How each path is walked: what comes before a point is armed, what has a process come by, what happens while it stands there, and how
it ends.
"""

from __future__ import annotations

from counterfoil.cli.local.drills.payments import INVOICES_PER_CYCLE, within
from counterfoil.cli.local.drills.windows import SIMULATOR, Window
from counterfoil.cli.local.local_stack import PROGRAM
from tests.chaos.paths import RETURNED
from tests.chaos.people import People, Repaid

MINOR = 100
ALONE_S = 3
_ATTEMPTS = (
    "select pp.id, p.id from provider_payout pp join payout p on p.id = pp.payout_id where p.invoice_id = any(%s) and pp.state = any(%s)"
)
_PAYOUTS = "select id from payout where invoice_id = any(%s) and state = any(%s)"
_CAME_BACK = """select p.id from payout p where p.state = 'returned' and not exists (
    select from payout n where n.settlement_id = p.settlement_id and n.reissue > p.reissue) order by 1"""
_IN_HAND = """select p.invoice_id, pp.id from provider_payout pp join payout p on p.id = pp.payout_id
    where pp.state = 'sending' and pp.lease_owner like %s and pp.provider = %s and p.asset = 'EUR'
          and (pp.request_sent_at is not null) = %s order by pp.id"""


class Scene:
    """A path that is walked once. This one: a customer pays, and a payee is paid."""

    payee = "payee-1"

    def __init__(self, people: People, window: Window) -> None:
        self.people, self.window = people, window
        self.invoice = ""

    def before(self) -> None:
        """Nothing."""

    def cause(self) -> None:
        self.people.traffic(self.payee)

    def deed(self, pid: int) -> bool:
        """Nothing; whether it came about."""
        return True

    def afterwards(self) -> None:
        """Nothing."""

    def is_at(self, *words: str) -> bool:
        return any(word in self.window.point for word in words)

    def in_hand(self, pid: int) -> str | None:
        """The attempt that this process stands there with, and `invoice` is its own. What it had beside goes on, and is soon recorded."""
        called = not self.is_at("after_claim", "connected")
        found: list[tuple[str, str]] = []

        def alone() -> bool:
            found[:] = self.people.rows(_IN_HAND, f"%:{pid}", SIMULATOR, called)
            return len(found) <= 1 or not called

        within(alone, ALONE_S)
        self.invoice, attempt = found[0] if found else ("", None)
        return attempt

    def payouts_are(self, invoices: list[str], *states: str) -> list[str]:
        found = self.people.until(f"payouts {states}", _PAYOUTS, invoices, list(states), wanted=INVOICES_PER_CYCLE)
        return [row[0] for row in found]


class ApprovalScene(Scene):
    """An attempt that is quarantined is released to the queue by two people, while sending is paused; then it goes on."""

    def before(self) -> None:
        self.people.pause("send", SIMULATOR)
        invoices = self.people.traffic(self.payee)
        [(_, payout), *_] = self.people.until("queued", _ATTEMPTS, invoices, ["queued"], wanted=INVOICES_PER_CYCLE)
        self.people.say(f"/payouts/{payout}/quarantine", reason="is it right?")
        waits = self.people.say(f"/payouts/{payout}/release-to-queue", reason="it is right: nothing was sent")
        self.proposal, self.digest = waits["proposal"], waits["payloadSha256"]

    def cause(self) -> None:
        self.people.approve(self.proposal, self.digest)

    def afterwards(self) -> None:
        self.people.resume("send", SIMULATOR)


class BatchScene(Scene):
    """Payouts that wait for people: gathered, submitted, approved by another, executed."""

    payee = "payee-batch"

    def before(self) -> None:
        invoices = self.people.traffic(self.payee, "USD")
        waiting = "select 1 from payout where invoice_id = any(%s) and state = 'pending' and last_error like 'it needs an approved batch%%'"
        self.people.until("waiting for people", waiting, invoices, wanted=INVOICES_PER_CYCLE)
        self.batch = self.people.say("/batches", programId=PROGRAM, asset="USD")["id"]
        self.people.say(f"/batches/{self.batch}/submit")
        if self.is_at("batch.approve"):
            return
        self._approve()
        if self.is_at("batches."):
            self.people.pause("batches")
            self._execute()
            self.payouts_are(invoices, "completed")

    def _approve(self) -> None:
        self.people.say(f"/batches/{self.batch}/approve", who="approver")

    def _execute(self) -> None:
        self.people.say(f"/batches/{self.batch}/execute")

    def cause(self) -> None:
        if self.is_at("batch.approve"):
            self._approve()
        elif self.is_at("batches."):
            self.people.resume("batches")
        else:
            self._execute()

    def afterwards(self) -> None:
        if self.is_at("batch.approve"):
            self._execute()


class RefundScene(Scene):
    """A part of what a customer paid goes back: before, during and after its payee's payout."""

    payee = "payee-refund"

    def before(self) -> None:
        self.made = list[Repaid]()
        if not self.is_at("api.refund"):
            return
        [self.invoice, *_] = invoices = self.people.traffic(self.payee)
        self.people.until("settled", "select 1 from settlement where invoice_id = any(%s)", invoices, wanted=INVOICES_PER_CYCLE)
        if self.is_at("refund.execute"):
            self._open()

    def _open(self) -> None:
        self.made.append(self.people.refund(self.invoice, MINOR))

    def cause(self) -> None:
        if self.is_at("refund.open"):
            self._open()
        elif self.is_at("refund.execute"):
            self.people.refund_is_paid(self.made[0])
        else:
            super().cause()

    def deed(self, pid: int) -> bool:
        if not self.window.deed:
            return True
        if (attempt := self.in_hand(pid)) is None:
            return False
        self._open()
        [(state,)] = self.people.rows("select state from provider_payout where id = %s", attempt)
        return bool(state == ("sending" if self.is_at("_call") else "cancelled"))

    def afterwards(self) -> None:
        for one in self.made:
            if not self.is_at("refund.execute"):
                self.people.refund_is_paid(one)
            self.people.repaid.append(one)


class ReturnScene(Scene):
    """A payout comes back after it had arrived: a webhook says so, the provider is asked, it is booked, and a person issues it anew."""

    payee = "payee-return"

    def before(self) -> None:
        if self.is_at("webhook_in."):
            self._plant()
        elif self.is_at("webhooks."):
            self._plant(3_000)
            invoices = self.people.traffic(self.payee)
            self.people.until("sent", _ATTEMPTS, invoices, ["sent", "succeeded"], wanted=INVOICES_PER_CYCLE)
            self.people.pause("webhooks")
            self.people.until("told", "select 1 from webhook_in where event_type = 'payout.returned' and state = 'received'")
        elif self.is_at("pull."):
            self.people.pause("pull", SIMULATOR)
            self._plant()
            self.people.traffic(self.payee)
            self.people.until("told", "select 1 from provider_payout where state = 'succeeded' and unconfirmed = 'returned'")
        else:
            self._plant()
            self.people.traffic(self.payee)
            self._await_return()

    def _plant(self, after_ms: int = 500) -> None:
        [fault] = RETURNED
        self.people.ok(self.people.simulator.post("/v1/faults", json={**fault, "params": {"after_ms": after_ms}}))

    def _await_return(self) -> None:
        self.people.until("returned", _CAME_BACK)

    def cause(self) -> None:
        if self.is_at("webhook_in."):
            super().cause()
        elif self.is_at("webhooks."):
            self.people.resume("webhooks")
        elif self.is_at("pull."):
            self.people.resume("pull", SIMULATOR)
        else:
            issue_anew(self.people)

    def afterwards(self) -> None:
        if self.is_at("webhook_in.", "webhooks.", "pull."):
            self._await_return()
        issue_anew(self.people)


class DisputeScene(Scene):
    """A customer complains while a payout is being sent, and takes it back."""

    payee = "payee-dispute"

    def before(self) -> None:
        self.disputes = list[str]()
        if not self.is_at("api.dispute"):
            return
        [self.invoice, *_] = self.people.traffic(self.payee)
        self.people.until("paid", "select 1 from invoice where id = %s and state = 'paid'", self.invoice)
        if self.is_at("dispute.cancel"):
            self._open()

    def _open(self) -> None:
        self.disputes.append(self.people.say("/disputes", invoiceId=self.invoice, reason="the parcel came empty")["id"])

    def _cancel(self) -> None:
        for one in self.disputes:
            self.people.say(f"/disputes/{one}/cancel", key=f"cancel-{one}", reason="it was in the other box")

    def cause(self) -> None:
        if self.is_at("dispute.open"):
            self._open()
        elif self.is_at("dispute.cancel"):
            self._cancel()
        else:
            super().cause()

    def deed(self, pid: int) -> bool:
        """What was never called is taken back and held, its fence raised; a call that has begun is left."""
        if not self.window.deed:
            return True
        if (attempt := self.in_hand(pid)) is None:
            return False
        self._open()
        query = "select pp.state, p.state from provider_payout pp join payout p on p.id = pp.payout_id where pp.id = %s"
        [(ours, payout)] = self.people.rows(query, attempt)
        return (ours, payout) == (("sending", "processing") if self.is_at("_call") else ("cancelled", "held"))

    def afterwards(self) -> None:
        self._cancel()


class ProviderScene(Scene):
    """A payee who is paid at another provider."""

    def __init__(self, people: People, window: Window) -> None:
        super().__init__(people, window)
        self.payee = f"payee-{window.provider}"


class BankScene(ProviderScene):
    """Payments go to the bank in a file that somebody fetches and brings; its reports come back."""

    def before(self) -> None:
        if self.is_at("send."):
            return
        invoices = self.people.traffic(self.payee)
        self.people.until("in a file", _ATTEMPTS, invoices, ["sent", "succeeded"], wanted=INVOICES_PER_CYCLE)

    def cause(self) -> None:
        if self.is_at("send."):
            super().cause()
        else:
            bring(self.people)

    def afterwards(self) -> None:
        bring(self.people)


def bring(people: People) -> None:
    """Every file that lies there is fetched and brought to the bank, and what the bank says of it is booked."""
    bank = people.bank
    if bank is None:
        return
    for (file_id,) in people.rows("select id from payment_file where state in ('made', 'downloaded') order by id"):
        told = people.answer_to("POST", f"/api/bank-files/{file_id}/download", f"fetch-{file_id}", json={})
        told.raise_for_status()
        bank.take(file_id, told.content)
        for number, report in enumerate(bank.reports(file_id)):
            path = f"/api/bank-files/reports?fileName={file_id}-{number}.xml"
            headers = {"Content-Type": "application/xml"}
            people.ask("POST", path, f"report-{file_id}-{number}", content=report, headers=headers)


def issue_anew(people: People) -> None:
    """Whatever came back is issued anew, once."""
    for (payout,) in people.rows(_CAME_BACK):
        people.say(f"/payouts/{payout}/reissue", key=f"reissue-{payout}", reason="the account is right")


def try_again(people: People) -> None:
    """Whatever failed for certain is tried again: it is owed to its payee, and no machine does it."""
    for payout, step in people.rows(
        "select id, (select max(step) from step where subject_id = payout.id) from payout where state = 'failed'"
    ):
        people.say(f"/payouts/{payout}/retry", key=f"again-{payout}-{step}", reason="the provider is back")


def tidy(people: People) -> None:
    """After a walk that broke off: nothing is paused, disputed, half approved, or owed to a customer any more."""
    for queue, provider in people.rows("select queue, provider from queue_paused order by 1, 2"):
        people.resume(queue, provider)
    for (dispute,) in people.rows("select id from dispute where ended_at is null"):
        people.say(f"/disputes/{dispute}/cancel", key=f"cancel-{dispute}", reason="it was in the other box")
    left_to_do = (("submit", "operator", "draft"), ("approve", "approver", "pending_approval"), ("execute", "operator", "approved"))
    for verb, who, state in left_to_do:
        for (batch,) in people.rows("select id from payout_batch where state = %s", state):
            people.say(f"/batches/{batch}/{verb}", who=who)
    known = {one.id for one in people.repaid}
    for refund, invoice, amount, state in people.rows("select id, invoice_id, amount, state from refund"):
        if refund not in known:
            people.repaid.append(Repaid(refund, invoice, amount))
        if state == "owed":
            people.refund_is_paid(people.repaid[-1])


SCENES: dict[str, type[Scene]] = {
    "": Scene,
    "approval": ApprovalScene,
    "batch": BatchScene,
    "refund": RefundScene,
    "return": ReturnScene,
    "dispute": DisputeScene,
    "stripe": ProviderScene,
    "chain": ProviderScene,
    "sepa": BankScene,
}
