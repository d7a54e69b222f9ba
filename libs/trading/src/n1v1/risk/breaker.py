"""The circuit breaker: halts an account after a shock, and lets it trade again after a while or by hand.

What persons halt is not its matter: see n1v1.risk.halts.

    NORMAL ──monitor──> MONITORING          half of the way to a trip; nothing is held back yet
    NORMAL, MONITORING ──trigger──> TRIGGERED ──cool──> COOLING ──recover──> RECOVERY ──calm──> NORMAL
    COOLING, RECOVERY ──trigger──> TRIGGERED                        a second crash during the cooldown is seen
    TRIGGERED ──escalate──> EMERGENCY                               everything is closed; only a person ends it

The clock is market time: a timer is looked at with the bars, so a replay does what the day did. Between the equities
at which anything could change (`watch_below`, `watch_above`) and before the next timer (`wake_ns`) a bar costs three
comparisons.

What it does not do: cancelling entries that rest at the venue when it trips is execution's task.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any

from n1v1.exact import mul_div
from n1v1.kernels import Record, kernel
from n1v1.risk.policy import DAY_NS, DAYS_KEPT, TRIGGER_RING, CooldownMethod
from n1v1.values import INT64_MAX, PPB


class BreakerState(IntEnum):
    NORMAL = 0
    MONITORING = 1
    TRIGGERED = 2
    COOLING = 3
    RECOVERY = 4
    EMERGENCY = 5

    @property
    def is_open(self) -> bool:
        """Whether entries are refused."""
        return self >= BreakerState.TRIGGERED


class Happening(IntEnum):
    TRIGGER = 0
    MONITOR = 1
    COOL = 2
    RECOVER = 3
    CALM = 4
    ESCALATE = 5
    RELEASE = 6


_S, _H = BreakerState, Happening

TRANSITIONS: Mapping[tuple[BreakerState, Happening], BreakerState] = {
    (_S.NORMAL, _H.TRIGGER): _S.TRIGGERED,
    (_S.NORMAL, _H.MONITOR): _S.MONITORING,
    (_S.MONITORING, _H.TRIGGER): _S.TRIGGERED,
    (_S.MONITORING, _H.CALM): _S.NORMAL,
    (_S.TRIGGERED, _H.TRIGGER): _S.TRIGGERED,  # two shocks on two bars: the cooldown begins anew
    (_S.TRIGGERED, _H.COOL): _S.COOLING,
    (_S.TRIGGERED, _H.ESCALATE): _S.EMERGENCY,
    (_S.COOLING, _H.TRIGGER): _S.TRIGGERED,
    (_S.COOLING, _H.RECOVER): _S.RECOVERY,
    (_S.RECOVERY, _H.TRIGGER): _S.TRIGGERED,
    (_S.RECOVERY, _H.CALM): _S.NORMAL,
    (_S.EMERGENCY, _H.CALM): _S.NORMAL,
    # a person may always end a halt, and take the responsibility with a reason
    (_S.TRIGGERED, _H.RELEASE): _S.NORMAL,
    (_S.COOLING, _H.RELEASE): _S.NORMAL,
    (_S.RECOVERY, _H.RELEASE): _S.NORMAL,
    (_S.EMERGENCY, _H.RELEASE): _S.NORMAL,
}

NORMAL = int(BreakerState.NORMAL)
MONITORING = int(BreakerState.MONITORING)
TRIGGERED = int(BreakerState.TRIGGERED)
COOLING = int(BreakerState.COOLING)
RECOVERY = int(BreakerState.RECOVERY)
EMERGENCY = int(BreakerState.EMERGENCY)

_TRIGGER = int(Happening.TRIGGER)
_MONITOR = int(Happening.MONITOR)
_COOL = int(Happening.COOL)
_RECOVER = int(Happening.RECOVER)
_CALM = int(Happening.CALM)
_ESCALATE = int(Happening.ESCALATE)
_RELEASE = int(Happening.RELEASE)

_HAPPENINGS = len(Happening)
_NEXT = tuple(int(TRANSITIONS.get((state, happening), state)) for state in BreakerState for happening in Happening)
"""TRANSITIONS for kernels. What the table does not have changes nothing."""

CAUSE_DRAWDOWN = 1
CAUSE_LOSSES = 2
CAUSE_VOLATILITY = 4
CAUSE_ANOMALY = 8
CAUSE_DAILY_LOSS = 16
"""What tripped it; several at once are added."""

WEIGHTS_PPB = {CAUSE_DRAWDOWN: 600_000_000, CAUSE_LOSSES: 300_000_000, CAUSE_VOLATILITY: 100_000_000}
"""How near to a trip drawdown, losses in a row and volatility bring the account (the original's weights)."""
_DRAWDOWN_WEIGHT = WEIGHTS_PPB[CAUSE_DRAWDOWN]
_LOSSES_WEIGHT = WEIGHTS_PPB[CAUSE_LOSSES]
_MONITOR_FROM = 300_000_000
"""The weighted nearness at which MONITORING begins: half of the allowed drawdown, or a full streak of losses."""

_STANDING_PPB = 950_000_000
"""RECOVERY and NORMAL need this share of the equity at the trip, unless one of the last three trades won. The original
asks for 95 % of the initial balance; an account that has lost that once would never trade again."""
_LAST_TRADES = 3
_NEVER = INT64_MAX
_COOLDOWN_FIXED = int(CooldownMethod.FIXED)
_COOLDOWN_EXPONENTIAL = int(CooldownMethod.EXPONENTIAL)
_PPB = PPB
_DAY = DAY_NS
_RING = TRIGGER_RING
_DAYS = DAYS_KEPT

BREAKER_FIELDS: list[tuple[Any, ...]] = [
    ("equity", "i8"),
    ("peak", "i8"),
    ("day_start_equity", "i8"),
    ("day_end_ns", "i8"),
    ("watch_below", "i8"),
    ("watch_above", "i8"),
    ("wake_ns", "i8"),
    ("breaker_state", "i8"),
    ("breaker_cause", "i8"),
    ("breaker_peak", "i8"),
    ("breaker_losses", "i8"),
    ("breaker_results", "i8"),
    ("breaker_drawdown_ppb", "i8"),
    ("tripped_equity", "i8"),
    ("until_ns", "i8"),
    ("pending_causes", "i8"),
    ("trip_count", "i8"),
    ("trip_ns", "i8", (_RING,)),
    ("day_count", "i8"),
    ("day_equity", "i8", (_DAYS,)),
]
"""Equity and what the breaker knows of it; a part of ACCOUNT. breaker_peak: highest equity since the last trip.
breaker_losses: in a row since then. breaker_results: trades without a win since the last one that won.
breaker_drawdown_ppb, breaker_cause, tripped_equity: of the last trip. until_ns: the timer of the state.
day_equity: at the starts of the last days, number n at n % DAYS_KEPT."""


@kernel
def observe_equity(policy: Record, account: Record, equity: int, ts_ns: int) -> None:
    """The account was marked at the close of a bar time: move peak, day and breaker. Once per bar time, in order."""
    if is_quiet(account, equity, ts_ns):
        account.equity = equity
        return
    if ts_ns >= account.day_end_ns:
        _begin_day(account, equity, ts_ns)
    account.equity = equity
    account.peak = max(account.peak, equity)
    account.breaker_peak = max(account.breaker_peak, equity)
    _look_at_triggers(policy, account, ts_ns)
    _watch(policy, account)


@kernel
def is_quiet(account: Record, equity: int, ts_ns: int) -> bool:
    """Whether an equity at that time changes nothing but the equity."""
    return bool(ts_ns < account.wake_ns and account.watch_below < equity and equity <= account.watch_above)


@kernel
def _begin_day(account: Record, equity: int, ts_ns: int) -> None:
    """A day starts with the equity of its first moment, or with the last known before it."""
    starts_now = ts_ns == account.day_end_ns or account.day_end_ns == 0
    account.day_start_equity = equity if starts_now else account.equity
    account.day_end_ns = (ts_ns // _DAY + 1) * _DAY
    account.day_equity[account.day_count % _DAYS] = account.day_start_equity
    account.day_count += 1


@kernel
def daily_loss_of(account: Record) -> int:
    """Loss since the start of the UTC day, in parts per billion of the equity then; negative for a gain."""
    if account.day_start_equity <= 0:
        return 0
    return mul_div(account.day_start_equity - account.equity, _PPB, account.day_start_equity)


@kernel
def breaker_is_open(account: Record) -> bool:
    return bool(account.breaker_state >= TRIGGERED)


@kernel
def is_held(account: Record) -> bool:
    """Whether it is open and no timer will close it."""
    return bool(account.breaker_state >= TRIGGERED and account.until_ns == _NEVER)


@kernel
def must_flatten(account: Record) -> bool:
    """An emergency: every position is to be closed."""
    return bool(account.breaker_state == EMERGENCY)


@kernel
def note_cause(account: Record, cause: int) -> None:
    """Something seen on a bar (volatility, an anomaly) trips the breaker when the bar time's equity is known."""
    account.pending_causes |= cause
    account.wake_ns = 0


@kernel
def note_trade_result(policy: Record, account: Record, lost: bool) -> None:
    account.breaker_results = account.breaker_results + 1 if lost else 0
    account.breaker_losses = account.breaker_losses + 1 if lost else 0
    if policy.losses_to_trip > 0:
        account.wake_ns = 0


@kernel
def forgive(policy: Record, account: Record) -> None:
    """A person closes it: what was lost until now counts no more."""
    account.breaker_state = _after(account, _RELEASE)
    account.breaker_cause = 0
    account.breaker_peak = account.equity
    account.breaker_losses = 0
    account.pending_causes = 0
    account.until_ns = 0
    account.wake_ns = 0


@kernel
def _look_at_triggers(policy: Record, account: Record, ts_ns: int) -> None:
    causes = _causes(policy, account)
    account.pending_causes = 0
    if account.breaker_state == EMERGENCY:
        return
    if causes:
        _trip(policy, account, causes, ts_ns)
    else:
        _advance(policy, account, ts_ns)


@kernel
def _causes(policy: Record, account: Record) -> int:
    causes = account.pending_causes
    if policy.breaker_drawdown_ppb > 0 and _breaker_drawdown(account) >= policy.breaker_drawdown_ppb:
        causes |= CAUSE_DRAWDOWN
    if policy.losses_to_trip > 0 and account.breaker_losses >= policy.losses_to_trip:
        causes |= CAUSE_LOSSES
    if policy.emergency_loss_ppb > 0 and daily_loss_of(account) >= policy.emergency_loss_ppb:
        causes |= CAUSE_DAILY_LOSS
    return int(causes)


@kernel
def _breaker_drawdown(account: Record) -> int:
    if account.breaker_peak <= 0:
        return 0
    return mul_div(account.breaker_peak - account.equity, _PPB, account.breaker_peak)


@kernel
def _trip(policy: Record, account: Record, causes: int, ts_ns: int) -> None:
    """Halt, and measure the next shock from here: the same loss does not trip it twice."""
    account.trip_ns[account.trip_count % _RING] = ts_ns
    account.trip_count += 1
    account.breaker_drawdown_ppb = _breaker_drawdown(account)
    account.breaker_cause = causes
    account.breaker_peak = account.equity
    account.breaker_losses = 0
    account.tripped_equity = account.equity
    stays_held = is_held(account)
    account.breaker_state = _after(account, _TRIGGER)
    trips = _trips_since(account, ts_ns - policy.trip_window_ns)
    if causes & CAUSE_DAILY_LOSS or (policy.max_trips > 0 and trips > policy.max_trips):
        account.breaker_state = _after(account, _ESCALATE)
        account.until_ns = _NEVER
    elif stays_held or not policy.resumes_by_itself:
        account.until_ns = _NEVER
    else:
        account.until_ns = ts_ns + cooldown_after(policy, trips)


@kernel
def _trips_since(account: Record, since_ns: int) -> int:
    trips = 0
    for back in range(1, min(account.trip_count, _RING) + 1):
        if account.trip_ns[(account.trip_count - back) % _RING] > since_ns:
            trips += 1
    return trips


@kernel
def cooldown_after(policy: Record, trips: int) -> int:
    """How long the n-th trip within the window halts the account, n from 1."""
    length = float(policy.cooldown_ns)
    if policy.cooldown_method == _COOLDOWN_EXPONENTIAL:
        for _ in range(1, trips):
            length *= policy.cooldown_multiplier
    elif policy.cooldown_method != _COOLDOWN_FIXED:
        length *= float(_fibonacci(trips))
    return int(min(length, float(policy.max_cooldown_ns)))


@kernel
def _fibonacci(place: int) -> int:
    """1, 1, 2, 3, 5 for 1, 2, 3, 4, 5."""
    before = 0
    number = 1
    for _ in range(1, place):
        after = before + number
        before = number
        number = after
    return number


@kernel
def _advance(policy: Record, account: Record, ts_ns: int) -> None:
    """Follow the timers; several states may be left at once when bars are longer than they.

    A timer that has run out waits until the account stands again, and the next one counts from then.
    """
    if account.breaker_state == TRIGGERED and account.until_ns != _NEVER:
        account.breaker_state = _after(account, _COOL)
    if account.breaker_state >= COOLING and ts_ns >= account.until_ns and not _stands(account):
        account.until_ns = ts_ns
        return
    if account.breaker_state == COOLING and ts_ns >= account.until_ns:
        account.breaker_state = _after(account, _RECOVER)
        account.until_ns += policy.recovery_ns
    if account.breaker_state == RECOVERY and ts_ns >= account.until_ns:
        account.breaker_state = _after(account, _CALM)
    if account.breaker_state <= MONITORING:
        is_near = _nearness_ppb(policy, account) >= _MONITOR_FROM
        account.breaker_state = _after(account, _MONITOR if is_near else _CALM)


@kernel
def _after(account: Record, happening: int) -> int:
    return int(_NEXT[account.breaker_state * _HAPPENINGS + happening])


@kernel
def _stands(account: Record) -> bool:
    enough = account.equity >= mul_div(account.tripped_equity, _STANDING_PPB, _PPB)
    return bool(enough or account.breaker_results < _LAST_TRADES)


@kernel
def _nearness_ppb(policy: Record, account: Record) -> int:
    nearness = 0
    if policy.breaker_drawdown_ppb > 0:
        nearness += mul_div(_breaker_drawdown(account), _DRAWDOWN_WEIGHT, policy.breaker_drawdown_ppb)
    if policy.losses_to_trip > 0:
        nearness += _LOSSES_WEIGHT * account.breaker_losses // policy.losses_to_trip
    return nearness


@kernel
def _watch(policy: Record, account: Record) -> None:
    """When the next bar has to look again: never later than something could change."""
    account.wake_ns = account.day_end_ns if policy.watches_days else _NEVER
    if account.breaker_state >= TRIGGERED and account.until_ns != _NEVER:
        account.wake_ns = 0 if account.breaker_state == TRIGGERED else min(account.wake_ns, account.until_ns)
    account.watch_above = account.peak
    account.watch_below = -_NEVER
    if policy.emergency_loss_ppb > 0:
        account.watch_below = _not_below(account.day_start_equity, policy.emergency_loss_ppb)
    if policy.breaker_drawdown_ppb > 0:
        account.watch_above = account.breaker_peak
        account.watch_below = max(account.watch_below, _not_below(account.breaker_peak, policy.breaker_drawdown_ppb))
        if account.breaker_state <= MONITORING:
            _watch_nearness(policy, account)


@kernel
def _watch_nearness(policy: Record, account: Record) -> None:
    """The equity at which monitoring begins or ends."""
    losses = account.breaker_losses * _LOSSES_WEIGHT // policy.losses_to_trip if policy.losses_to_trip > 0 else 0
    allowed = mul_div(max(0, _MONITOR_FROM - losses), policy.breaker_drawdown_ppb, _DRAWDOWN_WEIGHT)
    if account.breaker_state == NORMAL:
        account.watch_below = max(account.watch_below, _not_below(account.breaker_peak, allowed))
    else:
        account.watch_above = min(account.watch_above, _not_below(account.breaker_peak, allowed + 2) - allowed - 2)


@kernel
def _not_below(equity: int, loss_ppb: int) -> int:
    """The equity after a loss, or up to loss_ppb quanta more: enough to know when to compute exactly."""
    return int(equity - equity // _PPB * loss_ppb)
