"""python -m bench"""

from bench import flow, indicators

flow.main()
indicators.main()
