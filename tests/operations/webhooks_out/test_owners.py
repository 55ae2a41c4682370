"""Whoever owns an endpoint is written to when it is disabled because it took nothing: at their own address, through a real mail server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.notices.notices import Notice, list_notices
from counterfoil.wiring import ticks
from tests.api.office import wiring_for
from tests.mail_server import Mailbox, mail_server
from tests.operations.webhooks_out.conftest import Bureau
from tests.operations.webhooks_out.partner import Partner


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mail server of our own, and its port."""
    with mail_server() as made:
        yield made


def work(bureau: Bureau, channels: str) -> None:
    """The worker tells what happened."""
    given = {"clock": lambda: bureau.now, "database_clock": lambda _: bureau.now}
    known = ticks(replace(wiring_for(bureau.database), channels=parse_channels(channels), **given), "test")
    for job in ("events", "notices"):
        known[job]()


def notices(bureau: Bureau) -> list[Notice]:
    with bureau.database.transaction() as conn:
        return list(list_notices(conn, rows_max=50, after=None, state=None))


def fails_for_a_day(bureau: Bureau, shop: Partner) -> str:
    """An endpoint that takes nothing for so long that it is disabled."""
    endpoint = bureau.endpoint(f"{shop.url}secret-path?token=hunter2")
    shop.answers = [500] * 30
    for _ in range(26):
        bureau.tell(f"pay_{bureau.now.isoformat()}")
        bureau.send()
        bureau.later(hours=1)
    assert bureau.show(endpoint).state == "disabled"
    return endpoint


def test_after_24_hours_of_failures_its_owner_is_written_to_and_nobody_else_at_that_address(bureau, shop, mailbox):
    box, port = mailbox
    endpoint = fails_for_a_day(bureau, shop)
    channels = f"post:owners=mailto://127.0.0.1:{port}/?from=ops@counterfoil.example&mode=insecure"
    work(bureau, channels)
    [letter] = box.letters
    assert (box.recipients, letter["To"]) == ([["hooks@partner.example"]], "hooks@partner.example")
    assert letter["Subject"] == "Your webhook endpoint at 127.0.0.1 was disabled"
    body = letter.get_payload(decode=True).decode()
    assert (endpoint in body, "it took nothing for 24 hours" in body, "It has failed since 2026-11-20 12:00 UTC" in body) == (
        True,
        True,
        True,
    )
    assert ("hunter2" in body, "secret-path" in body) == (False, False), "of its address the host alone"
    [notice] = notices(bureau)
    assert (notice.channel, notice.recipient, notice.state, notice.times) == ("post", "hooks@partner.example", "delivered", 1)


def test_a_channel_of_owners_hears_nothing_else_and_other_channels_hear_of_the_endpoint_as_ever(bureau, shop, mailbox):
    box, port = mailbox
    fails_for_a_day(bureau, shop)
    mail = f"mailto://127.0.0.1:{port}/?from=ops@counterfoil.example&mode=insecure"
    work(bureau, f"post:owners={mail} ops={mail}&to=oncall@counterfoil.example")
    assert sorted(each for each in box.recipients) == [["hooks@partner.example"], ["oncall@counterfoil.example"]]
    bureau.tell("jrn_1", name="treasury_withdrawal")
    work(bureau, f"post:owners={mail} ops={mail}&to=oncall@counterfoil.example")
    assert box.recipients[2:] == [["oncall@counterfoil.example"]]


def test_the_owner_is_changed_by_a_verb_and_the_next_letter_goes_to_the_new_one(bureau, shop, mailbox):
    box, port = mailbox
    endpoint = fails_for_a_day(bureau, shop)
    assert bureau.say(endpoint, "set_owner", owner_email="new@partner.example").state == "disabled"
    work(bureau, f"post:owners=mailto://127.0.0.1:{port}/?from=ops@counterfoil.example&mode=insecure")
    assert box.recipients == [["new@partner.example"]]
    assert bureau.show(endpoint).owner_email == "new@partner.example"


def test_without_a_channel_of_owners_nobody_is_written_to(bureau, shop):
    fails_for_a_day(bureau, shop)
    work(bureau, "")
    assert notices(bureau) == []


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b@c",
        "@partner.example",
        "a@",
        "a b@c.example",
        "a@c.example,b@c.example",
        "a@c.example b@c.example",
        '"a b"@c.example',
        "Ann <a@c.example>",
        "a@c.example\nBcc: x@y.example",
        f"{'a' * 250}@c.example",
    ],
)
def test_what_is_not_one_address_is_refused_when_the_owner_changes(bureau, address):
    endpoint = bureau.draft("http://127.0.0.1:9/")
    with pytest.raises(InvalidInput) as caught:
        bureau.say(endpoint, "set_owner", owner_email=address)
    assert caught.value.facts["field"] == "ownerEmail"
    assert bureau.show(endpoint).owner_email == "hooks@partner.example"


def test_the_owner_of_an_endpoint_that_was_removed_does_not_change(bureau):
    endpoint = bureau.draft("http://127.0.0.1:9/")
    bureau.say(endpoint, "remove")
    with pytest.raises(InvalidInput):
        bureau.say(endpoint, "set_owner", owner_email="new@partner.example")


@pytest.mark.parametrize(
    "text",
    [
        "post:owners=mailto://user:pw@mail.example?to=x@y.example",
        "post:owners=mailto://user:pw@mail.example?CC=x@y.example",
        "post:owners=mailto://user:pw@mail.example/x@y.example",
        "post:owners=json://mail.example/",
    ],
)
def test_a_channel_of_owners_is_a_mail_account_without_recipients(text):
    with pytest.raises(InvalidInput) as caught:
        parse_channels(text)
    assert "pw" not in caught.value.sentence()


def test_a_channel_that_is_not_one_of_owners_takes_no_letter_to_a_person(mailbox):
    _, port = mailbox
    channels = parse_channels(f"ops=mailto://127.0.0.1:{port}/?from=a@b.example&mode=insecure&to=c@d.example")
    said = channels.send("ops", level="critical", title="t", body="b", recipient="x@y.example")
    assert (said.taken, said.error) == (False, "the channel ops is not one by which owners are written to")
