"""One verb said of many breaks on their page: the lines that were ticked, each done or refused by itself, as over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter

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
    if some := some_refused(_say(call)):
        raise some
    return FormDone(goto=f"{LIST.path}?done={call.filled.get('verb', '')}")


def some_refused(done: Sequence[LineDone]) -> work.SomeRefused | None:
    """What a bulk did not do: how many of how many, the first of them with their reasons, and that there are more where there are."""
    refused = [one for one in done if one.refused]
    if not refused:
        return None
    lines = [f"{one.id}: {one.refused}" for one in refused[:REFUSED_TOLD]]
    if more := len(refused) - len(lines):
        lines.append(f"… and {more} more: say it again for them to see why")
    return work.SomeRefused(done=len(done) - len(refused), refused=f"{len(refused)} of {len(done)}", lines=lines)


def _say(call: FormCall) -> list[LineDone]:
    if not call.reason:
        raise ReasonRequired(field="reason", limit="at least one word")
    wanted = [BulkLine(*row.partition(" ")[::2]) for row in call.rows]
    typed = call.of(*FIELDS)
    given = {"owner": typed["owner"], "duplicate_of": typed["duplicate_of"] or None, "text": call.reason}
    with call.served.database.transaction(program_id=call.caller.program_id) as conn:
        saying = VerbCall(conn, "", call.caller, call.now, call.served.wiring.make_id, call.reason)
        done = say_of_many(BREAK_NOUN, typed["verb"], wanted, saying, given)
        call.record(conn, f"break.{typed['verb']}", "bulk", typed | {"rows": list(call.rows)}, reason=call.reason)
    return done
