"""What killed runs leave in memory goes with the next run."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.leftovers import HELD, UNHELD_S, sweep

# As PostgreSQL does, it minds the signal also where whoever started the tests has it ignored, as `nohup` does.
SERVER = "import signal, time; signal.signal(signal.SIGQUIT, signal.SIG_DFL); print('runs', flush=True); time.sleep(600)"


def test_the_folder_of_a_run_that_was_killed_is_removed_and_that_of_one_that_lives_is_not(tmp_path: Path) -> None:
    for name in ("counterfoil-tests-killed", "counterfoil-tests-living", "counterfoil-own-young", "counterfoil-own-old", "another"):
        (tmp_path / name / "postgres" / "data").mkdir(parents=True)
    for name in ("counterfoil-tests-killed", "counterfoil-tests-living"):
        (tmp_path / name / HELD).touch()
    orphan = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE)
    assert orphan.stdout is not None
    assert orphan.stdout.readline() == b"runs\n"
    (tmp_path / "counterfoil-tests-killed/postgres/data/postmaster.pid").write_text(f"{orphan.pid}\n")
    long_ago = time.time() - UNHELD_S - 1
    os.utime(tmp_path / "counterfoil-own-old", (long_ago, long_ago))
    with (tmp_path / "counterfoil-tests-living" / HELD).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        removed = sweep(tmp_path)
    assert {one.name for one in removed} == {"counterfoil-tests-killed", "counterfoil-own-old"}
    assert {one.name for one in tmp_path.iterdir()} == {"counterfoil-tests-living", "counterfoil-own-young", "another"}
    assert orphan.wait(10) != 0, "the server that was left there still runs"
