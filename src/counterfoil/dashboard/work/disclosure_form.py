"""Giving a payee what concerns them, on its page, as over HTTP: looked at, given a reason, confirmed; then the browser keeps the file."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.formats.counting import counted
from counterfoil.base.ids import valid_id
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.driver import FormCall, FormDone, GivenFile, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.access.access import AUDIT
from counterfoil.proofs.disclosures.stored import (
    PREVIOUS_MAX,
    DisclosureAsked,
    disclose_stored,
    disclosure_name,
    disclosure_told,
    packages_for,
    proofs_before,
)
from counterfoil.proofs.noun import PROOF_NOUN

PAGE: Final = next(page for page in PAGES if page.path == "/admin/proofs/{id}/disclosure")
FIELDS: Final = ("payee_id", "program_id", "before", "with_others")
ID_MAX: Final = 180


def add_disclosure_form(router: APIRouter, served: Served) -> None:
    """The address that the form is sent to."""
    needs = (AUDIT, PROOF_NOUN.area)
    add_form(router, served, PageForm(PAGE.path, PAGE, _given, lambda _: needs, reasoned=True, shows=(*FIELDS, "reason")))


def _given(call: FormCall) -> FormDone:
    if call.caller.program_id is not None:  # a proof is of the whole installation
        raise WholeInstallation(program=call.caller.program_id)
    filled, wiring = call.of(*FIELDS), call.served.wiring
    proof_id = valid_id(call.request.path_params["id"], PROOF_NOUN.prefix, "id")
    payee, before = filled["payee_id"], filled["before"] or "0"
    if not 1 <= len(payee) <= ID_MAX:
        raise InvalidInput("payee_id", f"1 to {ID_MAX} characters")
    if not (before.isascii() and before.isdigit() and int(before[:3]) <= PREVIOUS_MAX and len(before) <= 2):
        raise InvalidInput("before", f"a number from 0 to {PREVIOUS_MAX}", got=before[:20])
    with call.served.database.transaction(read_only=True) as conn:
        previous = proofs_before(conn, proof_id, int(before))
        asked = DisclosureAsked(proof_id, payee, filled["program_id"] or None, previous, filled["with_others"] == "yes")
        packages = packages_for(conn, wiring.proof_folder, asked)
    made, given = disclose_stored(packages, asked)
    told = disclosure_told(asked, made, given)

    def work(conn: Connection[Any]) -> dict[str, str]:
        call.record(conn, "proof.disclose", proof_id, told, reason=call.reason or None)
        concern = counted(made.entries, "entry of the period concerns", "entries of the period concern")
        said = f"{concern} {payee}, in a file of {len(given):,} bytes."
        said += f"\n{made.of_before:,} of before show whose payouts ended in it." if made.of_before else ""
        said += f"\n{made.left_out:,} more name other payees, too, and are left out: the file says so." if made.left_out else ""
        return {"preview": said}

    shown: dict[str, str] = call.done_once("proof.disclose", {"proof": proof_id, **filled}, work).get()
    return FormDone(file=GivenFile(disclosure_name(asked), given)) if call.confirmed else FormDone(shown)
