"""Which policies were in force is told by their digests: what was recorded before the period ended, and nothing later."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from counterfoil.base.edge import now
from counterfoil.payouts.batches.policies import Tier, set_policy
from counterfoil.proofs.packages import layout
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.proofs import Proof
from counterfoil.settlement.fees.fees import set_rates
from tests.builders import PROGRAM
from tests.proofs.builders import House, a_border, unpacked


def test_the_policies_of_fees_and_of_approvals_are_told_by_digests_of_what_was_recorded_before_the_period_ended(house: House) -> None:
    def policies(proof: Proof) -> tuple[str, str]:
        told = json.loads(unpacked(house.package(proof.id))[layout.MANIFEST])["policies"]
        return told["fees_sha256"], told["approvals_sha256"]

    def by(what: Callable[..., Any], *given: Any, **more: Any) -> tuple[str, str]:
        with house.desk.database.transaction() as conn:
            what(conn, PROGRAM, *given, **more, actor="person:ann", now=now())
        return policies(house.exported(house.start, a_border()))

    end = a_border()
    before = house.exported(house.start, end)
    fees, approvals = policies(before)
    rates = by(set_rates, platform_bps=321, validator_bps=0, holdback_bps=0)
    assert (rates[0] != fees, rates[1]) == (True, approvals)
    limits = by(set_policy, "EUR", by_rule_max=1, tiers=[Tier(0, 1)], cooling_hours=0, reason="the auditors ask for it")
    assert (limits[0], limits[1] != approvals) == (rates[0], True)
    assert export_proof(house.exporter, house.start, end, by="otto") == (before, False), "what came later changes nothing of it"
