"""One person at work on breaks: steps, owners, comments, many at once; and what is refused."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import psycopg
import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.machine import history_of
from counterfoil.base.problems import InvalidInput, NotFound, ReasonRequired, TransitionRefused
from counterfoil.operations.verbs import BulkLine, VerbCall, say_of_many
from counterfoil.reconciliation.breaks import work
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN
from counterfoil.reconciliation.breaks.queries import (
    Filter,
    aged_over,
    ages_of,
    flow_of,
    groups_of,
    list_breaks,
    remarks_of,
    show_break,
)
from tests.people import who
from tests.reconciliation.breaks.builders import (
    DAY,
    MIRA,
    NOAH,
    NOW,
    PROGRAM,
    a_break,
    a_case,
    a_run,
    an_open_program,
    still_true,
    the_cases,
)

WHY = "seen with the bank"


def in_bulk(conn, verb, wanted, reason, owner=None):
    mira = who(conn, MIRA)._replace(role="operator")
    given = {"owner": owner, "duplicate_of": None, "text": reason}
    return say_of_many(BREAK_NOUN, verb, wanted, VerbCall(conn, "", mira, NOW, make_id, reason), given)


def test_the_machine_is_the_one_of_the_rules_and_nothing_else():
    told = {(start, end) for (start, _), end in BREAK.transitions.items()}
    assert told == {
        *product(["open"], ["investigating", "matched", "timing"]),
        *product(["timing"], ["matched", "open"]),
        *product(["investigating"], ["matched", "pending_adjustment", "accepted", "duplicate", "open"]),
        *product(["pending_adjustment"], ["adjusted", "written_off", "investigating"]),
    }
    assert BREAK.reasoned == {"accept"}
    assert BREAK.paired == {"adjust", "write_off"}
    assert set(BREAK.open) == {start for start, _ in told}, "what is live can go on, what is closed cannot"


def test_who_takes_it_up_owns_it_unless_somebody_does(conn):
    case = a_case(conn)
    assert work.investigate_break(conn, case.id, actor=MIRA, now=NOW) == "investigating"
    assert the_cases(conn)[0].owner == "mira"
    other = a_case(conn)
    work.assign_break(conn, other.id, owner="noah", actor=MIRA, now=NOW)
    work.investigate_break(conn, other.id, actor=MIRA, now=NOW)
    assert the_cases(conn)[1].owner == "noah"
    still_true(conn)


@pytest.mark.parametrize(
    ("verb", "state"),
    [("accept", "accepted"), ("mark_duplicate", "duplicate"), ("reopen", "open")],
)
def test_a_step_keeps_who_took_it_and_why(conn, verb, state):
    case = a_case(conn, state="investigating")
    more = {"duplicate_of": another(conn).id} if verb == "mark_duplicate" else {}
    assert work.STEPS[verb](conn, case.id, actor=NOAH, now=NOW, reason=WHY, **more) == state
    last = history_of(conn, case.id, rows_max=None)[-1]
    assert (last.verb, last.actor, last.reason) == (verb, NOAH, WHY)
    still_true(conn)


def another(conn, source="bank:client"):
    """A break that stands in another source."""
    a_run(conn, [a_break()], source=source)
    return next(one for one in the_cases(conn, source=source) if one.live)


def test_a_duplicate_names_the_break_that_it_is_shown_through(conn):
    case = a_case(conn, state="investigating")
    original = another(conn)
    work.mark_duplicate(conn, case.id, actor=NOAH, now=NOW, reason=WHY, duplicate_of=original.id)
    assert show_break(conn, case.id).duplicate_of == original.id


def test_a_copy_of_nothing_of_itself_or_of_what_is_closed_is_no_duplicate(conn):
    case = a_case(conn, state="investigating")
    closed = another(conn)
    a_run(conn, source="bank:client")  # it is matched
    for named in (None, case.id, closed.id, "break_00000000000000000000000000"):
        with pytest.raises(work.NoOriginal):
            work.mark_duplicate(conn, case.id, actor=NOAH, now=NOW, reason=WHY, duplicate_of=named)
    assert show_break(conn, case.id) == case


def test_a_copy_of_a_copy_is_a_copy_of_the_original(conn):
    an_open_program(conn)
    a_run(conn, [a_break(name) for name in ("payout:a", "payout:b", "payout:c")])
    cases = {one.record_id: one for one in the_cases(conn)}
    for one in cases.values():
        work.investigate_break(conn, one.id, actor=MIRA, now=NOW)
    work.mark_duplicate(conn, cases["payout:c"].id, actor=MIRA, now=NOW, reason=WHY, duplicate_of=cases["payout:b"].id)
    work.mark_duplicate(conn, cases["payout:b"].id, actor=MIRA, now=NOW, reason=WHY, duplicate_of=cases["payout:a"].id)
    assert show_break(conn, cases["payout:c"].id).duplicate_of == cases["payout:a"].id
    still_true(conn)


@pytest.mark.parametrize("verb", ["wait", "reopen", "accept", "mark_duplicate", "mature"])
def test_a_step_without_a_reason_is_refused(conn, verb):
    case = a_case(conn, state="open" if verb == "wait" else "investigating")
    with pytest.raises(ReasonRequired):
        work.STEPS[verb](conn, case.id, actor=MIRA, now=NOW, reason="  ")


@pytest.mark.parametrize(
    ("state", "verb"),
    [("open", "accept"), ("open", "mark_duplicate"), ("investigating", "wait"), ("pending_adjustment", "accept")],
)
def test_a_step_that_the_table_does_not_list_is_refused_and_nothing_changes(conn, state, verb):
    case = a_case(conn, state=state)
    with pytest.raises(TransitionRefused):
        work.STEPS[verb](conn, case.id, actor=MIRA, now=NOW, reason=WHY)
    assert the_cases(conn) == [case]


def test_the_database_refuses_a_step_that_goes_past_the_verbs(conn):
    case = a_case(conn)
    with pytest.raises(psycopg.Error, match="not a transition"), conn.transaction():
        conn.execute("update break set state = 'accepted' where id = %s", [case.id])


def test_a_break_is_never_deleted_and_a_remark_never_changed(conn):
    case = a_case(conn)
    work.comment_on_break(conn, case.id, text="hm", actor=MIRA, now=NOW)
    for query in ("delete from break", "delete from break_remark", "update break_remark set text = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), conn.transaction():
            conn.execute(query)


def test_comments_are_kept_in_order_with_their_authors_also_when_it_is_closed(conn):
    case = a_case(conn, state="investigating")
    work.comment_on_break(conn, case.id, text=" asked the bank ", actor=MIRA, now=NOW)
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason=WHY)
    work.comment_on_break(conn, case.id, text="the bank answered", actor=NOAH, now=NOW)
    told = [(one.number, one.kind, one.text, one.actor) for one in remarks_of(conn, case.id)]
    assert told == [
        (1, "owner", "mira", MIRA),
        (2, "comment", "asked the bank", MIRA),
        (3, "comment", "the bank answered", NOAH),
    ]


@pytest.mark.parametrize("text", ["", "   ", "x" * 2_001])
def test_an_empty_comment_and_a_novel_are_refused(conn, text):
    with pytest.raises(InvalidInput):
        work.comment_on_break(conn, a_case(conn).id, text=text, actor=MIRA, now=NOW)


@pytest.mark.parametrize("owner", ["", " mira", "a\nb", "x" * 81])
def test_an_owner_is_a_name(conn, owner):
    with pytest.raises(InvalidInput):
        work.assign_break(conn, a_case(conn).id, owner=owner, actor=MIRA, now=NOW)


def test_a_closed_break_is_nobodys_to_give(conn):
    case = a_case(conn, state="investigating")
    work.accept_break(conn, case.id, actor=MIRA, now=NOW, reason=WHY)
    with pytest.raises(work.BreakClosed):
        work.assign_break(conn, case.id, owner="noah", actor=MIRA, now=NOW)


def test_an_owner_can_be_taken_away_and_every_change_is_told(conn):
    case = a_case(conn)
    for owner in ("mira", "noah", "noah", None):
        work.assign_break(conn, case.id, owner=owner, actor=MIRA, now=NOW)
    assert [one.text for one in remarks_of(conn, case.id)] == ["mira", "noah", ""]
    assert the_cases(conn)[0].owner is None
    still_true(conn)


def test_a_break_that_is_not_there_is_missing(conn):
    with pytest.raises(NotFound):
        work.investigate_break(conn, "break_01KA0000000000000000000000", actor=MIRA, now=NOW)


def test_of_many_those_that_moved_meanwhile_are_refused_by_line_and_the_others_done(conn):
    an_open_program(conn)
    a_run(conn, [a_break() for _ in range(4)])
    cases = the_cases(conn)
    work.investigate_break(conn, cases[1].id, actor=NOAH, now=NOW)
    wanted = [BulkLine(one.id, "open") for one in cases] + [BulkLine("break_none", "open")]
    done = in_bulk(conn, "investigate", wanted, WHY)
    told = {1: "investigating", 2: None, 3: "investigating", 4: "investigating", 5: None}
    assert {one.line: one.state for one in done} == told
    assert "Somebody else moved it first" in (done[1].refused or "")
    assert "Break break_none not found" in (done[4].refused or "")
    assert [one.owner for one in the_cases(conn)] == ["mira", "noah", "mira", "mira"]
    still_true(conn)


@pytest.mark.parametrize(
    ("verb", "rows", "field"),
    [("adjust", 1, "verb"), ("approve", 1, "verb"), ("assign", 0, "rows"), ("assign", 501, "rows"), ("assign", -2, "rows")],
)
def test_what_needs_two_people_or_is_too_much_is_not_done_in_bulk(conn, verb, rows, field):
    wanted = [BulkLine(f"break_{n if rows > 0 else 0}", "open") for n in range(abs(rows))]
    with pytest.raises(InvalidInput) as refused:
        in_bulk(conn, verb, wanted, WHY)
    assert refused.value.facts["field"] == field


def test_many_are_assigned_and_commented_at_once(conn):
    an_open_program(conn)
    a_run(conn, [a_break(), a_break()])
    wanted = [BulkLine(one.id, "open") for one in the_cases(conn)]
    in_bulk(conn, "assign", wanted, WHY, owner="olga")
    in_bulk(conn, "comment", wanted, "all of one batch")
    assert {one.owner for one in the_cases(conn)} == {"olga"}
    assert all(remarks_of(conn, one.id)[-1].text == "all of one batch" for one in the_cases(conn))


def test_lists_are_narrowed_and_paged(conn):
    an_open_program(conn)
    a_run(conn, [a_break(severity="low"), a_break(theirs=None, cause="late"), a_break(severity="critical")])
    a_run(conn, [a_break()], source="bank")
    first, *_ = cases = the_cases(conn)
    work.assign_break(conn, first.id, owner="mira", actor=MIRA, now=NOW)
    for by, count in (
        ({"state": "live"}, 4),
        ({"state": "timing"}, 1),
        ({"state": "closed"}, 0),
        ({"severity": "critical"}, 1),
        ({"owner": "mira"}, 1),
        ({"owner": ""}, 3),
        ({"source": "bank"}, 1),
        ({"kind": "MISSING_RIGHT"}, 1),
        ({"cause": "late"}, 1),
        ({"program_id": "x"}, 0),
        ({"run_id": cases[0].first_run}, 3),
    ):
        assert len(the_cases(conn, **by)) == count, by
    ids, after = [], None
    while page := list_breaks(conn, rows_max=3, after=after):
        ids += [one.id for one in page]
        after = ids[-1]
    assert ids == sorted((one.id for one in cases), reverse=True)


def test_groups_say_how_many_how_much_how_old_and_what_is_overdue(conn):
    an_open_program(conn)
    old = NOW - timedelta(days=8)
    a_run(conn, [a_break(ours=1_000, theirs=900, cause="fee netted"), a_break(theirs=None, ours=5_00)], at=old)
    a_run(
        conn,
        [a_break(ours=1_000, theirs=700, cause="fee netted")],
        first=DAY + timedelta(days=1),
        last=DAY + timedelta(days=1),
    )
    groups = groups_of(conn, Filter(program_id=PROGRAM), now=NOW)
    assert [(one.kind, one.cause, one.number, one.at_stake.minor, one.ages, one.overdue) for one in groups] == [
        ("MISSING_RIGHT", "", 1, 500, (0, 0, 1, 0, 0), 1),
        ("AMOUNT_MISMATCH", "fee netted", 2, 400, (1, 0, 1, 0, 0), 1),
    ]
    assert groups[1].oldest_at == old
    assert [(one.age, one.number, one.at_stake.minor) for one in ages_of(conn, now=NOW)] == [
        ("under 1 day", 1, 300),
        ("1 to 6 days", 0, 0),
        ("7 to 29 days", 2, 600),
        ("30 to 89 days", 0, 0),
        ("90 days and more", 0, 0),
    ]


def test_the_flow_counts_what_came_and_went_each_day(conn):
    an_open_program(conn)
    found = [a_break() for _ in range(3)]
    a_run(conn, found, at=NOW)
    case = the_cases(conn)[0]
    work.investigate_break(conn, case.id, actor=MIRA, now=NOW)
    work.accept_break(conn, case.id, actor=MIRA, now=NOW + timedelta(days=1), reason=WHY)
    a_run(conn, found[:2], at=NOW + timedelta(days=1))
    flow = flow_of(conn, first=DAY, last=DAY + timedelta(days=2))
    assert [(one.on, one.opened, one.matched, one.accepted, one.closed) for one in flow] == [
        (DAY, 3, 0, 0, 0),
        (DAY + timedelta(days=1), 0, 1, 1, 2),
        (DAY + timedelta(days=2), 0, 0, 0, 0),
    ]


def test_breaks_are_counted_as_they_were_at_the_end_of_each_day(conn):
    an_open_program(conn)
    opened = NOW - timedelta(days=10)
    a_run(conn, [a_break(), a_break()], at=opened)
    case = the_cases(conn)[0]
    work.investigate_break(conn, case.id, actor=MIRA, now=opened)
    work.accept_break(conn, case.id, actor=MIRA, now=NOW - timedelta(days=2), reason=WHY)
    found = aged_over(conn, days=12, now=NOW)
    assert [(NOW.date() - one.day).days for one in found] == list(range(11, -1, -1))
    assert [(one.live, one.old, one.oldest_days) for one in found] == [
        (0, 0, None),
        *((2, 0, age) for age in range(7)),
        (2, 2, 7),
        (1, 1, 8),
        (1, 1, 9),
        (1, 1, 10),
    ]
    assert {one.live for one in aged_over(conn, Filter(program_id="other"), days=3, now=NOW)} == {0}
