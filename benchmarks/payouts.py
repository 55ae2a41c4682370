"""Settlements and payouts per second, everything on one machine: `python -m benchmarks.payouts [--quick]`.

A real installation (PostgreSQL with fsync on, server, one worker, the simulator as provider) in rounds, each as a day of many payments:
customers pay while the worker stands (`charges`), the worker settles while sending is paused (`settle`: the charge is looked up at the
provider, invoice settled, money set aside, payout queued), then sending is resumed until every payout is final at the provider and in
the books (`pay`). Then payments come one by one at 100 a second, and the time of each from its webhook to its settlement is told, and
what a payout asks of PostgreSQL, kind by kind. All invariants are asked. At last the history is made long (`payout_history`), and another
round tells whether the rate sinks with it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg

from benchmarks import harness, payout_history
from counterfoil.base.edge import now
from counterfoil.cli.local.local_stack import ASSET, PROGRAM, World
from counterfoil.client.client import Client

PAYEES: Final = 400
CALLERS: Final = 48
PER_S: Final = 100  # payments one by one
WAIT_S: Final = 1_800
TICKS: Final = (100, 500, 2_000)  # rows that one tick takes on
KINDS_MAX: Final = 15  # of statements that are told
HISTORY_FIRST: Final = 10_000
ROUND: Final = 2_000
GROW_S_MAX: Final = 480
HEADER: Final = "record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description"


class Office:
    """One installation, and what the benchmark does in it."""

    def __init__(self, folder: Path, rows_max: int) -> None:
        settings = {"COUNTERFOIL_WORKER_ROWS_MAX": str(rows_max), "COUNTERFOIL_LOG_LEVEL": "warning"}
        settings |= {"COUNTERFOIL_WEBHOOK_NETWORKS": "127.0.0.1/32"}  # partners, where there are any, are on this machine
        destinations = {f"payee-{number}": f"acct_{number:05}" for number in range(PAYEES)}
        self.world = World(folder, settings=settings, simulator={"settle_ms": 100}, destinations=destinations)
        self.rounds = 0

    def __enter__(self) -> Office:
        self.world.start()
        self.conn = psycopg.connect(self.world.postgres.url, autocommit=True)
        self.operator = Client(self.world.url, self.world.keys["operator"], timeout_s=300)
        self.approver = Client(self.world.url, self.world.keys["approver"])
        return self

    def __exit__(self, *_: object) -> None:
        self.world.stop()

    def count(self, query: str) -> int:
        """One number."""
        row = self.conn.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0

    def issue(self, invoices: int) -> dict[str, int]:
        """Usage of so many customers, one invoice each; their totals in minor units."""
        self.rounds += 1
        when = (now() - timedelta(hours=1)).isoformat(timespec="seconds")
        lines = [
            f"r{self.rounds}-{number},customer-{self.rounds}-{number},payee-{number % PAYEES},EUR,{1 + number % 40},1.50,{when},Calls"
            for number in range(invoices)
        ]
        csv = "\n".join([HEADER, *lines, ""]).encode()
        self.operator.import_usage(PROGRAM, csv, file_name=f"{self.rounds}.csv", key=f"usage-{self.rounds}")
        before = {row[0] for row in self.conn.execute("select id from invoice where state <> 'draft'").fetchall()}
        self.operator.issue_invoices(PROGRAM, key=f"issue-{self.rounds}")
        rows = self.conn.execute("select id, total from invoice where state <> 'draft'").fetchall()
        return {invoice: total for invoice, total in rows if invoice not in before}

    def pay(self, totals: dict[str, int], *, per_s: int | None = None) -> None:
        """Each customer pays; as fast as it goes, or so many a second."""
        asyncio.run(_charges(self.world, totals, per_s))

    def pause(self) -> None:
        """Send nothing."""
        self.operator.post("/api/admin/queue/send/pause", {"reason": "benchmark"})

    def resume(self) -> None:
        """Send again; two people say so."""
        asked = self.operator.post("/api/admin/queue/send/resume", {"reason": "benchmark"})
        body = {"reason": "benchmark", "payloadSha256": asked["payloadSha256"]}
        self.approver.post(f"/api/approvals/{asked['proposalId']}/approve", body)

    def until(self, done: Callable[[], bool], what: str) -> float:
        """Wait for it; the seconds that it took."""
        begun = time.perf_counter()
        while not done():
            if time.perf_counter() - begun > WAIT_S:
                raise SystemExit(f"{what}: not done after {WAIT_S} s")
            time.sleep(0.05)
        return time.perf_counter() - begun


async def _charges(world: World, totals: dict[str, int], per_s: int | None) -> None:
    todo, begun = list(enumerate(totals.items())), time.perf_counter()
    todo.reverse()

    async def caller(client: httpx2.AsyncClient) -> None:
        while todo:
            place, (invoice, total) = todo.pop()
            if per_s:
                await asyncio.sleep(max(0.0, begun + place / per_s - time.perf_counter()))
            body = {"reference": invoice, "amount": str(total), "asset": ASSET.code}
            (await client.post("/v1/charges", json=body, headers={"Idempotency-Key": f"pay-{invoice}"})).raise_for_status()

    limits = httpx2.Limits(max_connections=CALLERS)
    async with httpx2.AsyncClient(
        base_url=world.simulator.url, headers=world.simulator.headers, timeout=60, limits=limits, trust_env=False
    ) as client:
        await asyncio.gather(*(caller(client) for _ in range(CALLERS)))


def round_of(office: Office, invoices: int) -> dict[str, float]:
    """One round; the rates of its three parts, and the processor time and statements that a payout takes."""
    office.pause()
    office.world.worker.stop()
    history = office.count("select count(*) from payout where state = 'completed'")
    received = office.count("select count(*) from webhook_in")
    totals = office.issue(invoices)
    begun = time.perf_counter()
    office.pay(totals)
    office.until(lambda: office.count("select count(*) from webhook_in") >= received + len(totals), "webhooks")
    charged = time.perf_counter() - begun

    used, commits = _processors(office), _commits(office)
    office.world.worker.start()
    office.until(lambda: office.count("select count(*) from settlement") > history, "the first settlement")
    first = office.count("select count(*) from settlement") - history
    settled = office.until(lambda: _queued(office) >= len(totals), "settling")
    office.resume()
    paid = office.until(lambda: office.count("select count(*) from payout where state = 'completed'") >= history + len(totals), "paying")
    spent = {name: took - used[name] for name, took in _processors(office).items()}
    return {
        "history": history,
        "charges_per_s": len(totals) / charged,
        "settlements_per_s": (len(totals) - first) / settled,
        "payouts_per_s": len(totals) / paid,
        "transactions": (_commits(office) - commits) / len(totals),
        **{f"{name}_ms": took / len(totals) * 1e3 for name, took in spent.items()},
    }


def _queued(office: Office) -> int:
    return office.count("select count(*) from provider_payout where state = 'queued'")


def _commits(office: Office) -> int:
    return office.count("select xact_commit + xact_rollback from pg_stat_database where datname = current_database()")


def _processors(office: Office) -> dict[str, float]:
    """Seconds of processor time so far: of the worker, the server, the simulator and PostgreSQL with all its processes."""
    ticks = os.sysconf("SC_CLK_TCK")
    postmaster = int(next(office.world.folder.rglob("postmaster.pid")).read_text().split()[0])
    found = {"postgres": 0.0, "worker": 0.0, "server": 0.0, "simulator": 0.0}
    named = {office.world.server.pid: "server", office.world.simulator.pid: "simulator", postmaster: "postgres"}
    if office.world.worker.alive():
        named[office.world.worker.pid] = "worker"
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parts = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        name = named.get(int(folder.name)) or ("postgres" if int(parts[1]) == postmaster else None)
        if name:
            found[name] += (int(parts[11]) + int(parts[12])) / ticks
            if name == "postgres":
                found[name] += (int(parts[13]) + int(parts[14])) / ticks if int(folder.name) == postmaster else 0.0
    return found


def statements_of_a_payout(office: Office, invoices: int) -> Counter[str]:
    """What the server and the worker ask of PostgreSQL, from payments to their payouts' end, by PostgreSQL's own log: how often each."""
    log = next(office.world.folder.rglob("postgres.log"))
    office.conn.execute("alter system set log_statement = 'all'")
    office.conn.execute("select pg_reload_conf()")
    time.sleep(1)
    history = office.count("select count(*) from payout where state = 'completed'")
    totals = office.issue(invoices)
    before = log.stat().st_size
    office.pay(totals)
    done = history + len(totals)
    while office.count("select count(*) from payout where state = 'completed'") < done:
        time.sleep(0.5)
    office.conn.execute("alter system reset log_statement")
    office.conn.execute("select pg_reload_conf()")
    with log.open("rb") as read:
        read.seek(before)
        text = read.read().decode(errors="replace")
    found = re.findall(r"^\S+ \S+ \S+ \[\d+\] LOG:  (?:execute [^:]*|statement): ((?:.|\n(?=\s))*)", text, re.MULTILINE)
    return Counter(_kind(one) for one in found if "from payout where state = 'completed'" not in one)


def _kind(statement: str) -> str:
    """A statement in short: what is claimed, which table takes steps, else how it begins."""
    words = " ".join(statement.split())
    for name, pattern in (
        ("claim of", r'^with due as \(select w.id from "(\w+)"'),
        ("steps of", r'^with asked as .*update "(\w+)" t set state'),
    ):
        if match := re.match(pattern, words):
            return f"{name} {match[1]}"
    return words[:90]


def latency(office: Office, seconds: int) -> dict[str, float]:
    """Payments at 100 a second: from the charge at the provider, by its clock, which is ours, to the settlement; in milliseconds."""
    history = office.count("select count(*) from settlement")
    totals = office.issue(PER_S * seconds)
    office.pay(totals, per_s=PER_S)
    office.until(lambda: office.count("select count(*) from settlement") >= history + len(totals), "settling at 100/s")
    rows = office.conn.execute(
        """select extract(epoch from s.at - p.occurred_at) from settlement s join payment p on p.invoice_id = s.invoice_id
           where s.invoice_id = any(%s)""",
        [list(totals)],
    ).fetchall()
    took = [float(row[0]) * 1e3 for row in rows]
    return {"p50_ms": harness.percentile(took, 0.5), "p95_ms": harness.percentile(took, 0.95), "p99_ms": harness.percentile(took, 0.99)}


@contextmanager
def an_office(rows_max: int) -> Iterator[Office]:
    """A fresh one, in a folder that goes away."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-") as folder, Office(Path(folder) / "office", rows_max) as office:
        yield office


COLUMNS: Final = (
    "history",
    "charges_per_s",
    "settlements_per_s",
    "payouts_per_s",
    "transactions",
    "postgres_ms",
    "worker_ms",
    "server_ms",
    "simulator_ms",
)


def main() -> None:
    """Measure, print the tables, and one JSON object as the last line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.payouts", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="small rounds, one size of tick, no long history")
    made.add_argument("--history", type=int, default=1_000_000, help="payouts at which the last round is measured (%(default)s)")
    options = made.parse_args()
    if not options.quick:
        by_tick = []
        for rows_max in TICKS:
            with an_office(rows_max) as office:
                found = round_of(office, 1_000)
                by_tick.append([f"{rows_max:,}", found["settlements_per_s"], found["payouts_per_s"]])
        print("\nBy the rows that one tick takes on\n")
        harness.table(["rows", "settlements/s", "payouts/s"], by_tick)
    with an_office(500) as office:
        print(f"\n{harness.machine(office.world.postgres)}\n")
        figures = _quick(office) if options.quick else _whole(office, options.history)
    harness.last_line(figures)


def _quick(office: Office) -> dict[str, Any]:
    rounds = [round_of(office, 1_000) for _ in range(2)]
    _show(rounds)
    return _figures(rounds[-1]) | _one_by_one(office, 5)


def _whole(office: Office, history: int) -> dict[str, Any]:
    """A round on a history of 10,000 payouts, and one on a long one, which are copied from those before (see `payout_history`)."""
    rounds = [round_of(office, ROUND)]
    told = _one_by_one(office, 20)
    for length in (HISTORY_FIRST, history):
        begun = time.perf_counter()
        office.world.worker.stop()
        reached = payout_history.grow(office.world.postgres.url, length, seconds_max=GROW_S_MAX)
        print(f"\n{reached:,} payouts of history, made in {time.perf_counter() - begun:.0f} s")
        rounds.append(round_of(office, ROUND))
    print()
    _show(rounds)
    ratio = round(rounds[-1]["payouts_per_s"] / rounds[1]["payouts_per_s"], 2)
    settled = round(rounds[-1]["settlements_per_s"] / rounds[1]["settlements_per_s"], 2)
    name = "rate_at_1e6_ratio" if rounds[-1]["history"] >= 1_000_000 else "rate_at_history_ratio"  # cut short by its time
    return _figures(rounds[1]) | told | {"history": round(rounds[-1]["history"]), name: ratio, f"settlement_{name}": settled}


def _show(rounds: list[dict[str, float]]) -> None:
    harness.table([name.replace("_per_s", "/s") for name in COLUMNS], [[float(one[name]) for name in COLUMNS] for one in rounds])


def _figures(one: dict[str, float]) -> dict[str, Any]:
    return {"settlements_per_s": round(one["settlements_per_s"]), "payouts_per_s": round(one["payouts_per_s"])}


def _one_by_one(office: Office, seconds: int) -> dict[str, Any]:
    """Payments at 100 a second, the statements of a payout, and the invariants, told and as figures."""
    slow = latency(office, seconds)
    told = ", ".join(f"{name} {took:,.0f}" for name, took in slow.items())
    print(f"\nPayments at {PER_S} a second, charged at the provider to settled: {told}")
    payouts = 200
    kinds = statements_of_a_payout(office, payouts)
    statements = sum(kinds.values()) / payouts
    print(f"\nStatements of a payout, from its payment on: {statements:.2f}\n")
    harness.table(["times", "statement"], [[f"{times / payouts:.2f}", kind] for kind, times in kinds.most_common(KINDS_MAX)])
    broken = [one["code"] for one in office.operator.invariants()["data"] if not one["holds"]]
    print(f"Invariants broken: {broken or 'none'}")
    return {
        "intent_p95_ms": round(slow["p95_ms"]),
        "intent_p99_ms": round(slow["p99_ms"]),
        "statements_per_payout": round(statements, 2),
        "invariants_broken": len(broken),
    }


if __name__ == "__main__":
    main()
