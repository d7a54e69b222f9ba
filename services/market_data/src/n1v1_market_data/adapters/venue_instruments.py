"""Asks the venue of the settings for the grids of its instruments, and keeps them for all services.

    python -m n1v1_market_data.adapters.venue_instruments

`n1v1 up` does it in live mode, before it starts anything else.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ccxt

from n1v1.errors import InvalidData, N1v1Error
from n1v1.values import Instrument
from n1v1_common.instruments import file_of, keep_instruments
from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.model import Settings
from n1v1_common.settings.service import load_service_settings
from n1v1_common.state.rate_budget import MemoryLedger, RateBudget
from n1v1_common.venue_grid import venue_instrument
from n1v1_market_data.adapters.ccxt_events import unified_name
from n1v1_market_data.adapters.ccxt_exchange import exchange_maker


async def asked(settings: Settings) -> list[Instrument]:
    """The venue's grids of the symbols of the settings.

    Raises InvalidData for what cannot be traded exactly, UnknownName for a symbol that the venue does not have, and
    ccxt's errors when it does not answer.
    """
    exchange = settings.exchange
    make, limit = exchange_maker(
        settings.venue, rest_url=exchange.rest_url, ws_url=exchange.ws_url, is_testnet=exchange.testnet
    )
    venue = make(RateBudget(MemoryLedger(limit), limit, key=settings.venue))
    try:
        return await _instruments(venue, settings.market.symbols)
    finally:
        await venue.close()


async def _instruments(venue: Any, symbols: Sequence[str]) -> list[Instrument]:
    """Any: ccxt has no types."""
    markets = await venue.load_markets()
    found = []
    for symbol in symbols:
        name = unified_name(symbol, markets)
        last = (await venue.fetch_ticker(name)).get("last")
        if not last:
            raise InvalidData(f"{symbol}: the venue names no last price, from which the range of prices follows")
        found.append(venue_instrument(symbol, markets[name], venue.precisionMode, last_price=Decimal(str(last))))
    return found


def main() -> int:
    try:
        settings = load_service_settings(os.environ)
        found = asyncio.run(asked(settings))
        keep_instruments(file_of(settings), settings.venue, found)
    except (N1v1Error, ConfigError, ccxt.BaseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for each in found:
        step, least = each.quantity(each.step_lots).normalize(), each.cash(each.min_notional).normalize()
        sys.stdout.write(f"{each.symbol}: tick {each.tick_size:f}, step {step:f}, least order {least:f} {each.quote}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
