"""The pass by embedded references: what one side calls its reference stands as a word in the text of the other."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.gate import difference, limits_of
from counterfoil.matching.passes.keys import KEY_EQUAL
from counterfoil.matching.passes.open_items import Board, mutual_best
from counterfoil.matching.passes.words import UNSPACED, capitals, told, unmarked
from counterfoil.matching.rules.model import EmbeddedPass

LIST_MARKS: Final = " \t\r\n,;|+&()"  # between the references of a list, and within none
INNER_MARKS: Final = ":/_"  # between references, or within one: words are taken both ways


def match_embedded(board: Board, step: EmbeddedPass) -> None:
    """The reference of one side is a word of the other's text: what agrees first, then sums, then what differs."""
    for reference, text in (("l", "r"), ("r", "l")):
        if all(board.sizes) and _find_words(board, step, reference, text):
            _agreeing(board, step)
            if _summed(board, step, reference, text):
                _alone(board, step)
        board.engine.drop("found_word")


def _find_words(board: Board, step: EmbeddedPass, reference: str, text: str) -> int:
    """The table `found_word`; how many are found. Where no record is called by anything that can stand in a text, none is looked for."""
    engine = board.engine
    engine.table("named", _names(step, reference))
    found = 0
    if engine.count("named"):
        engine.table("word", _words(step, text))
        engine.table("found_word", f"select n.u as {reference}_u, w.u as {text}_u from named n join word w on w.word = n.name")
        found = engine.count("found_word")
    engine.drop("word", "named")
    return found


def named_words(step: EmbeddedPass) -> str:
    """References of open records that are words in texts of the other side, as SQL: without one, the pass finds nothing."""
    ways = (
        f"select n.name from ({_names(step, reference)}) n join ({_words(step, text)}) w on w.word = n.name"
        for reference, text in (("l", "r"), ("r", "l"))
    )
    return " union all ".join(ways)


def _words(step: EmbeddedPass, text: str) -> str:
    """Words with a digit in the texts of a side, as SQL."""
    said = f"(select u, coalesce(memo, '') || ' ' || coalesce(reference, '') as said from {text}o) said"
    ways = [(LIST_MARKS, ""), (LIST_MARKS + INNER_MARKS, f" where regexp_matches(said, {literal(f'[{INNER_MARKS}]')})")]
    unspaced = f" where regexp_matches(said, {literal(f'[{UNSPACED}]')})"
    ways += [(marks + UNSPACED, unspaced) for marks, _ in ways]
    words = "select u, unnest(string_split(regexp_replace(said, {}, ' ', 'g'), ' ')) as word from {}{}"
    spread = " union all ".join(words.format(literal(f"[{marks}]+"), said, where) for marks, where in ways)
    return f"""select distinct u, word from (select u, {unmarked(capitals("word"))} as word from ({spread}) spread) w
               where length(word) >= {step.min_length} and regexp_matches(word, '[0-9]')"""


def _names(step: EmbeddedPass, reference: str) -> str:
    """What the records of a side are called, as a word is compared, as SQL."""
    return f"""select u, name from (select u, {unmarked(capitals("name"))} as name from (
                   select u, {told("reference")} as name from {reference}o) given where name is not null) n
               where length(name) >= {step.min_length} and regexp_matches(name, '[0-9]')"""


_BOTH: Final = "found_word f join lo l on l.u = f.l_u join ro r on r.u = f.r_u"


def _agreeing(board: Board, step: EmbeddedPass) -> None:
    board.engine.table(
        "embedded_candidate",
        f"""select l.u as l_u, r.u as r_u, cast(abs(r.amount - l.amount) as bigint) as cost,
                   cast(least(coalesce(abs(r.d - l.d), 0), 99999) as bigint) as near
            from {_BOTH} where ({difference(board.compare, limits_of(step))}) is null""",
    )
    if mutual_best(board.engine, "embedded_candidate", "embedded_pair"):
        board.link(step, "embedded_pair", reason=KEY_EQUAL)
    board.engine.drop("embedded_candidate", "embedded_pair")


def _summed(board: Board, step: EmbeddedPass, reference: str, text: str) -> int:
    """One text that names several references which no other text names: their sum is the text's, or it is a break with all of them.

    How many words were still open on both sides.
    """
    engine = board.engine
    engine.table("open_word", f"select l.u as l_u, r.u as r_u, l.asset = r.asset as same from {_BOTH}")
    still_open = engine.count("open_word")
    if still_open > 1:
        engine.table("open_word", "select l_u, r_u from open_word where same")
        _sum_up(board, step, reference, text)
    engine.drop("open_word")
    return still_open


def _sum_up(board: Board, step: EmbeddedPass, reference: str, text: str) -> None:
    engine = board.engine
    many, one = f"{reference}_u", f"{text}_u"
    engine.table("shared_word", f"select {many} from open_word group by {many} having count(*) > 1")
    engine.table(
        "own_word",
        f"select x.* from open_word x where not exists (select 1 from shared_word s where s.{many} = x.{many})",
    )
    engine.table(
        "summed",
        f"""select x.{one} as one, abs({engine.wide_sum("a.amount")} - min(b.amount)) as off from own_word x
            join {reference}o a on a.u = x.{many} join {text}o b on b.u = x.{one} group by x.{one} having count(*) > 1""",
    )
    if not engine.count("summed"):
        engine.drop("shared_word", "own_word", "summed")
        return
    links = f"(select x.l_u, x.r_u, s.one as grp from summed s join own_word x on x.{one} = s.one where s.off {{}})"
    equal = links.format(f"<= {step.amount_tolerance}")
    board.link_groups(step, equal, reason="'references named in the text, their sum is equal'")
    whole = f"s.one not in (select x.{one} from open_word x join shared_word n on n.{many} = x.{many})"
    differs = links.format(f"> {step.amount_tolerance} and {whole}")
    board.link_groups(step, differs, reason="'references named in the text, their sum differs'")
    engine.drop("shared_word", "own_word", "summed")


def _alone(board: Board, step: EmbeddedPass) -> None:
    """One reference in one text: they belong together, and what differs is a break."""
    board.engine.table("open_word", f"select l.u as l_u, r.u as r_u from {_BOTH}")
    single = " and ".join(f"x.{key} in (select {key} from open_word group by {key} having count(*) = 1)" for key in ("l_u", "r_u"))
    board.link(step, f"(select x.l_u, x.r_u from open_word x where {single})", reason=KEY_EQUAL)
    board.engine.drop("open_word")
