"""What administrators do with people, services and keys. Whatever gives somebody power takes two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import AUDIT, ROLES, SECRET_BYTES, create_key, new_secret, revoke_key
from counterfoil.operations.access.administering.enough import can_log_in, lost_by
from counterfoil.operations.access.administering.second import stop_second
from counterfoil.operations.access.oidc.attempts import link_subject, unlink_subject
from counterfoil.operations.access.principals import NAME_MAX, end_principal, find_principal, valid_name
from counterfoil.operations.access.rotation import DAY, OVERLAP, rotate_key
from counterfoil.operations.access.scopes import SCOPE, SCOPES_MAX, SHOWN_MAX
from counterfoil.operations.access.sessions import end_other_sessions
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.verbs import Field

ISSUER_MAX: Final = 255
WHO: Final = Field("principal_id", "The person or service: their name, or their id, prn_….", "id", prefix="prn", bare=True, short="who")
ROLE: Final = Field("role", "What they may do; nobody holds two that exclude each other.", "choice", choices=tuple(ROLES))
HELD: Final = Field("role", "Which of those that they hold.", "choice", choices=tuple(ROLES))
IN_PROGRAM: Final = Field(
    "program_id", "In this program only; in every one that they see, if empty.", "program", required=False, short="program"
)
KEY: Final = Field("key_id", "The key's id, key_….", "id", prefix="key", bare=True)
LIVE: Final = Field(
    "live", "Does it begin with cf_live_? One of a test installation begins with cf_test_.", "flag", default=True, short="test"
)
SEES: Final = Field("program_id", "They see this program only; every one, if empty.", "program", required=False, short="program")


def _name(one: ActCall) -> str:
    return find_principal(one.conn, one.subject_id).name


def _where(program_id: str | None) -> str:
    return f", in {program_id} only" if program_id else ""


def _lost(one: ActCall, act: Callable[[], None]) -> str:
    return lost_by(one.conn, act, issuer=one.login_issuer, now=one.now)


def _add(one: ActCall) -> ActDone:
    made, once = logins.add_person(
        one.conn,
        one.make_id("prn"),
        one.entropy(SECRET_BYTES),
        name=one.taken["name"],
        by=one.by.actor,
        now=one.now,
        program_id=one.taken["program_id"],
    )
    return ActDone(made.id, f"{made.name} is added, without a role: they see nothing until two administrators grant one.", once, made)


def _grant(one: ActCall) -> ActDone:
    role, program_id = one.taken["role"], one.taken["program_id"]
    logins.grant_role(one.conn, one.make_id("grant"), one.subject_id, role, by=one.by.actor, now=one.now, program_id=program_id)
    return ActDone(one.subject_id, f"{_name(one)} is {role} from now on{_where(program_id)}.")


def _revoke(one: ActCall) -> ActDone:
    role, program_id = one.taken["role"], one.taken["program_id"]

    def revoke() -> None:
        logins.revoke_role(one.conn, one.subject_id, role, by=one.by.actor, now=one.now, program_id=program_id)

    lost = _lost(one, revoke)
    return ActDone(one.subject_id, f"{_name(one)} is not {role} any more{_where(program_id)}, from now on.{lost}")


def _end_logins(one: ActCall) -> ActDone:
    name = _name(one)
    ended = end_other_sessions(one.conn, one.subject_id, but=None, now=one.now)
    told = counted(ended, f"session of {name} ends", f"sessions of {name} end")
    again = can_log_in(one.conn, one.subject_id, issuer=one.login_issuer, now=one.now)
    ways = "They may log in again." if again else "They have no way to log in again until their login is reset."
    return ActDone(one.subject_id, f"{told}. {ways}", made=ended)


def _reset(one: ActCall) -> ActDone:
    once = logins.reset_person(one.conn, one.subject_id, one.entropy(SECRET_BYTES), now=one.now)
    told = f"Password, second factor and sessions of {_name(one)} end; with the one-time secret they begin anew within 72 hours."
    return ActDone(one.subject_id, told, once)


def _end(one: ActCall) -> ActDone:
    lost = _lost(one, lambda: end_principal(one.conn, one.subject_id, now=one.now))
    return ActDone(one.subject_id, f"None of the keys, logins and passwords of {_name(one)} opens anything from now on.{lost}")


def _link(one: ActCall) -> ActDone:
    at = {"issuer": one.taken["issuer"], "subject": one.taken["subject"]}
    made = link_subject(one.conn, one.make_id("lnk"), one.subject_id, **at, by=one.by.actor, now=one.now)
    return ActDone(made.id, f"Whoever is {at['subject']} at {at['issuer']} logs in as {_name(one)} from now on.", made=made)


def _unlink(one: ActCall) -> ActDone:
    def unlink() -> None:
        unlink_subject(one.conn, one.taken["link_id"], one.subject_id, now=one.now)
        end_other_sessions(one.conn, one.subject_id, but=None, now=one.now)

    lost = _lost(one, unlink)
    return ActDone(one.subject_id, f"{_name(one)} logs in by it no more, and every login of theirs ends.{lost}")


def _stop_second(one: ActCall) -> ActDone:
    made = stop_second(one.conn, one.taken["announced_id"], reason=one.reason, by=one.by.actor, now=one.now)
    return ActDone(made.id, f"{made.name} does not become an administrator by it. All are told.", made=made)


def _key_settled(one: ActCall) -> Mapping[str, Any]:
    """The name as it is kept, the scopes each once, and the program that it will see: that of its person or service, if they see one."""
    taken = one.taken
    if taken["expires_at"] is not None and taken["expires_at"] <= one.now:
        raise InvalidInput("expiresAt", "later than now", got=taken["expires_at"].isoformat())
    scopes = sorted(set(taken["scopes"] or ()))
    if unknown := [scope for scope in scopes if scope not in one.scopes]:
        near = get_close_matches(unknown[0], sorted(one.scopes), n=5, cutoff=0)
        raise InvalidInput("scopes", f"scopes of the reference of the API, such as {', '.join(near)}", got=unknown[0][:SHOWN_MAX])
    owner = find_principal(one.conn, taken["principal_id"]) if taken["principal_id"] else None
    program_id = (owner.program_id if owner else None) or taken["program_id"]
    return {**taken, "name": valid_name(taken["name"]), "scopes": scopes or None, "program_id": program_id}


def _create_key(one: ActCall) -> ActDone:
    taken = dict(one.taken)
    secret = new_secret(one.entropy(SECRET_BYTES), live=taken.pop("live"))
    made = create_key(one.conn, one.make_id("key"), secret, **taken, by=one.by.actor, now=one.now)
    return ActDone(made.id, f"The key {made.name} opens what the role {made.role} may.", secret, made)


def _rotate_key(one: ActCall) -> ActDone:
    taken, secret = one.taken, new_secret(one.entropy(SECRET_BYTES), live=one.taken["live"])
    how = {"overlap": taken["overlap"], "by": one.by.actor, "now": one.now}
    made = rotate_key(one.conn, one.make_id("ksec"), taken["key_id"], secret, **how)
    told = f"The key {made.name} opens by its new secret; that of before opens nothing from {made.before_until:%Y-%m-%d %H:%M} UTC on."
    return ActDone(made.id, told, secret, made)


def _revoke_key(one: ActCall) -> ActDone:
    names = list[str]()
    lost = _lost(one, lambda: names.append(revoke_key(one.conn, one.taken["key_id"], now=one.now)))
    return ActDone(one.taken["key_id"], f"The key {names[0]} opens nothing any more, here at once and within two seconds everywhere.{lost}")


ADD_PERSON: Final = Act(
    "person.add",
    "add",
    "Add a person",
    "Without a role they see nothing. They choose their password with a one-time secret, which is shown once, now; a name that looks like "
    "somebody else's is refused.",
    "/people",
    _add,
    (Field("name", "As every record will name them.", example="mira", bare=True, length_max=NAME_MAX), SEES),
    keyed=True,
)
GRANT_ROLE: Final = Act(
    "person.grant",
    "grant",
    "Grant a role",
    "They may do what the role allows. Roles that nobody holds together, such as operator and approver, are refused.",
    "/people/{principal_id}/roles",
    _grant,
    (ROLE, IN_PROGRAM),
    WHO,
    ByTwo("principal", "grant", "{principal_id}"),
)
REVOKE_ROLE: Final = Act(
    "person.revoke",
    "revoke",
    "Revoke a role",
    "It ends at once. The last administrator stays.",
    "/people/{principal_id}/roles/revoke",
    _revoke,
    (HELD, IN_PROGRAM),
    WHO,
)
END_LOGINS: Final = Act(
    "person.end_logins",
    "end-logins",
    "End a person's sessions",
    "All of them, now; they may log in again.",
    "/people/{principal_id}/logins/end",
    _end_logins,
    subject=WHO,
)
RESET_LOGIN: Final = Act(
    "person.reset",
    "reset",
    "Reset a person's login",
    "For who lost their password or second factor: both end, with every session of theirs, and a one-time secret, shown once, lets them "
    "begin anew. Whoever has the secret is that person.",
    "/people/{principal_id}/reset",
    _reset,
    subject=WHO,
    two=ByTwo("principal", "reset", "{principal_id}"),
    happened="password_reset",
)
LINK_LOGIN: Final = Act(
    "person.link_subject",
    "link",
    "Link a login of the provider",
    "Whoever is this subject at the provider that people log in by logs in as this person.",
    "/people/{principal_id}/subjects",
    _link,
    (
        Field(
            "issuer",
            "The provider's address, as it names itself.",
            example="https://login.example",
            length_max=ISSUER_MAX,
            pattern="^https?://",
        ),
        Field("subject", "Who they are there: the sub of their tokens.", example="248289761001", length_max=ISSUER_MAX),
    ),
    WHO,
    ByTwo("principal", "link", "{principal_id}"),
)
UNLINK_LOGIN: Final = Act(
    "person.unlink_subject",
    "unlink",
    "Unlink a login of the provider",
    "They log in by it no more, and every login of theirs ends.",
    "/people/{principal_id}/subjects/{link_id}/end",
    _unlink,
    (Field("link_id", "The link's id, lnk_….", "id", prefix="lnk", bare=True),),
    WHO,
)
END_PRINCIPAL: Final = Act(
    "person.end",
    "end",
    "End a person or a service",
    "For good: none of their keys, logins and passwords opens anything from now on. The last administrator stays.",
    "/people/{principal_id}/end",
    _end,
    subject=WHO,
)
STOP_SECOND: Final = Act(
    "person.stop_second",
    "stop-second",
    "Stop a second administrator",
    "Whoever was announced at the server's machine does not become an administrator by it.",
    "/people/seconds/{announced_id}/stop",
    _stop_second,
    (Field("announced_id", "The announcement's id, adm_….", "id", prefix="adm", bare=True),),
    permission=AUDIT,
)
CREATE_KEY: Final = Act(
    "key.create",
    "create",
    "Create an API key",
    "Its secret is shown once, to whoever proposed it, when another administrator has approved it, and kept nowhere.",
    "/keys",
    _create_key,
    (
        Field(
            "name",
            "What it is for; it stands in every record of what the key does.",
            example="billing service",
            bare=True,
            length_max=NAME_MAX,
        ),
        Field("role", "What it may do. A key never approves.", "choice", choices=tuple(ROLES), example="operator"),
        Field("expires_at", "When it ends, such as 2027-01-01T00:00:00Z; never, if empty.", "moment", required=False),
        Field(
            "principal_id",
            "Whose it is; a new service of this name, if empty.",
            "id",
            required=False,
            prefix="prn",
            short="principal",
        ),
        Field("program_id", "It sees this program only; every one, if empty.", "program", required=False, short="program"),
        Field(
            "scopes",
            "What of its role it may: a scope of the reference of the API, or pages:read for the pages; all of it, if empty.",
            "words",
            required=False,
            example="payouts:read",
            short="scope",
            most=SCOPES_MAX,
            length_max=SHOWN_MAX,
            pattern=f"^{SCOPE}$",
        ),
        LIVE,
    ),
    two=ByTwo("api_key", "create", "key:{name}"),
    settle=_key_settled,
    because="a key for {name}",
    keyed=True,
    area="keys",
)
ROTATE_KEY: Final = Act(
    "key.rotate",
    "rotate",
    "Rotate an API key",
    "It opens by a new secret, which is shown once, to whoever proposed it, when another administrator has approved it. The secret of "
    "before opens for a while longer, and so do the sessions that were opened with it.",
    "/keys/{key_id}/rotate",
    _rotate_key,
    (
        KEY,
        Field(
            "overlap",
            "How many hours the secret of before still opens, up to 168h; 0h ends it at once, such as after it was seen.",
            required=False,
            example=DAY,
            default=DAY,
            length_max=4,
            pattern=OVERLAP,
        ),
        LIVE,
    ),
    two=ByTwo("api_key", "rotate", "{key_id}"),
    keyed=True,
    area="keys",
)
REVOKE_KEY: Final = Act(
    "key.revoke",
    "revoke",
    "Revoke an API key",
    "It ends here at once and within two seconds on every other server, and so does every session that was opened with it.",
    "/keys/{key_id}/revoke",
    _revoke_key,
    (KEY,),
    area="keys",
)
PERSON_ACTS: Final = (GRANT_ROLE, REVOKE_ROLE, END_LOGINS, RESET_LOGIN, LINK_LOGIN, UNLINK_LOGIN, END_PRINCIPAL)
KEY_ACTS: Final = (CREATE_KEY, ROTATE_KEY, REVOKE_KEY)
PAIRED: Final = paired_of((ADD_PERSON, *PERSON_ACTS, *KEY_ACTS))
