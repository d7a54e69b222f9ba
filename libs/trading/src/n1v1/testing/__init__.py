"""For whoever writes something that n1v1 runs: does it keep what it has to keep?"""

from n1v1.testing.bars import TESTED, bar, bars_of, random_bars
from n1v1.testing.strategies import CheckFailed, StrategyConformance, StrategyReport, check_strategy

__all__ = [
    "TESTED",
    "CheckFailed",
    "StrategyConformance",
    "StrategyReport",
    "bar",
    "bars_of",
    "check_strategy",
    "random_bars",
]
