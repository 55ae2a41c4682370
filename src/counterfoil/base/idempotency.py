"""Every write from outside carries a key, and a key remembers its request and its answer, refusals included."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection, errors
from psycopg.types.json import Jsonb

from counterfoil.base.database import problem_of
from counterfoil.base.problems import InvalidInput, KeyReused, Problem, all_problems

KEY_CHARACTERS_MAX: Final = 255
KEPT_DAYS: Final = 30  # then a key is forgotten; journals, payments and payouts are known by their own keys for ever
_KEY: Final = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{KEY_CHARACTERS_MAX - 2}}}[\x21-\x7e])?", re.ASCII)
_LOCKS: Final = 4_271_003


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


def once(
    conn: Connection[Any], scope: str, key: str, request: Mapping[str, Any], act: Callable[[], Any], *, now: datetime
) -> Answer:
    """Run `act` once per `scope` and `key`, in this transaction, and replay its answer to whoever asks the same again.

    What `act` returns must be JSON. A Problem that it raises undoes what it did and is remembered as the answer; being busy is
    not, so it can be tried again. Raises KeyReused when the request differs, KeyInFlight while another transaction works on it,
    InvalidInput for a key that is empty, longer than 255 characters or not printable ASCII.
    """
    if not _KEY.fullmatch(key):
        raise InvalidInput(
            "Idempotency-Key", f"1 to {KEY_CHARACTERS_MAX} printable ASCII characters, no space at its ends"
        )
    mine = request_hash(request)
    lock = "select pg_try_advisory_xact_lock(hashtextextended(%s, %s))"
    if conn.execute(lock, [json.dumps([scope, key]), _LOCKS]).fetchone() != (True,):
        raise KeyInFlight(key=key)
    found = conn.execute(
        "select sha256, answer from idempotency where scope = %s and key = %s", [scope, key]
    ).fetchone()
    if found is not None:
        if bytes(found[0]) != mine:
            raise KeyReused(key=key)
        return _recalled(found[1])
    answer = _act(conn, act)
    conn.execute(
        "insert into idempotency (scope, key, sha256, answer, at) values (%s, %s, %s, %s, %s)",
        [scope, key, mine, Jsonb(_noted(answer)), now],
    )
    return answer


def request_hash(request: Mapping[str, Any]) -> bytes:
    """SHA-256 of a request's canonical JSON: the order of its fields and its spaces do not count."""
    text = json.dumps(request, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).digest()


def forget(conn: Connection[Any], *, before: datetime, rows_max: int = 10_000) -> int:
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
