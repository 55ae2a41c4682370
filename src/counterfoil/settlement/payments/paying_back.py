"""Money that goes back to customers is paid outside of the product: it is noted through whom, and under which reference of theirs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import reference_of
from counterfoil.operations.verbs import Field, VerbCall, VerbResult

BANK: Final = "bank"  # instead of a provider: a transfer from the client money account


def paid_by(example: str) -> tuple[Field, Field]:
    """What is said of it: the provider, such as this one, and the reference."""
    return (
        Field("provider", "The provider that paid it, or bank for a transfer from the client money account.", example=example),
        Field("reference", "The provider's or the bank's own reference of the payment.", example="re_1042"),
    )


def new_reference(conn: Connection[Any], provider: str, reference: str, known: set[str]) -> str:
    """The reference as it is kept; nothing else was paid under it, and it is locked from here on.

    Raises InvalidInput, for a provider that is neither of `known` nor the bank, too.
    """
    if provider not in known | {BANK}:
        raise InvalidInput("provider", f"one of {', '.join(sorted(known | {BANK}))}", got=provider[:40])
    reference = reference_of(reference)
    if conn.execute("select reference_paid(%s, %s)", [provider, reference]).fetchone() != (False,):
        raise InvalidInput("reference", "one that nothing else was paid by", got=reference[:40])
    return reference


def account_of(provider: str) -> str:
    """Where the money was that went back."""
    return "cash:bank:client" if provider == BANK else f"clearing:{provider}"


def noting(paid: Callable[..., str]) -> Callable[[VerbCall], VerbResult]:
    """The verb that notes it, by what writes it down and answers the state after it."""

    def note(one: VerbCall) -> VerbResult:
        given = {name: one.taken[name] for name in ("provider", "reference", "paid_at") if one.taken.get(name) is not None}
        return VerbResult(paid(one.conn, one.subject_id, **given, known=set(one.providers), actor=one.actor, now=one.now))

    return note
