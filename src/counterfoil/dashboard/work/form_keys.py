"""A form that does what cannot be undone carries a key from its preview: sent twice, by a double click or after a reload, it acts once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from psycopg import Connection

from counterfoil.api.http.kept_key import WantedOnce, once_outside
from counterfoil.base.idempotency import Answer
from counterfoil.dashboard.web.serving import Served
from counterfoil.dashboard.web.sessions import Session


def once_of_form(
    served: Served,
    session: Session,
    verb: str,
    key: str,
    asked: Mapping[str, Any],
    act: Callable[[], Any],
    record: Callable[[Connection[Any]], None],
) -> Answer:
    """Do what a form asks for once per `key`, as over HTTP; `act` returns JSON. Raises what `once_outside` raises, also for no key."""
    scope = f"{session.caller.scope}:{verb}:form"
    wanted = WantedOnce(scope, key, asked, served.wiring.make_id("work"))
    return once_outside(served.database, served.wiring.clock, wanted, act, record)
