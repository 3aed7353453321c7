"""The command line."""

import asyncio
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from random import Random

from attrs import asdict, frozen
from rich.console import Console

from place_order.chaos import Storm
from place_order.database import open_shop
from place_order.day import spend_day, spend_day_async
from place_order.domain import InputError
from place_order.reading import read_books
from place_order.report import plain, progress_bar, show_day
from place_order.weather import Calm
from sagalib import Compensated, outcome_of

SMALL_DATA = Path(__file__).parent / "data"


@frozen
class Options:
    """What the command line says."""

    data: Path
    database: Path | None
    is_async: bool
    as_json: bool
    chaos: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Open a shop, place the orders, and prove from the database that nothing is left over.

    Gives the exit code: 0; 1 if the proof fails or nobody listens; 2 if something that was given
    cannot be used; 130 if interrupted.
    """
    options = parse(arguments)
    try:
        books = read_books(options.data)
        with open_shop(options.database, books.products) as database:
            seed = options.chaos
            weather = Calm() if seed is None else Storm(Random(seed))  # noqa: S311 - dice, not secrets
            with progress_bar(len(books.orders)) as advance:
                day = (
                    asyncio.run(spend_day_async(database, books.orders, weather, advance))
                    if options.is_async
                    else spend_day(database, books.orders, weather, advance)
                )
        if options.as_json:
            print(json.dumps(asdict(day.totals)))
        else:
            show_day(Console(), day, books)
        print(end="", flush=True)
    except InputError as error:
        return fail(str(error), 2)
    except KeyboardInterrupt as interrupt:
        taken_back = isinstance(outcome_of(interrupt), Compensated)
        return fail(f"interrupted{', the order in hand is taken back' * taken_back}", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or the interpreter flushes into it again
        return 1
    return 0 if day.is_proved else fail("the proof does not hold", 1)


def fail(why: str, code: int) -> int:
    """Say in one line what went wrong."""
    print(plain(f"place_order: {why}"), file=sys.stderr)
    return code


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line."""
    parser = ArgumentParser(
        prog="place_order",
        description="Place orders, one saga each, and prove that nothing is left over.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=SMALL_DATA,
        metavar="DIR",
        help="a folder with orders.csv, order_lines.csv and products.csv (default: twelve orders)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        metavar="FILE",
        help="keep the shop in this SQLite file; an earlier shop in it is started afresh",
    )
    parser.add_argument(
        "--async",
        action="store_true",
        dest="is_async",
        help="call the services as coroutines, under asyncio",
    )
    parser.add_argument(
        "--chaos",
        type=int,
        metavar="SEED",
        help="let calls be refused, lost, late and repeated, by dice with this seed",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        dest="as_json",
        help="print the totals as one line of JSON, and nothing else",
    )
    given = parser.parse_args(arguments)
    return Options(**vars(given))
