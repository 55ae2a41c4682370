"""A noisy world with known truth: payments as two systems would tell them, and what was done to each. Made by seed, never by chance."""

from __future__ import annotations

import csv
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Final

FIRST: Final = [
    "ALMA",
    "BRUNO",
    "CARLA",
    "DIEGO",
    "ELENA",
    "FELIX",
    "GRETA",
    "HUGO",
    "IRIS",
    "JONAS",
    "KIRA",
    "LEON",
    "MARTA",
    "NILS",
    "OLGA",
    "PABLO",
    "QUINN",
    "ROSA",
    "SVEN",
    "TESSA",
    "UMA",
    "VIKTOR",
    "WANDA",
    "XAVER",
    "YARA",
    "ZENO",
]
LAST: Final = [
    "ABEL",
    "BECKER",
    "CRUZ",
    "DUARTE",
    "EKMAN",
    "FISCHER",
    "GARCIA",
    "HANSEN",
    "IVANOV",
    "JANSEN",
    "KELLER",
    "LINDQVIST",
    "MORETTI",
    "NOVAK",
    "OLSEN",
    "PETROV",
    "QUIROGA",
    "ROSSI",
    "SANTOS",
    "TANAKA",
    "ULRICH",
    "VARGA",
    "WEBER",
    "YILMAZ",
    "ZIMMER",
]
TRADE: Final = [
    "BAKERY",
    "BOOKS",
    "CYCLES",
    "DENTAL",
    "ELECTRIC",
    "FLOWERS",
    "GARAGE",
    "HOTEL",
    "IMPORTS",
    "JOINERY",
    "KITCHENS",
    "LOGISTICS",
    "MEDIA",
    "OPTICS",
    "PRINTING",
    "ROOFING",
    "STUDIO",
    "TRAVEL",
    "VENTURES",
    "WINES",
]
FOR: Final = [
    "RENT",
    "SALARY",
    "INVOICE",
    "DEPOSIT",
    "REPAIR",
    "MEMBERSHIP",
    "TICKETS",
    "FEES",
    "SUPPLIES",
    "LESSON",
    "DELIVERY",
    "CLEANING",
    "CONSULTING",
    "INSURANCE",
]
BANK: Final = ["BGC", "DD", "SO", "CARD", "TFR", "POS", "ONLINE"]
TEXT_NOISE: Final = ("clean", "truncated", "typos", "abbreviated", "reordered", "amount_off", "late", "truncated_off")
KEY_NOISE: Final = (
    *("clean",) * 24,
    "typo",
    "case",
    "amount",
    "sign",
    "scale",
    "status",
    "late",
    "currency",
    "lost_left",
    "lost_right",
    "double_left",
    "double_right",
    "split",
    "merged",
    "fee",
    "embedded",
)


@dataclass
class World:
    """Two sides as rows, which left belongs to which right, and what was done to each pair."""

    left: list[dict[str, str]] = field(default_factory=list)
    right: list[dict[str, str]] = field(default_factory=list)
    pairs: dict[tuple[str, str], str] = field(default_factory=dict)
    kinds: dict[tuple[str, str], str] = field(default_factory=dict)

    def shuffle_right(self, rng: random.Random, column: str) -> None:
        """The right side in an order and under numbers of its own: else the two sides' numbers are a key, which a guess finds."""
        rng.shuffle(self.right)
        renamed = {row[column]: f"R{n}" for n, row in enumerate(self.right)}
        for row in self.right:
            row[column] = renamed[row[column]]
        self.pairs = {(here, renamed[there]): kind for (here, there), kind in self.pairs.items()}

    def write(self, folder: Path) -> tuple[Path, Path]:
        """left.csv and right.csv in `folder`."""
        for name, rows in (("left", self.left), ("right", self.right)):
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return folder / "left.csv", folder / "right.csv"


def text_world(rows: int, *, seed: int) -> World:
    """Bank lines without any key: only words, amounts and dates, each told a little differently; some have no partner."""
    rng = random.Random(seed)
    world = World()
    for n in range(rows):
        memo, amount, day = (
            _memo(rng),
            rng.randint(3_00, 9_000_00),
            date(2026, 1, 1) + timedelta(days=rng.randrange(180)),
        )
        kind = rng.choice(TEXT_NOISE)
        here = {"unique_id": f"L{n}", "memo": memo, "transaction_date": day.isoformat(), "amount": major(amount)}
        there = {"unique_id": f"R{n}", **_retold(rng, kind, memo, amount, day)}
        alone = rng.random()
        if alone > 0.03:
            world.left.append(here)
        if not 0.03 < alone < 0.06:
            world.right.append(there)
        if alone >= 0.06:
            world.pairs[f"L{n}", f"R{n}"] = kind
    world.shuffle_right(rng, "unique_id")
    return world


def _memo(rng: random.Random) -> str:
    who = (
        f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        if rng.random() < 0.5
        else f"{rng.choice(LAST)} {rng.choice(TRADE)} {rng.choice(('LTD', 'GMBH', 'SARL'))}"
    )
    return f"{who} {rng.choice(FOR)} {rng.choice(BANK)}" + (f" {rng.randint(100, 99999)}" if rng.random() < 0.5 else "")


def _retold(rng: random.Random, kind: str, memo: str, amount: int, day: date) -> Mapping[str, str]:
    days = rng.choice((0, 0, 0, 1, 1, 2, 3))
    if kind in ("truncated", "truncated_off"):
        memo = memo[: rng.randint(10, 18)].strip()
    if kind == "typos":
        memo = typo(rng, typo(rng, memo))
    if kind == "abbreviated":
        memo = " ".join(word[: rng.randint(3, 5)] if len(word) > 6 else word for word in memo.split())
    if kind == "reordered":
        memo = f"{rng.choice(BANK)} {memo}"
    if kind in ("amount_off", "truncated_off"):
        amount = amount * (10_000 + rng.choice((-1, 1)) * rng.randint(20, 900)) // 10_000
    if kind == "late":
        days = rng.randint(4, 20)
    return {"memo": memo, "transaction_date": (day + timedelta(days=days)).isoformat(), "amount": major(amount)}


def typo(rng: random.Random, text: str) -> str:
    """One character replaced, dropped, doubled or swapped with its neighbour."""
    at = rng.randrange(len(text) - 1)
    how = rng.randrange(4)
    if how == 0:
        return text[:at] + rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") + text[at + 1 :]
    if how == 1:
        return text[:at] + text[at + 1 :]
    if how == 2:
        return text[: at + 1] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def major(minor: int) -> str:
    """Whole minor units as a decimal with two places."""
    return f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}"


def key_world(rows: int, *, seed: int) -> World:
    """Payments with a reference each, and one of every kind of thing that goes wrong with them."""
    rng = random.Random(seed)
    world = World()
    for n in range(rows):
        _keyed(rng, world, n, rng.choice(KEY_NOISE))
    rng.shuffle(world.right)
    return world


def _keyed(rng: random.Random, world: World, n: int, kind: str) -> None:
    reference = f"PO{rng.randrange(36**8):08d}{n:06d}"[:16]
    amount, day = rng.randint(5_00, 90_000_00), date(2026, 1, 5) + timedelta(days=rng.randrange(150))
    who = f"{rng.choice(LAST)} {rng.choice(TRADE)}"
    here = {
        "id": f"L{n}",
        "reference": reference,
        "amount": str(amount),
        "currency": "EUR",
        "date": day.isoformat(),
        "status": "paid",
        "counterparty": who,
        "memo": "",
        "batch": "",
    }
    landed = day + timedelta(days=2 if day.weekday() >= 4 else 1)
    there = {**here, "id": f"R{n}", "date": landed.isoformat(), "memo": f"TRANSFER {who}"}
    lefts, rights = [here], [there]
    expected = {
        "amount": ("AMOUNT_MISMATCH", "amount", str(amount + rng.choice((-1, 1)) * rng.randint(1_00, 4_00))),
        "sign": ("AMOUNT_MISMATCH", "amount", str(-amount)),
        "scale": ("AMOUNT_MISMATCH", "amount", str(amount * 100)),
        "fee": ("AMOUNT_MISMATCH", "amount", str(amount - amount * 290 // 10_000)),
        "status": ("STATUS_MISMATCH", "status", "returned"),
        "late": ("DATE_MISMATCH", "date", (landed + timedelta(days=rng.randint(12, 30))).isoformat()),
        "currency": ("CURRENCY_MISMATCH", "currency", "USD"),
    }
    if kind in expected:
        code, column, value = expected[kind]
        there[column] = value
        world.kinds[here["id"], there["id"]] = code
    elif kind == "typo":
        there["reference"] = typo(rng, reference)
    elif kind == "case":
        there["reference"] = f"{reference[:2].lower()}-{reference[2:8]} {reference[8:]}"
    elif kind == "embedded":
        there["reference"], there["memo"] = f"TX{n}", f"PAYMENT {reference} {who}"
    elif kind in ("lost_left", "lost_right"):
        (lefts if kind == "lost_left" else rights).clear()
        world.kinds[("", there["id"]) if kind == "lost_left" else (here["id"], "")] = f"MISSING_{kind[5:].upper()}"
    elif kind in ("double_left", "double_right"):
        (lefts if kind == "double_left" else rights).append(
            {**(here if kind == "double_left" else there), "id": f"{'L' if kind == 'double_left' else 'R'}{n}-2"}
        )
        world.kinds[(f"L{n}-2", "") if kind == "double_left" else ("", f"R{n}-2")] = f"DUPLICATE_{kind[7:].upper()}"
    elif kind in ("split", "merged"):
        _several(rng, kind, lefts, rights, amount, n)
    world.left += lefts
    world.right += rights
    if kind not in (*expected, "lost_left", "lost_right"):
        whole = [
            (one["id"], other["id"]) for one in lefts for other in rights if not one["id"].endswith("-2") and not other["id"].endswith("-2")
        ]
        world.pairs |= dict.fromkeys(whole, kind)


def _several(rng: random.Random, kind: str, lefts: list[dict[str, str]], rights: list[dict[str, str]], amount: int, n: int) -> None:
    """One record here and two there (a part payment), or several here and one there (a batch)."""
    if kind == "split":
        first = rng.randint(1, amount - 1)
        part = rights.pop()
        rights += [
            {**part, "id": f"R{n}", "amount": str(first)},
            {**part, "id": f"S{n}", "amount": str(amount - first)},
        ]
        return
    lefts[0]["batch"] = rights[0]["batch"] = f"B{n}"
    lefts.append({**lefts[0], "id": f"M{n}", "reference": f"PX{n:08d}", "amount": str(rng.randint(5_00, 9_000_00))})
    rights[0].update(reference=f"SETTLE{n}", amount=str(sum(int(each["amount"]) for each in lefts)))
