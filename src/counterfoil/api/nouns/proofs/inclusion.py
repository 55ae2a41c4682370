"""That a journal, or what was posted for a payout, is in the log: a file that verifies alone."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel
from counterfoil.operations.access.access import READ
from counterfoil.proofs.inclusion.making import inclusion_file
from counterfoil.proofs.inclusion.stating import JOURNAL, PAYOUT

router = routes("Audit")


class IncludedView(ViewModel):
    """An entry of the log."""

    place: int = Field(description="In the log.")
    record: str = Field(description="Its entry, in the exact bytes that are hashed.")
    proof: str = Field(description="A C2SP tlog-proof: it leads from the entry to a signed checkpoint.")


class InclusionView(ViewModel):
    """A file that `counterfoil proof verify` and `verify.py` verify as it is, with nothing but keys that somebody trusts."""

    format: str
    kind: str = Field(description="journal or payout.")
    id: str
    log: list[dict[str, Any]] = Field(description="The keys of the log, as a file of keys tells them, for whoever has an older one.")
    entries: list[IncludedView] = Field(description="In the order of the log. All proofs lead to the same checkpoint.")


@router.get(
    "/journals/{journal_id}/inclusion",
    response_model=InclusionView,
    operation_id="journal_inclusion_show",
    summary="Show that a journal is in the log",
)
def of_journal(journal_id: UUID, call: Annotated[ApiCall, may(READ)]) -> Response:
    """Against the latest checkpoint. A journal that was just posted is in the next one, within a minute or two."""
    return _shown(call, JOURNAL, str(journal_id))


@router.get(
    "/payouts/{payout_id}/inclusion",
    response_model=InclusionView,
    operation_id="payout_inclusion_show",
    summary="Show that a payout is in the log",
)
def of_payout(payout_id: Annotated[str, id_in_path("po")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """Every journal that was posted for it or for an attempt at it, against the latest checkpoint; all of them, or none yet."""
    return _shown(call, PAYOUT, payout_id)


def _shown(call: ApiCall, kind: str, subject_id: str) -> Response:
    with call.reading() as conn:
        made = inclusion_file(conn, kind, subject_id)
    return Response(made.written(), media_type="application/json")  # in its exact bytes
