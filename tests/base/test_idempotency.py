"""Idempotency keys: one effect, one answer, whoever asks, however often, at whatever moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.edge import Database
from counterfoil.base.idempotency import (
    BEGUN_FOR,
    Answer,
    BegunWork,
    KeyInFlight,
    begin,
    finish,
    forget,
    give_up,
    once,
    renew,
    request_hash,
)
from counterfoil.base.problems import Busy, InvalidInput, KeyReused, NotFound, Problem
from tests.waiting import at_once

NOW = datetime(2026, 11, 20, tzinfo=UTC)
REQUEST = {"amount": "1250", "to": {"payee": "p1"}}


class CoffersEmpty(Problem):
    """There is nothing left."""


class Counter:
    """An effect in the database that can be counted: one row per call."""

    def __init__(self, conn: Connection[Any], fails: Problem | None = None) -> None:
        self.conn, self.fails, self.calls = conn, fails, 0

    def __call__(self) -> dict[str, int]:
        self.calls += 1
        self.conn.execute(
            "insert into idempotency (scope, key, sha256, at) values ('effect', gen_random_uuid()::text, %s, %s)",
            [b"x" * 32, NOW],
        )
        if self.fails:
            raise self.fails
        return {"call": self.calls}


def effects(conn: Connection[Any]) -> int:
    row = conn.execute("select count(*) from idempotency where scope = 'effect'").fetchone()
    return int(row[0]) if row else -1


def ask(conn: Connection[Any], act: Callable[[], Any], *, key: str = "k", **request: Any) -> Answer:
    return once(conn, "test", key, request or REQUEST, act, now=NOW)


def test_the_second_request_gets_the_first_answer_and_has_no_effect(conn: Connection[Any]) -> None:
    act = Counter(conn)
    assert ask(conn, act) == ({"call": 1}, None, False)
    assert ask(conn, act) == ({"call": 1}, None, True)
    assert (act.calls, effects(conn)) == (1, 1)


def test_an_answer_of_nothing_is_an_answer(conn: Connection[Any]) -> None:
    assert ask(conn, lambda: None) == (None, None, False)
    assert ask(conn, Counter(conn)) == (None, None, True)
    assert effects(conn) == 0


def test_the_same_key_for_another_request_is_refused(conn: Connection[Any]) -> None:
    ask(conn, Counter(conn))
    with pytest.raises(KeyReused):
        ask(conn, Counter(conn), amount="1251")
    assert effects(conn) == 1


def test_the_order_of_fields_makes_no_other_request() -> None:
    assert request_hash({"a": 1, "b": [1, 2]}) == request_hash({"b": [1, 2], "a": 1})
    assert request_hash({"a": 1}) != request_hash({"a": "1"})
    assert request_hash({"b": [1, 2]}) != request_hash({"b": [2, 1]})


def test_two_scopes_do_not_share_keys(conn: Connection[Any]) -> None:
    act = Counter(conn)
    once(conn, "one", "k", REQUEST, act, now=NOW)
    once(conn, "two", "k", {"other": 1}, act, now=NOW)
    assert act.calls == 2


def test_a_refusal_is_remembered_and_what_it_did_is_undone(conn: Connection[Any]) -> None:
    act = Counter(conn, CoffersEmpty(account="cash", missing=5))
    first = ask(conn, act)
    second = ask(conn, Counter(conn))
    assert (first.replayed, second.replayed, act.calls, effects(conn)) == (False, True, 1, 0)
    for answer in (first, second):
        with pytest.raises(CoffersEmpty) as caught:
            answer.get()
        assert caught.value.facts == {"account": "cash", "missing": 5}
        assert "cash" in str(caught.value)


def test_a_refusal_of_bad_input_is_remembered_with_its_field(conn: Connection[Any]) -> None:
    ask(conn, Counter(conn, InvalidInput("amount", "at least 1", got="0")))
    again = ask(conn, Counter(conn))
    assert isinstance(again.problem, InvalidInput)
    assert again.problem.facts == {"field": "amount", "limit": "at least 1", "got": "0"}


def test_a_refusal_by_the_database_is_remembered_in_our_words(conn: Connection[Any]) -> None:
    first = ask(conn, lambda: conn.execute("insert into idempotency values ('', '', 'short', null, now())"))
    assert first.problem is not None
    assert first.problem.facts["constraint"] == "idempotency_key_is_short"
    assert type(ask(conn, Counter(conn)).problem) is type(first.problem)


def test_being_busy_is_not_remembered(conn: Connection[Any]) -> None:
    with pytest.raises(Busy), conn.transaction():
        ask(conn, Counter(conn, Busy(what="account")))
    assert ask(conn, Counter(conn)).value == {"call": 1}


def test_a_bug_is_not_remembered(conn: Connection[Any]) -> None:
    with pytest.raises(ZeroDivisionError), conn.transaction():
        ask(conn, lambda: 1 // 0)
    assert ask(conn, Counter(conn)).replayed is False


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "é", "a\nb", "a\x00b", " a", "a ", "a\x7f"])
def test_a_key_that_cannot_be_a_key_is_refused(conn: Connection[Any], key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        ask(conn, Counter(conn), key=key)


@pytest.mark.parametrize("key", ["x", "x" * 255, "a b", "~!@#"])
def test_a_key_of_printable_characters_passes(conn: Connection[Any], key: str) -> None:
    assert ask(conn, Counter(conn), key=key).replayed is False


def test_while_one_transaction_works_on_a_key_another_is_told_so_at_once(database: Database) -> None:
    with database.transaction() as first:
        ask(first, Counter(first))
        with database.transaction() as second, pytest.raises(KeyInFlight):
            ask(second, Counter(second))
    with database.transaction() as conn:
        assert ask(conn, Counter(conn)).replayed is True


def test_a_rolled_back_request_leaves_no_answer(database: Database) -> None:
    with database.transaction(commit=False) as conn:
        ask(conn, Counter(conn))
    with database.transaction() as conn:
        assert ask(conn, Counter(conn)).replayed is False


def test_many_racers_have_one_effect_and_one_answer(database: Database) -> None:
    answers: list[Any] = []
    start = threading.Barrier(8)

    def race() -> None:
        start.wait(10)
        while True:
            try:
                with database.transaction() as conn:
                    answers.append(ask(conn, Counter(conn)).value)
            except KeyInFlight:
                continue
            return

    at_once(race, 8, within_s=30)
    with database.transaction() as conn:
        assert effects(conn) == 1
    assert answers == [{"call": 1}] * 8


def test_old_keys_are_forgotten_oldest_first_and_within_bounds(conn: Connection[Any]) -> None:
    for day in range(5):
        once(conn, "test", f"k{day}", REQUEST, lambda: None, now=NOW + timedelta(days=day))
    assert forget(conn, before=NOW + timedelta(days=4), rows_max=3) == 3
    left = conn.execute("select key from idempotency order by at").fetchall()
    assert left == [("k3",), ("k4",)]


def test_a_problem_that_is_no_longer_known_is_still_a_refusal(conn: Connection[Any]) -> None:
    ask(conn, Counter(conn, NotFound(what="x")))
    ((scope, key, sha256, answer, at),) = conn.execute("delete from idempotency returning scope, key, sha256, answer, at")
    told = [scope, key, sha256, Jsonb({**answer, "problem": "GoneSince"}), at]
    conn.execute("insert into idempotency (scope, key, sha256, answer, at) values (%s, %s, %s, %s, %s)", told)
    assert type(ask(conn, Counter(conn)).problem) is Problem


def begun(conn: Connection[Any], key: str, *, holder: str = "one", now: datetime = NOW) -> BegunWork:
    found = begin(conn, "job", key, REQUEST, holder=holder, now=now)
    assert isinstance(found, BegunWork)
    return found


DONE = Answer({"done": 7}, None, replayed=False)


def test_work_with_transactions_of_its_own_is_begun_once_and_told_to_whoever_asks_again(conn: Connection[Any]):
    mine = begun(conn, "k")
    with pytest.raises(KeyInFlight):
        begin(conn, "job", "k", REQUEST, holder="other", now=NOW + timedelta(minutes=1))
    with pytest.raises(KeyReused):
        begin(conn, "job", "k", {"other": 1}, holder="other", now=NOW)
    assert finish(conn, mine, DONE)
    assert begin(conn, "job", "k", REQUEST, holder="other", now=NOW) == DONE._replace(replayed=True)
    assert not give_up(conn, mine), "what is answered is not forgotten"


def test_work_that_died_or_could_not_be_done_is_begun_anew(conn: Connection[Any]):
    begun(conn, "died")
    begun(conn, "died", now=NOW + BEGUN_FOR)
    with pytest.raises(KeyInFlight):
        begin(conn, "job", "died", REQUEST, holder="other", now=NOW + BEGUN_FOR + timedelta(minutes=1))
    assert give_up(conn, begun(conn, "busy"))
    begun(conn, "busy")


def test_whoever_was_taken_for_dead_writes_nothing_over_who_began_it_anew(conn: Connection[Any]):
    dead = begun(conn, "k")
    anew = begun(conn, "k", holder="anew", now=NOW + BEGUN_FOR)
    assert not renew(conn, dead, now=NOW + BEGUN_FOR)
    assert not finish(conn, dead, Answer({"done": 1}, None, replayed=False))
    assert not give_up(conn, dead)
    assert finish(conn, anew, DONE)
    assert begin(conn, "job", "k", REQUEST, holder="other", now=NOW + BEGUN_FOR) == DONE._replace(replayed=True)


def test_work_that_is_renewed_is_not_taken_for_dead(conn: Connection[Any]):
    mine = begun(conn, "k")
    assert renew(conn, mine, now=NOW + timedelta(minutes=10))
    with pytest.raises(KeyInFlight):
        begin(conn, "job", "k", REQUEST, holder="other", now=NOW + timedelta(minutes=20))
    assert finish(conn, mine, DONE)


def test_a_renewal_that_its_holder_never_heard_of_changes_nothing_about_whose_it_is(conn: Connection[Any]):
    mine = begun(conn, "k")
    renew(conn, mine, now=NOW + timedelta(minutes=5))  # what it answers is lost
    assert renew(conn, mine, now=NOW + timedelta(minutes=10))
    renew(conn, mine, now=NOW + timedelta(minutes=15))
    assert finish(conn, mine, DONE)
    assert begin(conn, "job", "k", REQUEST, holder="other", now=NOW + timedelta(minutes=15)) == DONE._replace(replayed=True)


@pytest.mark.parametrize("alive", ["renews", "finishes"])
def test_whoever_was_slow_but_alive_is_not_taken_over_between_a_look_and_a_write(database: Database, alive: str) -> None:
    with database.transaction() as conn:
        mine = begun(conn, "k")
    refused: list[type[Problem] | None] = []
    waits = threading.Thread(target=lambda: refused.append(refusal_of_a_takeover(database)))
    with database.transaction() as conn:
        if alive == "renews":
            renew(conn, mine, now=NOW + BEGUN_FOR)
        else:
            finish(conn, mine, DONE)
        waits.start()
        until_one_waits(database)
    waits.join(20)
    assert refused == [KeyInFlight]


def refusal_of_a_takeover(database: Database) -> type[Problem] | None:
    """It has read the key before it waits for its row."""
    try:
        with database.transaction() as conn:
            begin(conn, "job", "k", REQUEST, holder="other", now=NOW + BEGUN_FOR)
    except Problem as problem:
        return type(problem)
    return None


def until_one_waits(database: Database) -> None:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    end = time.monotonic() + 20
    with psycopg.connect(database.url, autocommit=True) as conn:
        while conn.execute(waiting).fetchone() == (0,):
            assert time.monotonic() < end
            time.sleep(0.01)


def test_the_application_writes_an_answer_once_and_no_other_over_it(conn: Connection[Any]) -> None:
    assert finish(conn, begun(conn, "once"), DONE)
    with pytest.raises(psycopg.Error, match="written once"), conn.transaction():
        conn.execute("""update idempotency set answer = '{"value": 8}' where key = 'once'""")
