"""A key that is kept while its work lasts, however long: nobody takes the work for dead who could still see it done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from counterfoil.base.edge import Database
from counterfoil.base.idempotency import BEGUN_FOR, BegunWork, renew

RENEWED_EVERY_S: Final = BEGUN_FOR.total_seconds() / 3
_log = structlog.get_logger("counterfoil.api")


class KeptKey:
    """Renews what was begun, in a thread of its own, until it is stopped."""

    def __init__(self, database: Database, begun: BegunWork, clock: Callable[[], datetime], *, every_s: float = RENEWED_EVERY_S) -> None:
        """`every_s`: how often, in seconds."""
        self._database, self._begun, self._clock, self._every_s = database, begun, clock, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="kept-key", daemon=True)
        self._thread.start()

    def stop(self) -> BegunWork:
        """Renew it no more; what was begun, as it stands, to finish it or to give it up."""
        self._over.set()
        self._thread.join()
        return self._begun

    def _renew(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                with self._database.transaction() as conn:
                    kept = renew(conn, self._begun, now=self._clock())
            except Exception as error:  # noqa: BLE001 - the next time may do; at the worst another begins it anew
                _log.warning("key not renewed", key=self._begun.key, error=str(error)[:200])
                continue
            if kept is None:
                _log.warning("key taken over by another", key=self._begun.key)
                return
            self._begun = kept
