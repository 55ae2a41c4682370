"""Every write from outside carries a key, and a key remembers its request and its answer, refusals included."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection, errors
from psycopg.types.json import Jsonb

from counterfoil.base.database import problem_of
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.problems import InvalidInput, KeyReused, Problem, all_problems

KEY_CHARACTERS_MAX: Final = 255
FORGOTTEN_MAX: Final = 10_000
KEPT_DAYS: Final = 30  # then a key is forgotten; journals, payments and payouts are known by their own keys for ever
_KEY: Final = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{KEY_CHARACTERS_MAX - 2}}}[\x21-\x7e])?", re.ASCII)
_LOCKS: Final = 4_271_003
BEGUN_FOR: Final = timedelta(minutes=15)  # whoever began under a key and has not finished by then died over it
_BEGUN: Final = {"begun": True}
_OURS: Final = "where (scope, key, holder) = (%s, %s, %s) and answer = %s"


class KeyInFlight(Problem):
    """A request with this idempotency key is being worked on right now; ask again in a moment."""


class Answer(NamedTuple):
    """What a key's request led to: a value (JSON), or the problem it was refused with. `replayed`: not for the first time."""

    value: Any
    problem: Problem | None
    replayed: bool

    def get(self) -> Any:
        """The value. Raises the problem. Call it after the transaction has ended, so that a refusal is remembered too."""
        if self.problem is not None:
            raise self.problem
        return self.value


class BegunWork(NamedTuple):
    """A key whose work is ours. `holder` tells us from whoever begins it anew, and never changes: whether the acknowledgement of a commit
    of ours was lost makes no difference to whose it is.
    """

    scope: str
    key: str
    holder: str


def once(
    conn: Connection[Any],
    scope: str,
    key: str,
    request: Mapping[str, Any],
    act: Callable[[], Any],
    *,
    now: datetime,
    same: Sequence[Mapping[str, Any]] = (),
) -> Answer:
    """Run `act` once per `scope` and `key`, in this transaction, and replay its answer to whoever asks the same again.

    What `act` returns must be JSON. A Problem that it raises undoes what it did and is remembered as the answer; being busy is
    not, so it can be tried again. Raises KeyReused when the request differs, KeyInFlight while another transaction works on it,
    InvalidInput for a key that is empty, longer than 255 characters or not printable ASCII. `same` are other forms of this request, by
    which it may be remembered: told by another process, which encrypts with another key.
    """
    mine = request_hash(request)
    found = _found(conn, scope, key, mine, *map(request_hash, same))
    if found is not None:
        return _recalled(found[0])
    answer = _act(conn, act)
    _insert(conn, scope, key, mine, _noted(answer), now)
    return answer


def begin(conn: Connection[Any], scope: str, key: str, request: Mapping[str, Any], *, holder: str, now: datetime) -> BegunWork | Answer:
    """Take a key for work that has transactions of its own: what is begun when it is ours to do, else the answer that it led to before.

    `holder` is a fresh id, of this one attempt. Commit, do it, `renew` while it lasts, then `finish` or, when it could not be done now,
    `give_up`: whoever asks meanwhile is told that it is under way. Work that was neither finished nor renewed for 15 minutes died, and is
    done anew by the next who asks: only what may be repeated is done this way. Raises as `once` does.
    """
    mine = request_hash(request)
    found = _found(conn, scope, key, mine)
    if found is None:
        _insert(conn, scope, key, mine, _BEGUN, now, holder)
        return BegunWork(scope, key, holder)
    if found[0] != _BEGUN:
        return _recalled(found[0])
    if now - found[1] < BEGUN_FOR:
        raise KeyInFlight(key=key)
    # Only as it was read: whoever renewed or finished it since then is alive, and the work is not done a second time.
    take_over = "update idempotency set at = %s, holder = %s where (scope, key, at) = (%s, %s, %s) and answer = %s"
    if conn.execute(take_over, [now, holder, scope, key, found[1], Jsonb(_BEGUN)]).rowcount == 0:
        raise KeyInFlight(key=key)
    return BegunWork(scope, key, holder)


def renew(conn: Connection[Any], begun: BegunWork, *, now: datetime) -> bool:
    """The work goes on. False, and nothing is written, when it was taken for dead, and another has begun it anew."""
    return conn.execute(f"update idempotency set at = %s {_OURS}", [now, *begun, Jsonb(_BEGUN)]).rowcount == 1


def finish(conn: Connection[Any], begun: BegunWork, answer: Answer) -> bool:
    """What was begun led to `answer`. False, and nothing is written, when another has begun it anew."""
    return conn.execute(f"update idempotency set answer = %s {_OURS}", [Jsonb(_noted(answer)), *begun, Jsonb(_BEGUN)]).rowcount == 1


def give_up(conn: Connection[Any], begun: BegunWork) -> bool:
    """What was begun led to nothing and may be asked for again. False, and nothing is written, when another has begun it anew."""
    return conn.execute(f"delete from idempotency {_OURS}", [*begun, Jsonb(_BEGUN)]).rowcount == 1


def _found(conn: Connection[Any], scope: str, key: str, *mine: bytes) -> tuple[dict[str, Any], datetime] | None:
    """What is remembered under a key, and since when; the key is this transaction's until it ends."""
    if not _KEY.fullmatch(key):
        raise InvalidInput("Idempotency-Key", f"1 to {KEY_CHARACTERS_MAX} printable ASCII characters, no space at its ends")
    lock = "select pg_try_advisory_xact_lock(hashtextextended(%s, %s))"
    if conn.execute(lock, [json.dumps([scope, key]), _LOCKS]).fetchone() != (True,):
        raise KeyInFlight(key=key)
    row = conn.execute("select sha256, answer, at from idempotency where scope = %s and key = %s", [scope, key]).fetchone()
    if row is not None and bytes(row[0]) not in mine:
        raise KeyReused(key=key)
    return None if row is None else (row[1], row[2])


def _insert(
    conn: Connection[Any], scope: str, key: str, mine: bytes, noted: Mapping[str, Any], now: datetime, holder: str | None = None
) -> None:
    conn.execute(
        "insert into idempotency (scope, key, sha256, answer, at, holder) values (%s, %s, %s, %s, %s, %s)",
        [scope, key, mine, Jsonb(dict(noted)), now, holder],
    )


def remembered(conn: Connection[Any], scope: str, key: str) -> tuple[Any, datetime] | None:
    """What a key's request led to, and when it was asked for; None where nothing was done under it, or not yet, or it was refused."""
    row = conn.execute("select answer, at from idempotency where scope = %s and key = %s", [scope, key]).fetchone()
    return (row[0]["value"], row[1]) if row is not None and "value" in row[0] else None


def request_hash(request: Mapping[str, Any]) -> bytes:
    """SHA-256 of a request's canonical JSON: the order of its fields and its spaces do not count."""
    return hashlib.sha256(canonical_json(request).encode()).digest()


def forget(conn: Connection[Any], *, before: datetime, rows_max: int = FORGOTTEN_MAX) -> int:
    """Delete keys older than `before`, oldest first, at most `rows_max`; returns how many. Their requests would run anew."""
    return conn.execute(
        """delete from idempotency where (scope, key) in (
               select scope, key from idempotency where at < %s order by at limit %s for update skip locked)""",
        [before, rows_max],
    ).rowcount


def _act(conn: Connection[Any], act: Callable[[], Any]) -> Answer:
    try:
        with conn.transaction():
            return Answer(act(), None, replayed=False)
    except Problem as problem:
        if problem.kind == "busy":
            raise
        return Answer(None, problem, replayed=False)
    except errors.Error as error:
        found = problem_of(error)
        if found is None or found.kind == "busy":
            raise
        return Answer(None, found, replayed=False)


def _noted(answer: Answer) -> dict[str, Any]:
    if answer.problem is None:
        return {"value": answer.value}
    return {"problem": type(answer.problem).__name__, "facts": answer.problem.facts}


def _recalled(noted: dict[str, Any]) -> Answer:
    if "problem" not in noted:
        return Answer(noted["value"], None, replayed=True)
    kind = next((one for one in all_problems() if one.__name__ == noted["problem"]), Problem)
    problem = kind.__new__(kind)
    Problem.__init__(problem, **noted["facts"])
    return Answer(None, problem, replayed=True)
