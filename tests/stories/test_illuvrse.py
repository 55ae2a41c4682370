"""The runbook of proofs and governance, walked from top to bottom in its own order against one running server. Each section names its rows.

A section that is built later is written into `RUNBOOK`, at its place in the runbook.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.base.edge import Database, now
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.importing import imports
from counterfoil.ledger.importing.imports import import_file
from counterfoil.ledger.importing.map import load_map
from counterfoil.ledger.journals.journal import post
from tests.builders import BANK_MAP, PROGRAM, Desk, issue
from tests.conftest import as_server
from tests.passwords import login_with_password
from tests.people import log_in_as, past_the_guard
from tests.stories.by_the_machine import walk
from tests.stories.terminal import Terminal, told

PASSPHRASE = "correct horse battery staple"


@dataclass
class Story:
    """Who walks: people who sign, and the period of the day."""

    desk: Desk
    terminal: Terminal
    monkeypatch: pytest.MonkeyPatch
    folder: Path
    start: str
    make_database_url: Callable[..., str]
    people: dict[str, str] = field(default_factory=dict)  # their ids
    proof: dict[str, Any] = field(default_factory=dict)

    def now(self) -> str:
        """This moment, for the server's clock too."""
        self.desk.clock.now = now()
        return self.desk.clock.now.isoformat()

    def as_person(self, name: str, *words: str) -> tuple[int, str]:
        """What somebody who logged in types; the passphrase of their key on standard input."""
        self.now()
        with self.monkeypatch.context() as patch:
            patch.setenv("COUNTERFOIL_URL", self.terminal.url)
            patch.setenv("COUNTERFOIL_API_KEY", self.terminal.keys[name])
            patch.setattr("sys.stdin", io.StringIO(f"{PASSPHRASE}\n"))
            return self.terminal(*words)

    def exported(self, end: str) -> tuple[int, dict[str, Any]]:
        code, said = self.terminal("proof", "export", self.start, end, "--output", "json")
        assert code in (0, 1), said
        return code, told((code, said))

    def sign(self, proof_id: str, *names: str) -> str:
        for name in names:
            code, said = self.as_person(name, "proof", "sign", proof_id, "--key", f"{name}.pem", "--passphrase-stdin")
            assert code == 0, said
        return str(self.terminal.ask(f"/api/proofs/{proof_id}")["state"])


def people_who_sign(one: Story) -> None:
    """Two people make keys for themselves; two administrators say that these sign proofs."""
    with past_the_guard(one.desk.database.url) as conn:
        for name, role in (("ann", "controller"), ("otto", "auditor"), ("mira", "administrator")):
            caller, token = log_in_as(conn, name, role, at=one.desk.clock.now)
            one.people[name], one.terminal.keys[name] = caller.principal_id, token
    for name, role in (("ann", "controller"), ("otto", "auditor")):
        a_key_that_signs(one, name, role, f"{name}.pem")


def a_signed_proof_of_the_period(one: Story) -> None:
    """I1 exported, with its proofId and how long it took; I2 verified by anybody; I3 kept where nobody writes to it; I4 its report."""
    end = one.now()
    code, done = one.exported(end)
    assert (code, done["verdict"], done["reconciliation"]) == (0, "complete", "reconciled")
    assert done["durationMs"] >= 0
    assert one.terminal.ask("/api/proofs", {"from": one.start, "to": end}, role="auditor", status=200)["existed"]
    assert one.sign(done["id"], "ann", "otto") == "signed"
    assert one.terminal("proof", "download", done["id"], "--out", "october.zip")[0] == 0
    assert one.terminal("signers", "pin", "--out", "keys.json")[0] == 0
    code, said = one.terminal("proof", "verify", "october.zip", "--keys", "keys.json")
    assert (code, said.splitlines()[0]) == (0, "OK"), said
    paid = one.terminal.rows("/api/payouts")[0]["payeeId"]
    code, said = one.terminal("proof", "disclose", "october.zip", "--payee", paid, "--out", "theirs.zip")
    assert (code, f"entries concern {paid}" in said) == (0, True), said
    assert "never written over" in one.terminal("proof", "disclose", "october.zip", "--payee", paid, "--out", "theirs.zip")[1]
    code, said = one.terminal("proof", "verify", "theirs.zip", "--keys", "keys.json")
    assert (code, f"Disclosure for {paid}" in said) == (0, True), said
    [kept] = list((one.folder / "proofs" / "packages").glob("*.zip"))
    assert kept.read_bytes() == Path("october.zip").read_bytes()
    assert kept.stat().st_mode & 0o222 == 0
    code, said = one.terminal("proof", "show", done["id"], "--file", "reconciliation_report.json", "--out", "report.json")
    assert code == 0, said
    report = json.loads(Path("report.json").read_text())
    assert report["programs"][0]["verdict"] == "reconciled"
    assert one.terminal.ask(f"/api/proofs/{done['id']}/files/reconciliation_report.json", role="auditor") == report
    one.proof = done


def an_adjustment_and_parity(one: Story) -> None:
    """I5: what does not agree is corrected by journals that two people post, and the period exported again agrees."""
    one.now()
    body = {
        "programId": PROGRAM,
        "asset": "EUR",
        "key": "drill-1",
        "lines": [{"debit": "provider_fee", "credit": "fee:platform", "amount": "25"}],
        "reason": "a fee that was booked to the wrong side",
    }
    (one.folder / "wrong.json").write_text(json.dumps(body))
    assert one.terminal("journal", "post", "wrong.json")[0] == 0
    undo = {**body, "key": "drill-2", "lines": [{"debit": "fee:platform", "credit": "provider_fee", "amount": "25"}], "reason": "put right"}
    posted = one.terminal.ask("/api/finance/journal", undo, role="controller")
    code, done = one.exported(one.now())
    assert (code, done["verdict"], done["reconciliation"]) == (0, "complete", "reconciled")
    assert done["id"] != one.proof["id"]
    assert one.sign(done["id"], "ann", "otto") == "signed"
    assert one.terminal("proof", "download", done["id"], "--out", "again.zip")[0] == 0
    assert one.terminal("proof", "verify", "again.zip", "--keys", "keys.json")[0] == 0
    code, entries = one.terminal("proof", "show", done["id"], "--file", "entries.jsonl", "--out", "entries.jsonl")
    assert code == 0, entries
    keys = [json.loads(line).get("id") for line in Path("entries.jsonl").read_text().splitlines()]
    assert posted["id"] in keys


def a_batch_that_was_broken_off(one: Story) -> None:
    """I7: the last batch, what of it was applied; rolled forward, once."""
    rows = "".join(f"{number},{number}00,2026-11-20T10:00:00Z\n" for number in range(1, 6))
    Path("batch.csv").write_text(f"id,amount,date\n{rows}")
    Path("map.toml").write_text(BANK_MAP)

    def killed(done: int, _: int) -> None:
        if done:
            raise KeyboardInterrupt

    database, read = one.desk.database, load_map(BANK_MAP)
    with one.monkeypatch.context() as patch:
        patch.setattr(imports, "PART_ROWS", 2)
        with pytest.raises(KeyboardInterrupt):
            import_file(database.transaction, PROGRAM, Path("batch.csv"), read, actor="local:ops", clock=now, progress=killed)
    [batch] = told(one.terminal("journal", "batch", "list", "--output", "json"))
    assert (batch["rows"], batch["rowsApplied"], batch["state"]) == (5, 2, "half applied")
    words = ("journal", "batch", "repair", batch["id"], "--map", "map.toml")
    Path("other.csv").write_text("id,amount,date\n")
    code, said = one.terminal(*words, "--file", "other.csv")
    assert (code, "not the file" in said) == (5, True), said
    assert told(one.terminal(*words, "--file", "batch.csv", "--dry-run", "--output", "json"))["posted"] == 0
    for posted in (3, 0):
        done = told(one.terminal(*words, "--file", "batch.csv", "--output", "json"))
        assert (done["posted"], done["rows"]) == (posted, 5), "once, however often it is said"
    shown = told(one.terminal("journal", "batch", "show", batch["id"], "--output", "json"))
    assert (shown["state"], one.terminal.ask(f"/api/finance/batches/{batch['id']}")) == ("complete", shown)
    held = told(one.terminal("accounts", "balance", "bad_debt", "--output", "json"))
    assert held["balance"] == str(100 + 200 + 300 + 400 + 500)


def a_trail_of_an_account(one: Story) -> None:
    """T6: what moved an account and what people did with it; two trails held against each other."""
    with one.desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["treasury:agent:a7"], asset="EUR", actor="test", now=now())
        lines = [("clearing:simulator", "treasury:agent:a7", 700), ("treasury:agent:a7", "clearing:simulator", 700)]
        post(conn, PROGRAM, key="agent-1", kind="agent", lines=lines, asset="EUR", actor="test", now=now(), narrative="a commission")
    assert one.terminal("jobs", "run", "log")[0] == 0
    for form in ("csv", "json"):
        code, said = one.terminal("audit", "export", "--agent-id", "a7", "--format", form, "--output", f"trail.{form}")
        assert (code, "3 rows" in said) == (0, True), said
    told_over_http = one.terminal.ask("/api/audit/export?agentId=a7", role="auditor")
    assert [row["amount"] for row in told_over_http["rows"]] == ["", "700", "-700"]
    code, said = one.terminal("audit", "diff", "--expected", "trail.csv", "--actual", "trail.json")
    assert (code, said) == (0, "Both say the same.\n")
    Path("altered.csv").write_text(Path("trail.csv").read_text().replace('"700"', '"701"', 1))
    code, said = one.terminal("audit", "diff", "--expected", "trail.csv", "--actual", "altered.csv", "--output", "json")
    [differs] = told((code, said))
    assert (code, differs["field"], differs["expected"], differs["actual"]) == (1, "amount", "700", "701")


def a_signature_that_failed(one: Story) -> None:
    """I8: who can sign, whether there are enough, and asking anew once there are: before, it is refused."""
    code, said = one.terminal("signers", "status", "--output", "json")
    status = told((code, said))
    assert (code, status["canBeMet"], status["log"]["health"]) == (0, True, "ready")
    assert {row["person"]: row["health"] for row in status["signers"]} == {"ann": "ready", "otto": "ready"}
    code, done = one.exported(one.now())
    assert one.sign(done["id"], "ann") == "waiting"
    standing = {row["person"]: row["standing"] for row in one.terminal.ask(f"/api/proofs/{done['id']}")["signers"]}
    assert standing == {"ann": "signed", "otto": "missing"}
    [otto] = [row["id"] for row in status["signers"] if row["person"] == "otto"]
    assert one.terminal("signers", "revoke", otto, "--reason", "the laptop is lost")[0] == 0
    code, said = one.terminal("signers", "status")
    assert (code, "TOO FEW" in said) == (1, True), said
    assert one.terminal.ask("/api/signers")["canBeMet"] is False
    words = ("proof", "reissue", done["id"], "--reason", "a signer's key is lost")
    code, said = one.terminal(*words)
    assert (code, "Too few people could sign it anew" in said, "ann as controller" in said) == (5, True, True), said
    a_key_that_signs(one, "otto", "auditor", "otto-2.pem")
    code, said = one.terminal(*words)
    assert code == 0, said
    again = one.terminal.ask(f"/api/proofs/{done['id']}/reissue", {"reason": "and once more"}, role="controller")
    assert (again["state"], one.terminal.ask(f"/api/proofs/{done['id']}/request")["number"]) == ("waiting", 3)
    assert one.terminal("proof", "download", done["id"], "--out", "waiting.zip")[0] == 0
    code, said = one.terminal("proof", "verify", "waiting.zip", "--keys", "keys.json")
    assert (code, said.splitlines()[0], "signed by 0 of the 2" in said) == (2, "INCOMPLETE", True), said


def a_payout_that_is_stuck(one: Story) -> None:
    """I9: it waits for an approval and says so; who approved it, what happened to it in its order, and it goes on."""
    one.now()
    policy_of_batches(one, "0.00")
    [invoice] = issue(one.desk.database, "30.00", prefix="s")
    one.desk.pay(invoice, 30_00)
    worked(one)
    [payout] = one.terminal.rows(f"/api/payouts?invoiceId={invoice}")
    waits = "it needs an approved batch: 28.20 EUR is more than the 0.00 that is paid by rule"
    assert (payout["state"], payout["lastError"]) == ("pending", waits)
    code, said = one.terminal("payouts", "rerun", payout["id"])
    assert code == 0, said
    worked(one)
    assert one.terminal.ask(f"/api/payouts/{payout['id']}")["state"] == "pending", "nobody approved it"
    batch = told(one.terminal("batches", "gather", "--asset", "EUR", "--output", "json"))["id"]
    assert one.terminal("batches", "submit", batch)[0] == 0
    waiting = one.terminal.ask(f"/api/payouts/{payout['id']}")
    assert (waiting["state"], waiting["lastError"]) == ("pending", f"it is in batch {batch}")
    assert told(one.terminal("batches", "show", batch, "--output", "json"))["approvedBy"] == []
    for verb in ("approve", "execute"):
        code, said = one.terminal("batches", verb, batch)
        assert code == 0, said
    [approval] = told(one.terminal("batches", "show", batch, "--output", "json"))["approvedBy"]
    assert (approval["approver"], approval["counts"]) == ("person:vera", True)
    one.now()
    worked(one)
    shown = told(one.terminal("payouts", "show", payout["id"], "--timeline", "--output", "json"))
    assert shown["state"] == "completed"
    facts = shown["timeline"]
    assert [row["at"] for row in facts] == sorted(row["at"] for row in facts)
    assert [row["said"].partition(":")[0] for row in facts if row["id"] == payout["id"] and row["what"] == "step"] == [
        *("create", "reserve", "complete")
    ]
    reserved = f"payout_reserve Attempt 1 at {payout['id']}"
    assert [row["said"] for row in facts if row["what"] == "journal"] == ["settlement", reserved, "payout_finalize"]
    assert [(row["said"], row["by"]) for row in facts if row["what"] == "action"] == [("payout.rerun", "key:operator")]
    assert {row["said"] for row in facts if row["what"] == "event"} == {"payout_created", "payout_waiting", "payout_completed"}
    assert {row["what"] for row in facts} >= {"call", "answer"}
    [approved] = [row for row in facts if row["what"] == "approval"]
    assert (approved["at"], approved["said"], approved["id"]) == (approval["at"], f"batch {batch} is approved by person:vera", batch)
    assert [row["what"] for row in facts].index("approval") < [row["what"] for row in facts].index("call")
    policy_of_batches(one, "1000000.00")


def policy_of_batches(one: Story, by_rule: str) -> None:
    words = ("batches", "policy", "EUR", "--by-rule", by_rule, "--tier", "0.00=1", "--reason", "the auditors ask for it")
    one.terminal.by_two(*words)
    code, said = one.terminal(*words)
    assert code == 0, said


def a_backup_by_policy(one: Story) -> None:
    """Part of what the operator does: a backup, encrypted, signed for, read back; and restored where there is nothing."""
    one.now()
    one.monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", as_server(one.desk.database.url))
    one.monkeypatch.setenv("COUNTERFOIL_BACKUP_KEYS", one.terminal("backup", "new-key")[1].splitlines()[0])
    code, said = one.terminal("backup")
    assert (code, "read back to the end" in said) == (0, True), said
    [made] = told(one.terminal("backup", "list", "--output", "json"))
    assert (made["state"], one.terminal.ask(f"/api/backups/{made['id']}")["state"]) == ("kept", "kept")
    [listed] = one.terminal.rows("/api/backups?state=kept")
    assert (listed["id"], listed["bytes"]) == (made["id"], made["bytes"])
    page = httpx2.get(f"{one.terminal.url}/admin/backups/{made['id']}", headers={"Authorization": f"Bearer {one.terminal.keys['viewer']}"})
    assert made["id"] in page.text
    shown = told(one.terminal("backup", "show", "--output", "json"))
    assert [(row["program"], row["asset"]) for row in shown["books"]] == [(PROGRAM, "EUR")]
    code, said = one.terminal("backup", "verify", made["id"])
    assert (code, "signed by the log's key" in said) == (0, True), said
    code, said = one.terminal("backup", "restore", "--to", one.make_database_url(empty=True), "--keys", "keys.json")
    assert (code, "Rows, books and log are those that were backed up" in said) == (0, True), said
    dump = one.folder / "backups" / made["id"] / "dump.age"
    dump.chmod(0o600)
    dump.write_bytes(dump.read_bytes()[:-1])
    code, said = one.terminal("backup", "verify", made["id"])
    assert (code, "has another SHA-256" in said or "bytes, and had" in said) == (1, True), said
    code, said = one.terminal("backup", "prune", "--dry-run")
    assert (code, "no restore drill has passed yet" in said) == (0, True), said


def a_restore_drill_and_its_evidence(one: Story) -> None:
    """I6 the drill's outcome with its evidence: it fails on the backup that was cut short, says why, and passes on a good one."""
    one.now()
    code, said = one.terminal("drills", "run", "restore")
    assert (code, "has failed" in said) == (1, True), said
    assert one.terminal("backup")[0] == 0
    code, said = one.terminal("drills", "run", "restore")
    assert (code, "has passed" in said) == (0, True), said
    passed, failed = told(one.terminal("drills", "list", "--output", "json"))
    assert (passed["state"], failed["state"], passed["rootMatches"], passed["restoreMs"] > 0) == ("passed", "failed", True, True)
    shown = one.terminal.ask(f"/api/drills/{passed['id']}")
    assert (shown["evidence"].startswith("{"), {check["outcome"] for check in shown["checks"]}) == (True, {"passed"})
    assert told(one.terminal("drills", "show", failed["id"], "--output", "json"))["error"].startswith("backup: ")
    page = httpx2.get(f"{one.terminal.url}/admin/drills/{passed['id']}", headers={"Authorization": f"Bearer {one.terminal.keys['viewer']}"})
    assert passed["id"] in page.text
    assert [row["id"] for row in one.terminal.rows("/api/drills?state=passed")] == [passed["id"]]


def the_databases_password_is_changed(one: Story) -> None:
    """I10 database credentials rotate without a restart: the server that was started before answers with the new one."""
    with login_with_password(one.desk.database.url, one.folder) as login, one.monkeypatch.context() as patch:
        patch.setenv("COUNTERFOIL_DATABASE_URL", login.url)
        serving = Database(login.url, connections_max=2).open()
        try:
            with serving.transaction() as conn:
                conn.execute("select count(*) from account")
            code, said = one.terminal("credentials", "rotate", "--wait-s", "30")
            assert (code, login.login in said) == (0, True), said
            with serving.transaction() as conn:
                conn.execute("select count(*) from account")
        finally:
            serving.close()
        rotated = one.terminal.rows(f"/api/events?name=database_password_rotated&subjectId=login:{login.login}")
        assert len(rotated) == 1
        assert one.terminal("credentials", "show")[0] == 0


def the_period_is_walked_by_the_file_that_comes_with_it(one: Story) -> None:
    """`proofs-and-backups`, from its first step to its signature: I1 to I10, answered by the machine. Otto has a new key by now."""
    one.now()
    done: dict[str, Any] = {}

    def exported() -> None:
        done.update(one.exported(one.now())[1])

    def signed() -> None:
        for name, file in (("ann", "ann.pem"), ("otto", "otto-2.pem")):
            code, said = one.as_person(name, "proof", "sign", done["id"], "--key", file, "--passphrase-stdin")
            assert code == 0, said
        one.now()

    day = f"{now():%Y-%m-%d}"
    steps = walk(
        one.terminal, "proofs-and-backups", "--day", day, doing={"The month is exported": exported, "It is signed by the quorum": signed}
    )
    assert [step["outcome"] for step in steps if step["type"] == "check"] == ["passed"] * 6
    assert done["id"] in str(steps[3]["evidence"]["rows"])


def a_key_that_signs(one: Story, name: str, role: str, file: str) -> None:
    code, said = one.as_person(name, "signers", "new-key", file, "--passphrase-stdin")
    assert code == 0, said
    public = said.strip().splitlines()[-1]
    words = ("signers", "add", "--principal-id", one.people[name], "--role", role, "--public-key", public, "--until", "2027-06-01")
    proposed = told(one.terminal(*words, "--output", "json"))
    decision = {"payloadSha256": proposed["payloadSha256"], "reason": "seen"}
    one.terminal.ask(f"/api/approvals/{proposed['proposalId']}/approve", decision, role="mira")
    code, said = one.terminal(*words)
    assert (code, f"{name} signs as {role}" in said) == (0, True), said


def worked(one: Story) -> None:
    """What the provider tells is heard, and the workers do what there is to do."""
    for _ in range(2):
        one.desk.deliver()
        one.desk.work()
        one.desk.settle_time()


RUNBOOK: tuple[Callable[[Story], None], ...] = (
    people_who_sign,
    a_signed_proof_of_the_period,
    an_adjustment_and_parity,
    a_batch_that_was_broken_off,
    a_signature_that_failed,
    a_payout_that_is_stuck,
    a_trail_of_an_account,
    a_backup_by_policy,
    a_restore_drill_and_its_evidence,
    the_databases_password_is_changed,
    the_period_is_walked_by_the_file_that_comes_with_it,
)


def test_the_runbook_of_proofs_from_top_to_bottom(
    desk: Desk, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, make_database_url: Callable[..., str]
) -> None:
    one = Story(desk, terminal, monkeypatch, tmp_path, f"{now():%Y-%m-%d}T00:00:00Z", make_database_url)
    [invoice] = issue(desk.database, "100.00", prefix="a")
    desk.pay(invoice, 100_00)
    worked(one)
    code, said = terminal("reconcile", "run", "--program", PROGRAM, "--scope", "recent")
    assert code == 0, said
    for section in RUNBOOK:
        section(one)
    worked(one)
    code, said = terminal("invariants")
    assert code == 0, said
    desk.still_true()
