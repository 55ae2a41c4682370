"""Routes that refuse a parameter they do not know: a misspelt filter must not answer with everything."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from fastapi import APIRouter, FastAPI, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from counterfoil.api.http.calls import ADMITTED, admitted
from counterfoil.api.http.fields import EMPTY_ASKS_FOR_NONE
from counterfoil.api.http.lists import as_file, list_shape
from counterfoil.api.http.problems import answer_of
from counterfoil.api.http.program_scope import in_one_program, keep_within, scope_of
from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import refuse_unclean
from counterfoil.operations.access.access import AUDIT, READ
from counterfoil.operations.access.scopes import ALL_PAGES, area_of

DRY_RUN: Final = "dryRun"
Endpoint = TypeVar("Endpoint", bound=Callable[[Request], Coroutine[Any, Any, Response]])


def direct(endpoint: Endpoint) -> Endpoint:
    """The endpoint of a route that is asked thousands of times a second: it reads its request and makes its answer by itself.

    Nothing of FastAPI stands around it when it is asked, for that costs three times what the endpoint does; all checks of `StrictRoute`,
    the limits, the log line and the refusals are the same. FastAPI knows the route and describes it. Only for addresses without ids.
    """
    endpoint.is_direct = True  # type: ignore[attr-defined]
    return endpoint


class StrictRoute(APIRoute):
    """A route that knows who asks before it reads what, and names an unknown query parameter instead of ignoring it."""

    @property
    def is_direct(self) -> bool:
        """Does its endpoint take the request itself and answer it whole? (See `direct`.)"""
        return getattr(self.endpoint, "is_direct", False)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, behind the check; or the endpoint itself, if it is direct."""
        handle = self.endpoint if self.is_direct else super().get_route_handler()
        fields = [one for one in get_flat_params(self.dependant) if isinstance(one.field_info, params.Query)]
        known = {one.alias for one in fields} | ({DRY_RUN} if self.methods != {"GET"} else set())
        may_be_empty = {one.alias for one in fields if EMPTY_ASKS_FOR_NONE in one.field_info.metadata}

        declared, scope, shape = needs_of(self), scope_of(self), list_shape(self.response_model)

        async def strict(request: Request) -> Response:
            needs = declared or getattr(self.endpoint, "needs", None)  # set after the route was made
            if needs is not None:
                caller = await admitted(request, needs)  # before a byte of the body is read
                if caller.programs:
                    request.scope[ADMITTED] = await in_one_program(request, scope, caller, needs)
                    caller = await admitted(request, needs)
                await keep_within(request, scope, caller)
            for name, value in request.query_params.multi_items():
                if name not in known:
                    limit = f"one of {', '.join(sorted(known))}" if known else "no parameters here"
                    raise InvalidInput(name[:80], limit)
                refuse_unclean(value, name)
                if not value.strip() and name not in may_be_empty:  # a script's variable that holds nothing does not ask for all
                    raise InvalidInput(name, "a value; left out where none is meant")
            told = await handle(request)
            return told if shape is None else as_file(told, shape, request.headers.get("accept", ""))

        return strict


class DirectRoutes:
    """The direct routes of an application, as an application of their own."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        """Those of `routes` that are direct."""
        self._asked = {
            (method, route.path): (route, route.get_route_handler())
            for route in routes
            if isinstance(route, StrictRoute) and route.is_direct
            for method in route.methods or ()
        }

    def has(self, scope: Scope) -> bool:
        """Is this request for one of them?"""
        return scope["type"] == "http" and (scope["method"], scope["path"]) in self._asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, refusals as everywhere."""
        scope["route"], handle = self._asked[scope["method"], scope["path"]]
        scope["path_params"] = {}
        request = Request(scope, receive)
        try:
            answer = await handle(request)
        except Exception as error:
            refusal = answer_of(error, request)
            if refusal is None:
                raise  # not the caller's fault: whoever stands around us answers
            answer = refusal
        await answer(scope, receive, send)


class Api(FastAPI):
    """An application whose direct routes are asked without it."""

    asked_directly: DirectRoutes | None = None
    around_direct: ASGIApp | None = None

    def ask_directly(self, around: Callable[[ASGIApp], ASGIApp]) -> None:
        """From now on, answer the direct routes directly: with nothing around them but `around`."""
        self.asked_directly = DirectRoutes(self.router.routes)
        self.around_direct = around(self.asked_directly)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if self.around_direct is not None and self.asked_directly is not None and self.asked_directly.has(scope):
            scope["app"] = self
            await self.around_direct(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def needs_of(route: APIRoute) -> str | None:
    """The permission that a route declares; None for one that is open to everybody."""
    declared = (getattr(one.call, "needs", None) for one in route.dependant.dependencies)
    found = next((one for one in declared if one is not None), getattr(route.endpoint, "needs", None))
    return None if found is None else str(found)


def scope_named(route: BaseRoute) -> str | None:
    """The scope that a key with scopes needs for it; None for what is open to everybody, or no route of the API."""
    needs = needs_of(route) if isinstance(route, StrictRoute) else None
    return None if needs is None else f"{area_of(str(route.tags[0]))}:{needs}"  # type: ignore[attr-defined]


def scopes_of(found: Iterable[BaseRoute]) -> frozenset[str]:
    """Every scope that a key may have: those of the routes, and those of the pages."""
    return frozenset(one for one in map(scope_named, found) if one is not None) | {f"{ALL_PAGES}:{READ}", f"{ALL_PAGES}:{AUDIT}"}


def routes(tag: str, *, prefix: str = "/api") -> APIRouter:
    """A file's router."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=StrictRoute)
