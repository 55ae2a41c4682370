"""Spans by OpenTelemetry's SDK, set up by its own variables (`OTEL_*`). Needs the extra `otel`; without an endpoint nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from counterfoil import __version__
from counterfoil.base.problems import Problem
from counterfoil.base.tracing.spans import trace_id_of, use_tracer

EXTRA: Final = "counterfoil[otel]"
ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_wanted: ContextVar[int | None] = ContextVar("wanted_trace", default=None)


class TracesNeedOtel(Problem, kind="invalid"):
    """Where traces go is set, and what makes and sends them is not installed."""

    todo = "Install counterfoil[otel], or take OTEL_EXPORTER_OTLP_ENDPOINT away."


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Is it said where traces go, and neither the SDK nor its exporter of traces turned off?"""
    off = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or environ.get("OTEL_TRACES_EXPORTER", "").strip() == "none"
    return not off and any(environ.get(name, "").strip() for name in ENDPOINTS)


def start_tracing(environ: Mapping[str, str], service: str) -> Any:
    """Make spans and send them to where `OTEL_EXPORTER_OTLP_ENDPOINT` says, in this process; what sends them, to be shut down at its end,
    or None where nothing says so. Raises TracesNeedOtel."""
    if not is_wanted(environ):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracesNeedOtel(extra=EXTRA) from error
    provider = provider_of(service)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use_tracer(OtelTracer(provider))
    return provider


@contextmanager
def traced(environ: Mapping[str, str], service: str) -> Iterator[None]:
    """While a process works: what it made is sent when it ends, too."""
    provider = start_tracing(environ, service)
    try:
        yield
    finally:
        if provider is not None:
            use_tracer(None)
            provider.shutdown()


def provider_of(service: str) -> Any:
    """A provider of spans whose ids of traces are those that are wanted; `OTEL_SERVICE_NAME` goes over the name that is given."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """A trace of its own, unless one is wanted."""

        def generate_trace_id(self) -> int:
            return _wanted.get() or int(super().generate_trace_id())

    # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes over ours.
    said = OTELResourceDetector().detect()
    ours = Resource.create({"service.name": service, "service.version": __version__})
    return TracerProvider(resource=ours.merge(said), id_generator=Ids())


class OtelTracer:
    """Makes spans with a provider of the SDK."""

    def __init__(self, provider: Any) -> None:
        """The provider says where they go."""
        self._tracer = provider.get_tracer("counterfoil", __version__)

    @contextmanager
    def span(self, name: str, *, follows: str | None, under: Any, attributes: Mapping[str, str | int]) -> Iterator[Any]:
        """See Tracer. Begun inside a span of another trace, such as a request's, it is linked to that one."""
        from opentelemetry import trace
        from opentelemetry.context import Context

        around, kind = trace.get_current_span(), trace.SpanKind.INTERNAL
        if follows is None:
            context, kind = _of_caller(under), trace.SpanKind.SERVER
        else:
            context = trace.set_span_in_context(under, Context()) if under is not None else Context()
            attributes = {**attributes, "counterfoil.follows": follows}
        wanted = int(trace_id_of(follows), 16) if follows else None
        links = [trace.Link(around.get_span_context())] if _is_of_another(around, wanted) else []
        token = _wanted.set(wanted)
        try:
            made = self._tracer.start_span(name, context=context, kind=kind, attributes=attributes, links=links)
        finally:
            _wanted.reset(token)
        # What an exception says may be a secret: its kind alone is told.
        with trace.use_span(made, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield made
            except BaseException as error:
                made.set_status(trace.StatusCode.ERROR, type(error).__name__)
                raise


def _is_of_another(around: Any, wanted: int | None) -> bool:
    context = around.get_span_context()
    return bool(context.is_valid and wanted is not None and context.trace_id != wanted)


def _of_caller(traceparent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": traceparent} if traceparent else {}, context=Context())
