"""What the application and the auditor may do in the database: each way round the rules is tried as the role that would take it."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.base.database import DatabaseRefused
from counterfoil.base.edge import Database
from counterfoil.base.machine import record_birth
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.holds import Hold, take_hold, void_hold
from counterfoil.ledger.journals.journal import post, reverse
from counterfoil.payouts.machines import PAYOUT
from tests.conftest import NOW

REFUSED = errors.InsufficientPrivilege


@pytest.fixture
def books(conn: Connection[Any]) -> Connection[Any]:
    """A program with money in it, seen by the application."""
    open_program(conn, "p", name="P", assets=[Asset("EUR", 2)], now=NOW)
    open_accounts(conn, "p", ["clearing:x", "suspense", "payable:payee:a"], asset="EUR", actor="t", now=NOW)
    post(conn, "p", key="k", kind="t", lines=[("clearing:x", "payable:payee:a", 1000)], asset="EUR", actor="t", now=NOW)
    conn.execute(
        """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
           values ('po_1', 'p', 'a', 'i', 's', 'k', 'EUR', 5, %s, 'completed', %s)""",
        [NOW, NOW],
    )
    assert conn.execute("select current_user::text").fetchone() == ("counterfoil_app",)
    return conn


def held(conn: Connection[Any]) -> Hold:
    """700 minor units set aside."""
    debit, credit = "payable:payee:a", "clearing:x"
    return take_hold(conn, "p", key="h", debit=debit, credit=credit, minor=700, asset="EUR", actor="t", now=NOW)


def refused(conn: Connection[Any], statement: str, kind: type[psycopg.Error] = REFUSED) -> str:
    """The statement is refused, and the transaction goes on."""
    with pytest.raises(kind) as caught, conn.transaction():
        conn.execute(statement.encode())
    return str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "create temp table transition (machine text, from_state text, to_state text)",
        "create temporary view transition as select 1",
        "create temp sequence ledger_version_3",
        "select 1 into temp transition",
        "create schema mine",
        "create function public.mine() returns integer language sql return 1",
        "create function pg_temp.lifted() returns trigger language plpgsql as $$ begin return null; end $$",
    ],
)
def test_the_application_makes_no_object_that_could_stand_in_for_one_of_ours(books: Connection[Any], statement: str) -> None:
    refused(books, statement)


SHADOWS = (
    """create temp table transition as select * from (
           values ('payout', 'completed', 'pending', false), ('break', 'open', 'written_off', false)
       ) as t (machine, from_state, to_state, needs_pair)""",
    "create temp table approval_use as select 'break'::text as machine, 'b1'::text as subject_id, 1 as step",
    "create temp table client_money (id text, made_by text, sha256 bytea)",
    "grant select on transition, approval_use, client_money to counterfoil_app",
)
TRIES = {
    "a completed payout goes back": "update payout set state = 'pending' where id = 'po_1'",
    "a break is written off with nobody's approval": "update break set state = 'written_off' where id = 'b1'",
    "the maker signs their own statement": "insert into client_money_signature values ('cm1', '\\x01', 'anna', 'all is well', now())",
}


@pytest.fixture
def shadowed(owner_conn: Connection[Any]) -> Connection[Any]:
    """Temporary tables of a session that a superuser began, in front of ours; then the application goes on in it."""
    conn = owner_conn
    open_program(conn, "p", name="P", assets=[Asset("EUR", 2)], now=NOW)
    conn.execute(
        """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
           values ('po_1', 'p', 'a', 'i', 's', 'k', 'EUR', 5, %(now)s, 'completed', %(now)s)""",
        {"now": NOW},
    )
    conn.execute(
        """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, actor, started_at, beat_at)
           values ('rec_1', 'p', 'simulator', '2026-11-19', '2026-11-19', 'running', 't', %(now)s, %(now)s)""",
        {"now": NOW},
    )
    conn.execute(
        """insert into break (id, program_id, source, identity, kind, severity, asset, at_stake, difference, cause, record_id, reference,
                              subject, seen_number, first_on, last_on, first_run, last_run, last_number, due_on, opened_at, state, state_at)
           values ('b1', 'p', 'simulator', 'x', 'AMOUNT_MISMATCH', 'critical', 'EUR', 9, 9, '', 'r', 'r',
                   'r', 1, '2026-11-19', '2026-11-19',
                   'rec_1', 'rec_1', 1, '2026-11-20', %(now)s, 'open', %(now)s)""",
        {"now": NOW},
    )
    conn.execute(
        """insert into client_money (id, program_id, asset, on_day, owed, held, in_transit, difference, detail, sha256, made_by, made_at)
           values ('cm1', 'p', 'EUR', '2026-11-19', 10, 0, 0, -10, '{}', '\\x00', 'anna', %(now)s)""",
        {"now": NOW},
    )
    for statement in SHADOWS:
        conn.execute(statement.encode())
    conn.execute("set local search_path = pg_temp, public")  # and it may order the path as it likes
    conn.execute("set local role counterfoil_app")
    return conn


@pytest.mark.parametrize("name", TRIES)
def test_a_table_that_stands_in_front_of_ours_is_not_what_a_rule_reads(shadowed: Connection[Any], name: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        shadowed.execute(TRIES[name].encode())
    assert (caught.value.sqlstate or "").startswith("CF")


def test_every_function_of_ours_finds_its_tables_in_public_alone(owner_conn: Connection[Any]) -> None:
    astray = owner_conn.execute("""
        select oid::regprocedure::text from pg_proc
        where pronamespace = 'public'::regnamespace and prokind <> 'a'
          and not coalesce(proconfig, '{}') @> array['search_path=public, pg_temp']""").fetchall()
    assert astray == []


def test_nobody_runs_a_function_that_writes_unless_it_is_for_the_application(owner_conn: Connection[Any]) -> None:
    rows = owner_conn.execute("""
        select p.proname, g.who from pg_proc p
        cross join unnest(array['public', 'counterfoil_app', 'counterfoil_auditor']) as g (who)
        where p.pronamespace = 'public'::regnamespace and p.provolatile = 'v' and p.prokind <> 'a'
          and has_function_privilege(g.who, p.oid, 'execute') order by 1, 2""").fetchall()
    assert rows == [
        (name, "counterfoil_app") for name in ("enter_program", "lock_accounts", "lock_payments", "receipt_used", "reference_paid")
    ]


def test_the_application_cannot_lift_itself_over_a_trigger(books: Connection[Any]) -> None:
    """Who cannot make a trigger cannot write from within one; and within one it may not do more."""
    held(books)
    for statement in (
        "delete from open_hold",
        "update open_hold set amount = 1",
        "insert into open_hold values (gen_random_uuid(), 1, 2, 3)",
        "insert into reversal select journal_id, line, journal_id from posting",
        "create trigger mine after insert on event for each row execute function refuse_change()",
    ):
        refused(books, statement)


def test_holds_and_reversals_still_work_through_what_keeps_them(books: Connection[Any]) -> None:
    void_hold(books, "p", held(books).id, reason="x", actor="t", now=NOW)
    lines = [("clearing:x", "suspense", 5)]
    journal = post(books, "p", key="k2", kind="t", lines=lines, asset="EUR", actor="t", now=NOW)
    reverse(books, "p", journal.journal_id, key="r", reason="x", actor="t", now=NOW)
    kept = books.execute("select (select count(*) from open_hold), (select count(*) from reversal)").fetchone()
    assert kept == (0, 1)


FIXED = {
    "payout": ("amount = amount * 2", "payee_id = 'b'", "asset = 'USD'", "settlement_id = 'x'", "invoice_id = 'x'"),
    "bank_line": ("envelope = 'x'", "memo = 'x'", "amount = 1"),
    "provider_payout": (
        "amount = 1",
        "destination = 'acct_thief'",
        "destination_id = 'x'",
        "idempotency_key = 'x'",
        "payout_id = 'x'",
    ),
    "destination": ("token = 'acct_thief'", "envelope = 'x'", "payee_id = 'b'", "provider = 'x'"),
    "api_key": ("role = 'administrator'", "secret_hash = '\\x00'", "name = 'x'", "expires_at = null"),
    "invoice": ("total = 1", "customer_id = 'x'", "payee_id = 'b'"),
    "usage_record": ("external_id = 'x'", "quantity_micro = 1", "customer_id = 'x'"),
    "intent": ("invoice_id = 'x'", "provider = 'x'"),
    "event": ("payload = '{}'", "name = 'x'", "subject_id = 'x'"),
    "webhook_in": ("body = 'x'", "envelope = 'x'", "event_type = 'x'"),
    "session": ("api_key_id = 'x'", "csrf = 'x'", "principal_id = 'x'"),
    "principal": ("kind = 'person'", "name = 'x'"),
    "role_grant": ("role = 'administrator'", "principal_id = 'x'"),
    "provider_conflict": ("fact = '{}'",),
    "call_answer": ("answer = '{}'",),
    "break": ("identity = 'x'", "asset = 'USD'", "program_id = 'x'"),
    "reconciliation_run": ("first_on = now()", "source = 'x'"),
}


@pytest.mark.parametrize("change", [f"update {table} set {one}" for table, each in FIXED.items() for one in each])
def test_what_is_written_once_is_not_written_again(conn: Connection[Any], change: str) -> None:
    refused(conn, change)


# Answers and failures that grew old; a run that said what an earlier one had said; what workers wanted that are gone.
DELETED = {"access_attempt", "idempotency", "login_attempt", "reconciliation_run", "request_turn", "schedule_wish"}


def test_the_application_deletes_what_grew_old_and_nothing_else(owner_conn: Connection[Any]) -> None:
    rows = owner_conn.execute("""
        select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and has_table_privilege('counterfoil_app', oid, 'delete, truncate')""").fetchall()
    assert {name for (name,) in rows} == DELETED


def test_no_row_goes_or_changes_because_another_one_went(owner_conn: Connection[Any]) -> None:
    """A reference that deletes what refers to it takes lines of the books along with an account that somebody tidied up."""
    rows = owner_conn.execute("""
        select conrelid::regclass::text, conname from pg_constraint
        where contype = 'f' and (confdeltype not in ('a', 'r') or confupdtype not in ('a', 'r'))""").fetchall()
    assert rows == []


def test_a_state_still_moves_and_a_row_can_still_be_locked(books: Connection[Any]) -> None:
    books.execute("""
        insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
        select 'po_2', program_id, payee_id, 'i2', 's2', 'k2', asset, amount, created_at, 'pending', state_at from payout""")
    record_birth(books, PAYOUT, ["po_2"], "pending", actor="t", at=NOW)
    books.execute("select 1 from payout where id = 'po_2' for update")
    books.execute("update payout set state = 'processing', steps = 2 where id = 'po_2'")


@pytest.mark.parametrize(
    "statement",
    [
        "select enter_program('p', true, 1000000)",
        "select * from lock_accounts('p', 'EUR', array['clearing:x'])",
        "select secret_hash from api_key",
        "select * from session",
        "select token from destination",
        "select destination from provider_payout",
        "select body from webhook_in",
        "select memo from bank_line_counted",
        "select rejected from bank_file",
        "select answer from idempotency",
        "select hash from password",
        "select nextval('account_serial')",
        "select * from account for update",
        "insert into step values ('m', 's', 1, '', 'create', 'x', 'me', null, null, now())",
    ],
)
def test_the_auditor_writes_nothing_locks_nothing_and_sees_no_secret(owner_conn: Connection[Any], statement: str) -> None:
    owner_conn.execute("set local role counterfoil_auditor")
    refused(owner_conn, statement)


def test_the_auditor_reads_all_the_rest(owner_conn: Connection[Any]) -> None:
    hidden = owner_conn.execute("""
        select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and not a.attisdropped
          and not has_column_privilege('counterfoil_auditor', c.oid, a.attnum, 'select') order by 1""").fetchall()
    named = re.compile(r"secret|token|csrf|destination|body|answer|hash|cipher|seed|recovery_code\.sha256|login_attempt\.(nonce|verifier)")
    words = re.compile(r"bank_line(_counted)?\.(reference|counterparty|memo)|bank_file\.rejected")  # of before they were encrypted
    assert all(named.search(name) or words.fullmatch(name) for (name,) in hidden), hidden
    owner_conn.execute("set local role counterfoil_auditor")
    for readable in ("segments_of(1)", "newest_postings(1, 2, 3)", "postings_between(1, 2, 3, 4)", "total(1)"):
        owner_conn.execute(f"select {readable}".encode())


def test_rights_hold_for_a_login_of_its_own_that_may_only_act_as_the_application(database_url: str) -> None:
    """And who logs in with it cannot become anybody else."""
    name = f"{psycopg.conninfo.conninfo_to_dict(database_url)['dbname']}_rights"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"create role {name} login in role counterfoil_app".encode())
    statements = ("set role counterfoil_owner", "set role postgres", "create temp table t ()")
    database = Database(database_url.replace("postgres@", f"{name}@")).open()
    try:
        for statement in statements:
            with pytest.raises(DatabaseRefused, match="permission denied"), database.transaction() as mine:
                mine.execute(statement.encode())
    finally:
        database.close()
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"drop role {name}".encode())


FIXED = {
    "what an invoice carries in": "update invoice set carried_in = 1",
    "what an invoice carries out": "update invoice set carried_out = 1",
    "of which record a break is": "update break set record_id = 'payout:other'",
    "what kind a break is": "update break set kind = 'MISSING_LEFT'",
    "whose fraction of a unit it is": "update usage_fraction set payee_id = 'other'",
}


@pytest.mark.parametrize("name", FIXED)
def test_what_decides_money_and_is_known_with_its_row_is_never_updated(books: Connection[Any], name: str) -> None:
    refused(books, FIXED[name])


def once(conn: Connection[Any]) -> None:
    """An attempt that is paid, a destination that ended, a run that ended, a record that is invoiced."""
    conn.execute(
        """insert into destination (id, program_id, payee_id, provider, envelope, actor, created_at, state, state_at)
           values ('dst_1', 'p', 'a', 'x', %s, 'anna', %s, 'active', %s)""",
        [bytes(32), NOW, NOW],
    )
    conn.execute(
        """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination_id, asset, amount,
                  payload_sha256, created_at, state, state_at)
           values ('pp_1', 'po_1', 'p', 1, 'x', 'k', 'dst_1', 'EUR', 5, '', %(now)s, 'succeeded', %(now)s)""",
        {"now": NOW},
    )
    conn.execute(
        """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, actor, started_at, beat_at)
           values ('rec_1', 'p', 'x', '2026-11-19', '2026-11-19', 'running', 't', %(now)s, %(now)s)""",
        {"now": NOW},
    )
    conn.execute(
        """insert into idempotency (scope, key, sha256, answer, at) values ('p', 'k', sha256(''), '{"begun": true}', %s)""",
        [NOW],
    )


ONCE = {
    "the provider's order": ("provider_payout", "provider_ref", "'po_there'", "'po_other'"),
    "what was found paid": ("provider_payout", "paid", "5", "6"),
    "what was paid beyond": ("provider_payout", "beyond", "5", "4"),
    "when a destination ended": ("destination", "ended_at", "now()", "null"),
    "what a request was answered": ("idempotency", "answer", "'{}'", "'[]'"),
    "what a run found": ("reconciliation_run", "result_sha256", "'\\x01'", "'\\x02'"),
}


@pytest.mark.parametrize("name", ONCE)
def test_what_decides_money_and_is_known_later_is_written_once(books: Connection[Any], name: str) -> None:
    once(books)
    table, column, first, other = ONCE[name]
    books.execute(f"update {table} set {column} = {first}".encode())
    said = refused(books, f"update {table} set {column} = {other}", psycopg.Error)
    assert f"{column} of {table} is written once" in said
    books.execute(f"update {table} set {column} = {column}".encode())


CHANGED_AS_A_WHOLE = {"circuit", "worker"}  # what a machine notes of itself and forgets; nothing refers to it


def test_no_id_is_ever_changed_by_the_application(owner_conn: Any) -> None:
    found = owner_conn.execute(
        """select c.relname::text from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'id'
           where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
             and has_column_privilege('counterfoil_app', c.oid, a.attnum, 'update') order by 1"""
    ).fetchall()
    assert {name for (name,) in found} == CHANGED_AS_A_WHOLE
