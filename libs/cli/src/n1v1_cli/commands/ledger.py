"""n1v1 ledger: are positions, cash and fees what the ledger alone says they are?"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING, Any

from n1v1_cli.bus import settings_of
from n1v1_cli.errors import CommandError

if TYPE_CHECKING:
    from n1v1_cli.ledger_tables import Tables
    from n1v1_common.settings.model import Settings

EXIT_DIFFERENT = 3
SHOWN = 20
"""So many differences are told."""


def add_parser(subparsers: Any) -> None:  # Any: argparse keeps the type of its subparsers private
    from n1v1_cli.options import add_settings_options

    parser = subparsers.add_parser(
        "ledger",
        help="rebuild: positions, cash and fees from the ledger alone, beside what is kept",
        description="rebuild reads every transaction of the ledger, works out positions, cash and fees from nothing "
        "else, and compares them with what the portfolio service keeps, its transactions with the fills of the "
        "execution service, and cash with every mark of the account. It changes nothing. Exit code 0 when all is "
        "equal, 3 when something is not.",
    )
    parser.add_argument("action", choices=("rebuild",))
    add_settings_options(parser)


def run(args: argparse.Namespace) -> int:
    """Raises CommandError: no database, no ledger there, or an empty one."""
    from n1v1.errors import InvalidData, LedgerImbalance

    settings = settings_of(args, as_admin=True)
    tables = asyncio.run(_tables(settings))
    if not tables.ledger:
        raise CommandError("the ledger is empty: nothing was traded yet")
    try:
        differences = _compared(tables, settings)
    except (LedgerImbalance, InvalidData) as error:
        differences = [f"the ledger cannot be rebuilt: {error}"]
    for difference in differences[:SHOWN]:
        print(difference)
    if len(differences) > SHOWN:
        print(f"and {len(differences) - SHOWN} more")
    return EXIT_DIFFERENT if differences else 0


async def _tables(settings: Settings) -> Tables:
    from n1v1_cli.database import opened_database
    from n1v1_cli.ledger_tables import read_tables

    async with opened_database(settings) as connection:
        return await read_tables(connection, settings.account.id)


def _compared(tables: Tables, settings: Settings) -> list[str]:
    """Prints what was rebuilt and answers what is not equal to it. Raises LedgerImbalance, InvalidData."""
    from n1v1.portfolio.rebuilding import Books, rebuilt
    from n1v1_cli import ledger_tables
    from n1v1_common.instruments import instruments_of

    instruments = instruments_of(settings)
    transactions = ledger_tables.transactions(tables.ledger, instruments)
    books, kept = rebuilt(transactions, instruments), Books.kept(tables.saved)
    print(f"rebuilt  {books.hash}  from {len(transactions)} transactions")
    print(f"kept     {kept.hash}  in the portfolio service's state")
    differences = [
        *ledger_tables.wrong_transactions(transactions, tables.fills, instruments),
        *ledger_tables.differences(books, kept, instruments),
        *ledger_tables.wrong_positions(books, tables.positions, instruments),
        *ledger_tables.wrong_marks(books, tables.marks, instruments[0]),
    ]
    if not differences:
        print(f"equal: {len(books.positions)} positions, {len(tables.fills)} fills, {len(tables.marks)} marks")
    return differences
