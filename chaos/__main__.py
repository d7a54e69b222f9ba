"""python -m chaos: every cell of the matrix, with as many seeds as wanted. Ends with 1 when a run differed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from chaos.cells import Cell, Market, chosen
from chaos.report import command_for, print_matrix, summary_of, write_page
from chaos.run import Outcome, Undisturbed, run_all
from n1v1_cli.stack.stack import announce_nothing

PAGE = Path("results/chaos.html")


def main() -> int:
    args = _arguments()
    try:
        cells = chosen(args.only)
    except ValueError as unknown:
        print(unknown, file=sys.stderr)
        return 2
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    drills = [(cell, seed) for seed in seeds for cell in cells]
    console = Console(width=None if sys.stdout.isatty() else 200)
    outcomes = asyncio.run(_run(drills, args.from_bar, args.page, console))
    print_matrix(console, outcomes)
    console.print(summary_of(outcomes))
    console.print(f"Page {args.page.absolute()}", soft_wrap=True)
    return 1 if any(outcome.differences for outcome in outcomes) else 0


async def _run(drills: Sequence[tuple[Cell, int]], from_bar: int, page: Path, console: Console) -> Sequence[Outcome]:
    """The page is written anew after each drill, so that a long run can be looked at."""
    outcomes: list[Outcome] = []
    async for outcome in run_all(drills, Undisturbed.of(), from_bar=from_bar, announce=announce_nothing):
        outcomes.append(outcome)
        write_page(page, outcomes)
        _tell(console, f"{len(outcomes)}/{len(drills)}", outcome)
    return outcomes


def _tell(console: Console, done: str, outcome: Outcome) -> None:
    is_compared = outcome.cell.market is Market.IN_LOCKSTEP and not outcome.cell.may_refuse
    said = "; ".join(outcome.differences) or ("as undisturbed" if is_compared else "invariants hold")
    if not outcome.is_reached:
        said = "the moment was not reached"
    again = f"; again trading after {outcome.recovered_s:.2f} s" if outcome.recovered_s is not None else ""
    console.print(
        f"{done} {outcome.cell}, seed {outcome.seed}: {said}{again} ({outcome.seconds:.1f} s)", soft_wrap=True
    )
    if outcome.differences:
        console.print(f"  {command_for(outcome)}", soft_wrap=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="how many seeds each cell is run with (1)")
    parser.add_argument("--first-seed", type=int, default=1, metavar="SEED", help="the first of them (1)")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="a victim, a disturbance or a moment"
    )
    parser.add_argument("--from-bar", type=int, default=0, metavar="N", help="begin when so many bar times are settled")
    parser.add_argument("--page", type=Path, default=PAGE, metavar="FILE", help=f"the matrix as a page ({PAGE})")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
