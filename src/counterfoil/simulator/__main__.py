"""`python -m counterfoil.simulator`: the edge of the simulator, with its clock, its randomness and its one line of output."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from counterfoil.simulator.http.serving import serve
from counterfoil.simulator.http.webhooks import secret_bytes
from counterfoil.simulator.journal import JournalDamaged, JournalInUse, SimulatorJournal
from counterfoil.simulator.process import API_KEY_VARIABLE, SECRET_VARIABLE, TEST_API_KEY
from counterfoil.simulator.rules.facts import EndpointSet
from counterfoil.simulator.rules.state import SimulatorSettings

# The writer thread needs the interpreter for an instant after each sync, and hundreds of answers wait for it.
SWITCH_S = 0.0005
# The state only grows: looking through it for rubbish is what makes single answers slow.
GC_YOUNG = 50_000

_HELP = {
    "settle_ms": "from accepting a payout to its end",
    "payout_fee": "minor units per payout",
    "return_fee": "minor units when a payout comes back",
    "charge_fee": "minor units per charge",
    "charge_fee_ppm": "millionths of a charge, rounded down",
    "key_memory_s": "forget idempotency keys after so many seconds (default: never)",
    "webhook_backoff_ms": "wait after the first failed try; doubles each time",
    "webhook_backoff_max_ms": "longest wait between tries",
    "webhook_attempts_max": "tries before giving up",
    "webhook_timeout_ms": "patience with the receiver",
    "first_byte_ms": "close a connection on which nothing was asked for so long",
}


def parser() -> argparse.ArgumentParser:
    """The command line. Secrets come by environment, because arguments are seen by everybody on the machine."""
    made = argparse.ArgumentParser(prog="python -m counterfoil.simulator", description="A payment provider with faults.")
    made.add_argument("--folder", type=Path, required=True, help="where the journal lies; made if absent")
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="0 takes a free one, which is printed")
    made.add_argument("--seed", type=int, default=1, help="of the faults; a journal that exists keeps its own")
    made.add_argument("--webhook-url", help=f"needs {SECRET_VARIABLE} in the environment")
    made.add_argument("--until-stdin-ends", action="store_true", help="stop when whoever started it is gone")
    for name, default in SimulatorSettings()._asdict().items():
        made.add_argument(f"--{name.replace('_', '-')}", type=_whole, default=default, help=f"{_HELP[name]} (%(default)s)")
    return made


def main(argv: list[str] | None = None) -> int:
    """Run until stopped. Prints one line of JSON with the address when it listens."""
    options = parser().parse_args(argv)
    settings = SimulatorSettings(**{name: getattr(options, name) for name in SimulatorSettings._fields})
    try:
        endpoint = _endpoint(options.webhook_url)
        journal = SimulatorJournal(options.folder)
    except (JournalInUse, JournalDamaged, ValueError) as error:
        print(f"simulator: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    serving = serve(
        journal,
        settings,
        lambda: time.time_ns() // 1_000,
        instance=os.urandom(4).hex(),
        seed=options.seed,
        api_key=os.environ.get(API_KEY_VARIABLE, TEST_API_KEY),
        endpoint=endpoint,
        host=options.host,
        port=options.port,
        ready=_say,
    )
    if options.until_stdin_ends:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GC_YOUNG, 50, 100)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serving)
    return 0


def _endpoint(url: str | None) -> EndpointSet | None:
    if url is None:
        return None
    secret = os.environ.get(SECRET_VARIABLE, "")
    secret_bytes(secret)
    return EndpointSet(url, secret)


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not made for every platform; the standard loop is slower, not wrong
        return None
    return uvloop.new_event_loop


def _say(facts: dict[str, Any]) -> None:
    print(json.dumps({"ready": True, "pid": os.getpid(), **facts}), flush=True)  # noqa: T201


def _end_with_stdin() -> None:
    while os.read(0, 1_024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("a whole number, not negative")
    return number


if __name__ == "__main__":
    sys.exit(main())
