"""The pass by embedded references: what one side calls its reference stands as a word in the text of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.keys import differs, judged
from counterfoil.matching.passes.open_items import CONFIRMED, Board, mutual_best, pair_columns
from counterfoil.matching.rules.model import Compared, EmbeddedPass


def match_embedded(board: Board, step: EmbeddedPass, compare: Sequence[Compared]) -> None:
    """The reference of one side is a word of the other's text: equal amounts first, then sums, then what differs."""
    for reference, text in (("l", "r"), ("r", "l")):
        _find_words(board, step, reference, text)
        _equal_amounts(board, step, compare)
        _summed(board, step, reference, text)
        _alone(board, step, compare)
        board.engine.drop("found_word")


def _find_words(board: Board, step: EmbeddedPass, reference: str, text: str) -> None:
    engine = board.engine
    bare = "upper(regexp_replace({}, '[^A-Za-z0-9]', '', 'g'))"
    spaced = "regexp_replace(coalesce(memo, '') || ' ' || coalesce(reference, ''), '[ ,;:/()]+', ' ', 'g')"
    engine.table("spread", f"select u, unnest(string_split({spaced}, ' ')) as word from {text}o")
    engine.table(
        "word",
        f"""select distinct u, word from (select u, {bare.format("word")} as word from spread) w
            where length(word) >= {step.min_length} and regexp_matches(word, '[0-9]')""",
    )
    engine.table(
        "named",
        f"""select u, name from (select u, {bare.format("reference")} as name from {reference}o where reference is not null) n
            where length(name) >= {step.min_length} and regexp_matches(name, '[0-9]')""",
    )
    engine.table(
        "found_word", f"select n.u as {reference}_u, w.u as {text}_u from named n join word w on w.word = n.name"
    )
    engine.drop("spread", "word", "named")


_BOTH: Final = "found_word f join lo l on l.u = f.l_u join ro r on r.u = f.r_u"


def _equal_amounts(board: Board, step: EmbeddedPass, compare: Sequence[Compared]) -> None:
    board.engine.table(
        "embedded_candidate",
        f"""select l.u as l_u, r.u as r_u, cast(abs(r.amount - l.amount) as bigint) as cost,
                   cast(least(coalesce(abs(r.d - l.d), 0), 99999) as bigint) as near
            from {_BOTH} where ({differs(step, compare)}) is null""",
    )
    mutual_best(board.engine, "embedded_candidate", "embedded_pair")
    board.claim(
        step.name,
        f"select {judged(step, compare)} from embedded_pair p join lo l on l.u = p.l_u join ro r on r.u = p.r_u",
    )
    board.engine.drop("embedded_candidate", "embedded_pair")


def _summed(board: Board, step: EmbeddedPass, reference: str, text: str) -> None:
    """One text that names several references, whose amounts add up to its own."""
    engine = board.engine
    many, one = f"{reference}_u", f"{text}_u"
    engine.table("open_word", f"select l.u as l_u, r.u as r_u from {_BOTH} where l.asset = r.asset")
    engine.table(
        "summed",
        f"""select x.{one} as one, min(b.amount) as total from open_word x
            join {reference}o a on a.u = x.{many} join {text}o b on b.u = x.{one}
            where x.{many} in (select {many} from open_word group by {many} having count(*) = 1)
            group by x.{one} having count(*) > 1 and {engine.wide_sum("a.amount")} = min(b.amount)""",
    )
    columns = pair_columns(
        step=step.name,
        status=literal(CONFIRMED),
        reason="'references named in the text, their sum is equal'",
        grp="s.one",
    )
    board.claim(
        step.name,
        f"select {columns} from summed s join open_word x on x.{one} = s.one join lo l on l.u = x.l_u join ro r on r.u = x.r_u",
    )
    engine.drop("open_word", "summed")


def _alone(board: Board, step: EmbeddedPass, compare: Sequence[Compared]) -> None:
    """One reference in one text: they belong together, and what differs is a break."""
    board.engine.table("open_word", f"select l.u as l_u, r.u as r_u from {_BOTH}")
    single = " and ".join(
        f"x.{key} in (select {key} from open_word group by {key} having count(*) = 1)" for key in ("l_u", "r_u")
    )
    board.claim(
        step.name,
        f"select {judged(step, compare)} from open_word x join lo l on l.u = x.l_u join ro r on r.u = x.r_u where {single}",
    )
    board.engine.drop("open_word")
