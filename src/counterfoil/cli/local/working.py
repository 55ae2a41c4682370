"""`worker`: a process that runs every job. Nothing of the API is imported for it, so that it is back soon after a crash."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from counterfoil import __version__
from counterfoil.base.edge import now
from counterfoil.base.settings import Settings
from counterfoil.cli.local.installation import Installation, installed
from counterfoil.operations.work.worker import Worker, listen
from counterfoil.wiring import loops

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger("counterfoil.start")


def work(settings: Settings) -> bool:
    """Run the worker until told to stop. False when a job did not end in time; another worker takes it up after its lease."""
    stopping = stopped_by_signals()
    with installed(settings) as installation:
        with working(installation) as ended, kept_for_good():
            stopping.wait()
        return ended.is_set()


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What was imported until here stays: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()  # or what was kept for good counts as leaked when the process ends


def stopped_by_signals() -> threading.Event:
    """Set by SIGTERM or SIGINT. While the server runs it has handlers of its own; when it ends, it raises its signal once more
    to ours, which must not end the process before everything else is closed."""
    stopping = threading.Event()
    for one in SIGNALS:
        signal.signal(one, lambda *_: stopping.set())
    return stopping


@contextmanager
def working(installation: Installation) -> Iterator[threading.Event]:
    """A running worker; the event is set afterwards, when every job had ended in time."""
    settings, pid = installation.settings, os.getpid()
    todo = loops(installation.wiring, installation.owner, poll_s=settings.worker_poll_ms / 1000)
    worker = Worker(
        installation.owner,
        todo,
        installation.database,
        now,
        host=socket.gethostname(),
        pid=pid,
        version=__version__,
    )
    stopping = threading.Event()
    listener = threading.Thread(
        target=listen, args=(installation.url, worker.wake, stopping), kwargs={"queues": worker.queues}, daemon=True
    )
    worker.start()
    listener.start()
    _log.info("worker started", worker=worker.id, loops=[loop.name for loop in todo])
    ended = threading.Event()
    try:
        yield ended
    finally:
        stopping.set()
        _log.info("stopping", worker=worker.id)
        if worker.stop():
            ended.set()
        else:
            _log.warning("a job did not end in time; its lease will run out", worker=worker.id)
