"""The entry point of the original framework: python main.py, --mode backtest --strategy ema_cross, --api, --status.

It only translates: `n1v1 up` and `n1v1 backtest` do the work, and `n1v1 --help` lists what else there is.
"""

from __future__ import annotations

import sys


def main() -> int:
    try:
        from n1v1_cli.original import main as run
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"main.py: {missing.name} is not installed; run: pip install -r requirements.txt\n")
        return 1
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
