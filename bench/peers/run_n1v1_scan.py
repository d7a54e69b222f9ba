"""n1v1's compiled scan. `python -m bench.peers.run_n1v1_scan DATA ...`"""

from __future__ import annotations

from bench.peers.measure import main
from bench.peers.ours import PACKAGES, scan, sweep

if __name__ == "__main__":
    main({"one-symbol": scan, "portfolio": scan, "sweep": sweep}, packages=PACKAGES)
