"""Draws the diagrams of the documentation from what the code declares: SVG by hand, since it needs no program and no script.

A state machine is drawn in lanes: a column for each state, a line for each verb, from the dots (where it may be said) to the arrow
(where it leads). Twenty states and forty moves stay legible that way; a graph of them does not.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Collection, Mapping, Sequence
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

from counterfoil.base.machine import NOWHERE, Machine

ROOT: Final = Path(__file__).resolve().parents[1]
LANE, ROW, HEAD, NAMES, EDGE, WIDTH = 112, 28, 58, 176, 14, 900
STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1a2129}.soft{fill:#5a636e;font-size:12px}"
    ".lane{stroke:#d8d3c6}.box{fill:#fffefb;stroke:#5a636e}"
    ".final{fill:#eceadd}.start{stroke-width:2.5}.move{stroke:#0d5467;stroke-width:1.6}.dot,.tip{fill:#0d5467}.two{stroke:#a3212a}"
    ".two-fill{fill:#a3212a}.way{stroke:#9db8bf}.paper{fill:#f9f7f2}"
    ".said{paint-order:stroke;stroke:#f9f7f2;stroke-width:5px}"
)


class Move(NamedTuple):
    """One line of a drawing: its name, the lanes it may start in, the lane it ends in, and its mark."""

    name: str
    starts: tuple[str, ...]
    end: str
    mark: str = ""


class Stage(NamedTuple):
    """One step of a payment's way: the job that takes it, if one does, what it means, and the verb of which noun's machine it is."""

    job: str
    said: str
    noun: str
    verb: str
    to: str


# How one payment flows. Each job, verb and state is looked up where it is declared, so that this cannot drift from the code.
FLOW: Final = (
    Stage("", "the invoice is issued", "invoice", "issue", "pending"),
    Stage("", "and its intent waits for the customer", "intent", "request", "payment_pending"),
    Stage("", "the provider tells: paid", "webhook_in", "create", "received"),
    Stage("webhooks", "the payment is booked", "invoice", "pay", "paid"),
    Stage("webhooks", "the intent goes on", "intent", "verify", "verifying"),
    Stage("verify", "the provider is asked", "intent", "confirm", "processing"),
    Stage("settle", "fees, holdback, payable", "intent", "complete", "completed"),
    Stage("events", "what is owed", "payout", "create", "pending"),
    Stage("reserve", "money is set aside", "payout", "reserve", "processing"),
    Stage("reserve", "an attempt is queued", "provider_payout", "create", "queued"),
    Stage("outbox", "the call is written first", "provider_payout", "send", "sending"),
    Stage("answers", "the provider has it", "provider_payout", "accept", "sent"),
    Stage("webhooks", "it arrived", "provider_payout", "succeed", "succeeded"),
    Stage("webhooks", "in the same transaction", "payout", "complete", "completed"),
    Stage("reconcile", "a line without counterpart", "break", "create", "open"),
)


def machine_svg(machine: Machine) -> str:
    """A state machine in lanes."""
    moves: dict[tuple[str, str], Move] = {}
    for _, start, verb, end, reasoned, paired in machine.rows():
        mark = "!!" if paired else "!" if reasoned else ""
        before = moves.get((verb, end), Move(verb, (), end, mark))
        moves[verb, end] = before._replace(starts=(*before.starts, start))
    states = machine.states()
    boxes = {one: _kind_of(machine, one) for one in states}
    return _lanes(f"The states of {machine.name.replace('_', ' ')}", boxes, list(moves.values()))


def flow_svg(machines: Mapping[str, Machine], jobs: Collection[str]) -> str:
    """How one payment flows: a lane for each noun, a line for each step. Raises KeyError for a step that nothing declares."""
    moves = []
    for one in FLOW:
        rows = machines[one.noun].rows()
        if not any((verb, end) == (one.verb, one.to) for _, _, verb, end, _, _ in rows) or one.job not in {"", *jobs}:
            raise KeyError(f"nothing declares {one}")
        said = f"job {one.job}: {one.said}" if one.job else one.said
        moves.append(Move(said, (), one.noun, f"{one.verb} → {one.to}".replace("_", " ")))
    nouns = dict.fromkeys(("webhook_in", *(one.noun for one in FLOW)), "box")
    return _lanes("How one payment flows", nouns, moves, names=300, room=40)


def layers_svg() -> str:
    """The parts, the topmost first, as the import contract lists them, each with the first sentence of its own description."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
    parts, y = [], EDGE
    for layer in listed:
        for name in layer.replace("|", ":").split(":"):
            said = (import_module(f"counterfoil.{name.strip()}").__doc__ or "").split("\n")[0].split(". ")[0].rstrip(".:")
            said = textwrap.shorten(said.replace("`", ""), 118, placeholder=" …")
            parts.append(f'<rect class="box" x="{EDGE}" y="{y}" width="{WIDTH - 2 * EDGE}" height="30" rx="4"/>')
            parts.append(_text(EDGE + 12, y + 20, name.strip()) + _text(EDGE + 130, y + 20, said, "soft"))
            y += 34
        y += 6
    parts.append(
        _text(
            EDGE,
            y + 10,
            "Imports run down only. Parts that touch are of one layer; client and simulator stand alone.",
            "soft",
        )
    )
    return _svg("The parts and their order", WIDTH, y + 24, parts)


def _kind_of(machine: Machine, state: str) -> str:
    final = not any(start == state for start, _ in machine.transitions)
    return "box" + (" start" if state in machine.initial else "") + (" final" if final else "")


def _lanes(title: str, boxes: Mapping[str, str], moves: Sequence[Move], *, names: int = NAMES, room: int = 0) -> str:
    at = {lane: names + LANE // 2 + number * LANE for number, lane in enumerate(boxes)}
    width, height = names + len(boxes) * LANE + EDGE + room, HEAD + len(moves) * ROW + EDGE
    parts: list[str] = []
    for lane, kind in boxes.items():
        parts.append(f'<line class="lane" x1="{at[lane]}" x2="{at[lane]}" y1="44" y2="{height - EDGE}"/>')
        parts.append(f'<rect class="{kind}" x="{at[lane] - LANE // 2 + 4}" y="12" width="{LANE - 8}" height="32" rx="5"/>')
        parts.extend(_wrapped(at[lane], lane.replace("_", " ")))
    way = [(at[move.end], HEAD + number * ROW + ROW // 2) for number, move in enumerate(moves) if not move.starts]
    if len(way) == len(moves):
        parts.append(f'<polyline class="move way" fill="none" points="{" ".join(f"{x},{y}" for x, y in way)}"/>')
    for number, move in enumerate(moves):
        y = HEAD + number * ROW + ROW // 2
        parts.extend(_move(move, at, y) if move.starts else _stage(move, at[move.end], y))
    return _svg(title, width, height, parts)


def _stage(move: Move, x: int, y: int) -> list[str]:
    """One step of a way through several nouns."""
    said = f'<text class="soft said" x="{x + 10}" y="{y + 4}">{escape(move.mark)}</text>'
    return [_text(EDGE, y + 4, move.name), f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>', said]


def _move(move: Move, at: Mapping[str, int], y: int) -> list[str]:
    two, end = " two" if move.mark == "!!" else "", at[move.end]
    fill = " two-fill" if two else ""
    starts = [at[one] for one in move.starts if one != NOWHERE]
    parts = [_text(EDGE, y + 4, f"{move.name.replace('_', ' ')}  {move.mark}".rstrip())]
    parts.extend(f'<circle class="dot{fill}" cx="{x}" cy="{y}" r="4"/>' for x in starts)
    if not starts:  # it is born here
        return [*parts, f'<path class="tip" d="M{end - 6} {y - 5}l12 0 -6 9z"/>']
    if end in starts:
        loop = f'<path class="move{two}" fill="none" d="M{end + 4} {y - 3}c24 -12 24 20 3 6"/>'
        parts.extend([loop, f'<path class="tip{fill}" d="M{end + 4} {y + 2}l9 0 -6 7z"/>'])
    if min(starts) < end:
        parts.extend(_arrow(min(starts), end, y, two, fill))
    if max(starts) > end:
        parts.extend(_arrow(max(starts), end, y, two, fill))
    return parts


def _arrow(start: int, end: int, y: int, two: str, fill: str) -> list[str]:
    back = -8 if end > start else 8
    return [
        f'<line class="move{two}" x1="{start}" x2="{end + back}" y1="{y}" y2="{y}"/>',
        f'<path class="tip{fill}" d="M{end} {y}l{back} -5 0 10z"/>',
    ]


def _wrapped(x: int, name: str) -> list[str]:
    words = name.split(" ")
    if len(name) <= 14 or len(words) == 1:
        return [_text(x, 33, name, middle=True)]
    half = (len(words) + 1) // 2
    return [
        _text(x, 26, " ".join(words[:half]), "soft", middle=True),
        _text(x, 40, " ".join(words[half:]), "soft", middle=True),
    ]


def _text(x: int, y: int, said: str, kind: str = "", *, middle: bool = False) -> str:
    anchor = ' text-anchor="middle"' if middle else ""
    return f'<text{f" class={chr(34)}{kind}{chr(34)}" if kind else ""} x="{x}" y="{y}"{anchor}>{escape(said)}</text>'


def _svg(title: str, width: int, height: int, parts: Sequence[Any]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
    frame = f'<rect class="paper" width="{width}" height="{height}" rx="8"/>'
    return "\n".join([head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", frame, *parts, "</svg>", ""])
