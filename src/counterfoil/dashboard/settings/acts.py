"""What may be done with people, keys and limits, declared once: their pages offer it, and the form of each is sent to its own address."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.api.http.names import camel
from counterfoil.base.ids import MakeId
from counterfoil.base.money import Asset, parse_major
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.books import known_assets
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import ROLES, SECRET_BYTES, Caller, create_key, new_secret, revoke_key
from counterfoil.operations.access.oidc.attempts import link_subject, unlink_subject
from counterfoil.operations.access.principals import end_principal, find_principal, valid_name
from counterfoil.operations.access.sessions import end_other_sessions
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.verbs import Field
from counterfoil.payouts.batches.policies import COOLING_HOURS, Tier, set_policy


class ActCall(NamedTuple):
    """An act as somebody asks for it. `taken`: its fields by name; `entropy`: so many random bytes; `scopes`: every one that
    a key may have."""

    conn: Connection[Any]
    subject_id: str
    by: Caller
    now: datetime
    make_id: MakeId
    entropy: Callable[[int], bytes]
    reason: str
    taken: Mapping[str, Any]
    scopes: frozenset[str]


class ActDone(NamedTuple):
    """What came of it: of which thing, what is said, and what is told once and kept nowhere."""

    subject_id: str
    told: str
    secret: str | None = None


@dataclass(frozen=True)
class SettingAct:
    """Something that an administrator does. `action`: its name in the action log, as that of its route. `two`: what two people agree on;
    without it one does it. `happened`: what it is among the events of access; `area`: as in a scope. `of_service`: may it be done with a
    service?"""

    name: str
    action: str
    label: str
    effect: str
    do: Callable[[ActCall], ActDone]
    takes: tuple[Field, ...] = ()
    two: Callable[[ActCall], ProposedVerb] | None = None
    happened: str = ""
    area: str = "people"
    of_service: bool = False


def _add_person(one: ActCall) -> ActDone:
    random = one.entropy(SECRET_BYTES)
    made, once = logins.add_person(
        one.conn,
        one.make_id("prn"),
        random,
        name=one.taken["name"],
        by=one.by.actor,
        now=one.now,
        program_id=one.taken["program_id"],
    )
    return ActDone(made.id, f"{made.name} is added, without a role: they see nothing until two administrators grant one.", once)


def _grant(one: ActCall) -> ActDone:
    role, program_id = one.taken["role"], one.taken["program_id"]
    logins.grant_role(one.conn, one.make_id("grant"), one.subject_id, role, by=one.by.actor, now=one.now, program_id=program_id)
    return ActDone(one.subject_id, f"{_name(one)} is {role} from now on{_where(program_id)}.")


def _revoke_role(one: ActCall) -> ActDone:
    role, program_id = one.taken["role"], one.taken["program_id"]
    logins.revoke_role(one.conn, one.subject_id, role, by=one.by.actor, now=one.now, program_id=program_id)
    return ActDone(one.subject_id, f"{_name(one)} is not {role} any more{_where(program_id)}, from now on.")


def _where(program_id: str | None) -> str:
    return f", in {program_id} only" if program_id else ""


def _end_logins(one: ActCall) -> ActDone:
    ended = end_other_sessions(one.conn, one.subject_id, but=None, now=one.now)
    return ActDone(one.subject_id, f"{ended:,} sessions of {_name(one)} end. They may log in again.")


def _reset(one: ActCall) -> ActDone:
    once = logins.reset_person(one.conn, one.subject_id, one.entropy(SECRET_BYTES), now=one.now)
    told = f"Password, second factor and sessions of {_name(one)} end; with the one-time secret they begin anew within 72 hours."
    return ActDone(one.subject_id, told, once)


def _end(one: ActCall) -> ActDone:
    end_principal(one.conn, one.subject_id, now=one.now)
    return ActDone(one.subject_id, f"None of the keys, logins and passwords of {_name(one)} opens anything from now on.")


def _link(one: ActCall) -> ActDone:
    at = {"issuer": one.taken["issuer"], "subject": one.taken["subject"]}
    link_subject(one.conn, one.make_id("lnk"), one.subject_id, **at, by=one.by.actor, now=one.now)
    return ActDone(one.subject_id, f"Whoever is {at['subject']} at {at['issuer']} logs in as {_name(one)} from now on.")


def _unlink(one: ActCall) -> ActDone:
    unlink_subject(one.conn, one.taken["link"], one.subject_id, now=one.now)
    end_other_sessions(one.conn, one.subject_id, but=None, now=one.now)
    return ActDone(one.subject_id, f"{_name(one)} logs in by it no more, and every login of theirs ends.")


def _name(one: ActCall) -> str:
    return find_principal(one.conn, one.subject_id).name


def _of_person(verb: str, *fields: str) -> Callable[[ActCall], ProposedVerb]:
    def said(one: ActCall) -> ProposedVerb:
        payload = {camel(name): one.taken[name] for name in fields}
        return ProposedVerb("principal", verb, one.subject_id, payload, one.taken.get("program_id"))

    return said


def _make_key(one: ActCall) -> ActDone:
    taken = one.taken
    if taken["expires_at"] is not None and taken["expires_at"] <= one.now:
        raise InvalidInput("expires_at", "later than now", got=taken["expires_at"].isoformat())
    secret = new_secret(one.entropy(SECRET_BYTES), live=taken["live"] == "yes")
    made = create_key(
        one.conn,
        one.make_id("key"),
        secret,
        name=taken["name"],
        role=taken["role"],
        by=one.by.actor,
        now=one.now,
        expires_at=taken["expires_at"],
        principal_id=taken["principal_id"],
        program_id=taken["program_id"],
        scopes=_scopes(one),
    )
    return ActDone(made.id, f"The key {made.name} opens what the role {made.role} may.", secret)


def _scopes(one: ActCall) -> list[str] | None:
    """What of its role the key has, sorted; None for all of it. Raises InvalidInput for a scope that there is not."""
    given = sorted(set((one.taken["scopes"] or "").split()))
    if unknown := [scope for scope in given if scope not in one.scopes]:
        near = get_close_matches(unknown[0], sorted(one.scopes), n=5, cutoff=0)
        raise InvalidInput("scopes", f"scopes of the reference of the API, such as {', '.join(near)}", got=unknown[0][:80])
    return given or None


def _key_said(one: ActCall) -> ProposedVerb:
    """As the route says it, so that who proposed it there may go on here."""
    taken, name = one.taken, valid_name(one.taken["name"])
    owner = find_principal(one.conn, taken["principal_id"]) if taken["principal_id"] else None
    program_id = (owner.program_id if owner else None) or taken["program_id"]
    expires_at = taken["expires_at"]
    payload = {
        "name": name,
        "role": taken["role"],
        "expiresAt": expires_at.isoformat().replace("+00:00", "Z") if expires_at else None,
        "principalId": taken["principal_id"],
        "programId": program_id,
        "scopes": _scopes(one),
        "live": taken["live"] == "yes",
    }
    return ProposedVerb("api_key", "create", f"key:{name}", payload, program_id)


def _revoke_key(one: ActCall) -> ActDone:
    revoke_key(one.conn, one.taken["key_id"], now=one.now)
    return ActDone(one.taken["key_id"], "The key opens nothing any more, here at once and within two seconds everywhere.")


def _policy(one: ActCall) -> ActDone:
    taken = one.taken
    show_program(one.conn, taken["program_id"])
    least, tiers = _policy_amounts(one)
    set_policy(
        one.conn,
        taken["program_id"],
        taken["asset"],
        by_rule_max=least,
        tiers=tiers,
        cooling_hours=_hours(taken["cooling_hours"]),
        reason=one.reason,
        actor=one.by.actor,
        now=one.now,
    )
    told = f"The policy of {taken['program_id']} in {taken['asset']} holds from now on; payouts that wait are judged anew."
    return ActDone(taken["program_id"], told)


def _policy_amounts(one: ActCall) -> tuple[int, list[Tier]]:
    """What is paid by rule, and the tiers, in minor units. Raises InvalidInput."""
    asset = known_assets(one.conn).get(one.taken["asset"])
    if asset is None:
        raise InvalidInput("asset", "an asset that there is", got=one.taken["asset"][:40])
    return parse_major(one.taken["by_rule"], asset, "by_rule"), [_tier(each, asset) for each in (one.taken["tiers"] or "").split()]


def _tier(given: str, asset: Asset) -> Tier:
    above, mark, people = given.partition("=")
    if not mark or not (people.isascii() and people.isdigit()) or len(people) > 2:
        raise InvalidInput("tiers", "an amount, = and a number of people, such as 10000.00=2", got=given[:40])
    return Tier(parse_major(above, asset, "tiers"), int(people))


def _hours(given: str | None) -> int:
    if not given:
        return COOLING_HOURS
    if not (given.isascii() and given.isdigit()) or len(given) > 5:
        raise InvalidInput("cooling_hours", "a number of hours", got=given[:40])
    return int(given)


def _policy_said(one: ActCall) -> ProposedVerb:
    least, tiers = _policy_amounts(one)
    payload = {
        "byRuleMax": str(least),
        "coolingHours": _hours(one.taken["cooling_hours"]),
        "tiers": [{"above": str(each.above), "approvers": each.approvers} for each in tiers],
    }
    program_id = one.taken["program_id"]
    return ProposedVerb("payout_policy", "set", f"{program_id}:{one.taken['asset']}", payload, program_id)


ROLE: Final = Field("role", "What they may do; nobody holds two that exclude each other.", "choice", choices=tuple(ROLES))
HELD: Final = Field("role", "Which of those that they hold.", "choice", choices=tuple(ROLES))
IN_PROGRAM: Final = Field("program_id", "In this program only; in every one that they see, if empty.", required=False)
PROGRAM: Final = Field("program_id", "They see this program only; every one, if empty.", required=False)
ADD_PERSON: Final = SettingAct(
    "add",
    "person.add",
    "Add a person",
    "Without a role they see nothing. They choose their password with a one-time secret, which is shown once, here.",
    _add_person,
    (Field("name", "As every record will name them.", example="mira"), PROGRAM),
)
PERSON_ACTS: Final = (
    SettingAct(
        "grant",
        "person.grant",
        "Grant a role",
        "They may do what the role allows.",
        _grant,
        (ROLE, IN_PROGRAM),
        _of_person("grant", "role", "program_id"),
    ),
    SettingAct(
        "revoke-role", "person.revoke", "Revoke a role", "It ends at once. The last administrator stays.", _revoke_role, (HELD, IN_PROGRAM)
    ),
    SettingAct("end-logins", "person.end_logins", "End their sessions", "All of them, now; they may log in again.", _end_logins),
    SettingAct(
        "reset",
        "person.reset",
        "Reset their login",
        "For who lost their password or second factor: both end, and a one-time secret, shown once, lets them begin anew. Whoever has the "
        "secret is that person.",
        _reset,
        (),
        _of_person("reset"),
        "password_reset",
    ),
    SettingAct(
        "link",
        "person.link_subject",
        "Link a login of the provider",
        "Whoever is this subject at the provider that people log in by logs in as this person.",
        _link,
        (Field("issuer", "The provider's address.", example="https://login.example"), Field("subject", "As the provider names them.")),
        _of_person("link", "issuer", "subject"),
    ),
    SettingAct(
        "unlink",
        "person.unlink_subject",
        "Unlink a login of the provider",
        "They log in by it no more, and every login of theirs ends.",
        _unlink,
        (Field("link", "Which one, by its id.", example="lnk_01K…"),),
    ),
    SettingAct(
        "end",
        "person.end",
        "End for good",
        "None of the keys, logins and passwords opens anything from now on. The last administrator stays.",
        _end,
        of_service=True,
    ),
)
MAKE_KEY: Final = SettingAct(
    "make",
    "key.create",
    "Make an API key",
    "Its secret is shown once, here, to whoever proposed it, when another administrator has approved it.",
    _make_key,
    (
        Field("name", "What it is for.", example="billing service"),
        Field("role", "What it may do. A key never approves.", "choice", choices=tuple(ROLES)),
        Field("principal_id", "Whose it is, by id; a new service of this name, if empty.", required=False, example="prn_01K…"),
        Field("program_id", "It sees this program only; every one, if empty.", required=False),
        Field("scopes", "What of its role it may, with spaces between; all of it, if empty.", required=False, example="payouts:read"),
        Field("expires_at", "When it ends; never, if empty.", "moment", required=False),
        Field("live", "Does it begin with cf_live_? A key of a test installation begins with cf_test_.", "choice", choices=("yes", "no")),
    ),
    _key_said,
    area="keys",
)
REVOKE_KEY: Final = SettingAct(
    "revoke",
    "key.revoke",
    "Revoke an API key",
    "It ends at once, and every session that was opened with it.",
    _revoke_key,
    (Field("key_id", "Which one, by its id.", example="key_01K…"),),
    area="keys",
)
SET_POLICY: Final = SettingAct(
    "policy",
    "payout_policy.set",
    "Set a payout policy",
    "What of a program's payouts in an asset is paid by rule, and how many people approve the rest. Payouts that wait are judged anew.",
    _policy,
    (
        Field("program_id", "Of this program."),
        Field("asset", "In this asset."),
        Field("by_rule", "Paid by rule up to this amount; 0 for nothing.", example="10000.00"),
        Field("tiers", "Above which amount how many people approve, with spaces between.", required=False, example="0.00=1 50000.00=2"),
        Field("cooling_hours", f"For how long a destination is new; {COOLING_HOURS}, if empty.", required=False, example="72"),
    ),
    _policy_said,
    area="batches",
)
