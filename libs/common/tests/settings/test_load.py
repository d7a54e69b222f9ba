"""Loading: every source, their precedence, and what a wrong setting is answered with."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from n1v1_common.settings.errors import ConfigError
from n1v1_common.settings.load import HIDDEN, load
from n1v1_common.settings.model import Settings, strategy_key

ORIGINAL_README_JSON = """{
  "exchange": {
    "name": "binance",
    "api_key": "your_api_key",
    "api_secret": "your_api_secret",
    "testnet": true
  },
  "risk_management": {
    "max_position_size": 0.02,
    "max_drawdown": 0.1,
    "circuit_breaker_enabled": true,
    "circuit_breaker_threshold": 0.05
  },
  "monitoring": {
    "prometheus_enabled": true,
    "grafana_enabled": true,
    "alerting_enabled": true
  },
  "strategies": {
    "active_strategies": ["ema_cross", "rsi", "macd"],
    "max_concurrent": 5
  }
}
"""


@pytest.fixture
def readme(tmp_path: Path) -> Path:
    return _file(tmp_path, "config.json", ORIGINAL_README_JSON)


def _file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _problem(*files: Path, env: dict[str, str] | None = None, overrides: tuple[str, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        load(files, env or {}, overrides)
    return str(caught.value)


def test_the_json_of_the_original_readme_loads_as_it_is(readme: Path) -> None:
    settings = load([readme], {}, ()).settings
    assert settings.environment.mode == "paper"
    assert settings.exchange.name == "binance"
    assert settings.exchange.testnet
    assert settings.risk_management.max_position_size == Decimal("0.02")
    assert settings.risk_management.max_drawdown == Decimal("0.1")
    assert settings.risk_management.circuit_breaker_enabled
    assert settings.circuit_breaker.equity_drawdown_threshold == Decimal("0.05")
    assert settings.monitoring.grafana_enabled
    assert settings.strategies.active_strategies == ("ema_cross", "rsi", "macd")
    assert settings.strategies.max_concurrent == 5


def test_the_placeholder_keys_of_the_original_readme_do_not_open_live_trading(readme: Path) -> None:
    said = _problem(readme, overrides=("environment.mode=live", "environment.i_understand_live=true"))
    assert "exchange.api_key" in said
    assert "exchange.api_secret" in said


def test_each_source_beats_the_one_before_and_explain_says_so(tmp_path: Path) -> None:
    first = _file(tmp_path, "first.toml", '[market]\ntimeframe = "5m"\n')
    second = _file(tmp_path, "second.yaml", "market:\n  # two lines down\n  timeframe: 15m\n")
    legacy = {"CRYPTOBOT_MARKET_TIMEFRAME": "30m"}
    ours = {"N1V1__MARKET__TIMEFRAME": "1h"}
    assert load([first], {}, ()).settings.market.timeframe == "5m"
    assert load([first, second], {}, ()).settings.market.timeframe == "15m"
    assert load([first, second], legacy, ()).settings.market.timeframe == "30m"
    loaded = load([first, second], legacy | ours, ("market.timeframe=2h",))
    origin = loaded.origin_of("market.timeframe")
    assert (origin.value, origin.source) == ("2h", "--set")
    assert [(each.value, each.source) for each in origin.overrode] == [
        ("1h", "environment N1V1__MARKET__TIMEFRAME"),
        ("30m", "environment CRYPTOBOT_MARKET_TIMEFRAME"),
        ("15m", f"{second}:3"),
        ("5m", f"{first}:2"),
        ("4h", "built-in default"),
    ]


def test_lines_are_found_in_json_with_nested_lists_objects_and_escapes(tmp_path: Path) -> None:
    lines = (
        '{"strategies": {',
        '"active_strategies": ["a{", "b\\""],',
        '\t"strategy_config": {"x": {}},',
        '"max_concurrent": 3}}',
    )
    text = "\n".join(lines)
    loaded = load([_file(tmp_path, "c.json", text)], {}, ())
    assert loaded.origin_of("strategies.max_concurrent").source.endswith("c.json:4")
    assert loaded.origin_of("strategies.active_strategies").source.endswith("c.json:2")


def test_the_environment_gives_lists_and_an_empty_variable_counts_as_not_set() -> None:
    env = {"N1V1__MARKET__SYMBOLS": "BTC-USD, SOL-USD", "N1V1__TELEMETRY__OTLP_ENDPOINT": ""}
    settings = load((), env, ()).settings
    assert settings.market.symbols == ("BTC-USD", "SOL-USD")
    assert settings.telemetry.otlp_endpoint is None


@pytest.mark.parametrize("text", ['["BTC-USD","SOL-USD"]', "[BTC-USD,SOL-USD]", "BTC-USD,SOL-USD"])
def test_a_list_on_the_command_line_may_be_written_in_three_ways(text: str) -> None:
    assert load((), {}, (f"market.symbols={text}",)).settings.market.symbols == ("BTC-USD", "SOL-USD")


@pytest.mark.parametrize("spelling", ["ema_cross", "EMACrossStrategy"])
@pytest.mark.parametrize("given", [{"fast_ema": 5}, {"params": {"fast_ema": 5}}])
def test_strategy_parameters_are_found_by_key_or_class_flat_or_below_params(
    tmp_path: Path, spelling: str, given: dict[str, object]
) -> None:
    path = _file(tmp_path, "c.json", json.dumps({"strategies": {"strategy_config": {spelling: given}}}))
    strategies = load([path], {}, ()).settings.strategies
    assert strategies.parameters_of("ema_cross") == {"fast_ema": 5}
    assert strategies.parameters_of("EMACrossStrategy") == {"fast_ema": 5}
    assert strategies.parameters_of("rsi") == {}


def test_a_strategy_parameter_from_the_command_line_is_a_number() -> None:
    loaded = load((), {}, ("strategies.strategy_config.ema_cross.fast_ema=5",))
    assert loaded.settings.strategies.parameters_of("ema_cross") == {"fast_ema": 5}
    assert loaded.origin_of("strategies.strategy_config.ema_cross.fast_ema").value == 5


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("EMACrossStrategy", "ema_cross"),
        ("RSIStrategy", "rsi"),
        ("VWAPPullbackStrategy", "vwap_pullback"),
        ("ATRBreakoutStrategy", "atr_breakout"),
        ("BollingerReversionStrategy", "bollinger_reversion"),
        ("obv", "obv"),
    ],
)
def test_class_names_become_the_keys_of_the_registry(name: str, key: str) -> None:
    assert strategy_key(name) == key


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("exchange.sandbox=false", "exchange.testnet", False),
        ("trading.initial_balance=1000", "account.initial_balance", Decimal(1000)),
        ("trading.trade_fee=0.001", "exchange.fee_rate_bps", Decimal(10)),
        ("trading.slippage=0.0005", "exchange.slippage_bps", Decimal(5)),
        ("trading.symbol=BTC-USD", "market.symbols", ("BTC-USD",)),
        (
            "risk_management.circuit_breaker_threshold=0.07",
            "circuit_breaker.equity_drawdown_threshold",
            Decimal("0.07"),
        ),
    ],
)
def test_the_spellings_of_the_original_mean_our_settings(override: str, key: str, value: object) -> None:
    origin = load((), {}, (override,)).origin_of(key)
    assert origin.value == value
    assert override.partition("=")[0] in origin.source


def test_two_spellings_that_contradict_each_other_in_one_source_are_an_error(tmp_path: Path) -> None:
    path = _file(tmp_path, "c.yaml", "account:\n  initial_balance: 500\ntrading:\n  initial_balance: 1000\n")
    said = _problem(path)
    assert "account.initial_balance is given twice" in said
    assert "c.yaml:2" in said
    assert "c.yaml:4" in said


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("risk_management:\n  max_positon_size: 0.1\n", "did you mean risk_management.max_position_size?"),
        ("max_drawdown: 0.1\n", "did you mean risk_management.max_drawdown?"),
        ("exchnage:\n  name: x\n", "did you mean exchange?"),
        ("quite_another_thing: 1\n", "there is no such setting"),
        ("ml:\n  enabled: true\n", "the nearest setting is strategies.strategy_config"),
        ("advanced: {}\n", "the nearest setting is environment.debug"),
        ("trading:\n  order_timeout: 60\n", "the nearest setting is exchange.recv_window_ms"),
    ],
)
def test_an_unknown_key_is_answered_with_its_place_and_the_nearest_name(
    tmp_path: Path, written: str, expected: str
) -> None:
    said = _problem(_file(tmp_path, "c.yaml", written))
    assert expected in said
    assert f"c.yaml:{written.count(chr(10))}: " in said


def test_an_unknown_environment_variable_is_an_error_too() -> None:
    said = _problem(env={"N1V1__MARKET__TIMEFRAM": "1h", "CRYPTOBOT_EXCHANGE_TESTNETT": "true"})
    assert "environment N1V1__MARKET__TIMEFRAM: market.timefram: there is no such setting" in said
    assert "did you mean exchange.testnet?" in said


def test_a_variable_with_one_underscore_too_few_is_not_overlooked() -> None:
    said = _problem(env={"N1V1_MARKET__TIMEFRAME": "1h"})
    assert said.endswith("settings begin with two underscores: N1V1__MARKET__TIMEFRAME")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "market.timeframe=4x",
            "a timeframe is a number and one of m, h, d, w, as in 15m, 4h, 1d; found the text '4x'",
        ),
        ("replay.loop=perhaps", "expected true or false, found the text 'perhaps'"),
        ("exchange.recv_window_ms=soon", "expected a whole number, found the text 'soon'"),
        ("risk_management.max_position_size=2", "expected a number of at most 1, found the text '2'"),
        ("environment.mode=papr", "expected one of 'paper', 'backtest' or 'live', found the text 'papr'"),
        ("environment=paper", "expected a section with keys, found the text 'paper'"),
        ("account.initial_balance=nan", "expected a finite number"),
        ("market.start=yesterday", "a date or moment is written as 2020-01-01"),
        ("strategies.max_concurrent=0", "expected a number of at least 1"),
        ("signals.worker_count=3", "worker_count=3 is more than partitions=1"),
    ],
)
def test_a_wrong_value_is_answered_with_what_was_expected_and_what_came(override: str, expected: str) -> None:
    said = _problem(overrides=(override,))
    assert expected in said
    assert said.startswith(f"--set: {override.partition('=')[0]}: ") or "signals" in override


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("c.json", '{\n  "market": {"timeframe": }\n}', "c.json:2:27: not valid JSON"),
        ("c.yaml", "market:\n  timeframe: [1h\nx: y", "c.yaml:3:2: not valid YAML"),
        ("c.toml", "[market]\ntimeframe = \n", "c.toml:2:13: not valid TOML"),
        ("c.json", '{"market": {},\n "market": {}}', "c.json:2: market is given twice"),
        ("c.yaml", "market: {}\nmarket: {}\n", "c.yaml:2: market is given twice"),
        ("c.yaml", "- a\n- b\n", "expected sections with keys, found list"),
        ("c.yaml", "market:\n  1: x\n", "the key 1 in market is not text"),
        ("c.yaml", "market: &m\n  again: *m\n", "nested more than"),
        ("c.ini", "[market]", "settings are read from .json, .yaml, .yml, .toml files"),
    ],
)
def test_a_damaged_file_is_named_with_line_and_column(tmp_path: Path, name: str, text: str, place: str) -> None:
    assert place in _problem(_file(tmp_path, name, text))


def test_a_missing_file_and_one_that_is_not_text_are_named(tmp_path: Path) -> None:
    assert "cannot be read" in _problem(tmp_path / "absent.json")
    binary = tmp_path / "b.json"
    binary.write_bytes(b"\xff\xfe{}")
    assert "not UTF-8" in _problem(binary)


@pytest.mark.parametrize("name", ["c.yaml", "c.toml"])
def test_a_date_without_quotes_is_taken_as_the_text_it_was(tmp_path: Path, name: str) -> None:
    text = {"c.yaml": "market:\n  start: 2020-01-01\n", "c.toml": "[market]\nstart = 2020-01-01\n"}[name]
    assert load([_file(tmp_path, name, text)], {}, ()).settings.market.start == "2020-01-01"


def test_secrets_appear_in_no_error_no_repr_and_no_explanation(tmp_path: Path) -> None:
    hidden = "hunter2hunter2"
    path = _file(
        tmp_path,
        "c.yaml",
        f"exchange:\n  api_key: {hidden}\n  passphrase: {hidden}\n  api_secret: [{hidden}]\n",
    )
    assert hidden not in _problem(path)
    env = {"N1V1__EXCHANGE__API_KEY": hidden, "N1V1__POSTGRES__DSN": f"postgresql://u:{hidden}@h/db"}
    loaded = load((), env, ())
    assert loaded.origin_of("exchange.api_key").value == HIDDEN
    everything = repr(loaded.settings) + loaded.settings.model_dump_json() + repr(loaded.origin_of("postgres.dsn"))
    assert hidden not in everything


def test_live_mode_needs_the_flag_the_keys_and_every_choice_that_could_lose_money() -> None:
    assert "i_understand_live" in _problem(overrides=("environment.mode=live",))
    keys = ("exchange.api_key=k1", "exchange.api_secret=s1", "environment.i_understand_live=true")
    said = _problem(overrides=("environment.mode=live", *keys))
    assert "risk_management.max_position_size: has no default in live mode" in said
    assert "the simulator cannot trade live" in said
    chosen = (
        "exchange.name=binance",
        "exchange.testnet=true",
        "market.symbols=BTC-USD",
        "strategies.active_strategies=ema_cross",
        "risk_management.max_position_size=0.02",
        "risk_management.max_drawdown=0.1",
        "risk_management.max_daily_drawdown=0.05",
        "risk_management.position_fraction=0.01",
        "risk_management.require_stop_loss=true",
    )
    assert load((), {}, ("environment.mode=live", *keys, *chosen)).settings.environment.mode == "live"


def test_the_hash_depends_on_values_only_and_not_on_secrets_or_where_they_were_written(
    tmp_path: Path,
) -> None:
    path = _file(tmp_path, "c.json", '{"risk_management": {"max_drawdown": 0.20}}')
    base = load([path], {}, ())
    assert load((), {}, ("risk_management.max_drawdown=0.2",)).hash == base.hash
    assert load([path], {"N1V1__EXCHANGE__API_KEY": "k"}, ()).hash != load([path], {}, ("market.timeframe=1h",)).hash
    assert load((), {}, ("exchange.api_key=a",)).hash == load((), {}, ("exchange.api_key=b",)).hash
    assert load((), {}, ("risk_management.max_drawdown=0.3",)).hash != base.hash
    elsewhere = ("paths.state_dir=/somewhere", "services.risk.port=8123")
    assert load([path], {}, elsewhere).hash == base.hash


def test_an_unknown_key_cannot_be_explained_and_a_section_lists_its_settings() -> None:
    loaded = load((), {}, ())
    with pytest.raises(ConfigError, match=r"did you mean market\.timeframe\?"):
        loaded.origin_of("market.timefame")
    with pytest.raises(ConfigError, match=r"is a section; its settings are bus\.url"):
        loaded.origin_of("bus")


def test_every_setting_says_what_it_means() -> None:
    from n1v1_common.settings.meanings import meaning_of
    from n1v1_common.settings.tree import fields

    assert [".".join(key) for key in fields() if not meaning_of(key)] == []


def test_a_meaning_is_the_docstring_below_the_setting_on_one_line() -> None:
    settings = load((), {}, ())
    assert settings.origin_of("bus.sync").meaning == (
        "Whether JetStream syncs to disk before it acknowledges. On a single node only `always` survives a power cut."
    )


def test_settings_cannot_be_changed_after_they_were_built() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.market.timeframe = "1h"
