"""A payout against the orders behind it: by list, by batch id, by key, by sum; with a fee, a tolerance, one missing, or off."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pyarrow.parquet as pq
import pytest

from counterfoil.matching.passes.groups import only_sum
from tests.matching.builders import row, rules_text, run, told
from tests.matching.test_passes import a_pass

MARKS = (" ", ", ", ";", "|", " + ", "&", "/", "_", "\n", ":", " / ", ",")
PASSES = (
    a_pass("key", after_days=3, amount_tolerance=2)
    + a_pass("embedded", after_days=3, amount_tolerance=2)
    + a_pass("group", after_days=3, amount_tolerance=2)
    + a_pass("subset", after_days=3, amount_tolerance=2)
)
KINDS = ("list", "batch", "key", "sum")
ENDINGS = ("equal", "tolerated", "off", "one-over")


class Scenario:
    """Orders on the left and payouts on the right, with what is true of each payout."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng = random.Random(seed)
        self.orders: list[dict[str, str]] = []
        self.payouts: list[dict[str, str]] = []
        self.truth: dict[str, tuple[str, str, frozenset[str]]] = {}
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            ending = ENDINGS[number // len(KINDS) % len(ENDINGS)]
            self._payout(number, kind, "equal" if kind == "sum" and ending in ("off", "one-over") else ending)
        self.rng.shuffle(self.orders)
        self.rng.shuffle(self.payouts)

    def _payout(self, number: int, kind: str, ending: str) -> None:
        rng, name = self.rng, f"po{number:04}"
        names = [f"{name}-{part}" for part in range(rng.randrange(3, 6))]
        amounts = [rng.randrange(10_00, 900_00) for _ in names]
        members = names[:-1] if ending == "one-over" else names
        off = {"tolerated": rng.choice([-2, -1, 1, 2]), "off": rng.choice([-7, 5, 3])}.get(ending, 0)
        references = {order: f"ORD{number:04}{part:03}X" for part, order in enumerate(names)}
        given: dict[str, Any] = {"counterparty": f"Shop {number}", "date": "2026-03-03"}
        for order, amount in zip(names, amounts, strict=True):
            own: dict[str, Any] = {"reference": references[order], "counterparty": f"Shop {number}"}
            if kind == "key":
                own["reference"] = f"DEP{number:05}"
            elif kind == "batch":
                own["batch"] = f"batch_{number:05}"
            self.orders.append(row(order, amount=amount, **own))
        told_of = {
            "list": {"reference": "", "memo": "Payout of " + MARKS[number % len(MARKS)].join(references[order] for order in names)},
            "batch": {"reference": "", "batch": f"batch_{number:05}"},
            "key": {"reference": f"DEP{number:05}"},
            "sum": {"reference": ""},
        }[kind]
        total = sum(amount for order, amount in zip(names, amounts, strict=True) if order in members) + off
        self.payouts.append(row(name, amount=total, **{**given, **told_of}))
        # In a list that names all of its orders and pays less, all of them belong to it: which one is short nobody can say.
        whole = kind == "list"
        self.truth[name] = (kind, "off" if ending == "one-over" and whole else ending, frozenset(names if whole else members))


def linked(outcome) -> dict[str, tuple[str, frozenset[str]]]:
    """Of each payout: confirmed or a break, and the orders that stand against it."""
    rows = pq.read_table(outcome.paths["matches.parquet"]).to_pylist()
    found: dict[str, tuple[str, set[str]]] = {}
    for each in rows:
        if each["right_id"] and each["left_id"]:
            found.setdefault(each["right_id"], (each["status"], set()))[1].add(each["left_id"])
    for each in outcome.breaks:
        for payout in each.right:
            found.setdefault(payout.id, ("break", set()))[1].update(order.id for order in each.left)
    return {name: (status, frozenset(orders)) for name, (status, orders) in found.items()}


@pytest.mark.parametrize("seed", [1, 2])
def test_every_aggregate_is_linked_with_its_orders_and_those_that_are_off_are_breaks(tmp_path, seed):
    scenario = Scenario(seed, 186)
    outcome = run(tmp_path, scenario.orders, scenario.payouts, rules_text(PASSES))
    found = linked(outcome)
    expected = {name: ("break" if ending == "off" else "confirmed", orders) for name, (_, ending, orders) in scenario.truth.items()}
    wrong = {name: (scenario.truth[name], found.get(name)) for name in expected if found.get(name) != expected[name]}
    assert not wrong, Counter(truth[:2] for truth, _ in wrong.values())
    assert len(found) == 186
    left_over = Counter(kind for kind, *_ in told(outcome))
    assert set(left_over) == {"AMOUNT_MISMATCH", "MISSING_RIGHT"}
    assert left_over["MISSING_RIGHT"] == sum(ending == "one-over" for _, ending, _ in scenario.truth.values())


def test_a_break_of_a_sum_names_its_orders_and_by_how_much_it_is_off(tmp_path):
    ours = [row(f"o{n}", reference="DEP-1", amount=n * 10_00) for n in (1, 2, 3)]
    outcome = run(tmp_path, ours, [row("p", reference="DEP-1", amount=59_00)], rules_text(a_pass("key", after_days=3)))
    assert told(outcome) == [("AMOUNT_MISMATCH", "o1;o2;o3", "p")]
    assert outcome.breaks[0].at_stake == 1_00
    assert outcome.breaks[0].reason == "key equal, sum of 3 records differs"


def test_a_single_record_that_lies_nearer_than_the_sum_is_the_partner(tmp_path):
    ours = [row("o1", reference="R", amount=100_00), row("o2", reference="R", amount=40_00)]
    outcome = run(tmp_path, ours, [row("p", reference="R", amount=101_00)], rules_text(a_pass("key", after_days=3)))
    assert ("AMOUNT_MISMATCH", "o1", "p") in told(outcome)
    assert ("MISSING_RIGHT", "o2", "") in told(outcome)


@pytest.mark.parametrize("kind", ["key", "list", "batch", "sum"])
def test_a_known_fee_of_each_order_and_of_each_payout_is_taken_off_before_anything_is_compared(tmp_path, kind):
    """2.9 % and 30 cents of each order, 25 cents of each payout."""
    rng = random.Random(5)
    ours, theirs = [], []
    for number in range(12):
        amounts = [rng.randrange(10_00, 500_00) for _ in range(3)]
        net = sum(amount - ((amount * 29_000 + 500_000) // 1_000_000 + 30) for amount in amounts) - 25
        same = {"counterparty": f"Shop {number}", "batch": f"b_{number}" if kind == "batch" else ""}
        names = [f"ORD{number:04}{part}" for part in range(3)]
        for name, amount in zip(names, amounts, strict=True):
            ours.append(row(name, amount=amount, reference=f"DEP{number:03}" if kind == "key" else name, **same))
        reference = f"DEP{number:03}" if kind == "key" else ""
        theirs.append(row(f"p{number}", amount=net, reference=reference, memo=" ".join(names) if kind == "list" else "", **same))
    fee = {"left": "less_ppm = 29000\nless_minor = 30", "right": "less_minor = -25"}
    rules = rules_text(PASSES.replace("amount_tolerance = 2", "amount_tolerance = 0"))
    for side, less in fee.items():
        rules = rules.replace(f"[{side}.amount]\n", f"[{side}.amount]\n{less}\n")
    outcome = run(tmp_path, ours, theirs, rules)
    assert outcome.verdict == "reconciled", told(outcome)
    assert any("every amount of left is compared less a known fee of 2.9 % and 30 minor units" in note for note in outcome.learnt)
    assert run(tmp_path, ours, theirs, rules.replace("less_minor = 30", "less_minor = 29")).verdict == "not reconciled"


def test_a_total_under_the_rows_is_held_against_the_figures_before_the_fee(tmp_path):
    from counterfoil.matching.reading.scans import SourceUnreadable
    from counterfoil.matching.rules.toml_file import load_rules
    from counterfoil.matching.two_files import reconcile_files

    (tmp_path / "b.csv").write_text("ref,amount\nA,970\nB,1940\n")
    side = '[{0}]\nasset = "EUR"\n[{0}.columns]\nreference = "ref"\n[{0}.amount]\ncolumn = "amount"\nunit = "minor"\n'
    rules = load_rules(side.format("left") + "less_ppm = 30000\n" + side.format("right") + a_pass("key"))
    for foot, right in (("Total,3000", True), ("Total,2910", False)):
        (tmp_path / "a.csv").write_text(f"ref,amount\nA,1000\nB,2000\n{foot}\n")
        if right:
            assert reconcile_files(tmp_path / "a.csv", tmp_path / "b.csv", rules, out=tmp_path / "out").verdict == "reconciled"
        else:
            with pytest.raises(SourceUnreadable, match="the total under the table is 2910, the rows add up to 3000"):
                reconcile_files(tmp_path / "a.csv", tmp_path / "b.csv", rules, out=tmp_path / "out")


def test_an_exact_sum_goes_before_one_within_the_tolerance_and_two_near_ones_stay_open():
    given = [("a", 100), ("b", 200), ("c", 301), ("d", 399)]
    assert only_sum(given, 300, 6).parts == ["b", "a"]
    assert only_sum(given, 503, 6, 2).parts == ["c", "b"]
    assert only_sum(given, 500, 6, 1).parts == []  # 399 + 100 and 301 + 200 lie within one
    assert only_sum(given, 500, 6, 1).several
