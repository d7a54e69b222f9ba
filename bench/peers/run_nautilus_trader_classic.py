"""nautilus_trader 1, whose engine is in Cython. Same close only, and the same account as in `run_nautilus_trader`.

`python -m bench.peers.run_nautilus_trader_classic DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

from decimal import Decimal
from typing import Any

from nautilus_trader.backtest.engine import (
    BacktestEngine,
    BacktestEngineConfig,
)
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from bench.peers.measure import (
    CASH,
    FAST,
    FEE_RATE,
    FIRST_DECISION,
    MINUTE_NS,
    SLOW,
    Backtest,
    Outcome,
    Prices,
    Task,
    main,
)

VENUE = Venue("PEER")
ONE_COIN = Quantity(1.0, 8)


class Cross(Strategy):  # type: ignore[misc, unused-ignore]  # untyped here
    def __init__(self, config: Any, bar_type: Any) -> None:
        super().__init__(config)
        self.bar_type = bar_type
        self.fast, self.slow = ExponentialMovingAverage(FAST), ExponentialMovingAverage(SLOW)
        self.bars = self.fills = 0
        self.is_long = False

    def on_start(self) -> None:
        self.register_indicator_for_bars(self.bar_type, self.fast)
        self.register_indicator_for_bars(self.bar_type, self.slow)
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Any) -> None:
        self.bars += 1
        if self.bars <= FIRST_DECISION:
            return
        fast, slow = self.fast.value, self.slow.value
        if fast > slow and not self.is_long:
            self._trade(OrderSide.BUY)
        elif fast < slow and self.is_long:
            self._trade(OrderSide.SELL)

    def on_order_filled(self, event: Any) -> None:
        self.fills += 1
        self.is_long = event.order_side == OrderSide.BUY

    def _trade(self, side: Any) -> None:
        self.submit_order(self.order_factory.market(self.bar_type.instrument_id, side, ONE_COIN))


def account(task: Task, prices: Prices) -> Backtest:
    instruments = [_instrument(f"COIN{symbol:03}") for symbol in range(task.symbols)]
    bar_types = [BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL") for instrument in instruments]
    bars = [_bars(bar_type, prices, symbol) for symbol, bar_type in enumerate(bar_types)]

    def run() -> Outcome:
        engine = _engine()
        strategies = []
        for number, (instrument, bar_type) in enumerate(zip(instruments, bar_types, strict=True)):
            engine.add_instrument(instrument)
            engine.add_data(bars[number], validate=False, sort=False)
            strategies.append(Cross(StrategyConfig(order_id_tag=f"{number:03}", log_events=False), bar_type))
            engine.add_strategy(strategies[-1])
        engine.sort_data()
        engine.run()
        dollars = float(engine.portfolio.account(VENUE).balance_total(USDT).as_decimal())
        coins = sum(strategy.is_long * prices.close[symbol, -1] for symbol, strategy in enumerate(strategies))
        fills = sum(strategy.fills for strategy in strategies)
        engine.dispose()
        return Outcome((dollars + float(coins),), fills)

    return run


def _engine() -> Any:
    logging = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=logging, run_analysis=False))
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, starting_balances=[Money(CASH, USDT)])
    return engine


def _instrument(name: str) -> Any:
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol(name), VENUE),
        raw_symbol=Symbol(name),
        base_currency=BTC,
        quote_currency=USDT,
        price_precision=2,
        size_precision=8,
        price_increment=Price(0.01, 2),
        size_increment=Quantity(0.00000001, 8),
        maker_fee=Decimal(str(FEE_RATE)),
        taker_fee=Decimal(str(FEE_RATE)),
        ts_event=0,
        ts_init=0,
    )


def _bars(bar_type: Any, prices: Prices, symbol: int) -> list[Any]:
    rows = zip(*(column[symbol].tolist() for column in prices), strict=True)
    return [
        Bar(
            bar_type,
            Price(open_, 2),
            Price(high, 2),
            Price(low, 2),
            Price(close, 2),
            Quantity(volume, 8),
            open_ns + MINUTE_NS,
            open_ns + MINUTE_NS,
        )
        for open_ns, open_, high, low, close, volume in rows
    ]


if __name__ == "__main__":
    main({"one-symbol": account, "portfolio": account}, packages=("nautilus_trader", "numpy"))
