"""What speaks for a pair: bits of its text, and the steps of its amount, its days and how its texts relate."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.passes.evidence.blocks import ChanceMeetings
from counterfoil.matching.passes.evidence.plan import (
    DAY_STEPS,
    EARLIER,
    NEAR_REFERENCE_LEAST,
    OFF_STEPS,
    PREFIX_LEAST,
    SEQUENCE_STEPS,
    UNDATED,
    bits,
    level,
    off,
)
from counterfoil.matching.passes.evidence.vocabulary import shape_of

LETTER_BITS: Final = 1_500  # for each letter of a last word that was cut short, six at most


def make_pairs(machine: DuckEngine, chance: ChanceMeetings, left: str, candidates: str, pairs: str) -> None:
    """`pairs` out of `candidates`: l, r, bits of the text and of a nearly equal reference, the steps, and bits of an equal amount."""
    _met(machine, left, candidates)
    # two statements: in one, a planner may join the words of both files first, which is all with all
    machine.table("heard", "select m.l, m.r, w.word, w.bits from met m join l_word w on w.n = m.l")
    machine.table("told", "select h.l, h.r, sum(h.bits) as bits from heard h join r_word w on w.n = h.r and w.word = h.word group by 1, 2")
    expected = max(chance.right * chance.near, 1)
    relation = """case when same then 0 when l_miss = 0 and r_miss = 0 then 1
                       when l_miss = 0 or r_miss = 0 then case when greatest(l_miss, r_miss) = 1 then 2 else 3 end
                       when least(l_miss, r_miss) = 1 then case when greatest(l_miss, r_miss) = 1 then 4 else 5 end
                       when shared = 0 then 7 else 6 end"""
    machine.table(
        pairs,
        f"""select p.l, p.r, greatest(head, coalesce(y.bits, 0)) + coalesce(near_bits, 0) as text_bits, coalesce(near_bits, 0) as near_bits,
                   case when equal is not null then 0 else 1 + {level("off", OFF_STEPS)} end as amount_step,
                   coalesce({bits(f"{expected} / equal")}, 0) as equal_bits, off, lag,
                   case when lag is null then {UNDATED} else {level("abs(lag)", DAY_STEPS)} + case when lag < 0 then {EARLIER} else 0 end
                       end as day_step,
                   {relation} as text_step
            from (select *, greatest(l_length - shared - cast(l_cut as integer), 0) as l_miss,
                         greatest(r_length - shared - cast(r_cut as integer), 0) as r_miss from met) p
            left join told y on y.l = p.l and y.r = p.r""",
    )
    machine.drop("met", "heard", "told")


def _met(machine: DuckEngine, left: str, candidates: str) -> None:
    """The table `met`: candidates with the longest common beginning, what is shared, and how far apart they lie."""
    series = f"""l.tail <> r.tail and length(l.tail) = length(r.tail) and length(l.tail) between 1 and 15
                 and substr(l.ref, 1, length(l.ref) - length(l.tail)) = substr(r.ref, 1, length(r.ref) - length(r.tail))
                 and abs(try_cast(l.tail as bigint) - try_cast(r.tail as bigint)) <= {SEQUENCE_STEPS}"""
    near = f"""l.ref <> r.ref and abs(length(l.ref) - length(r.ref)) <= 1 and not coalesce({series}, false)
               and damerau_levenshtein(l.ref, r.ref) <= 1"""
    tail = "regexp_extract(ref, '[0-9]*$', 0) as tail"
    cut_bonus = f"{LETTER_BITS} * least(least(length(l_last), length(r_last)), 6)"
    machine.table(
        "met",
        f"""select l, r, off, lag, l_length, r_length, shared, l_cut, r_cut, equal, same, near_bits,
                   case k when 4 then b4 when 3 then b3 when 2 then b2 when 1 then b1 else 0 end
                   + case when (l_cut or r_cut) and k < 4 and k = least(l_length, r_length) - 1 then {cut_bonus} else 0 end as head
            from (select c.l, c.r, l.length as l_length, r.length as r_length, l.last as l_last, r.last as r_last,
                         coalesce(l.b1, 0) as b1, coalesce(l.b2, 0) as b2, coalesce(l.b3, 0) as b3, coalesce(l.b4, 0) as b4,
                         case when l.p4 = r.p4 then 4 when l.p3 = r.p3 then 3 when l.p2 = r.p2 then 2 when l.p1 = r.p1 then 1 else 0 end
                             as k, l.t = r.t as same,
                         {off("l", "r")} as off, r.d - l.d as lag, len(list_intersect(l.ids, r.ids)) as shared,
                         {_cut_of("l", "r")} as l_cut, {_cut_of("r", "l")} as r_cut,
                         case when l.amount = r.amount then a.many end as equal,
                         case when {near} then n.bits end as near_bits
                  from {candidates} c join (select *, {tail} from {left}) l on l.n = c.l join (select *, {tail} from r_rec) r on r.n = c.r
                  left join same_amount a on a.asset = l.asset and a.amount = l.amount
                  left join near_by_chance n on n.shape = {shape_of("l.ref")}) x""",
    )


def _cut_of(one: str, other: str) -> str:
    """The last word of `one` is the beginning of the word that stands there in `other`, as SQL."""
    word = f"{other}.w[{one}.length]"
    return f"coalesce(length({one}.last) < length({word}) and starts_with({word}, {one}.last), false)"


def vetoed(machine: DuckEngine) -> None:
    """`veto`: pairs whose references conflict: of one binding shape, and with other numbers; or of one number, and with other prefixes.

    Not where one is misspelt: nobody on the other side has either of them, and two such lie that near each other hardly ever by chance.
    A prefix conflicts where both files keep references that begin with it; near ones, such as INV and INVOICE, where they keep both.
    """
    near = f"""contains(a.prefix, b.prefix) or contains(b.prefix, a.prefix)
               or greatest(length(a.prefix), length(b.prefix)) >= {PREFIX_LEAST} and damerau_levenshtein(a.prefix, b.prefix) <= 1"""
    machine.table(
        "veto",
        f"""select p.l, p.r from pair_seen p join l_binding a on a.n = p.l join r_binding b on b.n = p.r and b.shape = a.shape
            group by p.l, p.r, a.shape
            having bool_and(a.ref <> b.ref)
               and not (bool_and(not a.known and not b.known) and max(p.near_bits) >= {NEAR_REFERENCE_LEAST})
            union
            select p.l, p.r from pair_seen p join l_prefixed a on a.n = p.l join r_prefixed b on b.n = p.r and b.number = a.number
            group by p.l, p.r, a.number
            having bool_and(a.prefix <> b.prefix)
               and bool_or((a.shared or b.shared) and not ({near}) or a.shared and b.shared)""",
    )
