"""Which grids the services count in: the dataset's, or in live mode those that the venue was asked for."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from n1v1.errors import InvalidData, UnknownName
from n1v1.values import Instrument
from n1v1_common.instruments import FILE_NAME, instruments_of, keep_instruments, read_instruments
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD", tick_size=Decimal("0.1"), min_notional=5)
ETH = Instrument(symbol="ETH-USD", base="ETH", quote="USD")

LIVE = (
    "environment.mode=live",
    "environment.i_understand_live=true",
    "exchange.name=binance",
    "exchange.testnet=true",
    "exchange.api_key=k1",
    "exchange.api_secret=s1",
    "strategies.active_strategies=ema_cross",
    "risk_management.max_position_size=0.02",
    "risk_management.max_drawdown=0.1",
    "risk_management.max_daily_drawdown=0.05",
    "risk_management.position_fraction=0.01",
    "risk_management.require_stop_loss=true",
)


def settings(folder: Path, *overrides: str) -> Settings:
    return load((), {}, (f"paths.state_dir={folder}", *overrides)).settings


def test_live_services_count_in_the_venues_units_and_all_others_in_those_of_the_dataset(tmp_path: Path) -> None:
    keep_instruments(tmp_path / FILE_NAME, "binance", [BTC, ETH])
    assert instruments_of(settings(tmp_path, *LIVE, "market.symbols=ETH-USD,BTC-USD")) == (ETH, BTC)
    [recorded] = instruments_of(settings(tmp_path, "market.symbols=BTC-USD"))
    assert recorded.tick_size == Decimal("0.01")


def test_a_live_symbol_that_the_venue_was_not_asked_for_is_named(tmp_path: Path) -> None:
    keep_instruments(tmp_path / FILE_NAME, "binance", [ETH])
    with pytest.raises(UnknownName, match=r"does not have BTC-USD.*n1v1 up asks the venue"):
        instruments_of(settings(tmp_path, *LIVE, "market.symbols=BTC-USD"))


def test_what_is_kept_stays_and_what_is_new_is_added(tmp_path: Path) -> None:
    path = tmp_path / "new" / FILE_NAME
    keep_instruments(path, "binance", [BTC])
    keep_instruments(path, "binance", [replace(BTC, max_price=Decimal(2_000_000), max_quantity=Decimal(100)), ETH])
    assert read_instruments(path, "binance") == {"BTC-USD": BTC, "ETH-USD": ETH}, "prices may rise, units may not"


def test_another_grid_is_refused_because_what_is_journalled_is_counted_in_the_first(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    keep_instruments(path, "binance", [BTC])
    finer = replace(BTC, tick_size=Decimal("0.01"))
    with pytest.raises(InvalidData, match=r"another grid for BTC-USD .*tick_size was 0.1, is 0.01"):
        keep_instruments(path, "binance", [ETH, finer])
    assert read_instruments(path, "binance") == {"BTC-USD": BTC}, "and nothing of it was kept"


def test_a_folder_belongs_to_one_venue(tmp_path: Path) -> None:
    keep_instruments(tmp_path / FILE_NAME, "kraken", [BTC])
    with pytest.raises(InvalidData, match=r"has the instruments of kraken, and exchange.name is binance"):
        instruments_of(settings(tmp_path, *LIVE, "market.symbols=BTC-USD"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text('{"venue": "binance", "instruments": [{"symbol": "BTC-USD"}]}')
    with pytest.raises(InvalidData, match=rf"{FILE_NAME}: expected the instruments of binance"):
        read_instruments(tmp_path / FILE_NAME, "binance")
