"""The auditor's page: who did what and who was refused, with key, address and outcome; the proofs that hold it, and all of it as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.dashboard.work.payloads import page_of
from counterfoil.operations.access.audit_records import ABOUT, AuditFilter, AuditRecord, list_audit_records, place_of

RECORDS_SHOWN_MAX: Final = 20
PROOFS_SHOWN_MAX: Final = 6
EXPORTED_MAX: Final = 10_000
READ_AT_ONCE: Final = 1_000
WANTS: Final = ("about", "who", "subject", "since", "until", "after")
COLUMNS: Final = tuple(AuditRecord._fields)


class AuditRow(NamedTuple):
    """A record as it is read. `path`: the page of its subject, if it has one."""

    record: AuditRecord
    path: str | None


class ProofRow(NamedTuple):
    """A proof, and how many have signed it of those that it takes. `verdict`: what the sentinel said when it was made."""

    id: str
    from_at: datetime
    to_at: datetime
    state: str
    verdict: str
    reconciliation: str
    signatures: int
    quorum: int


class AuditAnswer(NamedTuple):
    """What the page shows. `narrowed`: by what, as it stands in the address of the files; `after`: where the next page begins."""

    rows: tuple[AuditRow, ...]
    narrowed: dict[str, str]
    about: tuple[str, ...]
    is_first: bool
    after: str | None
    proofs: tuple[ProofRow, ...]
    measured_at: datetime


def audit_answer(ask: SectionContext) -> AuditAnswer:
    """The newest records, narrowed. Raises WholeInstallation for whoever sees one program, InvalidInput."""
    narrowed, after = _filter(ask), ask.params.get("after")
    found = list_audit_records(
        ask.conn, rows_max=RECORDS_SHOWN_MAX + 1, after=place_of(ask.conn, after) if after else None, narrowed=narrowed
    )
    shown = found[:RECORDS_SHOWN_MAX]
    return AuditAnswer(
        tuple(AuditRow(one, page_of(one.subject)) for one in shown),
        {name: ask.params[name] for name in WANTS[:-1] if ask.params.get(name)},
        ABOUT,
        after is None,
        shown[-1].id if len(found) > RECORDS_SHOWN_MAX else None,
        tuple(_proofs(ask.conn)),
        ask.clock(),
    )


def audit_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The same records as rows of a file, the names of the columns first; a last row says where it was cut."""
    narrowed, after, count = _filter(ask), None, 0
    yield COLUMNS
    while found := list_audit_records(ask.conn, rows_max=READ_AT_ONCE, after=after, narrowed=narrowed):
        for one in found:
            if count == EXPORTED_MAX:
                yield (f"cut at {EXPORTED_MAX} rows: narrow the records to fewer days, or page through the API",)
                return
            count += 1
            yield tuple(one)
        after = (found[-1].at, found[-1].id)


def _filter(ask: SectionContext) -> AuditFilter:
    if ask.program_id is not None:
        raise WholeInstallation(program=ask.program_id)
    given = {name: value.strip() for name, value in ask.params.items() if value.strip()}
    return AuditFilter(given.get("about"), given.get("who"), given.get("subject"), _day(given, "since"), _day(given, "until"))


def _day(given: dict[str, str], name: str) -> date | None:
    if name not in given:
        return None
    try:
        return date.fromisoformat(given[name])
    except ValueError:
        raise InvalidInput(name, "a day such as 2026-11-20", got=given[name][:40]) from None


def _proofs(conn: Connection[Any]) -> list[ProofRow]:
    with conn.cursor(row_factory=class_row(ProofRow)) as cur:
        return cur.execute(
            """select p.id, p.from_at, p.to_at, p.state, p.verdict, p.reconciliation,
                      (select count(*) from proof_signature s where (s.proof_id, s.number) = (r.proof_id, r.number)) as signatures,
                      coalesce(r.quorum, 0) as quorum
               from proof p left join lateral (select proof_id, number, quorum from proof_request q where q.proof_id = p.id
                                               order by number desc limit 1) r on true
               order by p.created_at desc, p.id desc limit %s""",
            [PROOFS_SHOWN_MAX],
        ).fetchall()
