"""The windows beside those of a payment: approvals, batches, refunds, returns, disputes, and each further provider. Declared once, with
what must be visible from outside before the fault is dealt.
"""

from __future__ import annotations

from typing import Any, Final

from counterfoil.cli.local.drills import windows as w
from counterfoil.cli.local.drills.windows import Evidence, OrdersThere, Window

SEND: Final = ("send", "simulator")
# What is paid at once is asked about only where its answer was lost; a chain is asked until it is final.
UNSURE: Final = {"stripe": ({"fault": "error_after_accepting", "count": 3},)}
RETURNED: Final = ({"fault": "returned_later", "on": "payout.create", "count": 1, "params": {"after_ms": 500}},)


def both(*evidences: Evidence) -> Evidence:
    """All of it is visible."""
    return lambda conn, there: all(one(conn, there) for one in evidences)


def shows(query: str) -> Evidence:
    """The database shows something, of what is committed."""
    return lambda conn, _: bool(conn.execute(query.encode()).fetchall())


def _waits(whose: str, query: str) -> Evidence:
    """A transaction of such a process is open and waits; what the query asks for is committed all the same."""
    waits = f"select 1 from pg_stat_activity where state = 'idle in transaction' and application_name like 'counterfoil-{whose}%'"
    return both(shows(waits), shows(query))


def _open(query: str = "select 1") -> Evidence:
    """Of a worker."""
    return _waits("worker", query)


def _asked(query: str = "select 1") -> Evidence:
    """Of the server."""
    return _waits("server", query)


def of_provider(conn: Any, there: OrdersThere) -> bool:
    """A row of this very provider is claimed."""
    query = "select 1 from provider_payout where lease_until is not null and provider = %s"
    return bool(conn.execute(query, [there.provider]).fetchall())


def returned_there(conn: Any, there: OrdersThere) -> bool:
    """The provider has taken a payout back that is paid in our books."""
    rows = conn.execute("select idempotency_key from provider_payout where state = 'succeeded' and provider = 'simulator'").fetchall()
    known = there.by_key()
    return any(made.status == "returned" for (key,) in rows for made in known.get(key, ()))


_PROPOSED = """select 1 from approval_proposal p where verb = 'release_to_queue' and not exists (
    select from approval_decision d where d.proposal_id = p.id)"""
_RELEASED = """select 1 from approval_use u join provider_payout pp on pp.id = u.subject_id
               where u.verb = 'release_to_queue' and u.at > now() - interval '20 s' and pp.state = 'queued'"""
_SUBMITTED = "select 1 from payout_batch where state = 'pending_approval'"
_APPROVED = "select 1 from payout_batch where state = 'approved'"
_EXECUTING = "select 1 from payout_batch where state = 'executing'"
_NONE_SET_ASIDE = """select 1 from payout_batch b where state = 'executing' and not exists (
    select from payout_batch_line l join payout p on p.id = l.payout_id where l.batch_id = b.id and p.state <> 'pending')"""
_HALF = """select 1 from payout_batch b where state = 'executing' and exists (
    select from payout_batch_line l join provider_payout pp using (payout_id) where l.batch_id = b.id and pp.state = 'sending')"""
_ALL_PAID = """select 1 from payout_batch b where state = 'executing' and not exists (
    select from payout_batch_line l join payout p on p.id = l.payout_id where l.batch_id = b.id and p.state <> 'completed')"""
_OWED = "select 1 from refund where state = 'owed'"
_OWED_NOW = "select 1 from refund where state = 'owed' and created_at > now() - interval '20 s'"
_PAID_NOW = "select 1 from refund_execution where at > now() - interval '20 s'"
_TOLD = "select 1 from webhook_in where event_type = 'payout.returned' and received_at > now() - interval '20 s'"
_TOLD_ONLY = "select 1 from webhook_in where event_type = 'payout.returned' and state = 'received'"
_ASKED = "select 1 from provider_payout where state = 'succeeded' and unconfirmed = 'returned' and lease_until is not null"
_REISSUED = "select 1 from payout where reissue > 0 and state = 'pending'"
_CAME_BACK = """select 1 from payout p where state = 'returned' and not exists (
    select from payout n where n.settlement_id = p.settlement_id and n.reissue > p.reissue)"""
_REISSUED_SENT = """select 1 from provider_payout pp join payout p on p.id = pp.payout_id
                    where p.reissue > 0 and pp.state = 'sending' and pp.request_sent_at is not null"""
_DISPUTED = "select 1 from dispute where ended_at is null"
_ENDED = "select 1 from dispute where ended_at > now() - interval '20 s'"
_QUEUED_FOR_THE_BANK = "select 1 from provider_payout where provider = 'sepa' and state = 'queued'"
_FILE_MADE = "select 1 from payment_file where state = 'made'"
_FILE_OUT = "select 1 from payment_file where state = 'downloaded'"
_FILE_SENT = "select 1 from provider_payout where provider = 'sepa' and state = 'sent'"
_REPORTED = "select 1 from bank_report where at > now() - interval '20 s'"

APPROVAL: Final = (
    Window("server", "api.approval.approve.before_commit", _asked(_PROPOSED), "approved and done, not committed", path="approval"),
    Window("server", "api.approval.approve.after_commit", shows(_RELEASED), "approved and done, nobody was told", path="approval"),
    Window("database", "api.approval.approve.before_commit", _asked(_PROPOSED), "the database dies under an approval", path="approval"),
)
BATCH: Final = (
    Window("server", "api.batch.approve.before_commit", _asked(_SUBMITTED), "a batch is approved, not committed", path="batch"),
    Window("server", "api.batch.approve.after_commit", shows(_APPROVED), "a batch is approved, nobody was told", path="batch"),
    Window("server", "api.batch.execute.before_commit", _asked(_APPROVED), "its execution begins, not committed", path="batch"),
    Window("server", "api.batch.execute.after_commit", shows(_EXECUTING), "its execution has begun, nobody was told", path="batch"),
    Window("database", "api.batch.execute.before_commit", _asked(_APPROVED), "the database dies as its execution begins", path="batch"),
    Window("worker", "reserve.before_commit", _open(_NONE_SET_ASIDE), "its lines are set aside, not committed", path="batch"),
    Window("worker", "send.after_claim:simulator", both(w.claimed_to_send, shows(_HALF)), "a line is claimed", path="batch"),
    Window("worker", "send.before_call:simulator", both(w.announced_not_sent, shows(_HALF)), "a line's call is announced", path="batch"),
    Window("worker", "send.after_call:simulator", both(w.landed_not_recorded, shows(_HALF)), "the provider has one line", path="batch"),
    Window("worker", "send.before_commit:simulator", both(w.landed_not_recorded, shows(_HALF)), "one line is not committed", path="batch"),
    Window("worker", "batches.before_commit", _open(_ALL_PAID), "all is paid, its end not committed", path="batch"),
    Window(
        "worker", "send.after_call:simulator", both(w.landed_not_recorded, shows(_HALF)), "frozen with a line", how="stop", path="batch"
    ),
)
REFUND: Final = (
    Window("server", "api.refund.open.before_commit", _asked(), "a refund is booked, not committed", path="refund"),
    Window("server", "api.refund.open.after_commit", shows(_OWED_NOW), "a refund is booked, nobody was told", path="refund"),
    Window("server", "api.refund.execute.before_commit", _asked(_OWED), "a refund is paid, not committed", path="refund"),
    Window("server", "api.refund.execute.after_commit", shows(_PAID_NOW), "a refund is paid, nobody was told", path="refund"),
    Window("database", "api.refund.execute.before_commit", _asked(_OWED), "the database dies under a paid refund", path="refund"),
    Window("worker", "send.after_claim:simulator", w.claimed_to_send, "refunded before its call", deed="refund", path="refund"),
    Window("worker", "send.before_call:simulator", w.announced_not_sent, "refunded after its announcement", deed="refund", path="refund"),
    Window("worker", "send.after_call:simulator", w.landed_not_recorded, "refunded while it lands", deed="refund", path="refund"),
    Window("worker", "send.connected:simulator", w.claimed_to_send, "frozen; refunded meanwhile", how="stop", deed="refund", path="refund"),
)
RETURN: Final = (
    Window("server", "webhook_in.before_commit:payout.returned", _asked(), "a return is told, not stored", path="return"),
    Window("server", "webhook_in.after_commit:payout.returned", shows(_TOLD), "a return is stored, not acknowledged", path="return"),
    Window("worker", "webhooks.before_commit", both(_open(_TOLD_ONLY), returned_there), "its word is heard, not committed", path="return"),
    Window("worker", "pull.after_call:simulator", both(shows(_ASKED), returned_there), "it is confirmed, not booked", path="return"),
    Window("worker", "pull.before_commit:simulator", both(_open(_ASKED), returned_there), "it is booked, not committed", path="return"),
    Window(
        "database", "pull.before_commit:simulator", both(_open(_ASKED), returned_there), "the database dies as it is booked", path="return"
    ),
    Window("server", "api.payout.reissue.before_commit", _asked(_CAME_BACK), "it is issued anew, not committed", path="return"),
    Window(
        "server",
        "api.payout.reissue.after_commit",
        shows("select 1 from payout where reissue > 0 and created_at > now() - interval '20 s'"),
        "it is issued anew, nobody was told",
        path="return",
    ),
    Window("worker", "reserve.before_commit", _open(_REISSUED), "what is issued anew is set aside, not committed", path="return"),
    Window(
        "worker",
        "send.after_call:simulator",
        both(w.landed_not_recorded, shows(_REISSUED_SENT)),
        "the provider has what is issued anew",
        path="return",
    ),
)
DISPUTE: Final = (
    Window("server", "api.dispute.open.before_commit", _asked(), "a dispute is opened, not committed", path="dispute"),
    Window("server", "api.dispute.open.after_commit", shows(_DISPUTED), "a dispute is open, nobody was told", path="dispute"),
    Window("server", "api.dispute.cancel.before_commit", _asked(_DISPUTED), "a dispute is over, not committed", path="dispute"),
    Window("server", "api.dispute.cancel.after_commit", shows(_ENDED), "a dispute is over, nobody was told", path="dispute"),
    Window("worker", "send.after_claim:simulator", w.claimed_to_send, "disputed before its call", deed="dispute", path="dispute"),
    Window("worker", "send.before_call:simulator", w.announced_not_sent, "disputed after its announcement", deed="dispute", path="dispute"),
    Window("worker", "send.after_call:simulator", w.landed_not_recorded, "disputed while it lands", deed="dispute", path="dispute"),
    Window(
        "worker", "send.connected:simulator", w.claimed_to_send, "frozen; disputed meanwhile", how="stop", deed="dispute", path="dispute"
    ),
    Window(
        "worker",
        "send.before_call:simulator",
        w.announced_and_silent,
        "frozen, announced; disputed",
        how="stop",
        deed="dispute",
        path="dispute",
    ),
    Window(
        "worker",
        "send.after_call:simulator",
        w.landed_not_recorded,
        "frozen with an answer; disputed",
        how="stop",
        deed="dispute",
        path="dispute",
    ),
)


def _calls(name: str) -> tuple[Window, ...]:
    """The points of a provider that is called, order by order."""

    def one(victim: str, point: str, evidence: Evidence, says: str, how: str = "kill") -> Window:
        faults = UNSURE.get(name, ()) if point.startswith("pull.") else ()
        return Window(victim, f"{point}:{name}", evidence, says, how, faults, path=name, provider=name)

    return (
        one("worker", "send.after_claim", w.claimed_to_send, "claimed, the call not announced"),
        one("worker", "send.announcing", both(_open(), w.claimed_to_send), "announced, not committed"),
        one("worker", "send.before_call", w.announced_not_sent, "the call announced, not made"),
        one("worker", "send.after_call", w.landed_not_recorded, "the provider has it, nothing recorded"),
        one("worker", "send.after_store", w.landed_not_recorded, "the answer is stored and not applied"),
        one("worker", "send.before_commit", w.landed_not_recorded, "recorded and not committed"),
        one("worker", "send.after_commit", w.recorded, "committed, the tick not ended"),
        one("worker", "pull.after_call", of_provider, "looked up and not recorded"),
        one("database", "send.after_call", w.landed_not_recorded, "the database dies while the provider has it"),
        one("worker", "send.connected", w.claimed_to_send, "frozen with an open connection, nothing announced", "stop"),
        one("worker", "send.before_call", w.announced_and_silent, "frozen after its announcement", "stop"),
        one("worker", "send.after_call", w.landed_not_recorded, "frozen with the answer in its hand", "stop"),
    )


STRIPE: Final = _calls("stripe")
CHAIN: Final = _calls("chain")
# Claim, file and its record are one transaction: there is nothing between them that a lease would have to protect.
BANK: Final = (
    Window("worker", "send.before_work:sepa", _open(_QUEUED_FOR_THE_BANK), "claimed, no file yet", path="sepa", provider="sepa"),
    Window(
        "worker", "send.before_commit:sepa", _open(_QUEUED_FOR_THE_BANK), "the file is written, not recorded", path="sepa", provider="sepa"
    ),
    Window(
        "database",
        "send.before_commit:sepa",
        _open(_QUEUED_FOR_THE_BANK),
        "the database dies as it is written",
        path="sepa",
        provider="sepa",
    ),
    Window(
        "server",
        "api.bank_file.download.before_commit",
        _asked(_FILE_MADE),
        "a file is fetched, not recorded",
        path="sepa",
        provider="sepa",
    ),
    Window(
        "server",
        "api.bank_file.download.after_commit",
        shows(_FILE_OUT),
        "it is recorded as fetched, not handed over",
        path="sepa",
        provider="sepa",
    ),
    Window(
        "server",
        "api.bank_report.import.before_commit",
        _asked(_FILE_SENT),
        "the bank's report is booked, not committed",
        path="sepa",
        provider="sepa",
    ),
    Window(
        "server",
        "api.bank_report.import.after_commit",
        shows(_REPORTED),
        "the report is booked, nobody was told",
        path="sepa",
        provider="sepa",
    ),
)
OTHERS: Final = {"stripe": STRIPE, "chain": CHAIN, "sepa": BANK}
PATHS: Final = (*APPROVAL, *BATCH, *REFUND, *RETURN, *DISPUTE)
# One of each path for the suite.
_SHORT: Final = (
    "approval: api.approval.approve.after_commit",
    "batch: send.after_call:simulator",
    "refund: api.refund.execute.after_commit",
    "return: pull.before_commit:simulator",
    "dispute: send.after_claim:simulator (dispute)",
    "stripe: send.after_call:stripe",
    "chain: send.after_call:chain",
    "sepa: send.before_commit:sepa",
)
SHORT_PATHS: Final = tuple(one for one in (*PATHS, *STRIPE, *CHAIN, *BANK) if one.name in _SHORT)
