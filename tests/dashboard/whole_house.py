"""A house in which there is one of everything: books in which every noun's thing is, and what its proofs, drills and people made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from counterfoil.backups.backups import BackupFacts, begin_backup, fail_backup, keep_backup
from counterfoil.base.edge import make_id, now
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.dashboard.web.nouns import pages_of
from counterfoil.drills.drills import DrillCheck, DrillMeasures, ask_for_drill, end_drill, note_check, start_drill
from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.notices.notices import Telling, tell
from counterfoil.operations.work.circuit_rules import CircuitLimits, Health
from counterfoil.operations.work.circuits import note_health
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.reconciliation.bank_statements import import_bank_file
from counterfoil.reconciliation.client_money import make_client_money, sign_client_money
from counterfoil.runbooks.answering import Asker
from counterfoil.runbooks.catalogue import catalogue
from counterfoil.runbooks.runs import About, begin
from counterfoil.statements import read
from counterfoil.wiring import CHECKS, NOUNS, TABLES
from tests.builders import PROGRAM, Desk
from tests.dashboard import days
from tests.integrity.books import full_books
from tests.proofs.builders import a_border
from tests.proofs.stores.builders import copied

# One thing of each page that is no noun's: the last of them, by the page's address.
OTHERS: Final = {
    "/admin/journals/{id}/inclusion": "select id::text from journal where kind in ('payment', 'payout_finalize') order by id limit 2",
    "/admin/payouts/{id}/inclusion": "select id from payout where state = 'completed' order by id limit 1",
    "/admin/reconciliation/runs/{run_id}": "select id from reconciliation_run order by id desc limit 1",
    "/admin/client-money/{id}": "select id from client_money order by id desc limit 2",
    "/admin/payees/{id}": "select payee_id from payout order by id limit 1",
    "/admin/customers/{id}": "select customer_id from invoice order by id limit 1",
    "/admin/people/{id}": "select id from principal where kind = 'person' order by id limit 1",
    "/admin/proofs/{id}/disclosure": "select id from proof order by id limit 1",
    "/admin/carbon/{list}": "select unnest(array['bills', 'syncs', 'credits', 'retirements'])",
    "/admin/rates/{list}": "select unnest(array['fees', 'commissions'])",
    "/problems/{name}": "select 'NotFound'",
}


@contextmanager
def a_whole_house(server: PrivatePostgres, folder: Path) -> Iterator[Desk]:
    """Full books, reconciled and watched, whose only worker is silent; a proof, copies, backups, drills, runs of runbooks, notices."""
    with full_books(server, folder) as desk:
        furnished(desk, folder)
        yield desk


def furnished(desk: Desk, folder: Path) -> None:
    """What the books do not have yet."""
    days.a_silent_worker(desk)
    _proven(desk, folder)
    at = now()
    with desk.database.transaction() as conn:
        _backups(conn)
        _drills(conn)
        _runs(conn, desk)
        _client_money(conn)
        _bank_file(conn, folder)
        tell(conn, Telling("g", "critical", "Books of main", "They do not balance."), ["pager"], make_id=make_id, now=at)
        given: dict[str, Any] = {"until": at + timedelta(hours=2), "reason": "The bank moves house.", "actor": "olga", "now": at}
        silence_alerts(conn, make_id("sil"), code="HELD_AGED", program_id=PROGRAM, **given)
        limits = CircuitLimits()
        for _ in range(limits.failures):
            note_health(conn, "simulator", "look_ups", Health(False, "It did not answer within 1.0 s."), now=at, limits=limits)


def places_of(desk: Desk) -> dict[str, list[str]]:
    """Of each page of one thing, things to look at: of every state of its noun one, in which they are."""
    found = {address: [row[0] for row in desk.rows(query)] for address, query in OTHERS.items()}
    for noun, page in pages_of(NOUNS):
        rows = desk.rows(f"select distinct on (state) id from {noun.machine.table} order by state, id desc")
        found.setdefault(page.path, [row[0] for row in rows])
    return found


def _proven(desk: Desk, folder: Path) -> None:
    desk.wiring = replace(desk.wiring, proof_folder=folder / "proofs")
    end = a_border()
    export_proof(replace(desk.wiring, clock=now).exporter(), end - timedelta(days=1), end, by="test")
    (folder / "copies").mkdir()
    copied(desk.database, folder / "copies")


def _backups(conn: Connection[Any]) -> None:
    """One that is kept, and one that failed."""
    kept, failed, at = make_id("bkp"), make_id("bkp"), now()
    begin_backup(conn, kept, kind="dump", actor="worker:house", slot_at=None, now=at)
    facts = BackupFacts(at, 812, bytes(32), 199, 180001, "bk-1", 48_112_004, "5a" * 32, "c3" * 32)
    keep_backup(conn, kept, facts, actor="worker:house", now=at)
    begin_backup(conn, failed, kind="dump", actor="worker:house", slot_at=None, now=at)
    fail_backup(conn, failed, error="pg_dump: error: connection to server was lost while it read table posting", now=at)


def _drills(conn: Connection[Any]) -> None:
    """One that passed, one that failed with a long reason, one that waits."""
    at = now()
    why = "Of 200 orders 3 were not taken up within 30 s by the worker that was left; it was given 60 s more, and took up none."
    for name, error in (("workers", None), ("webhooks", why)):
        made = ask_for_drill(conn, make_id("drl"), name, backup_id=None, actor="olga", now=at)
        start_drill(conn, made.id, now=at)
        note_check(conn, made.id, DrillCheck(1, "All is taken up", "failed" if error else "passed", error or "200 of 200", at))
        end_drill(conn, made.id, measures=DrillMeasures(), evidence=EVIDENCE, error=error, now=at)
    ask_for_drill(conn, make_id("drl"), "database", backup_id=None, actor="olga", now=at)


def _bank_file(conn: Connection[Any], folder: Path) -> None:
    """A statement of the house's own account, one line of which cannot be read."""
    path = folder / "own.csv"
    path.write_text("Date,Reference,Amount,Currency\n2026-04-03,R-11,3.00,EUR\n2026-04-31,R-12,4.00,EUR\n")
    given: dict[str, Any] = {"file_id": make_id("bf"), "file_name": path.name, "actor": "person:olga", "now": now()}
    import_bank_file(conn, PROGRAM, "cash:bank:own", read(path), **given)


def _client_money(conn: Connection[Any]) -> None:
    """A statement of yesterday that is signed, and one of today that waits."""
    at = now()
    for on in (at.date() - timedelta(days=1), at.date()):
        make_client_money(conn, PROGRAM, on=on, make_id=make_id, actor="person:olga", now=at)
    first = conn.execute("select id, encode(sha256, 'hex') from client_money order by id limit 1").fetchone()
    assert first is not None
    sign_client_money(conn, first[0], sha256=first[1], action_taken="Own funds made it up.", actor="person:carl", now=at)


def _runs(conn: Connection[Any], desk: Desk) -> None:
    """Two checklists, and a playbook about an alert."""
    checks = {one.code: one for one in CHECKS}
    books = catalogue(checks)
    asker = Asker(checks, TABLES, desk.wiring.providers)
    row = conn.execute("select id from alert order by id limit 1").fetchone()
    assert row is not None, "nothing was found"
    for name, about in (("morning", About()), ("worker-pulse", About()), ("P12", About(PROGRAM, alert_id=row[0]))):
        begin(conn, asker, books.named(name), about, by="olga", make_id=make_id, now=now())


EVIDENCE: Final = '{"checks": [{"number": 1, "outcome": "passed", "title": "All is taken up", "told": "200 of 200"}], "drill": "workers"}'
