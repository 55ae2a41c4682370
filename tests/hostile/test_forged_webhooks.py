"""Forged and replayed webhooks, over a real socket: what each is told, and that the database holds afterwards what it held before."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import pytest

from counterfoil.base.edge import now
from counterfoil.base.secret import SigningSecret
from counterfoil.treasury.two_phase.peers import AskedPart, PeerQuestion
from counterfoil.treasury.two_phase.peers import signed as signed_by_peer
from tests.api.office import fresh, signed
from tests.conftest import a_database
from tests.hostile.house import OTHER_SECRET, PEER_SECRET, House, a_house, secret_of, stripe_header

Headers = list[tuple[str, str]]
Sent = tuple[str, bytes, Headers]  # path, body, headers
OURS: Final = "/webhooks/simulator"
STRIPE: Final = "/webhooks/stripe"
PEER: Final = "/peers/north/prepare"
REFUSED, LATE, WRONG = (401, "SignatureRefused"), (401, "TooOld"), (422, "InvalidInput")
STORED: Final = frozenset({"webhook_in", "step"})


@pytest.fixture(scope="module")
def house(server: Any) -> Iterator[House]:
    with a_database(server) as database, a_house(database) as made:
        made.changed()
        yield made


@pytest.fixture(autouse=True)
def by_the_clock(house: House) -> None:
    """What is signed is signed now."""
    house.at.now = now()


def event(word: str = "charge.succeeded", **more: Any) -> bytes:
    return json.dumps({"id": fresh("evt"), "type": word, "data": {"id": fresh("ch"), **more}}).encode()


def of(body: bytes, **more: Any) -> dict[str, str]:
    """True headers of this body, changed as `more` says."""
    return {**signed(body, fresh("evt"), **{name: more.pop(name) for name in ("secret", "age_s") if name in more}), **more}


def ours(body: bytes | None = None, path: str = OURS, sent: bytes | None = None, **more: Any) -> Sent:
    """A webhook of our own provider. `sent`: the body on its way, if it is not the one that was signed."""
    body = event() if body is None else body
    headers = of(body, **{name.replace("__", "-"): value for name, value in more.items()})
    return path, body if sent is None else sent, list(headers.items())


def without(name: str) -> Sent:
    path, body, headers = ours()
    return path, body, [one for one in headers if one[0] != name]


def doubled(name: str, wrong: str, *, first: bool) -> Sent:
    path, body, headers = ours()
    at = next(number for number, one in enumerate(headers) if one[0] == name)
    return path, body, [*headers[: at + (not first)], (name, wrong), *headers[at + (not first) :]]


def signature(change: Callable[[str], str]) -> Sent:
    path, body, headers = ours()
    return path, body, [(name, change(value) if name == "webhook-signature" else value) for name, value in headers]


def stamped(stamp: str, **more: Any) -> Sent:
    path, body, headers = ours(**more)
    return path, body, [(name, stamp if name == "webhook-timestamp" else value) for name, value in headers]


def of_stripe(change: Callable[[str], str] = str, body: bytes | None = None, **more: Any) -> Sent:
    body = event() if body is None else body
    return STRIPE, body, [("stripe-signature", change(stripe_header(body, **more)))]


def of_a_peer(*, secret: str = PEER_SECRET, path: str = PEER, message: str = "prepare", changed: bool = False) -> Sent:
    asked = PeerQuestion(fresh("txn"), "task", [AskedPart("agt_01KA0000000000000000000000", "credit", "EUR", 30, 2)])
    body = asked.body()
    headers = signed_by_peer(body, f"north.{asked.transaction}.{message}", SigningSecret(secret, "peers"), now=now())
    return path, body.replace(b"30", b"31") if changed else body, list(headers.items())


class Forged(NamedTuple):
    """What is sent, and what becomes of it: status and problem. `changes`: tables that hold something else afterwards."""

    send: Callable[[], Sent]
    told: tuple[int, str]
    changes: frozenset[str] = frozenset()


FORGED: Final[dict[str, Forged]] = {
    "wrong secret": Forged(lambda: ours(secret=secret_of("guessed")), REFUSED),
    "secret of the second provider": Forged(lambda: ours(secret=OTHER_SECRET), REFUSED),
    "our secret at the second provider": Forged(lambda: ours(path="/webhooks/second"), REFUSED),
    "whole, at a provider that we do not have": Forged(lambda: ours(path="/webhooks/nobody"), (404, "NotFound")),
    "whole, at a provider of another kind": Forged(lambda: ours(path=STRIPE), REFUSED),
    "whole, at a peer": Forged(lambda: ours(path=PEER), REFUSED),
    "of another kind, at ours": Forged(lambda: (OURS, *of_stripe()[1:]), WRONG),
    "body changed after it was signed": Forged(lambda: ours(sent=event(amount="1")), REFUSED),
    "one space more": Forged(lambda: ours(b'{"type": "x"}', sent=b'{"type": "x"} '), REFUSED),
    "the same JSON written otherwise": Forged(lambda: ours(b'{"type":"x"}', sent=b'{"type": "x"}'), REFUSED),
    "no body": Forged(lambda: ours(sent=b""), REFUSED),
    "signed, and no body": Forged(lambda: ours(b""), WRONG),
    "signed, and no JSON": Forged(lambda: ours(b"{"), WRONG),
    "signed, and no object": Forged(lambda: ours(b"[]"), WRONG),
    "signed, and no type": Forged(lambda: ours(b"{}"), WRONG),
    "signed, and deeper than any stack": Forged(lambda: ours(b"[" * 20_000), WRONG),
    "signed, and larger than a webhook may be": Forged(lambda: ours(b" " * 262_145), (413, "TooLarge")),
    "five minutes old": Forged(lambda: ours(age_s=310), LATE),
    "five minutes ahead": Forged(lambda: ours(age_s=-310), LATE),
    "from a year that no calendar has": Forged(lambda: ours(age_s=-999_000_000_000 + 2_000_000_000), LATE),
    "old, with the time of now written over it": Forged(lambda: stamped(str(int(now().timestamp())), age_s=310), REFUSED),
    "no time": Forged(lambda: without("webhook-timestamp"), WRONG),
    "no number for a time": Forged(lambda: stamped("soon"), WRONG),
    "a time with digits of another script": Forged(lambda: stamped("１７６４"), WRONG),
    "a time before 1970": Forged(lambda: stamped("-5"), WRONG),
    "a time without end": Forged(lambda: stamped("9" * 5_000), WRONG),
    "two times, the wrong first": Forged(lambda: doubled("webhook-timestamp", "1", first=True), WRONG),
    "two times, the wrong last": Forged(lambda: doubled("webhook-timestamp", "1", first=False), WRONG),
    "no id": Forged(lambda: without("webhook-id"), WRONG),
    "the id of another event": Forged(lambda: ours(webhook__id="evt_other"), REFUSED),
    "two ids, the wrong first": Forged(lambda: doubled("webhook-id", "evt_other", first=True), WRONG),
    "two ids, the wrong last": Forged(lambda: doubled("webhook-id", "evt_other", first=False), WRONG),
    "an id with a point, shifted into the time": Forged(lambda: ours(webhook__id="evt.1"), REFUSED),
    "a very long id": Forged(lambda: ours(webhook__id="e" * 8_000), WRONG),
    "no signature": Forged(lambda: without("webhook-signature"), REFUSED),
    "an empty signature": Forged(lambda: signature(lambda _: ""), REFUSED),
    "two signatures, the wrong first": Forged(lambda: doubled("webhook-signature", "v1,AAAA", first=True), WRONG),
    "two signatures, the wrong last": Forged(lambda: doubled("webhook-signature", "v1,AAAA", first=False), WRONG),
    "another version of the scheme": Forged(lambda: signature(lambda was: was.replace("v1,", "v2,")), REFUSED),
    "the asymmetric version of the scheme": Forged(lambda: signature(lambda was: was.replace("v1,", "v1a,")), REFUSED),
    "no version": Forged(lambda: signature(lambda was: was.removeprefix("v1,")), REFUSED),
    "a signature cut short": Forged(lambda: signature(lambda was: was[:-5]), REFUSED),
    "a signature in hexadecimal": Forged(lambda: signature(lambda _: f"v1,{'0' * 64}"), REFUSED),
    "a very long signature": Forged(lambda: signature(lambda was: f"{was}{'A' * 20_000}"), REFUSED),
    "a signature with letters beyond ASCII": Forged(lambda: signature(lambda was: f"v1,é{was[4:]}"), REFUSED),
    "gzip-ed on its way": Forged(lambda: gzipped(signed_before=True), REFUSED),
    "gzip-ed, and signed so": Forged(lambda: gzipped(signed_before=False), WRONG),
    "stripe: wrong secret": Forged(lambda: of_stripe(secret="whsec_" + "0" * 64), REFUSED),
    "stripe: secret of our own provider's webhooks": Forged(lambda: of_stripe(secret=OTHER_SECRET), REFUSED),
    "stripe: no header": Forged(lambda: (STRIPE, event(), []), REFUSED),
    "stripe: an empty header": Forged(lambda: of_stripe(lambda _: ""), REFUSED),
    "stripe: two headers": Forged(lambda: twice_of_stripe(), WRONG),
    "stripe: old": Forged(lambda: of_stripe(age_s=310), LATE),
    "stripe: ahead": Forged(lambda: of_stripe(age_s=-310), LATE),
    "stripe: from a year that no calendar has": Forged(lambda: of_stripe(age_s=-(10**15)), LATE),
    "stripe: old, with another time before the signed one": Forged(
        lambda: of_stripe(lambda was: f"t={int(now().timestamp())},{was}", age_s=310), REFUSED
    ),
    "stripe: old, with another time behind the signed one": Forged(
        lambda: of_stripe(lambda was: f"{was},t={int(now().timestamp())}", age_s=310), LATE
    ),
    "stripe: a time that goes on": Forged(lambda: of_stripe(lambda was: was.replace(",v1", "=x,v1")), REFUSED),
    "stripe: letters beyond ASCII": Forged(lambda: of_stripe(lambda was: was[:-1] + "é"), REFUSED),
    "stripe: another version of the scheme": Forged(lambda: of_stripe(lambda was: was.replace("v1=", "v0=")), REFUSED),
    "stripe: signed, and no text": Forged(lambda: (STRIPE, b"\xff\xfe", [("stripe-signature", "t=1,v1=0")]), REFUSED),
    "peer: wrong secret": Forged(lambda: of_a_peer(secret=secret_of("guessed")), REFUSED),
    "peer: changed on its way": Forged(lambda: of_a_peer(changed=True), REFUSED),
    "peer: one message as another": Forged(lambda: of_a_peer(path="/peers/north/commit"), WRONG),
    "peer: nobody": Forged(lambda: of_a_peer(path="/peers/east/prepare"), (404, "NotFound")),
    # No forgery, and stored once: what is signed is the body, not how it is called.
    "whole, under another content type": Forged(lambda: ours(content__type="text/plain; charset=utf-16"), (200, ""), STORED),
    "whole, with a header of thirty thousand letters": Forged(lambda: ours(x__long="a" * 30_000), (200, ""), STORED),
    "one true signature among others, as while secrets rotate": Forged(
        lambda: signature(lambda was: f"v1,AAAA v2,BBBB {was}"), (200, ""), STORED
    ),
}


def gzipped(*, signed_before: bool) -> Sent:
    body = event()
    packed = gzip.compress(body)
    path, _, headers = ours(body if signed_before else packed)
    return path, packed, [*headers, ("content-encoding", "gzip")]


def twice_of_stripe() -> Sent:
    path, body, headers = of_stripe()
    return path, body, [("stripe-signature", "t=1,v1=0"), *headers]


def sent(house: House, one: Sent) -> tuple[int, str]:
    path, body, headers = one
    raw = [(name.encode(), value.encode("latin-1" if "é" in value else "utf-8")) for name, value in headers]
    answer = house.ask("POST", path, headers=raw, content=body)
    told = answer.json().get("type", "").removeprefix("/problems/")
    return answer.status_code, told


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_told_why_and_changes_nothing(house: House, name: str) -> None:
    forged = FORGED[name]
    one = forged.send()
    assert sent(house, one) == forged.told
    assert house.changed() == forged.changes


def test_what_comes_again_is_stored_once_however_often(house: House) -> None:
    one = ours()
    assert sent(house, one) == (200, "")
    house.changed()
    assert [sent(house, one) for _ in range(3)] == [(200, "")] * 3
    assert house.changed() == set()


def test_another_body_under_an_id_that_is_known_is_an_event_and_the_first_body_stays(house: House) -> None:
    body, other, word = event(), event(), fresh("evt")
    headers = [list(signed(one, word).items()) for one in (body, other)]
    assert sent(house, (OURS, body, headers[0])) == (200, "")
    house.changed()
    assert sent(house, (OURS, other, headers[1])) == (200, "")
    with house.database.transaction() as conn:
        kept = conn.execute("select body_sha256, conflicts from webhook_in where event_id = %s", [word]).fetchall()
    assert [row[1] for row in kept] == [1]
    assert house.changed() == {"webhook_in", "event", "step"}


def test_an_event_of_one_provider_is_none_of_another_under_the_same_id(house: House) -> None:
    body, word = event(), fresh("evt")
    for path, secret in ((OURS, None), ("/webhooks/second", OTHER_SECRET)):
        headers = signed(body, word, **({"secret": secret} if secret else {}))
        assert sent(house, (path, body, list(headers.items()))) == (200, "")
    with house.database.transaction() as conn:
        assert conn.execute("select count(*) from webhook_in where event_id = %s", [word]).fetchone() == (2,)
