"""Every hop of a payout with its proof, and the one safe thing to do next: over HTTP, at the command line and on its page alike."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id, now
from counterfoil.cli.nouns.payouts.timeline import timeline_of
from counterfoil.operations.providers import Accepted, Later, NotThere
from counterfoil.payouts.batches.gathering import cools_until
from counterfoil.payouts.disputes.standing import Contest
from counterfoil.payouts.payouts.proof import STATEMENT_LINES
from counterfoil.payouts.waits_for import command_for_reason
from counterfoil.proofs.log.checkpoints import make_checkpoint
from counterfoil.proofs.log.sequencing import sequence
from counterfoil.proofs.verifying.signatures import TrustedKeys
from counterfoil.proofs.verifying.verify import OK, verify_package
from tests.api.office import PROGRAM, Office, fresh
from tests.api.test_attempts_by_hand import LOST, approved, fact, proposed, sent, shown, told_by_webhook
from tests.api.test_one_payment import run
from tests.api.test_payouts_by_hand import a_payout, said

GATHER = "counterfoil batches gather --asset {asset} --program {program}"


def proof(office: Office, payout: str) -> list[tuple[str, str]]:
    return [(one["what"], one["said"]) for one in shown(office, payout)["proof"]]


def next_of(office: Office, payout: str) -> tuple[str, str]:
    found = shown(office, payout)["nextAction"]
    return found["need"], found["command"]


def again_now(office: Office, table: str) -> None:
    with office.database.transaction() as conn:
        conn.execute(f"update {table} set due_at = now() - interval '1 second' where due_at is not null")


def test_every_call_stands_in_the_timeline_with_its_own_answer_and_so_do_the_webhook_and_the_look_up(office: Office):
    answers = iter([Later("busy", 1, None), LOST])
    payout, provider = sent(office, lambda _: next(answers))
    assert [what for what, _ in proof(office, payout)] == ["call", "answer"]
    assert next_of(office, payout) == ("none", "")
    again_now(office, "provider_payout")
    run(office, "outbox")
    told = proof(office, payout)
    assert [what for what, _ in told] == ["call", "answer", "call", "answer"], "the first call is not forgotten when it is put back"
    assert [said.split(":")[0] for _, said in told] == ["call 1", "call 1 was put off", "call 2", "call 2 was answered unclearly"]
    assert (told[1][1], told[3][1]) == ("call 1 was put off: busy", "call 2 was answered unclearly: the answer was lost")
    assert next_of(office, payout) == ("in_doubt", f"counterfoil payouts force-reconcile {payout}")
    provider.found = NotThere()
    run(office, "reconcile-pull")
    assert ("look-up", "simulator does not know it; a call may still arrive") in proof(office, payout)
    assert next_of(office, payout)[1].split()[2] in shown(office, payout)["allowed"], "what is said is what is allowed"
    webhook = told_by_webhook(office, provider.orders[0], "paid")
    told_by_webhook(office, provider.orders[0]._replace(key="another"), "pending")
    run(office, "webhooks")
    found = shown(office, payout)
    assert found["state"] == "completed"
    [attempt] = found["providerPayouts"]
    assert [(one["id"], one["attemptId"]) for one in found["proof"] if one["what"] == "webhook"] == [(webhook, attempt["id"])]
    assert found["nextAction"] == {"need": "none", "why": "Nothing is to be done: it is over.", "command": ""}
    rows = timeline_of(found, [], [])
    assert rows == sorted(rows, key=lambda one: one["at"])
    assert [one["what"] for one in rows if one["what"] not in ("step", "journal", "action")] == [one["what"] for one in found["proof"]]


def test_the_next_action_is_the_one_that_is_allowed_and_says_so_where_it_is_not_yet(office: Office):
    payout = a_payout(office)
    run(office, "reserve")
    assert next_of(office, payout) == ("none", "")
    said(office, f"/api/payouts/{payout}/quarantine", reason="a tip")
    need = shown(office, payout)["nextAction"]
    assert (need["need"], need["command"]) == ("quarantined", f'counterfoil payouts release-to-queue {payout} --reason "…"')
    assert need["why"] == "A person stopped them: they are not sent while that lasts. (quarantined: a tip)"
    approved(office, proposed(office, f"/api/payouts/{payout}/release-to-queue", reason="the tip was wrong"))
    said(office, f"/api/payouts/{payout}/cancel-attempt", reason="wrong day")
    assert next_of(office, payout) == ("failed", f'counterfoil payouts retry {payout} --reason "…"')
    said(office, f"/api/payouts/{payout}/cancel", reason="the payee asked")
    assert next_of(office, payout) == ("owed", f'counterfoil payouts reissue {payout} --reason "…"'), "its money is still owed"
    said(office, f"/api/payouts/{payout}/reissue", reason="asked for again")
    assert next_of(office, payout) == ("none", "")


def test_what_a_pause_stops_is_resumed_first(office: Office):
    payout = a_payout(office)
    for queue, job in (("reserve", "reserve"), ("send", "outbox")):
        assert next_of(office, payout) == ("none", "")
        paused = office.ask("POST", f"/api/admin/queue/{queue}/pause", role="operator", json={"reason": "the bank called"})
        assert paused.status_code == 200, paused.text
        need = shown(office, payout)["nextAction"]
        assert (need["need"], need["command"]) == ("paused", f'counterfoil queue resume {queue} --reason "…"')
        assert need["why"].endswith("nothing of it moves until it is resumed: the bank called")
        resumed = office.approve(proposed(office, f"/api/admin/queue/{queue}/resume", reason="it works"))
        assert (resumed.status_code, resumed.json()["state"]) == (200, "done"), resumed.text
        run(office, job)
    assert next_of(office, payout) == ("none", "")


def test_a_look_up_is_of_no_use_while_its_queue_is_paused(office: Office):
    payout, _ = sent(office, lambda _: LOST)
    assert next_of(office, payout) == ("in_doubt", f"counterfoil payouts force-reconcile {payout}")
    body = {"reason": "too slow", "provider": "simulator"}
    assert office.ask("POST", "/api/admin/queue/pull/pause", role="operator", json=body).status_code == 200
    assert next_of(office, payout) == ("in_doubt", 'counterfoil queue resume pull --provider simulator --reason "…"')


def test_a_conflict_is_asked_about_and_its_end_by_two_is_told_with_its_id(office: Office):
    payout, provider = sent(office, lambda order: Accepted(fact(order, "paid")))
    told_by_webhook(office, provider.orders[0], "failed")
    run(office, "webhooks")
    [conflict] = shown(office, payout)["conflicts"]
    assert next_of(office, payout) == ("conflict", f"counterfoil payouts force-reconcile {payout}")
    assert f"end-conflict {payout} --conflict-id {conflict['id']} --found …" in shown(office, payout)["nextAction"]["why"]
    status, _ = said(office, f"/api/payouts/{payout}/force-reconcile")
    assert status == 200, "what is said is what is allowed"


def test_what_waits_for_its_destination_is_told_what_the_destination_waits_for(office: Office):
    payout = a_payout(office, destination=False)
    run(office, "reserve")
    assert next_of(office, payout) == ("waiting", f"counterfoil destinations set bolt --program {PROGRAM}")
    account = f"acct_{fresh()}"
    one = office.by_two("/api/destinations", {"programId": PROGRAM, "payeeId": "bolt", "token": account}, role="administrator").json()
    assert said(office, f"/api/destinations/{one['id']}/quarantine", reason="a tip")[0] == 200
    run(office, "reserve")
    assert next_of(office, payout) == ("waiting", "counterfoil destinations list --payee bolt --state quarantined")
    approved(office, proposed(office, f"/api/destinations/{one['id']}/release", reason="the tip was wrong"))
    office.by_two("/api/destinations", {"programId": PROGRAM, "payeeId": "bolt", "token": f"{account}x"}, role="administrator")
    run(office, "reserve")
    need = shown(office, payout)["nextAction"]
    assert (need["need"], need["command"]) == ("waiting", ""), "setting it again would only make it wait longer"
    assert "it cools off until" in need["why"]


@pytest.mark.parametrize(
    ("why", "command"),
    [
        ("it needs an approved batch: its destination is new", GATHER),
        (
            "it left batch bat_01K: its destination is not the one that was approved",
            GATHER,
        ),
        ("it is in batch bat_01K, which is pending approval", "counterfoil batches show bat_01K"),
        ("the lines of batch bat_01K are not those that were approved", "counterfoil batches show bat_01K"),
        (Contest("dispute", "dsp_01K").why, "counterfoil disputes show dsp_01K"),
        (Contest("chargeback", "cb_01K").why, "counterfoil chargebacks show cb_01K"),
        ("simulator contradicts itself about attempt pp_1: it said paid, expected was failed; end conflict pp_1.1 first", ""),
        (cools_until("bolt", datetime(2026, 11, 29, tzinfo=UTC)), ""),
        ("This account is frozen: nothing that a person decides lowers it.", "counterfoil payouts rerun {id}"),
    ],
)
def test_each_reason_why_a_payout_waits_has_what_moves_it_on(why: str, command: str) -> None:
    assert command_for_reason(why) == command


def test_the_differences_that_name_an_attempt_are_found_along_indexes(conn: Connection[Any]):
    conn.execute("set local enable_seqscan = off")
    plan = "\n".join(row[0] for row in conn.execute("explain " + STATEMENT_LINES, {"ids": ["pp_1"]}).fetchall())
    for name, column in (("break_by_reference", "reference"), ("break_by_record", "record_id")):
        assert re.search(rf"using {name} on .*\n +Index Cond: \(\(program_id = pp.program_id\) AND \({column} = ANY", plan), plan


def test_a_look_up_whose_answer_moves_it_stands_among_the_proofs(office: Office):
    payout, provider = sent(office, lambda _: LOST)
    provider.found = Accepted(fact(provider.orders[0], "failed"))
    run(office, "reconcile-pull")
    assert shown(office, payout)["state"] == "failed"
    assert proof(office, payout)[-1] == ("look-up", "simulator was asked, and its word is: failed")


def test_what_was_posted_for_a_payout_is_shown_to_be_in_the_log(office: Office, tmp_path: Path):
    payout = a_payout(office)
    where = f"/api/payouts/{payout}/inclusion"
    nothing = office.ask("GET", where)
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/NothingBooked"), nothing.text
    run(office, "reserve")
    run(office, "log")
    reserved = office.ask("GET", where)
    told = reserved.json()
    assert (told["kind"], told["id"]) == ("payout", payout)
    assert [json.loads(one["record"])["source_type"] for one in told["entries"]] == ["provider_payout"]
    said(office, f"/api/payouts/{payout}/cancel-attempt", reason="wrong day")
    late = office.ask("GET", where)
    assert (late.status_code, late.json()["type"]) == (503, "/problems/LogBehind"), "all of it, or none yet"
    with office.database.transaction() as conn:  # the job makes one each minute
        size = sequence(conn, make_origin="", now=now(), waits=True).size
        make_checkpoint(conn, size, make_key_id=make_id("lgk"), now=now())
    whole = office.ask("GET", where)
    assert len(whole.json()["entries"]) == 2
    keys = TrustedKeys.read(office.ask("GET", "/api/signers/keys").json()["keys"])
    for body in (reserved.content, whole.content):  # an older file holds as well: its checkpoint is the beginning of the newer
        (tmp_path / "file.json").write_bytes(body)
        assert verify_package(tmp_path / "file.json", keys).code == OK
    wrong = office.ask("GET", f"/api/payouts/po_{'0' * 26}/inclusion")
    assert (wrong.status_code, wrong.json()["type"]) == (404, "/problems/NotFound")
    assert office.ask("GET", "/api/payouts/x/inclusion").status_code == 422
