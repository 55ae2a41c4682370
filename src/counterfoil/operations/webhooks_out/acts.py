"""Making an endpoint, and giving it a new secret. The secret is told once, to whoever asked for it."""

from __future__ import annotations

from typing import Final, get_args

from counterfoil.base.formats.counting import counted
from counterfoil.base.text import EMAIL_MAX
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.events.events import Level
from counterfoil.operations.verbs import Field
from counterfoil.operations.webhooks_out.addresses import URL_MAX
from counterfoil.operations.webhooks_out.endpoints import ABOUT_MAX, NAMES_MAX, OVERLAP_DAYS_MAX, create_endpoint, rotate_secret
from counterfoil.operations.webhooks_out.signing import ENTROPY_BYTES, new_pair

OVERLAP_DAYS: Final = 1


def _create(one: ActCall) -> ActDone:
    taken, pair = one.taken, new_pair(one.entropy(ENTROPY_BYTES))
    made = create_endpoint(
        one.conn,
        one.make_id("whe"),
        pair,
        url=taken["url"],
        program_id=taken["program_id"],
        events=taken["events"] or (),
        min_level=taken["min_level"],
        owner_email=taken["owner_email"],
        about=taken["about"],
        networks=one.networks,
        make_id=one.make_id,
        actor=one.by.actor,
        now=one.now,
    )
    told = f"{made.url} is a draft, to which nothing goes until two administrators enable it. Its public key is {made.public_key}."
    return ActDone(made.id, told, pair.secret, made)


def _rotate(one: ActCall) -> ActDone:
    pair, days = new_pair(one.entropy(ENTROPY_BYTES)), one.taken["overlap_days"]
    made = rotate_secret(one.conn, one.subject_id, one.make_id("whs"), pair, overlap_days=days, actor=one.by.actor, now=one.now)
    also = f"; for {counted(days, 'day')} the secret of before signs, too" if days else "; the secret of before signs nothing any more"
    told = f"{made.url} is told under a new secret from now on{also}. Its public key is {made.public_key}."
    return ActDone(made.id, told, pair.secret, made)


CREATE_ENDPOINT: Final = Act(
    "endpoint.create",
    "create",
    "Create an endpoint",
    "A draft, to which nothing goes until two administrators enabled it. Its secret is shown once, then. None of this can be changed: make "
    "another, and remove this one.",
    "/endpoints",
    _create,
    (
        Field("url", "Where a partner is to be told of what happens here.", example="https://partner.example/hooks", length_max=URL_MAX),
        Field("program_id", "Of this program only; of every one, if empty.", "program", required=False),
        Field("events", "Names of events; every one, if empty.", "words", required=False, example="payout_failed", most=NAMES_MAX),
        Field("min_level", "Of this level or a graver one.", "choice", choices=get_args(Level), default="info"),
        Field("owner_email", "Who mends it.", example="hooks@partner.example", length_max=EMAIL_MAX),
        Field("about", "What it is for.", required=False, default="", length_max=ABOUT_MAX),
    ),
    keyed=True,
    area="endpoints",
    whole=False,
)
ROTATE_SECRET: Final = Act(
    "endpoint.rotate",
    "rotate",
    "Give an endpoint a new secret",
    "The secret is shown once, to whoever proposed it, when another administrator has approved it and it is asked for again.",
    "/endpoints/{id}/rotate",
    _rotate,
    (
        Field(
            "overlap_days",
            "For so many days the secret of before signs, too.",
            "number",
            required=False,
            default=OVERLAP_DAYS,
            example=str(OVERLAP_DAYS),
            least=0,
            most=OVERLAP_DAYS_MAX,
        ),
    ),
    Field("id", "The endpoint.", "id", prefix="whe"),
    ByTwo("endpoint", "rotate", "{id}"),
    keyed=True,
    area="endpoints",
    whole=False,
)
PAIRED: Final = paired_of((ROTATE_SECRET,))
