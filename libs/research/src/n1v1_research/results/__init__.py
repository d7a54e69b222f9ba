"""Results: what a run left behind, its statistics, and the files it is kept in.

`RunResult` is one run; `result.save("results/mine")` writes results.json, the tables and the report.
"""

from n1v1_research.results.result import RunResult, Timing

__all__ = ["RunResult", "Timing"]
