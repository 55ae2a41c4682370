"""The oracle: what really happened to the money, counted from the journal alone. It needs no running process.

It shares nothing with `state.py` but the facts, so that an error there cannot hide here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from counterfoil.simulator.journal import read_entries
from counterfoil.simulator.rules import facts as f


@dataclass
class MovedPayout:
    """One payout as the provider carried it out, amounts in minor units. `out` while the money is with the payee or on its way."""

    payout_id: str
    key: str
    reference: str
    asset: str
    asked: int
    moved: int
    fee: int
    status: str = "pending"
    code: str = ""
    history: list[str] = field(default_factory=list)

    @property
    def out(self) -> bool:
        """Is the money gone from our balance?"""
        return self.status in ("pending", "paid")


@dataclass
class Oracle:
    """What a journal tells. `out_at_once` says how many payouts of one key or reference were ever out at the same time."""

    payouts: dict[str, MovedPayout] = field(default_factory=dict)
    refused: list[f.RequestRefused] = field(default_factory=list)
    charged: Counter[tuple[str, str]] = field(default_factory=Counter)
    balances: Counter[str] = field(default_factory=Counter)
    charged_back: dict[str, tuple[str, int]] = field(default_factory=dict)
    fired: list[f.FaultFired] = field(default_factory=list)
    attempts: list[f.DeliveryAttempted] = field(default_factory=list)
    events: list[f.EventEmitted] = field(default_factory=list)
    torn_bytes: int = 0
    _out: Counter[tuple[str, str]] = field(default_factory=Counter)
    _out_at_once: Counter[tuple[str, str]] = field(default_factory=Counter)

    def by_key(self) -> dict[str, list[MovedPayout]]:
        """The payouts of each idempotency key, oldest first."""
        found: defaultdict[str, list[MovedPayout]] = defaultdict(list)
        for payout in self.payouts.values():
            found[payout.key].append(payout)
        return dict(found)

    def moved_twice(self) -> list[str]:
        """Idempotency keys and references whose money was out more than once at the same time: paid twice."""
        return sorted({name for (_, name), times in self._out_at_once.items() if times > 1})

    def paid_out(self) -> dict[str, int]:
        """What left for good or is on its way, per asset, without fees."""
        total: Counter[str] = Counter()
        for payout in self.payouts.values():
            total[payout.asset] += payout.moved if payout.out else 0
        return dict(total)

    def _take(self, fact: f.Fact) -> None:
        match fact:
            case f.ChargeAccepted():
                self.charged[fact.reference, fact.asset] += fact.amount
                self.balances[fact.asset] += fact.amount - fact.fee
            case f.ChargebackOpened():
                self.charged_back[fact.id] = (fact.asset, fact.amount)
                self.balances[fact.asset] -= fact.amount + fact.fee
            case f.ChargebackClosed():
                asset, amount = self.charged_back[fact.id]
                self.balances[asset] += amount + fact.fee_back if fact.outcome == "won" else 0
            case f.PayoutAccepted():
                self._accept(fact)
            case f.PayoutStepped():
                self._step(fact)
            case f.RequestRefused():
                self.refused.append(fact)
            case f.FaultFired():
                self.fired.append(fact)
            case f.DeliveryAttempted():
                self.attempts.append(fact)
            case f.EventEmitted():
                self.events.append(fact)
            case _:
                pass

    def _accept(self, fact: f.PayoutAccepted) -> None:
        self.payouts[fact.id] = MovedPayout(
            fact.id, fact.key, fact.reference, fact.asset, fact.asked, fact.moved, fact.fee, history=["pending"]
        )
        self.balances[fact.asset] -= fact.moved + fact.fee
        for name in (("key", fact.key), ("reference", fact.reference)):
            self._out[name] += 1
            self._out_at_once[name] = max(self._out_at_once[name], self._out[name])

    def _step(self, fact: f.PayoutStepped) -> None:
        payout = self.payouts[fact.id]
        payout.status, payout.code = fact.status, fact.code
        payout.history.append(fact.status)
        if fact.status == "paid":
            return
        back = payout.moved + (payout.fee if fact.status == "failed" else 0)
        self.balances[payout.asset] += back - fact.fee
        for name in (("key", payout.key), ("reference", payout.reference)):
            self._out[name] -= 1


def read_journal(folder: Path) -> Oracle:
    """The oracle of the journal in `folder`, also while a simulator writes there. Raises JournalDamaged."""
    read = read_entries(folder)
    return tell(read.entries, torn_bytes=read.torn_bytes)


def tell(entries: Iterable[f.FactEntry], *, torn_bytes: int = 0) -> Oracle:
    """The oracle of these entries."""
    oracle = Oracle(torn_bytes=torn_bytes)
    for entry in entries:
        for fact in entry.facts:
            oracle._take(fact)  # noqa: SLF001
    return oracle


def oracle_view(oracle: Oracle) -> Mapping[str, Any]:
    """The oracle as plain data: per idempotency key how often money moved, how much, and where it is."""
    keys = [
        {
            "idempotency_key": key,
            "times_moved": len(payouts),
            "times_out": sum(payout.out for payout in payouts),
            "moved": str(sum(payout.moved for payout in payouts if payout.out)),
            "payouts": [
                {
                    "id": payout.payout_id,
                    "reference": payout.reference,
                    "asset": payout.asset,
                    "asked": str(payout.asked),
                    "moved": str(payout.moved),
                    "status": payout.status,
                    "history": payout.history,
                }
                for payout in payouts
            ],
        }
        for key, payouts in oracle.by_key().items()
    ]
    return {
        "object": "journal",
        "keys": keys,
        "moved_twice": oracle.moved_twice(),
        "balances": {asset: str(minor) for asset, minor in sorted(oracle.balances.items())},
        "paid_out": {asset: str(minor) for asset, minor in sorted(oracle.paid_out().items())},
        "faults_fired": len(oracle.fired),
        "webhook_attempts": len(oracle.attempts),
    }
