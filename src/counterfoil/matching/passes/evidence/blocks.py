"""Who is compared with whom: records that share a rare feature in a band of amounts and of dates, and records of equal amount."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.passes.evidence.plan import BLOCK_MAX, CHANCE_ROWS_MAX, FAN_MAX, PROBES, TELLING, EvidencePlan
from counterfoil.matching.passes.evidence.vocabulary import SIDES

FEATURE_LETTERS: Final = 4  # of each word: what is cut short still shares its beginning
FEATURE_WORD_LEAST: Final = 3
NEIGHBOURS_MAX: Final = 12  # pairs of neighbouring words of one text
FEW_FEATURES: Final = 3  # two words and their neighbourhood; a text of more is found by those who look for it
BEGUN_LETTERS: Final = 2  # of a second word that may be cut short
UNKNOWN: Final = -1_000_000  # the band of days of a record without a date


class ChanceMeetings:
    """How often two records that were chosen blindly lie near each other: in the window, in amount, in both."""

    def __init__(self, machine: DuckEngine, plan: EvidencePlan) -> None:
        some = [f"(select amount, d, asset, sg from {x}_rec order by (n * 7919) % 1000003, n limit {CHANCE_ROWS_MAX}) {x}" for x in SIDES]
        total, inside, near, both = machine.rows(
            f"""select count(*), count(*) filter (inside), count(*) filter (near), count(*) filter (near and inside) from (
                    select l.asset = r.asset and l.sg = r.sg and {plan.close} as near, {plan.window} as inside
                    from {" cross join ".join(some)}) x"""
        )[0]
        self.inside = max(inside, 1) / max(total, 1)
        self.near = max(near, 1) / max(total, 1)
        self.both = max(both, 1) / max(total, 1)
        self.left, self.right = (machine.count(f"{side}_rec") for side in SIDES)


def make_features(machine: DuckEngine, plan: EvidencePlan, chance: ChanceMeetings) -> None:
    """`x_feature` of open records, `rare` (features by which the right side is asked), `same_amount`, and its blocks, `r_at`."""
    cut = FEATURE_LETTERS
    for side in SIDES:
        machine.table(
            f"{side}_feature",
            f"""select distinct n, f from (
                    select n, substr(word, 1, {cut}) as f from (select n, unnest(w) as word from {side}_rec) a
                    where length(word) >= {FEATURE_WORD_LEAST}
                    union all
                    select n, substr(w[i], 1, {cut}) || ' ' || substr(w[i + 1], 1, {cut}) from (
                        select n, w, unnest(generate_series(1, least(len(w) - 1, {NEIGHBOURS_MAX}))) as i from {side}_rec) b) x""",
        )
    machine.table("rare", f"select f, count(*) as many from r_feature group by f having count(*) * {chance.both} <= {FAN_MAX}")
    machine.table(
        "same_amount",
        f"select asset, amount, count(*) as many, count(*) * {chance.inside} <= {FAN_MAX} as few from r_rec group by asset, amount",
    )
    machine.table(
        "r_at",
        f"""select x.n, f.f, x.asset, x.sg, x.band, {_band_of_days("x.d", plan)} as days from r_feature f join rare k on k.f = f.f
            join r_rec x on x.n = f.n""",
    )
    blocks = "f, asset, sg, band, days"
    if machine.count("r_at") <= BLOCK_MAX:
        machine.table("crowded", f"select {blocks} from r_at where 1 = 0")
        return
    machine.table("crowded", f"select {blocks} from r_at group by {blocks} having count(*) > {BLOCK_MAX}")
    if machine.count("crowded"):
        machine.table("r_at", f"select r.* from r_at r anti join crowded c using ({blocks})")


def _band_of_days(day: str, plan: EvidencePlan) -> str:
    return f"coalesce(cast(floor({day} / {plan.days}.0) as integer), {UNKNOWN})"


def make_candidates(machine: DuckEngine, plan: EvidencePlan, chance: ChanceMeetings, left: str, candidates: str) -> None:
    """`candidates` (l, r): records of `left` and of the right that share one of the rarest features of one of them, or their amount.

    The left asks the right by its rarest features. Of a text that was cut short few are left, and its partner may have rarer ones: so
    records of the right with few features ask, too.
    """
    machine.table(
        "probe",
        f"""select n, f from (
                select f.n, f.f, row_number() over (partition by f.n order by k.many, f.f) as place
                from l_feature f join {left} x on x.n = f.n join rare k on k.f = f.f) p where place <= {PROBES}""",
    )
    begins = f"substr(w[1], 1, {FEATURE_LETTERS}) || ' ' || substr(w[2], 1, {BEGUN_LETTERS})"
    machine.table(
        "short_probe",
        f"""with short as (select n, w, length(w[2]) >= {BEGUN_LETTERS} as begins from r_rec where n in (
                select n from r_feature group by n having count(*) <= {FEW_FEATURES}))
            select n, {begins} as f from short where begins
            union all select f.n, f.f from r_feature f join short s on s.n = f.n where not coalesce(begins, false)""",
    )
    asked: list[tuple[str, str, *tuple[tuple[str, str], ...]]] = []
    if machine.count("probe"):
        asked.append(("l.n as l, r.n as r", *_asking(machine, "l_asks", "probe", left, "r_at", plan.before_days, plan)))
    if machine.count("short_probe"):
        machine.table(
            "short_at",
            f"""select x.n, f.f, x.asset, x.sg, x.band, {_band_of_days("x.d", plan)} as days from (
                    select n, f from l_feature union all select n, {begins} from {left}) f join {left} x on x.n = f.n
                where f.f in (select f from short_probe)""",
        )
        crowd = f"select f from short_at group by f having count(*) * {chance.both} > {FAN_MAX}"
        if machine.count("short_at") > FAN_MAX:  # fewer are no crowd, since no chance is above one
            machine.table("short_at", f"select * from short_at where f not in ({crowd})")
        if machine.count("short_at"):
            asked.append(("r.n as l, l.n as r", *_asking(machine, "r_asks", "short_probe", "r_rec", "short_at", plan.after_days, plan)))
    parts = [f"select {shown} from {asks} l join {answers} r using {blocks}" for shown, asks, *joins in asked for answers, blocks in joins]
    parts.append(
        f"""select l.n as l, r.n as r from {left} l join same_amount a on a.asset = l.asset and a.amount = l.amount and a.few
            join r_rec r on r.asset = l.asset and r.amount = l.amount"""
    )
    machine.table(
        candidates,
        f"""select c.l, c.r from ({" union ".join(parts)}) c join {left} l on l.n = c.l join r_rec r on r.n = c.r
            where {plan.window} and l.asset = r.asset and l.sg = r.sg and {plan.close} and {plan.near}""",
    )
    machine.drop("probe", "short_probe", "short_at", "l_asks", "r_asks")


def _asking(
    machine: DuckEngine, name: str, probes: str, records: str, answers: str, earlier: int, plan: EvidencePlan
) -> tuple[str, *tuple[tuple[str, str], ...]]:
    """Make the table `name`: what each record asks by, in each block in which an answer may lie. It, and how answers are joined.

    An unknown date meets every date.
    """
    first = _band_of_days(f"(x.d - {earlier})", plan)
    machine.table(
        name,
        f"""select x.n, p.f, x.asset, x.sg, x.band + o as band, {first} + e as days
            from {probes} p join {records} x on x.n = p.n cross join (select unnest([-1, 0, 1]) as o) bands
            cross join (select unnest([0, 1]) as e) later where e = 0 or x.d is not null""",
    )
    joins = [(answers, "(f, asset, sg, band, days)")]
    undated = machine.rows(
        f"select (select count(*) from {name} where days = {UNKNOWN}), (select count(*) from {answers} where days = {UNKNOWN})"
    )
    if undated[0][0]:
        joins.append((answers, f"(f, asset, sg, band) where l.days = {UNKNOWN}"))
    if undated[0][1]:
        joins.append((answers, f"(f, asset, sg, band) where r.days = {UNKNOWN}"))
    return (name, *joins)


def unsearched(machine: DuckEngine, chance: ChanceMeetings) -> None:
    """`unsearched` (l, r): records that share something telling with the other side, but nothing rare enough to ask by.

    What more than one text in sixteen has could confirm nothing; so it is no loss that nobody was asked by it. Of few records all ask.
    """
    if chance.right <= FAN_MAX and not machine.count("crowded"):
        machine.table("unsearched", "select cast(null as bigint) as l, cast(null as bigint) as r where false")
        machine.drop("crowded")
        return
    machine.table(
        "telling",
        f"""select f from (select f, count(*) as many from r_feature group by f) x
            where many * {chance.both} > {FAN_MAX} and many * {TELLING} < {chance.right}""",
    )
    known = {side: f"select f.n from {side}_feature f join telling t on t.f = f.f" for side in SIDES}
    asked = {side: f"select f.n from {side}_feature f join rare k on k.f = f.f" for side in SIDES}
    crowd = """select x.n from r_feature f join crowded c on c.f = f.f join r_rec x
               on x.n = f.n and x.asset = c.asset and x.sg = c.sg and x.band = c.band"""
    machine.table(
        "unsearched",
        f"""select n as l, cast(null as bigint) as r from ({known["l"]} except {asked["l"]}) a
            union select cast(null as bigint), n from (({known["r"]} except {asked["r"]}) union {crowd}) b""",
    )
    machine.drop("telling", "crowded")
