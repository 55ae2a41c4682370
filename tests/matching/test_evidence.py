"""Texts are linked by what is rare in them; what could be chance, or contradicts itself, is not."""

from __future__ import annotations

import csv
import random

import pytest

from benchmarks.matching_noise import text_world
from benchmarks.matching_texts import noisy_world, shop_world, strangers_world
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.passes.evidence.vocabulary import near_references, shape_of
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.builders import EXACT, row, rules_text, run, told
from tests.matching.test_passes import a_pass, matches

TEXT = a_pass("text", before_days=3, after_days=10)
SHORES = ("North", "South", "East", "West", "Upper", "Lower")
PLACES = [f"{shore} {second}" for shore in SHORES for second in ("Harbour", "Mill", "Bridge", "Chapel", "Orchard")]


def linked(outcome):
    """Pairs that the text pass brought together, confirmed or as a break with a known partner."""
    with outcome.paths["breaks.csv"].open(encoding="utf-8", newline="") as file:
        broken = {(each["left_id"], each["right_id"]) for each in csv.DictReader(file)}
    return {(m[0], m[1]) for m in matches(outcome) if m[2] == "text" and m[3] == "confirmed"} | {pair for pair in broken if all(pair)}


def invoices(numbers):
    """A file in which every text names a full reference; both files keep the same form of them."""
    ours = [row(f"p{n}", memo=f"Invoice INV-{n:06} Harbour Lane Supplies", amount=10_000 + n) for n in numbers]
    theirs = [{**each, "id": f"s{n}", "memo": f"PAYMENT INV-{n:06} HARBOUR LANE SUPPLIES"} for n, each in zip(numbers, ours, strict=True)]
    return ours, theirs


# --- counterexamples -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", [5_000, 5_001], ids=["equal amounts", "near amounts"])
def test_records_whose_full_references_conflict_are_never_linked_nor_suggested(tmp_path, amount):
    ours, theirs = invoices(range(40))
    ours.append(row("mine", reference="", memo="Invoice INV-000967 Quayside Lamps and Lanterns", amount=5_000))
    theirs.append(row("theirs", reference="", memo="INVOICE INV-000267 QUAYSIDE LAMPS AND LANTERNS", amount=amount))
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert not [m for m in matches(outcome) if m[2] == "text"]
    assert set(told(outcome)) == {("MISSING_RIGHT", "mine", ""), ("MISSING_LEFT", "", "theirs")}


@pytest.mark.parametrize(
    ("kept", "here", "there", "is_one"),
    [
        pytest.param(["СЧ"], "СЧ", "АКТ", False, id="another document"),
        pytest.param(["A"], "A", "B", False, id="another letter"),
        pytest.param(["INV", "INW"], "INV", "INW", False, id="near, and both are kept"),
        pytest.param(["REF"], "REF", "RFE", True, id="misspelt"),
        pytest.param(["INV"], "INV", "INVOICE", True, id="written out"),
    ],
)
def test_references_of_one_number_conflict_where_their_prefixes_are_of_two_kinds(tmp_path, kept, here, there, is_one):
    """The number alone linked a bill with the act of another one: equal amount, equal day, and the rarest word of all in common."""
    ours = [row(f"p{n}", reference=f"{kept[n % len(kept)]}-{1_000 + n}", amount=10_000 + n) for n in range(30)]
    theirs = [{**each, "id": f"s{n}"} for n, each in enumerate(ours)]
    ours.append(row("mine", reference=f"{here}-2001", memo="Quayside Lamps", amount=5_000))
    theirs.append(row("theirs", reference=f"{there}-2001", memo="QUAYSIDE LAMPS", amount=5_000))
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert [m[:2] for m in matches(outcome) if m[2] == "text"] == ([("mine", "theirs")] if is_one else [])


def test_prefixes_that_each_system_has_of_its_own_do_not_conflict(tmp_path):
    """Neither file keeps the other's prefix: the number is what they have in common."""
    ours = [row(f"p{n}", reference=f"ORD-{71_000 + n * 37}", memo=place, amount=10_000 + n) for n, place in enumerate(PLACES)]
    theirs = [row(f"s{n}", reference=f"PAY-{71_000 + n * 37}", memo=place, amount=10_000 + n) for n, place in enumerate(PLACES)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert linked(outcome) == {(f"p{n}", f"s{n}") for n in range(len(PLACES))}


def test_the_same_texts_without_the_conflict_are_linked(tmp_path):
    ours, theirs = invoices(range(40))
    ours.append(row("mine", reference="", memo="Invoice INV-000967 Quayside Lamps and Lanterns", amount=5_000))
    theirs.append(row("theirs", reference="", memo="INVOICE QUAYSIDE LAMPS AND LANTERNS", amount=5_000))
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert [m[:2] for m in matches(outcome) if m[2:] == ("text", "confirmed")] == [("mine", "theirs")]


def test_texts_of_every_script_are_linked_by_their_words(tmp_path):
    """Only Latin letters counted: Cyrillic texts had no words, and their records were missing on both sides."""
    first, second = ("Северный", "Южный", "Восточный", "Западный", "Верхний"), ("Порт", "Мост", "Сад", "Завод", "Причал", "Хутор")
    names = [f"{one} {two}" for one in first for two in second]
    ours = [row(f"p{n}", reference="", memo=f"Оплата {name}", amount=10_000 + n) for n, name in enumerate(names)]
    theirs = [row(f"s{n}", reference="", memo=f"ПЛАТЁЖ {name.upper()} ООО", amount=10_000 + n) for n, name in enumerate(names)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert linked(outcome) == {(f"p{n}", f"s{n}") for n in range(len(names))}


def test_boilerplate_that_all_texts_share_links_nobody(tmp_path):
    """Equal amounts, one day, the same words: nothing tells which belongs to which, and nothing that any does."""
    ours = [row(f"p{n}", reference="", memo="Thank you for your payment", amount=1_000 + n) for n in range(30)]
    theirs = [row(f"s{n}", reference="", memo="THANK YOU FOR YOUR PAYMENT", amount=1_000 + n) for n in range(30)]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert not linked(outcome)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_strangers_with_the_same_boilerplate_amounts_and_days_are_never_linked(tmp_path, seed):
    left, right = strangers_world(300, seed=seed).write(tmp_path)
    rules, _ = guess_rules(left, right)
    assert not linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))


@pytest.mark.parametrize("prices", [(9_99, 19_99, 49_00), (9_99,)], ids=["three prices", "one price"])
@pytest.mark.parametrize("seed", [4, 5])
def test_strangers_of_a_shop_with_few_prices_are_never_linked(tmp_path, seed, prices):
    """Decoys have to meet the prices that many share, or they foretell nothing: twice a price is nobody's."""
    left, right = shop_world(400, seed=seed, prices=prices).write(tmp_path)
    rules, _ = guess_rules(left, right)
    assert not linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))


@pytest.mark.parametrize(("rows", "seed"), [(1_000, 2), (300, 102)])
def test_a_pair_that_lies_a_little_above_every_decoy_is_not_confirmed(tmp_path, rows, seed):
    """Here one to five strangers score higher than the highest of the decoys: so far chance comes by itself."""
    left, right = shop_world(rows, seed=seed).write(tmp_path)
    rules, _ = guess_rules(left, right)
    assert not linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))


def test_partners_are_not_swapped_where_the_same_words_stand_over_two_amounts(tmp_path):
    ours = [
        row(f"p{n}{half}", reference="", memo=f"Rent {place}", amount=n * 777 + extra)
        for n, place in enumerate(PLACES, 2)
        for half, extra in (("a", 0), ("b", 20))
    ]
    theirs = [{**each, "id": f"s{each['id'][1:]}", "memo": f"STANDING ORDER {each['memo']}".upper(), "date": "2026-03-03"} for each in ours]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert {left[1:] == right[1:] for left, right in linked(outcome)} == {True}


def test_placeholders_are_no_words_in_common(tmp_path):
    ours = [row(f"p{n}", reference="NOTPROVIDED", memo=place, amount=1_000 + n) for n, place in enumerate(PLACES)]
    theirs = [row(f"s{n}", reference="NOTPROVIDED", memo=word, amount=1_000 + n) for n, word in enumerate("qrstuvwxyz")]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert not linked(outcome)


# --- what is found ---------------------------------------------------------------------------------------------------------------


def test_a_misspelt_reference_is_found_where_references_lie_far_apart(tmp_path):
    rng = random.Random(4)
    numbers = [rng.randrange(10**12) for _ in range(120)]
    ours = [row(f"p{n}", reference=f"PO{number:012}", amount=10_000 + n * 31) for n, number in enumerate(numbers)]
    theirs = [{**each, "id": f"s{n}", "date": "2026-03-03"} for n, each in enumerate(ours)]
    wrong = theirs[7]["reference"]
    theirs[7]["reference"] = wrong[:6] + str((int(wrong[6]) + 1) % 10) + wrong[7:]
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT.replace('"exact"', '"exact"\nafter_days = 3') + TEXT))
    assert [m[:2] for m in matches(outcome) if m[2:] == ("text", "confirmed")] == [("p7", "s7")]


def test_the_next_number_of_a_series_is_another_record_and_no_misspelling(tmp_path):
    ours = [row(f"p{n}", reference=f"INV{n:06}", amount=5_000) for n in range(60)]
    theirs = [{**each, "id": f"s{n}"} for n, each in enumerate(ours)]
    ours.append(row("mine", reference="INV000071", amount=777))
    theirs.append(row("theirs", reference="INV000077", amount=777))
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert not linked(outcome)
    assert not [m for m in matches(outcome) if m[2] == "text"]


def test_a_record_without_a_date_is_linked_by_its_words_and_amount(tmp_path):
    ours = [row(f"p{n}", reference="", memo=f"Rent {place}", amount=n * 777) for n, place in enumerate(PLACES, 2)]
    theirs = [{**each, "id": f"s{each['id'][1:]}", "memo": each["memo"].upper(), "date": ""} for each in ours]
    found = linked(run(tmp_path, ours, theirs, rules_text(EXACT + TEXT)))
    assert len(found) == len(PLACES)
    assert {left[1:] == right[1:] for left, right in found} == {True}


def test_a_linked_pair_whose_amounts_differ_is_a_break_and_says_why_they_belong_together(tmp_path):
    ours = [row(f"p{n}", reference="", memo=f"Rent {place}", amount=n * 777) for n, place in enumerate(PLACES, 2)]
    theirs = [{**each, "id": f"s{each['id'][1:]}", "date": "2026-03-03"} for each in ours]
    theirs[3]["amount"] = str(int(theirs[3]["amount"]) - 35)
    outcome = run(tmp_path, ours, theirs, rules_text(EXACT + TEXT))
    assert told(outcome) == [("AMOUNT_MISMATCH", "p5", "s5")]
    assert outcome.verdict == "not reconciled"
    assert "amount off by -35, 1 day later" in outcome.breaks[0].reason
    assert "times likelier than chance" in outcome.breaks[0].reason
    assert any("bits above chance" in note for note in outcome.learnt)
    assert any("in bits for a pair or against it; amounts: equal" in note and "1 day later +" in note for note in outcome.learnt)


@pytest.mark.parametrize("seed", [11, 12])
def test_noisy_texts_with_unequal_amounts_find_their_partners(tmp_path, seed):
    world = noisy_world(2_000, seed=seed)
    left, right = world.write(tmp_path)
    rules, _ = guess_rules(left, right)
    found = linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))
    assert len(found & set(world.pairs)) >= 0.995 * len(found)
    assert len(found & set(world.pairs)) >= 0.98 * len(world.pairs)


def test_a_text_that_was_cut_in_its_second_word_is_found_though_its_partner_has_rarer_words(tmp_path):
    world = text_world(300, seed=2)
    left, right = world.write(tmp_path)
    rules, _ = guess_rules(left, right)
    found = linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))
    cut = {pair for pair, noise in world.pairs.items() if noise == "truncated_off"}
    assert len(cut) > 20
    assert cut <= found <= set(world.pairs)


@pytest.mark.parametrize("seed", [2, 3])
def test_a_small_file_of_which_half_has_no_partner_finds_the_others(tmp_path, seed):
    """None of its decoys is linked at all, which says that chance links few, and not that nothing is known of it."""
    world = noisy_world(100, seed=seed, alone=0.5)
    left, right = world.write(tmp_path)
    rules, _ = guess_rules(left, right)
    found = linked(reconcile_files(left, right, load_rules(rules), out=tmp_path / "out"))
    assert found <= set(world.pairs)
    assert len(found) >= 0.9 * len(world.pairs)


def test_partners_that_come_too_late_for_the_window_do_not_raise_the_floor(tmp_path):
    """A decoy that was moved by a little more than the window met its own late partner, which is no chance."""
    world = text_world(400, seed=7)
    left, right = world.write(tmp_path)
    rules, _ = guess_rules(left, right)
    assert '"key"' not in rules, "the two sides number their records each in its own way"
    narrow = rules.replace("before_days = 10\nafter_days = 30", "before_days = 5\nafter_days = 5")
    found = linked(reconcile_files(left, right, load_rules(narrow), out=tmp_path / "out"))
    in_time = {pair for pair, kind in world.pairs.items() if kind != "late"}
    assert found <= set(world.pairs)
    assert len(found & in_time) >= 0.95 * len(in_time)


def test_how_near_references_lie_by_chance_is_the_same_as_when_all_are_compared_with_all(tmp_path):
    """Random references have hundreds of shapes: all with all was half a minute of a run of seconds."""
    rng = random.Random(5)
    machine = DuckEngine(tmp_path)
    for side in ("l", "r"):
        refs = [f"PAY{rng.randrange(16**6):06X}" for _ in range(300)] + [f"INV{n:06}" for n in rng.sample(range(900), 300)]
        slips = [f"{ref[:6]}{ref[7]}{ref[6]}{ref[8]}" for ref in refs[::7]] + [f"OWN{side.upper()}{n:05}" for n in range(9)]
        machine.load(f"{side}_text", {"ref": "varchar", "n": "integer"}, [(ref, n) for n, ref in enumerate(refs + slips)])
        machine.table(f"{side}_text", f"select ref, n % 2 = 0 as open from {side}_text")
    near_references(machine)
    shape = {side: shape_of(f"{side}.ref") for side in ("l", "r")}
    truth = machine.rows(
        f"""select shape, cast(greatest(round(1000 * log2((count(*) + 1) / (count(*) filter (apart <= 1) + 1))) - 4000, 0) as bigint) from (
                select {shape["l"]} as shape, damerau_levenshtein(l.ref, r.ref) as apart
                from (select distinct ref from l_text) l, (select distinct ref from r_text) r
                where {shape["l"]} = {shape["r"]} and l.ref <> r.ref) x group by 1"""
    )
    open_ones = [{row[0] for row in machine.rows(f"select {shape[side]} from {side}_text {side} where open")} for side in ("l", "r")]
    found = dict(machine.rows("select * from near_by_chance"))
    assert found == {name: bits for name, bits in truth if name in open_ones[0] & open_ones[1]}
    assert len(found) > 5
    assert 0 < found["INV:9"] < found["PAY:9"]
