"""What proofs declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.proofs import exports, monitors, monthly
from counterfoil.proofs.exports import PROOF_EXPORT, PROOF_EXPORT_NOUN
from counterfoil.proofs.log import checkpoints, invariants, job, key_changes
from counterfoil.proofs.noun import PROOF_NOUN
from counterfoil.proofs.packages.exporting import Exporter
from counterfoil.proofs.packages.store import ProofStoreUnset
from counterfoil.proofs.proofs import PROOF
from counterfoil.proofs.signing import acts
from counterfoil.proofs.stores import copying
from counterfoil.proofs.stores import monitors as stores
from counterfoil.proofs.stores.copies import COPY, COPY_NOUN
from counterfoil.proofs.stores.copying import Copying

__all__ = (
    "CONFIDENTIAL",
    "EVENT_KINDS",
    "INVARIANTS",
    "JOBS",
    "MACHINES",
    "MONITORS",
    "NOUNS",
    "PAIRED",
    "Copying",
    "Exporter",
    "ProofStoreUnset",
)
JOBS: Final = (*job.JOBS, *monthly.JOBS, *exports.JOBS, *copying.JOBS)
MACHINES: Final = (PROOF, PROOF_EXPORT, COPY)
NOUNS: Final = (PROOF_NOUN, PROOF_EXPORT_NOUN, COPY_NOUN)
MONITORS: Final = (*monitors.MONITORS, *stores.MONITORS)
EVENT_KINDS: Final = (*monthly.EVENT_KINDS, *job.EVENT_KINDS)
PAIRED: Final = (*acts.PAIRED, *key_changes.PAIRED)
INVARIANTS: Final = invariants.INVARIANTS
CONFIDENTIAL: Final = checkpoints.CONFIDENTIAL
