"""Traces that follow a payment: from the request through ticks and the provider's call to its postings; nothing where nobody traces."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from counterfoil.base.edge import Database
from counterfoil.base.problems import Problem
from counterfoil.base.tracing import spans
from counterfoil.base.tracing.opentelemetry_sdk import OtelTracer, is_wanted, provider_of, traced
from counterfoil.base.tracing.spans import trace_id_of, use_tracer
from tests.api.office import Office, fresh, opened
from tests.builders import Desk, issue
from tests.dashboard import quiet

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"  # the example of W3C Trace Context
desk = quiet.desk_of_main


@pytest.fixture
def exported() -> Iterator[Any]:
    """Spans of this process, kept in memory."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    kept, provider = InMemorySpanExporter(), provider_of("tests")
    provider.add_span_processor(SimpleSpanProcessor(kept))
    use_tracer(OtelTracer(provider))
    yield kept
    use_tracer(None)


@pytest.fixture
def office(database: Database) -> Iterator[Office]:
    with opened(database) as found:
        yield found


def of(exported: Any, followed: str) -> list[Any]:
    """The spans in the trace of what is followed, in the order in which they ended."""
    return [one for one in exported.get_finished_spans() if f"{one.context.trace_id:032x}" == trace_id_of(followed)]


def paid_out(desk: Desk, price: str = "100.00", prefix: str = "a") -> str:
    """An invoice that is paid, and whose payee has the money."""
    [invoice] = issue(desk.database, price, prefix=prefix)
    desk.pay(invoice, int(price.replace(".", "")))
    for _ in range(3):
        desk.deliver()
        desk.work()
        desk.settle_time()
    assert desk.rows("select state from payout where invoice_id = %s", invoice) == [("completed",)]
    return invoice


def test_a_payment_is_followed_from_its_verification_to_the_posting_that_it_arrived(desk: Desk, exported: Any):
    invoice = paid_out(desk)
    found = of(exported, invoice)
    by_name = {one.name: one for one in found}
    assert {"verify", "settle", "events", "reserve", "send", "call verify", "call send", "record send"} <= set(by_name)
    assert {"post settlement", "post payout_reserve", "post payout_finalize"} <= set(by_name)
    parents = {one.context.span_id: one.name for one in found}
    inside = {one.name: parents.get(one.parent.span_id) for one in found if one.parent is not None}
    assert inside["post settlement"] == "settle"
    assert inside["post payout_reserve"] == "reserve"
    assert inside["call send"] == "send"
    [(payout, attempt)] = desk.rows("select p.id, pp.id from payout p join provider_payout pp on pp.payout_id = p.id")
    assert by_name["reserve"].attributes["counterfoil.subject"] == payout
    assert by_name["call send"].attributes["counterfoil.provider"] == "simulator"
    assert by_name["post payout_finalize"].attributes["counterfoil.subject"] == attempt
    other = paid_out(desk, "50.00", "b")
    assert of(exported, other), "each payment has a trace of its own"
    assert len(of(exported, invoice)) == len(found)


def test_what_is_worked_on_in_one_set_has_a_span_in_the_trace_of_each(desk: Desk, exported: Any):
    invoices = issue(desk.database, "10.00", "20.00", "30.00")
    for invoice, amount in zip(invoices, (10_00, 20_00, 30_00), strict=True):
        desk.pay(invoice, amount)
    desk.deliver()
    desk.work()
    for invoice in invoices:
        names = [one.name for one in of(exported, invoice)]
        assert (names.count("settle"), names.count("post settlement")) == (1, 1)


def test_nothing_in_a_span_is_an_amount_an_account_or_a_destination(desk: Desk, exported: Any):
    invoice = paid_out(desk, "123.45")
    said = [str(value) for one in exported.get_finished_spans() for value in one.attributes.values()]
    secret = ("12345", "acct", "payee", "escrow:", "payable:", "clearing:", "customer")
    assert [one for one in said if any(word in one for word in secret)] == []
    keys = {key for one in of(exported, invoice) for key in one.attributes}
    assert keys <= {"counterfoil.follows", "counterfoil.subject", "counterfoil.attempt", "counterfoil.provider"}
    assert all(not one.events for one in exported.get_finished_spans())


def test_a_call_that_fails_says_of_its_error_only_what_kind_it_is(desk: Desk, exported: Any):
    tracer = OtelTracer(provider_of("x"))
    with pytest.raises(ValueError, match="hunter2"), tracer.span("a", follows="inv_1", under=None, attributes={}) as made:
        raise ValueError("password hunter2")
    assert (made.status.description, made.events) == ("ValueError", ())


def test_a_request_is_under_its_callers_span_and_what_it_asks_is_linked_to_it_in_the_payments_trace(office: Office, exported: Any):
    invoice = office.invoice()["id"]
    exported.clear()
    asked_by = {"traceparent": CALLER}
    because = {"reason": "by mistake"}
    answered = office.ask("POST", f"/api/invoices/{invoice}/cancel", role="operator", key=fresh(), json=because, headers=asked_by)
    assert answered.status_code == 200, answered.text
    [request] = [one for one in exported.get_finished_spans() if one.name.startswith("HTTP POST")]
    assert request.name.startswith("HTTP POST /api/invoices/{"), "the route as it is declared, no id"
    assert (f"{request.context.trace_id:032x}", f"{request.parent.span_id:016x}") == tuple(CALLER.split("-")[1:3])
    assert request.attributes["http.response.status_code"] == 200
    [asked] = of(exported, invoice)
    assert (asked.name, asked.attributes["counterfoil.subject"]) == ("asked invoice.cancel", invoice)
    [link] = asked.links
    assert (link.context.trace_id, link.context.span_id) == (request.context.trace_id, request.context.span_id)


def test_without_a_tracer_no_span_is_made_and_nothing_is_asked(desk: Desk):
    class NoConnection:
        def execute(self, *_: Any) -> None:
            raise AssertionError("it is asked although nobody traces")

    assert spans.followed_by(NoConnection(), "payout", ["po_1"]) == {}  # type: ignore[arg-type]
    assert spans.span_of("a", "inv_1") is spans.spans_of("b", {"x": "y"}) is spans.request_span("c", None)


def test_who_does_not_trace_does_not_import_it():
    code = "import sys, counterfoil.cli.local.commands, counterfoil.api.http.app; print('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
    ],
)
def test_traces_are_made_only_where_it_is_said_where_they_go(said: dict[str, str], wanted: bool):
    assert is_wanted(said) is wanted


def test_what_was_made_is_sent_to_a_collector_before_the_process_ends(monkeypatch: pytest.MonkeyPatch):
    heard: list[tuple[str, str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.path, self.headers["content-type"], gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{collector.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with traced({"OTEL_EXPORTER_OTLP_ENDPOINT": address}, "counterfoil-worker"), spans.span_of("settle", "inv_1"):
            pass
        collector.shutdown()
    [(path, kind, body)] = heard
    assert (path, kind) == ("/v1/traces", "application/x-protobuf")
    assert [word for word in (b"counterfoil-worker", b"settle", b"inv_1") if word not in body] == []
    assert spans.is_traced() is False


def test_where_the_extra_is_not_installed_it_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace.export", None)
    with pytest.raises(Problem, match="not installed"), traced({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}, "x"):
        pass
