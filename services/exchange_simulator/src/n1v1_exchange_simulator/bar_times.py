"""Where a market stands, counted in bar times: what those who live on bars move it by, whatever was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from n1v1.events import BarClosed
from n1v1.timeframes import timeframe_ns
from n1v1_exchange_simulator.exchange import Exchange, WrongStep
from n1v1_exchange_simulator.intervals import span_of
from n1v1_exchange_simulator.replay.source import Quality


class BarTimes(Protocol):
    """Steps are counted from 1; step 0 is before the first bar has closed."""

    @property
    def step(self) -> int: ...

    @property
    def close_ns(self) -> int:
        """When the bars of the step closed; before step 1 the beginning of the recording."""

    @property
    def is_done(self) -> bool:
        """No bar will follow."""

    def bars(self) -> Sequence[BarClosed]:
        """Those that closed with the step, by symbol."""

    def advance(self) -> None:
        """To the next step."""


def bar_times_of(exchange: Exchange) -> BarTimes:
    return RecordedBarTimes(exchange) if exchange.source.quality is Quality.BARS else ClockedBarTimes(exchange)


def advance_to(times: BarTimes, step: int) -> None:
    """To `step`, which is the current one or the next: so nobody steps over a bar that he has not seen.

    Raises WrongStep for any other, and past the end of the data.
    """
    here = times.step
    if step == here + 1 and not times.is_done:
        times.advance()
    elif step == here + 1:
        raise WrongStep(f"the data ends at step {here}; there is no step {step}")
    elif step != here:
        raise WrongStep(f"the venue is at step {here}; ask for {here} again or for {here + 1}, not {step}")


class RecordedBarTimes:
    """Over bars: a step of the recording."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def step(self) -> int:
        return self._exchange.step

    @property
    def close_ns(self) -> int:
        return self._exchange.clock_ns

    @property
    def is_done(self) -> bool:
        return self._exchange.is_done

    def bars(self) -> Sequence[BarClosed]:
        return [event for event in self._exchange.last_step if isinstance(event, BarClosed)]

    def advance(self) -> None:
        self._exchange.advance_by(1)


class ClockedBarTimes:
    """Over trades and depth: a stretch of the market's time, as long as a bar. The first may be shorter."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._timeframe = exchange.source.timeframe
        self._length_ns = timeframe_ns(self._timeframe)
        _, self._first_close_ns = span_of(self._timeframe, exchange.source.first_ns)

    @property
    def step(self) -> int:
        since_ns = self._exchange.clock_ns - self._first_close_ns
        return since_ns // self._length_ns + 1  # none, as long as the first has not closed

    @property
    def close_ns(self) -> int:
        return self._close_of(self.step) if self.step else self._exchange.source.first_ns

    @property
    def is_done(self) -> bool:
        return self._exchange.is_done and self._exchange.clock_ns == self.close_ns

    def bars(self) -> Sequence[BarClosed]:
        close_ns, market = self.close_ns, self._exchange.market
        symbols = sorted(instrument.symbol for instrument in self._exchange.instruments)
        return [bar for symbol in symbols for bar in market.bars(symbol, self._timeframe) if bar.ts_ns == close_ns]

    def advance(self) -> None:
        self._exchange.advance_before(self._close_of(self.step + 1))

    def _close_of(self, step: int) -> int:
        return self._first_close_ns + (step - 1) * self._length_ns
