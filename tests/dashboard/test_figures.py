"""The figures of a day, against a real database: each is what the product's own verbs made of it, and says when it does not know."""

from __future__ import annotations

import time
from datetime import timedelta

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.invariant import Invariant
from counterfoil.base.money import Asset
from counterfoil.dashboard.pages.integrity_checks import IntegrityChecks
from counterfoil.dashboard.web.sections import Day, Section, SectionAnswer, SectionContext, measure
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.ledger.reads.books import books_of_span
from counterfoil.operations.webhooks.inbound import WEBHOOKS_IN, receive
from counterfoil.operations.work.circuit_rules import CircuitLimits, Health
from counterfoil.operations.work.circuits import note_health, open_circuits
from counterfoil.operations.work.queries import QueueDepth, queue_depths
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.by_hand import cancel_payout
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.reconciliation.breaks import work
from counterfoil.reconciliation.breaks.queries import Filter, list_breaks
from counterfoil.settlement.queries import Processing
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from tests.builders import PROGRAM
from tests.cli.test_processes import within
from tests.dashboard import days
from tests.treasury.purse import an_agent

EMPTY = ("invoices", "payments", "settlements", "payouts", "processing", "unusual", "action_required")


def json_view(desk, **more):
    with days.served(desk, **more) as url:
        key = days.a_key(desk.database)
        answer = httpx2.get(f"{url}/admin/reconciliation.json", headers={"Authorization": f"Bearer {key}"}, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.json()


def minor_of(row, *names):
    return tuple(int(row[name]["minor"]) for name in names)


def test_an_empty_day_is_empty_and_what_nobody_checked_is_not_checked(desk):
    days.an_empty_day(desk)
    found = json_view(desk)
    readings = found["readings"]
    assert {readings[key]["state"] for key in EMPTY} == {"empty"}
    assert (readings["provider"]["state"], readings["provider"]["grade"]) == ("not_checked", "unknown")
    assert (readings["workers"]["state"], readings["workers"]["grade"]) == (
        "empty",
        "wrong",
    )  # nobody works: never green
    assert readings["books"]["grade"] == "right"
    assert found["verdict"]["word"] == "Not known"
    assert all(one["measuredAt"] and one["source"] for one in readings.values())


def test_a_full_day_ties_from_invoice_to_payout_and_is_a_yes_once_it_was_reconciled(desk):
    days.a_full_day(desk, prices=["100.00", "250.50", "3.33"] * 4)
    days.reconciled(desk)
    assert json_view(desk)["readings"]["alerts"]["grade"] == "unknown", "nobody asked everything yet"
    days.everything_asked(desk)
    answers: list[dict] = []

    def is_a_yes() -> bool:
        answers.append(json_view(desk))
        return answers[-1]["verdict"]["word"] == "Yes"

    with days.working(desk):
        within(30, is_a_yes)
    found = answers[-1]  # the very one: the next may find the worker at something new
    readings = found["readings"]
    invoices = {row["state"]: row for row in readings["invoices"]["value"]}
    paid = minor_of(invoices["paid"], "total")[0]
    (payments,), (settled,) = readings["payments"]["value"], readings["settlements"]["value"]
    amount, applied, excess, lost = minor_of(payments, "amount", "applied", "excess", "unidentified")
    assert (amount, lost, excess) == (applied + 167, 0, 167)  # the last customer paid 5.00 of 3.33
    gross, *parts = minor_of(settled, "gross", "platformFee", "validatorFee", "holdback", "net")
    assert gross == sum(parts) == paid
    payouts = {row["state"]: row for row in readings["payouts"]["value"]}
    assert minor_of(payouts["completed"], "amount") == (parts[-1],)
    (run,) = readings["provider"]["value"]["runs"]
    (balance,) = run["balances"]
    assert minor_of(balance, "ours", "difference") == (desk.balance("clearing:simulator"), 0)
    assert (found["verdict"]["word"], [one["said"] for one in found["verdict"]["because"]]) == ("Yes", [])


def test_a_break_is_a_no_with_its_kind_and_money(desk):
    desk.spoil_the_statement()
    days.a_full_day(desk, prices=["100.00", "250.50", "3.33", "9.10"])
    days.reconciled(desk)
    found = json_view(desk)
    reading = found["readings"]["provider"]
    (run,) = reading["value"]["runs"]
    assert {part["kind"] for part in run["kinds"]} == {"MISSING_RIGHT", "DUPLICATE_RIGHT", "AMOUNT_MISMATCH"}
    assert (found["verdict"]["word"], reading["said"], len(run["breaks"])) == ("No", "3 breaks", 3)
    assert all(one["action"] and one["reference"] for one in run["breaks"])


def test_what_moved_after_the_run_is_counted_and_no_yes(desk):
    days.a_full_day(desk, prices=["100.00"] * 3)
    days.reconciled(desk)
    days.everything_asked(desk)
    with days.working(desk):
        assert within(30, lambda: json_view(desk)["verdict"]["word"] == "Yes"), [
            one["said"] for one in json_view(desk)["verdict"]["because"]
        ]
    late = days.issued(desk, ["81.00"], prefix="late")[0]
    desk.pay(late, 81_00, fee=0)
    desk.deliver()
    desk.work("webhooks")
    with days.working(desk):
        time.sleep(0.3)
        found = json_view(desk)
    reading = found["readings"]["provider"]
    assert reading["grade"] == "unknown"
    assert "since then unverified" in reading["said"]
    assert "EUR" in reading["said"]
    assert found["verdict"]["word"].startswith("Not verified since ")
    (run,) = reading["value"]["runs"]
    assert sum(one["number"] for one in run["since"]) >= 1


def test_a_second_program_whose_money_was_never_reconciled_is_no_yes(desk):
    days.a_full_day(desk, prices=["100.00"] * 3)
    days.reconciled(desk)
    at = now()
    with desk.database.transaction() as conn:
        open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=at)
        open_accounts(conn, "north", ["clearing:simulator", "suspense"], asset="EUR", actor="test", now=at)
        lines = [("clearing:simulator", "suspense", 5)]
        post(conn, "north", key="k", kind="test", lines=lines, asset="EUR", actor="test", now=at)
    with days.working(desk):
        time.sleep(0.3)
        found = json_view(desk)
    assert found["verdict"]["word"] == "Not known"
    assert found["readings"]["provider"]["said"] == "Not checked: simulator of north"


def test_accepting_a_break_does_not_explain_a_statement_that_contradicts_itself(desk):
    desk.fault("line_lost")
    days.a_full_day(desk, prices=["100.00", "250.50", "3.33", "9.10"])
    days.reconciled(desk)
    with desk.database.transaction() as conn:
        found = list_breaks(conn, Filter(state="live"), rows_max=10)
        for one in found:
            work.investigate_break(conn, one.id, actor="person:mira", now=now())
            work.accept_break(conn, one.id, actor="person:mira", now=now(), reason="known")
    assert len(found) == 1
    with days.working(desk):
        time.sleep(0.3)
        told = json_view(desk)
    reading = told["readings"]["provider"]
    # The provider lost a line of its statement and not of its balance: that stays unexplained, whatever is accepted.
    assert (reading["said"], reading["grade"]) == ("An amount is unexplained, 1 accepted", "wrong")
    assert (told["verdict"]["word"], told["verdict"]["grade"]) == ("No", "wrong")


def test_no_worker_while_work_waits_is_a_no(desk):
    days.a_full_day(desk, prices=["100.00"] * 3)
    days.reconciled(desk)
    days.everything_asked(desk)
    days.a_silent_worker(desk)
    assert json_view(desk)["verdict"]["word"] == "Yes, but"
    desk.webhook("e", "t", b"{}", at=desk.clock.now - timedelta(seconds=1))
    found = json_view(desk)["verdict"]
    assert (found["word"], found["grade"]) == ("No", "wrong")
    assert "no worker" in found["sentence"]


def test_a_closed_account_takes_a_new_destination_before_it_is_tried_again(desk):
    days.a_day_of_trouble(desk)

    def failed():
        kinds = {kind["key"]: kind for kind in json_view(desk)["readings"]["action_required"]["value"]["kinds"]}
        return [row for row in kinds["failed"]["rows"] if "account_closed" in row["why"]]

    row = failed()[0]
    assert row["command"].startswith(f"counterfoil destinations set {row['whose']}")
    with desk.database.transaction() as conn:
        newer = now() + timedelta(seconds=5)
        where = {"program_id": PROGRAM, "payee_id": row["whose"], "provider": "simulator", "token": "acct_new"}
        set_destination(conn, make_id("dst"), **where, actor="test", now=newer)
    again = next(one for one in failed() if one["id"] == row["id"])
    assert "destinations set" not in again["command"]


def test_yesterdays_run_is_old_for_today_and_a_run_that_failed_is_not_known(desk):
    days.an_empty_day(desk)
    days.reconciled(desk, on=now() - timedelta(days=1))
    reading = json_view(desk)["readings"]["provider"]
    assert (reading["state"], reading["grade"]) == ("stale", "unknown")
    desk.fault("outage", params={"ms": 60_000})
    with pytest.raises(Exception, match="statement"):
        days.reconciled(desk)
    reading = json_view(desk)["readings"]["provider"]
    assert (reading["grade"], reading["value"]["runs"][0]["failed"]) == ("unknown", True)


def test_every_kind_of_trouble_is_listed_once_with_a_command(desk):
    days.a_day_of_trouble(desk)
    kinds = {kind["key"]: kind for kind in json_view(desk)["readings"]["action_required"]["value"]["kinds"]}
    assert {key: kind["total"] for key, kind in kinds.items()} == {
        "conflict": 1,
        "in_doubt": 1,
        "failed": 2,
        "returned": 1,
        "waiting": 1,
        "webhook": 1,
        "unidentified_payment": 1,
    }
    rows = [row for kind in kinds.values() for row in kind["rows"]]
    assert all(row["command"].startswith("counterfoil ") for row in rows)
    (conflict,) = kinds["conflict"]["rows"]
    assert int(conflict["amount"]["minor"]) - int(conflict["told"]["minor"]) == 500  # it paid 5.00 less than was asked
    assert len({row["id"] for row in rows}) == len(rows)


def test_a_payout_that_is_over_and_still_owed_waits_for_somebody(desk):
    days.a_day_of_trouble(desk)
    payout, amount = desk.rows("select id, amount from payout where state = 'failed' order by id limit 1")[0]
    with desk.database.transaction() as conn:
        cancel_payout(conn, payout, reason="paid by hand", actor="test", now=desk.clock.now)
    kinds = {kind["key"]: kind for kind in json_view(desk)["readings"]["action_required"]["value"]["kinds"]}
    assert (kinds["failed"]["total"], kinds["owed"]["total"]) == (1, 1)
    [row] = kinds["owed"]["rows"]
    assert (row["id"], int(row["amount"]["minor"]), row["command"].split()[2]) == (payout, amount, "reissue")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        shown = httpx2.get(f"{url}/admin/payouts.json?view=owed", headers=headers, timeout=30).json()
    assert [one["id"] for one in shown["rows"]] == [payout], shown


def test_what_is_advised_for_a_payout_is_what_is_allowed_now(desk):
    days.a_day_of_trouble(desk)

    def advised():
        kinds = json_view(desk)["readings"]["action_required"]["value"]["kinds"]
        return {row["id"]: row for kind in kinds for row in kind["rows"] if row["id"].startswith("po_")}

    tried, closed = next((one, row) for one, row in advised().items() if " destinations set " in row["command"] and "closed" in row["why"])
    with desk.database.transaction() as conn:
        where = {"program_id": PROGRAM, "payee_id": closed["whose"], "provider": "simulator", "token": "acct_new"}
        set_destination(conn, make_id("dst"), **where, actor="test", now=now() + timedelta(seconds=5))
    assert " payouts retry " in advised()[tried]["command"]
    with psycopg.connect(desk.database.url, autocommit=True) as conn:  # the provider said no, and a call of it may still arrive
        changed = conn.execute(
            """insert into call (id, subject_id, number, provider, key, payload_sha256, worker, fence, announced_at, horizon_at)
               select id || 'x', subject_id, number + 1, provider, key, payload_sha256, worker, fence, announced_at,
                      now() + interval '1 day'
               from call where subject_id in (select id from provider_payout where payout_id = %s)""",
            [tried],
        ).rowcount
    rows = advised()
    with desk.database.transaction(read_only=True) as conn:
        for payout_id, row in rows.items():
            words = row["command"].split()
            if words[1] == "payouts" and words[2] != "show":
                assert words[2] in PAYOUT_NOUN.allowed(conn, payout_id, now=desk.clock.now), row
            assert row["command"] in (next_action(conn, payout_id, desk.clock.now).command, f"counterfoil payouts show {payout_id}")
    assert (changed, rows[tried]["command"]) == (1, f"counterfoil payouts show {tried}")
    assert rows[tried]["why"].partition("retry ")[2].startswith("is refused now: a call of an earlier attempt may still arrive")


def test_payouts_that_wait_for_somebody_stay_on_the_page_of_any_day(desk):
    days.a_day_of_trouble(desk)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        yesterday = (now() - timedelta(days=1)).date()
        found = httpx2.get(f"{url}/admin/reconciliation.json?day={yesterday}", headers=headers, timeout=30).json()["readings"]
    assert {kind["key"] for kind in found["action_required"]["value"]["kinds"]} == {
        "conflict",
        "in_doubt",
        "failed",
        "returned",
        "waiting",
        "webhook",  # what came back is owed until somebody issues it anew
        "unidentified_payment",
    }
    assert found["invoices"]["state"] == "empty"
    rows = found["payouts"]["value"]
    assert sum(row["number"] for row in rows) == 0 < sum(row["openNumber"] for row in rows)


def test_the_books_of_a_span_tell_what_moved_in_it_and_where_it_stood_at_its_end(desk):
    days.an_empty_day(desk)
    moments = []
    for number, minor in enumerate((700, 50), start=1):
        with desk.database.transaction() as conn:
            lines = [("clearing:simulator", "suspense", minor)]
            for name in ("clearing:simulator", "suspense"):
                from counterfoil.ledger.accounts.accounts import open_accounts

                open_accounts(conn, PROGRAM, [name], asset="EUR", actor="test", now=now())
            post(conn, PROGRAM, key=f"k{number}", kind="test", lines=lines, asset="EUR", actor="test", now=now())
        time.sleep(0.05)
        moments.append(now())
        time.sleep(0.05)
    begin = now() - timedelta(hours=1)

    def book(start, end):
        with desk.database.transaction() as conn:
            return next(one for one in books_of_span(conn, start=start, end=end, now=now()) if one.program_id == PROGRAM)

    first, second, whole = book(begin, moments[0]), book(moments[0], moments[1]), book(begin, now() + timedelta(hours=1))
    assert [one.debits.minor for one in (first, second, whole)] == [700, 50, 750]
    assert [one.balance_of("clearing:simulator").minor for one in (first, second, whole)] == [700, 750, 750]
    assert [one.balance_of("suspense").minor for one in (first, second, whole)] == [-700, -750, -750]
    assert all(one.balances and one.moved for one in (first, second, whole))
    assert not book(moments[1], now()).moved


def test_books_whose_totals_were_changed_behind_our_back_do_not_balance(desk, server):
    import psycopg

    days.a_full_day(desk, prices=["100.00"] * 11)
    with psycopg.connect(desk.database.url, autocommit=True) as conn:
        conn.execute("alter table account disable trigger user")
        conn.execute("update account set debits = debits + 1 where name = 'clearing:simulator'")
    found = json_view(desk)
    book = next(one for one in found["readings"]["books"]["value"] if one["programId"] == PROGRAM)
    assert (found["verdict"]["word"], book["balances"], book["offBy"]["minor"]) == ("No", False, "1")


def test_a_section_that_cannot_be_measured_says_so_and_leaves_the_others_standing(desk):
    days.an_empty_day(desk)

    def broken(ask):
        return SectionAnswer("never", "right", ask.conn.execute("select 1 / 0").fetchone())

    def whole(ask):
        return SectionAnswer("fine", "right")

    sections = [Section("a", "?", "money", "nowhere", broken), Section("b", "?", "money", "here", whole)]
    with desk.database.transaction(read_only=True) as conn:
        found = measure(SectionContext(conn, Day(now().date(), True), None, now, None), sections)
    assert (found["a"].state, found["a"].grade) == ("failed", "unknown")
    assert "division" not in found["a"].said  # no insides
    assert (found["b"].state, found["b"].grade) == ("measured", "right")


@pytest.mark.parametrize(("due", "depth"), [(0, "fine"), (99, "fine"), (100, "slow"), (500, "slow"), (501, "backlog"), (10_001, "backlog")])
def test_a_queue_is_judged_by_the_thresholds_of_the_runbook(due, depth):
    assert QueueDepth("q", due, 0, 0, None, now()).depth == depth


def test_one_row_that_is_late_makes_a_short_queue_slow(desk):
    with desk.database.transaction() as conn:
        receive(conn, make_id("whi"), provider="p", event_id="e", event_type="t", body=b"{}", now=now() - timedelta(seconds=90))
        (found,) = queue_depths(conn, [WEBHOOKS_IN], now=now())
    assert (found.due, found.depth) == (1, "slow")


def test_a_provider_that_does_not_work_is_named_among_the_queues(desk):
    days.an_empty_day(desk)
    with desk.database.transaction() as conn:
        health, limits = Health(False, "no answer"), CircuitLimits(failures=1)
        note_health(conn, "simulator", "send", health, now=now(), limits=limits)
        [circuit] = open_circuits(conn)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        found = httpx2.get(f"{url}/admin/reconciliation.json", headers=headers, timeout=30).json()["readings"]["queues"]
        assert (found["grade"], found["said"]) == ("attention", "0 due: simulator does not work, its calls wait")
        assert "circuit open: simulator" in httpx2.get(f"{url}/admin/day", headers=headers, timeout=30).text
        page = httpx2.get(f"{url}/admin/circuits/{circuit.id}", headers=headers, timeout=30)
        assert (page.status_code, "no answer" in page.text) == (200, True)


def test_a_peer_that_does_not_answer_is_named_among_the_queues(desk):
    days.an_empty_day(desk)
    with desk.database.transaction() as conn:
        parts = [NewParticipant(an_agent(conn, money=10), "debit", "EUR", 5), NewParticipant("agent_1", "credit", "EUR", 5, "south")]
        new = NewTransaction(PROGRAM, "task", parts, time_out=timedelta(days=6), peers=frozenset({"south"}))
        begin_transaction(conn, make_id("txn"), new, actor="x", now=desk.clock.now)
    desk.work("transactions")
    desk.work("peers")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database)}"}
        found = httpx2.get(f"{url}/admin/reconciliation.json", headers=headers, timeout=30).json()["readings"]["queues"]
        assert found["grade"] == "attention"
        assert found["said"].endswith(" due: south does not answer, its transactions wait")
        assert "south does not answer: 1 wait" in httpx2.get(f"{url}/admin/day", headers=headers, timeout=30).text


@pytest.mark.parametrize(("seconds", "pace"), [(4.999, "fast"), (5, "degraded"), (15, "degraded"), (15.001, "slow")])
def test_processing_is_judged_by_the_thresholds_of_the_runbook(seconds, pace):
    span = timedelta(seconds=seconds)
    assert Processing(1, span, span, span, now()).pace == pace


def test_a_worker_that_fell_silent_is_down_and_one_that_says_goodbye_is_not_missed(desk):
    days.an_empty_day(desk)
    days.a_silent_worker(desk)
    assert json_view(desk)["readings"]["workers"]["said"] == "Down: no worker is running"
    with days.working(desk):
        time.sleep(0.3)
        reading = json_view(desk)["readings"]["workers"]
    assert (reading["grade"], reading["said"]) == ("attention", "1 running, of all 1 down")


def an_invariant(code, query, severity="critical"):
    return Invariant(code, f"Is {code} so?", query, severity, "Something is off.", "P1")


class Hands:
    """A clock that a test moves."""

    def __init__(self):
        self.now = now()

    def __call__(self):
        return self.now


def test_an_invariant_that_cannot_be_asked_is_not_one_that_holds(desk):
    list_ = [
        an_invariant("GOOD", "select 1 where false"),
        an_invariant("BROKEN", "select 'row-' || n from generate_series(1, 30) n"),
        an_invariant("NO_QUERY", "select * from no_such_table"),
    ]
    asked = IntegrityChecks(desk.database, list_, now).ask_now()
    assert [one.outcome for one in asked.answers] == ["holds", "broken", "failed"]
    assert (asked.answers[1].offenders, len(asked.answers[1].shown)) == (30, 20)
    days.an_empty_day(desk)
    reading = json_view(desk, invariants=list_)["readings"]["integrity_checks"]
    assert (reading["grade"], reading["said"]) == ("wrong", "1 of 3 do not hold, 1 could not be asked")
    warned = [list_[0], list_[1]._replace(severity="warning"), list_[2]]
    reading = json_view(desk, invariants=warned)["readings"]["integrity_checks"]
    assert (reading["grade"], reading["said"]) == ("unknown", "1 of 3 do not hold, 1 could not be asked"), "a warning hides nothing"
    reading = json_view(desk, invariants=[list_[0], list_[2]])["readings"]["integrity_checks"]
    assert (reading["grade"], reading["said"]) == ("unknown", "1 of 2 could not be asked")


def test_however_often_somebody_asks_they_are_asked_once_in_a_while(desk):
    clock = Hands()
    checks = IntegrityChecks(desk.database, [an_invariant("GOOD", "select 1 where false")], clock)
    checks.ask_again()
    first = checks.latest(wait_s=0)
    clock.now += timedelta(seconds=19)
    checks.ask_again()
    assert checks.latest(wait_s=0) is first
    clock.now += timedelta(seconds=2)
    checks.ask_again()
    assert checks.latest(wait_s=0).asked_at == clock.now


def test_slow_invariants_do_not_hold_the_page_up_and_until_then_nothing_is_known(desk):
    days.an_empty_day(desk)
    integrity_checks = IntegrityChecks(
        desk.database,
        [an_invariant("SLOW", "with w as materialized (select pg_sleep(1)) select 1 from w where (select count(*) from w) = 0")],
        now,
    )
    assert integrity_checks.latest(wait_s=0.05) is None
    end = time.monotonic() + 10
    while integrity_checks.latest(wait_s=0.05) is None:
        assert time.monotonic() < end
    assert integrity_checks.latest(wait_s=0).having("holds")


def test_answers_grow_old_when_they_cannot_be_asked_again(desk):
    from counterfoil.dashboard.pages.integrity_checks import everything_true

    class Extra:
        integrity_checks = None

    clock = Hands()
    Extra.integrity_checks = IntegrityChecks(desk.database, [an_invariant("GOOD", "select 1 where false")], clock)
    Extra.integrity_checks.ask_now()
    ask = SectionContext(None, Day(now().date(), True), None, clock, Extra)
    assert everything_true(ask).state == "measured"
    Extra.integrity_checks._asking = True  # somebody asks, and does not come back
    clock.now += timedelta(minutes=16)
    told = everything_true(ask)
    assert (told.state, told.grade) == ("stale", "unknown")
