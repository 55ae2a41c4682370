"""Everything that is known around a break, in order of time: from the invoice to the line of the statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.base.money import Money
from counterfoil.matching.findings.recorded import FindingDetail, RecordRead
from counterfoil.operations.webhooks.inbound import CONFIDENTIAL
from counterfoil.reconciliation.breaks.work import Break

FACTS_MAX: Final = 300
REFERENCES_MAX: Final = 50
WEBHOOKS_MAX: Final = 20_000  # looked through: about a quarter of a second
AROUND: Final = timedelta(days=7)  # webhooks of so many days around the break are looked through
DAY: Final = timedelta(days=1)
BEGINNING: Final = bytes(ENTROPY_BYTES)


class TimelineFact(NamedTuple):
    """One thing that happened. `where` is the station it happened at; `whole_day`: only its date is known.

    `minor` is the amount of this very line: a journal of three lines is three facts, not one of their sum.
    """

    at: datetime
    whole_day: bool
    where: str
    what: str
    id: str
    minor: int | None
    asset: str | None
    step: int = 0  # of a thing that takes several at one moment

    @property
    def amount(self) -> Money | None:
        """How much, if it is about an amount."""
        return Money(self.minor, self.asset) if self.minor is not None and self.asset else None


def timeline_of(conn: Connection[Any], case: Break, detail: FindingDetail) -> list[TimelineFact]:
    """The facts that share an id or a reference with the records of a break, oldest first; the last one says it where there are more."""
    references = sorted(set(_references(detail)))
    around = {
        "early": new_id("whi", now=_midnight(case.first_on) - AROUND, entropy=BEGINNING),
        "late": new_id("whi", now=_midnight(case.last_on) + AROUND, entropy=BEGINNING),
    }
    given = {
        "references": references[:REFERENCES_MAX],
        "source": case.source.partition(":")[0],
        "program": case.program_id,
        "id": case.id,
        "rows_max": FACTS_MAX + 1,
    }
    with conn.cursor(row_factory=class_row(TimelineFact)) as cur:
        found = cur.execute(_FACTS, given).fetchall()
    told = conn.execute(_WEBHOOKS, {**given, **around, "rows_max": WEBHOOKS_MAX + 1}).fetchall()
    found += _naming(conn, told[:WEBHOOKS_MAX], references[:REFERENCES_MAX])
    lines = [*_lines(detail.left, "our books"), *_lines(detail.right, "statement")]
    facts = sorted([*found, *lines], key=_when)
    shown = facts[:FACTS_MAX]
    cut = [f"more is known than {FACTS_MAX} facts: what came later is not shown"] if len(facts) > FACTS_MAX else []
    if len(references) > REFERENCES_MAX:
        cut.append(f"facts were looked for by {REFERENCES_MAX} of {len(references):,} references")
    if len(told) > WEBHOOKS_MAX:
        cut.append(f"webhooks were looked through to {WEBHOOKS_MAX:,} around the break, and there are more")
    return [*shown, *(TimelineFact(shown[-1].at, False, "break", said, case.id, None, None) for said in cut)]


def _naming(conn: Connection[Any], told: Iterable[tuple[Any, ...]], references: Iterable[str]) -> list[TimelineFact]:
    """Of these webhooks those that name a reference; their bodies are encrypted, so it is looked for here and not by SQL."""
    keys = keys_of(conn)
    words = [f'"{one}"'.encode() for one in references]
    found = []
    for id_, envelope, body, at, event_type, event_id in told:
        (known,) = CONFIDENTIAL.opened_unless_lost(keys, (id_,), envelope, (body,))
        if known is not None and any(word in bytes(known) for word in words):
            found.append(TimelineFact(at, False, "webhook", event_type, event_id, None, None))
    return found


def _when(one: TimelineFact) -> tuple[datetime, int, int, str]:
    """What only has a date stands at the end of its day."""
    return one.at + DAY if one.whole_day else one.at, _ORDER.index(one.where), one.step, one.id


_ORDER: Final = (
    *("invoice", "payment", "settlement", "payout", "provider", "webhook", "journal"),
    *("our books", "statement", "break"),
)
_WEBHOOKS: Final = """
    select id, envelope, body, received_at, event_type, event_id from webhook_in
    where provider = %(source)s and id >= %(early)s and id < %(late)s order by id limit %(rows_max)s"""
_FACTS: Final = """
    with paid as (select * from payment where provider = %(source)s and charge_id = any(%(references)s)),
    sent as (select * from provider_payout where provider = %(source)s
             and (provider_ref = any(%(references)s) or id = any(%(references)s))),
    owed as (select * from payout where id in (select payout_id from sent)
             or invoice_id in (select invoice_id from paid where invoice_id is not null)),
    tried as (select * from provider_payout where payout_id in (select id from owed)),
    billed as (select * from invoice where id in (select invoice_id from owed)
               or id in (select invoice_id from paid where invoice_id is not null)),
    settled as (select * from settlement where invoice_id in (select id from billed)),
    stepped as (
        select s.at, 'invoice' as "where", s.to_state, s.subject_id as id, i.total as minor, i.asset, s.step
        from step s join billed i on i.id = s.subject_id
        union all select s.at, 'payout', s.to_state, s.subject_id, o.amount, o.asset, s.step
        from step s join owed o on o.id = s.subject_id
        union all select s.at, 'provider', s.to_state, s.subject_id, t.amount, t.asset, s.step
        from step s join tried t on t.id = s.subject_id),
    booked as (
        select j.* from journal j where j.source_type is not null and (j.source_type, j.source_id) in (
            select 'charge', charge_id from paid union all select 'settlement', id from settled
            union all select 'provider_payout', id from tried union all select 'break', %(id)s::text))
    select at, false as whole_day, "where", replace(to_state, '_', ' ') as what, id, minor, asset, step from stepped
    union all select occurred_at, false, 'payment', 'paid by the customer', charge_id, amount, asset, 0 from paid
    union all select at, false, 'settlement', 'settled', id, gross, asset, 0 from settled
    union all select j.recorded_at, false, 'journal', replace(j.kind, '_', ' ') || ': ' || d.name || ' from ' || c.name, j.id::text,
                     p.amount, b.asset, p.line::integer
              from booked j join book b on b.id = j.book_id join posting p on p.journal_id = j.id
              join account d on d.id = p.debit join account c on c.id = p.credit
    union all select s.at, false, 'break', replace(s.to_state, '_', ' '), s.subject_id, null, null, s.step
              from step s where s.machine = 'break' and s.subject_id = %(id)s
    order by 1, 3, 8, 5, 4 limit %(rows_max)s"""


def _references(detail: FindingDetail) -> Iterable[str]:
    for record in detail.records():
        for text in (record.id, record.reference, record.batch):
            if text:
                yield text
                yield text.rpartition(":")[2]


def _lines(records: Iterable[RecordRead], where: str) -> Iterable[TimelineFact]:
    for one in records:
        if one.date:
            at = _midnight(date.fromisoformat(one.date))
            yield TimelineFact(at, True, where, one.memo or "a line", one.id, one.amount, one.asset)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC))
