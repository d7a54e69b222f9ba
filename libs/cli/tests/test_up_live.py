"""`n1v1 up` in live mode, as far as it gets without a venue."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

LIVE = (
    "environment.mode=live",
    "environment.i_understand_live=true",
    "exchange.name=binance",
    "exchange.testnet=true",
    "exchange.api_key=k1",
    "exchange.api_secret=s1",
    "market.symbols=BTC-USDT",
    "strategies.active_strategies=ema_cross",
    "risk_management.max_position_size=0.02",
    "risk_management.max_drawdown=0.1",
    "risk_management.max_daily_drawdown=0.05",
    "risk_management.position_fraction=0.01",
    "risk_management.require_stop_loss=true",
)


def test_nothing_starts_before_the_venue_has_said_on_which_grids_it_trades(state_dir: Path) -> None:
    nobody = "exchange.rest_url=http://127.0.0.1:9"
    overrides = [word for setting in (*LIVE, nobody) for word in ("--set", setting)]
    up = subprocess.run(
        [sys.executable, "-m", "n1v1_cli", "up", *overrides], capture_output=True, text=True, timeout=60
    )
    assert up.returncode == 1
    assert "binance could not be asked for its instruments" in up.stderr
    assert "http://127.0.0.1:9" in up.stderr
    assert not (state_dir / "logs").exists(), "no server, no service"
