"""Channels: their own shapes of messages, their levels, and that nothing of an address is ever seen."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from apprise.plugins.discord import NotifyDiscord
from apprise.plugins.slack import NotifySlack

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.notices.notices import Telling, tell
from tests.operations.notices.conftest import teller


class Kept(logging.Handler):
    """All that reaches the log of this process."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(self.format(record))


@pytest.fixture
def kept() -> Iterator[Kept]:
    root, handler = logging.getLogger(), Kept()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(before)


SLACK = "slack=slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
DISCORD = "discord=discord://123456789/abcdefghijklmnopqrstuvwxyz"


def test_slack_and_discord_are_told_in_their_own_shape_and_what_is_too_long_for_one_message_comes_in_several(
    database, clock, receiver, monkeypatch
):
    """Their own addresses lead to this machine; all else is as it goes to them."""
    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{receiver.port}/slack")
    monkeypatch.setattr(NotifyDiscord, "notify_url", f"http://127.0.0.1:{receiver.port}/discord")
    one = teller(database, clock, f"{SLACK} {DISCORD}")
    lines = "\n".join(f"payout po_{number} was not paid" for number in range(150))
    with database.transaction() as conn:
        tell(conn, Telling("g", "critical", "Books", lines), one.channels.names, make_id=make_id, now=clock.now)
    one.work("notices")
    assert {(each.channel, each.state, each.last_error) for each in one.notices()} == {
        ("slack", "delivered", None),
        ("discord", "delivered", None),
    }
    heard = list(zip(receiver.paths, receiver.heard, strict=True))
    slack = [said for path, said in heard if path.startswith("/slack")]
    discord = [said for path, said in heard if path.startswith("/discord")]
    assert (len(slack), "Books" in str(slack), "po_149 " in str(slack)) == (1, True, True)
    assert len(discord) > 1
    assert all(len(each["content"]) <= 2000 for each in discord)
    assert ("po_0 " in str(discord), "po_149 " in str(discord)) == (True, True)


def test_a_channel_hears_nothing_below_its_level_and_of_all_that_is_critical(database, clock, receiver):
    one = teller(database, clock, f"pager:critical=json://127.0.0.1:{receiver.port}/ all=json://127.0.0.1:{receiver.port}/")
    one.happened("alert_warning", "alt_1", code="HELD_AGED", subject="po_1")
    one.happened("treasury_withdrawal", "jrn_1", program="main", amount="99.00")
    one.happened("payout_completed", "po_1", program="main")
    one.work("events")
    assert sorted((each.channel, each.level) for each in one.notices()) == [("all", "critical"), ("all", "warning"), ("pager", "critical")]
    assert {each.title for each in one.notices() if each.channel == "pager"} == {"Treasury withdrawal in main"}


@pytest.mark.parametrize(
    "text",
    [
        "slack",
        "Slack=json://x/",
        "a=json://x/ a=json://y/",
        "a=nothing://x",
        "a:loud=json://x",
        "=json://x",
        "slack://T1/B2/verysecret?x=1",
        "a=slack://verysecret",
    ],
)
def test_a_channel_that_is_not_well_written_is_refused_without_its_address(text, kept, capfd):
    with pytest.raises(InvalidInput) as caught:
        parse_channels(text)
    assert "://" not in str(caught.value.facts.get("got", ""))
    for said in (str(caught.value.facts), *kept.said, *capfd.readouterr()):
        assert "verysecret" not in said


def test_an_address_is_never_shown_or_logged(kept, capfd):
    channels = parse_channels("hook=json://user:secret-word@127.0.0.1:9/path")
    assert "secret-word" not in repr(channels)
    logging.getLogger("other").warning("it is kept")
    delivery = channels.send("hook", level="info", title="x", body="y")
    assert (delivery.taken, "it is kept" in str(kept.said)) == (False, True)
    for said in (str(delivery.error), *kept.said, *capfd.readouterr()):
        assert "secret-word" not in said
    assert channels.send("gone", level="info", title="x", body="y") == (False, "the channel gone is not set here")


def test_what_a_channel_said_is_its_own_and_not_what_another_said_at_the_same_time(receiver, database, clock):
    receiver.status = 418
    one = teller(database, clock, f"dead=json://127.0.0.1:9/ hook=json://127.0.0.1:{receiver.port}/")
    one.told("dead", times=2)
    one.told("hook", times=2)
    one.work("notices")
    said = {(each.channel, each.last_error) for each in one.notices()}
    assert {(channel, "418" in str(error)) for channel, error in said} <= {("dead", False), ("hook", True), ("hook", False)}, said


def test_why_a_channel_refused_is_known_also_where_a_process_logs_errors_alone(receiver) -> None:
    root, before = logging.getLogger(), logging.getLogger().level
    receiver.status = 503
    root.setLevel(logging.ERROR)
    try:
        done = parse_channels(f"hook=json://127.0.0.1:{receiver.port}/").send("hook", level="warning", title="t", body="b")
    finally:
        root.setLevel(before)
    assert (done.taken, "503" in str(done.error)) == (False, True)
