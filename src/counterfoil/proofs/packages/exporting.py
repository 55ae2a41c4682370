"""Make the package of a period: written file by file from one snapshot, named by what it says, kept where nobody writes to it again.

The same period with the same facts is the same package, to the byte: nothing of when or by whom it was made is in it, and nothing that
came afterwards and says nothing of the period.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final, NamedTuple

from psycopg import Connection, errors

from counterfoil import __version__
from counterfoil.base.failpoints import reached
from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import Invariant, run_invariants
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, InvariantBroken, Problem, check
from counterfoil.proofs.exports import (
    MAKING,
    ExportProgress,
    Snapshots,
    bury_exports,
    exporting,
    finish_export,
    lock_export,
    make_export_id,
)
from counterfoil.proofs.log.checkpoints import LogBehind, boundary, find_checkpoint, make_checkpoint, origin_of, refuse_other_than_left
from counterfoil.proofs.log.entries import LogEntry, entry_pages
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.merkle import consistency_proof, subtrees
from counterfoil.proofs.log.records import moment
from counterfoil.proofs.log.sequencing import horizon_of, sequence, unsequenced_since
from counterfoil.proofs.log.tree import StoredTree
from counterfoil.proofs.packages import contents, layout
from counterfoil.proofs.packages.keeping import is_damaged, put, record_files
from counterfoil.proofs.packages.runbooks import runbook_runs_of, runs_counted
from counterfoil.proofs.packages.standalone import verifier_text
from counterfoil.proofs.packages.writing import PackageFolder
from counterfoil.proofs.personal_data import told_policy
from counterfoil.proofs.proofs import PROOF, Proof, ask_for_signatures, show_proof
from counterfoil.proofs.signing.period_keys import keep_period_keys, period_keys
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs.pairings import Pairing

PACKAGES: Final = "packages"
DAMAGED: Final = "damaged"
PATIENCE_S: Final = 5.0  # for transactions of others to end
PAUSE_S: Final = 0.1
CANNOT_SHOW: Final = (
    "that a fact was ever entered: who leaves something out before it is written leaves no trace in what was written",
    "that what was entered is true: what was held against banks and providers, and what not, is in the reconciliation report",
)
NOT_INCLUDED: Final = ("what the machine found at the steps of playbooks and checklists: runs.jsonl says how each was answered",)


class PeriodNotOver(Problem, kind="invalid"):
    """A proof is of a period that is over."""


class Exporter(NamedTuple):
    """What exporting works with: the books, where packages lie, what is reconciled and checked, and how many sign."""

    database: Snapshots
    folder: Path
    make_id: MakeId
    clock: Callable[[], datetime]
    pairings: Sequence[Pairing]
    invariants: Sequence[Invariant]
    quorum: int


class Period(NamedTuple):
    """From one moment to another, not included, and where both lie in the log."""

    start: datetime
    end: datetime
    open_size: int
    close_size: int

    def told(self) -> dict[str, str]:
        """As a manifest tells it."""
        return {"from": moment(self.start), "to": moment(self.end)}


class Making(NamedTuple):
    """The export that is under way: its row, how far it is, by whom, and when it began."""

    export_id: str
    progress: ExportProgress
    by: str
    began: datetime


def export_proof(exporter: Exporter, start: datetime, end: datetime, *, by: str) -> tuple[Proof, bool]:
    """The proof of a period, and whether it is new: the same facts are the same proof. Its signatures are asked for when it is new.

    Raises PeriodNotOver, InvalidInput, LogBehind, LogForked, Busy.
    """
    began = exporter.clock()
    if end <= start:
        raise InvalidInput("to", "later than from", got=end.isoformat())
    if end > began:
        raise PeriodNotOver(to=end.isoformat(), now=began.isoformat())
    bury_exports(exporter.database, exporter.folder, now=began)
    export_id = make_export_id(exporter.make_id)
    made = None
    try:
        with exporting(exporter.database, export_id, start, end, by=by, at=began) as progress:
            period = _settled(exporter, start, end, progress)
            made = PackageFolder(exporter.folder / MAKING / export_id)
            with exporter.database.transaction(snapshot=True) as conn:
                # A year of a large house takes minutes, and all of it must be of one moment.
                conn.execute(
                    "select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)"
                )
                manifest = _write(conn, exporter, made, period, progress)
            made.add_json(layout.MANIFEST, manifest)
            progress.at("Keeping the package")
            return _kept(exporter, made, period, manifest, Making(export_id, progress, by, began))
    finally:
        if made is not None:
            shutil.rmtree(made.folder, ignore_errors=True)


def _settled(exporter: Exporter, start: datetime, end: datetime, progress: ExportProgress) -> Period:
    """Everything that was recorded before the end is in the log; where both ends lie in it is certain from now on.

    Each transaction that was open once the period was over may still bring something of it: it is waited for, and a long one is told.
    """
    with exporter.database.transaction() as conn:
        # The number of this one: every transaction that has begun to write by now has a smaller one.
        row = conn.execute("select pg_current_xact_id()::text").fetchone()
    assert row is not None
    given_up = monotonic() + PATIENCE_S
    progress.at("Waiting for transactions that were open at the end")
    while True:
        try:
            return _settled_now(exporter, start, end, progress, after=int(row[0]))
        except LogBehind:
            if monotonic() > given_up:
                raise
            sleep(PAUSE_S)


def _settled_now(exporter: Exporter, start: datetime, end: datetime, progress: ExportProgress, *, after: int) -> Period:
    with exporter.database.transaction() as conn:
        if horizon_of(conn).oldest < after:
            raise LogBehind(until=end.isoformat(), because="a transaction of before is still open")
    progress.at("Numbering in the log what was recorded")
    while True:
        with exporter.database.transaction() as conn:
            turn = sequence(conn, make_origin=origin_name(exporter.make_id), now=exporter.clock(), waits=True)
        if not turn.taken:
            break
    with exporter.database.transaction() as conn:
        now = exporter.clock()
        since = unsequenced_since(conn)
        if since is not None and since < end:
            raise LogBehind(until=end.isoformat(), oldest=since.isoformat())
        refuse_other_than_left(conn, exporter.folder)
        sizes = [boundary(conn, at, now=now) for at in (start, end)]
        for size in sizes:
            make_checkpoint(conn, size, make_key_id=exporter.make_id("lgk"), now=now)
        keep_period_keys(conn, start, end, exporter.quorum, now=now)
    progress.total = sizes[1] - sizes[0]
    return Period(start, end, *sizes)


def _write(conn: Connection[Any], exporter: Exporter, made: PackageFolder, period: Period, progress: ExportProgress) -> dict[str, Any]:
    """Every file but the manifest, and what the manifest says of them."""
    made.add("verify.py", verifier_text().encode())
    made.add("VERIFY.md", (files(__package__) / "VERIFY.md").read_bytes())
    ends = _ends(conn, made, period)
    progress.at("Writing the entries")
    moved, counts, late = _entries(conn, made, period, progress)
    progress.at("Adding up the trial balances")
    sheets = [contents.trial_balance(conn, size) for size in (period.open_size, period.close_size)]
    balances = [made.add_json(f"trial_balance_{when}.json", sheet) for when, sheet in zip(("open", "close"), sheets, strict=True)]
    made.add_json("accounts.json", contents.accounts_opened(conn, period.close_size))
    progress.at("Reporting what was reconciled")
    reports = _reports(conn, exporter, period)
    made.add_json(layout.REPORT, {"programs": reports})
    made.add_lines("breaks.jsonl", contents.breaks_of(conn, period.start, period.end))
    followed = list(runbook_runs_of(conn, period.open_size, period.close_size, period.end))
    made.add_lines("runs.jsonl", (*contents.runs_of(conn, period.start, period.end), *followed))
    checks, alerts = _checked(conn, exporter.invariants, progress)
    made.add_lines("alerts.jsonl", alerts)
    made.add("keys.json", period_keys(conn, period.start, period.end).encode())
    reconciliation = contents.reconciliation_of(reports)
    because = _because(reconciliation, checks, contents.off(sheets, moved))
    told: dict[str, Any] = {
        "format": layout.FORMAT,
        "origin": origin_of(conn),
        "programs": contents.programs_of(conn, period.end),
        "period": period.told(),
        "log": ends,
        "counts": dict(sorted(counts.items())),
        "late": late,
        "totals": contents.totals_of(moved),
        "trial_balance": {"open": balances[0].sha256, "close": balances[1].sha256},
        "previous": _previous(conn, period),
        "files": [{"path": one.name, "sha256": one.sha256, "bytes": one.bytes} for _, one in sorted(made.files.items())],
        "reconciliation": reconciliation,
        "checks": checks,
        "runbooks": runs_counted(followed),
        "policies": {
            "fees_sha256": contents.policy_digest(conn, contents.FEE_POLICIES, period.end),
            "approvals_sha256": contents.policy_digest(conn, contents.APPROVAL_POLICIES, period.end),
        },
        "software": {"name": "counterfoil", "version": __version__},
        "personal_data": told_policy(conn, period.end),
        "not_included": list(NOT_INCLUDED),
        "cannot_show": list(CANNOT_SHOW),
        "verdict": "incomplete" if because else "complete",
        "incomplete_because": because,
    }
    return {**told, "proof_id": layout.proof_id(told)}


def _ends(conn: Connection[Any], made: PackageFolder, period: Period) -> dict[str, Any]:
    """Both checkpoints, and that the first is the beginning of the second."""
    tree, told = StoredTree(conn), {}
    for when, size in (("open", period.open_size), ("close", period.close_size)):
        found = find_checkpoint(conn, size)
        check(found is not None, "a period ends at checkpoints", size=size)
        assert found is not None
        made.add(f"checkpoint.{when}", found.note.encode())
        told[when] = {"size": size, "root": found.note.split("\n")[2]}
    first, last = period.open_size, period.close_size
    made.add_json(
        "consistency.json",
        {
            "old": first,
            "new": last,
            "proof": [one.hex() for one in consistency_proof(first, last, tree)],
            "subtrees": [one.hex() for one in subtrees(first, tree)],
        },
    )
    edges = (first, last - 1) if first < last else (None, None)
    return {**told, "first": edges[0], "last": edges[1]}


def _entries(
    conn: Connection[Any], made: PackageFolder, period: Period, progress: ExportProgress
) -> tuple[contents.Sums, Counter[str], int]:
    """Every entry of the period in its exact bytes; what was moved by them, how many there are of each kind, and how many came late."""
    moved: contents.Sums = defaultdict(lambda: [0, 0])
    counts, late = Counter[str](), 0
    with (
        made.file("entries.jsonl") as entries,
        made.file("actions.jsonl") as actions,
        made.file("approvals.jsonl") as approvals,
    ):
        for page in entry_pages(conn, period.open_size, period.close_size):
            entries.write(_lines(page))
            actions.write(_lines(one for one in page if one.relation == "action"))
            approvals.write(_lines(one for one in page if one.relation in layout.APPROVALS))
            counts.update(one.relation for one in page)
            late += sum(one.recorded_at < period.start for one in page)
            for journal in json.loads(f"[{','.join(one.record for one in page if one.relation == 'journal')}]"):
                contents.move(moved, journal)
            progress.done += len(page)
            reached("proof_export.page")
    return moved, counts, late


def _lines(entries: Iterable[LogEntry]) -> bytes:
    return "".join(f"{one.record}\n" for one in entries).encode()


def _reports(conn: Connection[Any], exporter: Exporter, period: Period) -> list[dict[str, Any]]:
    first, last = period.start.date(), contents.last_day(period.end)
    # As of its own end: what is not due within the period is not asked about, whenever the package is made.
    return [
        report_of_period(conn, list(exporter.pairings), program, first=first, last=max(first, last), today=max(first, period.end.date()))
        for program in contents.programs_of(conn, period.end)
    ]


def _checked(
    conn: Connection[Any], invariants: Sequence[Invariant], progress: ExportProgress
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Every integrity check as it is now: which failed, with what they found; one that cannot be run was not run, and that is said."""
    failed, not_run, alerts = list[str](), list[str](), list[dict[str, Any]]()
    for place, one in enumerate(invariants, 1):
        progress.at(f"Asking integrity check {place} of {len(invariants)}")
        try:
            with conn.transaction():
                found = run_invariants(conn, [one])
        except (errors.Error, Problem, InvariantBroken) as error:
            not_run.append(f"{one.code}: {type(error).__name__}")
            continue
        for violation in found:
            failed.append(f"{violation.code}: {violation.count} found")
            alerts.append({"code": violation.code, "severity": violation.severity, "count": violation.count, "shown": violation.shown})
    return {"passed": len(invariants) - len(failed) - len(not_run), "failed": failed, "not_run": not_run}, alerts


def _because(reconciliation: Mapping[str, Any], checks: Mapping[str, Any], off: Sequence[str]) -> list[str]:
    """Why this package is incomplete: nothing that was not looked at is passed over."""
    said = [f"not reconciled: {one}" for one in reconciliation["not_checked"]]
    for one in reconciliation["programs"]:
        if one["verdict"] == "not reconciled":
            said.append(f"not reconciled: {one['program']}: differences were found that nobody has accepted")
        elif one["verdict"] == "incomplete" and not any(each.startswith(f"{one['program']}: ") for each in reconciliation["not_checked"]):
            said.append(f"not reconciled: {one['program']}: nothing was held against the world outside in this period")
    if not reconciliation["programs"]:
        said.append("not reconciled: there was no program")
    said += [f"integrity check failed: {one}" for one in checks["failed"]]
    said += [f"integrity check not run: {one}" for one in checks["not_run"]]
    return said + [f"balance off: {one}: opening and movements are not the closing balance" for one in off]


def _previous(conn: Connection[Any], period: Period) -> dict[str, str] | None:
    """The package of the period that ends where this one begins: of several the last that is signed, or the last."""
    row = conn.execute(
        """select id, encode(manifest_sha256, 'hex') from proof where to_at = %s and close_size = %s
           order by (state = 'signed') desc, created_at desc, id limit 1""",
        [period.start, period.open_size],
    ).fetchone()
    return None if row is None else {"proof_id": row[0], "manifest_sha256": row[1]}


def _kept(exporter: Exporter, made: PackageFolder, period: Period, manifest: Mapping[str, Any], making: Making) -> tuple[Proof, bool]:
    """Keep what was made: its files in the store first, then its row, with the request for signatures."""
    proof_id, now = str(manifest["proof_id"]), exporter.clock()
    place = exporter.folder / PACKAGES / proof_id
    damaged = is_damaged(made, place)  # not in the transaction: a package may be large
    with exporter.database.transaction() as conn:
        lock_export(conn, making.export_id)
        # Whoever else makes the same at this moment waits here, and finds it made.
        conn.execute("select pg_advisory_xact_lock(4271112, hashtext(%s))", [proof_id])
        put(made, place, set_aside=exporter.folder / DAMAGED / exporter.make_id("dmg") if damaged else None)
        if conn.execute("select from proof where id = %s", [proof_id]).fetchone() is not None:
            finish_export(conn, making.export_id, proof_id, making.progress, by=making.by, now=now)
            return show_proof(conn, proof_id), False
        digest = hashlib.sha256((place / layout.MANIFEST).read_bytes()).digest()
        previous = manifest["previous"]
        conn.execute(
            """insert into proof (id, from_at, to_at, open_size, close_size, entries, verdict, reconciliation, manifest_sha256, previous_id,
                      duration_ms, made_by, created_at, state, state_at)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'waiting', %s)""",
            [
                proof_id,
                period.start,
                period.end,
                period.open_size,
                period.close_size,
                period.close_size - period.open_size,
                manifest["verdict"],
                manifest["reconciliation"]["verdict"],
                digest,
                previous["proof_id"] if previous else None,
                int((now - making.began).total_seconds() * 1000),
                making.by,
                now,
                now,
            ],
        )
        record_files(conn, made, proof_id)
        record_birth(conn, PROOF, [proof_id], "waiting", actor=making.by, at=now)
        ask_for_signatures(conn, proof_id, quorum=exporter.quorum, by=making.by, now=now)
        finish_export(conn, making.export_id, proof_id, making.progress, by=making.by, now=now)
        return show_proof(conn, proof_id), True
