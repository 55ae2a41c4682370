"""Worlds of texts that are hard to link: short words, boilerplate, one small vocabulary, unequal amounts; and strangers without a pair."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final

from benchmarks.matching_noise import BANK, FIRST, FOR, LAST, TRADE, World, major, typo

BOILERPLATE: Final = ("PAYMENT RECEIVED FROM", "YOUR ORDER WITH", "CARD TRANSACTION", "THANK YOU FOR YOUR PAYMENT", "SEPA CREDIT TRANSFER")
NOISE: Final = ("boilerplate_first", "boilerplate_last", "initial", "cut", "transposed", "words_lost", "swapped_words", "same")
UNEQUAL_SHARE: Final = 0.75  # of the pairs: fees, exchange, part payments
DAYS: Final = 365


def noisy_world(rows: int, *, seed: int, alone: float = 0.05) -> World:
    """Two tellings of each payment, `rows` of them: most amounts differ by up to 15 percent, all parties share a small vocabulary.

    `alone`: the share of payments that only one side tells.
    """
    rng = random.Random(seed)
    world = World()
    for n in range(rows):
        memo, amount, day = _memo(rng), rng.randint(5_00, 20_000_00), date(2026, 1, 1) + timedelta(days=rng.randrange(DAYS))
        kind = rng.choice(NOISE)
        told = _retold(rng, kind, memo)
        unequal = rng.random() < UNEQUAL_SHARE
        paid = amount * (10_000 + rng.choice((-1, 1)) * rng.randint(5, 1_500)) // 10_000 if unequal else amount
        late = day + timedelta(days=min(int(rng.expovariate(0.4)), 21))
        here, there = _row(f"L{n}", memo, day, amount), _row(f"R{n}", told, late, paid)
        side = rng.random()
        if side >= alone / 2:
            world.left.append(here)
        if not alone / 2 <= side < alone:
            world.right.append(there)
        if side >= alone:
            world.pairs[f"L{n}", f"R{n}"] = f"{kind}{', unequal' if unequal else ''}"
    world.shuffle_right(rng, "unique_id")
    return world


def strangers_world(rows: int, *, seed: int) -> World:
    """A bank and a ledger that share boilerplate, amounts and days, and no payment: whatever is linked is false."""
    rng = random.Random(seed)
    world = World()
    for n in range(rows):
        for side, rows_of, prefix in (("L", world.left, "INV"), ("R", world.right, "INV")):
            number = rng.sample(range(1_000, 9_999), 1)[0] * 2 + (side == "R")  # full references of one form, of other payments
            text = f"{rng.choice(BOILERPLATE)} {prefix}-{number:06} {rng.choice(BANK)}"
            day = date(2026, 1, 1) + timedelta(days=rng.randrange(60))
            rows_of.append(_row(f"{side}{n}", text, day, rng.choice((9_99, 19_99, 49_00, 100_00, rng.randint(5_00, 500_00)))))
    return world


def shop_world(rows: int, *, seed: int, prices: tuple[int, ...] = (9_99, 19_99, 49_00)) -> World:
    """A month of a shop with few prices, parties of one small vocabulary, and no payment in common: equal amounts are no evidence."""
    rng = random.Random(seed)
    world = World()
    for n in range(rows):
        for side, rows_of in (("L", world.left), ("R", world.right)):
            rows_of.append(_row(f"{side}{n}", _memo(rng), date(2026, 1, 1) + timedelta(days=rng.randrange(30)), rng.choice(prices)))
    return world


def _row(name: str, memo: str, day: date, amount: int) -> dict[str, str]:
    return {"unique_id": name, "memo": memo, "transaction_date": day.isoformat(), "amount": major(amount)}


def _memo(rng: random.Random) -> str:
    """A party out of a small vocabulary, half of them beginning with one letter, what it is for, and often a number of its own."""
    who = rng.choice(
        (
            f"{rng.choice(FIRST)} {rng.choice(LAST)}",
            f"{rng.choice(FIRST)[0]} {rng.choice(LAST)}",
            f"{rng.choice(LAST)} {rng.choice(LAST)} {rng.choice(TRADE)}",
            f"{rng.choice('AEIOU')} {rng.choice(TRADE)} {rng.choice(LAST)} LTD",
        )
    )
    return f"{who} {rng.choice(FOR)}" + (f" {rng.randint(1_000, 99_999)}" if rng.random() < 0.6 else "")


def _retold(rng: random.Random, kind: str, memo: str) -> str:
    words = memo.split()
    how: Mapping[str, str] = {
        "boilerplate_first": f"{rng.choice(BOILERPLATE)} {memo}",
        "boilerplate_last": f"{memo} {rng.choice(BANK)} {rng.choice(BOILERPLATE)}",
        "initial": " ".join([words[0][:1], *words[1:]]),
        "cut": memo[: max(len(memo) - rng.randint(1, 6), 9)].strip(),
        "transposed": typo(rng, memo),
        "words_lost": " ".join(word for n, word in enumerate(words) if n != len(words) - 1 or len(words) < 4),
        "swapped_words": " ".join([*words[1:2], *words[:1], *words[2:]]),
        "same": memo,
    }
    return how[kind]
