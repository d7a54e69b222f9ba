"""The command line of the original framework (`python main.py`), said in our commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

MODES = ("paper", "live", "backtest")
CONFIG = Path("config.json")
"""Read from the working directory when it is there, as the original did."""

API_HOST, API_PORT = "0.0.0.0", 8000  # noqa: S104  # the address that the original README promises
WEB_VARIABLE = "USE_FASTAPI"

# The table of the original: its rows in its order.
STATUS_ROWS = (
    "Mode",
    "Status",
    "Balance",
    "Equity",
    "Active Orders",
    "Open Positions",
    "Total PnL",
    "Win Rate",
)
UNKNOWN = "–"


def main(words: Sequence[str]) -> int:
    """Run what the original command line asks for; returns the exit code."""
    args = _parser().parse_args(words)
    if args.status:
        return _status()
    from n1v1_cli.main import main as n1v1

    return n1v1(command_of(args, os.environ, has_config=CONFIG.exists()))


def command_of(args: argparse.Namespace, env: Mapping[str, str], *, has_config: bool) -> list[str]:
    """The words of `n1v1` that do the same."""
    config = ["-c", str(CONFIG)] if has_config else []
    if args.mode == "backtest":
        strategies = [word for name in args.strategy for word in ("--strategy", name)]
        return ["backtest", *strategies, *config]
    overrides = [f"environment.mode={args.mode}"] if args.mode else []
    if args.strategy:
        overrides.append(f"strategies.active_strategies={','.join(args.strategy)}")
    if args.api or wants_web(env):
        overrides += [f"services.reporting.host={API_HOST}", f"services.reporting.port={API_PORT}"]
    return ["up", *config, *(word for override in overrides for word in ("--set", override))]


def wants_web(env: Mapping[str, str]) -> bool:
    return env.get(WEB_VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="main.py",
        allow_abbrev=False,
        description="The original framework's command line. Settings come from config.json, when there is one.",
    )
    parser.add_argument("--mode", choices=MODES, help="paper unless config.json says otherwise; live needs keys")
    parser.add_argument("--strategy", metavar="NAME", action="append", default=[], help="as in ema_cross")
    parser.add_argument("--api", action="store_true", help=f"serve the API on {API_HOST}:{API_PORT} as well")
    parser.add_argument("--status", action="store_true", help="what the running engine does, as a table")
    return parser


def _status() -> int:
    """0 also when nothing runs: that is an answer. 1 when the engine runs and does not answer."""
    from n1v1_cli.errors import CommandError, NoStack
    from n1v1_cli.tables import print_table

    try:
        values = running_status()
    except NoStack:
        values = stopped_status()
    except CommandError as error:
        print(f"main.py: {error}", file=sys.stderr)
        return error.exit_code
    print_table(("Metric", "Value"), [(row, values[row]) for row in STATUS_ROWS])
    return 0


def running_status() -> dict[str, str]:
    """Raises NoStack when nothing runs, CommandError when reporting does not answer."""
    from n1v1_cli.reporting_api import ask

    status, marks = ask(None, "status"), ask(None, "equity", {"points": 2})["equity_curve"]
    positions = ask(None, "positions")
    held = [position for position in positions["positions"] if float(position["quantity"])]
    open_orders = [order for order in ask(None, "orders", {"limit": MOST_ORDERS})["orders"] if order["status"] in OPEN]
    return {
        "Mode": str(status["mode"]).upper(),
        "Status": "PAUSED" if status["paused"] else "RUNNING",
        "Balance": _amount(marks[-1]["balance"], positions["quote"]) if marks else UNKNOWN,
        "Equity": _amount(marks[-1]["equity"], positions["quote"]) if marks else UNKNOWN,
        "Active Orders": f"{len(open_orders):,}",
        "Open Positions": f"{len(held):,}",
        **(_traded(positions["quote"]) if marks else {"Total PnL": UNKNOWN, "Win Rate": UNKNOWN}),
    }


MOST_ORDERS = 10_000
"""As many as reporting tells at once, newest first; older ones are long done."""
OPEN = ("APPROVED", "SUBMITTED", "ACCEPTED", "PARTIALLY_FILLED", "UNKNOWN")
"""States of an order that is not done: see `n1v1.run_hash.order_state`."""


def _traded(quote: str) -> dict[str, str]:
    from n1v1_cli.reporting_api import ask

    found = ask(None, "performance")
    rate = found["win_rate"]
    return {
        "Total PnL": _amount(found["total_pnl"], quote),
        "Win Rate": UNKNOWN if rate is None else f"{rate:.2%}",
    }


def stopped_status() -> dict[str, str]:
    """What the settings say while nothing runs."""
    from n1v1_cli.options import load_settings

    files = [CONFIG] if CONFIG.exists() else []
    settings: Any = load_settings(argparse.Namespace(config=files, overrides=[])).settings
    return {**dict.fromkeys(STATUS_ROWS, UNKNOWN), "Mode": settings.environment.mode.upper(), "Status": "STOPPED"}


def _amount(text: str, quote: str) -> str:
    return f"{float(text):,.2f} {quote}"
