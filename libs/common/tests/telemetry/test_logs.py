"""Logs: fields, the trace they belong to, other libraries' records, and secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from n1v1_common.settings.load import load
from n1v1_common.telemetry.logging import configure_logging, secrets_of
from n1v1_common.telemetry.tracing import tracing_to

SECRET = 'p4ss"word\\x'


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_has_its_time_level_service_and_fields() -> None:
    stream = io.StringIO()
    configure_logging(service="risk", stream=stream)
    structlog.get_logger().info("order refused", reason="max_drawdown", instrument="BTC-USD")
    structlog.get_logger().debug("not written at level info")
    [line] = _lines(stream)
    assert line.pop("ts").endswith("Z")
    assert line == {
        "event": "order refused",
        "level": "info",
        "service": "risk",
        "reason": "max_drawdown",
        "instrument": "BTC-USD",
    }


def test_an_event_inside_a_span_names_its_trace() -> None:
    stream = io.StringIO()
    configure_logging(service="risk", stream=stream)
    tracing = tracing_to(InMemorySpanExporter(), service="risk")
    with tracing.span("risk.decide") as span:
        structlog.get_logger().info("inside")
        logging.getLogger("asyncpg").warning("from a library")
    structlog.get_logger().info("outside")
    tracing.shutdown()
    inside, library, outside = _lines(stream)
    assert inside["trace_id"] == library["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert "trace_id" not in outside


def test_records_of_the_standard_library_come_out_in_the_same_form() -> None:
    stream = io.StringIO()
    configure_logging(service="risk", stream=stream)
    try:
        int("of theirs")
    except ValueError:
        logging.getLogger("nats.client").exception("connection %s lost", 7)
    [line] = _lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("connection 7 lost", "error", "nats.client")
    assert "ValueError: invalid literal for int() with base 10: 'of theirs'" in line["exception"]


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_secrets_are_blanked_out_in_fields_messages_and_tracebacks(log_format: Any) -> None:
    env = {
        "N1V1__EXCHANGE__API_SECRET": SECRET,
        "N1V1__POSTGRES__DSN": "postgresql://n1v1:hunter%2Fhunter@db:5432/n1v1",
    }
    stream = io.StringIO()
    settings = load((), env, ()).settings
    configure_logging(service="x", log_format=log_format, secrets=secrets_of(settings), stream=stream)
    log = structlog.get_logger()
    log.info("given", key=SECRET, deep={"a": [SECRET]})
    log.info(f"the password is hunter/hunter, from {settings.postgres.dsn.get_secret_value()}")
    log.info("somebody else's", url="nats://user:unheard-of@host:4222")
    try:
        int(SECRET)
    except ValueError:
        log.exception("failed")
        logging.getLogger("ccxt").exception("failed there too")
    written = stream.getvalue()
    assert len(written.splitlines()) >= 5
    for secret in (
        SECRET,
        json.dumps(SECRET)[1:-1],
        repr(SECRET)[1:-1],
        "hunter/hunter",
        "hunter%2Fhunter",
        "unheard-of",
    ):
        assert secret not in written


def test_console_logs_are_for_eyes() -> None:
    stream = io.StringIO()
    configure_logging(service="risk", log_format="console", stream=stream)
    structlog.get_logger().warning("breaker tripped", account="main")
    assert "breaker tripped" in stream.getvalue()
    assert "account=main" in stream.getvalue()
