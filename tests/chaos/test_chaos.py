"""The crash test in its short form: one real fault of each kind, and the books and the provider agree to the unit afterwards."""

from __future__ import annotations

import re
import signal

import pytest

from counterfoil.cli.local.drills.windows import SHORT, Window, webhook_stored
from tests.chaos import run
from tests.chaos.others import Bank, Order, compared, those_here
from tests.chaos.paths import OTHERS, PATHS, SHORT_PATHS


def test_one_fault_of_each_kind_loses_and_doubles_nothing(capsys):
    assert run.main(["--short"]) == 0
    told = capsys.readouterr().out
    assert told.rstrip().endswith("lost 0, doubled 0, differences 0")
    killed = set(re.findall(r"^ +1  (\S+(?: \S+)*)$", told, re.MULTILINE))  # as counted in the end
    _, lacking = those_here()
    paths = {window.name for window in SHORT_PATHS if window.path not in lacking}
    assert killed == {window.name for window in SHORT} | paths | {"refused, and tried again", "webhook parked, twice"}
    assert set(re.findall(r"^(\w+) is left out, and nothing is said of it", told, re.MULTILINE)) == set(lacking)
    assert re.search(r"^\d+ orphans were taken up by another worker: the last after \d+\.\d s", told, re.MULTILINE)
    [[woken, attempts, sent, wrote]] = re.findall(
        r"^(\d+) frozen workers woke up with (\d+) attempts that were another's by then: sent (\d+), wrote (\d+)", told, re.MULTILINE
    )
    assert (int(woken) > 0, int(attempts) > 0, sent, wrote) == (True, True, "0", "0")


@pytest.fixture
def chaos(tmp_path):
    """One world for every way in which the crash test itself must fail."""
    made = run.Chaos(tmp_path)
    made.reach_s = 1
    with made.running():
        yield made


def test_the_crash_test_fails_where_a_kill_does_not_land_has_no_evidence_or_money_moved_twice(chaos):
    nowhere = Window("worker", "a.point.that.nobody.passes", webhook_stored, "never")
    with pytest.raises(run.KillMissed, match="nobody came by"):
        chaos.cycle(nowhere)

    chaos.world.worker.kill()  # dead before the kill
    told = Window("worker", "verify.after_claim", webhook_stored, "dead already")
    with pytest.raises((run.KillMissed, run.ProcessDidNotStart)):
        chaos.deal(told, 1)
    chaos.world.worker.start()
    assert chaos.world.worker.kill() == -signal.SIGKILL
    chaos.world.worker.start()

    chaos.reach_s = 30
    assert not chaos.cycle(Window("worker", "verify.after_claim", lambda conn, oracle: False, "its evidence is never there"))
    assert (chaos.kills.total(), chaos.misses.total()) == (0, 1)
    chaos.traffic()
    assert chaos.verdict().clean()

    key = "a-key-that-our-books-never-sent"
    body = {"amount": "100", "asset": "EUR", "destination": "acct_payee_1", "reference": "pp_stray"}
    chaos.ok(chaos.simulator.post("/v1/payouts", json=body, headers={"Idempotency-Key": key}))
    verdict = chaos.verdict()
    assert f"the provider paid {key}, our books do not know" in verdict.lost
    assert any(line.startswith("clearing") for line in verdict.differences)


def test_kills_without_evidence_are_run_again_only_so_often():
    assert not run.too_often(run.MISSES_LEAST, 1)
    assert run.too_often(run.MISSES_LEAST + 1, 1)
    assert not run.too_often(int(1_000 * run.MISSES_MAX), 1_000)
    assert run.too_often(int(1_000 * run.MISSES_MAX) + 1, 1_000)


def test_a_run_goes_through_every_path_and_provider_by_turns_and_names_each_window_once():
    windows = run.every_window(list(OTHERS))
    assert {one.path for one in windows} == {"", "approval", "batch", "refund", "return", "dispute", *OTHERS}
    assert len({one.path for one in windows[:9]}) == 9
    assert {one.path for one in SHORT_PATHS} == {"approval", "batch", "refund", "return", "dispute", *OTHERS}
    assert len({(one.name, one.says) for one in windows}) == len(windows)
    for path in ("batch", "refund", "return", "dispute"):
        assert {one.victim for one in PATHS if one.path == path} >= {"server", "worker"}
    for provider in ("stripe", "chain"):
        told = [(one.point.partition(":")[0], one.how) for one in OTHERS[provider] if one.victim == "worker"]
        assert {("send.after_claim", "kill"), ("send.before_call", "kill"), ("send.after_call", "kill")} <= set(told)
        assert {("send.connected", "stop"), ("send.before_call", "stop"), ("send.after_call", "stop")} <= set(told)


def test_what_a_provider_paid_is_held_against_our_attempts_by_payout():
    ours = [
        Order("k1", "pp_1", "po_1", 100, "succeeded"),
        Order("k2", "pp_2", "po_1", 100, "failed"),
        Order("k3", "pp_3", "po_2", 50, "succeeded"),
    ]
    lost, doubled, differences = compared("stripe", {"k1": 100, "k2": 100, "k3": 49, "k4": 1}, ours)
    assert lost == ["stripe paid k2, our books do not know", "stripe paid k4, our books do not know"]
    assert doubled == ["stripe: payout po_1 was paid 2 times"]
    assert differences == ["stripe: k3 paid 49, booked 50"]
    assert compared("stripe", {"k1": 100}, ours).lost == ["we say k3 is paid, stripe does not"]


def test_the_bank_takes_a_message_once_and_pays_each_order_in_it():
    bank, order = Bank(), "<CdtTrfTxInf><PmtId><EndToEndId>pp_1</EndToEndId></PmtId><Amt><InstdAmt>94.05</InstdAmt></Amt></CdtTrfTxInf>"
    for _ in range(2):
        bank.take("pf_1", f"<Document>{order}</Document>".encode())
    assert (bank.paid, bank.times) == ({"pp_1": 94_05}, {"pp_1": 1})
    bank.take("pf_2", f"<Document>{order}</Document>".encode())
    bank.take("pf_2", f"<Document>{order}{order}</Document>".encode())
    assert bank.times == {"pp_1": 2, "pf_2, told differently": 2}
