"""n1v1 trace: an order's way from the bar that caused it to the ledger, as a waterfall."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from n1v1_cli.errors import CommandError, NoStack

if TYPE_CHECKING:
    from n1v1_cli.stack.record import StackRecord

ANSWER_WITHIN_S = 5.0


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "trace",
        help="an order's way from the bar to the ledger, as a waterfall",
        description="Asks reporting for the order's trace and reads its spans from the local span store.",
    )
    parser.add_argument("order", metavar="ORDER", help="id of the order, as n1v1 orders lists it")
    parser.add_argument("--api", metavar="URL", help="address of reporting; default: that of the running stack")
    parser.add_argument(
        "--spans", metavar="DIR", type=Path, help="folder of the span store; default: that of the running stack"
    )


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: no stack runs, reporting does not answer, unknown order, no spans."""
    from n1v1_common.telemetry.spans import load_trace
    from n1v1_common.telemetry.waterfall import render

    api_url, spans_dir = _places(args)
    trace_id = trace_id_of(args.order, api_url)
    spans = load_trace(spans_dir, trace_id)
    if not spans:
        raise CommandError(
            f"no span of trace {trace_id} is in {spans_dir}. Either the order was not sampled "
            "(telemetry.sample_ratio), or spans go to telemetry.otlp_endpoint: look there."
        )
    print(f"order {args.order}")
    print(render(spans), end="")
    return 0


def trace_id_of(order_id: str, api_url: str) -> str:
    """Raises CommandError: reporting does not answer, does not know the order, or the order has no trace."""
    from urllib.parse import quote

    answer = _get_json(f"{api_url.rstrip('/')}/api/v1/orders/{quote(order_id, safe='')}")
    if answer is None:
        raise CommandError(f"there is no order {order_id}. n1v1 orders lists the orders there are")
    trace_id = answer.get("trace_id")
    if not isinstance(trace_id, str) or not trace_id:
        raise CommandError(f"order {order_id} has no trace: it was made while tracing was off")
    return trace_id


def _places(args: argparse.Namespace) -> tuple[str, Path]:
    """Where reporting answers and where the spans are."""
    if args.api is not None and args.spans is not None:
        return args.api, args.spans
    record = _running_stack()
    return args.api or _reporting_url(record), args.spans or Path(record.spans_dir)


def _running_stack() -> StackRecord:
    from n1v1_cli.stack.folder import default_state_dir, stack_is_running
    from n1v1_cli.stack.record import read_record

    state_dir = default_state_dir()
    record = read_record(state_dir)
    if record is None or not stack_is_running(state_dir):
        raise NoStack(state_dir)
    return record


def _reporting_url(record: StackRecord) -> str:
    reporting = record.process("reporting")
    if reporting is None or not reporting.url:
        raise CommandError("the stack runs without reporting, which knows the orders. n1v1 status shows what runs")
    return reporting.url


def _get_json(url: str) -> dict[str, Any] | None:
    """The object at a URL; None when it is answered with 404."""
    import json
    from http import HTTPStatus
    from urllib.error import HTTPError
    from urllib.request import ProxyHandler, build_opener

    if not url.startswith(("http://", "https://")):
        raise CommandError(f"{url}: expected an address that begins with http:// or https://")
    # No proxy: reporting is on this machine or named by its own address.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_WITHIN_S) as answer:
            found = json.load(answer)
    except HTTPError as error:
        if error.code == HTTPStatus.NOT_FOUND:
            return None
        raise CommandError(f"{url} answered {error.code} {error.reason}") from error
    except OSError as error:
        raise CommandError(f"{url} does not answer: {getattr(error, 'reason', error)}") from error
    except ValueError as error:
        raise CommandError(f"{url} did not answer with JSON; is it the address of reporting?") from error
    if not isinstance(found, dict):
        raise CommandError(f"{url} did not answer with an order; is it the address of reporting?")
    return found
