"""Approvals: exactly what one person proposed, approved by another who logged in, within a day, used once; the database says so too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.database import problem_of
from counterfoil.base.machine import ApprovalNeeded, Machine, take_step
from counterfoil.base.problems import InvalidInput, NotAllowed, Problem, ReasonRequired
from counterfoil.operations import approvals
from counterfoil.operations.access import access
from counterfoil.operations.approvals import Paired, by_verb, digest_of
from tests.doors import two_doors
from tests.people import who

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOOR = Machine("door", "door", ("shut",), {("shut", "blow"): "gone", ("shut", "open"): "open"}, paired=frozenset({"blow"}))
WHAT = {"amount": "100", "to": "é"}


@pytest.fixture
def doors(owner_conn):
    return two_doors(owner_conn, DOOR, at=NOW)


def proposed(conn, number=1, *, subject="a", maker="person:mira", payload=WHAT, at=NOW):
    return approvals.propose(
        conn,
        f"prop_{number}",
        machine="door",
        subject_id=subject,
        verb="blow",
        payload=payload,
        reason="it is jammed",
        by=who(conn, maker),
        now=at,
    )


def approved(conn, one, *, checker="person:noah", sha256=None, at=NOW):
    return approvals.approve(conn, one.id, payload_sha256=sha256 or one.payload_sha256, reason="I saw it", by=who(conn, checker), now=at)


def blow(conn, approval, *, subject="a", at=NOW):
    return take_step(conn, DOOR, subject, "shut", "blow", actor="t", at=at, reason="jammed", approval=approval)


def test_what_takes_two_people_is_done_once_both_have_agreed(doors):
    one = proposed(doors)
    with pytest.raises(ApprovalNeeded):
        blow(doors, None)
    assert approvals.approved_of(doors, "door", "a", "blow", WHAT, now=NOW) is None
    approved(doors, one)
    found = approvals.approved_of(doors, "door", "a", "blow", WHAT, now=NOW)
    assert blow(doors, found.approval) == "gone"
    assert approvals.find_proposal(doors, one.id).state(NOW) == "done"


def test_what_needs_one_person_needs_no_approval(doors):
    assert take_step(doors, DOOR, "b", "shut", "open", actor="t", at=NOW) == "open"


def test_whoever_proposed_it_does_not_approve_it_under_any_key_or_login(doors):
    one = proposed(doors)
    mira = who(doors, "person:mira")
    with pytest.raises(approvals.SamePerson):
        approved(doors, one, checker="person:mira")
    secret = access.new_secret(bytes(25), live=True)
    access.create_key(doors, "key_2", secret, name="another name", role="approver", by="t", now=NOW, principal_id=mira.principal_id)
    theirs = access.authenticate(doors, secret, now=NOW)
    assert theirs.principal_id == mira.principal_id
    with pytest.raises(approvals.SamePerson):
        approvals.approve(
            doors,
            one.id,
            payload_sha256=one.payload_sha256,
            reason="x",
            by=theirs._replace(session_id="ses_x"),
            now=NOW,
        )


def test_a_key_never_approves_also_not_through_a_page_that_it_opened(doors):
    one = proposed(doors)
    noah = who(doors, "person:noah")
    secret = access.new_secret(bytes(25), live=True)
    access.create_key(doors, "key_2", secret, name="bot", role="approver", by="t", now=NOW, principal_id=noah.principal_id)
    caller = access.authenticate(doors, secret, now=NOW)
    page = access.open_session(doors, caller, "ses_9", "token", "csrf", now=NOW)
    for by in (caller, page, access.session_caller(doors, "token", now=NOW)[0]):
        with pytest.raises(approvals.KeyCannotApprove):
            approvals.approve(doors, one.id, payload_sha256=one.payload_sha256, reason="x", by=by, now=NOW)


@pytest.mark.parametrize("lie", ["no login", "login of a key", "somebody else's login", "login that is over", "ended person", "a service"])
def test_the_database_believes_no_decision_without_the_login_of_that_person(doors, lie):
    one, noah, olga = proposed(doors), who(doors, "person:noah"), who(doors, "person:olga")
    session, checker, at = noah.session_id, noah.principal_id, NOW
    if lie == "no login":
        session = None
    elif lie == "login of a key":
        secret = access.new_secret(bytes(25), live=True)
        access.create_key(doors, "key_2", secret, name="bot", role="viewer", by="t", now=NOW, principal_id=checker)
        access.open_session(doors, access.authenticate(doors, secret, now=NOW), session := "ses_9", "tok", "csrf", now=NOW)
    elif lie == "somebody else's login":
        session = olga.session_id
    elif lie == "login that is over":
        doors.execute("update session set expires_at = %s where id = %s", [NOW, session])
    elif lie == "ended person":
        doors.execute("update principal set disabled_at = %s where id = %s", [NOW, checker])
    else:
        access.create_key(doors, "key_2", access.new_secret(bytes(25), live=True), name="svc", role="viewer", by="t", now=NOW)
        checker = doors.execute("select principal_id from api_key where id = 'key_2'").fetchone()[0]
        doors.execute(
            """insert into session (id, secret_hash, principal_id, created_at, expires_at) values ('ses_8', 'x', %s, %s, %s)""",
            [checker, NOW, NOW + timedelta(days=1)],
        )
        session = "ses_8"
    with pytest.raises(psycopg.Error, match="login of a person") as refused, doors.transaction():
        decide(doors, one, checker=checker, session=session, at=at)
    assert isinstance(problem_of(refused.value), approvals.KeyCannotApprove)


def decide(conn, one, *, checker, session, word="approved", at=NOW):
    conn.execute(
        """insert into approval_decision (proposal_id, maker_id, payload_sha256, expires_at, decision, checker_id, checker, session_id,
                  reason, at) values (%s, %s, %s, %s, %s, %s, 'x', %s, 'x', %s)""",
        [one.id, one.maker_id, bytes.fromhex(one.payload_sha256), one.expires_at, word, checker, session, at],
    )


def test_an_approval_is_of_exactly_this_of_this_thing_and_used_once(doors):
    one = approved(doors, proposed(doors))
    for wrong in (
        one.approval._replace(payload_sha256=digest_of({**WHAT, "amount": "101"})),
        one.approval._replace(proposal_id="prop_none"),
    ):
        with pytest.raises(ApprovalNeeded):
            blow(doors, wrong)
    with pytest.raises(ApprovalNeeded):
        blow(doors, one.approval, subject="b")
    blow(doors, one.approval)
    doors.execute("alter table door disable trigger follows")
    doors.execute("update door set state = 'shut'")  # as if it stood there again: the approval is gone
    doors.execute("alter table door enable trigger follows")
    with pytest.raises(ApprovalNeeded):
        blow(doors, one.approval)


def test_what_is_approved_differs_in_nothing_from_what_was_proposed(doors):
    with pytest.raises(approvals.ProposalDiffers):
        approved(doors, proposed(doors), sha256="0" * 64)


def test_a_day_later_nobody_approves_it_and_an_approval_opens_nothing(doors):
    late = NOW + timedelta(hours=24, microseconds=1)
    with pytest.raises(approvals.ProposalExpired):
        approved(doors, proposed(doors), at=late)
    one = approved(doors, proposed(doors, 2, subject="b"), at=NOW + timedelta(hours=23))
    assert approvals.approved_of(doors, "door", "b", "blow", WHAT, now=late) is None
    with pytest.raises(psycopg.Error, match="does not approve this"), doors.transaction():
        blow(doors, one.approval, subject="b", at=late)


def test_a_no_ends_it_whoever_said_yes(doors):
    one = proposed(doors)
    approvals.reject(doors, one.id, reason="no", by=who(doors, "person:olga"), now=NOW)
    with pytest.raises(approvals.ProposalDecided):
        approved(doors, one)
    mine = approvals.reject(doors, proposed(doors, 2).id, reason="a mistake", by=who(doors, "person:mira"), now=NOW)
    assert mine.state(NOW) == "withdrawn"
    noah = who(doors, "person:noah")
    with pytest.raises(psycopg.Error, match="is decided"), doors.transaction():
        decide(doors, one, checker=noah.principal_id, session=noah.session_id)


def test_the_same_is_not_proposed_twice_while_it_waits(doors):
    proposed(doors)
    with pytest.raises(approvals.ProposalStands):
        proposed(doors, 2)
    proposed(doors, 3, payload={"amount": "1"})
    proposed(doors, 4, at=NOW + timedelta(hours=25))


def test_a_reason_is_given_for_everything(doors):
    with pytest.raises(ReasonRequired):
        approvals.propose(
            doors,
            "p",
            machine="door",
            subject_id="a",
            verb="blow",
            payload={},
            reason=" ",
            by=who(doors, "person:m"),
            now=NOW,
        )
    with pytest.raises(ReasonRequired):
        approvals.reject(doors, proposed(doors).id, reason="", by=who(doors, "person:noah"), now=NOW)


def test_the_database_refuses_a_paired_step_and_a_paired_state_that_nobody_approved(doors):
    with pytest.raises(psycopg.Error, match="needs the approval of a second person") as refused, doors.transaction():
        doors.execute("update door set state = 'gone', steps = 2 where id = 'a'")
    assert isinstance(problem_of(refused.value), ApprovalNeeded)
    with pytest.raises(psycopg.Error, match="needs the approval of a second person"), doors.transaction():
        doors.execute(
            """insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
               values ('door', 'a', 2, 'shut', 'blow', 'gone', 't', %s)""",
            [NOW],
        )
    one = proposed(doors)
    with pytest.raises(psycopg.Error, match="does not approve this"), doors.transaction():
        doors.execute("insert into approval_use values (%s, 'door', 'a', 'blow', 2, null, %s)", [one.id, NOW])


def test_what_cannot_be_done_any_more_is_not_approved_either(doors):
    def fails(conn, one, by, now):
        raise InvalidInput("door", "one that stands")

    one = proposed(doors)
    verbs = by_verb(Paired("door", "blow", fails))
    noah = who(doors, "person:noah")._replace(role="approver")
    with pytest.raises(InvalidInput), doors.transaction():
        approvals.approve_and_do(doors, one.id, verbs, payload_sha256=one.payload_sha256, reason="x", by=noah, now=NOW)
    assert approvals.find_proposal(doors, one.id).decision is None


def test_whoever_may_not_approve_this_verb_neither_approves_nor_rejects(doors):
    one, verbs = proposed(doors), by_verb(Paired("door", "blow"))
    viewer = who(doors, "person:noah")._replace(role="viewer")
    with pytest.raises(NotAllowed):
        approvals.approve_and_do(doors, one.id, verbs, payload_sha256=one.payload_sha256, reason="x", by=viewer, now=NOW)
    with pytest.raises(NotAllowed):
        approvals.reject_and_tell(doors, one.id, verbs, reason="x", by=viewer, now=NOW)


def test_of_a_yes_and_a_no_at_once_exactly_one_counts(database):
    with database.transaction() as conn:
        one = approvals.propose(
            conn,
            "prop_1",
            machine="door",
            subject_id="a",
            verb="blow",
            payload=WHAT,
            reason="x",
            by=who(conn, "person:mira"),
            now=NOW,
        )
        noah, olga = who(conn, "person:noah"), who(conn, "person:olga")
    gate, results = threading.Barrier(2), []

    def decide_as(act):
        try:
            with database.transaction() as conn:
                gate.wait(5)
                act(conn)
                results.append("done")
        except Problem as problem:
            results.append(type(problem).__name__)

    yes = threading.Thread(
        target=decide_as,
        args=[lambda conn: approvals.approve(conn, "prop_1", payload_sha256=one.payload_sha256, reason="x", by=noah, now=NOW)],
    )
    no = threading.Thread(target=decide_as, args=[lambda conn: approvals.reject(conn, "prop_1", reason="x", by=olga, now=NOW)])
    for thread in (yes, no):
        thread.start()
    for thread in (yes, no):
        thread.join(20)
    assert sorted(results) == ["ProposalDecided", "done"]


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=5) | st.integers(), max_size=5))
def test_the_hash_is_of_the_meaning_not_of_the_order_of_fields(payload):
    assert digest_of(payload) == digest_of(dict(reversed(payload.items())))
    assert digest_of(payload) != digest_of({**payload, "one more": 1})
