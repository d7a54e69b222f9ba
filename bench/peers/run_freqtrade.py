"""freqtrade's backtest, with an exchange that is described here instead of asked for.

Next open: its only convention. It sells what is held at the end; that sale is taken back, so that the last equity is
marked at the last close like everybody's.

`python -m bench.peers.run_freqtrade DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

import logging
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
from freqtrade.enums import RunMode
from freqtrade.exchange import Exchange
from freqtrade.optimize.backtesting import Backtesting
from freqtrade.strategy import IStrategy

from bench.peers.measure import CASH, FAST, FEE_RATE, SLOW, Backtest, Outcome, Prices, Task, decisions, main

PAIR = "BTC/USDT"
MARKET = {
    "id": "BTCUSDT",
    "symbol": PAIR,
    "base": "BTC",
    "quote": "USDT",
    "active": True,
    "spot": True,
    "swap": False,
    "type": "spot",
    "linear": None,
    "contractSize": None,
    "taker": FEE_RATE,
    "maker": FEE_RATE,
    "precision": {"amount": 1e-8, "price": 0.01},
    "limits": {name: {"min": None, "max": None} for name in ("amount", "price", "cost", "leverage")},
    "info": {},
}


class FreqtradeCross(IStrategy):  # type: ignore[misc, unused-ignore]  # untyped here
    INTERFACE_VERSION = 3
    timeframe = "1m"
    minimal_roi: ClassVar[dict[str, float]] = {"0": 1_000.0}
    stoploss = -0.99
    startup_candle_count = 0

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: Any) -> pd.DataFrame:
        for name, period in (("fast", FAST), ("slow", SLOW)):
            dataframe[name] = dataframe["close"].ewm(span=period, adjust=False).mean()
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: Any) -> pd.DataFrame:
        is_long, _ = _decided(dataframe)
        dataframe["enter_long"] = is_long.astype(int)
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: Any) -> pd.DataFrame:
        _, is_flat = _decided(dataframe)
        dataframe["exit_long"] = is_flat.astype(int)
        return dataframe

    def custom_stake_amount(self, pair: str, current_time: datetime, current_rate: float, **others: Any) -> float:
        return current_rate  # one coin


def one_symbol(task: Task, prices: Prices) -> Backtest:
    logging.disable(logging.WARNING)
    columns = {name: getattr(prices, name)[0] for name in ("open", "high", "low", "close", "volume")}
    bars = pd.DataFrame({"date": pd.to_datetime(prices.open_ns[0], utc=True), **columns})
    library = _library()
    strategy = library.strategylist[0]

    def run() -> Outcome:
        library._set_strategy(strategy)
        processed = strategy.advise_all_indicators({PAIR: bars.copy()})
        done = library.backtest(processed, bars["date"].iloc[0], bars["date"].iloc[-1])
        return _outcome(done["results"])

    return run


def _decided(bars: pd.DataFrame) -> Any:
    return decisions(bars["fast"].to_numpy(), bars["slow"].to_numpy())


def _outcome(trades: pd.DataFrame) -> Outcome:
    left_open = trades[trades["exit_reason"] == "force_exit"]
    fee_taken_back = (left_open["close_rate"] * left_open["amount"] * FEE_RATE).sum()
    return Outcome((CASH + float(trades["profit_abs"].sum() + fee_taken_back),), 2 * len(trades) - len(left_open))


def _library() -> Any:
    config = _settings()
    exchange = Exchange(config, validate=False)
    exchange._markets = {PAIR: MARKET}
    return Backtesting(config, exchange)


def _settings() -> dict[str, Any]:
    """A new dictionary each time: it is changed by whoever gets it."""
    return {
        "runmode": RunMode.BACKTEST,
        "user_data_dir": Path(tempfile.gettempdir()),
        "exchange": {"name": "binance", "pair_whitelist": [PAIR], "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "tradable_balance_ratio": 1.0,
        "dry_run": True,
        "dry_run_wallet": CASH,
        "max_open_trades": 1,
        "fee": FEE_RATE,
        "timeframe": "1m",
        "strategy": FreqtradeCross.__name__,
        "strategy_path": str(Path(__file__).parent),
        "entry_pricing": {"price_side": "same", "use_order_book": False},
        "exit_pricing": {"price_side": "same", "use_order_book": False},
        "internals": {},
    }


if __name__ == "__main__":
    main({"one-symbol": one_symbol}, packages=("freqtrade", "numpy", "pandas"))
