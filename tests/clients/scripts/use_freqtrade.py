"""freqtrade in live mode (dry_run false): it buys, finds its order filled, sells, and keeps it in its database."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

from steps import KEY, REST, SECRET, WS, end, step, until

HOME = Path(os.environ["SCRATCH"]) / "freqtrade"
STRATEGY = """
from freqtrade.strategy import IStrategy

class InAndOut(IStrategy):
    INTERFACE_VERSION = 3
    timeframe = "1m"
    startup_candle_count = 10
    minimal_roi = {"1": -1}
    stoploss = -0.5
    process_only_new_candles = False
    order_types = {"entry": "market", "exit": "market", "stoploss": "market", "stoploss_on_exchange": False}

    def populate_indicators(self, dataframe, metadata):
        return dataframe

    def populate_entry_trend(self, dataframe, metadata):
        dataframe["enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe, metadata):
        return dataframe
"""
CCXT = {
    "urls": {
        "api": {
            "public": f"{REST}/api/v3",
            "private": f"{REST}/api/v3",
            "v1": f"{REST}/api/v1",
            "sapi": f"{REST}/sapi/v1",
            "ws": {"spot": f"{WS}/stream/ws", "margin": f"{WS}/stream/ws", "ws-api": {"spot": f"{WS}/ws-api/v3"}},
        }
    },
    "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
}
CONFIG = {
    "max_open_trades": 1,
    "stake_currency": "BUSD",
    "stake_amount": 1000,
    "dry_run": False,
    "trading_mode": "spot",
    "timeframe": "1m",
    "strategy": "InAndOut",
    "unfilledtimeout": {"entry": 10, "exit": 10, "unit": "minutes"},
    "entry_pricing": {"price_side": "other", "use_order_book": False},
    "exit_pricing": {"price_side": "other", "use_order_book": False},
    "exchange": {"name": "binance", "key": KEY, "secret": SECRET, "ccxt_config": CCXT, "pair_whitelist": ["BTC/BUSD"]},
    "pairlists": [{"method": "StaticPairList"}],
    "initial_state": "running",
    "internals": {"process_throttle_secs": 2},
    "db_url": f"sqlite:///{HOME}/trades.sqlite",
}
PATIENCE_S = 200.0


def started() -> subprocess.Popen[bytes]:
    (HOME / "user_data" / "strategies").mkdir(parents=True)
    (HOME / "user_data" / "strategies" / "in_and_out.py").write_text(STRATEGY)
    (HOME / "config.json").write_text(json.dumps(CONFIG))
    bot = Path(sys.executable).with_name("freqtrade")
    return subprocess.Popen(
        [bot, "trade", "--config", "config.json", "--userdir", "user_data", "--logfile", "freqtrade.log"],
        cwd=HOME,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def rows(query: str) -> list[tuple[object, ...]]:
    if not (HOME / "trades.sqlite").exists():
        return []
    with sqlite3.connect(HOME / "trades.sqlite") as database:
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []  # it makes its tables a moment after the file


def log() -> str:
    path = HOME / "freqtrade.log"
    return path.read_text() if path.exists() else ""


process = started()
try:
    with step("it starts"):
        until(lambda: "Bot heartbeat" in log() or process.poll() is not None, "its first round", 90)
        assert process.poll() is None, log()[-1500:]
    with step("it buys at the venue, and sees the fill"):
        until(
            lambda: rows("select 1 from orders where ft_order_side='buy' and status='closed'"), "the fill", PATIENCE_S
        )
    with step("it sells, and closes the trade with its fees"):
        until(lambda: rows("select 1 from trades where is_open=0 and fee_open_cost > 0"), "the end", PATIENCE_S)
    with step("it says nothing of errors"):
        complaints = [line for line in log().splitlines() if " - ERROR - " in line or "Traceback" in line]
        assert not complaints, complaints[:3]
finally:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
    for line in [line for line in log().splitlines() if "WARNING" in line or "ERROR" in line][:12]:
        print(f"   {line}")
end()
