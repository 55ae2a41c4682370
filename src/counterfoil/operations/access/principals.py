"""Principals: the persons and services that act. Each has an id, for which it stands in every decision, and a name like no other's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.database import name_refusals
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.base.rows import row_by_id
from counterfoil.operations.noun_pages import PlainList, SortKey

NAME_MAX: Final = 80
PrincipalKind = Literal["person", "service"]
# Letters that a tired eye takes for others: capitals before they are folded, small letters of other scripts, digits, strokes.
_CAPITALS: Final = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕЅІЈКМНОРСТУХӀԌԚԜ", "ABEZHIKMNOPTYXABESIJKMHOPCTYXIGQW")
_SMALL: Final = str.maketrans("αγινορυχаеосрухѕіјһԁԛԝӏ01iı|!ß", "ayivopuxaeocpyxsijhdqwlollllls")
_LOOKS: Final = (("rn", "m"), ("vv", "w"))


class NameTaken(Problem):
    """Somebody is called this already, or so similar that people would take one for the other."""

    todo = "Choose a name that differs in more than how letters look; a name stays taken also when what had it was ended."


class LastAdministrator(Problem):
    """Nobody would administer this installation any more."""

    todo = "Make another person an administrator first."


name_refusals(
    codes={"CF352": LastAdministrator},
    constraints={"principal_name_is_taken": NameTaken, "api_key_name_is_taken": NameTaken},
)


class PrincipalEnded(Problem, kind="forbidden"):
    """This person or service was ended: none of its keys and passwords opens anything."""


class Principal(NamedTuple):
    """A person or a service. `program_id`: it sees this program only."""

    id: str
    kind: str
    name: str
    program_id: str | None
    created_by: str
    created_at: datetime
    disabled_at: datetime | None


_COLUMNS: Final = "id, kind, name, program_id, created_by, created_at, disabled_at"


def valid_name(given: str, field: str = "name") -> str:
    """A name as it is kept: NFKC, without spaces around it. Raises InvalidInput."""
    name = unicodedata.normalize("NFKC", given).strip()
    if not 0 < len(name) <= NAME_MAX or not name.isprintable():
        raise InvalidInput(field, f"1 to {NAME_MAX} printable characters")
    return name


def skeleton(name: str) -> str:
    """What a name looks like: two names that look alike have the same."""
    text = unicodedata.normalize("NFKC", name).translate(_CAPITALS).casefold().translate(_SMALL)
    text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    text = re.sub(r"[\s_.\-‐‑–—]+", "-", text.translate(_SMALL))
    for looks, like in _LOOKS:
        text = text.replace(looks, like)
    return text


def create_principal(
    conn: Connection[Any],
    principal_id: str,
    *,
    kind: PrincipalKind,
    name: str,
    by: str,
    now: datetime,
    program_id: str | None = None,
) -> Principal:
    """A new person or service. Raises InvalidInput, and NameTaken also for a name that only looks like another's."""
    if kind not in ("person", "service"):
        raise InvalidInput("kind", "person or service", got=str(kind)[:40])
    made = Principal(principal_id, kind, valid_name(name), program_id, by, now, None)
    row = conn.execute(
        """insert into principal (id, kind, name, program_id, created_by, created_at, skeleton)
           values (%s, %s, %s, %s, %s, %s, %s) on conflict on constraint principal_name_is_taken do nothing returning id""",
        [*made[:6], skeleton(made.name)],
    ).fetchone()
    if row is None:
        raise name_taken(conn, "principal", made.name)
    return made


def name_taken(conn: Connection[Any], holds: Literal["principal", "api_key"], name: str) -> NameTaken:
    """Why nobody, or no key, can have this name: whose it is, or whose it looks like, and since when."""
    known = {
        "principal": "select name, id, created_at, disabled_at from principal where skeleton = %s",
        "api_key": "select name, id, created_at, revoked_at from api_key where skeleton = %s",
    }[holds]
    row = conn.execute(known.encode(), [skeleton(name)]).fetchone()
    if row is None:  # of another program than whoever asks sees
        return NameTaken(name=name)
    ended = None if row[3] is None else row[3].isoformat()
    return NameTaken(name=name, taken=row[0], id=row[1], since=row[2].isoformat(), ended=ended)


def find_principal(conn: Connection[Any], principal_id: str) -> Principal:
    """Raises NotFound."""
    return row_by_id(conn, Principal, "principal", f"select {_COLUMNS} from principal where id = %s", principal_id)


def named_person(conn: Connection[Any], name: str) -> Principal:
    """The person of this name. Raises NotFound."""
    with conn.cursor(row_factory=class_row(Principal)) as cur:
        found = cur.execute(
            f"select {_COLUMNS} from principal where skeleton = %s and name = %s and kind = 'person'",
            [skeleton(name), unicodedata.normalize("NFKC", name).strip()],
        ).fetchone()
    if found is None:
        raise NotFound(what="person", name=name[:NAME_MAX])
    return found


PRINCIPAL_LIST: Final = PlainList(
    "people",
    "prn",
    "principal",
    lambda conn, ids: _principals(conn, ids),
    (SortKey("name", str), SortKey("created_at", datetime), SortKey("kind", str)),
)


def _principals(conn: Connection[Any], ids: Sequence[str]) -> list[Principal]:
    with conn.cursor(row_factory=class_row(Principal)) as cur:
        return cur.execute(f"select {_COLUMNS} from principal where id = any(%s)", [list(ids)]).fetchall()


def end_principal(conn: Connection[Any], principal_id: str, *, now: datetime) -> None:
    """None of its keys, logins and passwords opens anything from now on. Raises NotFound, LastAdministrator."""
    done = conn.execute("update principal set disabled_at = coalesce(disabled_at, %s) where id = %s", [now, principal_id])
    if done.rowcount == 0:
        raise NotFound(what="principal", id=principal_id)
    conn.execute("update session set expires_at = least(expires_at, %s) where principal_id = %s", [now, principal_id])
