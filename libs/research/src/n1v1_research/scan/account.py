"""The second pass: what an account makes of signals. One function, compiled once for every strategy.

It does what the stages do, in their order and with their kernels; `n1v1.pipeline` is the readable form of the same
flow. A bar time is: match what is open, mark, decide, send. One at which nothing can happen costs a few comparisons.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from n1v1.kernels import Record
from n1v1.risk.account import ENTRY, NO_EXIT, PURPOSES, book_fill, own_exit, release, reserve, symbol_exposure
from n1v1.risk.breaker import must_flatten, observe_equity
from n1v1.risk.limits import decide, decide_closing, reduces, validity_ns
from n1v1.risk.market import observe_bar
from n1v1.simulation.accepting import accept
from n1v1.simulation.book import is_alive
from n1v1.simulation.matching import cancel, match_bar, open_budget, quiet_range
from n1v1.simulation.records import (
    ACCEPTED,
    ENDED,
    EXECUTED,
    FILLED,
    GTC,
    GTD,
    LIMIT,
    MARKET,
    OPEN,
    PENDING,
    STOP,
    TOUCHED,
    TRAILING_STOP,
    UNLIMITED,
)
from n1v1.values import Purpose
from n1v1_research.compiled.cache import is_kept
from n1v1_research.compiled.kernels import compiled_driver, inlined
from n1v1_research.scan.layouts import REJECTED

STOP_LOSS = PURPOSES.index(Purpose.STOP_LOSS)
TAKE_PROFIT = PURPOSES.index(Purpose.TAKE_PROFIT)
TRAILED = PURPOSES.index(Purpose.TRAILING_STOP)
NONE = -1


class Run(NamedTuple):
    """Everything the pass works on. By symbol: grid, symbols, wallets, orders, counts, quiet, units, at.

    memory: account, symbols and wallets as words. beginning: what these are before the first bar. cash: what the
    account has then, in quanta.
    units: what one tick of price is worth of the position, in quanta; lots are whole steps, so it is exact.
    at: the next row of each symbol.
    approved, approved_symbol, approved_signal: decisions of the bar time that wait to be sent.
    sent, fills: what is told afterwards. blank: an order without anything.
    """

    grid: Any
    policy: Any
    rules: Any
    memory: Any
    beginning: Any
    cash: int
    account: Any
    symbols: Any
    wishes: Any
    wallets: Any
    orders: Any
    counts: Any
    quiet: Any
    units: Any
    at: Any
    budget: Any
    happenings: Any
    approved: Any
    approved_symbol: Any
    approved_signal: Any
    sent: Any
    fills: Any
    totals: Any
    blank: Any


class Columns(NamedTuple):
    """Bars of all symbols behind one another, as ROWs; symbol s has the rows rows[s] up to rows[s + 1].

    close: of the same bars, again: most bars matter by their close alone.
    """

    bars: Any
    close: Any
    rows: Any


@cache
def account_pass() -> Any:
    """(run, columns, step_ns, signals, ends, decisions, equity, results) -> how many accounts were played.

    Accounts of their own, one after the other, all on the same market: number k hears signals[ends[k, 0]:ends[k, 1]].
    What it came to is in results[k], a RESULT; everything else in the arguments is what the last one left. There are
    fewer accounts than asked for when one had no room for all of its orders and fills.
    """
    return compiled_driver(_accounts, "all", {}, allocates=False)


def is_compiled() -> bool:
    """Whether the pass was compiled before and kept, so that it is there in a moment."""
    return is_kept(account_pass())


def _accounts(run, columns, step_ns, signals, ends, decisions, equity, results):  # type: ignore[no-untyped-def]  # compiled
    for k in range(len(ends)):
        _begin(run, columns)
        if not _play(run, columns, step_ns, signals, ends[k, 0], ends[k, 1], decisions, equity):
            return k
        _sum_up(run, equity, results[k])
    return len(ends)


@inlined
def _begin(run: Run, columns: Columns) -> None:
    """Everything as it is before the first bar."""
    for i in range(len(run.memory)):
        run.memory[i] = run.beginning[i]
    totals = run.totals
    totals.orders = totals.fills = totals.fees = totals.waiting = totals.missed = totals.missed_value = 0
    totals.free_cash = run.cash
    for s in range(len(run.counts)):
        run.counts[s] = 0
        run.units[s] = 0
        run.at[s] = columns.rows[s]
        quiet = run.quiet[s]
        quiet.low = 0
        quiet.high = UNLIMITED
        quiet.until_ns = UNLIMITED


@inlined
def _play(
    run: Run, columns: Columns, step_ns: Any, signals: Any, next_signal: int, end: int, decisions: Any, equity: Any
) -> bool:
    """One account from the first bar to the last. False when there was no room for all orders and fills."""
    account, policy, totals = run.account, run.policy, run.totals
    is_alone = len(run.counts) == 1 and not policy.watches_bars
    signal_step = signals[next_signal].step if next_signal < end else len(step_ns)
    room = len(run.counts) * len(run.happenings)
    step = 0
    while step < len(step_ns):
        if is_alone and not must_flatten(account):
            step = _pass_quiet_bars(run, columns, signal_step, equity)
            if step == len(step_ns):
                break
        now_ns = columns.bars[run.at[0]].close_ns if is_alone else step_ns[step]
        totals.step = step
        equity[step] = _see_bars(run, columns, now_ns)
        trips = account.trip_count
        observe_equity(policy, account, equity[step], now_ns)
        if policy.max_exposure_ppb > 0:
            account.exposure = _exposure(run)
        totals.waiting = 0
        if policy.closes_positions or must_flatten(account):
            _decide_closings(run, now_ns)
        if step == signal_step:
            first, next_signal = next_signal, _end_of_step(signals, next_signal, end)
            signal_step = signals[next_signal].step if next_signal < end else len(step_ns)
            _decide_signals(run, signals, decisions, first, next_signal, now_ns)
        if account.trip_count != trips:
            _cancel_entries(run, now_ns)
        for waiting in range(totals.waiting):
            _send(run, waiting, signals, decisions, now_ns)
        if totals.orders + room > len(run.sent) or totals.fills + room > len(run.fills):
            return False
        step += 1
    return True


@inlined
def _sum_up(run: Run, equity: Any, result: Record) -> None:
    totals = run.totals
    result.orders = totals.orders
    result.fills = totals.fills
    result.fees = totals.fees
    result.missed = totals.missed
    result.missed_value = totals.missed_value
    result.wins = run.account.win_count
    result.losses = run.account.loss_count
    result.equity = equity[len(equity) - 1] if len(equity) > 0 else run.cash
    _describe_returns(equity, run.cash, result)


@inlined
def _describe_returns(equity: Any, cash: int, result: Record) -> None:
    last = cash
    before = peak = lowest = float(cash)
    drawdown = total = squares = 0.0
    for i in range(len(equity)):
        if equity[i] == last:
            continue
        last = equity[i]
        now = float(last)
        if now > peak:
            peak = now
            lowest = peak * (1.0 - drawdown)
        elif now < lowest:
            drawdown = (peak - now) / peak
            lowest = now
        change = now / before - 1.0
        total += change
        squares += change * change
        before = now
    count = max(1, len(equity))
    mean = total / count
    result.drawdown = drawdown
    result.mean = mean
    result.deviation = (max(0.0, squares - total * mean) / max(1, count - 1)) ** 0.5


@inlined
def _pass_quiet_bars(run: Run, columns: Columns, end: int, equity: Any) -> int:
    """Mark the bars of the only symbol on which nothing can happen, up to `end`; answers the first that was not passed.

    A single symbol has one bar a step. What a passed bar leaves to risk is the last mark and equity.
    """
    account, quiet = run.account, run.quiet[0]
    first = run.at[0]
    if quiet.low == 0 and quiet.high == UNLIMITED and end > first:
        end = _until(columns.bars, first, end, min(account.wake_ns, quiet.until_ns))
        row = _mark_unhindered(run, columns, first, end, equity)
    else:
        row = _mark_quiet(run, columns, first, end, equity)
    if row > first:
        account.equity = equity[row - 1]
        run.symbols[0].mark_ticks = columns.close[row - 1]
        run.at[0] = row
    return int(row)


@inlined
def _until(bars: Any, first: int, end: int, wake_ns: int) -> int:
    """The first row in first..end that closes at wake_ns or later."""
    if wake_ns == UNLIMITED or bars[end - 1].close_ns < wake_ns:
        return end
    while first < end:
        middle = (first + end) // 2
        if bars[middle].close_ns < wake_ns:
            first = middle + 1
        else:
            end = middle
    return first


@inlined
def _mark_unhindered(run: Run, columns: Columns, row: int, end: int, equity: Any) -> int:
    """No order rests, so that a bar matters by its close alone; and without a position not even by that."""
    account = run.account
    cash, unit = account.cash, run.units[0]
    above, up_to = account.watch_below, account.watch_above
    if unit == 0:
        if cash <= above or cash > up_to:
            return row
        for i in range(row, end):
            equity[i] = cash
        return end
    while row < end:
        worth = cash + unit * columns.close[row]
        if worth <= above or worth > up_to:
            break
        equity[row] = worth
        row += 1
    return row


@inlined
def _mark_quiet(run: Run, columns: Columns, row: int, end: int, equity: Any) -> int:
    account, quiet = run.account, run.quiet[0]
    cash, unit = account.cash, run.units[0]
    above, up_to, wake_ns = account.watch_below, account.watch_above, min(account.wake_ns, quiet.until_ns)
    low, high = quiet.low, quiet.high
    while row < end:
        bar = columns.bars[row]
        worth = cash + unit * bar.close
        if bar.low <= low or bar.high >= high or bar.close_ns >= wake_ns:
            break
        if worth <= above or worth > up_to:
            break
        equity[row] = worth
        row += 1
    return row


# --- the bar ---------------------------------------------------------------------------------------------------------


@inlined
def _see_bars(run: Run, columns: Columns, now_ns: int) -> int:
    """Match and mark every bar that closes now; answers the equity."""
    worth, at = 0, run.at
    for s in range(len(run.counts)):
        row = at[s]
        symbol = run.symbols[s]
        if row < columns.rows[s + 1] and columns.bars[row].close_ns == now_ns:
            at[s] = row + 1
            bar = columns.bars[row]
            if not _is_quiet(run.quiet[s], bar):
                _match(run, s, bar)
            symbol.mark_ticks = bar.close
            if run.policy.watches_bars:
                observe_bar(run.policy, run.account, symbol, bar.open, bar.high, bar.low, bar.close, bar.volume)
        worth += run.units[s] * symbol.mark_ticks
    return int(run.account.cash + worth)


@inlined
def _is_quiet(quiet: Record, bar: Record) -> bool:
    return bool(bar.low > quiet.low and bar.high < quiet.high and bar.close_ns < quiet.until_ns)


@inlined
def _match(run: Run, s: int, bar: Record) -> None:
    open_budget(bar, run.rules, run.budget)
    run.wallets[s].cash = run.totals.free_cash
    happened = match_bar(
        run.grid[s],
        run.orders[s],
        run.counts[s],
        bar,
        run.rules,
        run.wallets[s],
        run.budget,
        run.happenings,
    )
    _hear(run, s, happened)
    _tidy(run, s)


@inlined
def _hear(run: Run, s: int, happened: int) -> None:
    """Tell risk and the records what the venue did with the orders of one symbol."""
    run.totals.free_cash = run.wallets[s].cash
    for i in range(happened):
        happening = run.happenings[i]
        order = run.orders[s][happening.order]
        sent = run.sent[order.number - 1]
        if happening.kind == EXECUTED:
            _book(run, s, order, sent, happening)
        elif happening.kind == ENDED:
            sent.state = order.state
            if sent.entry == NONE:
                release(run.policy, run.account, run.symbols[s], run.grid[s], happening.ts_ns)
        elif happening.kind == TOUCHED:
            run.totals.missed += 1
            run.totals.missed_value += happening.value


@inlined
def _book(run: Run, s: int, order: Record, sent: Record, happening: Record) -> None:
    fill = run.fills[run.totals.fills]
    run.totals.fills += 1
    run.totals.fees += happening.fee
    fill.step = run.totals.step
    fill.order = order.number - 1
    fill.ts_ns = happening.ts_ns
    fill.lots = happening.lots
    fill.ticks = happening.ticks
    fill.value = happening.value
    fill.fee = happening.fee
    fill.is_maker = happening.is_maker
    fill.decided_by = happening.decided_by
    sent.filled_lots += happening.lots
    is_final = happening.remaining == 0
    if is_final:
        sent.state = FILLED
    book_fill(
        run.policy,
        run.account,
        run.symbols[s],
        run.grid[s],
        order.sign,
        happening.lots,
        happening.value,
        happening.fee,
        0,
        sent.purpose,
        happening.ts_ns,
        int(sent.entry == NONE),
        int(is_final),
    )
    run.units[s] = run.symbols[s].position.lots // run.grid[s].notional_divisor


@inlined
def _tidy(run: Run, s: int) -> None:
    """Drop what has ended and find out which bars can be passed over."""
    orders = run.orders[s]
    kept = 0
    for i in range(run.counts[s]):
        if is_alive(orders[i]):
            if kept != i:
                orders[kept] = orders[i]
            kept += 1
    run.counts[s] = kept
    quiet = run.quiet[s]
    quiet.low = 0
    quiet.high = UNLIMITED
    quiet.until_ns = UNLIMITED
    quiet_range(orders, kept, run.rules, quiet)


@inlined
def _exposure(run: Run) -> int:
    total = 0
    for s in range(len(run.counts)):
        total += symbol_exposure(run.symbols[s], run.grid[s])
    return total


# --- decisions -------------------------------------------------------------------------------------------------------


@inlined
def _end_of_step(signals: Any, first: int, end: int) -> int:
    """The first signal after those of the bar time of signals[first]; `end` is behind the last of all."""
    last = first
    while last < end and signals[last].step == signals[first].step:
        last += 1
    return last


@inlined
def _decide_closings(run: Run, now_ns: int) -> None:
    for s in range(len(run.counts)):
        symbol = run.symbols[s]
        purpose = own_exit(run.policy, run.account, symbol)
        if purpose == NO_EXIT:
            continue
        if decide_closing(symbol, run.grid[s], purpose, run.approved[run.totals.waiting]) == 0:
            _approve(run, s, NONE, now_ns)


@inlined
def _decide_signals(run: Run, signals: Any, decisions: Any, first: int, last: int, now_ns: int) -> None:
    """The signals of a bar time, exits first. What is an exit follows from the positions before any of them."""
    for i in range(first, last):
        decisions[i].is_exit = int(reduces(signals[i].action, run.symbols[signals[i].symbol]))
        decisions[i].order = NONE
    for is_exit in (1, 0):
        for i in range(first, last):
            if decisions[i].is_exit == is_exit:
                _decide_signal(run, signals, decisions, i, now_ns)


@inlined
def _decide_signal(run: Run, signals: Any, decisions: Any, i: int, now_ns: int) -> None:
    s = signals[i].symbol
    decisions[i].reason = decide(
        run.policy,
        run.account,
        run.symbols[s],
        run.grid[s],
        run.wishes[signals[i].wish],
        signals[i].action,
        now_ns,
        run.approved[run.totals.waiting],
    )
    if decisions[i].reason == 0:
        _approve(run, s, i, now_ns)


@inlined
def _approve(run: Run, s: int, signal: int, now_ns: int) -> None:
    waiting = run.totals.waiting
    reserve(run.account, run.symbols[s], run.approved[waiting], now_ns)
    run.approved_symbol[waiting] = s
    run.approved_signal[waiting] = signal
    run.totals.waiting = waiting + 1


# --- sending ---------------------------------------------------------------------------------------------------------


@inlined
def _cancel_entries(run: Run, now_ns: int) -> None:
    """The breaker has tripped: no entry goes on. Legs of one that has filled something go on protecting it."""
    for s in range(len(run.counts)):
        for i in range(run.counts[s]):
            order = run.orders[s][i]
            if is_alive(order) and run.sent[order.number - 1].purpose == ENTRY:
                _cancel(run, s, i, now_ns)
        _tidy(run, s)


@inlined
def _cancel(run: Run, s: int, i: int, now_ns: int) -> None:
    run.wallets[s].cash = run.totals.free_cash
    happened = cancel(
        run.grid[s],
        run.orders[s],
        run.counts[s],
        i,
        now_ns,
        run.rules,
        run.wallets[s],
        run.budget,
        run.happenings,
    )
    _hear(run, s, happened)


@inlined
def _send(run: Run, waiting: int, signals: Any, decisions: Any, now_ns: int) -> None:
    s = run.approved_symbol[waiting]
    signal = run.approved_signal[waiting]
    decision = run.approved[waiting]
    if decision.purpose != ENTRY:
        for i in range(run.counts[s]):
            if is_alive(run.orders[s][i]):
                _cancel(run, s, i, now_ns)
        _tidy(run, s)
    sent = run.totals.orders
    if signal != NONE:
        decisions[signal].order = sent
    first = run.counts[s]
    count = _write_orders(run, s, decision, signal, first, now_ns)
    run.wallets[s].cash = run.totals.free_cash
    last_ticks = run.symbols[s].mark_ticks
    answer = accept(run.grid[s], run.orders[s], first, count, last_ticks, now_ns, run.rules, run.wallets[s])
    if answer == ACCEPTED:
        run.totals.free_cash = run.wallets[s].cash
        run.counts[s] = count
    else:
        for i in range(sent, run.totals.orders):
            run.sent[i].state = REJECTED
        release(run.policy, run.account, run.symbols[s], run.grid[s], now_ns)
    _tidy(run, s)


@inlined
def _write_orders(run: Run, s: int, decision: Record, signal: int, first: int, now_ns: int) -> int:
    """An order and the legs of its bracket, behind the others of the symbol. Answers how many there are then."""
    entry = run.totals.orders
    kind = LIMIT if decision.limit_ticks > 0 else MARKET
    order = _write_order(run, s, first, decision.side, decision.lots, kind, decision.purpose, signal, NONE)
    order.limit_ticks = decision.limit_ticks
    if kind == LIMIT:
        order.time_in_force = GTD
        order.expires_ns = now_ns + validity_ns(run.policy, decision)
    order.reduces_only = int(decision.purpose != ENTRY)
    count = first + 1
    if decision.stop_ticks > 0 or decision.trail_ppb > 0:
        is_trailing = decision.trail_ppb > 0
        kind = TRAILING_STOP if is_trailing else STOP
        purpose = TRAILED if is_trailing else STOP_LOSS
        leg = _write_order(run, s, count, -decision.side, decision.lots, kind, purpose, signal, entry)
        leg.stop_ticks = decision.stop_ticks
        leg.trail_ppb = decision.trail_ppb
        leg.trail_step_ppb = decision.trail_step_ppb
        leg.reduces_only = 1
        count += 1
    if decision.target_ticks > 0:
        leg = _write_order(run, s, count, -decision.side, decision.lots, LIMIT, TAKE_PROFIT, signal, entry)
        leg.limit_ticks = decision.target_ticks
        leg.reduces_only = 1
        count += 1
    if count > first + 1:
        order.is_working = 1
        for i in range(first, count):
            run.orders[s][i].list_number = order.number
    return count


@inlined
def _write_order(
    run: Run, s: int, slot: int, sign: int, lots: int, kind: int, purpose: int, signal: int, entry: int
) -> Record:
    sent = run.sent[run.totals.orders]
    run.totals.orders += 1
    sent.symbol = s
    sent.step = run.totals.step
    sent.signal = signal
    sent.entry = entry
    sent.purpose = purpose
    sent.kind = kind
    sent.sign = sign
    sent.lots = lots
    sent.filled_lots = 0
    sent.state = OPEN if entry == NONE else PENDING
    run.orders[s][slot] = run.blank
    order = run.orders[s][slot]
    order.number = run.totals.orders
    order.kind = kind
    order.sign = sign
    order.lots = lots
    order.time_in_force = GTC
    return order
