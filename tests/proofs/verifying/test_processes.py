"""Several processes look at the entries of a large package: what they find is what one finds, and one that is killed verifies nothing."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from counterfoil.cli.main import run
from counterfoil.proofs.verifying import entries, verify
from counterfoil.proofs.verifying.entries import Look, VerifierEnded, processes_here
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import BROKEN, NOT_VERIFIED, OK, Judgement, verify_package
from tests.proofs.builders import Files, in_blocks_of, packed
from tests.proofs.verifying.conftest import Case
from tests.proofs.verifying.test_attacks import by_insiders


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every package is large enough for several processes."""
    monkeypatch.setattr(entries, "APART_BYTES", 0)


def judged(case: Case, files: Files, processes: int) -> Judgement:
    path = case.verify.folder / "processes.zip"
    path.write_bytes(packed(files))
    with in_blocks_of(600):
        return verify_package(path, TrustedKeys.read(case.keys), processes=processes)


def cut_off(_: Case, files: Files) -> Files:
    return {**files, "entries.jsonl": files["entries.jsonl"][:-1]}


def first_broken_and_cut_off(_: Case, files: Files) -> Files:
    first, rest = files["entries.jsonl"].split(b"\n", 1)
    told = {**json.loads(first), "at": "never"}
    return {**files, "entries.jsonl": json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n" + rest[:-1]}


def one_is_not_listed(_: Case, files: Files) -> Files:
    return {**files, "actions.jsonl": files["actions.jsonl"].split(b"\n", 1)[1]}


FAULTS = {
    "a file that is cut off": (cut_off, "The last line of entries.jsonl is cut off."),
    "the first fault of two": (first_broken_and_cut_off, "does not say when it was recorded."),
    "a list that lacks one": (one_is_not_listed, "actions.jsonl does not say what the entries say."),
}


def test_several_processes_judge_a_whole_package_as_one_does(case: Case) -> None:
    assert case.files["entries.jsonl"].count(b"\n") >= 10, "there are several blocks"
    alone = judged(case, case.files, 1)
    assert alone.code == OK
    assert judged(case, case.files, 2) == alone


@pytest.mark.parametrize("what", FAULTS)
def test_several_processes_name_the_first_fault_as_one_does(case: Case, what: str) -> None:
    fault, says = FAULTS[what]
    files = by_insiders(fault)(case, case.files)
    alone = judged(case, files, 1)
    assert alone.code == BROKEN
    assert says in alone.said[0]
    assert judged(case, files, 2) == alone


class LookAndDie(Look):
    """As where memory runs out: the process is killed while it looks."""

    def __call__(self, lines: Any, first: int) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(lines, first)


def test_a_process_that_is_killed_verifies_nothing(case: Case, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(verify, "Look", LookAndDie)
    with pytest.raises(VerifierEnded):
        judged(case, case.files, 2)
    package, keys = tmp_path / "p.zip", tmp_path / "keys.json"
    package.write_bytes(case.package)
    keys.write_text(json.dumps(case.keys))
    monkeypatch.setattr("counterfoil.cli.nouns.proofs.proof.processes_here", lambda: 2)
    assert run(["proof", "verify", str(package), "--keys", str(keys)]) == NOT_VERIFIED
    said = capsys.readouterr()
    assert "ended from outside" in said.err
    assert "OK" not in said.out


def test_there_are_as_many_as_there_are_cores_and_not_too_many() -> None:
    assert 1 <= processes_here() <= entries.PROCESSES_MAX
