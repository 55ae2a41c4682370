"""One verb said of many breaks on their page: the lines that were ticked, looked at first, then each done or refused by itself, as over
HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter
from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import ReasonRequired
from counterfoil.dashboard.web.driver import FormCall, FormDone, PageForm, add_form
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.serving import Served
from counterfoil.operations.verbs import BulkLine, LineDone, VerbCall, say_of_many
from counterfoil.reconciliation.breaks import work
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN

LIST: Final = next(page for page in PAGES if page.path == "/admin/breaks")
REFUSED_TOLD: Final = 20
FIELDS: Final = ("verb", "reason", "owner", "duplicate_of")


def add_acts(router: APIRouter, served: Served) -> None:
    """The address that the form of the list is sent to. Its rows are `id state` of each break that was ticked."""
    add_form(router, served, PageForm(LIST.path, LIST, _many, shows=FIELDS))


def _many(call: FormCall) -> FormDone:
    if not call.reason:
        raise ReasonRequired(field="reason", limit="at least one word")
    typed = call.of(*FIELDS)
    asked = typed | {"rows": list(call.rows)}

    def said(conn: Connection[Any]) -> dict[str, Any]:
        done = _say(conn, call, typed)
        call.record(conn, f"break.{typed['verb']}", "bulk", asked, reason=call.reason)
        receipt = f"Done: {BREAK_NOUN.verb(typed['verb']).label.lower()}, {counted(len(done), 'break')}."
        return {"on": LIST.path, "receipt": receipt, "lines": [list(one) for one in done]}

    told = call.done_once(f"break.{typed['verb']}", asked, said).get()
    done = [LineDone(*one) for one in told["lines"]]
    some = some_refused(done)
    if not call.confirmed:
        return FormDone({"preview": "\n".join(_would(typed["verb"], done)), "rows": "\n".join(call.rows)})
    if some:
        raise some
    return call.receipt_at(LIST.path)


def some_refused(done: Sequence[LineDone]) -> work.SomeRefused | None:
    """What a bulk did not do: how many of how many, the first of them with their reasons, and that there are more where there are."""
    refused = [one for one in done if one.refused]
    if not refused:
        return None
    return work.SomeRefused(done=len(done) - len(refused), refused=f"{len(refused)} of {len(done)}", lines=_why(refused))


def _why(refused: Sequence[LineDone]) -> list[str]:
    lines = [f"{one.id}: {one.refused}" for one in refused[:REFUSED_TOLD]]
    if more := len(refused) - len(lines):
        lines.append(f"… and {more} more: say it again for them to see why")
    return lines


def _would(verb: str, done: Sequence[LineDone]) -> list[str]:
    """What happens, a sentence a line."""
    label, refused = BREAK_NOUN.verb(verb).label.lower(), [one for one in done if one.refused]
    if not refused:
        return [f"Each of the {len(done):,} that you ticked: {label}."]
    return [f"{len(done) - len(refused):,} of the {len(done):,} that you ticked: {label}. These are refused:", *_why(refused)]


def _say(conn: Connection[Any], call: FormCall, typed: dict[str, str]) -> list[LineDone]:
    wanted = [BulkLine(*row.partition(" ")[::2]) for row in call.rows]
    given = {"owner": typed["owner"], "duplicate_of": typed["duplicate_of"] or None, "text": call.reason}
    saying = VerbCall(conn, "", call.caller, call.now, call.served.wiring.make_id, call.reason)
    return say_of_many(BREAK_NOUN, typed["verb"], wanted, saying, given)
