"""python -m bench"""

from bench import backtest_command, engine, flow, indicators

flow.main()
indicators.main()
engine.main()
backtest_command.main()
