"""The run in a few lines, for a person who answers for the money."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.matching.findings.figures import money
from counterfoil.matching.findings.outcome import MatchingResult

LINES_MAX: Final = 12
KIND_WORDS: Final[Mapping[str, str]] = {
    "AMOUNT_MISMATCH": "amounts differ",
    "CURRENCY_MISMATCH": "currencies differ",
    "STATUS_MISMATCH": "states differ",
    "DATE_MISMATCH": "dates differ",
    "COUNTERPARTY_MISMATCH": "counterparties differ",
    "MISSING_LEFT": "missing on the left",
    "MISSING_RIGHT": "missing on the right",
    "DUPLICATE_LEFT": "twice on the left",
    "DUPLICATE_RIGHT": "twice on the right",
    "OVERPAID": "paid more than was owed",
    "AMBIGUOUS": "several partners fit",
}


def summary(outcome: MatchingResult, *, files: bool = True) -> str:
    """Verdict, footing, breaks by kind, the largest breaks; plain text. `files`: and where the rest of it lies."""
    rules = outcome.rules
    lines = [
        f"{outcome.verdict.upper()}: {outcome.rules.name}" + (f", as of {outcome.as_of}" if outcome.as_of else ""),
        "",
    ]
    for source in outcome.sources:
        rejected = f", {source.rejected:,} rejected" if source.rejected else ""
        left_out = f", {source.left_out:,} left out: by the rules, or no records" if source.left_out else ""
        lines.append(f"{source.side:5}  {source.name}: {counted(source.rows, 'record')}{rejected}{left_out}")
    lines += ["", "side   asset         records         matched          breaks   expected later"]
    for row in outcome.footing:
        counts = (row.source.rows, row.matched.rows, row.breaks.rows, row.expected.rows)
        lines.append(f"{row.side:5}  {row.asset:6}" + "".join(f"{count:16,}" for count in counts))
        amounts = (row.source.minor, row.matched.minor, row.breaks.minor, row.expected.minor)
        lines.append(" " * 13 + "".join(f"{money(minor, row.asset, rules).rsplit(' ', 1)[0]:>16}" for minor in amounts))
    lines.append("Every record and every unit is in one of the columns.")
    if outcome.kinds:
        lines += ["", f"{counted(outcome.breaks_total, 'break')}:"]
        lines += [f"  {count:8,}  {KIND_WORDS[kind]:24} {money(minor, asset, rules)}" for kind, asset, count, minor in outcome.kinds]
        largest = sorted(outcome.breaks, key=lambda each: (-each.at_stake, each.id))[:LINES_MAX]
        lines += ["", "The largest:"]
        for each in largest:
            ids = " / ".join(";".join(" ".join(r.id.split()) for r in side[:3]) for side in (each.left, each.right) if side)
            cause = f", {each.cause}" if each.cause else ""
            lines.append(f"  {money(each.at_stake, each.asset, rules):>20}  {KIND_WORDS[each.kind]}: {ids}{cause}. {each.action.sentence}")
    if outcome.suggested:
        lines.append(f"{counted(outcome.suggested, 'pair is suggested; it is', 'pairs are suggested; they are')} not counted as matched.")
    lines += [f"Tolerance used by {t.step}: {counted(t.pairs, 'pair')}, {money(t.minor, t.asset, rules)}" for t in outcome.tolerated]
    lines += [
        f"Unexplained: matched records differ by {money(row.unexplained, row.asset, rules)} beyond every tolerance."
        for row in outcome.control
        if row.unexplained
    ]
    lines += [f"Not checked: {note}" for note in outcome.not_checked]
    lines += [f"{note[0].upper()}{note[1:]}." for note in (*outcome.learnt, *outcome.kept)]
    if files and outcome.paths:
        lines += ["", f"Files: {next(iter(outcome.paths.values())).parent}"]
    return "\n".join(lines)
