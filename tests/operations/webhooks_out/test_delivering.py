"""What happens is written down for each endpoint with its event, and sent until it is taken; one endpoint never delays another."""

from __future__ import annotations

import base64
import socket
import threading
import time
from datetime import timedelta

import psycopg
import pytest

from counterfoil.base.edge import make_id
from counterfoil.operations.events.events import EVENT_LIST, NewEvent, emit
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.operations.webhooks_out.checks import INVARIANTS, MONITORS
from counterfoil.operations.webhooks_out.sending import send_due, send_lane
from counterfoil.operations.work.pauses import QueuePart, pause
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.job import SIGNED, keep_log
from counterfoil.proofs.log.notes import open_note, read_checkpoint
from tests.listed import newest
from tests.operations.webhooks_out.conftest import LOCAL


def failing(bureau) -> set[str]:
    """The codes of this part that find something now."""
    with bureau.database.transaction() as conn:
        return {one.code for one in (*INVARIANTS, *MONITORS) if conn.execute(one.offenders, {"now": bureau.now}).fetchone()}


def attempts(bureau) -> list[tuple]:
    with bureau.database.transaction() as conn:
        return conn.execute("select number, status, error from webhook_attempt order by delivery_id, number").fetchall()


def test_an_event_is_sent_signed_and_says_what_happened_and_when(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_1")
    assert bureau.states() == ["due"]
    assert bureau.send() == Tally(handled=1)
    (got,) = shop.got
    assert got.path == "/hooks?from=us"
    assert got.told == {
        "id": "pay_1.payout_failed.1",
        "type": "payout_failed",
        "level": "warning",
        "programId": "main",
        "subjectId": "pay_1",
        "timestamp": "2026-11-20T12:00:00Z",
        "data": {"reason": "closed"},
    }
    (one,) = bureau.deliveries()
    assert (one.state, one.attempts, one.status, one.error, one.next_at) == ("delivered", 1, 200, None, None)
    assert got.headers["webhook-id"] == one.id
    assert verify_standard(got.body, got.headers, bureau.pairs[endpoint].secret, now=bureau.now) == one.id
    assert bureau.show(endpoint).delivered_at == bureau.now
    assert bureau.send() == Tally()


def test_anybody_verifies_it_with_the_public_key_alone(bureau, shop):
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_1")
    bureau.send()
    got = shop.got[0]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(bureau.show(endpoint).public_key.removeprefix("whpk_")))
    signature = next(one[4:] for one in got.headers["webhook-signature"].split(" ") if one.startswith("v1a,"))
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    key.verify(base64.b64decode(signature), signed)
    with pytest.raises(InvalidSignature):
        key.verify(base64.b64decode(signature), signed + b" ")


def test_what_was_rolled_back_is_told_to_nobody(bureau, shop):
    bureau.endpoint(shop.url)
    with bureau.database.transaction(commit=False) as conn:
        emit(conn, [NewEvent("payout_failed", "main", "pay_1", {})], at=bureau.now)
    assert bureau.deliveries() == []


def test_an_endpoint_is_told_of_its_program_its_names_and_its_levels_alone(bureau, shop):
    everything = bureau.endpoint(shop.url, min_level="debug")
    of_main = bureau.endpoint(shop.url, program_id="main")
    failures = bureau.endpoint(shop.url, events=["payout_failed"])
    grave = bureau.endpoint(shop.url, min_level="warning")
    draft = bureau.draft(shop.url)
    bureau.tell("pay_1")
    bureau.tell("pay_2", program="other")
    bureau.tell("inv_1", name="invoice_paid")
    found = {one: [row.subject_id for row in bureau.deliveries(endpoint_id=one)] for one in (everything, of_main, failures, grave, draft)}
    assert {one: sorted(subjects) for one, subjects in found.items()} == {
        everything: ["inv_1", "pay_1", "pay_2"],
        of_main: ["inv_1", "pay_1"],
        failures: ["pay_1", "pay_2"],
        grave: ["pay_1", "pay_2"],
        draft: [],
    }


def test_a_caller_of_one_program_tells_the_endpoints_of_all_programs_that_it_cannot_see(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    with bureau.database.transaction(program_id="main") as conn:
        emit(conn, [NewEvent("payout_failed", "main", "pay_1", {})], at=bureau.now)
        assert conn.execute("select count(*) from webhook_endpoint").fetchone() == (0,)
        assert conn.execute("select count(*) from webhook_delivery").fetchone() == (0,)
    assert [one.endpoint_id for one in bureau.deliveries()] == [endpoint]


def test_it_is_tried_at_once_and_after_1_5_15_and_60_minutes_and_then_waits_for_a_person(bureau, shop):
    bureau.endpoint(shop.url)
    shop.answers = [(500, {}, b"we are down\x1b[31m")]
    bureau.tell("pay_1")
    waits = []
    for _ in range(4):
        assert bureau.send() == Tally(handled=1)
        (one,) = bureau.deliveries()
        waits.append((one.next_at - bureau.now) / timedelta(minutes=1))
        bureau.now = one.next_at - timedelta(seconds=1)
        assert bureau.send() == Tally()
        bureau.later(seconds=1)
    assert [round(wait) for wait in waits] == [pytest.approx(minutes, rel=0.21) for minutes in (1, 5, 15, 60)]
    bureau.send()
    (one,) = bureau.deliveries()
    assert (one.state, one.attempts, one.status, one.error, one.next_at) == ("failed", 5, 500, "answered 500", None)
    assert attempts(bureau) == [(number, 500, "answered 500") for number in (1, 2, 3, 4, 5)]
    assert {one.headers["webhook-id"] for one in shop.got} == {bureau.deliveries()[0].id}
    with bureau.database.transaction() as conn:
        assert conn.execute("select answer from webhook_attempt limit 1").fetchone() == ("we are down\N{SYMBOL FOR ESCAPE}[31m",)
    assert failing(bureau) == {"WEBHOOK_OUT_DEAD"}


@pytest.mark.parametrize("answer", [(302, {"location": "http://127.0.0.1:1/"}, b""), 404, 500])
def test_nothing_but_2xx_is_success_and_a_redirect_is_not_followed(bureau, shop, answer):
    bureau.endpoint(shop.url)
    shop.answers = [answer]
    bureau.tell("pay_1")
    bureau.send()
    assert bureau.deliveries()[0].error is not None
    assert len(shop.got) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success_also_with_a_body_that_is_too_long_or_never_ends(bureau, shop, status):
    bureau.endpoint(shop.url)
    shop.answers = [(status, {"content-length": "9000000"}, b"x" * 5_000)]
    bureau.tell("pay_1")
    bureau.send()
    assert bureau.states() == ["delivered"]
    with bureau.database.transaction() as conn:
        assert conn.execute("select length(answer) from webhook_attempt").fetchone()[0] in (0, 4_096)


def test_a_partner_that_is_not_there_uses_up_a_try_and_says_so(bureau):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        bureau.endpoint(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    bureau.tell("pay_1")
    bureau.send()
    assert attempts(bureau) == [(1, None, "not connected: ConnectionRefusedError")]


def test_a_partner_that_is_silent_uses_up_a_try_when_the_time_is_over(bureau, shop):
    bureau.endpoint(shop.url)
    shop.waits_for = threading.Event()
    bureau.tell("pay_1")
    bureau.send(lease=timedelta(seconds=3), call_limit=timedelta(seconds=0.5))
    assert attempts(bureau)[0][:2] == (1, None)
    assert attempts(bureau)[0][2].startswith("no answer")


def test_410_disables_the_endpoint_and_what_happens_from_then_on_is_kept(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    shop.answers = [410]
    bureau.tell("pay_1", "pay_2")
    bureau.send()
    bureau.tell("pay_3")
    assert bureau.show(endpoint).state == "disabled"
    assert bureau.states() == ["kept", "kept", "kept"]
    bureau.later(days=1)
    assert bureau.send() == Tally()
    with bureau.database.transaction() as conn:
        told = [(one.name, one.level, one.subject_id, one.payload) for one in newest(conn, EVENT_LIST, 9, name="endpoint_disabled")]
    assert told == [("endpoint_disabled", "critical", endpoint, {"why": "it answered 410: it is gone"})]
    assert failing(bureau) == {"WEBHOOK_OUT_DEAD"}


@pytest.mark.parametrize("header", ["120", "Fri, 20 Nov 2026 12:02:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_leaves_the_whole_endpoint_alone_for_so_long(bureau, shop, status, header):
    bureau.endpoint(shop.url)
    shop.answers = [(status, {"retry-after": header}, b""), 200]
    bureau.tell("pay_1")
    bureau.send()
    bureau.later(seconds=90)
    bureau.tell("pay_2")
    bureau.send()
    assert len(shop.got) == 1
    bureau.later(seconds=60)
    bureau.send()
    assert sorted(bureau.states()) == ["delivered", "delivered"]


@pytest.mark.parametrize("header", ["soon", "-5", "999999999999999999999", "Fri, 99 Nov 2026"])
def test_a_retry_after_that_cannot_be_read_is_not_heeded(bureau, shop, header):
    bureau.endpoint(shop.url)
    shop.answers = [(429, {"retry-after": header}, b"")]
    bureau.tell("pay_1")
    bureau.send()
    (one,) = bureau.deliveries()
    assert one.state == "due"
    assert one.next_at <= bureau.now + timedelta(hours=24)


def test_after_24_hours_of_nothing_but_failures_it_is_disabled_and_not_after_five_at_once(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    shop.answers = [500]
    for hour in range(24):
        bureau.tell(f"pay_{hour}")
        bureau.send()
        bureau.later(hours=1)
    assert bureau.show(endpoint).state == "enabled"
    assert failing(bureau) >= {"WEBHOOK_OUT_FAILING"}
    bureau.send()
    assert bureau.show(endpoint).state == "disabled"
    assert "due" not in bureau.states()


def test_one_success_among_failures_begins_the_24_hours_anew(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    for hour in range(30):
        shop.answers = [200 if hour == 20 else 500]
        bureau.tell(f"pay_{hour}")
        bureau.send()
        bureau.later(hours=1)
    assert bureau.show(endpoint).state == "enabled"


def test_a_slow_endpoint_delays_no_other(bureau, shop, bank):
    bureau.endpoint(shop.url)
    bureau.endpoint(bank.url)
    shop.waits_for = threading.Event()
    bureau.tell("pay_1")
    context = bureau.context()
    began = time.monotonic()
    while not bank.got:
        send_due(context, to_the_end=False)
        assert time.monotonic() - began < 10
    for number in range(2, 5):  # and goes on doing so while the first call is out
        bureau.tell(f"pay_{number}")
        while len(bank.got) < number:
            send_due(context, to_the_end=False)
            assert time.monotonic() - began < 20
    assert len(shop.got) >= 1
    assert "delivered" not in [one.state for one in bureau.deliveries() if one.url == shop.url]  # the slow call was out all the time
    shop.waits_for.set()
    send_due(context, to_the_end=True)
    bureau.send()
    assert set(bureau.states()) == {"delivered"}


def test_two_workers_send_each_delivery_once(bureau, shop):
    bureau.endpoint(shop.url)
    bureau.tell(*(f"pay_{number}" for number in range(40)))
    threads = [threading.Thread(target=lambda name=name: [bureau.send(name) for _ in range(12)]) for name in ("a", "b")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(one.told["subjectId"] for one in shop.got) == sorted(f"pay_{number}" for number in range(40))
    assert set(bureau.states()) == {"delivered"}


def test_a_worker_that_froze_while_it_sent_writes_nothing_and_its_attempt_is_kept(bureau, shop):
    """Its lease ran out, another sent it again: the partner has it twice under one id, and the books once."""
    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_1")

    def meanwhile() -> None:
        shop.meanwhile = None
        bureau.later(minutes=2)
        send_lane(bureau.context("other"), endpoint)

    shop.meanwhile = meanwhile
    assert bureau.send("frozen") == Tally(stale=1)
    assert [one.headers["webhook-id"] for one in shop.got] == [bureau.deliveries()[0].id] * 2
    assert bureau.states() == ["delivered"]
    assert len(attempts(bureau)) == 2


def test_what_is_disabled_while_it_is_sent_and_was_taken_is_delivered_and_what_was_not_is_kept(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_1", "pay_2")
    shop.answers = [200, 500]
    shop.meanwhile = lambda: (setattr(shop, "meanwhile", None), bureau.say(endpoint, "disable"))
    bureau.send()
    # The second was out already, or was stopped just before it went out.
    assert (len(shop.got), sorted(bureau.states())) in ((2, ["delivered", "kept"]), (1, ["delivered", "kept"]))
    assert bureau.show(endpoint).waiting == 0


def test_our_own_filter_uses_up_no_try_and_says_so(bureau, shop):
    bureau.endpoint(shop.url)
    bureau.tell("pay_1")
    bureau.networks = ()
    for _ in range(8):
        bureau.send()
        bureau.later(hours=1)
    (one,) = bureau.deliveries()
    assert (one.state, shop.got) == ("due", [])
    assert one.error.startswith("address_refused: 127.0.0.1 is at 127.0.0.1")
    assert failing(bureau) == {"WEBHOOK_OUT_REFUSED"}
    bureau.networks = LOCAL
    bureau.send()
    assert bureau.states() == ["delivered"]


def test_a_paused_queue_sends_nothing(bureau, shop):
    bureau.endpoint(shop.url)
    bureau.tell("pay_1")
    with bureau.database.transaction() as conn:
        pause(conn, QueuePart("deliveries"), reason="looked at", actor="person:mira", now=bureau.now)
    assert (bureau.send(), shop.got) == (Tally(), [])


def test_what_happens_to_endpoints_is_told_to_no_endpoint(bureau, shop, bank):
    """Two that fail would tell each other of it for ever."""
    first, _ = bureau.endpoint(shop.url, min_level="debug"), bureau.endpoint(bank.url, min_level="debug")
    shop.answers = [410]
    bureau.say(first, "ping")
    bureau.send()
    assert bureau.show(first).state == "disabled"
    bureau.send()
    assert (shop.names, bank.names) == (["endpoint_pinged"], [])


def test_a_delivery_that_was_taken_out_is_missed(bureau, shop, database_url):
    bureau.endpoint(shop.url)
    bureau.later(minutes=6)
    bureau.tell("pay_1", "pay_2")
    assert "EVENT_DELIVERED" not in failing(bureau)
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("delete from webhook_delivery where event_id like 'pay_2.%'")
    assert "EVENT_DELIVERED" in failing(bureau)


def test_a_checkpoint_of_the_log_goes_to_the_endpoints_that_ask_for_it_and_to_no_other(bureau, shop, bank, tmp_path):
    asks = bureau.endpoint(shop.url, events=[SIGNED], min_level="debug")
    bureau.endpoint(bank.url)
    keep_log(Runner(bureau.database, lambda _: bureau.now, "log"), make_id, tmp_path)
    assert bureau.send() == Tally(handled=1)
    assert [one.endpoint_id for one in bureau.deliveries()] == [asks]
    (got,) = shop.got
    assert bank.got == []
    with bureau.database.transaction() as conn:
        note = got.told["data"]["note"]
        assert read_checkpoint(open_note(note, note_keys(conn))[0]).size == got.told["data"]["size"] > 0
    assert (tmp_path / "checkpoints" / "latest").read_text() == note, "what the partner has is what left the database"
