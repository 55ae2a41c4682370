"""What has no states takes two people, too: the database refuses the row at the end of its transaction, whoever writes it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.types.json import Jsonb

from counterfoil.base.database import AppendOnly
from counterfoil.base.edge import Database
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.money import Asset
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewPosting, post, reverse
from counterfoil.operations import approvals
from counterfoil.operations.access import access, logins, principals
from counterfoil.operations.access.oidc.attempts import link_subject
from counterfoil.operations.approvals import ApproverNeeded, ProposalDiffers, digest_of
from counterfoil.operations.webhooks_out.endpoints import create_endpoint, rotate_secret
from counterfoil.operations.webhooks_out.signing import new_pair
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.destinations.tokens import fingerprints
from counterfoil.proofs.log.checkpoints import make_log_key
from counterfoil.proofs.signing.signers import add_signer
from counterfoil.reconciliation.breaks.limits import set_write_off_limit
from counterfoil.settlement.escrow.escrows import NewEscrow, open_escrow
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.wiring import PAIRED, QUEUES
from tests.conftest import KEYS
from tests.people import log_in_as, who
from tests.soak import examples

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PAIR = new_pair(bytes(range(64)))
LINES = [NewPosting("cash:bank:own", "suspense", 100), NewPosting("cash:bank:own", "suspense", 7)]
KEY, OTHER_KEY = (
    bytes.fromhex(one)
    for one in (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    )
)
SIGNER = {"publicKey": KEY.hex(), "role": "administrator", "validUntil": (NOW + timedelta(days=1)).isoformat()}
SUBJECT = {"issuer": "https://login.example", "subject": "eve"}
NUMBERS = itertools.count(1)
Write = Callable[[Connection[Any]], Any]


def in_transaction(url: str, write: Write, *, role: str = "counterfoil_app") -> None:
    """`write`, committed."""
    database = Database(url, role=role, connections_max=1, keys=KEYS).open()
    try:
        with database.transaction() as conn:
            write(conn)
    finally:
        database.close()


@pytest.fixture
def house(database: Database) -> Database:
    """A program, its accounts, two administrators, two who approve, and somebody without a role: made before anybody administered."""
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=NOW)
        open_accounts(conn, "main", ["cash:bank:own", "suspense", "fee:platform"], asset="EUR", actor="t", now=NOW)
        for name in ("mira", "noah"):
            log_in_as(conn, name, "administrator", at=NOW)
        for name in ("vera", "olga"):
            log_in_as(conn, name, "approver", at=NOW)
        log_in_as(conn, "eve", at=NOW)
        for provider in ("simulator", ""):  # pauses 1 and 2
            conn.execute(
                """insert into queue_pause (queue, provider, paused, reason, actor, at)
                   values ('send', %s, true, 'looked at', 'person:eve', %s)""",
                [provider, NOW],
            )
        post(conn, "main", key="system-1", kind="test", lines=LINES, asset="EUR", actor="system:test", now=NOW)
        earned = [NewPosting("cash:bank:own", "fee:platform", 1_000)]
        set_rates(conn, "main", platform_bps=0, validator_bps=0, holdback_bps=0, actor="t", now=NOW)
        open_escrow(conn, "esc_1", NewEscrow("main", "ann", "bolt", "EUR", 1_000, "order 7", NOW + timedelta(days=9)), actor="t", now=NOW)
        conn.execute(
            """insert into invoice (id, program_id, customer_id, payee_id, asset, total, issued_at, due_on, state, state_at)
               values ('inv_1', 'main', 'ann', 'bolt', 'EUR', 100, %(now)s, %(now)s::date, 'overdue', %(now)s)""",
            {"now": NOW},
        )
        asked = {"program_id": None, "events": [], "min_level": "info", "owner_email": "a@b.example", "about": ""}
        made: dict[str, Any] = {"url": "https://b.example/", "networks": (), "make_id": lambda _: "whs_1", "actor": "t", "now": NOW}
        create_endpoint(conn, "whe_1", PAIR, **made, **asked)
        make_log_key(conn, "lgk_1", now=NOW)
        post(conn, "main", key="system-2", kind="test", lines=earned, asset="EUR", actor="system:test", now=NOW)
    return database


def a_key(conn: Connection[Any], **more: Any) -> Any:
    given_ = {"name": "bot", "role": "operator", "by": "t", "now": NOW} | more
    return access.create_key(conn, "key_01KA0000000000000000000000", "cf_test_x", **given_)


def a_subject(conn: Connection[Any], subject: str = "eve") -> None:
    link_subject(conn, f"lnk_{next(NUMBERS)}", person(conn, "eve"), issuer=SUBJECT["issuer"], subject=subject, by="t", now=NOW)


def a_grant(conn: Connection[Any], role: str = "viewer") -> None:
    logins.grant_role(conn, "grant_1", person(conn, "eve"), role, by="t", now=NOW)


def a_destination(conn: Connection[Any], token: str = "acct_1") -> None:
    set_destination(conn, "dst_1", program_id="main", payee_id="bolt", provider="simulator", token=token, actor="t", now=NOW)


def a_signer(conn: Connection[Any], public_key: bytes = KEY) -> None:
    mira = person(conn, "mira")
    until = NOW + timedelta(days=1)
    add_signer(conn, "sgn_1", principal_id=mira, role="administrator", public_key=public_key, valid_until=until, by="t", now=NOW)


def a_key_of_the_log(conn: Connection[Any], cause: str = "planned") -> None:
    make_log_key(conn, "lgk_2", now=NOW + timedelta(seconds=1))
    conn.execute(
        """insert into log_key_change (key_id, before_id, cause, size, statement, created_by, created_at)
           values ('lgk_2', 'lgk_1', %s, 0, 's', 'person:mira', %s)""",
        [cause, NOW],
    )


def a_secret(conn: Connection[Any], overlap_days: int = 1) -> None:
    rotate_secret(conn, "whe_1", "whs_2", PAIR, overlap_days=overlap_days, actor="t", now=NOW)


def a_limit(conn: Connection[Any], minor: int = 5_000) -> None:
    set_write_off_limit(conn, "main", "EUR", minor=minor, reason="r", actor="t", now=NOW)


def a_journal(conn: Connection[Any], lines: list[NewPosting] = LINES, key: str = "k", actor: str = "person:mira") -> None:
    post(conn, "main", key=key, kind="adjustment", lines=lines, asset="EUR", actor=actor, now=NOW, narrative="a reason")


def a_reversal(conn: Connection[Any], actor: str = "key:service", line: int | None = None) -> None:
    reverse(conn, "main", system_journal(conn), key="reversal:x", reason="r", actor=actor, now=NOW, line=line)


def a_resumption(conn: Connection[Any], provider: str = "simulator", *, reason: str = "r", actor: str = "person:vera") -> None:
    conn.execute(
        """insert into queue_pause (queue, provider, paused, reason, actor, at) values ('send', %s, false, %s, %s, %s)""",
        [provider, reason, actor, NOW],
    )


def a_withdrawal(conn: Connection[Any], minor: int = 100) -> None:
    conn.execute(
        """insert into treasury_movement (id, program_id, asset, kind, amount, reference, reason, actor, at)
           values ('trm_1', 'main', 'EUR', 'withdrawal', %s, 'october', 'r', 'person:mira', %s)""",
        [minor, NOW],
    )


def a_funding(conn: Connection[Any], minor: int = 100) -> None:
    conn.execute(
        """insert into escrow_movement (id, escrow_id, number, program_id, kind, amount, provider, reference, actor, at)
           values ('esm_1', 'esc_1', 1, 'main', 'fund', %s, 'bank', 'B-1', 'person:vera', %s)""",
        [minor, NOW],
    )


def a_write_off(conn: Connection[Any], minor: int = 100) -> None:
    conn.execute(
        """insert into invoice_write_off (id, program_id, invoice_id, asset, amount, reason, actor, at)
           values ('iwo_1', 'main', 'inv_1', 'EUR', %s, 'r', 'person:vera', %s)""",
        [minor, NOW],
    )


def a_customers_write_off(conn: Connection[Any], minor: int = 100) -> None:
    conn.execute(
        """insert into customer_debt_entry (id, program_id, customer_id, asset, kind, amount, reason, actor, at)
           values ('wo_1', 'main', 'ann', 'EUR', 'written_off', %s, 'r', 'person:vera', %s)""",
        [minor, NOW],
    )


def a_customers_payment(conn: Connection[Any], minor: int = 100) -> None:
    conn.execute(
        """insert into customer_debt_entry (id, program_id, customer_id, asset, kind, amount, provider, reference, reason, actor, at)
           values ('cde_1', 'main', 'ann', 'EUR', 'paid', %s, 'bank', 'B-2', 'r', 'person:vera', %s)""",
        [minor, NOW],
    )


def a_reopening(conn: Connection[Any]) -> None:
    conn.execute(
        """insert into period_close (program_id, step, verb, closed_until, actor, approved_by, approval_id, reason, at)
           values ('main', 2, 'reopen', '2026-10-01Z', 'person:mira', 'person:vera', 'prop_1', 'r', %s)""",
        [NOW],
    )


def person(conn: Connection[Any], name: str) -> str:
    row = conn.execute("select id from principal where name = %s", [name]).fetchone()
    assert row is not None
    return str(row[0])


def system_journal(conn: Connection[Any]) -> Any:
    row = conn.execute("select id from journal where key = 'system-1'").fetchone()
    assert row is not None
    return row[0]


BOT = {"name": "bot", "role": "operator", "expiresAt": None, "principalId": None, "programId": None, "live": True}
ACCOUNT = {
    "programId": "main",
    "payeeId": "bolt",
    "provider": "simulator",
    "fingerprint": fingerprints(KEYS, "acct_1")[0].hex(),
    "tokenHint": "1",
}
JOURNAL = {
    "program_id": "main",
    "asset": "EUR",
    "key": "k",
    "kind": "adjustment",
    "reason": "a reason",
    "effective_at": None,
    "lines": [{"debit": "cash:bank:own", "credit": "suspense", "amount": n} for n in (100, 7)],
}
RESUMED = {"queue": "send", "provider": "simulator", "program_id": "", "pause": 1}
# Each kind: how it is said (machine, verb, subject, payload), how it is written, and how something else is written under that approval.
KINDS: dict[str, tuple[tuple[str, str, str, dict[str, Any]], Write, Write]] = {
    "a key": (("api_key", "create", "key:bot", BOT), a_key, lambda c: a_key(c, role="controller")),
    "a key of everything": (
        ("api_key", "create", "key:bot", {**BOT, "programId": "main"}),
        lambda c: a_key(c, program_id="main"),
        a_key,
    ),
    "a role": (("principal", "grant", "eve", {"role": "viewer"}), a_grant, lambda c: a_grant(c, "operator")),
    "a subject of the provider": (("principal", "link", "eve", SUBJECT), a_subject, lambda c: a_subject(c, "mallory")),
    "a destination": (("destination", "set", "main:bolt", ACCOUNT), a_destination, lambda c: a_destination(c, "acct_evil")),
    "a signer": (("signer", "add", "mira", SIGNER), a_signer, lambda c: a_signer(c, OTHER_KEY)),
    "the log's key": (("log_key", "change", "lgk_1", {"cause": "planned"}), a_key_of_the_log, lambda c: a_key_of_the_log(c, "lost")),
    "a secret of an endpoint": (("endpoint", "rotate", "whe_1", {"overlapDays": 1}), a_secret, lambda c: a_secret(c, 7)),
    "a limit": (("write_off_limit", "set", "main:EUR", {"minor": "5000"}), a_limit, lambda c: a_limit(c, 5_001)),
    "a journal": (("journal", "post", "main:k", JOURNAL), a_journal, lambda c: a_journal(c, [*LINES, LINES[0]])),
    "half a journal": (("journal", "post", "main:k", JOURNAL), a_journal, lambda c: a_journal(c, LINES[:1])),
    "a reversal": (
        ("journal", "reverse", "system-1", {"line": None, "effectiveAt": None}),
        a_reversal,
        lambda c: a_reversal(c, line=1),
    ),
    "a withdrawal": (
        ("treasury", "withdraw", "main:EUR", {"amount": "100", "reference": "october"}),
        a_withdrawal,
        lambda c: a_withdrawal(c, 101),
    ),
    "money of the bank in an escrow": (
        ("escrow", "fund_from_bank", "esc_1", {"amount": "100", "reference": "B-1"}),
        a_funding,
        lambda c: a_funding(c, 101),
    ),
    "an invoice that is written off": (
        ("invoice", "write_off", "inv_1", {"amount": "100", "reason": "r"}),
        a_write_off,
        lambda c: a_write_off(c, 99),
    ),
    "a customer's debt": (
        ("customer_receivable", "write_off", "main:ann:EUR", {"amount": "100"}),
        a_customers_write_off,
        lambda c: a_customers_write_off(c, 101),
    ),
    "money of the bank for a debt": (
        ("customer_receivable", "pay", "main:ann:EUR", {"amount": "100", "reference": "B-2"}),
        a_customers_payment,
        lambda c: a_customers_payment(c, 101),
    ),
    "a queue that sends money": (("queue", "resume", "send", RESUMED), a_resumption, lambda c: a_resumption(c, "")),
    "a pause of everything": (
        ("queue", "resume", "send", {**RESUMED, "provider": "", "pause": 2}),
        lambda c: a_resumption(c, ""),
        a_resumption,
    ),
    "a reason": (("queue", "resume", "send", RESUMED), a_resumption, lambda c: a_resumption(c, reason="another one")),
    "somebody's name": (("queue", "resume", "send", RESUMED), a_resumption, lambda c: a_resumption(c, actor="person:eve")),
}


def approved(conn: Connection[Any], said: tuple[str, str, str, dict[str, Any]], *, use: bool = True) -> None:
    """Proposed by mira, approved by noah or vera, and, with `use`, used."""
    machine, verb, subject, payload = said
    subject = {"eve": person(conn, "eve"), "mira": person(conn, "mira"), "system-1": str(system_journal(conn))}.get(subject, subject)
    checker = "noah" if machine in ("api_key", "principal", "signer", "endpoint", "log_key") else "vera"
    one = approvals.propose(
        conn,
        f"prop_{next(NUMBERS)}",
        machine=machine,
        subject_id=subject,
        verb=verb,
        payload=payload,
        reason="r",
        by=who(conn, "person:mira"),
        now=NOW,
    )
    by = who(conn, f"person:{checker}")
    one = approvals.approve(conn, one.id, payload_sha256=one.payload_sha256, reason="r", by=by, now=NOW)
    if use:
        approvals.use(conn, one, now=NOW)


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_writes_it_alone_and_two_people_do(house: Database, kind: str):
    said, write, other = KINDS[kind]
    for role in ("counterfoil_app", "counterfoil_owner"):
        with pytest.raises(ApprovalNeeded):
            in_transaction(house.url, write, role=role)
    with pytest.raises(ApprovalNeeded):  # something else was approved
        in_transaction(house.url, lambda conn: (approved(conn, said), other(conn)))
    with pytest.raises(ApprovalNeeded):  # it was approved, and the approval is kept for the next time
        in_transaction(house.url, lambda conn: (approved(conn, said, use=False), write(conn)))
    in_transaction(house.url, lambda conn: approved(conn, said))
    with pytest.raises(ApprovalNeeded):  # an earlier transaction used it up
        in_transaction(house.url, write)
    in_transaction(house.url, lambda conn: (approved(conn, said), write(conn)))


def test_it_is_the_database_that_refuses(house: Database):
    """The planted fault: without the trigger each of them goes through."""
    with psycopg.connect(house.url, autocommit=True) as conn:
        rows = conn.execute(
            "select tgrelid::regclass::text, tgname from pg_trigger where tgfoid = 'two_people'::regproc order by 1, 2"
        ).fetchall()
        assert {table for table, _ in rows} == {
            "api_key",
            "api_key_secret",
            "role_grant",
            "login_subject",
            "destination",
            "write_off_limit",
            "period_close",
            "journal",
            "payout_policy",
            "receivable_write_off",
            "customer_debt_entry",
            "chargeback_ruling",
            "queue_pause",
            "treasury_movement",
            "escrow_movement",
            "agent_mandate",
            "two_phase_decision",
            "signer",
            "log_key_change",
            "invoice_write_off",
            "webhook_secret",
        }
        for table, trigger in rows:
            conn.execute(f"alter table {table} disable trigger {trigger}".encode())
    more = ("a queue that sends money", "a withdrawal", "money of the bank in an escrow", "an invoice that is written off")
    for kind in ("a key", "a role", "a destination", "a limit", "a journal", "a reversal", *more):
        in_transaction(house.url, KINDS[kind][1])


@pytest.mark.parametrize(
    "around",
    [
        "set constraints all immediate; set constraints all deferred",
        "set local session_replication_role = replica",
        "alter table destination disable trigger all",
        "update role_grant set role = 'viewer'",
        "delete from role_grant",
        "update role_grant set written_by = pg_current_xact_id()",
        "update api_key set written_by = pg_current_xact_id()",
        "truncate role_grant",
        "create or replace function was_administered() returns boolean language sql return false",
    ],
)
def test_the_application_does_not_get_around_it(house: Database, around: str):
    def write(conn: Connection[Any]) -> None:
        conn.execute(around.encode())
        a_destination(conn)

    with pytest.raises((Problem, psycopg.Error)):
        in_transaction(house.url, write)
    with psycopg.connect(house.url) as conn:
        assert conn.execute("select count(*) from destination").fetchone() == (0,)


def test_whoever_revokes_every_administrator_opens_no_door(house: Database):
    def write(conn: Connection[Any]) -> None:
        conn.execute("update principal set disabled_at = %s where name in ('mira', 'noah')", [NOW])
        a_destination(conn)

    with pytest.raises(Problem):
        in_transaction(house.url, write)
    with psycopg.connect(house.url) as conn:  # past its triggers: whoever ended is remembered all the same
        conn.execute("set session_replication_role = replica")
        conn.execute("update role_grant set revoked_at = now(), revoked_by = 't'")
    with pytest.raises(ApprovalNeeded):
        in_transaction(house.url, a_destination)


def test_a_person_of_the_service_posts_through_no_key_of_theirs(house: Database):
    """A key of a person is that person; a service posts by itself what is no reversal of the product's own."""
    caller = access.Caller("key_1", "mira", "controller", "prn_1", None, None, is_person=True)
    assert caller.actor == "person:mira"
    in_transaction(house.url, lambda conn: a_journal(conn, actor="key:service"))
    with pytest.raises(ApprovalNeeded):
        in_transaction(house.url, lambda conn: a_journal(conn, key="other", actor=caller.actor))


def test_a_period_is_not_reopened_by_an_approval_that_is_not_used(house: Database):
    in_transaction(
        house.url,
        lambda conn: conn.execute(
            """insert into period_close (program_id, step, verb, closed_until, actor, reason, at)
               values ('main', 1, 'close', '2026-11-01Z', 't', 'r', %s)""",
            [NOW],
        ),
    )

    def write(conn: Connection[Any], *, use: bool) -> None:
        payload = {"until": "2026-10-01T00:00:00+00:00"}
        one = approvals.propose(
            conn,
            "prop_1",
            machine="period",
            subject_id="main",
            verb="reopen",
            payload=payload,
            reason="r",
            by=who(conn, "person:mira"),
            now=NOW,
        )
        approvals.approve(conn, one.id, payload_sha256=one.payload_sha256, reason="r", by=who(conn, "person:vera"), now=NOW)
        a_reopening(conn)
        if use:
            approvals.use(conn, one, now=NOW)

    with pytest.raises(ApprovalNeeded):
        in_transaction(house.url, lambda conn: write(conn, use=False))
    in_transaction(house.url, lambda conn: write(conn, use=True))


def test_whoever_approves_holds_the_role_for_it_now(house: Database):
    def approve(conn: Connection[Any], machine: str, checker: str) -> None:
        one = approvals.propose(
            conn,
            "prop_r",
            machine=machine,
            subject_id="s",
            verb="v",
            payload={},
            reason="r",
            by=who(conn, "person:mira"),
            now=NOW,
        )
        how = {"payload_sha256": one.payload_sha256, "reason": "r", "by": who(conn, f"person:{checker}"), "now": NOW}
        approvals.approve(conn, one.id, **how)  # type: ignore[arg-type]

    for machine, checker in (("api_key", "vera"), ("principal", "vera"), ("journal", "noah"), ("journal", "eve")):
        with pytest.raises(ApproverNeeded):
            in_transaction(house.url, lambda conn, m=machine, c=checker: approve(conn, m, c))  # type: ignore[misc]
    with pytest.raises(ApproverNeeded):
        in_transaction(
            house.url,
            lambda conn: (
                logins.revoke_role(conn, person(conn, "vera"), "approver", by="t", now=NOW),
                approve(conn, "journal", "vera"),
            ),
        )
    in_transaction(house.url, lambda conn: approve(conn, "api_key", "noah"))


def test_the_database_and_the_declarations_agree_on_who_approves(conn: Connection[Any]):
    told = dict(conn.execute("select machine, role from approving_role").fetchall())
    for (machine, _), one in PAIRED.items():
        role = told.get(machine, "approver")
        assert one.approved_by in access.ROLES[role], machine


def test_the_database_and_the_declarations_agree_on_which_queues_send_money(conn: Connection[Any]):
    told = {queue for (queue,) in conn.execute("select queue from money_queue").fetchall()}
    assert told == {queue.name for queue in QUEUES if queue.money}


def test_one_person_resumes_what_sends_no_money_and_pauses_what_does(house: Database):
    def write(conn: Connection[Any]) -> None:
        conn.execute(
            """insert into queue_pause (queue, paused, reason, actor, at)
               values ('pull', true, 'r', 'person:eve', %(at)s), ('pull', false, 'r', 'person:eve', %(at)s),
                      ('reserve', true, 'r', 'person:eve', %(at)s)""",
            {"at": NOW},
        )

    in_transaction(house.url, write)


def test_an_approval_to_resume_ends_no_later_pause(house: Database):
    """What is approved is the end of one pause: one that somebody set meanwhile stays."""
    said, write, _ = KINDS["a queue that sends money"]

    def later(conn: Connection[Any]) -> None:
        conn.execute(
            """insert into queue_pause (queue, provider, paused, reason, actor, at)
               values ('send', 'simulator', true, 'seen again', 'person:eve', %s)""",
            [NOW],
        )

    with pytest.raises(ApprovalNeeded):
        in_transaction(house.url, lambda conn: (approved(conn, said), later(conn), write(conn)))


def test_what_is_approved_is_what_can_be_read(house: Database):
    def lie(conn: Connection[Any]) -> None:
        conn.execute(
            """insert into approval_proposal (id, machine, subject_id, verb, payload, payload_sha256, reason, maker_id, maker, made_at,
                      expires_at) values ('prop_l', 'journal', 'main:k', 'post', %s, %s, 'r', %s, 'person:mira', %s, %s)""",
            [Jsonb({"amount": "1"}), digest_of({"amount": "2"}), person(conn, "mira"), NOW, NOW + timedelta(hours=24)],
        )

    with pytest.raises(ProposalDiffers):
        in_transaction(house.url, lie)


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def test_the_database_writes_a_payload_in_the_same_one_form(conn: Connection[Any]):
    @given(st.dictionaries(TEXT, JSON, max_size=4))
    @settings(max_examples=examples(60), deadline=None)
    def alike(payload: dict[str, Any]) -> None:
        row = conn.execute("select sha256(convert_to(canonical_json(%s), 'UTF8'))", [Jsonb(payload)]).fetchone()
        assert row is not None
        assert bytes(row[0]) == digest_of(payload)

    alike()


ENDED = {
    "a key": ("api_key", "revoked_at"),
    "a role": ("role_grant", "revoked_at"),
    "a person": ("principal", "disabled_at"),
    "an account of a payee": ("destination", "ended_at"),
}


@pytest.mark.parametrize("what", ENDED)
def test_what_ended_stays_ended(house: Database, what: str):
    table, column = ENDED[what]
    with psycopg.connect(house.url) as conn:
        conn.execute("set session_replication_role = replica")
        for guarded in ("api_key", "destination"):
            conn.execute(f"alter table {guarded} disable trigger user".encode())
        conn.execute(
            """insert into api_key (id, name, role, secret_hash, hint, created_by, created_at, principal_id, skeleton)
               select 'key_e', 'e', 'viewer', 'x', 'x', 't', now(), id, 'e' from principal limit 1"""
        )
        conn.execute(
            """insert into destination (id, program_id, payee_id, provider, token, actor, created_at, state, state_at)
               values ('dst_e', 'main', 'p', 'simulator', 'tok', 't', now(), 'active', now())"""
        )
        more = ", revoked_by = 't'" if table == "role_grant" else ""
        conn.execute(f"update {table} set {column} = now(){more}".encode())
        for guarded in ("api_key", "destination"):
            conn.execute(f"alter table {guarded} enable trigger user".encode())
    others = {"null": ", revoked_by = null" if table == "role_grant" else "", "now() + interval '1 day'": ""}
    for value, more in others.items():
        again = f"update {table} set {column} = {value}{more}".encode()
        with pytest.raises(AppendOnly):
            in_transaction(house.url, lambda conn, again=again: conn.execute(again))  # type: ignore[misc]


def test_a_login_does_not_get_longer_and_a_person_of_one_program_does_not_see_more(house: Database):
    with pytest.raises(AppendOnly):
        in_transaction(house.url, lambda conn: conn.execute("update session set expires_at = expires_at + interval '1 s'"))
    with pytest.raises(Problem) as refused:
        in_transaction(house.url, lambda conn: conn.execute("update principal set program_id = null"))
    assert "permission denied" in str(refused.value.facts["detail"])


def test_before_anybody_administers_everything_can_be_set_up_and_not_after(database: Database):
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=NOW)
        a_destination(conn)
        a_key(conn)
        mira = principals.create_principal(conn, "prn_m", kind="person", name="mira", by="t", now=NOW)
        logins.grant_role(conn, "grant_m", mira.id, "administrator", by="t", now=NOW)
        logins.grant_role(conn, "grant_n", mira.id, "viewer", by="t", now=NOW)
        a_limit(conn)
    with pytest.raises(ApprovalNeeded):
        in_transaction(database.url, lambda conn: a_limit(conn, 1))
