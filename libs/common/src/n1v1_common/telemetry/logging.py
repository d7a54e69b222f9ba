"""Logs: one event a line with fields, the trace it belongs to, and never a secret.

    log = structlog.get_logger()
    log.info("order refused", reason=reason, instrument=symbol)

Records of the standard library's logging (nats, asyncpg, aiohttp) come out in the same form.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TextIO
from urllib.parse import unquote, urlsplit

import structlog
from opentelemetry import trace
from pydantic import BaseModel, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "(secret)"

_SECRET_LENGTH_MIN = 4  # shorter ones would blank out ordinary words, and protect nothing anyway
_URL_PASSWORD = re.compile(r"(?<=://)([^\s:/@]*):[^\s@/]+@")


def configure_logging(
    *,
    service: str,
    level: Literal["debug", "info", "warning", "error"] = "info",
    log_format: Literal["json", "console"] = "json",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Sets up structlog and the standard library's root logger for this process. The last call wins.

    secrets: values that are blanked out wherever they appear in a line, as secrets_of(settings) finds them.
    stream: standard error when not given.
    """
    target = stream if stream is not None else sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    fields = _fields(service)
    render = _without_secrets(_renderer(log_format, target), secrets)
    structlog.configure(
        processors=[*fields, structlog.processors.format_exc_info, render]
        if log_format == "json"
        else [*fields, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=target),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(_foreign_formatter(fields, render, log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)


def secrets_of(settings: BaseModel) -> Iterator[str]:
    """Every secret in the settings, and the password inside those that are URLs."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from secrets_of(value)
        elif isinstance(value, Mapping):
            for part in value.values():
                if isinstance(part, BaseModel):
                    yield from secrets_of(part)
        elif isinstance(value, SecretStr):
            text = value.get_secret_value()
            yield text
            if "://" in text and (password := urlsplit(text).password):
                yield password
                yield unquote(password)


def _fields(service: str) -> list[Processor]:
    def add_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        add_service,
        _add_trace_id,
    ]


def _add_trace_id(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def _renderer(log_format: str, target: TextIO) -> Processor:
    if log_format == "json":
        return structlog.processors.JSONRenderer(serializer=json.dumps, default=str)
    # The exception is written plainly: rich's tracebacks show local variables, and those hold secrets.
    return structlog.dev.ConsoleRenderer(
        colors=target.isatty(), timestamp_key="ts", exception_formatter=structlog.dev.plain_traceback
    )


def _without_secrets(render: Processor, secrets: Iterable[str]) -> Callable[..., str]:
    """Blanks out secrets in the finished line, whichever field, message or traceback they came in by."""
    known = {secret for secret in secrets if len(secret) >= _SECRET_LENGTH_MIN}
    known |= {written[1:-1] for secret in known for written in (json.dumps(secret), repr(secret))}
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def rendered(logger: WrappedLogger, method: str, event: EventDict) -> str:
        line = str(render(logger, method, event))
        if pattern is not None:
            line = pattern.sub(HIDDEN, line)
        return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", line)

    return rendered


def _foreign_formatter(fields: list[Processor], render: Processor, log_format: str) -> logging.Formatter:
    def add_logger_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["logger"] = event["_record"].name
        return event

    finish: list[Processor] = [add_logger_name, structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        finish.append(structlog.processors.format_exc_info)
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=fields, processors=[*finish, render])
