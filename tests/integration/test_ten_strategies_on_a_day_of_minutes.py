"""All ten strategies at once, on the 1,440 one-minute bars of a day, through the services and in one process."""

from __future__ import annotations

from typing import Any

import pytest

from n1v1.run_hash import first_difference, from_events, run_hash
from n1v1_cli.in_process import events
from n1v1_cli.sample_run import dataset_of

pytestmark = pytest.mark.stack

TEN = (
    "ema_cross",
    "rsi",
    "macd",
    "bollinger_reversion",
    "stochastic",
    "keltner_channel",
    "donchian_breakout",
    "atr_breakout",
    "vwap_pullback",
    "obv",
)
A_DAY = (
    "market.dataset=binance-1m",
    "market.symbols=BTC-BUSD",
    "market.timeframe=1m",
    "account.quote_currency=BUSD",
    "market.start=2022-12-13",
    "market.end=2022-12-14",
    f"strategies.active_strategies={','.join(TEN)}",
    # a minute moves less than the defaults were made for; with these every strategy has something to say
    'strategies.strategy_config={"rsi":{"trigger":"level"},"atr_breakout":{"breakout_multiplier":1.0,"min_atr":0.0,'
    '"volume_filter":false},"keltner_channel":{"squeeze_filter":false,"volume_filter":false},"donchian_breakout":'
    '{"breakout_threshold":0.0,"volume_filter":false},"bollinger_reversion":{"volume_filter":false},'
    '"stochastic":{"volume_filter":false},"ema_cross":{"stop_loss_pct":0.0005,"take_profit_pct":0.001}}',
)


async def test_ten_strategies_end_alike_in_one_process_and_through_the_services(start_replay: Any) -> None:
    async with start_replay(*A_DAY) as replay:
        await replay.until_ended(within_s=300.0)
        through_the_services = from_events(await replay.events())
        settings = replay.settings
    in_process = from_events(events(settings, dataset_of(settings)))
    raised = {row[1] for row in in_process.decisions}
    assert raised == set(TEN), f"these never said anything: {sorted(set(TEN) - raised)}"
    assert len(in_process.fills) > 20, "a day without trades proves nothing"
    assert first_difference(in_process, through_the_services) is None
    assert run_hash(in_process) == run_hash(through_the_services)
