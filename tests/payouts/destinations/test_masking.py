"""A provider's words, kept without the account of the payee that they name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.operations.providers import Refused
from counterfoil.payouts.destinations.masking import masked, masked_answer
from tests.base.dumps import dumped, in_clear
from tests.payouts.world import World

IBAN = "DE89370400440532013000"


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"no account {IBAN}", "no account …3000"),
        ("no account DE89 3704 0044 0532 0130 00!", "no account …3000!"),
        (f"no account {IBAN.lower()}: closed", "no account …3000: closed"),
        ("DE89-3704-0044-0532-0130-00 and Frida Kahlo", "…3000 and …hlo"),
        ("the account is closed", "the account is closed"),
        ("", ""),
    ],
)
def test_an_account_is_shown_by_its_end_however_it_is_written(said: str, kept: str) -> None:
    assert masked(said, f"{IBAN};Frida Kahlo") == kept


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=6, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_account_stands_in_what_is_kept(token: str, before: str, after: str) -> None:
    assert token.lower() not in masked(before + token + after, token).lower()


def test_an_answer_keeps_what_is_no_word() -> None:
    told = {"error": "acct_12345678?", "failure": None, "key": "acct_12345678"}
    assert masked_answer(told, "acct_12345678") == {"error": "…5678?", "failure": None, "key": "acct_12345678"}


def test_what_a_provider_says_of_an_account_lies_nowhere_in_clear(database) -> None:
    account = "acct_of_the_payee_1"
    with database.transaction() as conn:
        world = World(conn)
        world.destination(account)
        world.reserve()
        attempt = world.live()
        assert attempt is not None
        world.claim(attempt)
        world.answer(attempt, world.announce(attempt), Refused(f"no such account: {account}"))
        assert "…ee_1" in world.row("select last_error from provider_payout")[0]
    dump = dumped(database.url)
    assert (in_clear(dump, account), in_clear(dump, "no such account")) == ([], ["no such account"])
