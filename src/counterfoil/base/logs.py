"""Logs: one JSON object per line on stderr, ours and the libraries' alike, with the request they belong to and without secrets."""

from __future__ import annotations

import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor

TEXT_MAX: Final = 10_000
_SECRET: Final = re.compile(
    r"password|secret|token|authorization|cookie|api_?key|database_url|iban|account_number", re.IGNORECASE
)
_PASSWORD_IN_URL: Final = re.compile(r"(://[^:/@\s]+):[^@/\s]+@")
_SHOWN_INSTEAD: Final = "(hidden)"


def start_logging(level: str = "info", *, stream: TextIO | None = None) -> None:
    """Send everything from `level` up to `stream` (stderr), as JSON lines. Called once, at the edge."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
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
