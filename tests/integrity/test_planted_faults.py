"""Every invariant finds the fault that it is there for: each is planted past the rules, as a superuser could, and found.

An invariant that nothing can break tells nobody anything, so one without a planted fault is refused here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id, now
from counterfoil.base.invariant import Invariant, recent_query, run_invariants
from counterfoil.base.machine import Machine
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.integrity.alerts.queries import select_alerts
from counterfoil.integrity.incidents.opening import level_of
from counterfoil.integrity.sentinel import Sentinel
from counterfoil.wiring import CHECKS, INVARIANTS, MACHINES, TABLES
from tests.builders import Desk
from tests.integrity.books import full_books, past_the_rules, triggers_off
from tests.integrity.born import BORN
from tests.integrity.planted import PLAIN_ONLY_IN_FULL, PLANTED

LISTED = {one.code: one for one in CHECKS}
FULL_ALONE = [one for one in CHECKS if not one.monitor and recent_query(one) is None][:2]
CASES = [(code, name) for code, faults in PLANTED.items() for name in faults]


@pytest.fixture(scope="module")
def books(server: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Books that the faults of this file are planted in, one after the other."""
    with full_books(server, tmp_path_factory.mktemp("planted")) as desk:
        yield desk


@pytest.fixture
def superuser(books: Desk) -> Iterator[Connection[Any]]:
    """Every trigger off, every rule passed over; all of it is undone after the test."""
    with past_the_rules(books) as conn:
        yield conn


def test_every_invariant_has_a_fault_that_it_finds() -> None:
    assert sorted(set(LISTED) - set(PLANTED)) == [], "plant a fault for each of these in tests/integrity/planted.py"
    assert sorted(set(PLANTED) - set(LISTED)) == [], "these are no invariants any more"
    assert len(LISTED) == len(CHECKS), "a code names one check"


def test_nothing_is_found_where_nothing_was_planted(books: Desk) -> None:
    with books.database.transaction(read_only=True) as conn:
        assert run_invariants(conn, INVARIANTS) == []


@pytest.mark.parametrize(("code", "name"), CASES)
def test_a_planted_fault_is_found(superuser: Connection[Any], code: str, name: str) -> None:
    triggers_off(superuser)
    touched = [superuser.execute(part.encode()).rowcount for part in PLANTED[code][name].split(";") if part.strip()]
    assert any(count > 0 for count in touched), "it touched nothing, so it shows nothing"
    if not LISTED[code].monitor:
        found = run_invariants(superuser, [LISTED[code]])
        assert [one.code for one in found] == [code], name
        assert found[0].shown, os.linesep.join(found[0].shown)
    _is_filed(superuser, LISTED[code])
    if recent_query(LISTED[code]) is not None:
        _is_found_by_a_recent_run(superuser, LISTED[code], PLAIN_ONLY_IN_FULL.get((code, name)))


class OneConnection:
    """A database of one connection, whose transaction is never over: what a run writes goes back with the fault."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn, self._turn = conn, threading.RLock()

    @contextmanager
    def transaction(self, **_: Any) -> Iterator[Connection[Any]]:
        with self._turn, self._conn.transaction():
            yield self._conn


def _is_filed(conn: Connection[Any], check: Invariant) -> None:
    """One run of the sentinel makes of it: alerts with the check's severity, its playbook, evidence that shows the very rows, and an
    incident where the check opens one."""
    conn.execute("delete from alert where code = %s", [check.code])
    conn.execute("delete from incident where code = %s", [check.code])
    run = Sentinel(OneConnection(conn), [check], now, make_id, TABLES).run("full")
    answers = conn.execute("select outcome, findings, error from sentinel_check where run_id = %s", [run.id]).fetchall()
    assert [answer[0] for answer in answers] == ["broken"], answers
    alerts = select_alerts(conn, "where code = %s and last_run = %s order by id", [check.code, run.id])
    [(_, total, _)] = answers
    assert 0 < len(alerts) <= total
    assert {one.severity for one in alerts} <= ({check.severity, "critical"} if check.monitor else {check.severity})
    for one in alerts:
        assert one.playbook == check.playbook
        assert one.evidence["rows"], "the rows that break it"
        assert all(len(row) == len(one.evidence["columns"]) for row in one.evidence["rows"])
        assert one.evidence["query"]
        steps = " ".join(one.evidence["steps"])
        assert f"counterfoil alerts ack {one.id}" in steps, "what to do about it, as it is typed"
        assert "{alert}" not in steps
        opens = one.severity == "critical" and level_of(check) is not None
        assert (one.incident_id is not None) is opens, "who must answer at once is told"
    assert sum(len(one.evidence["rows"]) for one in alerts) + sum(one.rest for one in alerts) == total


def _is_found_by_a_recent_run(conn: Connection[Any], check: Invariant, why_not: str | None) -> None:
    """A recent run that looks back over all of it finds the fault, too, unless what is gone leaves nothing that was touched."""
    conn.execute("update sentinel_run set watermark = now() - interval '3 years' where watermark is not null")
    run = Sentinel(OneConnection(conn), [check, *FULL_ALONE], now, make_id, TABLES).run("recent")
    assert run.kind == "recent"
    answers = conn.execute("select code, outcome, error from sentinel_check where run_id = %s", [run.id]).fetchall()
    assert answers == [(check.code, "holds" if why_not else "broken", None)], why_not
    assert run.unasked == [one.code for one in FULL_ALONE], "of what it did not ask it says nothing"


def test_everything_that_takes_steps_is_asked_whether_it_stands_where_they_led(superuser: Connection[Any]) -> None:
    rows = superuser.execute(
        """select table_name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
           where table_schema = 'public' and column_name = 'steps' and table_type = 'BASE TABLE'"""
    ).fetchall()
    assert {name for (name,) in rows} == {machine.table for machine in MACHINES}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_state_that_its_last_step_did_not_lead_to_is_found(superuser: Connection[Any], machine: Machine) -> None:
    triggers_off(superuser)
    if machine.name in BORN:  # the books have none of these
        superuser.execute(BORN[machine.name].encode())
    assert run_invariants(superuser, [LISTED["STATE_HISTORY"]]) == []
    row = superuser.execute(f"select id, state from {machine.table} order by id limit 1").fetchone()
    assert row is not None, "there is none of these: it shows nothing"
    other = next(state for state in machine.states() if state != row[1])
    superuser.execute(f"update {machine.table} set state = %s where id = %s", [other, row[0]])
    [found] = run_invariants(superuser, [LISTED["STATE_HISTORY"]])
    assert (found.count, found.shown) == (1, [f"{machine.name} {row[0]} {other} {row[1]}"])
