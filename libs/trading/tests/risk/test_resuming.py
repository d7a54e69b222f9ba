"""After an operator has closed the breaker, the drawdown counts from the equity of that moment."""

from __future__ import annotations

from n1v1.events import BarsComplete, BreakerChanged, BreakerCommand, EquityMarked, Event, SignalsComplete
from n1v1.risk.policy import RiskPolicy
from n1v1.risk.stage import Risk
from n1v1.values import Instrument, to_ppb

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")
POLICY = RiskPolicy(
    position_fraction_ppb=to_ppb("0.1"),
    max_position_ppb=to_ppb("0.5"),
    max_drawdown_ppb=to_ppb("0.1"),
    breaker_drawdown_ppb=to_ppb("0.1"),
    max_positions=5,
    cost_ppb=0,
    valid_for_ns=1,
)


def marked(ts_ns: int, equity: int) -> EquityMarked:
    return EquityMarked(
        id=f"equity:{ts_ns}", ts_ns=ts_ns, account="main", cash=equity, equity=equity, peak=1_000, fees=0
    )


def changes(said: list[Event]) -> list[bool]:
    return [event.is_open for event in said if isinstance(event, BreakerChanged)]


def test_a_breaker_that_was_closed_by_hand_opens_again_only_after_a_new_drawdown() -> None:
    risk = Risk(account="main", instruments=[BTC], policy=POLICY)

    def at(ts_ns: int, equity: int) -> list[bool]:
        complete = SignalsComplete(id=f"s{ts_ns}", ts_ns=ts_ns, partition=0, signals=0)
        bars = BarsComplete(id=f"b{ts_ns}", ts_ns=ts_ns, symbols=(), sequence=ts_ns)
        return changes([*risk.handle(bars), *risk.handle(complete), *risk.handle(marked(ts_ns, equity))])

    assert at(1, 1_000) == []
    assert at(2, 900) == [True]
    resume = BreakerCommand(id="c", ts_ns=3, account="main", open=False, reason="checked", actor="ada")
    assert changes(risk.handle(resume)) == [False]
    assert at(4, 890) == []
    assert at(5, 811) == []  # 9.89 % below 900
    assert at(6, 810) == [True]
