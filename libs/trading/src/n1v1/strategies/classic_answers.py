"""From what a classic strategy answers, a list of dicts or of TradingSignals, to a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from n1v1.errors import InvalidValue, StrategyError, nearest
from n1v1.events import Action, Wish
from n1v1.strategies.base import Verdict
from n1v1.strategies.contracts import SignalStrength, SignalType, TradingSignal
from n1v1.strategies.wishes import stop_wish, wish_of
from n1v1.values import Instrument

_ACTIONS = {
    SignalType.ENTRY_LONG: Action.BUY,
    SignalType.ENTRY_SHORT: Action.SELL,
    # every other one wants to be out; an account that holds one side of a symbol has only one thing to close
    SignalType.EXIT_LONG: Action.CLOSE,
    SignalType.EXIT_SHORT: Action.CLOSE,
    SignalType.STOP_LOSS: Action.CLOSE,
    SignalType.TAKE_PROFIT: Action.CLOSE,
    SignalType.TRAILING_STOP: Action.CLOSE,
}
_KEYS = (
    *("symbol", "action", "strength", "reason", "position_size", "order_type", "price"),
    *("stop_loss", "take_profit", "trailing_stop", "current_price", "timestamp", "metadata"),
    *("stop_price", "time_in_force", "post_only", "execution"),
)
_KINDS = ("market", "limit", "stop", "stop_limit")
_TRAILS = ("percentage", "price", "distance")


def verdict_of(answer: Any, symbol: str, close: float, instrument: Instrument) -> Verdict | None:
    """None when there is no signal. close: of the bar, from which distances are taken.

    Raises StrategyError for what is no answer, for a second signal and for one of another symbol.
    """
    try:
        found = [
            verdict for entry in _entries(answer) if (verdict := _verdict(entry, symbol, close, instrument)) is not None
        ]
    except InvalidValue as wrong:
        raise StrategyError(str(wrong)) from wrong
    if len(found) > 1:
        raise StrategyError(f"{len(found)} signals for {symbol} on one bar, expected at most one")
    return found[0] if found else None


def _entries(answer: Any) -> Sequence[Any]:
    if isinstance(answer, TradingSignal):
        return [answer]
    if not isinstance(answer, list):
        raise StrategyError(f"generate_signals answered {type(answer).__name__}, expected a list of dicts")
    return answer


def _verdict(entry: Any, symbol: str, close: float, instrument: Instrument) -> Verdict | None:
    if isinstance(entry, TradingSignal):
        _concerns(entry.symbol, symbol)
        return _of_trading_signal(entry, close, instrument)
    if not isinstance(entry, dict) or "symbol" not in entry:
        raise StrategyError(f"expected a dict with symbol, action, strength and reason; got {entry!r}")
    _concerns(entry["symbol"], symbol)
    if str(entry.get("action", "")).upper() == "HOLD":
        return None
    return _of_dict(entry, close, instrument)


def _concerns(found: str, symbol: str) -> None:
    if found != symbol:
        raise StrategyError(f"a signal for {found!r}, but the market data is that of {symbol!r}")


def _of_dict(entry: dict[str, Any], close: float, instrument: Instrument) -> Verdict:
    unknown = [key for key in entry if key not in _KEYS]
    if unknown:
        raise StrategyError(f"a signal has no {unknown[0]!r}{nearest(str(unknown[0]), _KEYS)}")
    action = str(entry.get("action", "")).upper()
    if action not in Action.__members__:
        raise StrategyError(f"unknown action {entry.get('action')!r}{nearest(action, Action.__members__)}")
    strength = _strength(entry)
    reason = str(entry.get("reason", ""))
    if not reason:
        raise StrategyError("a signal needs a reason")
    wish = _wish(Action[action], entry, {"size": _share(entry)}, close, instrument)
    return Verdict(Action[action], strength, reason, tuple(_numbers(entry.get("metadata") or {})), wish)


def _strength(entry: dict[str, Any]) -> float:
    if isinstance(entry.get("strength"), SignalStrength):
        return SignalStrength(entry["strength"]).fraction
    strength = _number(entry, "strength", default=1.0)
    if not 0.0 <= strength <= 1.0:
        raise StrategyError(f"strength must lie between 0 and 1, got {strength}")
    return strength


def _share(entry: Mapping[str, Any]) -> float | None:
    if entry.get("position_size") is None:
        return None
    wished = _number(entry, "position_size", default=0.0)
    if not 0.0 < wished <= 1.0:
        raise StrategyError(f"position_size must be more than 0 and at most 1, got {wished}")
    return wished


def _of_trading_signal(signal: TradingSignal, close: float, instrument: Instrument) -> Verdict:
    action = _ACTIONS[signal.signal_type]
    entry = {
        name: getattr(signal, name) for name in ("order_type", "price", "stop_loss", "take_profit", "trailing_stop")
    }
    wish = _wish(action, entry, _amount(signal), close, instrument)
    strength = SignalStrength(signal.signal_strength).fraction
    return Verdict(action, strength, _reason(signal), tuple(_numbers(signal.metadata)), wish)


def _amount(signal: TradingSignal) -> dict[str, Any]:
    """As a share of equity, which is what strategies of the original mean by it, or in base units when it says so."""
    if not signal.amount:
        return {}
    if signal.metadata.get("amount_is_fraction") is False:
        return {"quantity": signal.amount}
    if not 0 < signal.amount <= 1:
        hint = "say metadata={'amount_is_fraction': False} for an amount in base units"
        raise StrategyError(f"amount: expected a share of equity from 0 to 1, got {signal.amount}; {hint}")
    return {"size": float(signal.amount)}


def _reason(signal: TradingSignal) -> str:
    said = signal.metadata.get("reason") or signal.metadata.get("signal_type")
    return str(said or signal.signal_type.name.lower().replace("_", " "))


def _wish(
    action: Action, entry: Mapping[str, Any], size: Mapping[str, Any], close: float, instrument: Instrument
) -> Wish:
    """size: the argument of `wish_of` that says how large."""
    execution = entry.get("execution")
    if action is Action.CLOSE:
        wished = wish_of(side=1, close=close, instrument=instrument, **size, execution=execution)
        return Wish(fraction_ppb=wished.fraction_ppb, style=wished.style)
    if action is Action.MOVE_STOP:
        return stop_wish(_price(entry, "stop_loss"), instrument)
    side = 1 if action is Action.BUY else -1
    return wish_of(
        side=side,
        close=close,
        instrument=instrument,
        **size,
        stop_price=_price(entry, "stop_loss"),
        target_price=_price(entry, "take_profit"),
        trail=_trail(entry.get("trailing_stop"), close, side),
        limit=_limit(entry),
        trigger=_trigger(entry),
        time_in_force=entry.get("time_in_force"),
        post_only=bool(entry.get("post_only")),
        execution=execution,
    )


def _limit(entry: Mapping[str, Any]) -> Any:
    kind = _kind(entry)
    if kind not in ("limit", "stop_limit"):
        return None
    if entry.get("price") is None:
        raise StrategyError(f"a {kind.replace('_', '-')} order needs a price")
    return entry["price"]


def _trigger(entry: Mapping[str, Any]) -> Any:
    kind = _kind(entry)
    if kind not in ("stop", "stop_limit"):
        return None
    if entry.get("stop_price") is None:
        raise StrategyError(f"a {kind.replace('_', '-')} order needs a stop_price")
    return entry["stop_price"]


def _kind(entry: Mapping[str, Any]) -> str:
    order_type = entry.get("order_type")
    kind = str(getattr(order_type, "value", order_type) or "market").lower()
    if kind not in _KINDS:
        raise StrategyError(f"order_type: expected {', '.join(_KINDS)}; got {order_type!r}{nearest(kind, _KINDS)}")
    return kind


def _trail(given: Any, close: float, side: int) -> float | None:
    """A share of the price, or {'percentage': share}, {'distance': in quote currency}, {'price': where it is now}."""
    if given is None:
        return None
    if not isinstance(given, dict):
        return _trail_share(given)
    ways = [name for name in _TRAILS if given.get(name) is not None]
    if len(ways) != 1 or len(given) != 1:
        raise StrategyError(f"trailing_stop: expected one of {', '.join(_TRAILS)}; got {given!r}")
    number = _number(given, ways[0], default=0.0)
    if ways[0] == "percentage":
        return _trail_share(number)
    return _trail_share((number if ways[0] == "distance" else (close - number) * side) / close)


def _trail_share(given: Any) -> float:
    share = _number({"trailing_stop": given}, "trailing_stop", default=0.0)
    if not 0.0 < share < 1.0:
        raise StrategyError(f"trailing_stop: expected a share of the price between 0 and 1, got {share:g}")
    return share


def _price(entry: Mapping[str, Any], name: str) -> float | None:
    return None if entry.get(name) is None else _number(entry, name, default=0.0)


def _number(entry: Mapping[str, Any], name: str, *, default: float) -> float:
    try:
        return float(entry.get(name, default))
    except (TypeError, ValueError):
        raise StrategyError(f"{name} must be a number, got {entry[name]!r}") from None


def _numbers(metadata: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in metadata.items():
        if not isinstance(value, bool | str):
            try:
                yield str(name), float(value)
            except (TypeError, ValueError):
                continue  # metadata may hold anything; only numbers can be shown with the reason
