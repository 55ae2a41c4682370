"""Escrows in the real tables: what comes in, what goes out and to whom, and everything that is refused, by the code and by the database."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput, TransitionRefused
from counterfoil.operations.verbs import PART_ROWS_MAX
from counterfoil.settlement.escrow.escrows import fund_escrow, report_score, sign_escrow
from counterfoil.settlement.escrow.freezing import freeze_escrow, unfreeze_escrow
from counterfoil.settlement.escrow.model import conditions_of, escrows_by_id
from counterfoil.settlement.escrow.moving import (
    EscrowRefuses,
    expire_escrow,
    refund_escrow,
    release_escrow,
    repay_escrow,
    rule_escrow,
)
from counterfoil.settlement.escrow.noun import ESCROW_NOUN
from counterfoil.settlement.escrow.rules import Condition
from counterfoil.settlement.fees.fees import set_rates
from tests.builders import NOW, PROGRAM, balance_of
from tests.settlement.escrow.vault import (
    EXPIRES,
    a_funded_escrow,
    a_program_for_escrow,
    an_escrow,
    hand,
    standing,
    still_true,
)

SAID: dict[str, Any] = {"reason": "asked", "actor": "test", "now": NOW}


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    a_program_for_escrow(conn)
    return conn


def refused_by_the_database(conn: Connection[Any], escrow_id: str, kind: str, amount: int, **more: Any) -> str:
    """What the database says to a movement that no code of ours looked at."""
    given = {"by_ruling": False, "at": NOW, "actor": "x"} | more
    with pytest.raises(psycopg.DatabaseError) as refused, conn.transaction():
        conn.execute(
            """insert into escrow_movement (id, escrow_id, number, program_id, kind, amount, net, by_ruling, actor, at)
               select %s, %s, 1 + count(*), 'main', %s, %s, %s, %s, %s, %s from escrow_movement where escrow_id = %s""",
            [
                *(make_id("esm"), escrow_id, kind, amount, amount if kind == "release" else 0),
                *(given["by_ruling"], given["actor"], given["at"], escrow_id),
            ],
        )
    assert refused.value.sqlstate == "CF002"
    return str(refused.value)


def test_a_release_pays_fees_and_owes_the_payee_the_rest(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    assert (standing(books, one).state, balance_of(books, f"escrow:{one}")) == ("active", 100_00)
    assert release_escrow(books, one, hand()) == "released"
    assert [balance_of(books, name) for name in ("fee:platform", "payable:validator", "payable:payee:payee-1")] == [5_00, 1_00, 94_00]
    assert balance_of(books, f"escrow:{one}") == 0
    still_true(books)


def test_it_is_funded_in_parts_and_active_only_in_full(books: Connection[Any]) -> None:
    one = an_escrow(books)
    assert fund_escrow(books, one, hand(), provider="bank", reference="B1", amount=40_00) == "pending"
    with pytest.raises(EscrowRefuses, match="it is pending"):
        release_escrow(books, one, hand(), amount=10_00)
    with pytest.raises(InvalidInput, match="what it lacks"):
        fund_escrow(books, one, hand(), provider="bank", reference="B2", amount=60_01)
    with pytest.raises(InvalidInput, match=f"nothing was paid with before; it funded escrow {one}"):
        fund_escrow(books, one, hand(), provider="bank", reference="B1")
    with pytest.raises(InvalidInput, match="reference"):
        fund_escrow(books, one, hand(), provider="bank", reference="NOTPROVIDED")
    assert fund_escrow(books, one, hand(), provider="bank", reference="B2") == "active"
    with pytest.raises(EscrowRefuses, match="it is active"):
        fund_escrow(books, one, hand(), provider="bank", reference="B3")
    still_true(books)


def test_parts_are_released_and_refunded_and_the_end_says_to_whom_it_went(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    assert release_escrow(books, one, hand(), amount=30_01) == "active"
    assert refund_escrow(books, one, hand(reason="part of it"), amount=20_00) == "active"
    with pytest.raises(InvalidInput, match=r"from 0\.01 EUR to 49\.99 EUR"):
        release_escrow(books, one, hand(), amount=50_00)
    assert release_escrow(books, one, hand(), amount=49_99) == "split"
    assert balance_of(books, "fee:platform") == 80_00 * 5 // 100
    assert balance_of(books, "refund_payable:customer:ann") == 20_00
    still_true(books)


def test_what_is_pending_is_refunded_whole_with_whatever_is_in_it(books: Connection[Any]) -> None:
    empty, part = an_escrow(books), an_escrow(books)
    fund_escrow(books, part, hand(), provider="bank", reference="B1", amount=1)
    assert refund_escrow(books, empty, hand(reason="called off")) == "refunded"
    assert refund_escrow(books, part, hand(reason="called off")) == "refunded"
    assert balance_of(books, "refund_payable:customer:ann") == 1
    still_true(books)


def test_what_was_refunded_is_recorded_as_paid_back_once(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    given: dict[str, Any] = {"provider": "bank", "known": set()}
    with pytest.raises(EscrowRefuses, match="nothing of it is owed back"):
        repay_escrow(books, one, hand(), amount=None, reference="R1", **given)
    refund_escrow(books, one, hand(reason="late"))
    repay_escrow(books, one, hand(), amount=60_00, reference="R1", **given)
    with pytest.raises(InvalidInput, match=f"nothing else was paid by; what escrow {one} gave back was"):
        repay_escrow(books, one, hand(), amount=None, reference="R1", **given)
    with pytest.raises(InvalidInput, match="one of bank"):
        repay_escrow(books, one, hand(), amount=None, reference="R2", provider="stripe", known=set())
    repay_escrow(books, one, hand(), amount=None, reference="R2", **given)
    assert (balance_of(books, "refund_payable:customer:ann"), balance_of(books, "cash:bank:client")) == (0, 0)
    still_true(books)


CONDITIONS = (
    Condition("time", not_before=NOW + timedelta(days=1)),
    Condition("signature", signers=("person:anna",)),
    Condition("m_of_n", signers=("person:ben", "person:carl", "key:portal"), needed=2),
    Condition("score", least_micro=4_500_000),
)


def test_nothing_is_released_until_every_condition_holds(books: Connection[Any]) -> None:
    one = a_funded_escrow(books, 100_00, *CONDITIONS)
    later = NOW + timedelta(days=1)

    def still_refused(number: int) -> None:
        with pytest.raises(EscrowRefuses, match=f"condition {number} does not hold"):
            release_escrow(books, one, hand(later))
        refused_by_the_database(books, one, "release", 1, at=later)

    with pytest.raises(EscrowRefuses, match="condition 1 does not hold: not before"):
        release_escrow(books, one, hand(later - timedelta(microseconds=1)))
    still_refused(2)
    sign_escrow(books, one, make_id=make_id, actor="person:anna", now=NOW)
    still_refused(3)
    sign_escrow(books, one, make_id=make_id, actor="person:ben", now=NOW)
    with pytest.raises(EscrowRefuses, match="no condition waits for the signature of person:ben"):
        sign_escrow(books, one, make_id=make_id, actor="person:ben", now=NOW)
    with pytest.raises(EscrowRefuses, match="no condition waits for the signature of person:eve"):
        sign_escrow(books, one, make_id=make_id, actor="person:eve", now=NOW)
    still_refused(3)
    sign_escrow(books, one, make_id=make_id, actor="key:portal", now=NOW)
    still_refused(4)
    report = {"source": "the test of it", "make_id": make_id, "actor": "test"}
    report_score(books, one, score="4.6", now=NOW, **report)
    report_score(books, one, score="4.4", now=NOW + timedelta(seconds=1), **report)
    still_refused(4)
    report_score(books, one, score="4.5", now=NOW + timedelta(seconds=2), **report)
    assert [each.holds for each in conditions_of(books, one, at=later)] == [True] * 4
    assert release_escrow(books, one, hand(later)) == "released"
    still_true(books)


def test_what_was_used_of_this_payee_since_it_began_counts(books: Connection[Any]) -> None:
    one = a_funded_escrow(books, 100_00, Condition("usage", least_micro=3_000_000))
    books.execute(
        "insert into usage_import (id, program_id, file_name, sha256, records, actor, at) values ('i', 'main', 'f', '', 1, 't', now())"
    )

    def use(name: str, customer: str, payee: str, quantity: int, at: datetime) -> None:
        books.execute(
            """insert into usage_record (id, program_id, external_id, import_id, customer_id, payee_id, asset, description, quantity_micro,
                                         price_micro, amount, occurred_at)
               values (%(id)s, 'main', %(id)s, 'i', %(customer)s, %(payee)s, 'EUR', '', %(quantity)s, 0, 0, %(at)s)""",
            {"id": name, "customer": customer, "payee": payee, "quantity": quantity * 1_000_000, "at": at},
        )

    use("counts", "ann", "payee-1", 2, NOW + timedelta(days=1))
    use("of another payee", "ann", "other", 9, NOW + timedelta(days=1))
    use("by another customer", "ben", "payee-1", 9, NOW + timedelta(days=1))
    use("before it began", "ann", "payee-1", 9, NOW - timedelta(days=1))
    at = NOW + timedelta(days=2)
    with pytest.raises(EscrowRefuses, match=r"at least 3 used since the escrow began \(2\)"):
        release_escrow(books, one, hand(at))
    use("l", "ann", "payee-1", 1, at)
    assert release_escrow(books, one, hand(at)) == "released"


def test_a_frozen_escrow_gives_nothing_and_does_not_expire(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    assert freeze_escrow(books, one, **SAID) == "disputed"
    for act in (release_escrow, refund_escrow):
        with pytest.raises(EscrowRefuses, match="it is disputed"):
            act(books, one, hand())
    with pytest.raises(EscrowRefuses, match="it is disputed"):
        expire_escrow(books, escrows_by_id(books, [one])[0], hand(EXPIRES))
    for kind in ("release", "refund", "expire"):
        assert "it is disputed" in refused_by_the_database(books, one, kind, 100_00, at=EXPIRES if kind == "expire" else NOW)
    assert books.execute("select due_at from escrow where id = %s", [one]).fetchone() == (None,)
    assert unfreeze_escrow(books, one, **SAID) == "active"
    assert books.execute("select due_at from escrow where id = %s", [one]).fetchone() == (EXPIRES - timedelta(days=1),)
    assert release_escrow(books, one, hand()) == "released"
    with pytest.raises(TransitionRefused):
        freeze_escrow(books, one, **SAID)
    still_true(books)


@pytest.mark.parametrize(
    ("condition", "field"),
    [
        (Condition("time", not_before=EXPIRES), r"conditions\[1\]\.not_before"),
        (Condition("signature", signers=("person:nobody",)), r"conditions\[1\]\.signers"),
        (Condition("m_of_n", signers=("person:anna", "key:none"), needed=1), r"conditions\[1\]\.signers"),
    ],
)
def test_what_could_never_hold_is_refused_when_it_is_opened(books: Connection[Any], condition: Condition, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        an_escrow(books, 100_00, condition)
    assert re.fullmatch(field, str(refused.value.facts["field"]))
    assert books.execute("select count(*) from escrow").fetchone() == (0,), "and nothing is half done"


def test_who_was_ended_is_not_known_any_more(books: Connection[Any]) -> None:
    an_escrow(books, 100_00, Condition("signature", signers=("person:anna",)))
    books.execute("update principal set disabled_at = %s where name = 'anna'", [NOW])
    with pytest.raises(InvalidInput, match="signers"):
        an_escrow(books, 100_00, Condition("signature", signers=("person:anna",)))


@pytest.mark.parametrize(("refund", "state"), [(0, "released"), (100_00, "refunded"), (33_33, "split")])
def test_a_ruling_ends_a_dispute_whatever_the_conditions_say(books: Connection[Any], refund: int, state: str) -> None:
    one = a_funded_escrow(books, 100_00, Condition("signature", signers=("person:anna",)))
    with pytest.raises(EscrowRefuses, match="only what is disputed"):
        rule_escrow(books, one, hand(reason="r"), refund=refund)
    refused_by_the_database(books, one, "release", 1, by_ruling=True)
    freeze_escrow(books, one, **SAID)
    with pytest.raises(InvalidInput):
        rule_escrow(books, one, hand(reason="r", actor="another"), refund=100_01)
    assert rule_escrow(books, one, hand(EXPIRES + timedelta(days=9), "r", actor="another"), refund=refund) == state
    assert balance_of(books, "refund_payable:customer:ann") == refund
    still_true(books)


def test_whoever_froze_it_does_not_rule_on_it(books: Connection[Any]) -> None:
    """Else one person passes every condition of an escrow, by a freeze and a ruling."""
    one = a_funded_escrow(books, 100_00, Condition("signature", signers=("person:anna",)))
    freeze_escrow(books, one, **SAID)
    unfreeze_escrow(books, one, **SAID)
    freeze_escrow(books, one, **{**SAID, "actor": "person:mira"})
    with pytest.raises(EscrowRefuses, match="person:mira froze it, and another person rules on it"):
        rule_escrow(books, one, hand(reason="r", actor="person:mira"), refund=0)
    for kind in ("release", "refund"):
        told = refused_by_the_database(books, one, kind, 100_00, by_ruling=True, actor="person:mira")
        assert "ruled on by another than who froze it" in told
    assert rule_escrow(books, one, hand(reason="r"), refund=0) == "released", "who froze it before that may"
    still_true(books)


def test_the_instant_that_ends_it_belongs_to_the_expiry(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    with pytest.raises(EscrowRefuses, match="its time was over"):
        release_escrow(books, one, hand(EXPIRES))
    refused_by_the_database(books, one, "release", 1, at=EXPIRES)
    refused_by_the_database(books, one, "expire", 100_00, at=EXPIRES - timedelta(microseconds=1))
    assert release_escrow(books, one, hand(EXPIRES - timedelta(microseconds=1)), amount=1) == "active"
    assert expire_escrow(books, escrows_by_id(books, [one])[0], hand(EXPIRES)) == "expired"
    with pytest.raises(EscrowRefuses, match="it is expired"):
        release_escrow(books, one, hand(EXPIRES - timedelta(hours=1)))
    assert (standing(books, one).released, standing(books, one).refunded) == (1, 99_99)
    still_true(books)


def test_the_database_refuses_more_than_there_is(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    release_escrow(books, one, hand(), amount=60_00)
    assert "holds 4000" in refused_by_the_database(books, one, "refund", 40_01)
    assert "holds 4000" in refused_by_the_database(books, one, "release", 40_01)
    books.execute("set local role counterfoil_app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege), books.transaction():
        books.execute("update escrow set released = 0 where id = %s", [one])
    with pytest.raises(psycopg.DatabaseError, match="begins pending"), books.transaction():
        books.execute(
            """insert into escrow (id, program_id, customer_id, payee_id, asset, amount, reference, rate_version, expires_at, created_at,
                                   funded, state, state_at)
               values ('x', %s, 'c', 'p', 'EUR', 5, 'r', 1, %s, %s, 5, 'active', %s)""",
            [PROGRAM, EXPIRES, NOW, NOW],
        )
    books.execute("reset role")


def test_a_list_that_is_cut_says_so(books: Connection[Any]) -> None:
    one = a_funded_escrow(books, 100_00, Condition("score", least_micro=9_000_000))
    movements, evidence = ESCROW_NOUN.parts[1], ESCROW_NOUN.parts[2]
    books.execute(
        """insert into escrow_evidence (id, escrow_id, condition, program_id, actor, score_micro, source, at)
           select 'ese_' || n, %s, 1, 'main', 't', 1, 's', now() from generate_series(1, %s) n""",
        [one, PART_ROWS_MAX],
    )
    assert (len(evidence.read(books, one)[0]), evidence.read(books, one)[1], movements.read(books, one)[1]) == (PART_ROWS_MAX, False, False)
    report_score(books, one, score="1", source="s", make_id=make_id, actor="t", now=NOW)
    assert (len(evidence.read(books, one)[0]), evidence.read(books, one)[1]) == (PART_ROWS_MAX, True)


def test_fees_are_those_of_the_day_it_began(books: Connection[Any]) -> None:
    one = a_funded_escrow(books)
    set_rates(books, PROGRAM, platform_bps=2000, validator_bps=0, holdback_bps=0, actor="t", now=NOW)
    release_escrow(books, one, hand())
    assert balance_of(books, "fee:platform") == 5_00
    still_true(books)
