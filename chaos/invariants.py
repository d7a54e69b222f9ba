"""What must hold whatever happened: the venue's books are ours, nothing twice, no limit passed, positions protected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from chaos.books import BookedOrder, Statement
from n1v1.events import EquityMarked, Event, HaltsChanged, OrderApproved, OrderFilled, OrderSubmitted
from n1v1.rounding import notional, share
from n1v1.values import Instrument, Purpose, to_ppb

WATCHFUL = ("execution", "bookkeeping")
"""The actors of halts for books that differ."""
SHOWN = 3
"""So many examples of a difference are told."""


def differences(ours: Statement, theirs: Statement) -> Iterator[str]:
    """Between our books and the venue's, in words."""
    yield from _only("trades", ours.trades, theirs.trades)
    yield from _only("orders", ours.orders, theirs.orders)
    for name in sorted(ours.orders.keys() & theirs.orders.keys()):
        mine, other = ours.orders[name], theirs.orders[name]
        if (mine.is_open, mine.filled) != (other.is_open, other.filled):
            yield f"order {name}: we say {_standing(mine)}, the venue {_standing(other)}"
    if ours.balances != theirs.balances:
        yield f"balances: we say {_amounts(ours)}, the venue {_amounts(theirs)}"


def twice(books: Statement) -> Iterator[str]:
    """Trades that are in the books more than once."""
    counted = Counter((trade.symbol, trade.id) for trade in books.trades)
    yield from (f"trade {trade} is booked {count} times" for trade, count in counted.items() if count > 1)


def unprotected(venue: Statement, bases: Iterable[str]) -> Iterator[str]:
    """Positions without a resting stop, or an exit on its way, of their size; and more exits than there is to sell.

    bases: of the symbols; whatever else is on the account is no position.
    """
    stops: dict[str, Decimal] = defaultdict(Decimal)
    exits: dict[str, list[BookedOrder]] = defaultdict(list)
    for order in venue.orders.values():
        if order.is_open and order.is_sale and (order.is_stop or order.is_market):
            stops[order.symbol] += order.quantity - order.filled
            exits[order.symbol] += [order] if order.is_market else []
    for base in bases:
        held = venue.balances.get(base, Decimal(0))
        protected = sum((left for symbol, left in stops.items() if symbol.startswith(base)), Decimal(0))
        if held > protected:
            yield f"of {held} {base} only {protected} have a stop or an exit"
    yield from (f"{symbol} has {len(sales)} exits open" for symbol, sales in exits.items() if len(sales) > 1)


def out_of_bounds(events: Sequence[Event], instruments: Sequence[Instrument], max_position: Decimal) -> Iterator[str]:
    """Orders and fills past what was allowed: entries larger than the limit, more filled than approved, fills of orders
    that nobody approved or submitted, two trades of one id."""
    by_symbol = {instrument.symbol: instrument for instrument in instruments}
    equity = {event.ts_ns: event.equity for event in events if isinstance(event, EquityMarked)}
    approved = {event.order_id: event for event in events if isinstance(event, OrderApproved)}
    submitted = {event.order_id for event in events if isinstance(event, OrderSubmitted)}
    fills = {event.fill_id: event for event in events if isinstance(event, OrderFilled)}
    for event in approved.values():
        if event.purpose is Purpose.ENTRY and event.ts_ns in equity:
            value = notional(by_symbol[event.symbol], event.reference_ticks, event.lots)
            if value > share(equity[event.ts_ns], to_ppb(max_position)):
                yield f"entry {event.order_id} is worth {value}, more than {max_position} of {equity[event.ts_ns]}"
    filled: dict[str, int] = defaultdict(int)
    for fill in fills.values():
        filled[fill.order_id] += fill.lots
        if fill.order_id not in submitted:
            yield f"fill {fill.fill_id} of an order that was never submitted"
    for order_id, lots in filled.items():
        entry = approved.get(order_id)  # type: ignore[call-overload]  # a plain text is as good as an OrderId here
        if entry is not None and lots > entry.lots:
            yield f"order {order_id} was approved for {entry.lots} lots and has filled {lots}"


def halts(events: Iterable[Event]) -> Iterator[str]:
    """What a service could not explain to itself: execution or risk then halts the symbol, or the account."""
    changes = [event for event in events if isinstance(event, HaltsChanged)]
    said = dict.fromkeys(halt for change in changes for halt in change.halts if halt.actor in WATCHFUL)
    yield from (f"{halt.actor} halted {halt.scope}: {halt.reason}" for halt in said)


def _only(what: str, ours: Iterable[object], theirs: Iterable[object]) -> Iterator[str]:
    mine, other = set(ours), set(theirs)
    for owner, rows in (("we have", mine - other), ("the venue has", other - mine)):
        if rows:
            examples = ", ".join(str(row) for row in sorted(rows, key=str)[:SHOWN])
            yield f"{what}: only {owner} {len(rows)}: {examples}"


def _standing(order: BookedOrder) -> str:
    return f"{'open' if order.is_open else 'ended'} with {order.filled} filled"


def _amounts(books: Statement) -> str:
    return ", ".join(f"{amount} {asset}" for asset, amount in sorted(books.balances.items())) or "nothing"
