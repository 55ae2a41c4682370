"""The job that copies: what is new is put into the store, what lies there is looked at each day, and what nobody wants goes when it may.

A store that is slow or away holds up nobody: originals lie in their folders, and what waits here is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Move, record_birth, take_steps
from counterfoil.base.problems import Problem
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Claim, Runner, Tally, claim, finish, put_back_or_tell, renew, still_ours
from counterfoil.proofs.stores.copies import COPIES, COPY, COPYING, Copy
from counterfoil.proofs.stores.objects import CopyLocked, CopyRefused, FileToCopy, ObjectStore, StoreAway, StoredObject

ACTOR: Final = "system:copies"
REST_S: Final = 60.0
ROUND_S: Final = 600.0  # then what else there is to do, comes first again
NEW_MAX: Final = 1_000  # files of a round; the next goes on
LOOKS_MAX: Final = 200  # of a round
LOOK_EVERY: Final = timedelta(days=1)
_log = structlog.get_logger("counterfoil.copies")


@dataclass(frozen=True)
class Copying:
    """What copies are made with. `files`: everything that is to lie in the store, as it is in the folders now."""

    store: ObjectStore
    files: Callable[[], Iterable[FileToCopy]]
    make_id: MakeId


def copy_round(copying: Copying, runner: Runner) -> Tally:
    """One round: find, put, look, drop. Raises StoreAway when the store does not answer: what waits, waits."""
    known = {one.key: one for one in copying.files()}
    _find_new(copying, runner, known)
    total, ends = Tally(), monotonic() + ROUND_S
    while monotonic() < ends:
        with runner.database.transaction() as conn:
            claims = claim(conn, COPYING, runner, now=runner.clock(conn), rows_max=1)
            copies = COPIES.by_id(conn, [one.id for one in claims])
        if not claims:
            break
        total = total.plus(_put(copying, runner, claims[0], copies[0], known.get(copies[0].path)))
    return total.plus(_look(copying, runner)).plus(_drop(copying, runner))


def _find_new(copying: Copying, runner: Runner, known: dict[str, FileToCopy]) -> None:
    """A row for each file that has none, and for one that changes and has: a new one, when it did."""
    with runner.database.transaction() as conn:
        rows = conn.execute(
            """select id, path, encode(sha256, 'hex'), state from store_copy
               where store = %s and path = any(%s) and state <> 'dropped' and unwanted_at is null""",
            [copying.store.address, list(known)],
        ).fetchall()
        # A segment that is whole lies there now: its beginning is wanted no more.
        conn.execute(
            """update store_copy part set unwanted_at = %s where store = %s and state <> 'dropped' and unwanted_at is null
               and path like '%%.partial.%%' and exists (select from store_copy whole where whole.store = part.store
                   and whole.path = replace(part.path, '.partial.', '.') and whole.state = 'kept')""",
            [runner.clock(conn), copying.store.address],
        )
        # The newest checkpoint holds all that are smaller: those that a store which was away did not take are asked for no more.
        for file in known.values():
            if file.holds:
                conn.execute(
                    """update store_copy set unwanted_at = %s
                       where store = %s and state = 'waiting' and unwanted_at is null and path like %s and path < %s""",
                    [runner.clock(conn), copying.store.address, file.holds, file.key],
                )
    there = {path: (copy_id, digest, state) for copy_id, path, digest, state in rows}
    fresh = [one for key, one in known.items() if key not in there or one.changes][:NEW_MAX]
    made: list[tuple[FileToCopy, str, int]] = []
    for file in fresh:
        try:
            digest, bytes_ = file.sha256 or _digest(file), file.path.stat().st_size
        except OSError:
            continue  # it went in this moment: a segment that is whole now, a backup that was pruned
        if file.key not in there or there[file.key][1] != digest:
            made.append((file, digest, bytes_))
    for file, digest, bytes_ in made:
        with runner.database.transaction() as conn:
            _record_new(conn, copying, file, digest, bytes_, now=runner.clock(conn))


def _record_new(conn: Connection[Any], copying: Copying, file: FileToCopy, digest: str, bytes_: int, *, now: datetime) -> None:
    # One that was written again takes the place of the one before, whose version goes when this one lies there.
    conn.execute(
        "update store_copy set unwanted_at = %s where store = %s and path = %s and unwanted_at is null and state <> 'dropped'",
        [now, copying.store.address, file.key],
    )
    copy_id = copying.make_id("cpy")
    made = conn.execute(
        """insert into store_copy (id, store, path, subject_id, bytes, sha256, found_at, due_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, 'waiting', %s) on conflict do nothing""",
        [copy_id, copying.store.address, file.key, file.subject_id, bytes_, bytes.fromhex(digest), now, now, now],
    ).rowcount
    if made:  # another worker may have been faster
        record_birth(conn, COPY, [copy_id], "waiting", actor=ACTOR, at=now)


def _put(copying: Copying, runner: Runner, one: Claim, copy: Copy, file: FileToCopy | None) -> Tally:
    """Put one, outside of any transaction; its lease is made longer while it goes."""

    def beat() -> None:
        with runner.database.transaction() as conn:
            if not renew(conn, COPYING, [one], runner, now=runner.clock(conn)):
                raise CopyRefused(key=copy.path, because="it took so long that another worker took it over")

    if copy.unwanted_at is not None:
        return _record(runner, one, copy, None)
    found, error, away = None, "its file is not in the folder", None
    if file is not None:
        with runner.database.transaction() as conn:
            locked_until = None if file.locked is None else runner.clock(conn) + file.locked
        try:
            found = copying.store.put(file, copy.sha256, locked_until, beat)
        except StoreAway as problem:
            error, away = problem.sentence(), problem
        except (Problem, OSError) as problem:
            error = problem.sentence() if isinstance(problem, Problem) else f"{type(problem).__name__}: {problem.strerror}"
    reached("copies.put")
    if found is not None:
        return _record(runner, one, copy, found)
    _log.warning("not copied", path=copy.path, store=copying.store.address, why=error)
    with runner.database.transaction() as conn:
        if still_ours(conn, COPYING, [one]):
            put_back_or_tell(conn, runner, COPYING, one, error=error, now=runner.clock(conn))
    if away is not None:
        raise away  # the others would wait for the same
    return Tally(failed=1)


def _record(runner: Runner, one: Claim, copy: Copy, found: StoredObject | None) -> Tally:
    with runner.database.transaction() as conn:
        if not still_ours(conn, COPYING, [one]):
            return Tally(stale=1)
        now = runner.clock(conn)
        finish(conn, COPYING, [one.id])
        if found is None:
            cause = "it is wanted no more: the policy keeps its original no more, or what is copied by now holds it"
            take_steps(conn, COPY, [Move(one.id, "waiting", "drop")], actor=ACTOR, at=now, cause=cause)
            return Tally(handled=1)
        conn.execute(
            """update store_copy set kept_at = %s, looked_at = %s, version = %s, checksum = %s, locked_until = %s, error = null
               where id = %s""",
            [now, now, found.version, found.checksum, found.locked_until, copy.id],
        )
        take_steps(conn, COPY, [Move(one.id, "waiting", "keep")], actor=ACTOR, at=now)
    return Tally(handled=1)


def _look(copying: Copying, runner: Runner) -> Tally:
    """Ask the store of each copy once a day, those first that were not looked at for longest."""
    with runner.database.transaction() as conn:
        due = COPIES.read(
            conn,
            """where store = %s and state in ('kept', 'wrong') and looked_at < %s order by looked_at, id limit %s""",
            [copying.store.address, runner.clock(conn) - LOOK_EVERY, LOOKS_MAX],
        )
    for copy in due:
        _note_look(runner, copy, looked_wrong(copying.store, copy))
    return Tally(handled=len(due))


def looked_wrong(store: ObjectStore, copy: Copy) -> str | None:
    """What is wrong with a copy by what the store tells of it now; None when nothing is. Raises StoreAway."""
    try:
        found = store.look(copy.path, copy.version or "")
    except CopyRefused as refused:
        return str(refused.facts["because"])
    if found.bytes != copy.bytes:
        return f"it has {found.bytes} bytes, and had {copy.bytes}"
    if found.checksum != copy.checksum:
        return "the store tells another SHA-256 of it than when it was put there"
    if copy.locked_until is not None and found.locked_until is not None and found.locked_until < copy.locked_until:
        return f"it was locked until {copy.locked_until:%Y-%m-%d}, and is until {found.locked_until:%Y-%m-%d}"
    return None


def _note_look(runner: Runner, copy: Copy, wrong: str | None) -> None:
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        [same] = COPIES.by_id(conn, [copy.id], lock=True)
        if same.state != copy.state or same.version != copy.version:
            return  # somebody had it copied anew while it was looked at
        conn.execute("update store_copy set looked_at = %s, error = %s where id = %s", [now, wrong, copy.id])
        verb = {("kept", True): "find_wrong", ("wrong", False): "find_right"}.get((copy.state, wrong is not None))
        if verb is not None:
            take_steps(conn, COPY, [Move(copy.id, copy.state, verb)], actor=ACTOR, at=now, cause=wrong)


def _drop(copying: Copying, runner: Runner) -> Tally:
    """Take away what the policy keeps no more, once nothing locks it; and what was written again, once its new version is there."""
    with runner.database.transaction() as conn:
        going = COPIES.read(
            conn,
            """where store = %s and state in ('kept', 'wrong') and unwanted_at is not null
               and (locked_until is null or locked_until <= %s)
               and not exists (select from store_copy next where next.store = store_copy.store and next.path = store_copy.path
                               and next.state = 'waiting' and next.unwanted_at is null) order by id limit %s""",
            [copying.store.address, runner.clock(conn), NEW_MAX],
        )
    for copy in going:
        try:
            if not _lies_for_another(copying, runner, copy):
                copying.store.drop(copy.path, copy.version or "")
        except CopyLocked as locked:
            _note_lock(runner, copy, locked)
            continue
        with runner.database.transaction() as conn:
            conn.execute("update store_copy set error = null where id = %s", [copy.id])
            moves = [Move(copy.id, copy.state, "drop")]
            take_steps(conn, COPY, moves, actor=ACTOR, at=runner.clock(conn), cause="the policy keeps its original no more")
    return Tally(handled=len(going))


def _lies_for_another(copying: Copying, runner: Runner, copy: Copy) -> bool:
    """Where a store has one version of a name, it is that of the row which took this one's place."""
    with runner.database.transaction() as conn:
        row = conn.execute(
            """select exists (select from store_copy where store = %s and path = %s and version = %s and id <> %s
                              and unwanted_at is null and state in ('kept', 'wrong'))""",
            [copying.store.address, copy.path, copy.version, copy.id],
        ).fetchone()
    return row == (True,)


def _note_lock(runner: Runner, copy: Copy, locked: CopyLocked) -> None:
    """The store locks it for longer than we had asked, as a rule of the bucket may."""
    with runner.database.transaction() as conn:
        conn.execute(
            "update store_copy set locked_until = %s, error = %s where id = %s", [locked.facts["until"], locked.sentence()[:500], copy.id]
        )


def _digest(file: FileToCopy) -> str:
    with file.path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def all_files(*sources: Callable[[], Iterable[FileToCopy]]) -> Callable[[], Sequence[FileToCopy]]:
    """What several sources tell, one after the other."""
    return lambda: [one for source in sources for one in source()]


def _tick(context: JobContext, _: str | None) -> Tally:
    copying: Copying | None = context.copying
    return Tally() if copying is None else copy_round(copying, context.runner)


JOBS: Final = (
    Job(
        "copies",
        COPYING,
        _tick,
        "Copies proofs, checkpoints and backups to the store, looks at each copy once a day, and takes away what the policy keeps no more.",
        every=REST_S,
    ),
)
