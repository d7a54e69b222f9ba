"""What goes into the account pass and what comes out of it, as records."""

from __future__ import annotations

import numpy as np

SIGNAL = np.dtype([("step", "i8"), ("symbol", "i8"), ("instance", "i8"), ("action", "i8"), ("wish", "i8")])
"""One signal. symbol, instance: places in the order of names. wish: a place in the table of wishes. Sorted by all."""

DECISION_MADE = np.dtype([("reason", "i8"), ("order", "i8"), ("is_exit", "i8")])
"""For each signal: why it was refused, 0 when it was approved; then its order, else -1."""

ORDER_SENT = np.dtype(
    [
        ("symbol", "i8"),
        ("step", "i8"),
        ("signal", "i8"),
        ("entry", "i8"),
        ("purpose", "i8"),
        ("kind", "i8"),
        ("sign", "i8"),
        ("lots", "i8"),
        ("filled_lots", "i8"),
        ("state", "i8"),
    ]
)
"""signal: -1 for an order of risk's own. entry: the order that a leg protects, else -1. purpose: a place in
`n1v1.risk.account.PURPOSES`; kind, state: as in `n1v1.simulation.records`, and REJECTED."""

REJECTED = 99
"""The venue did not accept it."""

FILL_MADE = np.dtype(
    [
        ("step", "i8"),
        ("order", "i8"),
        ("ts_ns", "i8"),
        ("lots", "i8"),
        ("ticks", "i8"),
        ("value", "i8"),
        ("fee", "i8"),
        ("is_maker", "i8"),
        ("decided_by", "i8"),
    ]
)

TOTALS = np.dtype(
    [(name, "i8") for name in ("orders", "fills", "fees", "waiting", "free_cash", "step", "missed", "missed_value")]
)
"""orders, fills: how many were written. fees: in quanta. waiting: approvals not sent yet. free_cash: what the account
may still spend at the venue, in quanta. step: the bar time at work. missed, missed_value: limits that a bar touched
without a fill."""

RESULT = np.dtype(
    [(name, "i8") for name in ("orders", "fills", "fees", "missed", "missed_value", "wins", "losses", "equity")]
    + [(name, "f8") for name in ("drawdown", "mean", "deviation")]
)
"""What is left of an account when its market ends. The first five as in TOTALS; equity: the last one, in quanta.
drawdown: the largest loss from a peak, as a fraction; mean, deviation: of the returns from bar to bar."""

ORDERS_PER_SYMBOL = 8
"""Open orders of one symbol at a time: an entry, its two legs, an exit; and those that have just ended."""
