"""The checks, one function each: its docstring is what the adapter must do. They share nothing but the sandbox."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from counterfoil.base.problems import Problem
from counterfoil.operations.providers import (
    Accepted,
    Answer,
    Found,
    Later,
    NotThere,
    PayoutFact,
    PayoutOrder,
    Provider,
    Refused,
    SendConnection,
    Sought,
    Unclear,
    WritesOrders,
    WritingConnection,
)
from counterfoil.operations.providers.conformance.proxy import RETRY_AFTER_S, Fault, FaultProxy
from counterfoil.operations.providers.conformance.sandbox import CannotCheck, DoesNotApply, NotSo, Sandbox, want
from counterfoil.statements import read

NOBODY: Final = "http://127.0.0.1:9"  # the discard port: nothing listens there
SETTLED: Final = timedelta(minutes=5)
OVERTIME_S: Final = 3.0


@dataclass(frozen=True)
class Subject:
    """An adapter at its sandbox, behind the proxy."""

    sandbox: Sandbox
    provider: Provider
    proxy: FaultProxy
    timeout_s: float
    now: Callable[[], datetime]

    @property
    def writes(self) -> bool:
        """Is an order given as soon as it is written down here, whatever becomes of it on its way?"""
        return isinstance(self.provider, WritesOrders)

    def send(self, order: PayoutOrder) -> Answer:
        """One order on a connection of its own."""
        connection = self.provider.connect()
        if isinstance(connection, Later):
            raise NotSo(f"no connection to {self.sandbox.url}: {connection.error}")
        try:
            return self.send_on(connection, order)
        finally:
            connection.close()

    def send_on(self, connection: SendConnection, order: PayoutOrder) -> Answer:
        """One order on this connection, written down before where the adapter does that."""
        if isinstance(connection, WritingConnection):
            if self.sandbox.transaction is None:
                raise CannotCheck("the sandbox has no database to write orders down in")
            lacking = connection.look(order)
            if lacking is not None:
                return lacking
            with self.sandbox.transaction() as conn:
                unwritten = connection.write(conn, order, now=self.now())
            if unwritten is not None:
                return unwritten
        return connection.send(order)

    def accepted(self, order: PayoutOrder) -> PayoutFact:
        """Send what must be accepted."""
        answer = self.send(order)
        want(isinstance(answer, Accepted), f"a good order was answered {answer}")
        assert isinstance(answer, Accepted)
        return answer.fact

    def find(self, order: PayoutOrder, *, ref: str | None = None) -> Found:
        """Look an order up, once what is there can be seen."""
        if not self.provider.capabilities.looks_up:
            raise DoesNotApply("it declares that it cannot be asked (looks_up_by)")
        self.sandbox.let_pass(self.provider.capabilities.absent_after)
        asked_at = self.now()
        sought = Sought(order.key, order.reference, ref, order.amount, order.asset, order.destination, asked_at)
        if isinstance(self.provider, WritesOrders) and self.sandbox.transaction is not None:
            with self.sandbox.transaction() as conn:
                sought = sought._replace(written=self.provider.written(conn, [order.key]).get(order.key))
        return self.provider.find_payout(sought)

    def not_arrived(self, order: PayoutOrder, why: str) -> None:
        """What did not arrive is not there; where orders are written down first it is given all the same, and under way."""
        found = self.find(order)
        if self.writes:
            want(isinstance(found, Accepted) and found.fact.status == "pending", f"{why}, and written down: {found}")
        else:
            want(isinstance(found, NotThere), f"{why}: {found}")

    def found(self, order: PayoutOrder, *, ref: str | None = None) -> PayoutFact:
        """Look up what must be there."""
        found = self.find(order, ref=ref)
        want(isinstance(found, Accepted), f"an order that is there was not found: {found}")
        assert isinstance(found, Accepted)
        return found.fact

    def meets(self, fault: Fault, order: PayoutOrder) -> Answer:
        """Send an order that meets a fault on its way."""
        before = len(self.proxy.fired)
        with self.proxy.fault(fault):
            answer = self.send(order)
        want(len(self.proxy.fired) == before + 1, f"the order did not go through the proxy: {answer}")
        return answer

    def resend(self, order: PayoutOrder) -> PayoutFact:
        """The same key again, where that is the same order."""
        if not self.provider.capabilities.remembers_keys:
            raise DoesNotApply("it declares that keys mean nothing (key_memory)")
        return self.accepted(order)


def send(it: Subject) -> None:
    """An order is accepted; the answer ties to it in key, amount and asset, and names the provider's own id."""
    order = it.sandbox.order("send")
    fact = it.accepted(order)
    told = (fact.key, fact.amount, fact.asset)
    want(told == (order.key, order.amount, order.asset), f"asked for {order}, told {fact}")
    want(bool(fact.provider_ref), "the provider's id is empty")
    want(fact.occurred_at.tzinfo is not None, "its time has no zone")


def same_key_again(it: Subject) -> None:
    """The same order again under its key is the same payout, not a second one."""
    order = it.sandbox.order("again")
    first, second = it.accepted(order), it.resend(order)
    want(first.provider_ref == second.provider_ref, f"two payouts under one key: {first} and {second}")
    want(it.found(order).amount == order.amount, "the look-up finds another amount than was asked once")


def same_key_other_body(it: Subject) -> None:
    """Another order under a used key is never accepted as new: the first stands, and the answer says so or leaves doubt."""
    order = it.sandbox.order("other")
    first = it.accepted(order)
    it.resend(order)
    answer = it.send(order._replace(amount=order.amount + 1))
    if isinstance(answer, Accepted):
        want(answer.fact.provider_ref == first.provider_ref, f"a second payout under one key: {answer.fact}")
    want(not isinstance(answer, Refused), "a refusal would be taken for proof that nothing was ever paid under this key")
    want(it.found(order).amount == order.amount, "the look-up finds another amount than was asked first")


def look_up(it: Subject) -> None:
    """What was accepted is found, by everything that the adapter declares; what never was is not there."""
    order = it.sandbox.order("look-up")
    fact = it.accepted(order)
    by = it.provider.capabilities.looks_up_by
    for one in by or ("key",):
        found = it.found(order, ref=fact.provider_ref if one == "provider_ref" else None)
        want((found.provider_ref, found.key) == (fact.provider_ref, order.key), f"by {one}: {found}, not {fact}")
        want((found.amount, found.asset) == (order.amount, order.asset), f"by {one}: {found}")
    never = it.find(it.sandbox.order("never-sent"))
    want(isinstance(never, NotThere), f"an order that was never sent: {never}")


def definite_refusal(it: Subject) -> None:
    """What the provider refuses for certain is Refused, and cannot be found as a payout."""
    if it.sandbox.refused is None:
        raise CannotCheck("the sandbox names no destination that is refused")
    order = it.sandbox.order("refused", destination=it.sandbox.refused)
    answer = it.send(order)
    want(isinstance(answer, Refused), f"a certain refusal was told as {answer}")
    found = it.find(order)
    want(isinstance(found, (NotThere, Refused)), f"a refused order was found: {found}")


def time_out_before_arrival(it: Subject) -> None:
    """An order that is lost on its way is Unclear; the look-up tells that it did not arrive, and its key can be sent again."""
    order = it.sandbox.order("lost-request")
    answer = it.meets("lose_request", order)
    want(isinstance(answer, Unclear), f"a lost request was told as {answer}")
    it.not_arrived(order, "an order that never arrived")
    it.resend(order)


def time_out_after_arrival(it: Subject) -> None:
    """An order whose answer is lost is Unclear; the look-up finds it, and the same key again is the same payout."""
    order = it.sandbox.order("lost-answer")
    answer = it.meets("lose_answer", order)
    want(isinstance(answer, Unclear), f"a lost answer was told as {answer}")
    fact = it.found(order)
    want(it.resend(order).provider_ref == fact.provider_ref, "the same key again made a second payout")


def malformed_answer(it: Subject) -> None:
    """An answer that is not understood is Unclear: the order may have been carried out."""
    order = it.sandbox.order("garbled")
    answer = it.meets("garble", order)
    want(isinstance(answer, Unclear), f"a garbled answer was told as {answer}")
    it.found(order)


def failure_of_theirs(it: Subject) -> None:
    """A failure on their side is Unclear, whether they had the order or not; the look-up tells the two apart."""
    before, after = it.sandbox.order("error-before"), it.sandbox.order("error-after")
    for fault, order in (("error_before", before), ("error_after", after)):
        answer = it.meets(fault, order)  # type: ignore[arg-type]
        want(isinstance(answer, Unclear), f"{fault}: told as {answer}")
    it.not_arrived(before, "what they did not have")
    it.found(after)


def rate_limit(it: Subject) -> None:
    """To be told to slow down is Later, with the time that they name, and nothing was done; what is written down goes again later."""
    order = it.sandbox.order("rate-limit")
    answer = it.meets("rate_limit", order)
    if it.writes:
        want(isinstance(answer, Unclear), f"a rate limit was told as {answer}")
        it.not_arrived(order, "what they would not take")
        return
    want(isinstance(answer, Later), f"a rate limit was told as {answer}")
    want(isinstance(answer, Later) and answer.after_s == RETRY_AFTER_S, f"they said {RETRY_AFTER_S} s: {answer}")
    found = it.find(order)
    want(isinstance(found, NotThere), f"what they would not take: {found}")


def slow_first_byte(it: Subject) -> None:
    """A provider that says nothing is given up after the time-out: Unclear, and not a second later than that allows."""
    order = it.sandbox.order("slow")
    began_s = time.monotonic()
    answer = it.meets("hold", order)
    took_s = time.monotonic() - began_s
    want(isinstance(answer, Unclear), f"silence was told as {answer}")
    want(took_s < it.timeout_s + OVERTIME_S, f"it took {took_s:.1f} s with a time-out of {it.timeout_s:g} s")
    it.found(order)


def no_connection(it: Subject) -> None:
    """Where nothing listens, there is no connection and nothing was sent: Later."""
    alone = it.sandbox.make(NOBODY, it.timeout_s)
    want(isinstance(alone.connect(), Later), "a connection to nobody")
    asked = alone.find_payout(Sought("nobody"))
    want(isinstance(asked, Unclear), f"nobody was asked, and said {asked}")


def unused_connection(it: Subject) -> None:
    """A connection that grew old before its order was decided sends nothing: Later, and nothing is there."""
    quick = it.sandbox.make(it.proxy.url, 0.3)
    connection = quick.connect()
    want(not isinstance(connection, Later), "no connection")
    assert not isinstance(connection, Later)
    time.sleep(0.5)
    order = it.sandbox.order("old-connection")
    answer = replace(it, provider=quick).send_on(connection, order)
    connection.close()
    want(isinstance(answer, Later), f"an order on a connection older than its limit: {answer}")
    found = it.find(order)
    want(isinstance(found, NotThere), f"it was sent all the same: {found}")


def fee(it: Subject) -> None:
    """A payout that is paid tells its fee, in the asset that is declared, and not less than nothing."""
    order = it.sandbox.order("fee")
    it.accepted(order)
    it.sandbox.let_pass(SETTLED)
    fact = it.found(order)
    want(fact.status == "paid", f"after {SETTLED} it is {fact.status}")
    want(fact.fee >= 0, f"a fee of {fact.fee}")


def comes_back(it: Subject) -> None:
    """A payout that came back is told as returned, with the amount that was asked."""
    if not it.provider.capabilities.returns:
        raise DoesNotApply("it declares that nothing comes back by itself (returns)")
    if it.sandbox.returning is None:
        raise CannotCheck("the sandbox names no destination whose payouts come back")
    order = it.sandbox.order("returned", destination=it.sandbox.returning)
    it.accepted(order)
    it.sandbox.let_pass(SETTLED)
    fact = it.found(order)
    want((fact.status, fact.amount) == ("returned", order.amount), f"told as {fact}")


def statement(it: Subject) -> None:
    """The statement of the day has the payout with our reference, its amount and the fee as told, and carries from balance to balance."""
    if not it.provider.capabilities.own_statement:
        raise DoesNotApply("it declares that it gives no statement of its own (own_statement)")
    order = it.sandbox.order("statement")
    fact = it.accepted(order)
    it.sandbox.let_pass(SETTLED)
    today = it.now().date()
    days = ((today - timedelta(days=1)).isoformat(), (today + timedelta(days=1)).isoformat())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "statement.csv"
        path.write_bytes(it.provider.statement(*days))
        lines = read(path, format="simulator").lines.to_pylist()
    ours = [one for one in lines if one["reference"] == order.reference and one["status"] != "fee"]
    want(len(ours) == 1, f"{len(ours)} lines of it with our reference {order.reference}")
    want(ours[0]["amount"] == -order.amount, f"{ours[0]['amount']} for a payout of {order.amount}")
    want(ours[0]["batch"] == fact.provider_ref, f"its line names {ours[0]['batch']}, the answer {fact.provider_ref}")
    told, taken = Counter({it.provider.capabilities.fee_asset or order.asset: it.found(order).fee}), Counter[str]()
    for one in lines:
        if one["status"] == "fee" and one["batch"] == fact.provider_ref:
            taken[one["asset"]] -= one["amount"]
    want(taken == told, f"its fee is {dict(taken)} in the statement, and {dict(told)} by the look-up")


def webhook_signature(it: Subject) -> None:
    """A webhook is believed with its signature only: not with another body, without one, or when it is old; none where it tells none."""
    if not it.provider.tells:
        try:
            it.provider.verify(b"{}", {}, now=it.now())
        except Problem:
            return
        raise NotSo("it declares no webhooks (tells), and believed one")
    if it.sandbox.webhook is None:
        raise CannotCheck("the sandbox signs no webhook for us")
    body, headers = it.sandbox.webhook()
    now = it.now()
    event_id, kind = it.provider.verify(body, headers, now=now)
    want(bool(event_id and kind), "an event without id or type")
    unsigned: Mapping[str, str] = {name: value for name, value in headers.items() if "signature" not in name.lower()}
    for why, told, by, at in (
        ("another body", body + b" ", headers, now),
        ("no signature", body, unsigned, now),
        ("ten minutes old", body, headers, now + timedelta(minutes=10)),
    ):
        try:
            it.provider.verify(told, by, now=at)
        except Problem:
            continue
        raise NotSo(f"a webhook with {why} was believed")


def events(it: Subject) -> None:
    """Events are listed oldest first behind the last one that is known, each once; and tell of what the adapter says they tell."""
    first = it.provider.events(None)
    want(not isinstance(first, Unclear), f"the events could not be read: {first}")
    assert not isinstance(first, Unclear)
    if not first and not it.provider.tells:
        return  # it declares that it tells nothing
    if len(first) < 2:
        raise CannotCheck("the sandbox has less than two events")
    behind = it.provider.events(first[0].event_id)
    want(not isinstance(behind, Unclear) and behind[:1] == first[1:2], "the page behind the first event begins elsewhere")
    for one in first:
        if it.provider.tells.get(one.event_type) == "payout":
            it.provider.payout_of(one.body)
        elif it.provider.tells.get(one.event_type) == "charge":
            it.provider.charge_of(one.body)


CHECKS: Final[tuple[Callable[[Subject], None], ...]] = (
    send,
    same_key_again,
    same_key_other_body,
    look_up,
    definite_refusal,
    time_out_before_arrival,
    time_out_after_arrival,
    malformed_answer,
    failure_of_theirs,
    rate_limit,
    slow_first_byte,
    no_connection,
    unused_connection,
    fee,
    comes_back,
    statement,
    webhook_signature,
    events,
)
