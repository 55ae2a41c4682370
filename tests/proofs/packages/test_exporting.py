"""Making the package of a period: the same bytes for the same period, whole or saying why not, whatever happens beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import now
from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.log.checkpoints import LogBehind, LogForked, keys_of_log, origin_of, seed_of
from counterfoil.proofs.log.notes import Checkpoint, sign_note
from counterfoil.proofs.packages import layout
from counterfoil.proofs.packages.exporting import PeriodNotOver, export_proof
from counterfoil.proofs.packages.standalone import verifier_text
from counterfoil.proofs.packages.store import stored
from counterfoil.proofs.personal_data import WHAT, name_policy
from counterfoil.proofs.proofs import Proof
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import INCOMPLETE, OK, UNKNOWN_KEYS, verify_package
from counterfoil.runbooks.model import RUNBOOK_RUN
from tests.builders import PROGRAM
from tests.proofs.builders import House, Verifiers, a_border, packed, renamed, signed_anew, standalone, unpacked

MOVED = [("bad_debt", "platform:own_funds", 1)]
MORE: dict[str, Any] = {"kind": "t", "asset": "EUR", "actor": "t", "now": now(), "narrative": "x" * 900}


@pytest.fixture
def verify(tmp_path: Path) -> Verifiers:
    return Verifiers(tmp_path)


def manifest_of(house: House, proof_id: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(unpacked(house.package(proof_id))[layout.MANIFEST])
    return told


def test_the_same_period_is_the_same_bytes(house: House) -> None:
    end = now()
    first, new = export_proof(house.exporter, house.start, end, by="ann")
    before = house.package(first.id)
    again, newer = export_proof(house.exporter, house.start, end, by="otto")
    assert (new, newer, again.id) == (True, False, first.id)
    assert house.package(first.id) == before
    assert not list((house.folder / ".making").iterdir()), "nothing is left over"


def test_two_who_export_at_once_make_one_proof(house: House) -> None:
    end = now()
    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda n: export_proof(house.exporter, house.start, end, by=f"p{n}"), range(3)))
    assert len({proof.id for proof, _ in made}) == 1
    assert sorted(new for _, new in made) == [False, False, True]


def test_a_package_holds_what_its_layout_says_and_counts_what_is_in_it(house: House) -> None:
    proof = house.exported(house.start, now())
    files = unpacked(house.package(proof.id))
    told = manifest_of(house, proof.id)
    assert set(files) == layout.ALL
    entries = [json.loads(one) for one in files["entries.jsonl"].splitlines()]
    assert len(entries) == sum(told["counts"].values()) == proof.entries
    assert told["programs"] == [PROGRAM]
    assert (told["verdict"], told["incomplete_because"], told["checks"]["not_run"]) == ("complete", [], [])
    assert told["totals"][0]["debits"] == told["totals"][0]["credits"]
    assert json.loads(files["reconciliation_report.json"])["programs"][0]["verdict"] == told["reconciliation"]["verdict"]
    assert files["verify.py"].decode() == verifier_text()


def test_a_proof_names_the_policy_of_personal_data_that_was_in_force_at_its_end(house: House, verify: Verifiers) -> None:
    """One that is named afterwards changes nothing: the same period is the same bytes."""
    end = a_border()
    first = house.exported(house.start, end)
    assert manifest_of(house, first.id)["personal_data"] == {"what": WHAT, "policy": None}
    digest = hashlib.sha256(b"the document").digest()
    with house.desk.database.transaction() as conn:
        named = name_policy(conn, "Privacy 2026-1", digest, reason="agreed", actor="t", now=now())
        again = name_policy(conn, "Privacy 2026-1", digest, reason="agreed", actor="t", now=now())
        assert (named.version, again) == (1, named), "the same twice is one"
    assert export_proof(house.exporter, house.start, end, by="t") == (first, False)
    second = house.exported(end, a_border())
    with house.desk.database.transaction() as conn:
        name_policy(conn, "Privacy 2027", None, reason="agreed", actor="t", now=now())
    policy = manifest_of(house, second.id)["personal_data"]["policy"]
    assert (policy["name"], policy["version"], policy["sha256"]) == ("Privacy 2026-1", 1, digest.hex())
    house.sign(second.id, house.ann, house.otto)
    said = verify(house.package(second.id), house.keys(), house.package(first.id))[1]
    told = f"Personal data is in it under the policy Privacy 2026-1, in force since {policy['since']} (SHA-256 {digest.hex()})."
    assert told in said
    assert "No policy of personal data was named for it." in verify(house.package(first.id), house.keys())[1]
    files = unpacked(house.package(second.id))
    older = signed_anew(renamed(files, lambda one: one.update(personal_data=["what"])), [house.ann, house.otto])
    assert "No policy of personal data was named for it." in verify(packed(older), house.keys())[1], "as versions of before wrote it"


def test_playbooks_and_checklists_are_told_as_they_stood_when_the_period_was_over(house: House, verify: Verifiers) -> None:
    """Whenever the package is made: what is signed afterwards is of the next period, which has it with how each step was answered."""
    middle = a_border()
    signed, closed, late = (house.followed() for _ in range(3))
    house.ended(signed, "sign")
    house.ended(closed, "close")
    end = now()
    first = house.exported(middle, end)
    before = house.package(first.id)
    house.ended(late, "sign")
    again, new = export_proof(house.exporter, middle, end, by="test")
    assert (again.id, new, house.package(first.id)) == (first.id, False, before)
    second = house.exported(end, now())

    def told(proof_id: str) -> tuple[Any, dict[str, Any]]:
        lines = unpacked(house.package(proof_id))["runs.jsonl"].splitlines()
        runs = {one["id"]: one for one in map(json.loads, lines) if one["kind"] == "checklist"}
        return manifest_of(house, proof_id)["runbooks"], runs

    counted, runs = told(first.id)
    assert counted == {"signed": 1, "closed": 1, "unfinished": [late]}
    assert {one["id"]: (one["state"], one["ended_by"] is None) for one in runs.values()} == {
        signed: ("signed", False),
        closed: ("closed", False),
        late: ("running", True),
    }
    [step] = runs[signed]["steps"]
    assert (step["outcome"], step["told"], step["title"]) == ("done", "It is well.", "Looked at")
    assert runs[late]["steps"][0]["outcome"] == "open"
    counted, runs = told(second.id)
    assert (counted, list(runs)) == ({"signed": 1, "closed": 0, "unfinished": []}, [late])
    for proof, unfinished in ((first, f"not finished: 1 ({late})"), (second, "not finished: 0")):
        said = verify(house.package(proof.id), house.keys())[1]
        assert [unfinished in one for one in said if one.startswith("Playbooks and checklists")] == [True], said


def test_the_acts_that_packages_know_runs_by_are_those_of_runs() -> None:
    named = {f"{RUNBOOK_RUN.name}.{verb}": state for (_, verb), state in RUNBOOK_RUN.transitions.items()}
    assert named == dict(layout.RUN_ENDS)


def test_an_empty_period_is_valid_and_signed(house: House, verify: Verifiers) -> None:
    long_ago = house.start - timedelta(days=90)
    proof = house.exported(long_ago, long_ago + timedelta(days=1))
    house.sign(proof.id, house.ann, house.otto)
    code, said = verify(house.package(proof.id), house.keys())
    told = manifest_of(house, proof.id)
    assert (told["log"]["first"], told["counts"], proof.entries) == (None, {}, 0)
    assert code == INCOMPLETE, said
    assert "INCOMPLETE: not reconciled: there was no program" in said, "nobody compared those days, and it says so"


def test_a_period_follows_the_one_before(house: House, verify: Verifiers) -> None:
    first, second = house.two_periods("f", "11.00")
    house.sign(second.id, house.ann, house.otto)
    assert second.previous_id == first.id
    code, said = verify(house.package(second.id), house.keys(), house.package(first.id))
    assert code == OK, said


def test_what_was_not_checked_makes_it_incomplete_on_its_face(house: House, verify: Verifiers) -> None:
    def broken(_: Any) -> Any:
        raise psycopg.errors.UndefinedTable("a view is gone")

    checks = [
        Invariant("NOT_RUN", "Can this be asked?", broken, "critical", "x", "P12"),
        Invariant("FAILS", "Is this well?", "select 'a thing'", "critical", "x", "P12"),
    ]
    exporter = house.exporter._replace(invariants=[*house.exporter.invariants, *checks])
    proof = export_proof(exporter, house.start, now(), by="ann")[0]
    told = manifest_of(house, proof.id)
    assert (proof.verdict, told["verdict"]) == ("incomplete", "incomplete")
    assert told["incomplete_because"] == ["integrity check failed: FAILS: 1 found", "integrity check not run: NOT_RUN: UndefinedTable"]
    assert json.loads(unpacked(house.package(proof.id))["alerts.jsonl"])["code"] == "FAILS"
    house.sign(proof.id, house.ann, house.otto)
    code, said = verify(house.package(proof.id), house.keys())
    assert (code, [one for one in said if one.startswith("INCOMPLETE")]) == (
        INCOMPLETE,
        [f"INCOMPLETE: {one}" for one in told["incomplete_because"]],
    )


def test_books_that_were_changed_past_the_log_make_it_incomplete(house: House) -> None:
    house.exported(house.start, now())  # everything is in the log before it is changed
    with psycopg.connect(house.desk.database.url) as owner:
        owner.execute("alter table posting disable trigger all")
        owner.execute("set session_replication_role = replica")
        [row] = owner.execute("select journal_id, line, amount from posting order by seq limit 1").fetchall()
        owner.execute("update posting set amount = amount + 1 where journal_id = %s and line = %s", row[:2])
    try:
        proof = house.exported(house.start, now())
        told = manifest_of(house, proof.id)
    finally:
        with psycopg.connect(house.desk.database.url) as owner:
            owner.execute("set session_replication_role = replica")
            owner.execute("update posting set amount = %s where journal_id = %s and line = %s", [row[2], *row[:2]])
            owner.execute("alter table posting enable always trigger is_append_only")
            owner.execute("alter table posting enable always trigger is_not_truncated")
            owner.execute("alter table posting enable always trigger postings_were_inserted")
    assert proof.verdict == "incomplete"
    assert any(one.startswith("balance off") for one in told["incomplete_because"])
    assert any("LOG_MUTATED" in one for one in told["incomplete_because"])


def test_a_period_that_is_not_over_or_no_period_is_refused(house: House) -> None:
    with pytest.raises(PeriodNotOver):
        house.exported(house.start, now() + timedelta(hours=1))
    with pytest.raises(InvalidInput):
        house.exported(house.start, house.start)


def test_a_record_that_still_waits_to_be_numbered_is_waited_for(house: House) -> None:
    """Somebody's transaction is open: what was committed after it began cannot be numbered yet, and is not left out."""
    house.exported(house.start, now())  # the log's first turn takes all that it sees; from then on it goes by transactions
    with psycopg.connect(house.desk.database.url) as slow:
        slow.execute("select pg_current_xact_id()")
        with house.desk.database.transaction() as conn:
            post(conn, PROGRAM, key="behind", lines=MOVED, **MORE)
        with pytest.raises(LogBehind):
            house.exported(house.start, now())
        slow.rollback()
    assert house.exported(house.start, now()).entries > 0


def test_a_period_is_not_settled_while_a_transaction_of_it_is_open(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.proofs.packages.exporting.PATIENCE_S", 0.0)
    with house.desk.database.transaction() as conn:
        post(conn, PROGRAM, key="slow", lines=MOVED, **{**MORE, "now": now()})
        end = now()
        with pytest.raises(LogBehind):
            house.exported(house.start, end)
    proof = house.exported(house.start, end)
    keys = [json.loads(one).get("key") for one in unpacked(house.package(proof.id))["entries.jsonl"].splitlines()]
    assert "slow" in keys, "it was recorded before the end, so it is of this period"


def test_a_log_that_is_not_the_one_that_left_is_not_exported(house: House) -> None:
    end = now()
    house.exported(house.start, end)
    folder = house.folder / "checkpoints"
    with house.desk.database.transaction() as conn:
        key = keys_of_log(conn)[0]
        foreign = Checkpoint(origin_of(conn), 1, b"\x07" * 32).text()
        note = sign_note(foreign, origin_of(conn), seed_of(conn, key.id))
    folder.mkdir(parents=True)
    try:
        (folder / "latest").write_text(note)
        with pytest.raises(LogForked):
            house.exported(house.start, now())
    finally:
        shutil.rmtree(folder)


def test_a_package_that_was_damaged_in_the_store_is_made_anew_by_another_export(house: House) -> None:
    end = now()
    proof = house.exported(house.start, end)
    before = house.package(proof.id)
    with house.desk.database.transaction() as conn:
        lying = stored(conn, house.folder, proof.id).folder
    (lying / "breaks.jsonl").unlink()
    again, new = export_proof(house.exporter, house.start, end, by="ann")
    assert (again.id, new, house.package(proof.id)) == (proof.id, False, before)
    assert len(list((house.folder / "damaged").iterdir())) == 1, "what was found damaged is kept"


def test_memory_does_not_grow_with_the_entries_neither_where_it_is_made_nor_where_it_is_verified(house: House, verify: Verifiers) -> None:
    with house.desk.database.transaction() as conn:
        for part in range(4):
            for number in range(100):
                lines = MOVED
                post(
                    conn,
                    PROGRAM,
                    key=f"many-{part}-{number}",
                    kind="t",
                    lines=lines,
                    asset="EUR",
                    actor="t",
                    now=now(),
                    narrative="x" * 900,
                )
    few = _peaks(house, house.start + timedelta(microseconds=1), verify)
    with house.desk.database.transaction() as conn:
        for number in range(1_200):
            post(conn, PROGRAM, key=f"more-{number}", lines=MOVED * 20, **MORE)
    many = _peaks(house, house.start + timedelta(microseconds=2), verify)
    for what, before, after in zip(("exporting", "verifying", "verify.py"), few, many, strict=True):
        assert after < before * 1.5 + 4_000_000, f"{what}: {before:,} bytes for 400 journals, {after:,} for 1,600"


def _peaks(house: House, start: Any, verify: Verifiers) -> list[int]:
    """The most memory that exporting takes, and each of the two that verify."""
    exporter = house.exporter._replace(invariants=())
    export_proof(exporter, start, now(), by="warm")
    proofs = list[Proof]()
    exporting = _peak(lambda: proofs.append(export_proof(exporter, start + timedelta(microseconds=10), now(), by="ann")[0]))
    path, keys = verify.folder / "large.zip", house.keys()
    path.write_bytes(house.package(proofs[0].id))
    codes = list[int]()
    ours = _peak(lambda: codes.append(verify_package(path, TrustedKeys.read(keys)).code))
    theirs = _peak(lambda: codes.append(verify.module.judged(str(path), keys, "")[0]))
    assert codes == [INCOMPLETE, INCOMPLETE], "read to the end: nobody has signed it"
    return [exporting, ours, theirs]


def _peak(work: Callable[[], None]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def interpreters() -> list[Path]:
    """Each minor version of Python that is there, from 3.9 on."""
    places = [Path(one) for one in os.environ.get("PATH", "").split(":")]
    places += sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin"))
    found: dict[str, Path] = {}
    for place in places:
        for minor in range(9, 15):
            path = place / f"python3.{minor}"
            works = path.is_file() and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
            if works:
                found.setdefault(path.name, path)
    return list(found.values())


def test_the_packages_own_verifier_runs_on_every_python_that_is_here(house: House, tmp_path: Path) -> None:
    proof = house.exported(house.start, now())
    house.sign(proof.id, house.ann, house.otto)
    (tmp_path / "p.zip").write_bytes(house.package(proof.id))
    (tmp_path / "keys.json").write_text(json.dumps(house.keys()))
    (tmp_path / "verify.py").write_bytes(unpacked(house.package(proof.id))["verify.py"])
    ran = {}
    for python in interpreters():
        words = [python, "-I", "-S", "verify.py", "p.zip", "--keys", "keys.json"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, env={})
        ran[python.name] = (done.returncode, done.stdout.split("\n")[0], done.stderr)
    assert ran, "none was found"
    assert set(ran.values()) == {(OK, "OK", "")}, ran


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quorum", 0),
        ("quorum", -1),
        ("quorum", "2"),
        ("quorum", True),
        ("origin", None),
        ("valid_from", 1),
        ("revoked_at", 0),
        ("person", None),
    ],
)
def test_what_is_no_file_of_keys_verifies_nothing(house: House, tmp_path: Path, field: str, value: object) -> None:
    """Of a quorum of none, a package that nobody signed would hold."""
    keys = house.keys()
    (keys if field in keys else keys["signers"][0])[field] = value
    with pytest.raises((ValueError, TypeError)):
        TrustedKeys.read(keys)
    with pytest.raises((ValueError, TypeError)):
        standalone(tmp_path).read_keys(keys)


def test_the_packages_own_verifier_says_when_it_could_not_begin(house: House, tmp_path: Path) -> None:
    proof = house.exported(house.start, now())
    (tmp_path / "p.zip").write_bytes(house.package(proof.id))
    (tmp_path / "verify.py").write_text(verifier_text())
    (tmp_path / "no keys.json").write_text('{"format": "x"}')

    def ran(*words: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "verify.py", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.split("\n")[0], done.stderr.rpartition(": ")[2].strip()

    assert ran("p.zip", "--keys", "gone.json") == (64, "", "No such file or directory")
    assert ran("gone.zip", "--keys", "no keys.json")[:2] == (UNKNOWN_KEYS, "UNKNOWN KEYS")
    assert ran("p.zip", "--keys", "no keys.json")[:2] == (UNKNOWN_KEYS, "UNKNOWN KEYS")
    assert ran("p.zip")[:2] == (64, "")
