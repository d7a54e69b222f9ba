"""python -m n1v1_research.scan: compile what every backtest shares, so that the first one does not wait for it.

Nothing happens when it is compiled already.
"""

from __future__ import annotations

import numpy as np

from n1v1.risk.limits import WISH
from n1v1_research.backtest.defaults import configuration_of
from n1v1_research.datasets import load
from n1v1_research.scan.layouts import SIGNAL
from n1v1_research.scan.market import Market
from n1v1_research.scan.simulate import simulate


def main() -> None:
    dataset = load("binance-1m")
    usual = configuration_of("ema_cross", dataset, parameters={}, cash=10_000, fee="0.001", slippage="0.0005")
    nothing, no_wishes = np.zeros(0, SIGNAL), np.zeros(1, WISH)
    simulate(Market.of(dataset), nothing, no_wishes, policy=usual.policy, rules=usual.rules, cash=usual.initial_cash)


if __name__ == "__main__":
    main()
