"""The inclusion file of a journal or a payout, saved from its page in its exact bytes."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from counterfoil.api.http.bodies import attachment
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.serving import Served, answered, finish, guarded

OF: Final = [page for page in PAGES if page.path.endswith("/inclusion")]


def add_inclusion_files(router: APIRouter, served: Served) -> None:
    """The address of each page's file."""
    for page in OF:
        _add(router, served, page)


def _add(router: APIRouter, served: Served, page: DashboardPage) -> None:
    @router.get(f"{page.path}/file")
    def file(request: Request) -> Response:
        return guarded(served, request, lambda: made(request))

    def made(request: Request) -> Response:
        _, found, _ = answered(served, page, request, served.door.who(request))
        return finish(attachment(found.file, "application/json", found.name))
