"""Passes by words: a reference that stands inside a text, and a score over text, amount and date for what is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.reconciliation.board import CONFIRMED, SUGGESTED, Board, mutual_best, pair_columns
from counterfoil.reconciliation.engines import literal
from counterfoil.reconciliation.keys import differs, judged
from counterfoil.reconciliation.rules import Compared, EmbeddedPass, TextPass

ACCENTED: Final = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽČĆĐŁŃŚŹŻĄĘŐŰĚŘŮŤĎŇ"
PLAIN: Final = "AAAAAACEEEEIIIINOOOOOOUUUUYSZCCDLNSZZAEOUERUTDN"
RARE_WORD_MAX: Final = 60  # records of one side that share it
BLOCK_PAIRS_MAX: Final = 250_000
AMOUNT_PAIRS_MAX: Final = 2_500
TEXT_MAX: Final = 80  # characters compared
PREFIX_LEAST: Final = 5
FULL: Final = 10_000  # scores are kept in hundredths of a percent


def plain_text(*columns: str) -> str:
    """Words in capitals without accents and marks, joined by single blanks, as SQL; null where nothing is left."""
    given = " || ' ' || ".join(f"coalesce({column}, '')" for column in columns)
    bare = f"translate(upper({given}), {literal(ACCENTED)}, {literal(PLAIN)})"
    return f"nullif(trim(regexp_replace({bare}, '[^A-Z0-9]+', ' ', 'g')), '')"


# --- a reference within a text --------------------------------------------------------------------------------------------------


def match_embedded(board: Board, step: EmbeddedPass, compare: Sequence[Compared]) -> None:
    """The reference of one side is a word of the other's text: equal amounts first, then sums, then what differs."""
    for reference, text in (("l", "r"), ("r", "l")):
        _find_words(board, step, reference, text)
        _equal_amounts(board, step, compare)
        _summed(board, step, compare, reference, text)
        _alone(board, step, compare)
        board.engine.drop("found_word")


def _find_words(board: Board, step: EmbeddedPass, reference: str, text: str) -> None:
    engine = board.engine
    bare = "regexp_replace(upper({}), '[^A-Z0-9]', '', 'g')"
    spaced = "regexp_replace(upper(coalesce(memo, '') || ' ' || coalesce(reference, '')), '[\\s,;:/()]+', ' ', 'g')"
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


def _summed(board: Board, step: EmbeddedPass, compare: Sequence[Compared], reference: str, text: str) -> None:
    """One text that names several references, whose amounts add up to its own."""
    engine = board.engine
    many, one = f"{reference}_u", f"{text}_u"
    engine.table("open_word", f"select l.u as l_u, r.u as r_u from {_BOTH} where l.asset = r.asset")
    engine.table(
        "summed",
        f"""select x.{one} as one, min(b.amount) as total from open_word x join {reference}o a on a.u = x.{many} join {text}o b on b.u = x.{one}
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
    del compare


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


# --- a score ------------------------------------------------------------------------------------------------------------------


def match_texts(board: Board, step: TextPass, compare: Sequence[Compared]) -> None:
    """Score what is left; confirm above one threshold with a clear lead, suggest between two."""
    if max(board.sizes) > step.open_max:
        board.notes.append(f"pass {step.name} was left out: more than {step.open_max:,} records are open on a side")
        return
    engine = board.engine
    text = plain_text("counterparty", "memo", "reference")
    for side in ("l", "r"):
        engine.table(
            f"{side}_text",
            f"""select u, asset, amount, d, status, t, split_part(t, ' ', 1) as first from (
                    select u, asset, amount, d, status, substr({text}, 1, {TEXT_MAX}) as t from {side}o) x
                where t is not null""",
        )
    _blocks(board, step, same_status="status" in compare)
    _score(board, step)
    lead = step.lead * 100 * 100_000
    mutual_best(engine, "text_candidate", "text_pair", gap=max(lead, 1), worst=FULL - step.confirm_from * 100)
    reason = "'text, amount and date score ' || cast((10000 - p.cost) // 100 as varchar)"
    columns = pair_columns(
        l_u="p.l_u",
        r_u="p.r_u",
        step=step.name,
        status=literal(CONFIRMED),
        reason=reason,
        score="(10000 - p.cost) // 100",
    )
    board.claim(step.name, f"select {columns} from text_pair p")
    engine.table("text_unsure", f"select * from text_candidate where cost <= {FULL - step.suggest_from * 100}")
    mutual_best(engine, "text_candidate", "text_pair", gap=1, worst=FULL - step.suggest_from * 100)
    columns = pair_columns(
        l_u="p.l_u",
        r_u="p.r_u",
        step=step.name,
        status=literal(SUGGESTED),
        reason=reason,
        score="(10000 - p.cost) // 100",
    )
    board.suggest(f"select {columns} from text_pair p")
    engine.table("text_unsure", f"select u.* from text_unsure u where u.cost <= {FULL - step.confirm_from * 100}")
    board.ambiguous("text_unsure", step.name)
    engine.drop("l_text", "r_text", "text_candidate", "text_pair", "text_unsure")


def _blocks(board: Board, step: TextPass, *, same_status: bool) -> None:
    """Who is compared with whom: equal amounts, an equal first word, a rare word in common; each bounded."""
    engine = board.engine
    near = f"coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true) and r.asset = l.asset and sign(r.amount) = sign(l.amount)"
    if same_status:
        near += " and l.status is not distinct from r.status"
    close = f"abs(r.amount - l.amount) <= greatest(abs(l.amount), abs(r.amount)) // 100 * {step.amount_off_percent} + {step.amount_off_percent}"
    for side in ("l", "r"):
        engine.table(
            f"{side}_word",
            f"""select distinct u, word from (select u, unnest(string_split(t, ' ')) as word from {side}_text) w where length(word) >= 4""",
        )
    engine.table(
        "text_block",
        " union ".join(
            _joined(key, most, near, close) for key, most in (("amount", AMOUNT_PAIRS_MAX), ("first", BLOCK_PAIRS_MAX))
        )
        + f"""
        union select lw.u, rw.u from (select w.u, w.word from l_word w join (select word from l_word group by word having count(*) <= {RARE_WORD_MAX}) k on k.word = w.word) lw
        join (select w.u, w.word from r_word w join (select word from r_word group by word having count(*) <= {RARE_WORD_MAX}) k on k.word = w.word) rw
        on rw.word = lw.word join l_text l on l.u = lw.u join r_text r on r.u = rw.u where {near} and {close}""",
    )
    engine.drop("l_word", "r_word")


def _joined(key: str, pairs_max: int, near: str, close: str) -> str:
    return f"""select l.u as l_u, r.u as r_u from (
                   select {key} as key, asset as key_asset from (
                       select {key}, asset, 1 as l, 0 as r from l_text union all select {key}, asset, 0 as l, 1 as r from r_text) b
                   group by {key}, asset having sum(l) * sum(r) between 1 and {pairs_max}) k
               join l_text l on l.{key} = k.key and l.asset = k.key_asset join r_text r on r.{key} = k.key and r.asset = k.key_asset
               where {near} and {close}"""


def _score(board: Board, step: TextPass) -> None:
    """Scores in whole numbers of hundredths of a percent, so that every engine gives the same."""
    cut = "substr(long, 1, length(short))"
    edits = f"greatest({FULL} - 10000 * levenshtein({cut}, short) // length(short) - 10 * least(length(long) - length(short), 50), 0)"
    whole = f"greatest({FULL} - 10000 * levenshtein(long, short) // length(long), 0)"
    prefix = f"case when starts_with(long, short) and length(short) >= {PREFIX_LEAST} then {FULL} - 10 * least(length(long) - length(short), 50) else 0 end"
    percent = max(step.amount_off_percent, 1) * 100
    days = max(step.before_days, step.after_days) + 1
    off = "case when m < 100000000000000 then a_off * 10000 // m else a_off // (m // 10000) end"
    board.engine.table(
        "text_candidate",
        f"""select l_u, r_u, cast({FULL} - (text_score * {step.text_weight} + amount_score * {step.amount_weight} + date_score * {step.date_weight}) // 100 as bigint)
                   as cost, near from (
                select l_u, r_u, near, greatest({prefix}, {edits}, {whole}) as text_score,
                       greatest({FULL} - ({off}) * 10000 // {percent}, 0) as amount_score,
                       case when near = 99999 then 5000 else greatest({FULL} - near * 10000 // {days}, 0) end as date_score
                from (select x.l_u, x.r_u, case when length(l.t) <= length(r.t) then l.t else r.t end as short,
                             case when length(l.t) <= length(r.t) then r.t else l.t end as long,
                             abs(r.amount - l.amount) as a_off, greatest(abs(l.amount), abs(r.amount), 1) as m,
                             cast(least(coalesce(abs(r.d - l.d), 99999), 99999) as bigint) as near
                      from text_block x join l_text l on l.u = x.l_u join r_text r on r.u = x.r_u) paired) scored""",
    )
    board.engine.drop("text_block")
