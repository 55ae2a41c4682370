"""Routes that refuse a parameter they do not know: a misspelt filter must not answer with everything."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final

from fastapi import APIRouter, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.responses import Response
from fastapi.routing import APIRoute

from counterfoil.api.http.calls import admitted
from counterfoil.api.http.program_scope import keep_within, scope_of
from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import refuse_unclean

DRY_RUN: Final = "dryRun"


class StrictRoute(APIRoute):
    """A route that knows who asks before it reads what, and names an unknown query parameter instead of ignoring it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check."""
        handle = super().get_route_handler()
        fields = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, params.Query)]
        known = {one.alias for one in fields} | ({DRY_RUN} if self.methods != {"GET"} else set())

        declared, scope = needs_of(self), scope_of(self)

        async def strict(request: Request) -> Response:
            needs = declared or getattr(self.endpoint, "needs", None)  # set after the route was made
            if needs is not None:
                caller = await admitted(request, needs)  # before a byte of the body is read
                await keep_within(request, scope, caller)
            for name, value in request.query_params.multi_items():
                if name not in known:
                    limit = f"one of {', '.join(sorted(known))}" if known else "no parameters here"
                    raise InvalidInput(name[:80], limit)
                refuse_unclean(value, name)
            return await handle(request)

        return strict


def needs_of(route: APIRoute) -> str | None:
    """The permission that a route declares; None for one that is open to everybody."""
    declared = (getattr(one.call, "needs", None) for one in route.dependant.dependencies)
    found = next((one for one in declared if one is not None), getattr(route.endpoint, "needs", None))
    return None if found is None else str(found)


def routes(tag: str, *, prefix: str = "/api") -> APIRouter:
    """A file's router."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)
