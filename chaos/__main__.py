"""python -m chaos: every cell of the matrix, with as many seeds as wanted. Ends with 1 when a run differed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from contextlib import redirect_stdout
from pathlib import Path

from rich.console import Console

from chaos.cells import CELLS, TIMES_EACH, Cell
from chaos.replay import BAR_TIMES, in_process, replay_settings
from chaos.report import print_matrix, write_page
from chaos.run import Outcome, run
from n1v1.run_hash import RunRecords

PAGE = Path("results/chaos.html")


def main() -> int:
    args = _arguments()
    cells = [cell for cell in CELLS if not args.only or cell.victim in args.only or cell.disturbance in args.only]
    if not cells:
        known = sorted({cell.victim for cell in CELLS} | {cell.disturbance for cell in CELLS})
        print(f"no cell is called {', '.join(args.only)}; there are: {', '.join(known)}", file=sys.stderr)
        return 2
    console = Console(width=None if sys.stdout.isatty() else 120)
    outcomes = asyncio.run(_run_all(cells, range(args.first_seed, args.first_seed + args.seeds), console))
    print_matrix(console, outcomes)
    write_page(args.page, outcomes, bar_times=BAR_TIMES, disturbances=TIMES_EACH * len(outcomes))
    failed = [outcome for outcome in outcomes if outcome.differences]
    console.print(f"{len(outcomes)} runs, {TIMES_EACH * len(outcomes)} disturbances, {len(failed)} differences")
    console.print(f"Page {args.page.absolute()}")
    return 1 if failed else 0


async def _run_all(cells: list[Cell], seeds: range, console: Console) -> list[Outcome]:
    expected: RunRecords = in_process(replay_settings().settings)
    outcomes: list[Outcome] = []
    for seed in seeds:
        for cell in cells:
            with redirect_stdout(sys.stderr):
                outcome = await run(cell, seed, expected)
            outcomes.append(outcome)
            said = "; ".join(outcome.differences) or "as undisturbed"
            done = f"{len(outcomes)}/{len(cells) * len(seeds)}"
            console.print(f"{done} {cell.victim}, {cell.disturbance}, seed {seed}: {said} ({outcome.seconds:.0f} s)")
    return outcomes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds each cell is run with (1)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="SEED", help="the first of them (1)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="a victim or a disturbance")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"the matrix as a page ({PAGE})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
