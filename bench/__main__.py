"""python -m bench"""

from bench import backtest_command, flow, indicators

flow.main()
indicators.main()
backtest_command.main()
