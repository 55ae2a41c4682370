"""The pass by text: what is left, scored on its words, its reference, its amount and its date; whole numbers, so that engines agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.gate import NOTHING, agrees, limits_of
from counterfoil.matching.passes.open_items import NEAR_SPAN, SUGGESTED, Board, mutual_best, pair_columns
from counterfoil.matching.passes.words import beyond_ascii, told
from counterfoil.matching.rules.model import TextPass

RARE_WORD_MAX: Final = 60  # records of one side that share it
BLOCK_PAIRS_MAX: Final = 250_000  # pairs of records with one first word; what is over it is not compared, and the report says so
AMOUNT_PAIRS_MAX: Final = 2_500  # the same of equal amounts
TEXT_MAX: Final = 80  # characters compared
PREFIX_LEAST: Final = 5
REFERENCE_LEAST: Final = 6  # shorter references are near each other by chance
SEQUENCE_STEPS: Final = 99  # references that many apart are neighbours in a series, not misspelt
INEXACT: Final = 7_500  # the most that an amount scores that is not equal: near is not the same
FULL: Final = 10_000  # scores are kept in hundredths of a percent

ACCENTED: Final = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽČĆĐŁŃŚŹŻĄĘŐŰĚŘŮŤĎŇ"
PLAIN: Final = "AAAAAACEEEEIIIINOOOOOOUUUUYSZCCDLNSZZAEOUERUTDN"


def plain_text(*columns: str) -> str:
    """Words in capitals without accents and marks, joined by single blanks, as SQL; null where nothing is left."""
    given = " || ' ' || ".join(f"coalesce({column}, '')" for column in columns)
    table = f"translate({given}, {literal(ACCENTED + ACCENTED.lower())}, {literal(PLAIN + PLAIN.lower())})"
    bare = beyond_ascii(given, table, given)
    return f"nullif(trim(upper(regexp_replace({bare}, '[^A-Za-z0-9]+', ' ', 'g'))), '')"


def match_texts(board: Board, step: TextPass) -> None:
    """Score what is left; what is above one threshold with a clear lead belongs together, between two it is suggested."""
    if max(board.sizes) > step.open_max:
        everything = f"select 'all' as cut_case, u as l_u, {NOTHING} as r_u from lo union all select 'all', {NOTHING}, u from ro"
        board.cut(step, "sides with open records", step.open_max, everything)
        return
    engine = board.engine
    confirm, suggest = FULL - step.confirm_from * 100, FULL - step.suggest_from * 100
    gap = max(step.lead * 100 * NEAR_SPAN, 1)
    claimed = 1
    for blocks in (("amount",), ("amount", "words")):
        if claimed:  # the words of what is still open; they cost more than all else here
            _open_texts(board)
        _blocks(board, step, blocks)
        _score(board, step)
        mutual_best(engine, "text_candidate", "text_pair", gap=gap, worst=confirm)
        claimed = board.link(step, "text_pair", reason=WHY, score="(10000 - k.cost) // 100")
    _too_common(board, step)
    board.ambiguous(f"(select l_u, r_u from text_candidate where cost <= {confirm}) unsure", step.name)
    mutual_best(engine, "text_candidate", "text_pair", gap=1, worst=suggest)
    columns = pair_columns(
        l_u="k.l_u",
        r_u="k.r_u",
        step=step.name,
        status=literal(SUGGESTED),
        reason=SCORED,
        score="(10000 - k.cost) // 100",
    )
    board.suggest(f"select {columns} from text_pair k")
    engine.drop("l_text", "r_text", "text_candidate", "text_pair")


SCORED: Final = "'text, amount and date score ' || cast((10000 - k.cost) // 100 as varchar)"
WHY: Final = f"{SCORED} || case when l.amount = r.amount then '' else ', amount off by ' || cast(r.amount - l.amount as varchar) end"


def _too_common(board: Board, step: TextPass) -> None:
    """Say which amounts and first words so many open records share that no pairs of them were formed."""
    for key, what, most in (
        ("amount", "amounts with pairs", AMOUNT_PAIRS_MAX),
        ("first", "first words with pairs", BLOCK_PAIRS_MAX),
    ):
        records = " union all ".join(
            f"""select cast(t.{key} as varchar) || ' ' || t.asset as cut_case, {"t.u" if side == "l" else NOTHING} as l_u,
                       {"t.u" if side == "r" else NOTHING} as r_u
                from ({_sizes(key)} having sum(l) * sum(r) > {most}) k join {side}_text t on t.{key} = k.key and t.asset = k.key_asset"""
            for side in ("l", "r")
        )
        board.cut(step, what, most, records)


def _sizes(key: str) -> str:
    return f"""select {key} as key, asset as key_asset from (
                   select {key}, asset, 1 as l, 0 as r from l_text union all select {key}, asset, 0 as l, 1 as r from r_text) b
               group by {key}, asset"""


def _open_texts(board: Board) -> None:
    """The tables `l_text`, `r_text`: words and references of what is still open."""
    text, bare = (
        plain_text("counterparty", "memo", "reference"),
        "upper(regexp_replace(reference, '[^A-Za-z0-9]', '', 'g'))",
    )
    same = "u, asset, amount, d, status"
    given = ", ".join(f"{told(name)} as {name}" for name in ("memo", "reference"))
    for side in ("l", "r"):
        board.engine.table(
            f"{side}_text",
            f"""select {same}, counterparty, t, split_part(t, ' ', 1) as first, string_split(t, ' ') as words, ref,
                       regexp_extract(ref, '[0-9]*$', 0) as tail
                from (select {same}, whole as counterparty, substr({text}, 1, {TEXT_MAX}) as t, coalesce({bare}, '') as ref
                      from (select {same}, counterparty as whole, {told("counterparty")} as counterparty, {given} from {side}o) o) x
                where t is not null""",
        )


def _blocks(board: Board, step: TextPass, which: Sequence[str]) -> None:
    """Who is compared with whom: equal amounts; then an equal first word or a rare word in common; each bounded."""
    engine = board.engine
    near = (
        f"r.asset = l.asset and sign(r.amount) = sign(l.amount) "
        f"and coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true) and {agrees(board.compare, limits_of(step))}"
    )
    largest, percent = "greatest(abs(l.amount), abs(r.amount))", step.amount_off_percent
    close = f"{near} and abs(r.amount - l.amount) <= {largest} // 100 * {percent} + {percent}"
    blocks = [_joined("amount", AMOUNT_PAIRS_MAX, near)]
    if "words" in which:
        for side in ("l", "r"):
            engine.table(
                f"{side}_word",
                f"select distinct u, word from (select u, unnest(words) as word from {side}_text) w where length(word) >= 4",
            )
            engine.table(f"{side}_rare", f"select word from {side}_word group by word having count(*) <= {RARE_WORD_MAX}")
        engine.table(  # kept, not nested: in one statement a planner may join the texts on their asset first, which is all with all
            "word_pair",
            """select distinct lw.u as l_u, rw.u as r_u from l_word lw join l_rare lk on lk.word = lw.word
               join r_word rw on rw.word = lw.word join r_rare rk on rk.word = rw.word""",
        )
        blocks.append(_joined("first", BLOCK_PAIRS_MAX, close))
        blocks.append(f"select w.l_u, w.r_u from word_pair w join l_text l on l.u = w.l_u join r_text r on r.u = w.r_u where {close}")
    engine.table("text_block", " union ".join(blocks))
    engine.drop("l_word", "r_word", "l_rare", "r_rare", "word_pair")


def _joined(key: str, pairs_max: int, near: str) -> str:
    return f"""select l.u as l_u, r.u as r_u from ({_sizes(key)} having sum(l) * sum(r) between 1 and {pairs_max}) k
               join l_text l on l.{key} = k.key and l.asset = k.key_asset join r_text r on r.{key} = k.key and r.asset = k.key_asset
               where {near}"""


def _score(board: Board, step: TextPass) -> None:
    """Candidates with their cost: 10,000 less the score; what could neither be suggested nor rival is dropped."""
    over = "10 * least(length(long) - length(short), 50)"
    edits = f"{FULL} - 10000 * levenshtein(substr(long, 1, length(short)), short) // length(short) - {over}"
    prefix = f"case when starts_with(long, short) and length(short) >= {PREFIX_LEAST} then {FULL} - {over} else 0 end"
    words = f"{FULL} * shared // least(l_words, r_words) - 500"
    series = (
        "l_tail <> r_tail and length(l_tail) = length(r_tail) and length(l_tail) between 1 and 15 "
        "and substr(l_ref, 1, length(l_ref) - length(l_tail)) = substr(r_ref, 1, length(r_ref) - length(r_tail)) "
        f"and abs(try_cast(l_tail as bigint) - try_cast(r_tail as bigint)) <= {SEQUENCE_STEPS}"
    )
    reference = (
        f"case when least(length(l_ref), length(r_ref)) < {REFERENCE_LEAST} or {series} then 0 "
        "else 10000 - 12000 * levenshtein(l_ref, r_ref) // greatest(length(l_ref), length(r_ref)) end"
    )
    percent, days = max(step.amount_off_percent, 1) * 100, max(step.before_days, step.after_days) + 1
    off = "case when m < 100000000000000 then a_off * 10000 // m else a_off // (m // 10000) end"
    weights = (step.text_weight, step.amount_weight, step.date_weight)
    score = " + ".join(f"{part} * {weight}" for part, weight in zip(("text_score", "amount_score", "date_score"), weights, strict=True))
    board.engine.table(
        "text_candidate",
        f"""select l_u, r_u, cast({FULL} - ({score}) // 100 as bigint) as cost, near from (
                select l_u, r_u, near, greatest({prefix}, {edits}, {words}, {reference}, 0) as text_score,
                       case when a_off = 0 then {FULL} else greatest({INEXACT} - ({off}) * {INEXACT} // {percent}, 0) end as amount_score,
                       case when near = 99999 then 5000 else greatest({FULL} - near * 10000 // {days}, 0) end as date_score
                from (select x.l_u, x.r_u, case when length(l.t) <= length(r.t) then l.t else r.t end as short,
                             case when length(l.t) <= length(r.t) then r.t else l.t end as long,
                             l.ref as l_ref, r.ref as r_ref, l.tail as l_tail, r.tail as r_tail,
                             array_length(array_intersect(l.words, r.words)) as shared,
                             array_length(l.words) as l_words, array_length(r.words) as r_words,
                             abs(r.amount - l.amount) as a_off, greatest(abs(l.amount), abs(r.amount), 1) as m,
                             cast(least(coalesce(abs(r.d - l.d), 99999), 99999) as bigint) as near
                      from text_block x join l_text l on l.u = x.l_u join r_text r on r.u = x.r_u) paired) scored
            where ({score}) // 100 >= {(step.suggest_from - step.lead) * 100}""",
    )
    board.engine.drop("text_block")
