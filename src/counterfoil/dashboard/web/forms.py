"""What people do about breaks on the pages: the same verbs as over HTTP, from forms that carry a reason and the session's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response
from psycopg import Connection

from counterfoil.api.http.problems import request_id_of
from counterfoil.audit.actions import record_action
from counterfoil.base.ids import valid_id
from counterfoil.base.money import parse_major
from counterfoil.base.problems import Busy, InvalidInput, NotAuthenticated, Problem, ReasonRequired
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served, finish, guarded, shown
from counterfoil.dashboard.web.sessions import Session, refuse_other_sites, refuse_wrong_csrf
from counterfoil.ledger.journals.journal import NewPosting
from counterfoil.ledger.reads.books import known_assets
from counterfoil.operations.access.access import require
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.noun import NEEDS
from counterfoil.reconciliation.breaks.queries import show_break

LIST: Final = next(page for page in PAGES if page.path == "/admin/breaks")
ONE: Final = next(page for page in PAGES if page.path == "/admin/breaks/{break_id}")
LINES_SHOWN: Final = 3


@dataclass(frozen=True)
class Filled:
    """A form as it was filled in."""

    verb: str
    reason: str
    expected_state: str
    owner: str
    sha256: str
    lines: Sequence[tuple[str, str, str]]  # debit, credit, amount in major units
    rows: Sequence[str]  # `id state` of each break that was ticked
    duplicate_of: str = ""
    effective_on: str = ""  # a day, UTC; noon of it

    def typed(self) -> dict[str, str]:
        """What is shown again when it is refused."""
        told = {"verb": self.verb, "reason": self.reason, "owner": self.owner}
        told |= {"duplicate_of": self.duplicate_of, "effective_on": self.effective_on}
        for number, (debit, credit, amount) in enumerate(self.lines):
            told |= {f"debit{number}": debit, f"credit{number}": credit, f"amount{number}": amount}
        return told


Texts = Annotated[list[str] | None, Form()]


def add_acts(router: APIRouter, served: Served) -> None:
    """The addresses that the forms of breaks are sent to."""

    @router.post("/admin/breaks")
    def many(
        request: Request, csrf: Annotated[str, Form()] = "", verb: Annotated[str, Form()] = "", reason: Annotated[str, Form()] = "",
        owner: Annotated[str, Form()] = "", row: Texts = None, duplicate_of: Annotated[str, Form()] = "",
    ) -> Response:  # fmt: skip
        filled = Filled(verb, reason.strip(), "", owner.strip(), "", (), row or (), duplicate_of.strip())
        return guarded(served, request, lambda: _many(served, request, csrf, filled))

    @router.post("/admin/breaks/{break_id}")
    def one(
        break_id: str, request: Request, csrf: Annotated[str, Form()] = "", verb: Annotated[str, Form()] = "",
        reason: Annotated[str, Form()] = "", expected_state: Annotated[str, Form()] = "", owner: Annotated[str, Form()] = "",
        sha256: Annotated[str, Form()] = "", debit: Texts = None, credit: Texts = None, amount: Texts = None,
        duplicate_of: Annotated[str, Form()] = "", effective_on: Annotated[str, Form()] = "",
    ) -> Response:  # fmt: skip
        lines = [
            tuple(part.strip() for part in line) for line in zip(debit or (), credit or (), amount or (), strict=False)
        ]
        filled = Filled(
            verb, reason.strip(), expected_state, owner.strip(), sha256, [line for line in lines if any(line)], (),  # type: ignore[misc]
            duplicate_of.strip(), effective_on.strip(),
        )  # fmt: skip
        return guarded(served, request, lambda: _one(served, request, csrf, break_id, filled))


def _one(served: Served, request: Request, csrf: str, break_id: str, filled: Filled) -> Response:
    session = _opened(served, request, csrf)
    valid_id(break_id, "break", "break_id")
    try:
        if filled.verb not in NEEDS:
            raise InvalidInput("verb", f"one of {', '.join(NEEDS)}", got=filled.verb[:40])
        require(session.caller, NEEDS[filled.verb])
        with served.database.transaction() as conn:
            VERBS[filled.verb](conn, served, session, break_id, filled)
            _record(conn, served, session, request, break_id, filled)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, ONE, request, session, refused=problem, typed=filled.typed())
    return finish(RedirectResponse(f"/admin/breaks/{break_id}?done={filled.verb}#acts", 303))


def _many(served: Served, request: Request, csrf: str, filled: Filled) -> Response:
    session = _opened(served, request, csrf)
    try:
        if filled.verb not in work.BULK:
            raise InvalidInput("verb", f"one of {', '.join(work.BULK)}", got=filled.verb[:40])
        require(session.caller, NEEDS[filled.verb])
        if not filled.reason:
            raise ReasonRequired(field="reason", limit="at least one word")
        wanted = [work.BulkLine(*row.partition(" ")[::2]) for row in filled.rows]
        with served.database.transaction() as conn:
            done = work.do_in_bulk(
                conn, filled.verb, wanted, actor=session.caller.actor, now=served.wiring.clock(), reason=filled.reason,
                owner=filled.owner or None, duplicate_of=filled.duplicate_of or None,
            )  # fmt: skip
            _record(conn, served, session, request, "bulk", filled)
    except (NotAuthenticated, Busy):
        raise
    except Problem as problem:
        return shown(served, LIST, request, session, refused=problem, typed=filled.typed())
    if refused := [one for one in done if one.refused]:
        left = len(done) - len(refused)
        some = work.SomeRefused(done=left, lines=[f"{one.id}: {one.refused}" for one in refused[:20]])
        return shown(served, LIST, request, session, refused=some, typed=filled.typed())
    return finish(RedirectResponse(f"/admin/breaks?done={filled.verb}", 303))


def _opened(served: Served, request: Request, csrf: str) -> Session:
    """The session that the form came from. A key without a session has the API. Raises FormNotOurs, NotAuthenticated."""
    refuse_other_sites(request)
    session = served.door.who(request)
    refuse_wrong_csrf(session, csrf)
    return session


def _record(
    conn: Connection[Any], served: Served, session: Session, request: Request, subject_id: str, filled: Filled
) -> None:
    record_action(
        conn, served.wiring.make_id("act"), actor=session.caller.actor, role=session.caller.role, verb=f"break.{filled.verb}",
        subject_id=subject_id,
        reason=filled.reason or None, request_id=request_id_of(request), at=served.wiring.clock(),
        payload={"owner": filled.owner, "sha256": filled.sha256, "lines": [list(one) for one in filled.lines], "rows": list(filled.rows),
                 "duplicate_of": filled.duplicate_of, "effective_on": filled.effective_on},
    )  # fmt: skip


Verb = Callable[[Connection[Any], Served, Session, str, Filled], object]


def _step(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    if not filled.reason:
        raise ReasonRequired(field="reason", limit="at least one word")
    more = {"duplicate_of": filled.duplicate_of or None} if filled.verb == "mark_duplicate" else {}
    return work.STEPS[filled.verb](
        conn, break_id, actor=session.caller.actor, now=served.wiring.clock(), reason=filled.reason, expected=_expected(filled), **more
    )  # fmt: skip


def _assign(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    actor, now = session.caller.actor, served.wiring.clock()
    return work.assign_break(
        conn, break_id, owner=filled.owner or None, actor=actor, now=now, expected=_expected(filled)
    )  # fmt: skip


def _comment(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    return work.comment_on_break(
        conn, break_id, text=filled.reason, actor=session.caller.actor, now=served.wiring.clock()
    )  # fmt: skip


def _propose(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    case = show_break(conn, break_id)
    asset = known_assets(conn).get(case.asset)
    if asset is None:
        raise InvalidInput("asset", "one that the books are kept in", got=case.asset)
    lines = [NewPosting(debit, credit, parse_major(amount, asset, "amount")) for debit, credit, amount in filled.lines]
    return adjusting.propose_adjustment(
        conn, break_id, served.wiring.make_id("prop"), lines=lines, reason=filled.reason, by=session.caller,
        now=served.wiring.clock(), effective_at=_effective(filled), expected=_expected(filled),
    )  # fmt: skip


def _write_off(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    return adjusting.propose_write_off(
        conn, break_id, served.wiring.make_id("prop"), reason=filled.reason, by=session.caller, now=served.wiring.clock(),
        effective_at=_effective(filled), expected=_expected(filled),
    )  # fmt: skip


def _approve(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    return adjusting.approve_proposal(
        conn, break_id, payload_sha256=filled.sha256, reason=filled.reason, by=session.caller, now=served.wiring.clock(),
        expected=_expected(filled),
    )  # fmt: skip


def _withdraw(conn: Connection[Any], served: Served, session: Session, break_id: str, filled: Filled) -> object:
    return adjusting.withdraw_proposal(
        conn, break_id, reason=filled.reason, by=session.caller, now=served.wiring.clock(), expected=_expected(filled)
    )  # fmt: skip


def _effective(filled: Filled) -> datetime | None:
    if not filled.effective_on:
        return None
    try:
        return datetime.combine(date.fromisoformat(filled.effective_on), adjusting.NOON)
    except ValueError as error:
        raise InvalidInput("effective on", "a day such as 2026-11-20", got=filled.effective_on[:20]) from error


def _expected(filled: Filled) -> str | None:
    return filled.expected_state or None


VERBS: Final[Mapping[str, Verb]] = {
    **dict.fromkeys(work.STEPS, _step),
    "assign": _assign,
    "comment": _comment,
    "propose": _propose,
    "propose_write_off": _write_off,
    "approve": _approve,
    "withdraw": _withdraw,
}
