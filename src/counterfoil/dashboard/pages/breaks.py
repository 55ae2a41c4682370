"""The pages of breaks: all that do not agree, by cause and age; and one, with everything that explains it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from counterfoil.base.formats.counting import counted
from counterfoil.base.machine import Step, history_of
from counterfoil.base.money import Money
from counterfoil.dashboard.finding.ordering import ColumnOrder, after_of, behind_of, order_words, orders_of
from counterfoil.dashboard.finding.plain_lists import plain_export
from counterfoil.dashboard.pages.runs import runs_told
from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, State, measure
from counterfoil.ledger.reads.books import known_programs
from counterfoil.matching.findings.recorded import RecordRead
from counterfoil.operations.listing import ListAsked, order_of, read_listed
from counterfoil.reconciliation.breaks import adjusting
from counterfoil.reconciliation.breaks.ages import AGES
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN
from counterfoil.reconciliation.breaks.queries import (
    STATES,
    AgeBand,
    BreakGroup,
    Filter,
    Flow,
    Remark,
    Totals,
    ages_of,
    count_breaks,
    detail_of,
    flow_over,
    groups_of,
    narrowed_by,
    recurrences_of,
    remarks_of,
    show_break,
    totals_of,
)
from counterfoil.reconciliation.breaks.timeline import TimelineFact, timeline_of
from counterfoil.reconciliation.breaks.work import Break

SHOWN_MAX: Final = 20
_PLACE: Final = ("sort", "after", "done")  # where in the list one is: it begins anew when it is sorted otherwise
_IN_FILES: Final = (
    *("id", "program_id", "source", "kind", "severity", "state", "at_stake", "cause", "reference", "record_id", "owner"),
    *("first_on", "last_on", "due_on", "opened_at", "state_at", "recurs_of"),
)
FLOW_DAYS: Final = timedelta(days=29)
RECORDS_SHOWN_MAX: Final = 20
FIELDS: Final = (
    "amount",
    "asset",
    "date",
    "reference",
    "status",
    "counterparty",
    "memo",
    "batch",
    "id",
    "booked_on",
    "value_on",
    "event_at",
)


class Grouped(NamedTuple):
    """Live breaks by cause, and the names of the ages."""

    groups: tuple[BreakGroup, ...]
    ages: tuple[str, ...]


class ListedBreaks(NamedTuple):
    """The breaks that were asked for: `total` of them, one page shown. `after`: behind what the next page begins."""

    rows: tuple[Break, ...]
    total: int
    after: str | None = None
    orders: Mapping[str, ColumnOrder] = {}  # by the columns
    order: str | None = None  # in words
    unsorted: str = ""  # what was asked beside the order, as it stands in an address
    query: str = ""  # with it


class BreaksAnswer(NamedTuple):
    """What the page of breaks shows."""

    readings: dict[str, SectionReading]
    programs: dict[str, str]
    states: tuple[str, ...]


class FieldLine(NamedTuple):
    """One field of both records; `distance` when they differ. An amount is money, all else text."""

    name: str
    left: str | Money | None
    right: str | Money | None
    distance: str | Money | None


class RecordLine(NamedTuple):
    """One of several records of a side."""

    side: str
    id: str
    date: str
    amount: Money


class Both(NamedTuple):
    """Both records as they were understood; `more` are the records of a group, `unshown` how many of them are not there."""

    left_there: bool
    right_there: bool
    fields: tuple[FieldLine, ...]
    more: tuple[RecordLine, ...]
    unshown: int
    sums: tuple[Money | None, Money | None]


class Why(NamedTuple):
    """What the machine tested, the one safe action, and who else came near."""

    hypotheses: tuple[dict[str, str], ...]
    action: dict[str, str]
    candidates: tuple[dict[str, Any], ...]
    reason: str


class History(NamedTuple):
    """What was done to it: steps, comments, proposals, and its kin."""

    steps: tuple[Step, ...]
    remarks: tuple[Remark, ...]
    proposals: tuple[Offered, ...]
    recurred_as: tuple[str, ...]


class Offered(NamedTuple):
    """A proposal as it is shown: `lines` are debit, credit and amount."""

    number: int
    kind: str
    sha256: str
    lines: tuple[tuple[str, str, Money], ...]
    effective_at: str
    reason: str
    maker: str
    made_at: datetime
    expires_at: datetime
    expired: bool
    decision: str | None
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    journal_id: str | None


class Acts(NamedTuple):
    """What may be done now. `pending` waits for a second person; `suggested` would bring our side to theirs."""

    allowed: tuple[str, ...]
    pending: Offered | None
    suggested: tuple[str, str, Money] | None
    write_off_refused: str | None  # why nothing can be written off; None: it can


class BreakAnswer(NamedTuple):
    """What the page of one break shows."""

    case: Break
    grade: Grade
    overdue: bool
    acts: Acts
    readings: dict[str, SectionReading]


def breaks_answer(ask: SectionContext) -> BreaksAnswer:
    """Every section of the page of breaks. Raises InvalidInput for an order that there is not."""
    order_of(BREAK_NOUN, ask.params.get("sort"))
    return BreaksAnswer(measure(ask, BREAKS), known_programs(ask.conn), STATES)


def break_answer(ask: SectionContext) -> BreakAnswer:
    """One break with everything that explains it. Raises NotFound."""
    case = show_break(ask.conn, ask.params["id"])
    overdue = case.live and case.due_on < ask.clock().date()
    closed: Grade = "accepted" if case.state != "matched" else "right"
    grade: Grade = closed if not case.live else "wrong" if overdue or case.severity == "critical" else "attention"
    return BreakAnswer(case, grade, overdue, _acts(ask, case), measure(ask, ONE))


def _by(ask: SectionContext, *, state: str | None = None) -> Filter:
    given = ask.params
    return Filter(
        program_id=ask.program_id,
        source=given.get("source") or None,
        state=state or given.get("state") or "live",
        kind=given.get("kind") or None,
        cause=given.get("cause"),
        severity=given.get("severity") or None,
        owner=given.get("owner"),
    )


def _all_of(ask: SectionContext) -> Filter:
    """The program and source that were chosen: groups and charts show the whole of them."""
    return Filter(program_id=ask.program_id, source=ask.params.get("source") or None)


def _totals(ask: SectionContext) -> SectionAnswer:
    totals: Totals = totals_of(ask.conn, _all_of(ask), now=ask.clock())
    if not totals.live:
        said, grade, state = _none_open(ask)
        return SectionAnswer(said, grade, totals, state)
    urgent = totals.overdue or totals.critical
    said = f"{totals.live} open" + (f", {totals.overdue} overdue" if totals.overdue else "")
    return SectionAnswer(said, "wrong" if urgent else "attention", totals)


def _none_open(ask: SectionContext) -> tuple[str, Grade, State]:
    """No break is open: is that because all agrees, because people closed them, or because nobody looked?"""
    latest = runs_told(ask)
    if latest.grade == "right":
        return "Nothing is open", "right", "empty"
    if latest.grade == "accepted":
        return "Nothing is open; what did not agree was accepted", "accepted", "empty"
    if latest.grade == "wrong":  # an amount that is unexplained has no break of its own
        return f"No break is open, but {latest.said}", "wrong", "empty"
    return latest.said, "unknown", "not_checked"


def _groups(ask: SectionContext) -> SectionAnswer:
    groups = tuple(groups_of(ask.conn, _all_of(ask), now=ask.clock()))
    if not groups:
        said, grade, state = _none_open(ask)
        return SectionAnswer("No open break" if state == "empty" else said, grade, Grouped((), AGES), state)
    worst: Grade = "wrong" if any(one.overdue for one in groups) else "attention"
    return SectionAnswer(counted(len(groups), "group"), worst, Grouped(groups, AGES))


def _ages(ask: SectionContext) -> SectionAnswer:
    bands: tuple[AgeBand, ...] = tuple(ages_of(ask.conn, _all_of(ask), now=ask.clock()))
    return SectionAnswer("By the day they were first found", value=bands) if bands else SectionAnswer("None", value=bands, state="empty")


def _flow(ask: SectionContext) -> SectionAnswer:
    flow: Flow = flow_over(ask.conn, _all_of(ask), first=ask.day.on - FLOW_DAYS, last=ask.day.on)
    if not flow.peak:
        return SectionAnswer("Nothing came or went in 30 days", value=flow, state="empty")
    return SectionAnswer(f"{flow.opened} opened, {flow.closed} closed in 30 days", value=flow)


def breaks_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The breaks that the page lists, all of them, as rows of a file."""
    return plain_export(ask, BREAK_NOUN, _IN_FILES, asked=_asked(ask, _by(ask)))


def _asked(ask: SectionContext, by: Filter) -> ListAsked:
    return ListAsked(order=order_of(BREAK_NOUN, ask.params.get("sort")), also=(narrowed_by(by),))


def _listed(ask: SectionContext) -> SectionAnswer:
    by = _by(ask)
    asked = _asked(ask, by)
    after = after_of(BREAK_NOUN, asked, ask.params.get("after"))
    found = read_listed(ask.conn, BREAK_NOUN, asked, rows_max=SHOWN_MAX + 1, after=after, now=None)
    total = count_breaks(ask.conn, by)
    rows = tuple(found[:SHOWN_MAX])
    if not total:
        return SectionAnswer("No such break", value=ListedBreaks((), 0), state="empty")
    behind = behind_of(BREAK_NOUN, asked, rows[-1]) if len(found) > SHOWN_MAX else None
    given = [(name, value) for name, value in (("program", ask.program_id), *ask.params.items()) if value is not None]
    unsorted = urlencode([(name, value) for name, value in given if name not in _PLACE])
    query = urlencode([(name, value) for name, value in given if name == "sort" or name not in _PLACE])
    listed = ListedBreaks(rows, total, behind, orders_of(BREAK_NOUN, asked), order_words(asked), unsorted, query)
    return SectionAnswer(counted(total, "break"), value=listed)


def _both(ask: SectionContext) -> SectionAnswer:
    case = show_break(ask.conn, ask.params["id"])
    detail = detail_of(ask.conn, case)
    left, right = detail.left, detail.right
    distances = {one.name: one.distance for one in detail.fields}
    one, other = next(iter(left), None), next(iter(right), None)
    fields = tuple(
        FieldLine(name, _value(one, name), _value(other, name), _distance(name, one, other, distances))
        for name in FIELDS
        if (one and one.told(name)) is not None or (other and other.told(name)) is not None
    )
    more = tuple(
        RecordLine(side, record.id, record.date or "", Money(record.amount, record.asset))
        for side, records in (("left", left), ("right", right))
        if len(left) > 1 or len(right) > 1
        for record in records[:RECORDS_SHOWN_MAX]
    )
    unshown = sum(max(len(records) - RECORDS_SHOWN_MAX, 0) for records in (left, right))
    said = f"{len(distances)} of the fields differ" if left and right else "One side does not have it"
    return SectionAnswer(said, "plain", Both(bool(left), bool(right), fields, more, unshown, (_sum(left), _sum(right))))


def _value(record: RecordRead | None, name: str) -> str | Money | None:
    if record is None or record.told(name) is None:
        return None
    return Money(record.amount, record.asset) if name == "amount" else record.told(name)


def _distance(name: str, one: RecordRead | None, other: RecordRead | None, distances: dict[str, str]) -> str | Money | None:
    if one is None or other is None or name not in distances:
        return None
    if name == "amount" and one.asset == other.asset:
        return Money(other.amount, other.asset).minus(Money(one.amount, one.asset))
    return distances[name]


def _sum(records: Sequence[RecordRead]) -> Money | None:
    if not records or len({record.asset for record in records}) > 1:
        return None
    return Money(sum(record.amount for record in records), records[0].asset)


def _why(ask: SectionContext) -> SectionAnswer:
    case = show_break(ask.conn, ask.params["id"])
    detail = detail_of(ask.conn, case)
    candidates = tuple({**one.written(), "amount": Money(one.amount, case.asset)} for one in detail.candidates)
    hypotheses = tuple(one.written() for one in detail.hypotheses)
    value = Why(hypotheses, detail.action.written(), candidates, detail.reason)
    supported = sum(one.verdict == "supported" for one in detail.hypotheses)
    if not value.hypotheses:
        return SectionAnswer("No cause could be tested", "plain", value)
    return SectionAnswer(f"{supported} of {len(value.hypotheses)} hypotheses supported", "plain", value)


def _timeline(ask: SectionContext) -> SectionAnswer:
    case = show_break(ask.conn, ask.params["id"])
    facts: list[TimelineFact] = timeline_of(ask.conn, case, detail_of(ask.conn, case))
    said = counted(len(facts), "fact") if facts else "Nothing else is known"
    return SectionAnswer(said, value=tuple(facts), state="measured" if facts else "empty")


def _history(ask: SectionContext) -> SectionAnswer:
    break_id = ask.params["id"]
    steps = tuple(history_of(ask.conn, break_id, rows_max=None))
    proposals = tuple(_offered(ask, one) for one in adjusting.proposals_of(ask.conn, break_id))
    value = History(steps, tuple(remarks_of(ask.conn, break_id)), proposals, tuple(recurrences_of(ask.conn, break_id)))
    return SectionAnswer(counted(len(steps), "step"), value=value)


def _acts(ask: SectionContext, case: Break) -> Acts:
    newest = next(iter(adjusting.proposals_of(ask.conn, case.id, rows_max=1)), None)
    refusals = BREAK_NOUN.why_not(ask.conn, case.id, now=ask.clock())
    waits = newest is not None and case.state == "pending_adjustment" and newest.decision is None
    suggested = adjusting.suggested_line(case)
    return Acts(
        allowed=tuple(name for name, why in refusals.items() if why is None),
        pending=_offered(ask, newest) if waits and newest is not None else None,
        suggested=(suggested[0], suggested[1], Money(suggested[2], case.asset)) if suggested else None,
        write_off_refused=refusals["write_off"],
    )


def _offered(ask: SectionContext, one: adjusting.AdjustmentProposal) -> Offered:
    asset = one.payload["asset"]
    lines = tuple((each["debit"], each["credit"], Money(int(each["amount"]), asset)) for each in one.payload["lines"])
    return Offered(
        one.number,
        one.kind,
        one.payload_sha256,
        lines,
        one.payload["effectiveAt"],
        one.reason,
        one.maker,
        one.made_at,
        one.expires_at,
        ask.clock() > one.expires_at,
        one.decision,
        one.checker,
        one.decided_at,
        one.decision_reason,
        str(one.journal_id) if one.journal_id else None,
    )


BREAKS: Final = (
    Section("totals", "What is urgent?", "money", "breaks as they stand now", _totals),
    Section("groups", "Why do they not agree?", "money", "open breaks by their best supported cause", _groups),
    Section("ages", "How old are they?", "money", "open breaks by when they were opened", _ages),
    Section("flow", "Do they become fewer?", "work", "the steps of the last 30 days", _flow),
    Section("list", "Which are they?", "money", "breaks as they stand now, newest first", _listed),
)
ONE: Final = (
    Section("both", "Compare records", "money", "the last run that found it", _both),
    Section("why", "Why could that be?", "money", "tests that the machine ran when it found it", _why),
    Section("timeline", "What happened, in order?", "money", "every row that shares an id with it", _timeline),
    Section("history", "What was done about it?", "work", "its steps, comments and proposals", _history),
)
