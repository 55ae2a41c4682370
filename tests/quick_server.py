"""A server of the library that stops the moment it is told to: its own looks for that ten times a second, and waits as long once more,
which every test with a server would spend.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn

LOOK_S = 0.002


class QuickServer(uvicorn.Server):
    """Everything else is the library's."""

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            await asyncio.sleep(LOOK_S * 5)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while (self.server_state.connections or self.server_state.tasks) and not self.force_exit:
            await asyncio.sleep(LOOK_S)
        for server in self.servers:
            await server.wait_closed()
        if not self.force_exit:
            await self.lifespan.shutdown()
