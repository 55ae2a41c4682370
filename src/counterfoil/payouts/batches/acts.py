"""Setting the policy: which payouts of a program in an asset people approve, and how many."""

from __future__ import annotations

from typing import Final

from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import APPROVE
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.verbs import Field
from counterfoil.payouts.batches.policies import COOLING_HOURS, HOURS_MAX, TIERS_MAX, Tier, set_policy


def _set_policy(one: ActCall) -> ActDone:
    taken = one.taken
    show_program(one.conn, taken["program_id"])
    set_policy(
        one.conn,
        taken["program_id"],
        taken["asset"],
        by_rule_max=taken["by_rule_max"],
        tiers=[Tier(*each) for each in taken["tiers"] or ()],
        cooling_hours=taken["cooling_hours"],
        reason=one.reason,
        actor=one.by.actor,
        now=one.now,
    )
    told = f"The policy of {taken['program_id']} in {taken['asset']} holds from now on; payouts that wait are judged anew."
    return ActDone(taken["program_id"], told)


SET_POLICY: Final = Act(
    "payout_policy.set",
    "policy",
    "Set a payout policy",
    "What of a program's payouts in an asset is paid by rule, and how many people approve the rest. The newest counts; payouts that "
    "wait are judged anew.",
    "/payout-policies",
    _set_policy,
    (
        Field("program_id", "Of this program.", "program", short="program"),
        Field("asset", "In this asset.", "asset", bare=True),
        Field(
            "by_rule_max",
            "What is paid by rule: in batches within 24 hours, and to one payee outside of them. 0: nothing.",
            "amount",
            example="10000.00",
            short="by-rule",
            least=0,
        ),
        Field(
            "tiers",
            "Above which amount how many people approve; one, where no tier is reached.",
            "tiers",
            required=False,
            example="0.00=1 50000.00=2",
            short="tier",
            most=TIERS_MAX,
        ),
        Field(
            "cooling_hours",
            "For how many hours a destination is new, and a changed one is not paid.",
            "number",
            required=False,
            example=str(COOLING_HOURS),
            default=COOLING_HOURS,
            least=0,
            most=HOURS_MAX,
        ),
    ),
    two=ByTwo("payout_policy", "set", "{program_id}:{asset}", APPROVE),
    area="batches",
    whole=False,
)
PAIRED: Final = paired_of((SET_POLICY,))
