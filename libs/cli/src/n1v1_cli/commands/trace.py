"""n1v1 trace: an order's way from the bar that caused it to the ledger, as a waterfall."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from n1v1_cli.errors import CommandError, NoStack
from n1v1_cli.reporting_api import ask

if TYPE_CHECKING:
    from n1v1_cli.stack.record import StackRecord

NEWEST = "last"


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    parser = subparsers.add_parser(
        "trace",
        help="an order's way from the bar to the ledger, as a waterfall",
        description="Asks reporting for the order's trace and reads its spans from the local span store.",
    )
    parser.add_argument(
        "order", metavar="ORDER", help="id of the order, as n1v1 orders lists it, or last for the newest"
    )
    parser.add_argument("--api", metavar="URL", help="address of reporting; default: that of the running stack")
    parser.add_argument(
        "--spans", metavar="DIR", type=Path, help="folder of the span store; default: that of the running stack"
    )


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: no stack runs, reporting does not answer, unknown order, no spans."""
    from n1v1_common.telemetry.spans import load_trace
    from n1v1_common.telemetry.waterfall import render

    api_url, spans_dir = _places(args)
    order_id = newest_order(api_url) if args.order == NEWEST else args.order
    trace_id = trace_id_of(order_id, api_url)
    spans = load_trace(spans_dir, trace_id)
    if not spans:
        raise CommandError(
            f"no span of trace {trace_id} is in {spans_dir}. Either the order was not sampled "
            "(telemetry.sample_ratio), or spans go to telemetry.otlp_endpoint: look there."
        )
    print(f"order {order_id}")
    print(render(spans), end="")
    return 0


def newest_order(api_url: str) -> str:
    """Raises CommandError when there is no order yet."""
    orders = ask(api_url, "orders", {"limit": 1})["orders"]
    if not orders:
        raise CommandError("there is no order yet")
    return str(orders[0]["id"])


def trace_id_of(order_id: str, api_url: str) -> str:
    """Raises CommandError: reporting does not answer, does not know the order, or the order has no trace."""
    trace_id = ask(api_url, f"orders/{quote(order_id, safe='')}").get("trace_id")
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
