"""nautilus_trader 2, whose engine is in Rust, with a strategy in Python.

Same close only: an order sent in `on_bar` is matched at once, when the market stands at that bar's close. Fees are in a
currency of eight decimals, so that none is rounded to cents. One account; each symbol pays with the same dollars.

`python -m bench.peers.run_nautilus_trader DATA ...`
"""

# mypy: disable-error-code="import-not-found"
# installed in the environment of the peer
from __future__ import annotations

from decimal import Decimal
from typing import Any

from nautilus_trader.backtest import (
    BacktestEngine,
    BacktestEngineConfig,
)
from nautilus_trader.common import LoggerConfig
from nautilus_trader.execution import MakerTakerFeeModel
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model import (
    AccountType,
    Bar,
    BarType,
    Currency,
    CurrencyPair,
    InstrumentId,
    Money,
    OmsType,
    OrderSide,
    Price,
    Quantity,
    Symbol,
    Venue,
)
from nautilus_trader.trading import Strategy, StrategyConfig

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
DOLLAR = Currency.from_str("USDT")
ONE_COIN = Quantity(1.0, 8)
"""Made once: strategies and bars share what never changes."""


class Cross(Strategy):  # type: ignore[misc, unused-ignore]  # untyped here
    def __new__(cls, config: Any, bar_type: Any) -> Any:
        return super().__new__(cls, config)

    def __init__(self, config: Any, bar_type: Any) -> None:
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
        dollars = float(engine.portfolio.account(VENUE).balance_total(DOLLAR).as_decimal())
        coins = sum(strategy.is_long * prices.close[symbol, -1] for symbol, strategy in enumerate(strategies))
        fills = sum(strategy.fills for strategy in strategies)
        engine.dispose()
        return Outcome((dollars + float(coins),), fills)

    return run


def _engine() -> Any:
    logging = LoggerConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=logging, bypass_logging=True, run_analysis=False))
    rate = Decimal(str(FEE_RATE))
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.CASH,
        [Money(CASH, DOLLAR)],
        fee_model=MakerTakerFeeModel(rate, rate),
    )
    return engine


def _instrument(name: str) -> Any:
    return CurrencyPair(
        instrument_id=InstrumentId(Symbol(name), VENUE),
        raw_symbol=Symbol(name),
        base_currency=Currency.from_str("BTC"),
        quote_currency=DOLLAR,
        price_precision=2,
        size_precision=8,
        price_increment=Price(0.01, 2),
        size_increment=Quantity(0.00000001, 8),
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
    main({"one-symbol": account, "portfolio": account}, packages=("nautilus_trader",))
