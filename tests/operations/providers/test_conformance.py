"""Every adapter there is, against the conformance suite over real sockets; and adapters that are wrong, which the suite must find."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.base.settings import Settings
from counterfoil.cli.local.sandboxes import bank_files, on_a_chain, sandbox_of, simulated
from counterfoil.operations.providers import Accepted, Later, NotThere, Refused, Unclear, WritesOrders, WritingConnection
from counterfoil.operations.providers.conformance import checks, file_checks
from counterfoil.operations.providers.conformance.chain_node import find_anvil
from counterfoil.operations.providers.conformance.checks import CHECKS, Subject
from counterfoil.operations.providers.conformance.file_checks import FILE_CHECKS, FileSandbox
from counterfoil.operations.providers.conformance.proxy import FaultProxy
from counterfoil.operations.providers.conformance.sandbox import CannotCheck
from counterfoil.operations.providers.conformance.suite import name_of, run_check
from tests.operations.providers.how import NEEDS_ANVIL, NEEDS_BANK_FILES, NEEDS_EVM, NEEDS_STRIPE

TIMEOUTS_S = {"chain": 4.0}  # an order on a chain takes eight questions before it is sent, and the connection must be younger by then
TIMEOUT_S = 1.0
ADAPTERS = ("simulator", "stripe", "chain")
NOT_THERE = {"chain": (checks.comes_back,)}  # what is paid on a chain does not come back by itself


@pytest.fixture(scope="module", params=ADAPTERS)
def subject(request) -> Iterator[Subject]:
    if request.param == "stripe":
        pytest.importorskip("stripe", reason=NEEDS_STRIPE)
    if request.param == "chain":
        pytest.importorskip("eth_account", reason=NEEDS_EVM)
        if find_anvil() is None:
            pytest.skip(NEEDS_ANVIL)
    with on_a_chain() if request.param == "chain" else simulated(request.param) as sandbox:
        proxy, timeout_s = FaultProxy(sandbox.url, is_order=sandbox.is_order), TIMEOUTS_S.get(request.param, TIMEOUT_S)
        yield Subject(sandbox, sandbox.make(proxy.url, timeout_s), proxy, timeout_s, now)
        proxy.close()


@pytest.mark.parametrize("check", CHECKS, ids=name_of)
def test_an_adapter_does_what_every_adapter_must(subject, check):
    found = run_check(check, subject)
    if check in NOT_THERE.get(subject.sandbox.name, ()):
        assert (found.verdict, bool(found.said)) == ("does not apply", True)
    else:
        assert (found.verdict, found.said) == ("passed", "")


@pytest.fixture(scope="module")
def files() -> FileSandbox:
    pytest.importorskip("sepaxml", reason=NEEDS_BANK_FILES)
    pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)
    return bank_files()


@pytest.mark.parametrize("check", FILE_CHECKS, ids=name_of)
def test_an_adapter_that_makes_files_does_what_every_such_adapter_must(files, check):
    found = run_check(check, files)
    assert (found.verdict, found.said) == ("passed", "")


def test_an_adapter_of_files_with_a_mistake_fails_the_check_that_is_made_for_it(files):
    class Careless:
        def __getattr__(self, name: str) -> Any:
            return getattr(files.provider, name)

        def fault_of(self, order: Any) -> None:
            return None

        def file_of(self, head: Any, orders: Any) -> bytes:
            return files.provider.file_of(head._replace(message_id=fresh_id()), orders[:-1] or orders)

    careless = replace(files, provider=Careless())
    failing = (
        file_checks.each_order_stands_in_the_file_once,
        file_checks.same_orders_same_bytes,
        file_checks.wrong_orders_are_refused,
    )
    assert [run_check(one, careless).verdict for one in failing] == ["failed"] * 3


def fresh_id(count: list[int] = []) -> str:  # noqa: B006 - it counts
    count.append(1)
    return f"check-{len(count)}-x"


class Wrong:
    """An adapter with one mistake: what `send` or `find_payout` of it says is changed."""

    def __init__(self, right: Any, mistake: Any) -> None:
        self._right, self._mistake = right, mistake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def connect(self) -> Any:
        connection = self._right.connect()
        if isinstance(connection, Later):
            return connection
        return (_WrongWritingLine if isinstance(connection, WritingConnection) else _WrongLine)(connection, self._mistake)

    def find_payout(self, sought: Any) -> Any:
        return self._mistake("find", sought, self._right.find_payout)


class _WrongLine:
    def __init__(self, right: Any, mistake: Any) -> None:
        self._right, self._mistake = right, mistake

    def send(self, order: Any) -> Any:
        return self._mistake("send", order, self._right.send)

    def close(self) -> None:
        self._right.close()


class WrongWriter(Wrong):
    """The same, of an adapter that writes orders down first."""

    def written(self, conn: Any, keys: Any) -> Any:
        return self._right.written(conn, keys)


class _WrongWritingLine(_WrongLine):
    def look(self, order: Any) -> Any:
        return self._right.look(order)

    def write(self, conn: Any, order: Any, *, now: Any) -> Any:
        return self._right.write(conn, order, now=now)


def wrong_one(right: Any, mistake: Any) -> Wrong:
    return (WrongWriter if isinstance(right, WritesOrders) else Wrong)(right, mistake)


def forgets_keys(_, asked, right, count=[0]):  # noqa: B006 - it counts
    if hasattr(asked, "destination") and right.__name__ == "send":
        count[0] += 1
        return right(asked._replace(key=f"{asked.key}-{count[0]}"))
    return right(asked)


def takes_silence_for_later(_, asked, right):
    found = right(asked)
    return Later("try again") if isinstance(found, Unclear) else found


def takes_silence_for_refusal(_, asked, right):
    found = right(asked)
    return Refused("no") if isinstance(found, Unclear) else found


def never_finds(where, asked, right):
    return NotThere() if where == "find" else right(asked)


def adds_a_cent(_, asked, right):
    found = right(asked)
    return Accepted(found.fact._replace(amount=found.fact.amount + 1)) if isinstance(found, Accepted) else found


def raises(_, asked, right):
    found = right(asked)
    if isinstance(found, Unclear):
        raise TimeoutError(found.error)
    return found


def takes_refusal_for_silence(_, asked, right):
    found = right(asked)
    return Unclear("what was that?") if isinstance(found, Refused) else found


def takes_all_else_for_refusal(_, asked, right):
    found = right(asked)
    return found if isinstance(found, Accepted | NotThere) else Refused("no")


def gets_fees_from_the_provider(_, asked, right):
    found = right(asked)
    return Accepted(found.fact._replace(fee=-1)) if isinstance(found, Accepted) else found


def never_hears_of_a_return(_, asked, right):
    found = right(asked)
    back = isinstance(found, Accepted) and found.fact.status == "returned"
    return Accepted(found.fact._replace(status="paid")) if back else found


@pytest.mark.parametrize(
    ("mistake", "check"),
    [
        (forgets_keys, checks.same_key_again),
        (forgets_keys, checks.same_key_other_body),
        (takes_refusal_for_silence, checks.definite_refusal),
        (takes_all_else_for_refusal, checks.rate_limit),
        (takes_silence_for_refusal, checks.slow_first_byte),
        (gets_fees_from_the_provider, checks.fee),
        (takes_silence_for_later, checks.time_out_after_arrival),
        (takes_silence_for_refusal, checks.malformed_answer),
        (takes_silence_for_refusal, checks.failure_of_theirs),
        (never_finds, checks.look_up),
        (adds_a_cent, checks.send),
        (raises, checks.time_out_before_arrival),
    ],
)
def test_an_adapter_with_a_mistake_fails_the_check_that_is_made_for_it(subject, mistake, check):
    wrong = replace(subject, provider=wrong_one(subject.provider, mistake), sandbox=again(subject.sandbox))
    assert run_check(check, wrong).verdict == "failed"


def as_it_is(_, asked, right):
    return right(asked)


class Credulous(Wrong):
    def verify(self, *_: Any, **__: Any) -> tuple[str, str]:
        return "evt_1", "payout.paid"


class Forgetful(Wrong):
    """It begins its events anew each time, and its statement lacks what was paid."""

    def events(self, _: Any) -> Any:
        return self._right.events(None)

    def statement(self, *days: str) -> bytes:
        head, *lines = self._right.statement(*days).splitlines(keepends=True)
        return head + b"".join(lines[:1])


class Dear(Wrong):
    """Its statement takes one unit more of each payout than it told."""

    def statement(self, *days: str) -> bytes:
        head, *lines = csv.reader(self._right.statement(*days).decode().splitlines())
        kind, asset, fee, net = (head.index(name) for name in ("type", "asset", "fee", "net"))
        more = Counter[str]()
        for line in lines:
            if line[kind] == "payout":
                more[line[asset]] += 1
                line[fee], line[net] = str(int(line[fee]) + 1), str(int(line[net]) - 1)
            elif line[kind] == "closing_balance":
                line[net] = str(int(line[net]) - more[line[asset]])
        return "\n".join(",".join(line) for line in [head, *lines]).encode()


@pytest.mark.parametrize(
    ("wrong", "mistake", "check", "why"),
    [
        (Credulous, as_it_is, checks.webhook_signature, ""),
        (Forgetful, as_it_is, checks.events, ""),
        (Forgetful, as_it_is, checks.statement, ""),
        (Dear, as_it_is, checks.statement, "its fee is "),
        (Wrong, never_hears_of_a_return, checks.comes_back, "told as "),
    ],
)
def test_an_adapter_that_believes_loses_or_never_hears_fails_the_check_that_is_made_for_it(subject, wrong, mistake, check, why):
    """Of what an adapter declares that it does not do, nothing can be wrong."""
    can, tells = subject.provider.capabilities, subject.provider.tells
    declared = {checks.events: bool(tells), checks.statement: can.own_statement, checks.comes_back: can.returns}
    if not declared.get(check, True):
        return
    careless = replace(subject, provider=wrong(subject.provider, mistake), sandbox=again(subject.sandbox))
    found = run_check(check, careless)
    assert (found.verdict, why in found.said) == ("failed", True), found.said


def again(sandbox: Any, count: list[int] = []) -> Any:  # noqa: B006 - it counts
    """The sandbox with keys that were not used yet."""
    count.append(1)
    return replace(sandbox, run=f"{sandbox.run}-{len(count)}")


def test_what_a_sandbox_cannot_do_is_told_as_not_checked(subject):
    poor = replace(subject, sandbox=replace(again(subject.sandbox), refused=None, webhook=None, returning=None))
    webhooks = (checks.webhook_signature,) if subject.provider.tells else ()
    returned = (checks.comes_back,) if subject.provider.capabilities.returns else ()
    found = [run_check(one, poor) for one in (checks.definite_refusal, *returned, *webhooks)]
    assert {one.verdict for one in found} == {"not checked"}
    assert all(one.said for one in found)


def test_an_adapter_that_declares_no_look_up_is_not_asked_and_says_so(subject):
    right = subject.provider

    provider = wrong_one(right, lambda _, asked, way: way(asked))
    provider.capabilities = right.capabilities._replace(looks_up_by=(), absent_after=timedelta())
    blind = replace(subject, provider=provider, sandbox=again(subject.sandbox))
    assert run_check(checks.look_up, blind).verdict == "does not apply"


def test_an_account_that_moves_real_money_is_not_checked_with():
    pytest.importorskip("stripe", reason=NEEDS_STRIPE)
    live = Settings(
        _env_file=None,
        stripe_api_key="sk_live_" + "Zk3vQ9wLr7Tn5Bx2Jc8Hd4Mg",
        stripe_webhook_secret="whsec_kx7WqPz2Lr9vTn4Yb8McHs3JdFu6GeAa",
    )
    with (
        pytest.raises(CannotCheck, match="real money"),
        sandbox_of("stripe", live, destination="acct_1", refused=None, asset="EUR"),
    ):
        pass
