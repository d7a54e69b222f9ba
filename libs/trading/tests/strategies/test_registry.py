"""Finding strategies: by key, by class name, in a file; and what a wrong name is answered with."""

from __future__ import annotations

from pathlib import Path

import pytest

from n1v1.errors import InvalidValue, StrategyError, UnknownName
from n1v1.strategies import registry
from n1v1.strategies.base import CompiledRunner
from n1v1.strategies.classic import ClassicRunner
from n1v1.strategies.ema_cross import EMACrossStrategy
from n1v1.strategies.my_breakout import MyBreakoutStrategy
from n1v1.values import Instrument

BTC = Instrument(symbol="BTC-USD", base="BTC", quote="USD")

CLASSIC = """
from strategies import BaseStrategy

class {name}(BaseStrategy):
    async def generate_signals(self, market_data):
        return []
"""


def file_with(folder: Path, *parts: str, name: str = "mine.py") -> str:
    path = folder / name
    path.write_text("\n".join(parts))
    return str(path)


@pytest.mark.parametrize("name", ["ema_cross", "EMACrossStrategy", "EMACross"])
def test_a_strategy_has_a_key_and_a_class_name(name: str) -> None:
    assert registry.find(name) is EMACrossStrategy


@pytest.mark.parametrize(
    ("class_name", "key"),
    [
        ("EMACrossStrategy", "ema_cross"),
        ("MyBreakoutStrategy", "my_breakout"),
        ("RSIStrategy", "rsi"),
        ("VWAPPullbackStrategy", "vwap_pullback"),
        ("Strategy", "strategy"),
    ],
)
def test_the_key_follows_from_the_class_name(class_name: str, key: str) -> None:
    assert registry.snake_name(class_name) == key


def test_a_class_tells_its_key() -> None:
    assert registry.key_of(EMACrossStrategy) == "ema_cross"
    assert registry.key_of(MyBreakoutStrategy) == "my_breakout"


@pytest.mark.parametrize("name", ["ema_crsos", "EMACrosStrategy"])
def test_an_unknown_name_is_answered_with_the_nearest(name: str) -> None:
    with pytest.raises(UnknownName) as refused:
        registry.find(name)
    assert str(refused.value) == f"no strategy is called {name!r} (did you mean 'ema_cross'?)"


def test_a_name_near_to_none_is_answered_with_all() -> None:
    with pytest.raises(UnknownName, match=r"no strategy is called 'zzz' \(valid: .*ema_cross, .*my_breakout.*\)"):
        registry.find("zzz")


def test_either_form_gets_its_runner() -> None:
    assert isinstance(registry.runner("ema_cross", {"fast_ema": 5}, BTC), CompiledRunner)
    assert isinstance(registry.runner("my_breakout", {"lookback_period": 5}, BTC), ClassicRunner)


class TestFiles:
    def test_a_file_with_one_strategy_needs_no_name(self, tmp_path: Path) -> None:
        found = registry.find(file_with(tmp_path, CLASSIC.format(name="Mine")))
        assert found.__name__ == "Mine"

    def test_a_compiled_strategy_in_a_file_is_found_as_well(self, tmp_path: Path) -> None:
        text = (
            "from n1v1.strategies.ema_cross import EMACrossStrategy\nclass Faster(EMACrossStrategy):\n    key = 'f'\n"
        )
        assert isinstance(registry.runner(file_with(tmp_path, text), {}, BTC), CompiledRunner)

    def test_a_file_without_a_strategy_is_refused(self, tmp_path: Path) -> None:
        path = file_with(tmp_path, "from strategies import BaseStrategy\nx = 1")
        with pytest.raises(InvalidValue) as refused:
            registry.find(path)
        assert (
            str(refused.value) == f"expected exactly one strategy in {path}, found none; name one as {path}:ClassName"
        )

    def test_of_two_strategies_one_has_to_be_named(self, tmp_path: Path) -> None:
        path = file_with(tmp_path, CLASSIC.format(name="Second"), CLASSIC.format(name="First"))
        with pytest.raises(InvalidValue, match="found First, Second; name one as"):
            registry.find(path)
        assert registry.find(f"{path}:Second").__name__ == "Second"

    def test_a_wrong_class_name_is_answered_with_the_nearest(self, tmp_path: Path) -> None:
        path = file_with(tmp_path, CLASSIC.format(name="Momentum"))
        with pytest.raises(UnknownName, match=r"has no strategy 'Momentun' \(did you mean 'Momentum'\?\)"):
            registry.find(f"{path}:Momentun")

    def test_a_missing_file_is_said_to_be_missing(self, tmp_path: Path) -> None:
        with pytest.raises(UnknownName, match=r"there is no strategy file .*nowhere\.py"):
            registry.find(str(tmp_path / "nowhere.py"))

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("def broken(:", "SyntaxError"),
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("1 / 0", "ZeroDivisionError: division by zero"),
        ],
    )
    def test_a_file_that_cannot_be_loaded_says_why(self, tmp_path: Path, text: str, complaint: str) -> None:
        with pytest.raises(StrategyError, match=rf"mine\.py failed while it was loaded: {complaint}"):
            registry.find(file_with(tmp_path, text))

    def test_a_file_may_define_data_classes(self, tmp_path: Path) -> None:
        setup = (
            "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass S:\n    x: int\n"
        )
        assert registry.find(file_with(tmp_path, setup, CLASSIC.format(name="Mine"))).__name__ == "Mine"

    def test_two_files_of_the_same_name_are_two_strategies(self, tmp_path: Path) -> None:
        (tmp_path / "a").mkdir()
        (tmp_path / "b").mkdir()
        one = registry.find(file_with(tmp_path / "a", CLASSIC.format(name="One")))
        other = registry.find(file_with(tmp_path / "b", CLASSIC.format(name="Other")))
        assert (one.__name__, other.__name__) == ("One", "Other")
        assert one.__module__ != other.__module__

    def test_the_example_of_the_original_readme_runs_from_a_file(self, tmp_path: Path) -> None:
        text = Path(str(registry.find("my_breakout").generate_signals.__code__.co_filename)).read_text()
        runner = registry.runner(file_with(tmp_path, text, name="my_strategy.py"), {}, BTC)
        assert isinstance(runner, ClassicRunner)
