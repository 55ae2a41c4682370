"""Proofs as a noun: list, page, `reissue` and who has signed follow from it. Making, fetching and signing one have routes of their own."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from counterfoil.operations.access.access import AUDIT
from counterfoil.operations.noun_pages import Elsewhere, First, SortKey, ViewElsewhere
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Part, Verb, VerbCall, VerbResult, of_all
from counterfoil.proofs.exports import ProofExport, exports_of
from counterfoil.proofs.proofs import (
    PROOF,
    Proof,
    ProofFile,
    ProofSigner,
    files_of,
    list_proofs,
    proofs_by_id,
    reissue,
    show_proof,
    signers_of,
)
from counterfoil.proofs.same_period import SamePeriodProof, others_of_period
from counterfoil.proofs.stores.copies import PLACES


def _reissue(one: VerbCall) -> VerbResult:
    done = reissue(one.conn, one.subject_id, reason=one.reason, by=one.actor, now=one.now)
    void = f"What {' and '.join(done.void)} signed counts no more." if done.void else ""
    return VerbResult(done.state, told=void)


VERBS: Final = (
    Verb(
        "reissue",
        AUDIT,
        "Ask for signatures anew",
        "Everybody signs again: signatures of the request before count no more. After a key was lost or revoked, or when somebody who was "
        "asked cannot sign. The package stays as it is.",
        do=_reissue,
        done="{id}: signatures are asked for anew.",
    ),
)
SAME_PERIOD: Final = Part("same_period", SamePeriodProof, others_of_period, ("id", "created_at", "state", "verdict", "differs_in"))
EXPORTS: Final = Part(
    "exports", ProofExport, exports_of, ("id", "actor", "stage", "entries_done", "entries", "started_at", "took_ms", "state")
)
PROOF_NOUN: Final = Noun(
    "proof",
    "proofs",
    "prf",
    PROOF,
    VERBS,
    show_proof,
    row=Proof,
    rows=list_proofs,
    by_id=proofs_by_id,
    sorts=(SortKey("created_at", datetime), SortKey("from_at", datetime), SortKey("to_at", datetime), SortKey("entries", int)),
    help="Proofs of periods: made, signed by several people, verified by anybody.",
    parts=(Part("signers", ProofSigner, of_all(signers_of)), Part("files", ProofFile, of_all(files_of)), PLACES, EXPORTS, SAME_PERIOD),
    views_elsewhere=(ViewElsewhere("being made now", "proof-exports", "under-way"),),
    columns=("id", "from_at", "to_at", "entries", "verdict", "reconciliation", "state", "created_at"),
    elsewhere=(
        Elsewhere("Fetch the package, and verify it before you sign.", "counterfoil proof download {id} --out {id}.zip", "waiting"),
        Elsewhere(
            "Sign it with your own key, at your own machine: the key never comes here.",
            "counterfoil proof sign {id} --key KEY.pem --package {id}.zip",
            "waiting",
        ),
        Elsewhere("Fetch the package with its signatures, for an auditor.", "counterfoil proof download {id} --out {id}.zip", "signed"),
        Elsewhere(
            "Give a payee what concerns them, and nothing else of it: they verify it with the same keys.",
            "counterfoil proof disclose {id}.zip --payee PAYEE",
            "signed",
            "/admin/proofs/{id}/disclosure",
        ),
    ),
    first=First(
        "It is made on the first of a month, of the month before; at once by hand.", "counterfoil proof export 2026-10-01 2026-11-01"
    ),
    sought=(FoundBy("encode(manifest_sha256, 'hex')", "of this manifest"),),
)
