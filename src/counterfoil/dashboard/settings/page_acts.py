"""Which acts stand on which page: from this follow the addresses of their forms, and what each page offers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.formats.amounts import known_assets
from counterfoil.dashboard.settings.offers import ActOffer, ApprovedAct, approved_acts, offer
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.integrity.silencing import BEGIN_SILENCE
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.access.acts import ADD_PERSON, KEY_ACTS, PERSON_ACTS, STOP_SECOND
from counterfoil.operations.acts import Act
from counterfoil.operations.webhooks_out.acts import CREATE_ENDPOINT, ROTATE_SECRET
from counterfoil.payouts.batches.acts import SET_POLICY
from counterfoil.payouts.destinations.acts import SET_DESTINATION
from counterfoil.payouts.refunds.acts import PAY_CUSTOMER_DEBT, PAY_CUSTOMER_DEBT_WITH, WRITE_OFF_CUSTOMER, WRITE_OFF_PAYEE
from counterfoil.proofs.log.key_act import CHANGE_LOG_KEY
from counterfoil.proofs.personal_data import NAME_POLICY
from counterfoil.proofs.signing.acts import ADD_SIGNER, REVOKE_SIGNER
from counterfoil.reconciliation.breaks.acts import SET_WRITE_OFF_LIMIT
from counterfoil.treasury.agents.acts import CREATE_AGENT

ACTS_ON: Final[Mapping[str, Sequence[Act]]] = {
    "/admin/people": (ADD_PERSON, STOP_SECOND),
    "/admin/people/{id}": PERSON_ACTS,
    "/admin/keys": KEY_ACTS,
    "/admin/limits": (SET_POLICY, SET_WRITE_OFF_LIMIT),
    "/admin/destinations": (SET_DESTINATION,),
    "/admin/endpoints": (CREATE_ENDPOINT,),
    "/admin/endpoints/{id}": (ROTATE_SECRET,),
    "/admin/payees/{id}": (WRITE_OFF_PAYEE,),
    "/admin/customers/{id}": (WRITE_OFF_CUSTOMER, PAY_CUSTOMER_DEBT, PAY_CUSTOMER_DEBT_WITH),
    "/admin/agents": (CREATE_AGENT,),
    "/admin/silences": (BEGIN_SILENCE,),
    "/admin/signers": (ADD_SIGNER, REVOKE_SIGNER, CHANGE_LOG_KEY, NAME_POLICY),
}
# Pages that offer them each in a place of its own.
BY_THEMSELVES: Final = ("/admin/people", "/admin/people/{id}", "/admin/keys")


class ActsHere(NamedTuple):
    """What may be done on a page beside the verbs of its thing. `address`: the forms are sent below it; `among`: of which values a field is
    one."""

    offers: tuple[ActOffer, ...]
    approved: tuple[ApprovedAct, ...]
    among: Mapping[str, Sequence[str]]
    address: str


def acts_here(ask: SectionContext, path: str) -> ActsHere | None:
    """Those of the page at `path`, which shows them itself; None where there is none."""
    acts = ACTS_ON.get(path, ()) if path not in BY_THEMSELVES else ()
    if not acts:
        return None
    first = ask.program_id or ask.extra.wiring.program_id  # what is most likely meant stands first
    programs = sorted(known_programs(ask.conn), key=lambda program: (program != first, program)) if ask.program_id is None else [first]
    among = {"program_id": programs, "asset": sorted(known_assets(ask.conn)), "provider": sorted(ask.extra.wiring.providers)}
    return ActsHere(tuple(offer(one) for one in acts), approved_acts(ask, acts), among, path.format(**ask.params))
