"""python -m bench"""

from bench import backtest_command, engine, flow, indicators, market_data, venue

flow.main()
indicators.main()
engine.main()
market_data.main()
backtest_command.main()
venue.main()
