"""Endpoints: two administrators enable one, its secret rotates with an overlap, and what it missed is told again, one or a range."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb

from counterfoil.base.database import DatabaseRefused
from counterfoil.base.edge import entropy, make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import InvalidInput, NotAuthenticated, NotFound
from counterfoil.operations import approvals
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.operations.webhooks.inbound import verify_standard
from counterfoil.operations.webhooks_out import endpoints
from counterfoil.operations.webhooks_out.endpoints import EndpointNotEnabled, TooManyAtOnce
from counterfoil.operations.webhooks_out.noun import DELIVERY_NOUN
from counterfoil.operations.webhooks_out.signing import ENTROPY_BYTES, new_pair
from tests.operations.webhooks_out.conftest import NOW


def again(bureau, delivery: str) -> str:
    with bureau.database.transaction() as conn:
        call = VerbCall(conn, delivery, bureau.mira, bureau.now, make_id, "they lost it")
        return say(DELIVERY_NOUN, DELIVERY_NOUN.verb("retry"), call).state


def rotated(bureau, endpoint: str, overlap_days: int):
    """A new secret, agreed on by two administrators."""
    pair = new_pair(entropy(ENTROPY_BYTES))
    with bureau.database.transaction() as conn:
        said = {
            "machine": "endpoint",
            "subject_id": endpoint,
            "verb": "rotate",
            "payload": {"overlapDays": overlap_days},
            "now": bureau.now,
        }
        one = approvals.propose(conn, make_id("prop"), reason="a leak", by=bureau.mira, **said)
        approvals.approve(conn, one.id, payload_sha256=one.payload_sha256, reason="seen", by=bureau.noah, now=bureau.now)
        endpoints.rotate_secret(conn, endpoint, make_id("whs"), pair, overlap_days=overlap_days, actor="person:mira", now=bureau.now)
        approvals.use(conn, approvals.find_proposal(conn, one.id), now=bureau.now)
    return pair


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"events": ["no_such_event"]}, "events"),
        ({"events": ["payout_failed", "payout_failed"]}, "events"),
        ({"events": ["payout_failed"] * 101}, "events"),
        ({"owner_email": "nobody"}, "ownerEmail"),
        ({"owner_email": "@partner.example"}, "ownerEmail"),
        ({"owner_email": "a@b@c"}, "ownerEmail"),
    ],
)
def test_what_cannot_be_is_refused_by_its_field_and_nothing_is_made(bureau, shop, more, field):
    with pytest.raises(InvalidInput) as refused:
        bureau.draft(shop.url, **more)
    assert refused.value.facts["field"] == field
    with bureau.database.transaction() as conn:
        assert conn.execute("select count(*) from webhook_endpoint").fetchone() == (0,)


def test_the_database_enables_nothing_that_two_administrators_did_not_agree_on(bureau, shop, database_url):
    endpoint = bureau.draft(shop.url)
    with pytest.raises(ApprovalNeeded), bureau.database.transaction() as conn:
        endpoints.enable(conn, endpoint, reason="alone", actor="person:mira", now=NOW, approval=None)
    with pytest.raises(ApprovalNeeded), bureau.database.transaction() as conn:
        conn.execute("update webhook_endpoint set state = 'enabled', steps = 2 where id = %s", [endpoint])
    assert bureau.show(endpoint).state == "draft"


def test_the_database_takes_no_second_secret_that_was_not_agreed_on_as_it_is(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    pair = new_pair(entropy(ENTROPY_BYTES))
    with pytest.raises(ApprovalNeeded), bureau.database.transaction() as conn:
        endpoints.rotate_secret(conn, endpoint, make_id("whs"), pair, overlap_days=7, actor="person:mira", now=NOW)


def test_its_address_and_what_it_is_told_never_change(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    for column, value in {"url": "https://evil.example/", "events": ["x"], "min_level": "debug", "program_id": "main"}.items():
        with pytest.raises(DatabaseRefused, match="permission denied"), bureau.database.transaction() as conn:
            conn.execute(f"update webhook_endpoint set {column} = %s where id = %s", [value, endpoint])


def test_no_secret_lies_in_the_database_in_clear(bureau, shop, database_url):
    endpoint = bureau.endpoint(shop.url)
    with psycopg.connect(database_url) as owner:
        rows = owner.execute("select to_jsonb(s)::text, envelope from webhook_secret s").fetchall()
    pair = bureau.pairs[endpoint]
    assert rows
    for told, envelope in rows:
        for secret in (pair.secret, pair.seed):
            assert secret not in told
            assert secret.encode() not in bytes(envelope)


def test_while_a_secret_rotates_both_sign_and_after_the_overlap_the_new_one_alone(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    old = bureau.pairs[endpoint]
    new = rotated(bureau, endpoint, overlap_days=2)
    bureau.tell("pay_1")
    bureau.send()
    for pair in (old, new):
        verify_standard(shop.got[0].body, shop.got[0].headers, pair.secret, now=bureau.now)
    assert bureau.show(endpoint).public_key == new.public_key
    bureau.later(days=2)
    bureau.tell("pay_2")
    bureau.send()
    verify_standard(shop.got[1].body, shop.got[1].headers, new.secret, now=bureau.now)
    with pytest.raises(NotAuthenticated):
        verify_standard(shop.got[1].body, shop.got[1].headers, old.secret, now=bureau.now)


def test_without_an_overlap_the_old_secret_signs_nothing_more(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    rotated(bureau, endpoint, overlap_days=0)
    bureau.tell("pay_1")
    bureau.send()
    with pytest.raises(NotAuthenticated):
        verify_standard(shop.got[0].body, shop.got[0].headers, bureau.pairs[endpoint].secret, now=bureau.now)


def test_a_try_is_sent_to_that_endpoint_alone(bureau, shop, bank):
    endpoint, _ = bureau.endpoint(shop.url), bureau.endpoint(bank.url, min_level="debug")
    said = bureau.say(endpoint, "ping")
    bureau.send()
    assert [one.told["type"] for one in shop.got] == ["endpoint_pinged"]
    assert shop.got[0].headers["webhook-id"] == said.made
    assert bank.got == []


def test_what_was_kept_is_told_again_in_its_order_and_what_was_taken_is_not(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_0")
    bureau.send()
    bureau.say(endpoint, "disable")
    for number in range(1, 4):
        bureau.later(minutes=1)
        bureau.tell(f"pay_{number}")
    with pytest.raises(EndpointNotEnabled):
        bureau.say(endpoint, "replay", since=NOW, until=None)
    bureau.enable(endpoint)
    assert bureau.send().handled == 0
    assert bureau.say(endpoint, "replay", since=NOW, until=NOW + timedelta(minutes=3)).made == "2"
    bureau.send()
    assert bureau.states() == ["delivered", "delivered", "delivered", "kept"]
    assert sorted(one.told["subjectId"] for one in shop.got) == ["pay_0", "pay_1", "pay_2"]
    assert bureau.say(endpoint, "replay", since=NOW, until=NOW + timedelta(minutes=3)).made == "0"


def test_what_happened_before_an_endpoint_was_there_is_told_when_it_is_asked_for(bureau, shop):
    bureau.tell("pay_1")
    bureau.tell("inv_1", name="invoice_paid")
    bureau.later(minutes=1)
    endpoint = bureau.endpoint(shop.url, events=["payout_failed"])
    assert bureau.say(endpoint, "replay", since=NOW, until=None).made == "1"
    bureau.send()
    assert [one.told["subjectId"] for one in shop.got] == ["pay_1"]


def test_a_range_that_is_too_large_is_refused_whole(bureau, shop, monkeypatch):
    monkeypatch.setattr(endpoints, "REPLAY_MAX", 3)
    endpoint = bureau.endpoint(shop.url)
    bureau.say(endpoint, "disable")
    bureau.tell("pay_1", "pay_2", "pay_3", "pay_4")
    bureau.enable(endpoint)
    with pytest.raises(TooManyAtOnce):
        bureau.say(endpoint, "replay", since=NOW, until=NOW + timedelta(days=1))
    assert bureau.states() == ["kept"] * 4


def test_a_range_that_ends_before_it_begins_is_refused(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    with pytest.raises(InvalidInput) as refused:
        bureau.say(endpoint, "replay", since=NOW, until=NOW)
    assert refused.value.facts["field"] == "until"


def test_one_delivery_is_told_again_under_its_own_id_also_when_it_was_taken(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    shop.answers = [200, 500]
    bureau.tell("pay_1")
    bureau.send()
    (one,) = bureau.deliveries()
    assert again(bureau, one.id) == "due"
    bureau.send()
    assert [got.headers["webhook-id"] for got in shop.got] == [one.id, one.id]
    assert bureau.deliveries()[0].state == "due"  # it was asked for, so it is tried until it is taken
    with pytest.raises(NotFound):
        again(bureau, "whd_01KA0000000000000000000000")
    bureau.say(endpoint, "disable")
    with pytest.raises(EndpointNotEnabled):
        again(bureau, one.id)


@pytest.mark.parametrize("asked", ["retry", "replay"])
def test_what_waits_for_its_next_try_is_sent_at_once_when_somebody_asks(bureau, shop, asked):
    endpoint = bureau.endpoint(shop.url)
    shop.answers = [500, 200]
    bureau.tell("pay_1")
    bureau.send()
    (one,) = bureau.deliveries()
    assert one.next_at > bureau.now
    bureau.later(seconds=1)
    if asked == "retry":
        assert again(bureau, one.id) == "due"
    else:
        assert bureau.say(endpoint, "replay", since=NOW, until=None).made == "1"
    bureau.send()
    assert (bureau.states(), len(shop.got)) == (["delivered"], 2)


def test_a_removed_endpoint_is_told_nothing_more_for_good(bureau, shop):
    endpoint = bureau.endpoint(shop.url)
    bureau.tell("pay_1")
    bureau.say(endpoint, "remove")
    bureau.tell("pay_2")
    assert (bureau.send().handled, shop.got, bureau.states()) == (0, [], ["cancelled"])
    with pytest.raises(InvalidInput):
        rotated(bureau, endpoint, overlap_days=1)


def test_an_event_that_is_emitted_while_its_endpoint_is_being_disabled_is_kept_not_sent(bureau, shop, database_url):
    """The event's statement did not see it, and wrote a delivery that is due; whoever takes it up finds the endpoint disabled."""
    endpoint = bureau.endpoint(shop.url)
    with bureau.database.transaction() as conn:
        endpoints.disable(conn, endpoint, reason="wait", actor="person:mira", now=bureau.now)
        with psycopg.connect(database_url) as other:
            other.execute(
                """insert into event (id, name, level, program_id, subject_id, payload, at, state, state_at, due_at)
                   values ('pay_1.payout_failed.1', 'payout_failed', 'warning', 'main', 'pay_1', %s, %s, 'due', %s, %s)""",
                [Jsonb({}), bureau.now, bureau.now, bureau.now],
            )
    assert bureau.states() == ["due"]
    bureau.send()
    assert (bureau.states(), shop.got) == (["kept"], [])
