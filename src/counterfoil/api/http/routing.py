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
from counterfoil.api.http.schemas import is_clean
from counterfoil.base.problems import InvalidInput

DRY_RUN: Final = "dryRun"


class StrictRoute(APIRoute):
    """A route that knows who asks before it reads what, and names an unknown query parameter instead of ignoring it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check."""
        handle = super().get_route_handler()
        fields = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, params.Query)]
        known = {one.alias for one in fields} | ({DRY_RUN} if self.methods != {"GET"} else set())

        declared = next((one.call.needs for one in self.dependant.dependencies if hasattr(one.call, "needs")), None)  # type: ignore[union-attr]

        scope = scope_of(self)

        async def strict(request: Request) -> Response:
            needs = declared or getattr(self.endpoint, "needs", None)
            if needs is not None:
                caller = await admitted(request, needs)  # before a byte of the body is read
                await keep_within(request, scope, caller)
            for name, value in request.query_params.multi_items():
                if name not in known:
                    limit = f"one of {', '.join(sorted(known))}" if known else "no parameters here"
                    raise InvalidInput(name[:80], limit)
                if not is_clean(value):
                    raise InvalidInput(name, "text without control characters", got=repr(value)[:80])
            return await handle(request)

        return strict


def routes(tag: str, *, prefix: str = "/api") -> APIRouter:
    """A file's router."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)
