"""The auditor's page: who did what and who was refused, with key, address and outcome; the proofs that hold it, and all of it as a file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.api.http.calls import WholeInstallation
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.dashboard.work.payloads import page_of
from counterfoil.operations.access.audit_records import ABOUT, AUDIT_LIST, AuditRecord

RECORDS_SHOWN_MAX: Final = 20
PROOFS_SHOWN_MAX: Final = 6
WANTS: Final = (*(one.name for one in AUDIT_LIST.narrows), "sort", "after")


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
    """What the page shows. `narrowed`: by what, as it stands in the address; `after`: where the next page begins."""

    rows: tuple[AuditRow, ...]
    narrowed: dict[str, str]
    about: tuple[str, ...]
    after: str | None
    asked: AskedPage
    proofs: tuple[ProofRow, ...]
    measured_at: datetime


def audit_answer(ask: SectionContext) -> AuditAnswer:
    """The records, narrowed, newest first unless sorted otherwise. Raises WholeInstallation for whoever sees one program, InvalidInput,
    CursorBroken."""
    _refuse_one_program(ask)
    page = plain_page(ask, AUDIT_LIST, rows_max=RECORDS_SHOWN_MAX)
    return AuditAnswer(
        tuple(AuditRow(one, page_of(one.subject)) for one in page.rows),
        {one.name: ask.params[one.name] for one in AUDIT_LIST.narrows if ask.params.get(one.name)},
        ABOUT,
        page.after,
        page.asked,
        tuple(_proofs(ask.conn)),
        ask.clock(),
    )


def audit_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The same records as rows of a file, the names of the columns first; a last row says where it was cut."""
    _refuse_one_program(ask)
    return plain_export(ask, AUDIT_LIST, AuditRecord._fields, asked=asked_here(ask, AUDIT_LIST))


def _refuse_one_program(ask: SectionContext) -> None:
    if ask.program_id is not None:
        raise WholeInstallation(program=ask.program_id)


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
