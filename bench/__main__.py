"""python -m bench"""

from bench.flow import main

main()
