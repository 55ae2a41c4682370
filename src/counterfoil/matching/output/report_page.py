"""report.html: the run on one page that opens without a server and asks for nothing from the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.differences import Record
from counterfoil.matching.findings.figures import money
from counterfoil.matching.findings.findings import Finding
from counterfoil.matching.findings.outcome import MatchingResult
from counterfoil.matching.output.summary import KIND_WORDS
from counterfoil.matching.reading.provenance import Places

BREAKS_SHOWN_MAX: Final = 200
RECORDS_SHOWN_MAX: Final = 6
REJECTED_SHOWN_MAX: Final = 100
SHOWN: Final = ("reference", "status", "counterparty", "memo", "batch")


def shown_breaks(outcome: MatchingResult) -> list[Finding]:
    """The breaks that the page shows: the largest, by the amount at stake."""
    return sorted(outcome.breaks, key=lambda each: (-each.at_stake, each.id))[:BREAKS_SHOWN_MAX]


def write_page(outcome: MatchingResult, places: Places, path: Path) -> None:
    """Write report.html; what files say is escaped, whatever it holds."""
    path.write_text(_template().render(**_page(outcome, places)), "utf-8")


@lru_cache(maxsize=1)
def _template() -> Template:
    """Compiled once, not by every run."""
    loader = PackageLoader("counterfoil.matching.output", "templates")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True)
    return pages.get_template("report.html.j2")


def _page(outcome: MatchingResult, places: Places) -> dict[str, Any]:
    rules, names = outcome.rules, {source.side: source.name for source in outcome.sources}
    shown = shown_breaks(outcome)
    most = max((count for _, _, count, _ in outcome.kinds), default=1)
    rejected = len(outcome.rejected)
    return {
        "verdict_word": outcome.verdict.capitalize(),
        "verdict_class": outcome.verdict.replace(" ", "-"),
        "sentence": _sentence(outcome),
        "name": rules.name,
        "as_of": outcome.as_of,
        "tiles": _tiles(outcome),
        "footing": [
            {
                "side": row.side,
                "name": names[row.side],
                "asset": row.asset,
                "parts": [
                    {"amount": money(part.minor, row.asset, rules), "rows": f"{part.rows:,}"}
                    for part in (row.source, row.matched, row.breaks, row.expected)
                ],
            }
            for row in outcome.footing
        ],
        "rejected_sentence": f"{counted(rejected, 'row')} could not be read, and none of these figures holds them."
        if rejected
        else "No row was rejected.",
        "kinds": [
            {
                "words": f"{KIND_WORDS[kind].capitalize()} ({asset})",
                "count": f"{count:,}",
                "percent": max(count * 100 // most, 1),
                "amount": money(minor, asset, rules),
            }
            for kind, asset, count, minor in outcome.kinds
        ],
        "shown_sentence": f"{len(shown):,} of {counted(outcome.breaks_total, 'break')} are shown; breaks.csv and breaks.xlsx list more."
        if outcome.breaks_total > len(shown)
        else f"All {outcome.breaks_total:,} breaks are shown.",
        "breaks": [_shown(each, outcome, places, names) for each in shown],
        "passes": [{"name": name, **{part: f"{count:,}" for part, count in counts.items()}} for name, counts in outcome.passes.items()],
        "remarks": [
            *(
                f"Pass {t.step} used its tolerance on {counted(t.pairs, 'pair')}, {money(t.minor, t.asset, rules)} in all."
                for t in outcome.tolerated
            ),
            *(
                f"Matched records in {row.asset} differ by {money(row.unexplained, row.asset, rules)} that no tolerance explains."
                for row in outcome.control
                if row.unexplained
            ),
            *(f"{note[0].upper()}{note[1:]}." for note in (*outcome.not_checked, *outcome.learnt, *outcome.kept)),
        ],
        "rejected": [row._asdict() for row in outcome.rejected[:REJECTED_SHOWN_MAX]],
        "rules_sha": outcome.rules_sha256[:16],
    }


def _named(side: str, name: str) -> str:
    return side if name in ("", side) else f"{side}: {name}"


def _sentence(outcome: MatchingResult) -> str:
    if outcome.verdict == "reconciled":
        return "Every record of each side has its partner on the other, and all that is compared agrees."
    if outcome.verdict == "incomplete":
        return _left_open(outcome)
    if not outcome.breaks_total:
        return "No record stands alone, but the matched sums differ by more than any tolerance explains."
    causes = sorted(
        {each.cause for each in outcome.breaks if each.cause},
        key=lambda cause: (-sum(b.cause == cause for b in outcome.breaks), cause),
    )
    told = f" Most often the cause looks like: {', '.join(causes[:3])}." if causes else ""
    return f"{counted(outcome.breaks_total, 'break needs', 'breaks need')} a decision.{told}"


def _left_open(outcome: MatchingResult) -> str:
    """Why a run is no proof, the heaviest reason first."""
    if outcome.cuts:
        return (
            f"A limit cut the search short: of the {outcome.breaks_total:,} breaks listed some may have their partner. "
            "What was left out stands under the remarks."
        )
    if outcome.rejected:
        return "What could be read agrees, but some rows could not be read, so this is no proof."
    return "What was compared agrees, but not all was compared that the rules ask for, so this is no proof; see the remarks."


def _tiles(outcome: MatchingResult) -> list[dict[str, str]]:
    tiles = [{"figure": f"{source.rows:,}", "words": f"records on the {_named(source.side, source.name)}"} for source in outcome.sources]
    matched = sum(row.matched.rows for row in outcome.footing)
    total = sum(row.source.rows for row in outcome.footing)
    share = f"{matched * 10_000 // total / 100:.2f} %" if total else "–"
    tiles.append({"figure": share, "words": "of all records matched"})
    tiles.append({"figure": f"{outcome.breaks_total:,}", "words": "breaks"})
    tiles.append({"figure": f"{outcome.suggested:,}", "words": "pairs suggested, not counted"})
    return tiles


def _shown(each: Finding, outcome: MatchingResult, places: Places, names: Mapping[str, str]) -> dict[str, Any]:
    rules, differing = outcome.rules, {field.name for field in each.fields}
    ids = " · ".join(", ".join(record.id for record in side[:3]) for side in (each.left, each.right) if side)
    return {
        "severity": each.severity,
        "words": KIND_WORDS[each.kind].capitalize(),
        "line": f"{ids} — {each.cause}" if each.cause else ids,
        "stake": money(each.at_stake, each.asset, rules),
        "action": each.action.sentence,
        "not_offered": each.action.not_offered,
        "sides": [
            {
                "key": key,
                "name": _named(key, names[key]).capitalize(),
                "records": [_record(record, differing, outcome, places) for record in records[:RECORDS_SHOWN_MAX]],
                "more": max(len(records) - RECORDS_SHOWN_MAX, 0),
            }
            for key, records in (("left", each.left), ("right", each.right))
        ],
        "fields": [_field(field, each, outcome) for field in each.fields],
        "candidates": [
            {
                "id": c.id,
                "amount": money(c.amount, each.asset, rules),
                "day": c.day.isoformat() if c.day else "",
                "why": c.why_refused,
            }
            for c in each.candidates
        ],
        "hypotheses": [{**h._asdict(), "supported": h.verdict == "supported"} for h in each.hypotheses],
    }


def _field(field: Any, each: Finding, outcome: MatchingResult) -> dict[str, str]:
    if field.name != "amount":
        return dict(field._asdict())
    here, there = each.left[0].asset, each.right[0].asset
    return {
        "name": "amount",
        "left": money(int(field.left), here, outcome.rules),
        "right": money(int(field.right), there, outcome.rules),
        "distance": f"{money(int(field.right) - int(field.left), here, outcome.rules)} more on the right"
        if here == there
        else field.distance,
    }


def _record(record: Record, differing: set[str], outcome: MatchingResult, places: Places) -> dict[str, Any]:
    rows: Sequence[tuple[str, str | None]] = (
        ("id", record.id),
        ("amount", money(record.amount, record.asset, outcome.rules)),
        ("date", record.day.isoformat() if record.day else None),
        *((name, record.told(name)) for name in SHOWN[:1]),
        *record.key_fields,
        *((name, record.told(name)) for name in SHOWN[1:]),
    )
    place = places.get((record.side, record.line or 0))
    return {
        "rows": [
            {"name": name, "value": value, "differs": name in differing or (name == "amount" and "asset" in differing)}
            for name, value in rows
            if value
        ],
        "place": f"{place.file}:{place.line}  {place.raw}" if place else "",
    }
