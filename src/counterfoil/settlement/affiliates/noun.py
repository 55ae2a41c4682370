"""Affiliates as a noun: routes, commands and forms follow from it. Adding and moving one has a route of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import First, SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Begin, Field, Noun, Part, Verb, VerbCall, VerbResult
from counterfoil.settlement.affiliates.affiliates import (
    AFFILIATE,
    AFFILIATES,
    NAME_MAX,
    Affiliate,
    Placement,
    Referral,
    change_activity,
    list_affiliates,
    placements_of,
    refer,
    referrals_of,
    set_affiliate,
    show_affiliate,
)


def _deactivate(one: VerbCall) -> VerbResult:
    return VerbResult(change_activity(one.conn, one.subject_id, "deactivate", reason=one.reason, actor=one.actor, now=one.now))


def _activate(one: VerbCall) -> VerbResult:
    return VerbResult(change_activity(one.conn, one.subject_id, "activate", reason=one.reason, actor=one.actor, now=one.now))


def _refer(one: VerbCall) -> VerbResult:
    refer(one.conn, one.subject_id, one.taken["customer_id"], actor=one.actor, now=one.now)
    return VerbResult("active")


def _place(one: VerbCall) -> VerbResult:
    taken = one.taken
    given: dict[str, Any] = {"reason": taken["cause"], "make_id": one.make_id, "actor": one.actor, "now": one.now}
    made = set_affiliate(one.conn, taken["program_id"], taken["name"], taken["parent_id"] or None, **given)
    return VerbResult(made.state, made.id, f"It stands on level {made.depth}. To pay its commissions, set a destination for {made.id}.")


VERBS: Final = (
    Verb(
        "refer",
        OPERATE,
        "Note a referral",
        "This customer came through it: what the customer pays from now on earns commissions. A customer stays with the first who "
        "referred it.",
        do=_refer,
        done="Sales to the customer earn commissions for {id} and those above it.",
        reason=False,
        takes=(Field("customer_id", "The customer, as invoices name it.", example="ann"),),
    ),
    Verb(
        "deactivate",
        OPERATE,
        "Deactivate",
        "Of sales from now on its level stays with the platform. What it earned before is still paid.",
        do=_deactivate,
    ),
    Verb("activate", OPERATE, "Activate", "It earns of sales from now on.", do=_activate),
)


def _refusals(conn: Connection[Any], affiliate_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    state = show_affiliate(conn, affiliate_id).state
    inactive = f"it is {state}" if state != "active" else None
    return {"refer": inactive, "deactivate": inactive, "activate": None if inactive else f"it is {state}"}


AFFILIATE_NOUN: Final = Noun(
    "affiliate",
    "affiliates",
    "aff",
    AFFILIATE,
    VERBS,
    show_affiliate,
    _refusals,
    row=Affiliate,
    rows=list_affiliates,
    by_id=AFFILIATES.by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("name", str),
    ),
    help="Who refers customers, and who stands above whom.",
    parts=(Part("placements", Placement, placements_of), Part("referrals", Referral, referrals_of)),
    columns=("id", "name", "parent_id", "depth", "customers", "state"),
    begin=Begin(
        "affiliate.set",
        OPERATE,
        "Add or move an affiliate",
        "One of this name is moved with all that are under it, if it is there already. What was sold before keeps the path of its time.",
        do=_place,
        because="cause",
        takes=(
            Field("program_id", "Of this program."),
            Field("name", "Its name, one of its program.", example="ann", length_max=NAME_MAX),
            Field("parent_id", "Who stands above it; nobody, if empty.", "id", required=False, prefix="aff", example="aff_…"),
            Field("cause", "Why it stands there.", example="it joined through ben"),
        ),
    ),
    first=First("Whoever refers customers is set up once.", "counterfoil affiliates set NAME --reason …"),
    sought=(FoundBy("name", "of this name"),),
)
