"""Books of one program, without a provider, and the sentinel over them with a clock that the test moves."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.money import Asset
from counterfoil.integrity.alerts.machine import Alert
from counterfoil.integrity.alerts.queries import select_alerts
from counterfoil.integrity.incidents.noun import INCIDENT_NOUN
from counterfoil.integrity.runs import SentinelRun
from counterfoil.integrity.sentinel import Kind, Sentinel
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.access.access import Caller
from counterfoil.operations.verbs import BulkLine, LineDone, VerbCall, VerbResult, say, say_of_many
from counterfoil.wiring import ALERT_NOUN, CHECKS, TABLES
from tests.builders import Clock

OLGA = Caller("", "olga", "operator", principal_id="prn_olga")
CARL = Caller("", "carl", "controller", principal_id="prn_carl")
NOUNS = {"alert": ALERT_NOUN, "incident": INCIDENT_NOUN}


@dataclass
class Watch:
    """The sentinel of a database, and what a person may say of what it found."""

    database: Database
    clock: Clock = field(default_factory=lambda: Clock(now()))

    @property
    def sentinel(self) -> Sentinel:
        return Sentinel(self.database, CHECKS, self.clock, make_id, TABLES)

    def run(self, kind: Kind = "full") -> SentinelRun:
        return self.sentinel.run(kind)

    def now(self) -> datetime:
        """The clock is set to this moment, which is later than all that was recorded: the ledger records by the database's own."""
        time.sleep(0.003)
        self.clock.now = now()
        return self.clock.now

    def post(self, key: str, minor: int = 500, *, program: str = "main") -> str:
        """A journal of one line, recorded now."""
        with self.database.transaction() as conn:
            lines = [("clearing:x", "suspense", minor)]
            return str(post(conn, program, key=key, kind="t", lines=lines, asset="EUR", actor="t", now=self.clock.now).journal_id)

    def past_the_rules(self, statement: str, *given: Any) -> None:
        """What a superuser could do."""
        with psycopg.connect(self.database.url, autocommit=True) as conn:
            conn.execute("set session_replication_role = replica")
            for table in ("posting", "journal", "account", "step"):
                conn.execute(f"alter table {table} disable trigger user".encode())
            try:
                assert conn.execute(statement.encode(), given or None).rowcount, "it touched nothing"
            finally:
                for table in ("posting", "journal", "account", "step"):
                    conn.execute(f"alter table {table} enable trigger user".encode())

    def alerts(self, code: str | None = None) -> list[Alert]:
        with self.database.transaction() as conn:
            return select_alerts(conn, "where %s::text is null or code = %s order by id", [code, code])

    def say(self, verb: str, subject_id: str, *, by: Caller = OLGA, reason: str = "", noun: str = "alert", **taken: Any) -> str:
        """What a person says of an alert or an incident; the state after it."""
        declared = NOUNS[noun].verb(verb)
        fields = {one.name: taken.get(one.name) for one in declared.takes}
        with self.database.transaction() as conn:
            said = say(NOUNS[noun], declared, VerbCall(conn, subject_id, by, self.clock.now, make_id, reason, fields))
        assert isinstance(said, VerbResult)
        return said.state

    def say_of_many(self, verb: str, ids: list[str], state: str) -> list[LineDone]:
        with self.database.transaction() as conn:
            call = VerbCall(conn, "", OLGA, self.clock.now, make_id)
            return say_of_many(ALERT_NOUN, verb, [BulkLine(one, state) for one in ids], call, {})

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        with self.database.transaction() as conn:
            return conn.execute(query.encode(), given or None).fetchall()


@pytest.fixture
def watch(database: Database) -> Watch:
    """Two programs with a journal each."""
    made = Watch(database)
    with database.transaction() as conn:
        for program in ("main", "other"):
            _a_program(conn, program, made.clock)
    made.post("first")
    made.post("first", program="other")
    return made


def _a_program(conn: Connection[Any], program: str, clock: Clock) -> None:
    open_program(conn, program, name=program.title(), assets=[Asset("EUR", 2)], now=clock.now)
    open_accounts(conn, program, ["clearing:x", "suspense"], asset="EUR", actor="t", now=clock.now)
