"""Webhooks in: believed only with a signature, stored once, applied once, and never silently dropped."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook

from counterfoil.base.edge import entropy, make_id
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.encryption.keys import EncryptionKeys, carry, parse_keys
from counterfoil.base.problems import InvalidInput, NotFound, ReasonRequired, TooLarge
from counterfoil.base.secret import WeakSecret
from counterfoil.operations.events.events import EVENT_LIST
from counterfoil.operations.webhooks import inbound as webhooks_in
from counterfoil.operations.work.runner import Runner
from tests.listed import newest

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ...").decode()
BODY = json.dumps({"type": "charge.succeeded", "data": {}}).encode()


def signed(body: bytes = BODY, *, event_id: str = "evt_1", at: datetime = NOW, secret: str = SECRET) -> dict[str, str]:
    signature = Webhook(secret).sign(event_id, at, body.decode())  # somebody else's implementation of the standard
    return {"webhook-id": event_id, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": signature}


def receive(conn, event_id="evt_1", body=BODY, event_type="charge.succeeded"):
    return webhooks_in.receive(conn, make_id("whi"), provider="sim", event_id=event_id, event_type=event_type, body=body, now=NOW)


def test_a_signature_made_by_another_implementation_holds():
    assert webhooks_in.verify_standard(BODY, signed(), SECRET, now=NOW) == "evt_1"


def test_one_of_several_signatures_is_enough_while_a_secret_rotates():
    headers = signed()
    headers["webhook-signature"] = "v1,AAAA v1a,BBBB " + headers["webhook-signature"]
    assert webhooks_in.verify_standard(BODY, headers, SECRET, now=NOW) == "evt_1"


@pytest.mark.parametrize("part", ["body", "id", "time", "secret", "missing"])
def test_anything_changed_makes_the_signature_worthless(part):
    headers, body = signed(), BODY
    if part == "body":
        body = BODY.replace(b"charge", b"Charge")
    elif part == "id":
        headers["webhook-id"] = "evt_2"
    elif part == "time":
        headers["webhook-timestamp"] = str(int(NOW.timestamp()) + 1)
    elif part == "secret":
        headers = signed(secret="whsec_" + base64.b64encode(b"another secret of 32 bytes ......").decode())
    else:
        del headers["webhook-signature"]
    with pytest.raises(webhooks_in.SignatureRefused):
        webhooks_in.verify_standard(body, headers, SECRET, now=NOW)


@pytest.mark.parametrize("weak", ["", "whsec_", "whsec_" + "A" * 32, "whsec_Y2hhbmdlbWU="])
def test_a_signature_made_with_a_secret_that_can_be_guessed_is_not_believed(weak: str):
    """The forger signs rightly: he knows the secret, because there is none."""
    key = base64.b64decode(weak.removeprefix("whsec_"))
    stamp = str(int(NOW.timestamp()))
    made = hmac.digest(key, f"evt_1.{stamp}.".encode() + BODY, "sha256")
    headers = {
        "webhook-id": "evt_1",
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(made).decode()}",
    }
    with pytest.raises(WeakSecret):
        webhooks_in.verify_standard(BODY, headers, weak, now=NOW)


@pytest.mark.parametrize("skew", [timedelta(seconds=301), timedelta(seconds=-301)])
def test_a_webhook_from_another_time_is_refused_with_the_limit(skew):
    with pytest.raises(webhooks_in.TooOld, match="300 seconds"):
        webhooks_in.verify_standard(BODY, signed(at=NOW + skew), SECRET, now=NOW)


def test_a_body_that_is_too_large_or_headers_that_are_none_are_refused_by_name():
    with pytest.raises(TooLarge, match="262144"):
        webhooks_in.verify_standard(b"x" * 262_145, signed(), SECRET, now=NOW)
    with pytest.raises(InvalidInput, match="webhook-id"):
        webhooks_in.verify_standard(BODY, {}, SECRET, now=NOW)
    with pytest.raises(InvalidInput, match="webhook-timestamp"):
        webhooks_in.verify_standard(BODY, {**signed(), "webhook-timestamp": "soon"}, SECRET, now=NOW)


def test_a_duplicate_is_counted_and_nothing_else(conn):
    assert receive(conn) is True
    assert receive(conn) is False
    assert conn.execute("select count(*), max(duplicates), max(conflicts) from webhook_in").fetchone() == (1, 1, 0)
    assert newest(conn, EVENT_LIST, 10) == []


def test_the_same_id_with_another_body_is_told_as_critical(conn):
    receive(conn)
    receive(conn, body=BODY + b" ")  # the same words: no conflict
    receive(conn, body=BODY.replace(b"{}", b'{"amount": "2"}'))
    assert [(event.name, event.level) for event in newest(conn, EVENT_LIST, 10)] == [("webhook_conflict", "critical")]


def test_those_that_come_at_once_are_stored_by_set_and_each_has_its_own_answer(conn):
    receive(conn)
    came = [
        webhooks_in.NewWebhook(make_id("whi"), provider, event_id, "charge.succeeded", body, NOW)
        for provider, event_id, body in (
            ("sim", "evt_3", BODY),
            ("sim", "evt_1", BODY),  # known before
            ("other", "evt_1", BODY),  # another provider's
            ("sim", "evt_2", BODY),
            ("sim", "evt_2", b"{}"),  # the same id twice at once, with another body
        )
    ]
    assert webhooks_in.receive_all(conn, came) == [True, False, True, True, False]
    rows = conn.execute("select provider, event_id, duplicates, conflicts from webhook_in order by 1, 2").fetchall()
    assert rows == [("other", "evt_1", 0, 0), ("sim", "evt_1", 1, 0), ("sim", "evt_2", 1, 1), ("sim", "evt_3", 0, 0)]
    actors = conn.execute("select actor, count(*) from step where machine = 'webhook_in' group by actor order by actor").fetchall()
    assert actors == [("provider:other", 1), ("provider:sim", 3)]
    assert [one.name for one in newest(conn, EVENT_LIST, 9)] == ["webhook_conflict"]


def test_a_duplicate_of_a_webhook_whose_key_is_not_here_is_counted_and_does_not_fail(conn):
    receive(conn)
    carry(conn, EncryptionKeys(parse_keys(new_key(entropy)), entropy))
    assert receive(conn, body=b"{}") is False
    assert conn.execute("select duplicates, conflicts from webhook_in").fetchall() == [(1, 0)]


def test_a_duplicate_of_a_webhook_that_was_changed_past_every_rule_is_told_as_critical(conn):
    receive(conn)
    receive(conn, "evt_2")
    conn.execute("reset role")
    conn.execute("update webhook_in w set envelope = o.envelope from webhook_in o where (w.event_id, o.event_id) = ('evt_1', 'evt_2')")
    assert receive(conn) is False
    assert [(event.name, event.level) for event in newest(conn, EVENT_LIST, 10)] == [("webhook_conflict", "critical")]


def test_rejections_are_counted_by_day_and_reason(conn):
    for _ in range(3):
        webhooks_in.count_rejection(conn, "sim", "SignatureRefused", now=NOW)
    assert conn.execute("select count from webhook_in_rejection").fetchone() == (3,)


@pytest.fixture
def runner(database):
    return Runner(database, lambda _: NOW, "test")


def states(database):
    with database.transaction() as conn:
        return dict(conn.execute("select event_id, state from webhook_in").fetchall())


def test_effect_and_status_are_one_transaction(database, runner):
    with database.transaction() as conn:
        receive(conn)
    seen = []

    def apply(conn, received, now):
        seen.extend(one.event_id for one in received)
        raise RuntimeError("no")

    webhooks_in.apply_received(runner, {("sim", "charge.succeeded"): webhooks_in.Applier(apply)})
    assert seen == ["evt_1", "evt_1"]  # once in the set, once alone
    assert states(database) == {"evt_1": "received"}


def test_one_bad_webhook_holds_no_other_up_and_is_parked_after_the_fifth_time(database, runner):
    with database.transaction() as conn:
        for number in range(4):
            receive(conn, f"evt_{number}")
    applied = []

    def apply(conn, received, now):
        if any(one.event_id == "evt_2" for one in received):
            raise ValueError("broken body")
        applied.extend(one.event_id for one in received)

    clock = [NOW]
    late = Runner(database, lambda _: clock[0], "test")
    for _ in range(6):
        webhooks_in.apply_received(late, {("sim", "charge.succeeded"): webhooks_in.Applier(apply)})
        clock[0] += timedelta(hours=2)
    assert sorted(applied) == ["evt_0", "evt_1", "evt_3"]
    assert states(database) == {"evt_0": "processed", "evt_1": "processed", "evt_2": "parked", "evt_3": "processed"}
    with database.transaction() as conn:
        assert [event.name for event in newest(conn, EVENT_LIST, 10)] == ["webhook_parked"]
        assert "ValueError: broken body" in conn.execute("select last_error from webhook_in where state = 'parked'").fetchone()[0]


def test_what_a_customer_waits_for_is_applied_before_what_came_earlier_and_nobody_waits_for(database, runner):
    with database.transaction() as conn:
        for event_id, event_type in (("evt_1", "payout.paid"), ("evt_2", "of.nobody"), ("evt_3", "charge.succeeded")):
            receive(conn, event_id, event_type=event_type)
    applied = []

    def apply(conn, received, now):
        applied.extend(one.event_id for one in received)

    def pay(conn, received, now):
        apply(conn, received, now)

    kinds = {("sim", "payout.paid"): webhooks_in.Applier(apply), ("sim", "charge.succeeded"): webhooks_in.Applier(pay, awaited=True)}
    webhooks_in.apply_received(runner, kinds)
    assert applied == ["evt_3", "evt_1"]
    assert states(database) == {"evt_1": "processed", "evt_2": "ignored", "evt_3": "processed"}


def test_a_type_that_nobody_applies_is_ignored_and_kept(database, runner):
    with database.transaction() as conn:
        receive(conn)
    webhooks_in.apply_received(runner, {})
    assert states(database) == {"evt_1": "ignored"}


def test_a_parked_webhook_is_applied_again_or_left_by_a_person_with_a_reason(database, runner):
    with database.transaction() as conn:
        for number in (1, 2):
            receive(conn, f"evt_{number}")
        ids = dict(conn.execute("select event_id, id from webhook_in").fetchall())
    clock = [NOW]
    failing = Runner(database, lambda _: clock[0], "test")

    def broken(conn, received, now):
        raise ValueError("no payout of ours")

    for _ in range(6):
        webhooks_in.apply_received(failing, {("sim", "charge.succeeded"): webhooks_in.Applier(broken)})
        clock[0] += timedelta(hours=2)
    assert states(database) == {"evt_1": "parked", "evt_2": "parked"}
    with database.transaction() as conn:
        with pytest.raises(ReasonRequired), conn.transaction():
            webhooks_in.requeue_webhook(conn, ids["evt_1"], reason="", actor="key:ada", now=clock[0])
        webhooks_in.requeue_webhook(conn, ids["evt_1"], reason="the payout exists now", actor="key:ada", now=clock[0])
        webhooks_in.ignore_webhook(conn, ids["evt_2"], reason="not ours", actor="key:ada", now=clock[0])
        with pytest.raises(NotFound):
            webhooks_in.ignore_webhook(conn, "whi_none", reason="not ours", actor="key:ada", now=clock[0])
    applied = []
    webhooks_in.apply_received(failing, {("sim", "charge.succeeded"): webhooks_in.Applier(lambda conn, got, now: applied.extend(got))})
    assert [one.event_id for one in applied] == ["evt_1"]
    assert states(database) == {"evt_1": "processed", "evt_2": "ignored"}
