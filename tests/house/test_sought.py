"""The search finds everything: a new noun says by what, and no record is made with an id that leads nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from counterfoil.base import migrations
from counterfoil.dashboard.finding.sought import NO_RECORDS, RECORDS
from counterfoil.operations.verbs import Noun
from counterfoil.wiring import NOUNS

SOURCE: Final = Path(migrations.__file__).parents[2]
SCHEMA: Final = (Path(migrations.__file__).parent / "schema.sql").read_text()
# Text of a thing that nobody looks it up by: it says of which kind it is, who did it, why, or which other thing it is about, whose own id
# is found.
TOLD_ALONE: Final = frozenset(
    """id state asset cause reason actor error last_error lease_owner provider source kind severity level title body stage progress token
    opened_by outcome resolved_by appealed_by created_by maker made_by not_by_rule first_run last_run gone_run recurs_of owner subject
    duplicate_of queue probed_by commits coordinator events min_level owner_email about verdict reconciliation store version checksum
    evidence period previous extent escalated_to responded_by brake post_mortem unasked runbook started_by ended_by channel group_key
    recipient""".split()  # noqa: SIM905 - as a list it is seventy lines
)
NAMED_ALONE: Final = {"drill": {"name"}}  # one of a few kinds


def columns_of(table: str, kind: str) -> list[str]:
    """The columns of this type, as the schema lists them."""
    return re.findall(rf"^{table}: ([a-z_0-9]+) {kind}\b", SCHEMA.partition("-- constraints")[0], re.MULTILINE)


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.name)
def test_a_noun_says_by_which_of_its_words_and_amounts_it_is_sought(noun: Noun) -> None:
    words, amounts = columns_of(noun.machine.table, "text"), columns_of(noun.machine.table, "bigint")
    assert words, "the schema is read wrongly"
    sought = {one.column for one in noun.sought}
    unsaid = {one for one in words if not one.endswith("_id")} - sought - TOLD_ALONE - NAMED_ALONE.get(noun.name, set())
    assert unsaid == set(), f"say in {noun.name}'s `sought` that it is found by this, or here why nobody looks for it"
    if "asset" in words and set(amounts) - {"fence"}:
        assert any(one.kind != "word" for one in noun.sought), f"say in {noun.name}'s `sought` by which amount it is found"


def made() -> Iterator[str]:
    """The prefix of every id that is made."""
    for path in SOURCE.rglob("*.py"):
        if "simulator" not in path.parts:
            yield from re.findall(r'\b_?(?:make|new)_id\(\s*"([a-z]+)"', path.read_text("utf-8"))


def test_every_id_leads_somewhere() -> None:
    prefixes = set(made())
    assert len(prefixes) > 60, "they are read wrongly"
    nouns = {one.prefix for one in NOUNS}
    assert prefixes - nouns - set(RECORDS) - set(NO_RECORDS) == set(), "say in finding/sought.py where such a record stands, or why not"
    assert (set(RECORDS) | set(NO_RECORDS)) - prefixes == set(), "nothing is called so"
    assert nouns & set(RECORDS) == set(), "a thing with a page of its own is found there"
