"""What a venue is made of by the settings, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # it ships no types
import pytest

from n1v1.simulation.rules import SlippageModel
from n1v1.simulation.venue import VenueRules
from n1v1_common.lifecycle import CannotStart
from n1v1_common.settings.model import Settings
from n1v1_exchange_simulator.matching.rules import Commission, MatchingRules
from n1v1_exchange_simulator.settings import setup_of

KEYS = {"api_key": "key", "api_secret": "secret"}


def over_trades(folder: Path, **changed: dict[str, Any]) -> Settings:
    """Settings of a venue over one trade of A-USD; each section of `changed` has some keys of it otherwise."""
    row = {"timestamp": [1], "id": ["1"], "side": ["buy"], "price": [10.5], "amount": [2.0]}
    pq.write_table(pa.table(row), folder / "A-USD.parquet")
    sections: dict[str, dict[str, Any]] = {
        "market": {"symbols": ("A-USD",), "timeframe": "1m", "dataset": str(folder)},
        "simulator": {"quality": "trades"},
        "exchange": {**KEYS, "fee_rate_bps": "10", "maker_fee_rate_bps": "5"},
        "paths": {"state_dir": folder},
    }
    for section, values in changed.items():
        sections[section] = sections.get(section, {}) | values
    return Settings.model_validate(sections)


def test_bars_are_the_default_and_have_the_rules_of_the_backtest(tmp_path: Path) -> None:
    settings = Settings.model_validate({"exchange": KEYS, "paths": {"state_dir": tmp_path}})
    setup = setup_of(settings)
    assert isinstance(setup.rules, VenueRules)
    assert setup.opening == {"main": {"USD": 10_000 * 10**8}}


def test_over_trades_fees_are_taken_from_what_is_received(tmp_path: Path) -> None:
    rules = setup_of(over_trades(tmp_path)).rules
    assert isinstance(rules, MatchingRules)
    assert (rules.taker_fee_ppb, rules.maker_fee_ppb) == (1_000_000, 500_000)
    assert rules.commission is Commission.RECEIVED


def test_over_trades_the_models_of_the_backtest_are_had_too(tmp_path: Path) -> None:
    models = {
        "slippage_model": "square_root",
        "impact_bps": "30",
        "latency_ms": 40,
        "max_participation": "0.1",
        "min_fee": "0.5",
    }
    setup = setup_of(over_trades(tmp_path, exchange=models))
    rules, (instrument,) = setup.rules, setup.source.instruments
    assert isinstance(rules, MatchingRules)
    assert (rules.impact_model, rules.impact_ppb) == (SlippageModel.SQUARE_ROOT, 3_000_000)
    assert (rules.latency_ns, rules.participation_ppb) == (40_000_000, 100_000_000)
    assert rules.min_fee == instrument.quanta("0.5")


def test_a_symbol_may_have_fees_and_self_trade_prevention_of_its_own(tmp_path: Path) -> None:
    own = {"fee_rate_bps": "2", "self_trade_prevention": "NONE", "self_trade_prevention_modes": ["NONE", "DECREMENT"]}
    setup = setup_of(over_trades(tmp_path, simulator={"symbols": {"A-USD": own}}))
    rules = setup.by_symbol["A-USD"]
    assert (rules.taker_fee_ppb, rules.maker_fee_ppb) == (200_000, 200_000)
    (symbol,) = [setup.protocol.rulebook(setup.source.instruments).of("A-USD")]
    assert (symbol.self_trade_prevention, sorted(symbol.self_trade_prevention_modes)) == ("NONE", ["DECREMENT", "NONE"])
    assert setup.identity != setup_of(over_trades(tmp_path)).identity


def test_over_bars_symbols_have_the_rules_of_the_backtest(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"exchange": KEYS, "paths": {"state_dir": tmp_path}, "simulator": {"symbols": {"BTC-USD": {}}}}
    )
    with pytest.raises(CannotStart, match="over bars every symbol has the rules of the backtest"):
        setup_of(settings)


def test_several_accounts_open_with_what_they_are_given(tmp_path: Path) -> None:
    second = {"api_key": "k2", "api_secret": "s2", "balances": {"A": "3", "USD": "1.5"}}
    setup = setup_of(over_trades(tmp_path, simulator={"balances": {"A": "2"}, "accounts": {"second": second}}))
    (instrument,) = setup.source.instruments
    assert setup.opening == {
        "main": {"USD": instrument.quanta("10000"), "A": instrument.lots("2")},
        "second": {"USD": instrument.quanta("1.5"), "A": instrument.lots("3")},
    }


def test_another_recording_is_another_history(tmp_path: Path) -> None:
    before = setup_of(over_trades(tmp_path)).identity
    assert setup_of(over_trades(tmp_path)).identity == before
    row = {"timestamp": [1], "id": ["1"], "side": ["sell"], "price": [10.5], "amount": [2.0]}
    settings = over_trades(tmp_path)
    pq.write_table(pa.table(row), tmp_path / "A-USD.parquet")
    after = setup_of(settings).identity
    assert after["dataset"] != before["dataset"]
    assert after["configuration"] == before["configuration"]


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"market": {"dataset": None}}, "market.dataset must name a recording of trades"),
        ({"market": {"dataset": "nowhere"}}, "expected a manifest"),
        ({"market": {"symbols": ("B-USD",)}}, r"has no trades of B-USD \(did you mean 'A-USD'"),
        ({"market": {"timeframe": "7m"}}, "expected one of the bar lengths 1s, 1m"),
        ({"simulator": {"quality": "depth"}}, r"no file is called as a symbol and ends in \.ws\.gz"),
        ({"market": {"start": "2030-01-01"}}, "nothing was recorded between market.start and market.end"),
        ({"simulator": {"symbols": {"B-USD": {}}}}, "nobody trades B-USD here; there are A-USD"),
        ({"account": {"quote_currency": "EUR"}}, "account.quote_currency is EUR, but A-USD is paid for in USD"),
        ({"simulator": {"balances": {"DOGE": "1"}}}, "nobody trades DOGE here"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(
    tmp_path: Path, changed: dict[str, dict[str, Any]], complaint: str
) -> None:
    with pytest.raises(CannotStart, match=complaint):
        setup_of(over_trades(tmp_path, **changed))
