"""The page that shows that a journal, or what was posted for a payout, is in the log, with the file that verifies alone."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from counterfoil.base.ids import valid_id
from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.proofs.inclusion.making import inclusion_file
from counterfoil.proofs.inclusion.stating import JOURNAL, PAYOUT
from counterfoil.proofs.log.inclusion import Inclusion
from counterfoil.proofs.log.notes import read_checkpoint, read_proof
from counterfoil.proofs.proofs import Proof, proof_of_place

LINES_SHOWN_MAX: Final = 20


class IncludedLine(NamedTuple):
    """What a journal moved, from which account to which."""

    debit: str
    credit: str
    amount: Money


class IncludedEntry(NamedTuple):
    """A journal as the log has it; `more`: lines that are not shown; `proof_id`: the proof of the period in which it was entered, and how
    that stands."""

    place: int
    journal_id: str
    kind: str
    program_id: str
    actor: str
    at: datetime
    lines: tuple[IncludedLine, ...]
    more: int
    proof_id: str | None
    proof: str | None


class InclusionAnswer(NamedTuple):
    """What the page shows. `size`: of the log at the checkpoint to which all proofs lead; `file`: the file in its exact bytes."""

    kind: str
    id: str
    origin: str
    size: int
    entries: tuple[IncludedEntry, ...]
    name: str
    file: str
    measured_at: datetime


def journal_inclusion_answer(ask: SectionContext) -> InclusionAnswer:
    """Of a journal. Raises InvalidInput, UnknownJournal, LogNotBegun, LogBehind."""
    try:
        given = str(UUID(ask.params["id"]))
    except ValueError:
        raise InvalidInput("id", "the id of a journal, a UUID", got=ask.params["id"][:80]) from None
    return _answer(ask, JOURNAL, given)


def payout_inclusion_answer(ask: SectionContext) -> InclusionAnswer:
    """Of a payout. Raises InvalidInput, NotFound, NothingBooked, InclusionTooLarge, LogNotBegun, LogBehind."""
    return _answer(ask, PAYOUT, valid_id(ask.params["id"], PAYOUT_NOUN.prefix, "id"))


def _answer(ask: SectionContext, kind: str, subject_id: str) -> InclusionAnswer:
    made = inclusion_file(ask.conn, kind, subject_id)
    note = read_proof(made.entries[0].proof)[2]
    told = read_checkpoint(note.rpartition("\n\n")[0] + "\n")
    entries = tuple(_entry(one, proof_of_place(ask.conn, one.place)) for one in made.entries)
    return InclusionAnswer(kind, subject_id, told.origin, told.size, entries, made.name, made.written().decode(), ask.clock())


def _entry(one: Inclusion, proof: Proof | None) -> IncludedEntry:
    said: dict[str, Any] = json.loads(one.record)
    lines = [IncludedLine(line["debit"], line["credit"], Money(int(line["amount"]), said["asset"])) for line in said["lines"]]
    return IncludedEntry(
        one.place,
        said["id"],
        said["kind"],
        said["program"],
        said["actor"],
        datetime.fromisoformat(said["at"]),
        tuple(lines[:LINES_SHOWN_MAX]),
        max(0, len(lines) - LINES_SHOWN_MAX),
        proof.id if proof else None,
        proof.state if proof else None,
    )
