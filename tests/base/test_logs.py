"""Logs: JSON lines with the request they belong to, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import structlog

from counterfoil.base.logs import GATHERED_S, KEPT_MAX, TEXT_MAX, Gathered, about, start_logging, tell_fast
from tests.logged import logged


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    with logged() as written:
        yield written


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_and_carries_its_request(stream: io.StringIO) -> None:
    with about(request_id="req_1"):
        structlog.get_logger("counterfoil.test").info("paid", payout_id="po_1")
    structlog.get_logger("counterfoil.test").info("after")
    first, second = lines(stream)
    assert {"event": "paid", "payout_id": "po_1", "request_id": "req_1", "level": "info"}.items() <= first.items()
    assert first["at"].endswith("Z")
    assert "request_id" not in second


def test_libraries_write_the_same_lines(stream: io.StringIO) -> None:
    with about(request_id="req_1"):
        logging.getLogger("some.library").warning("slow %s", "client", extra={"client": "127.0.0.1"})
    (line,) = lines(stream)
    assert {
        "event": "slow client",
        "logger": "some.library",  # not one whose level a server that ran here before has set
        "client": "127.0.0.1",
        "request_id": "req_1",
    }.items() <= line.items()


def test_a_line_that_is_told_fast_looks_as_every_other_and_is_not_told_below_the_level(stream: io.StringIO) -> None:
    facts = {"path": "/api/ä\n", "status": 200, "ms": 1.5, "caller": None}
    structlog.get_logger("counterfoil.test").info("request", **facts)
    tell_fast("counterfoil.test", "request", facts)
    logging.getLogger().setLevel(logging.ERROR)
    tell_fast("counterfoil.test", "request", facts)
    usual, fast = lines(stream)
    assert list(usual) == list(fast)
    assert {**usual, "at": ""} == {**fast, "at": ""}
    assert datetime.fromisoformat(fast["at"]) - datetime.fromisoformat(usual["at"]) < timedelta(seconds=5)


class Away(io.StringIO):
    """A stream whose reader is gone for a while."""

    away = True

    def write(self, text: str) -> int:
        if self.away:
            raise BrokenPipeError
        return super().write(text)


@pytest.mark.parametrize("level", ["info", "warning"])
def test_a_log_that_cannot_be_written_stops_nothing_and_is_written_later(level: str) -> None:
    stream = Away()
    handler = Gathered(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    told = logging.getLogger("counterfoil.away")
    told.propagate, told.handlers = False, [handler]
    told.setLevel("INFO")
    getattr(told, level)("first")
    time.sleep(5 * GATHERED_S)
    assert stream.getvalue() == ""
    stream.away = False
    told.warning("second")
    assert stream.getvalue().split() == ["first", "second"]
    stream.close()
    told.warning("nobody hears it")


def test_of_what_waits_the_newest_lines_are_kept_and_how_many_were_lost_is_told() -> None:
    stream = Away()
    handler = Gathered(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    for number in range(KEPT_MAX + 5):
        handler.emit(logging.makeLogRecord({"msg": str(number), "levelno": logging.ERROR}))
    stream.away = False
    handler.flush()
    lost, *kept = stream.getvalue().splitlines()
    assert lost == "5 lines before this could not be written and are lost"
    assert (len(kept), kept[0], kept[-1]) == (KEPT_MAX, "5", str(KEPT_MAX + 4))
    handler.emit(logging.makeLogRecord({"msg": "on", "levelno": logging.ERROR}))
    assert stream.getvalue().splitlines()[KEPT_MAX + 1 :] == ["on"], "it is told once"


def test_below_the_level_nothing_is_written(stream: io.StringIO) -> None:
    structlog.get_logger("counterfoil.test").debug("noise")
    logging.getLogger("counterfoil.test").debug("noise")
    assert lines(stream) == []


def test_an_error_is_one_line_with_its_traceback(stream: io.StringIO) -> None:
    try:
        raise ValueError("no")
    except ValueError:
        structlog.get_logger("counterfoil.test").exception("failed")
    (line,) = lines(stream)
    assert "ValueError: no" in line["exception"]


@pytest.mark.parametrize("name", ["password", "api_key", "Authorization", "webhook_secret", "session_token", "iban"])
def test_a_value_under_a_secret_name_is_not_shown(stream: io.StringIO, name: str) -> None:
    structlog.get_logger("counterfoil.test").info("told", **{name: "hunter2", "inside": {name: "hunter2", "other": ["x"]}})
    assert "hunter2" not in stream.getvalue()
    assert lines(stream)[0]["inside"]["other"] == ["x"]


def test_a_password_inside_an_address_is_not_shown(stream: io.StringIO) -> None:
    logging.getLogger("counterfoil.test").error("cannot reach postgresql://user:hunter2@host/db")
    assert "hunter2" not in stream.getvalue()
    assert "user" in stream.getvalue()


def test_a_long_text_is_cut(stream: io.StringIO) -> None:
    structlog.get_logger("counterfoil.test").info("x" * (2 * TEXT_MAX))
    assert len(lines(stream)[0]["event"]) == TEXT_MAX


def test_gathered_lines_are_written_soon_and_a_warning_at_once_behind_them(stream: io.StringIO):
    written = stream
    start_logging("info", stream=written, gather=True)
    log = structlog.get_logger("counterfoil.test")
    log.info("first")
    log.warning("second")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["first", "second"]
    log.info("third")
    end = time.monotonic() + 10
    while "third" not in written.getvalue() and time.monotonic() < end:
        time.sleep(0.005)
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["first", "second", "third"]


def test_a_process_that_ends_has_written_what_it_gathered():
    program = (
        "import structlog; from counterfoil.base.logs import start_logging; start_logging('info', gather=True);"
        "structlog.get_logger('x').info('last words')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr)["event"] == "last words"
