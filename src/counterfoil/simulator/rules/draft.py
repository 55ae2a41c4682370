"""A decision in the making: the facts so far, numbered ids, and the faults that hit them. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from counterfoil.simulator.http.views import iso, line_id
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.faults import pick
from counterfoil.simulator.rules.state import FaultRule, SimulatorLine, State


def mark_of(*what: str) -> str:
    """The same for the same request; a reused key is told by it."""
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


class Draft:
    """Collects the facts of one decision taken at `now_us` against `state`, which it never changes."""

    def __init__(self, state: State, now_us: int) -> None:
        self.state, self.now_us = state, now_us
        self.facts: list[f.Fact] = []
        self._lines, self._events = len(state.lines), len(state.events)

    def add(self, fact: f.Fact) -> None:
        """One more fact."""
        self.facts.append(fact)

    def hit(self, stage: str, *, on: str, subject: str, names: tuple[str, ...]) -> FaultRule | None:
        """The rule that hits here, if any. The caller says with `fire` what was done."""
        if not self.state.live:
            return None
        return pick(self.state, self.facts, stage, on=on, subject=subject, names=names)

    def fire(self, rule: FaultRule, subject: str, on: str, **told: str) -> None:
        """Write down that a rule hit."""
        self.add(f.FaultFired(rule.planted.id, rule.planted.fault, subject, on, told))

    def line(self, type_: str, reference: str, gross: int, fee: int, asset: str, source: str) -> None:
        """A line that the facts so far make: a statement fault may touch it."""
        self._lines += 1
        rule = self.hit("statement", on=type_, subject=str(self._lines), names=(reference, source))
        if rule is not None:
            line = SimulatorLine(self._lines, type_, reference, gross, fee, asset, self.now_us, source)
            self.facts += touch(self.state, rule.planted, line)

    def emit(self, type_: str, subject: str, names: tuple[str, ...], data: dict[str, Any]) -> None:
        """An event about `subject`, with the webhooks planned for it. Without an endpoint there is nobody to tell or to fail."""
        self._events += 1
        event_id = f"evt_{self.state.instance}_{self._events:010d}"
        body = {"id": event_id, "type": type_, "timestamp": iso(self.now_us), "data": data}
        deliveries: list[list[Any]] = []
        if self.state.endpoint is not None:
            rule = self.hit("webhook", on=type_, subject=names[0], names=(*names, subject))
            deliveries = plan_deliveries(rule.planted if rule else None, self.now_us)
            if rule is not None:
                self.fire(rule, names[0], type_, event=event_id, deliveries=str(len(deliveries)))
        self.add(f.EventEmitted(event_id, type_, subject, body, deliveries))


def plan_deliveries(planted: f.RulePlanted | None, now_us: int) -> list[list[Any]]:
    """The webhooks of an event that this fault hits, or that none does: [due time, bad signatures, behind] each."""
    if planted is None:
        return [[now_us, 0, ""]]
    params = planted.params
    match planted.fault:
        case "webhook_lost":
            return []
        case "webhook_doubled":
            return [[now_us, 0, ""] for _ in range(int(params["times"]))]
        case "webhook_late":
            return [[now_us + int(params["delay_ms"]) * 1_000, 0, ""]]
        case "webhook_reordered":
            return [[now_us + int(params["delay_ms"]) * 1_000, 0, str(params["behind"])]]
        case _:
            return [[now_us, int(params["attempts"]), ""]]


def touch(state: State, planted: f.RulePlanted, line: SimulatorLine) -> list[f.Fact]:
    """The facts of a statement fault that touches `line`; they name the truth and what the CSV will say."""
    delta = int(planted.params.get("delta", 0))
    told = {
        "line": line_id(state, line.number),
        "source": line.source,
        "reference": line.reference,
        "asset": line.asset,
        "gross": str(line.gross),
        "gross_told": str(line.gross + delta),
    }
    fired = f.FaultFired(planted.id, planted.fault, str(line.number), line.type, told)
    return [fired, f.LineTouched(planted.id, planted.fault, line.number, delta)]
