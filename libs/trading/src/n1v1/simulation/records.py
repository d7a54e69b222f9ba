"""What matching works on: layouts of records, and the numbers that stand for names in them.

Everything is an int64. Prices are ticks, quantities lots, amounts of the quote currency quanta, rates parts per
billion, times ns UTC. A price of 0 is no price, a time of 0 no time, a list number of 0 no list.
"""

from __future__ import annotations

import numpy as np

UNLIMITED = 2**62
"""More than any quantity, price or time that occurs."""

# --- kinds of orders: `n1v1.values.OrderType` in the same order -----------------------------------------------------

MARKET = 0
LIMIT = 1
STOP = 2
STOP_LIMIT = 3
TAKE_PROFIT = 4
TAKE_PROFIT_LIMIT = 5
TRAILING_STOP = 6

# --- how long they wait: `n1v1.values.TimeInForce` in the same order ------------------------------------------------

GTC = 0
IOC = 1
FOK = 2
GTD = 3

# --- states ---------------------------------------------------------------------------------------------------------

PENDING = 0
"""Accepted with its list, and not alive before the list's working order has filled."""
OPEN = 1
FILLED = 2
CANCELLED = 3
EXPIRED = 4

# --- what can happen to an order ------------------------------------------------------------------------------------

TRIGGERED = 1
EXECUTED = 2
ENDED = 3
"""It left the book with a remainder; its state says whether it was cancelled or expired."""
TOUCHED = 4
"""A bar reached exactly the limit of a resting order, and the touch rule says that this is no fill."""

# --- why an order ended ---------------------------------------------------------------------------------------------

BY_THE_CLIENT = 1
NOT_FILLABLE = 2
NOT_WHOLE = 3
UNAFFORDABLE = 4
ITS_TIME_IS_OVER = 5
WOULD_TAKE = 6
LIST_DONE = 7
ENTRY_UNFILLED = 8
ENTRY_CUT_SHORT = 9
NOTHING_TO_REDUCE = 10

# --- which assumption of the simulation decided ---------------------------------------------------------------------

NOTHING = 0
PATH = 1
"""S6: the bar also reached the other order of the list; the order of events within the bar is assumed."""
GAP = 2
"""S7: the bar opened beyond the stop."""
TOUCH = 3
"""S8: the price touched the limit and went no further."""
PARTICIPATION = 4
"""S9: the share of the bar's volume that we may take did not suffice."""
AFFORDABILITY = 5
"""The cash did not suffice after a gap."""

# --- rules ----------------------------------------------------------------------------------------------------------

FIXED = 0
SPREAD_AND_LINEAR_IMPACT = 1
SPREAD_AND_SQUARE_ROOT_IMPACT = 2

ADVERSE = 0
OPEN_HIGH_LOW_CLOSE = 1
ADAPTIVE = 2
RANDOM = 3

THROUGH = 0
QUEUE = 1

# --- verdicts on a new order or list --------------------------------------------------------------------------------

ACCEPTED = 0
PRICE_FILTER = 1
LOT_SIZE = 2
NOTIONAL = 3
INSUFFICIENT_BALANCE = 4
WOULD_TRIGGER_AT_ONCE = 5
WOULD_TAKE_AT_ONCE = 6
REDUCES_NOTHING = 7
WOULD_EXPIRE_AT_ONCE = 8

ORDER = np.dtype(
    [
        ("number", "i8"),  # the venue's, counted from 1
        ("kind", "i8"),
        ("sign", "i8"),  # +1 buys, -1 sells
        ("lots", "i8"),
        ("filled_lots", "i8"),
        ("open_lots", "i8"),  # what may still fill now: for a leg what its entry has filled and no leg sold
        ("limit_ticks", "i8"),
        ("stop_ticks", "i8"),  # of a trailing stop: where it is now
        ("trail_ppb", "i8"),
        ("trail_step_ppb", "i8"),
        ("best_ticks", "i8"),  # the price that a trailing stop was last moved for
        ("time_in_force", "i8"),
        ("is_post_only", "i8"),
        ("reduces_only", "i8"),
        ("accepted_ns", "i8"),
        ("effective_ns", "i8"),  # with the latency: matched by bars that open then or later
        ("expires_ns", "i8"),
        ("state", "i8"),
        ("is_triggered", "i8"),
        ("is_resting", "i8"),  # has seen an open, so it was in the book before the bar
        ("locked", "i8"),  # set aside: quanta for a buyer, lots for a seller; for all legs of a list in the first
        ("lock_ticks", "i8"),  # the price that a buyer's lock is computed at
        ("value", "i8"),
        ("fee", "i8"),
        ("list_number", "i8"),
        ("is_working", "i8"),  # the entry of its list
        ("updated_ns", "i8"),
        ("is_passed", "i8"),  # matching only: dealt with on this stretch of the path
        ("waits", "i8"),  # matching only: its entry filled within this bar, so it sees only the close
        ("is_struck", "i8"),  # matching only: its entry filled within this bar, and the worst hits it
    ]
)

BAR = np.dtype(
    [
        ("open", "i8"),
        ("high", "i8"),
        ("low", "i8"),
        ("close", "i8"),
        ("volume", "i8"),
        ("open_ns", "i8"),
        ("close_ns", "i8"),
    ]
)

LATENCIES = 32
"""How many latencies a distribution is told by, each as likely as the others."""

RULES = np.dtype(
    [
        ("taker_fee_ppb", "i8"),
        ("maker_fee_ppb", "i8"),
        ("min_fee", "i8"),  # quanta for each execution
        ("slippage_model", "i8"),
        ("slippage_ppb", "i8"),
        ("impact_ppb", "i8"),  # of an order as large as the bar's volume
        ("latency_ns", "i8"),
        ("is_latency_drawn", "i8"),
        ("latencies", "i8", (LATENCIES,)),  # ns, in place of latency_ns when they are drawn
        ("participation_ppb", "i8"),  # of the bar's volume; UNLIMITED: no cap
        ("path", "i8"),
        ("seed", "i8"),
        ("touch", "i8"),
        ("queue_ppb", "i8"),  # of the bar's volume, ahead of us at the limit
    ]
)

WALLET = np.dtype(
    [
        ("cash", "i8"),  # free quanta
        ("held", "i8"),  # free lots; below zero when sold short
        ("collateral", "i8"),  # quanta set aside for what was sold short
        ("may_short", "i8"),
    ]
)

BUDGET = np.dtype(
    [
        ("lots", "i8"),  # of the bar's volume, left for our orders
        ("queue_lots", "i8"),  # of these, for orders that were only touched
        ("happened", "i8"),  # entries of `happenings` in use
    ]
)

HAPPENING = np.dtype(
    [
        ("order", "i8"),  # index
        ("kind", "i8"),
        ("lots", "i8"),
        ("ticks", "i8"),
        ("value", "i8"),
        ("fee", "i8"),
        ("is_maker", "i8"),
        ("ts_ns", "i8"),
        ("remaining", "i8"),
        ("decided_by", "i8"),
        ("reason", "i8"),
    ]
)

RANGE = np.dtype([("low", "i8"), ("high", "i8"), ("until_ns", "i8")])
"""Bars strictly between `low` and `high` that close before `until_ns` change nothing."""

HAPPENINGS_PER_ORDER = 8
"""More than one call of a kernel can write for one order: at most one trigger, three executions, one end, one touch."""
