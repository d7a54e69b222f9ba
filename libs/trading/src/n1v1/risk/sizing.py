"""How large an entry is, as a fraction of equity: every method answers in that one unit (parts per billion).

A method that knows what it may lose and how far away the loss is cut (`risk`, `distance`) asks for the fraction whose
loss over that distance is the risk: risk x price / distance. In the original the same quotient was a quantity of the
base currency and was taken for an amount of quote currency.
"""

from __future__ import annotations

from n1v1.exact import mul_div
from n1v1.kernels import Record, kernel
from n1v1.risk.policy import SizingMethod
from n1v1.values import PPB

_PPB = PPB
_FIXED_PERCENT = int(SizingMethod.FIXED_PERCENT)
_FIXED_FRACTIONAL = int(SizingMethod.FIXED_FRACTIONAL)
_ADAPTIVE_ATR = int(SizingMethod.ADAPTIVE_ATR)
_VOLATILITY = int(SizingMethod.VOLATILITY)
_KELLY = int(SizingMethod.KELLY)
_MARTINGALE = int(SizingMethod.MARTINGALE)

NO_STOP = -1
NO_RANGE = -2
NO_EDGE = -3
"""Why a method has no answer: it needs a stop, or an ATR, or says that there is nothing to win."""


@kernel
def wanted_fraction(policy: Record, account: Record, symbol: Record, price: int, stop_distance: int) -> int:
    """The fraction of equity that the policy's method asks for, which limits may cut; negative: see NO_STOP."""
    method = policy.sizing_method
    if method == _FIXED_PERCENT:
        return int(policy.fixed_percent_ppb)
    if method == _FIXED_FRACTIONAL:
        return _at_risk(policy.risk_per_trade_ppb, price, stop_distance) if stop_distance > 0 else NO_STOP
    if method == _ADAPTIVE_ATR:
        return _over_range(policy.risk_per_trade_ppb, price, policy.atr_k * symbol.market.atr_ticks)
    if method == _VOLATILITY:
        return _over_range(policy.position_fraction_ppb, price, symbol.market.atr_ticks)
    if method == _KELLY:
        return kelly_ppb(policy, account)
    if method == _MARTINGALE:
        return int(policy.position_fraction_ppb << min(account.losses_in_a_row, policy.martingale_max_streak))
    return int(policy.position_fraction_ppb)


@kernel
def _at_risk(risk_ppb: int, price: int, distance: int) -> int:
    return mul_div(risk_ppb, price, distance)


@kernel
def _over_range(risk_ppb: int, price: int, distance: float) -> int:
    if distance <= 0.0:
        return NO_RANGE
    return _at_risk(risk_ppb, price, max(1, int(distance)))


@kernel
def kelly_ppb(policy: Record, account: Record) -> int:
    """kelly_fraction x (w - (1 - w) / R) with win rate w and payoff R (mean win / mean loss) of the closed trades.

    Both are pulled towards what the policy assumes, as if kelly_prior_trades trades had shown that (Kelly, 1956; the
    half because the formula takes its inputs for certain).
    """
    trades = float(account.win_count + account.loss_count)
    prior = float(policy.kelly_prior_trades)
    win_rate = (float(account.win_count) + prior * policy.kelly_win_rate) / (trades + prior)
    payoff = (trades * _measured_payoff(policy, account) + prior * policy.kelly_payoff) / (trades + prior)
    fraction = policy.kelly_fraction * (win_rate - (1.0 - win_rate) / payoff)
    return int(fraction * 1e9) if fraction > 0.0 else NO_EDGE


@kernel
def _measured_payoff(policy: Record, account: Record) -> float:
    """The assumed one while there is no win or no loss to compare."""
    if account.won_ppb <= 0 or account.lost_ppb <= 0:
        return float(policy.kelly_payoff)
    mean_win = float(account.won_ppb) / float(account.win_count)
    mean_loss = float(account.lost_ppb) / float(account.loss_count)
    return mean_win / mean_loss
