"""What is logged meanwhile."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from counterfoil.base.logs import start_logging


@contextmanager
def logged(level: str = "info") -> Iterator[io.StringIO]:
    """The lines, as they are written; afterwards logging is as it was."""
    root = logging.getLogger()
    before, was = root.handlers[:], root.level
    written = io.StringIO()
    start_logging(level, stream=written)
    try:
        yield written
    finally:
        root.handlers[:] = before
        root.setLevel(was)
        structlog.reset_defaults()
