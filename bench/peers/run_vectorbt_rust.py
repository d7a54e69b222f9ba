"""vectorbt with its engine in Rust: the same calls as `run_vectorbt`.

`python -m bench.peers.run_vectorbt_rust DATA ...`
"""

from __future__ import annotations

from bench.peers.measure import main
from bench.peers.run_vectorbt import Runs

if __name__ == "__main__":
    main(Runs("rust").workloads, packages=("vectorbt", "vectorbt-rust", "numpy", "pandas"))
