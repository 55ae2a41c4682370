"""Lists in the orders that are declared: each reads real columns, none of which can be empty, and pages go on among equals."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.api.http.app import ROUTERS
from counterfoil.api.http.lists import list_shape
from counterfoil.base.paging import CursorBroken
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.listing import JOURNAL_LIST
from counterfoil.operations.access.audit_records import ACCESS_LIST, AUDIT_LIST
from counterfoil.operations.access.key_list import KEY_LIST
from counterfoil.operations.access.principals import PRINCIPAL_LIST
from counterfoil.operations.approval_inbox import PROPOSAL_LIST
from counterfoil.operations.events.events import EVENT_LIST
from counterfoil.operations.listing import ListAsked, Order, asked_of, id_query, keyset_of, order_of, read_listed
from counterfoil.operations.noun_pages import PlainList
from counterfoil.operations.verbs import Noun
from counterfoil.payouts.batches.policies import POLICY_LIST
from counterfoil.payouts.customers.statement import CUSTOMER_LIST
from counterfoil.payouts.payment_files.files import PAYMENT_FILE_LIST
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.payouts.refunds.debts import DEBT_LIST
from counterfoil.reconciliation.bank_statements import BANK_FILE_LIST
from counterfoil.reconciliation.client_money import CLIENT_MONEY_LIST
from counterfoil.reconciliation.runs.rows import RUN_LIST
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST
from counterfoil.settlement.commissions.rates import TERMS_LIST
from counterfoil.settlement.fees.fees import RATE_LIST
from counterfoil.settlement.treasury.treasury import MOVEMENT_LIST
from counterfoil.treasury.carbon.billing import BILL_LIST
from counterfoil.treasury.carbon.credits import CREDIT_LIST, RETIREMENT_LIST
from counterfoil.treasury.carbon.syncing import SYNC_LIST
from counterfoil.wiring import NOUNS

NOW = datetime(2026, 11, 20, tzinfo=UTC)
GIVEN = {"text": "x", "asset": "EUR", "moment": NOW, "amount": 1, "day": NOW.date(), "choice": "x"}
BEFORE: dict[type[Any], Any] = {int: 1, str: "x"}
PLAIN = (
    *(RUN_LIST, BANK_FILE_LIST, CLIENT_MONEY_LIST, PAYMENT_FILE_LIST, MOVEMENT_LIST, PRINCIPAL_LIST, KEY_LIST, JOURNAL_LIST),
    *(BILL_LIST, SYNC_LIST, CREDIT_LIST, RETIREMENT_LIST, CUSTOMER_LIST),
    *(EVENT_LIST, ACCESS_LIST, AUDIT_LIST, PROPOSAL_LIST, DEBT_LIST),
    *(RATE_LIST, TERMS_LIST, POLICY_LIST, MOMENT_LIST),
)
VIEWS = (
    CUSTOMER_LIST,
    AUDIT_LIST,
    DEBT_LIST,
    RATE_LIST,
    TERMS_LIST,
    POLICY_LIST,
    MOMENT_LIST,
)  # whose columns do not say that none of them is empty
# What has one order, and why no other.
ONE_ORDER = {
    "/api/programs": "by name, and few",
    "/api/finance/batches": "as they were begun, and few: one for each file",
    "/api/event-kinds": "shown whole: a table of the code",
}


@pytest.mark.parametrize("noun", NOUNS, ids=lambda noun: noun.plural)
def test_each_order_and_each_narrowing_of_a_noun_reads_its_own_table(conn: Connection[Any], noun) -> None:
    assert noun.sorts, f"the list of {noun.plural} is sorted by nothing"
    narrowed = {one.name: GIVEN[one.kind] for one in noun.narrows}
    for order in [None, *(Order(key, down) for key in noun.sorts for down in (True, False))]:
        asked = ListAsked(state=next(iter(noun.machine.states())), order=order, narrowed=narrowed)
        types = keyset_of(noun, order).types
        after = tuple(BEFORE.get(kind, NOW if kind is datetime else NOW.date()) for kind in types)
        assert read_listed(conn, noun, asked, rows_max=3, after=after, now=NOW) == []
    for key in noun.sorts:
        row = conn.execute(
            "select is_nullable from information_schema.columns where table_name = %s and column_name = %s",
            [noun.machine.table, key.column or key.name],
        ).fetchone()
        assert row == ("NO",), f"{noun.plural} are not sorted by {key.name}: an empty value has no place"
        assert key.kind is not int or key.money or key.name not in ("amount", "total")


@pytest.mark.parametrize("plain", PLAIN, ids=lambda plain: plain.plural)
def test_each_order_of_a_list_of_no_noun_reads_its_own_table(conn: Connection[Any], plain: PlainList) -> None:
    narrowed = {one.name: GIVEN[one.kind] for one in plain.narrows}
    for order in [None, *(Order(key, down) for key in plain.sorts for down in (True, False))]:
        types = keyset_of(plain, order).types
        after = tuple(BEFORE.get(kind, NOW if kind is datetime else NOW.date()) for kind in types)
        if plain is JOURNAL_LIST:
            after = (*after[:-1], "01890000-0000-7000-8000-000000000000")
        assert read_listed(conn, plain, ListAsked(order=order, narrowed=narrowed), rows_max=3, after=after, now=NOW) == []
    for key in () if plain in VIEWS else plain.sorts:
        row = conn.execute(
            "select is_nullable from information_schema.columns where table_name = %s and column_name = %s",
            [plain.table, key.column or key.name],
        ).fetchone()
        assert row == ("NO",), f"{plain.plural} are not sorted by {key.name}: an empty value has no place"


def test_every_list_of_the_api_is_sorted_or_says_why_it_has_one_order() -> None:
    def asked(dependant: Any) -> set[str]:
        return {one.alias for one in dependant.query_params}.union(*map(asked, dependant.dependencies))

    lists = [one for router in ROUTERS for one in router.routes if list_shape(getattr(one, "response_model", None)) is not None]
    assert {one.path for one in lists if "sort" not in asked(one.dependant)} == set(ONE_ORDER)
    assert len(lists) > 2 * len(ONE_ORDER)


def test_an_order_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput) as refused:
        order_of(PAYOUT_NOUN, "-colour")
    assert refused.value.facts["limit"] == "one of createdAt, amount, each also with - in front"
    with pytest.raises(InvalidInput, match="amounts of two assets"):
        asked_of(PAYOUT_NOUN, state=None, sort=None, given={"amount_min": 5})


def test_a_cursor_of_one_order_is_refused_by_every_other() -> None:
    cursor = keyset_of(PAYOUT_NOUN, order_of(PAYOUT_NOUN, "-amount")).cursor("EUR", 5, "po_1")
    for other in (None, "amount", "createdAt"):
        with pytest.raises(CursorBroken):
            keyset_of(PAYOUT_NOUN, order_of(PAYOUT_NOUN, other)).after(cursor)


LONG = {"payouts", "invoices", "intents", "deliveries", "destinations", "breaks", "transactions"}  # with every payment, payee, or event
IN_MEMORY = {("transactions", "reference")}  # looked for in the few that are pending


@pytest.mark.parametrize("noun", [one for one in NOUNS if one.plural in LONG], ids=lambda noun: noun.plural)
def test_the_pages_of_a_long_list_that_is_sorted_are_read_along_an_index(conn: Connection[Any], noun: Noun) -> None:
    conn.execute("set local enable_seqscan = off")
    conn.execute("set local enable_bitmapscan = off")
    for key, down in ((key, down) for key in noun.sorts for down in (True, False)):
        if (noun.plural, key.name) in IN_MEMORY:
            continue
        asked = ListAsked(order=Order(key, down))
        after = [BEFORE.get(kind, NOW if kind is datetime else NOW.date()) for kind in keyset_of(noun, asked.order).types]
        given = {"rows": 9, **{f"after{at}": value for at, value in enumerate(after)}}
        plan = conn.execute(b"explain " + id_query(noun, asked, from_start=False).as_bytes(conn), given).fetchall()
        told = "\n".join(row[0] for row in plan)
        column = "asset" if key.money else key.column or key.name
        assert re.search(rf"Index Cond: \((ROW\({column}|\(?{column} [<>]=)", told), f"{noun.plural} by {key.name}\n{told}"


LAST_OF = {"at": "slot_at|last_at", "taken_at": "taken_at|noticed_at"}  # of moments, and of those that nobody took


@pytest.mark.parametrize("plain", [EVENT_LIST, ACCESS_LIST, AUDIT_LIST, PROPOSAL_LIST, MOMENT_LIST], ids=lambda plain: plain.plural)
def test_the_pages_of_a_log_are_read_along_an_index_both_ways(conn: Connection[Any], plain: PlainList) -> None:
    conn.execute("set local enable_seqscan = off")
    conn.execute("set local enable_bitmapscan = off")
    for key, down in ((key, down) for key in plain.sorts for down in (True, False)):
        given = {"rows": 9, "after0": NOW, "after1": "x"}
        plan = conn.execute(
            b"explain " + id_query(plain, ListAsked(order=Order(key, down)), from_start=False).as_bytes(conn), given
        ).fetchall()
        told = "\n".join(row[0] for row in plan)
        indexes = 2 if plain in (AUDIT_LIST, MOMENT_LIST) else 1
        columns = LAST_OF.get(key.name, key.name) if plain is MOMENT_LIST else key.name
        assert len(re.findall(rf"Index Cond: \(ROW\(\w*\.?({columns})", told)) == indexes, told
        assert not re.search(r"^\W*(Incremental )?Sort +\(", told, re.MULTILINE), f"{plain.plural} are read whole and sorted\n{told}"


def test_what_narrows_a_list_to_one_thing_stands_first_in_an_index(conn: Connection[Any]) -> None:
    asked = [(noun, one) for noun in NOUNS for one in noun.narrows if one.where == f"t.{one.name} = %({one.name})s" and one.name != "asset"]
    for noun, one in asked:
        first = conn.execute(
            """select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
               where i.indrelid = %s::regclass and i.indpred is null""",
            [noun.machine.table],
        ).fetchall()
        assert (one.name,) in first, f"{noun.plural} of one {one.name}, of every program, are looked for in all of them"
    assert len(asked) > 5
