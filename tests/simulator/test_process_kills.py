"""Real kills, restarts, a disk that is full: what was answered stays, nothing moves twice."""

from __future__ import annotations

import resource
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from counterfoil.simulator.journal import FILE_NAME
from counterfoil.simulator.process import SimulatorDidNotStart, spawn_simulator
from tests.simulator.callers import Caller, eventually


def test_what_was_answered_before_a_kill_is_there_after_it_and_asking_again_moves_nothing_twice(tmp_path):
    with spawn_simulator(tmp_path, settle_ms=0) as process:
        Caller(process).charge("fund", "1000000000")
        answered: dict[str, bytes] = {}
        unanswered: list[str] = []
        for round_ in range(3):
            enough = threading.Event()

            def pay(worker: int, round_: int = round_, enough: threading.Event = enough) -> None:
                caller = Caller(process)
                for number in range(10_000):
                    key = f"k-{round_}-{worker}-{number}"
                    try:
                        answered[key] = caller.payout(key).content
                    except httpx2.TransportError:
                        unanswered.append(key)
                        return
                    if number == 20:
                        enough.set()

            with ThreadPoolExecutor(8) as pool:
                paying = [pool.submit(pay, worker) for worker in range(8)]
                assert enough.wait(30)
                process.kill()
                for each in paying:
                    each.result()
            oracle = process.oracle()
            assert answered.keys() <= oracle.by_key().keys(), "an answer was given for what is not on disk"
            process.start()
        assert len(unanswered) == 3 * 8, "every worker was in the middle of a payout when the kill came"
        caller = Caller(process)
        for key in [*answered, *unanswered]:
            again = caller.payout(key)
            assert again.status_code == 201
            assert again.content == answered.get(key, again.content)
        oracle = process.oracle()
        assert oracle.moved_twice() == []
        assert set(oracle.by_key()) == {*answered, *unanswered}
        held = caller.http.get("/v1/balances").json()["data"][0]["amount"]
        assert int(held) == oracle.balances["USD"] == 1_000_000_000 - 125 * len(oracle.payouts)


def test_a_torn_last_line_is_cut_at_the_start_and_said_so(tmp_path):
    with spawn_simulator(tmp_path) as process:
        Caller(process).charge("c1")
        process.kill()
        with (tmp_path / FILE_NAME).open("ab") as file:
            file.write(b'01234567 {"number":')
        assert process.oracle().torn_bytes == 19
        process.start()
        assert process.started["cut_bytes"] == 19
        assert Caller(process).charge("c1").headers["idempotent-replayed"] == "true"
        assert process.oracle().torn_bytes == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit the files of another process")
def test_a_disk_that_takes_no_more_ends_the_simulator_instead_of_a_promise(tmp_path):
    with spawn_simulator(tmp_path) as process:
        caller = Caller(process)
        caller.charge("fund")
        size = (tmp_path / FILE_NAME).stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 100, size + 100))
        with pytest.raises(httpx2.TransportError):
            caller.payout("k1")
        eventually(lambda: not process.alive())
        assert process.oracle().torn_bytes == 100
        process.restart()
        assert Caller(process).look_up("k1")["data"] == []


def test_it_ends_with_whoever_started_it(tmp_path):
    story = (
        "import pathlib, sys, time; from counterfoil.simulator.process import spawn_simulator;"
        "print(spawn_simulator(pathlib.Path(sys.argv[1])).port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", story, str(tmp_path)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        address = ("127.0.0.1", int(starter.stdout.readline()))
        socket.create_connection(address).close()
        starter.kill()
    eventually(lambda: socket.socket().connect_ex(address) != 0)


def test_a_damaged_journal_refuses_the_start_and_says_why(tmp_path):
    with spawn_simulator(tmp_path) as process:
        Caller(process).charge("c1")
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[30] ^= 1
    (tmp_path / FILE_NAME).write_bytes(bytes(data))
    with pytest.raises(SimulatorDidNotStart, match="JournalDamaged"):
        spawn_simulator(tmp_path)


def test_a_second_simulator_on_the_same_folder_is_refused(tmp_path):
    with spawn_simulator(tmp_path), pytest.raises(SimulatorDidNotStart, match="JournalInUse"):
        spawn_simulator(tmp_path)


def test_a_restart_keeps_address_clock_faults_and_what_is_due(tmp_path):
    with spawn_simulator(tmp_path, settle_ms=3_600_000) as process:
        caller, url = Caller(process), process.url
        caller.charge("fund")
        made = caller.payout("k1").json()
        rule = caller.plant("payout_failed", match="k2", count=3)
        now = caller.advance(1_800_000)
        process.restart()
        caller = Caller(process)
        assert process.url == url
        assert caller.http.get("/v1/clock").json()["now"] >= now
        assert caller.http.get(f"/v1/faults/{rule['id']}").json() == rule
        assert caller.http.get(f"/v1/payouts/{made['id']}").json()["status"] == "pending"
        caller.advance(1_800_000)
        assert caller.http.get(f"/v1/payouts/{made['id']}").json()["status"] == "paid"
