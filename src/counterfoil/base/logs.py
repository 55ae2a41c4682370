"""Logs: one JSON object per line on stderr, ours and the libraries' alike, with the request they belong to and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

from counterfoil.base.formats.counting import counted

TEXT_MAX: Final = 10_000
GATHERED_S: Final = 0.02
KEPT_MAX: Final = 1_000  # lines that wait while nothing can be written
_SECRET: Final = re.compile(r"password|secret|token|authorization|cookie|api_?key|database_url|iban|account_number", re.IGNORECASE)
_PASSWORD_IN_URL: Final = re.compile(r"(://[^:/@\s]+):[^@/\s]+@")
_encode: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False).encode
_SHOWN_INSTEAD: Final = "(hidden)"


class Gathered(logging.StreamHandler[TextIO]):
    """Writes lines together that come within a moment; what is a warning or worse at once, with all that came before it.

    Writing a line lets another thread have the interpreter, and a server that writes one per request waits for it each time. A
    process that is killed loses the lines of its last moment; one that ends does not.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._lost = 0
        self._some, self._pause = threading.Event(), threading.Event()
        threading.Thread(target=self._write, name="logs", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; `logging` holds the handler's lock."""
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:  # noqa: BLE001  # as every handler of logging: what cannot be told must not stop the work
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            self.flush()
        else:
            self._some.set()

    def flush(self) -> None:
        """Write what is kept. Called by `logging` when the process ends, too.

        Where it cannot be written (a pipe whose reader is gone, a full disk), the newest lines wait for the next time: payments go on.
        Of those that had to go, how many is the first line that can be written again.
        """
        self.acquire()
        lines, self._lines = self._lines, []
        try:
            if lines:
                self.stream.write("".join([*self._told_lost(), *lines]))
            super().flush()
            self._lost = 0
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._lines = lines[-KEPT_MAX:]
            self._lost += len(lines) - len(self._lines)
        finally:
            self.release()

    def _told_lost(self) -> list[str]:
        if not self._lost:
            return []
        told = counted(
            self._lost, "line before this could not be written and is lost", "lines before this could not be written and are lost"
        )
        record = logging.LogRecord(__name__, logging.WARNING, __file__, 0, told, None, None)
        return [self.format(record) + self.terminator]

    def _write(self) -> None:
        while self._some.wait():
            self._some.clear()
            self._pause.wait(GATHERED_S)
            self.flush()


class RenderedLine(str):
    """A line of the log that is JSON already."""

    __slots__ = ()


class _LineFormatter(structlog.stdlib.ProcessorFormatter):
    """Leaves those as they are."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of this record."""
        return record.msg if type(record.msg) is RenderedLine else super().format(record)


def tell_fast(name: str, event: str, facts: Mapping[str, Any]) -> None:
    """Log `event` under the logger `name`, in the shape of all others, at a fifth of their price: for what is told of every request.

    Nothing is hidden by its name and nothing cut: only for facts that are our own, or known to be short and no secret.
    """
    logger = logging.getLogger(name)
    if logger.isEnabledFor(logging.INFO):
        record = logging.LogRecord(name, logging.INFO, "", 0, event, None, None)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        record.msg = RenderedLine(_encode({"at": at, "event": event, "level": "info", "logger": name, **facts}))
        logger.handle(record)


def start_logging(level: str = "info", *, stream: TextIO | None = None, gather: bool = False) -> None:
    """Send everything from `level` up to `stream` (stderr), as JSON lines. Called once, at the edge. `gather`: see `Gathered`."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    handler = (Gathered if gather else logging.StreamHandler)(stream or sys.stderr)
    handler.setFormatter(
        _LineFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True, ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):  # they bring handlers of their own
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    for name in ("httpx2", "httpcore2"):  # a line for each call we make, addresses and all, is for debugging
        logging.getLogger(name).setLevel(logging.DEBUG if level == "debug" else logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def about(**facts: str) -> AbstractContextManager[None]:
    """Within the block every line carries `facts`, such as `request_id`."""
    return structlog.contextvars.bound_contextvars(**facts)


def hide_secrets(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Values under names that sound secret are not shown, nor passwords inside addresses; long texts are cut."""
    return {name: _SHOWN_INSTEAD if _SECRET.search(name) else _plain(value) for name, value in event.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _PASSWORD_IN_URL.sub(rf"\1:{_SHOWN_INSTEAD}@", value[:TEXT_MAX])
    if isinstance(value, dict):
        return {name: _SHOWN_INSTEAD if _SECRET.search(str(name)) else _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_plain(inner) for inner in value]
    return value
