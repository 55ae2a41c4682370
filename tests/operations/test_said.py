"""What is said once a verb is done."""

from __future__ import annotations

from counterfoil.proofs.noun import PROOF_NOUN


def test_what_a_verb_tells_is_said_after_its_own_sentence() -> None:
    [reissue] = [one for one in PROOF_NOUN.verbs if one.name == "reissue"]
    assert reissue.said("prf_1", "waiting", None, "What ann signed counts no more.") == (
        "prf_1: signatures are asked for anew. What ann signed counts no more."
    )
    assert reissue.said("prf_1", "waiting", None, "") == "prf_1: signatures are asked for anew."
