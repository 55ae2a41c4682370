"""The page on which a payee is given what concerns them out of a signed proof."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.ids import valid_id
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.proofs.disclosures.stored import PREVIOUS_MAX
from counterfoil.proofs.noun import PROOF_NOUN
from counterfoil.proofs.proofs import Proof, show_proof


class DisclosureAnswer(NamedTuple):
    """What the page shows: the proof, and over how many periods before it may go back."""

    proof: Proof
    previous_max: int
    measured_at: datetime


def disclosure_answer(ask: SectionContext) -> DisclosureAnswer:
    """Of this proof. Raises NotFound, WholeInstallation."""
    if ask.only is not None:
        raise WholeInstallation(program=ask.only)
    return DisclosureAnswer(show_proof(ask.conn, valid_id(ask.params["id"], PROOF_NOUN.prefix, "id")), PREVIOUS_MAX, ask.clock())
