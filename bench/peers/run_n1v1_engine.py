"""n1v1's engine, event by event. `python -m bench.peers.run_n1v1_engine DATA ...`"""

from __future__ import annotations

from bench.peers.measure import main
from bench.peers.ours import PACKAGES, engine

if __name__ == "__main__":
    main({"one-symbol": engine, "portfolio": engine}, packages=PACKAGES)
