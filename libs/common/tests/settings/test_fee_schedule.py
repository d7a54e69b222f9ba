"""A venue's table of fees is a file; what is wrong in it is said by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1.errors import InvalidValue
from n1v1.simulation.fees import DAY_NS, FeeTier
from n1v1.values import Instrument
from n1v1_common.settings.load import load
from n1v1_common.settings.model import Settings
from n1v1_common.settings.policy import policy_of
from n1v1_common.settings.venue import venue_rules

BTC = Instrument("BTC-USD", "BTC", "USD")
TABLE = """since,volume,taker_bps,maker_bps
,1000000,4,-0.5
2023-01-01,,12,
2023-01-01,1000000,6,1
"""
FIRST_OF_2023 = 19_358 * DAY_NS


def settings_with(path: Path, text: str, *more: str) -> Settings:
    path.write_text(text, encoding="utf-8")
    return load([], {}, [f"exchange.fee_schedule={path}", *more]).settings


def test_rates_by_date_and_volume(tmp_path: Path) -> None:
    rules = venue_rules(settings_with(tmp_path / "fees.csv", TABLE), BTC)
    million = BTC.quanta("1000000")
    assert rules.schedule() == (
        FeeTier(taker_ppb=1_000_000, maker_ppb=1_000_000),
        FeeTier(taker_ppb=400_000, maker_ppb=-50_000, volume=million),
        FeeTier(taker_ppb=1_200_000, maker_ppb=1_200_000, since_ns=FIRST_OF_2023),
        FeeTier(taker_ppb=600_000, maker_ppb=100_000, since_ns=FIRST_OF_2023, volume=million),
    )


def test_risk_reckons_with_the_highest_of_them(tmp_path: Path) -> None:
    """12 bps of fee and 5 of slippage."""
    assert policy_of(settings_with(tmp_path / "fees.csv", TABLE)).cost_ppb == 1_700_000


def test_the_discount_of_a_token_is_of_every_row(tmp_path: Path) -> None:
    rules = venue_rules(settings_with(tmp_path / "fees.csv", TABLE, "exchange.fee_discount=0.25"), BTC)
    assert [tier.taker_ppb for tier in rules.schedule()] == [750_000, 300_000, 900_000, 450_000]
    assert [tier.maker_ppb for tier in rules.schedule()] == [750_000, -50_000, 900_000, 75_000]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "since,taker_bps\n",
            r"fees.csv: expected the columns since, volume, taker_bps, maker_bps; got since, taker_bps",
        ),
        ("since,volume,taker_bps,maker_bps\n,,ten,\n", r"fees.csv, line 2: expected a number"),
        ("since,volume,taker_bps,maker_bps\n,,1,\n2023,,1,\n", r"fees.csv, line 3: Invalid isoformat string: '2023'"),
        ("since,volume,taker_bps,maker_bps\n,,1\n", r"fees.csv, line 2: expected 4 values"),
        ("since,volume,taker_bps,maker_bps\n,,1,-2\n", r"fees.csv, line 2: the maker's fee must be at least -100000"),
        ("since,volume,taker_bps,maker_bps\n2023-01-01,9,1,\n", r"fees.csv: the fee tiers of a date begin at a volume"),
    ],
)
def test_a_table_that_cannot_be_one_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        venue_rules(settings_with(tmp_path / "fees.csv", text), BTC)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    settings = load([], {}, [f"exchange.fee_schedule={tmp_path / 'none.csv'}"]).settings
    with pytest.raises(InvalidValue, match=r"exchange.fee_schedule: cannot read .*none.csv: No such file"):
        venue_rules(settings, BTC)
