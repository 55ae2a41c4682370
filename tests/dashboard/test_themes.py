"""What is laid out by day is laid out the same by night: the dark theme gives the same names other colours and changes nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import counterfoil.dashboard

STYLES = sorted((Path(counterfoil.dashboard.__path__[0]) / "static").glob("*.css"))
AT_NIGHT = re.compile(r"@media[^{]*prefers-color-scheme[^{]*\{(.*?)\n\}", re.S)
COLOUR = re.compile(r"#[0-9a-f]{6}|rgb\([0-9 ]+ / [0-9]+%\)|none")


def declared(style: str) -> list[tuple[str, str, str]]:
    """Selector, name and value of each declaration of the dark theme."""
    rules = [rule for block in AT_NIGHT.findall(style) for rule in re.findall(r"([^{}]+)\{([^{}]*)\}", block)]
    return [(selector.strip(), *map(str.strip, one.split(":", 1))) for selector, body in rules for one in body.split(";") if one.strip()]


def test_the_dark_theme_changes_colours_and_nothing_else() -> None:
    found = [one for path in STYLES for one in declared(path.read_text("utf-8"))]
    assert len(found) > 20
    assert [one for one in found if one[0] != ":root" or not one[1].startswith("--") or not COLOUR.fullmatch(one[2])] == []


def test_each_colour_of_the_night_has_one_of_the_day() -> None:
    text = "".join(path.read_text("utf-8") for path in STYLES)
    by_day = AT_NIGHT.sub("", text)
    assert [name for path in STYLES for _, name, _ in declared(path.read_text("utf-8")) if f"{name}:" not in by_day] == []


@pytest.mark.parametrize("sized", [":root { --gap: 3rem; }", "main { color: #ffffff; }", ":root { font-size: 16px; }"])
def test_a_theme_that_moved_something_would_be_seen(sized: str) -> None:
    (one,) = declared(f"@media (prefers-color-scheme: dark) {{\n  {sized}\n}}")
    assert one[0] != ":root" or not one[1].startswith("--") or not COLOUR.fullmatch(one[2])
