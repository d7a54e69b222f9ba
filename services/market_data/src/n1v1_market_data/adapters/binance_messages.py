"""Messages of Binance's market streams, and answers of its REST interface, as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from n1v1.events import BarClosed, BookChanged, BookSnapshot, TickerSeen, TradeSeen
from n1v1.timeframes import timeframe_ns
from n1v1.values import Instrument
from n1v1_market_data.adapters.grid import Grid
from n1v1_market_data.adapters.simulation import bar_closed

MS_NS = 1_000_000

STREAM_OF = {"bars": "kline", "trades": "trade", "book": "depth@100ms", "ticker": "bookTicker"}
"""By channel. Funding and mark prices are of futures, which these streams are not."""

Message = Mapping[str, Any]
"""As JSON has it: any shape."""


class BinanceMessages:
    """The events of some instruments. What is off an instrument's grid raises InvalidValue: the grid is wrong."""

    def __init__(self, instruments: Sequence[Instrument], timeframe: str) -> None:
        self._grids = {wire_symbol(instrument): Grid(instrument) for instrument in instruments}
        self._timeframe = timeframe
        self._length_ns = timeframe_ns(timeframe)

    def streams(self, channels: Sequence[str]) -> list[str]:
        """What to subscribe to."""
        kinds = [STREAM_OF[channel] for channel in channels if channel in STREAM_OF]
        kinds = [f"kline_{self._timeframe}" if kind == "kline" else kind for kind in kinds]
        return [f"{wire.lower()}@{kind}" for wire in self._grids for kind in kinds]

    def trade(self, message: Message) -> TradeSeen:
        grid = self._grids[message["s"]]
        number = message["t"]
        return TradeSeen(
            id=f"trade:{grid.symbol}:{number}",
            ts_ns=message["T"] * MS_NS,
            symbol=grid.symbol,
            trade_id=str(number),
            ticks=grid.ticks(message["p"]),
            lots=grid.lots(message["q"]),
            is_buyer_maker=message["m"],
        )

    def recorded_trade(self, wire: str, row: Message) -> TradeSeen:
        """A row of `historicalTrades`."""
        return self.trade(
            {"s": wire, "t": row["id"], "T": row["time"], "p": row["price"], "q": row["qty"], "m": row["isBuyerMaker"]}
        )

    def book_change(self, message: Message) -> BookChanged:
        grid = self._grids[message["s"]]
        return BookChanged(
            id=f"book_change:{grid.symbol}:{message['u']}",
            ts_ns=message["E"] * MS_NS,
            symbol=grid.symbol,
            first_update_id=message["U"],
            last_update_id=message["u"],
            bids=grid.levels(message["b"]),
            asks=grid.levels(message["a"]),
        )

    def book_snapshot(self, wire: str, answer: Message, ts_ns: int) -> BookSnapshot:
        """ts_ns: the venue says no time with it."""
        grid = self._grids[wire]
        return BookSnapshot(
            id=f"book:{grid.symbol}:{answer['lastUpdateId']}",
            ts_ns=ts_ns,
            symbol=grid.symbol,
            update_id=answer["lastUpdateId"],
            bids=grid.levels(answer["bids"]),
            asks=grid.levels(answer["asks"]),
        )

    def ticker(self, message: Message, ts_ns: int) -> TickerSeen:
        """ts_ns: the venue says no time with it. A side without an order is all zeros."""
        grid = self._grids[message["s"]]
        bid, ask = grid.ticks(message["b"]) or None, grid.ticks(message["a"]) or None
        return TickerSeen(
            id=f"ticker:{grid.symbol}:{message['u']}",
            ts_ns=ts_ns,
            symbol=grid.symbol,
            bid_ticks=bid,
            bid_lots=None if bid is None else grid.lots(message["B"]),
            ask_ticks=ask,
            ask_lots=None if ask is None else grid.lots(message["A"]),
        )

    def closed_bar(self, kline: Message) -> BarClosed | None:
        """None while it is not finished."""
        if not kline["x"]:
            return None
        prices = (kline["o"], kline["h"], kline["l"], kline["c"])
        return self._bar(kline["s"], kline["t"], prices, kline["v"])

    def recorded_bar(self, wire: str, row: Sequence[Any]) -> BarClosed:
        """A row of `klines`."""
        return self._bar(wire, row[0], (row[1], row[2], row[3], row[4]), row[5])

    def _bar(self, wire: str, open_ms: int, prices: tuple[str, str, str, str], volume: str) -> BarClosed:
        open_ns = int(open_ms) * MS_NS
        return bar_closed(
            self._grids[wire].instrument,
            timeframe=self._timeframe,
            open_ns=open_ns,
            close_ns=open_ns + self._length_ns,
            prices=prices,
            volume=volume,
        )


def wire_symbol(instrument: Instrument) -> str:
    return instrument.symbol.replace("-", "")
