"""What texts are made of: words, beginnings and references, and how rare each is over both files together."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import DuckEngine, literal
from counterfoil.matching.passes.evidence.plan import ALONE, SHARED_LEAST_PERCENT, EvidencePlan, bits
from counterfoil.matching.passes.words import LETTERS, beyond_ascii, told, unmarked

SAMPLED_REFERENCES: Final = 400  # of each side and shape: how near references lie to each other by chance
THIRDS: Final = 3
MISSPELT_BITS: Final = 4_000  # what it costs that hardly one reference in sixteen is misspelt
SIDES: Final = ("l", "r")
TEXT_MAX: Final = 120  # characters compared
REFERENCE_LEAST: Final = 6  # shorter ones are equal by chance
PREFIXED_LEAST: Final = 4  # with letters before their number: what is asked of these is whether the letters conflict
WORD_LEAST_BITS: Final = 2_000  # words that one text in four has say nothing
HEADS: Final = (1, 2, 3, 4)  # words of a beginning
ACCENTED: Final = "ÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽČĆĐŁŃŚŹŻĄĘŐŰĚŘŮŤĎŇ"
PLAIN: Final = "AAAAAACEEEEIIIINOOOOOOUUUUYSZCCDLNSZZAEOUERUTDN"
_SPACES: Final = r"[\s,;:()|]+"


def learn_vocabulary(machine: DuckEngine, plan: EvidencePlan) -> None:
    """Of `l_open`, `r_open` (records to link) and `l_taught`, `r_taught` (all others) make `l_rec`, `r_rec` and what words are worth.

    A record is known by its place `n` in the order of its name, so that samples by number are the same in any order of rows.
    """
    for side in SIDES:
        _texts(machine, side)
    _rarity(machine)
    _references(machine)
    near_references(machine)
    for side in SIDES:
        _records(machine, side, plan)
    machine.drop(*(f"{side}_{name}" for side in SIDES for name in ("text", "word_of", "ids")), *(f"head_{k}" for k in HEADS), "word_bits")


def _texts(machine: DuckEngine, side: str) -> None:
    """`x_text`: every text in capitals without accents; `t` has only letters and digits, `raw` is as it was written."""
    given = ", ".join(f"{told(name)} as {name}" for name in ("counterparty", "memo", "reference"))
    joined = " || ' ' || ".join(f"coalesce({name}, '')" for name in ("counterparty", "memo", "reference"))
    table = f"translate(joined, {literal(ACCENTED + ACCENTED.lower())}, {literal(PLAIN + PLAIN.lower())})"
    machine.table(
        f"{side}_text",
        f"""with given as (
                select row_number() over (order by u) as n, true as open, counterparty, memo, reference from {side}_open
                union all select -row_number() over () as n, false, counterparty, memo, reference from {side}_taught),
            plain as (select n, open, {given} from given),
            joined as (select n, open, reference, {joined} as joined from plain),
            upper as (
                select n, open, upper({beyond_ascii("joined", table, "joined")}) as raw,
                       coalesce(upper({unmarked("reference")}), '') as ref from joined),
            apart as (select n, open, raw, ref, trim({_apart("raw")}) as t from upper)
            select n, open, raw, ref, t, string_split(t, ' ') as w from apart""",
    )
    machine.table(f"{side}_word_of", f"select distinct n, word from (select n, unnest(w) as word from {side}_text where t <> '') x")


def _apart(raw: str) -> str:
    """Words between single blanks, a number apart from the letters before it: `RFE00006` shares its number with `REF00006`."""
    words = f"substr(regexp_replace({raw}, '[^0-9{LETTERS}]+', ' ', 'g'), 1, {TEXT_MAX})"
    return rf"regexp_replace({words}, '([^ 0-9])([0-9]{{5,}})', '\1 \2', 'g')"


def _rarity(machine: DuckEngine) -> None:
    """`word_bits` (a number, what it is worth) and `head_k`: logarithms of how few texts of both files hold a word or a beginning."""
    texts = sum(machine.count(f"{side}_text") for side in SIDES)
    worth = f"case when nl = 1 and nr = 1 then {bits(f'{texts + ALONE}.0 / 2')} else {bits(f'{max(texts, 1)}.0 / (nl + nr)')} end as bits"
    both = """select {0}, sum(l) as nl, sum(r) as nr from (
                  select {1} as {0}, 1 as l, 0 as r from l_{2} union all select {1}, 0 as l, 1 as r from r_{2}) b
              where {0} is not null group by {0} having sum(l) > 0 and sum(r) > 0"""
    words = both.format("word", "word", "word_of")
    machine.table("word_bits", f"select word, cast(row_number() over (order by word) as integer) as id, {worth} from ({words}) w")
    for k in HEADS:
        machine.table(f"head_{k}", f"select head, {worth} from ({both.format('head', head('w', k), 'text')}) h")


def head(words: str, k: int) -> str:
    """The first `k` words of a list, or null where there are fewer, as SQL."""
    return f"case when len({words}) >= {k} then array_to_string({words}[1:{k}], ' ') end"


def _references(machine: DuckEngine) -> None:
    """`x_binding`, `x_prefixed`: references of the records to link, by the shapes of references that both files keep.

    A shape binds where its values are nearly unique on both sides and often the same on both: so dates, batches and own numbers do not.
    """
    for side in SIDES:
        machine.table(
            f"{side}_ref",
            f"""select distinct n, ref, regexp_extract(ref, '^[^0-9]*') || ':' || cast(length(ref) as varchar)
                       || case when regexp_matches(ref, '^[^0-9]*[0-9]+$') then 'n' else 'm' end as shape
                from (select n, {unmarked("word")} as ref from (
                    select n, unnest(string_split(regexp_replace(raw, {literal(_SPACES)}, ' ', 'g'), ' ')) as word from {side}_text) a) b
                where length(ref) >= case when regexp_matches(ref, '^[0-9]') then {REFERENCE_LEAST} else {PREFIXED_LEAST} end
                    and regexp_matches(ref, '[0-9]')""",
        )
    machine.table(
        "ref_seen",
        """select shape, ref, sum(l) as nl, sum(r) as nr from (
               select shape, ref, 1 as l, 0 as r from l_ref union all select shape, ref, 0 as l, 1 as r from r_ref) a
           group by shape, ref""",
    )
    machine.table(
        "shared_shape",
        f"""select shape from (
                select shape, sum(nl) as l_rows, sum(nr) as r_rows, count(*) filter (nl > 0 and nr > 0) as common,
                       count(*) filter (nl > 0) as l_values, count(*) filter (nr > 0) as r_values
                from ref_seen group by shape) s
            where l_values * 2 >= l_rows and r_values * 2 >= r_rows and common >= 3
                and common * 100 >= least(l_values, r_values) * {SHARED_LEAST_PERCENT}""",
    )
    for side in SIDES:  # of the records to link; `known` is true where the other side has this very reference, on whatever record
        other = "nr" if side == "l" else "nl"
        machine.table(
            f"{side}_binding",
            f"""select f.n, f.shape, f.ref, s.{other} > 0 as known from {side}_ref f join shared_shape b on b.shape = f.shape
                join ref_seen s on s.shape = f.shape and s.ref = f.ref where f.n > 0 and length(f.ref) >= {REFERENCE_LEAST}""",
        )
        machine.table(
            f"{side}_prefixed",
            f"""select distinct f.n, regexp_extract(f.ref, '^[^0-9]*') as prefix, regexp_extract(f.ref, '[0-9]*$') as number,
                       b.shape is not null as shared
                from {side}_ref f left join shared_shape b on b.shape = f.shape
                where f.n > 0 and regexp_matches(f.ref, '^[^0-9]+[0-9]+$')""",
        )
    machine.drop("l_ref", "r_ref", "ref_seen", "shared_shape")


def near_references(machine: DuckEngine) -> None:
    """`near_by_chance`: by shape of a reference, how rarely two different ones of all records lie one slip of a finger apart.

    References of one shape are as long as each other, so a slip (one mark another, or two neighbours exchanged) leaves a third of
    the rest behind the prefix as it was: only pairs that share a third are compared. References that look random have hundreds of shapes.
    """
    open_shapes = " and ".join(
        f"shape in (select {shape_of('ref')} from {side}_text where open and length(ref) >= {REFERENCE_LEAST})" for side in SIDES
    )
    for side in SIDES:
        machine.table(
            f"{side}_named",
            f"""select ref, shape from (
                    select ref, shape, row_number() over (partition by shape order by md5(ref), ref) as place
                    from (select distinct ref, {shape_of("ref")} as shape from {side}_text
                          where length(ref) >= {REFERENCE_LEAST} and regexp_matches(ref, '[0-9]')) d where {open_shapes}) x
                where place <= {SAMPLED_REFERENCES}""",
        )
    if not all(machine.count(f"{side}_named") for side in SIDES):
        machine.table("near_by_chance", "select '' as shape, cast(0 as bigint) as bits where false")
        machine.drop("l_named", "r_named")
        return
    third = f"substr(rest, 1 + k * length(rest) // {THIRDS}, (k + 1) * length(rest) // {THIRDS} - k * length(rest) // {THIRDS})"
    rest = "(select *, regexp_extract(ref, '[0-9].*$') as rest from {}_named)"
    parts = [f"(select ref, shape, k, {third} as part from {rest.format(side)} n, range({THIRDS}) t(k)) {side}" for side in SIDES]
    counted = "(select shape, count(*) as n from {} group by shape)"
    machine.table(
        "near_by_chance",
        f"""with met as (select shape, count(*) filter (damerau_levenshtein(one, other) <= 1) as near from (
                         select distinct l.shape, l.ref as one, r.ref as other from {parts[0]} join {parts[1]} using (shape, k, part)
                         where l.ref <> r.ref) m group by shape),
                 pairs as (select shape, l.n * r.n - coalesce(c.n, 0) as n from {counted.format("l_named")} l
                           join {counted.format("r_named")} r using (shape)
                           left join {counted.format("l_named join r_named using (shape, ref)")} c using (shape))
            select shape, greatest({bits("(n + 1.0) / (coalesce(near, 0) + 1)")} - {MISSPELT_BITS}, 0) as bits
            from pairs left join met using (shape) where n > 0""",
    )
    machine.drop("l_named", "r_named")


def shape_of(ref: str) -> str:
    return f"regexp_extract({ref}, '^[^0-9]*') || ':' || cast(length({ref}) as varchar)"


def _records(machine: DuckEngine, side: str, plan: EvidencePlan) -> None:
    """`x_rec`: the open records that have a text, with their words as numbers; `x_word`: those of their words that are worth something."""
    machine.table(
        f"{side}_ids",
        f"select o.n, list(b.id order by b.id) as ids from {side}_word_of o join word_bits b on b.word = o.word where o.n > 0 group by o.n",
    )
    joins = " ".join(f"left join head_{k} b{k} on b{k}.head = {head('t.w', k)}" for k in HEADS)
    heads = ", ".join(f"{head('t.w', k)} as p{k}, b{k}.bits as b{k}" for k in HEADS)
    machine.table(
        f"{side}_rec",
        f"""select t.n, o.u, o.asset, o.amount, o.d, o.status, o.counterparty, t.t, t.w, cast(len(t.w) as integer) as length,
                   t.w[len(t.w)] as last, t.ref, coalesce(i.ids, []) as ids, sign(o.amount) as sg, {heads},
                   cast(floor(ln(greatest(abs(o.amount::double), 1)) / ln(1 + {plan.off_per_mille} / 1000.0)) as integer) as band
            from {side}_text t join (select row_number() over (order by u) as n, * from {side}_open) o on o.n = t.n
            left join {side}_ids i on i.n = t.n {joins} where t.open and t.t <> ''""",
    )
    machine.table(
        f"{side}_word",
        f"""select o.n, b.id as word, b.bits from {side}_word_of o join word_bits b on b.word = o.word
            where o.n > 0 and b.bits >= {WORD_LEAST_BITS} and length(o.word) >= 2""",
    )
