"""python -m bench"""

from bench import backtest_command, engine, exactly_once, flow, indicators, market_data, venue

flow.main()
exactly_once.main()
indicators.main()
engine.main()
market_data.main()
backtest_command.main()
venue.main()
