"""A provider's statement as a file, in the form in which reconciliation reads it (`statements.simulator_statement`)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Literal, NamedTuple

from counterfoil.statements.simulator_statement import CLOSING, COLUMNS, OPENING

MovementType = Literal["charge", "payout", "payout_failure", "payout_return", "chargeback", "chargeback_won", "refund", "fee", "other"]


class StatementMovement(NamedTuple):
    """One movement of our balance at the provider, in minor units: what came (+) or went (-), and the fee that was taken beside it.

    `reference` is our own, where it carries one; `source` is the provider's id of what moved it.
    """

    id: str
    type: MovementType
    reference: str
    gross: int
    fee: int
    asset: str
    at: datetime
    available_on: date
    status: str
    source: str


def statement_csv(
    movements: Iterable[StatementMovement],
    opening: Mapping[str, int],
    closing: Mapping[str, int],
    *,
    first: date,
    last: date,
) -> bytes:
    """The statement of these days (both included, UTC), with the balances before and after in every asset."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_balance(OPENING, opening, first))
    for one in movements:
        writer.writerow(
            [
                one.id,
                one.type,
                one.reference,
                one.gross,
                one.fee,
                one.gross - one.fee,
                one.asset,
                one.at.astimezone(UTC).isoformat(),
                one.available_on.isoformat(),
                one.status,
                one.source,
            ]
        )
    writer.writerows(_balance(CLOSING, closing, last))
    return text.getvalue().encode()


def _balance(kind: str, balances: Mapping[str, int], on: date) -> list[list[str]]:
    at = datetime(on.year, on.month, on.day, tzinfo=UTC).isoformat()
    return [["", kind, "", "", "", str(minor), asset, at, on.isoformat(), "", ""] for asset, minor in sorted(balances.items())]
