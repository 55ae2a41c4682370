"""Verbs that take two people. Until a second person can approve, they are refused: one person alone moves no money by word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from counterfoil.base.machine import Machine, Move
from counterfoil.base.problems import Kind, Problem


class ApprovalNeeded(Problem):
    """This takes two people: it is proposed by one, and done once another has approved exactly that."""

    kind: ClassVar[Kind] = "forbidden"


class Approval(NamedTuple):
    """What a second person approved: the proposal, and the hash of what it proposes."""

    proposal_id: str
    payload_sha256: bytes


def refuse_unapproved(machine: Machine, moves: Sequence[Move], approval: Approval | None) -> None:
    """Raises ApprovalNeeded for a verb that takes two people; nobody can be the second yet."""
    for move in moves:
        if move.verb in machine.paired:
            proposal = approval.proposal_id if approval else None
            raise ApprovalNeeded(machine=machine.name, verb=move.verb, id=move.subject_id, proposal=proposal)
