"""The shop of docs/examples/place_order: its totals, its command line, its proof in any weather."""

import asyncio
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Never, TypeVar

import pytest
from attrs import asdict, define, evolve, field
from returns.result import Result, Success

import place_order
from place_order.app import main
from place_order.async_sagas import AsyncCheckout
from place_order.chaos import Storm
from place_order.database import open_shop
from place_order.day import Day, spend_day, spend_day_async
from place_order.domain import (
    CardDeclined,
    Line,
    NoCourier,
    Order,
    Payment,
    Receipt,
    Refused,
    Shipment,
)
from place_order.placing import Placed, pay_debts, pay_debts_async, place_all, place_all_async
from place_order.proof import prove
from place_order.reading import Books, read_books
from place_order.report import ENDINGS
from place_order.sagas import Checkout
from place_order.services import Inventory, Mail, Payments, Shipping
from place_order.virtual_time import Time, VirtualClock
from place_order.weather import Calm, Weather
from place_order.wire import Wire, direct
from sagalib import CompensationFailed, Fatal, Ok, current_call, run, run_async
from tests.examples.northwind import generate, totals_of

T = TypeVar("T")
E = TypeVar("E")

PROGRAM = Path(place_order.__file__).parent
SHIPPED = PROGRAM / "data"
SHIPPED_TOTALS = {
    "ok": 5,
    "out_of_stock": 3,
    "declined": 2,
    "no_courier": 2,
    "cents": 527_086,
    "stock_left": 186,
}
BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["run", "run_async"])
SEEDS = range(25)


def place_orders(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the program as a person does."""
    return subprocess.run(
        [sys.executable, "-m", "place_order", *arguments],
        cwd=PROGRAM.parent,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def spend(
    database: sqlite3.Connection, books: Books, weather: Weather, *, is_async: bool = False
) -> Day:
    """Spend a day in the shop with either driver."""
    if is_async:
        return asyncio.run(spend_day_async(database, books.orders, weather))
    return spend_day(database, books.orders, weather)


@pytest.fixture
def books() -> Books:
    """The shipped orders."""
    return read_books(SHIPPED)


@pytest.fixture
def database(books: Books) -> Iterator[sqlite3.Connection]:
    """A shop that has just opened."""
    with open_shop(None, books.products) as opened:
        yield opened


# ---------------------------------------------------------------- totals


def test_the_reference_agrees_on_the_shipped_data() -> None:
    """The totals of the shipped data, worked out without a saga, are those of these tests."""
    assert SHIPPED_TOTALS == totals_of(SHIPPED)


@BOTH
def test_json_is_one_line_of_the_totals(*, is_async: bool) -> None:
    """With --json the program prints the six totals as one line, nothing else, and succeeds."""
    done = place_orders("--json", *["--async"] * is_async)
    assert (0, json.dumps(SHIPPED_TOTALS) + "\n", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("seed", [1, 2, 3])
@BOTH
def test_any_folder_in_the_format_gives_the_totals_of_plain_python(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int, *, is_async: bool
) -> None:
    """Either driver gives the totals that plain Python works out without a saga."""
    folder = generate(tmp_path / "data", seed, orders=150)
    assert 0 == main(["--data", str(folder), "--json", *["--async"] * is_async])
    expected = totals_of(folder)
    assert all(expected.values())
    assert expected == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("cents", "price", "quantity", "discount"),
    [
        (1, "0.01", 1, "0"),
        (3, "0.05", 1, "0.5"),
        (196, "0.33", 7, "0.15"),
        (2518, "13.25", 2, "0.05"),
        (2517, "13.25", 2, "0.0500001"),
        (0, "0.04", 1, "0.9"),
        (1, "0.05", 1, "0.9"),
        (99_999_999_999_999_999_999, "999999999999.99999999", 1_000_000, "0.00000"),
    ],
)
def test_a_line_is_rounded_half_up(cents: int, price: str, quantity: int, discount: str) -> None:
    """The price of a line is worked out exactly and rounded once, half a cent up."""
    assert cents == Line(1, quantity, Decimal(price), Decimal(discount)).cents


# ---------------------------------------------------------------- the report


def test_the_report_proves_that_nothing_is_left_over() -> None:
    """The report ends with the proof from the database, and each claim of it holds."""
    done = place_orders()
    proof = done.stdout.split("Proof, from the database\n")[1]
    assert (0, "") == (done.returncode, done.stderr)
    assert [
        "  holds   stock 186 + shipped 94 = opening stock 280, for each of 8 products",
        "  holds   5 payments of 5,270.86 = 5 shipped orders of 5,270.86",
        "  holds   payments without a shipment: 0",
        "  holds   effects missing from placed orders: 0",
        "  holds   effects left over and named by no run: 0",
    ] == proof.splitlines()


def test_the_report_shows_the_log_of_a_compensated_order() -> None:
    """The log shown is of the order that got furthest; the last completed is undone first."""
    done = place_orders()
    log = done.stdout.split("The log of order 103")[1].split("Proof")[0]
    rows = [line.split() for line in log.splitlines() if line.strip().startswith(("step", "saga"))]
    assert [
        ["saga_started"],
        ["step_ok", "reserve", "3"],
        ["step_ok", "reserve", "1"],
        ["step_ok", "reserve", "7"],
        ["step_ok", "charge"],
        ["step_failed", "ship", "no", "courier", "for", "a", "freight", "of", "140.51"],
        ["step_compensated", "charge"],
        ["step_compensated", "reserve", "7"],
        ["step_compensated", "reserve", "1"],
        ["step_compensated", "reserve", "3"],
        ["saga_compensated", "ship", "no", "courier", "for", "a", "freight", "of", "140.51"],
    ] == rows


def test_texts_from_files_are_never_markup(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name like markup is shown as it is, and what a terminal would act on as its code."""
    folder = shutil.copytree(SHIPPED, tmp_path / "data")
    products = (folder / "products.csv").read_text("utf-8")
    name = "[red]M\x1b[31m\u202e"
    (folder / "products.csv").write_text(products.replace("Mutton (frozen)", name), "utf-8")
    assert 0 == main(["--data", str(folder)])
    assert "1 of [red]M\\x1b[31m\\u202e wanted" in capsys.readouterr().out


def test_the_report_can_be_written_in_ascii(tmp_path: Path) -> None:
    """An output that knows only ASCII gets names beyond it as codes."""
    folder = shutil.copytree(SHIPPED, tmp_path / "data")
    products = (folder / "products.csv").read_text("utf-8")
    (folder / "products.csv").write_text(products.replace("Mutton (frozen)", "Rødgrød"), "utf-8")
    done = place_orders("--data", str(folder), environment={"PYTHONIOENCODING": "ascii"})
    assert (0, "") == (done.returncode, done.stderr)
    assert "1 of R\\xf8dgr\\xf8d wanted" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_crash(arguments: list[str]) -> None:
    """If nobody reads the output any more, the program ends with 1 and says nothing."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "place_order", *arguments],
        cwd=PROGRAM.parent,
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writing)
    assert (1, b"") == (done.returncode, done.stderr)


@BOTH
def test_a_person_sees_how_far_it_is(*, is_async: bool) -> None:
    """On a terminal a bar on stderr follows the orders to the last; the output has none of it."""
    reading, writing = os.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "place_order", "--json", *["--async"] * is_async],
        cwd=PROGRAM.parent,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=writing,
        check=True,
        timeout=60,
    )
    os.close(writing)
    shown = os.read(reading, 1_000_000).decode()
    os.close(reading)
    assert "placing orders" in shown
    assert "100%" in shown
    assert SHIPPED_TOTALS == json.loads(done.stdout)


# ---------------------------------------------------------------- one saga


def test_a_failed_order_puts_exactly_its_own_lines_back(
    database: sqlite3.Connection, books: Books
) -> None:
    """An order that fails is charged nothing, ships nothing, and each of its lines is released."""
    checkout = Checkout(*services(database))
    order = next(order for order in books.orders if order.id == 103)
    outcome = run(checkout.place_order(order))
    reservations = database.execute(
        "SELECT product_id, quantity, state FROM reservations ORDER BY rowid"
    )
    assert [(3, 6, "released"), (1, 5, "released"), (7, 40, "released")] == reservations.fetchall()
    payments = database.execute("SELECT cents, state FROM payments")
    assert [(37_644, "refunded")] == payments.fetchall()
    assert [] == database.execute("SELECT * FROM shipments").fetchall()
    assert not isinstance(outcome, Ok)


def test_mail_that_fails_does_not_fail_the_order(
    database: sqlite3.Connection, books: Books
) -> None:
    """An order stays placed when its notification cannot be sent, and its receipt says so."""

    def cut(request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        raise ConnectionError(request)

    inventory, payments, shipping, _ = services(database)
    checkout = Checkout(inventory, payments, shipping, Mail(database, cut))
    outcome = run(checkout.place_order(books.orders[0]))
    assert Ok(Receipt(101, 23_368, "1-000101", told=False)) == outcome


def test_requests_that_arrive_twice_have_one_effect(
    database: sqlite3.Connection, books: Books
) -> None:
    """If every request is delivered twice, with its key, the totals are those of a calm day."""
    day = spend(database, books, Echo())
    assert SHIPPED_TOTALS == asdict(day.totals)
    assert day.is_proved


@pytest.mark.parametrize(
    ("late", "query", "state"),
    [
        ("inventory", "SELECT state FROM reservations", "released"),
        ("payments", "SELECT state FROM payments", "refunded"),
        ("shipping", "SELECT state FROM shipments", "cancelled"),
    ],
)
def test_a_request_that_arrives_after_it_was_settled_is_refused(
    database: sqlite3.Connection, books: Books, late: str, query: str, state: str
) -> None:
    """A request that its caller gave up and settled has no effect when it arrives after all."""
    delay = Delay()
    wires: dict[str, Wire] = {"inventory": direct, "payments": direct, "shipping": direct}
    wires[late] = delay.wire
    checkout = Checkout(
        Inventory(database, wires["inventory"]),
        Payments(database, wires["payments"]),
        Shipping(database, wires["shipping"]),
        Mail(database),
    )
    outcome = run(checkout.place_order(books.orders[0]), clock=VirtualClock(Time()))
    assert ["Failure", "Failure", "Failure"] == [type(arrive()).__name__ for arrive in delay.kept]
    assert [(state,)] == database.execute(query).fetchall()
    assert prove(database, [Placed(books.orders[0], outcome, ())]).holds


@pytest.mark.parametrize(
    ("price", "freight", "reason"),
    [
        ("4000.00", "100.00", None),
        ("4000.01", "100.00", CardDeclined(400_001)),
        ("4000.00", "100.01", NoCourier(Decimal("100.01"))),
        ("4000.01", "100.01", CardDeclined(400_001)),
    ],
)
def test_the_limits_themselves_are_within(
    database: sqlite3.Connection, price: str, freight: str, reason: object
) -> None:
    """A charge of 4,000.00 and a freight of 100.00 pass; a cent more is refused, charge first."""
    order = Order(1, "A", "B", 1, Decimal(freight), (Line(1, 1, Decimal(price), Decimal(0)),))
    outcome = run(Checkout(*services(database)).place_order(order))
    assert reason == (None if isinstance(outcome, Ok) else outcome.reason)


def test_the_async_services_let_other_tasks_run(database: sqlite3.Connection, books: Books) -> None:
    """While an order is placed with run_async, the event loop turns at each of its calls."""
    checkout = AsyncCheckout(*services(database))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def place() -> None:
        counting = asyncio.create_task(count_turns())
        await run_async(checkout.place_order(books.orders[0]))
        counting.cancel()

    asyncio.run(place())
    # Two lines, a charge, a shipment, a mail, each there and back: ten pauses, nine turns apart.
    assert 9 <= turns


def services(database: sqlite3.Connection) -> tuple[Inventory, Payments, Shipping, Mail]:
    """Give the services of a calm day."""
    return Inventory(database), Payments(database), Shipping(database), Mail(database)


class Echo(Calm):
    """Weather in which every request arrives twice."""

    def wire(self, request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        """Deliver the request twice."""
        request()
        return request()


@define
class Delay:
    """A wire on which executes arrive only when told to."""

    kept: list[Callable[[], object]] = field(factory=list[Callable[[], object]])

    def wire(self, request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        """Keep an execute, and deliver the rest."""
        if current_call().direction != "execute":
            return request()
        self.kept.append(request)
        raise TimeoutError


# ---------------------------------------------------------------- the proof


BROKEN_SERVICES = [
    (Inventory, "release", "effects left over and named by no run: 10"),
    (Payments, "refund", "effects left over and named by no run: 2"),
]


@pytest.mark.parametrize(("service", "method", "claim"), BROKEN_SERVICES)
def test_the_proof_sees_a_compensation_that_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    service: type,
    method: str,
    claim: str,
) -> None:
    """A compensation that only says that it worked breaks the proof; the exit code is 1."""

    def do_nothing(*_: object) -> Result[None, Never]:
        return Success(None)

    monkeypatch.setattr(service, method, do_nothing)
    assert 1 == main([])
    assert f"  BROKEN  {claim}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("damage", "claim"),
    [
        ("UPDATE stock SET on_shelf = on_shelf - 1 WHERE product_id = 7", 0),
        ("UPDATE payments SET cents = cents + 1 WHERE order_id = 101", 1),
        ("UPDATE shipments SET state = 'cancelled' WHERE order_id = 101", 2),
        ("DELETE FROM reservations WHERE order_id = 101 AND product_id = 1", 3),
        ("UPDATE payments SET state = 'charged' WHERE order_id = 103", 4),
    ],
)
def test_each_claim_of_the_proof_can_break(
    database: sqlite3.Connection, books: Books, damage: str, claim: int
) -> None:
    """Damage to the database after the day breaks the claim that is about it."""
    day = spend(database, books, Calm())
    assert day.is_proved
    database.execute(damage)
    assert not prove(database, day.placed).claims[claim].holds


def test_a_day_that_ends_with_something_owed_is_not_proved(
    database: sqlite3.Connection, books: Books
) -> None:
    """If a residual did not go through, the day is not proved, whatever the database says."""
    day = spend(database, books, Calm())
    owing = evolve(day.paid[0], owed=("charge",))
    assert [True, False] == [day.is_proved, evolve(day, paid=(owing, *day.paid[1:])).is_proved]


# ---------------------------------------------------------------- chaos


def names_of_effects(placed: Placed) -> set[str]:
    """Give the steps of which the outcome says that an effect may be left."""
    outcome = placed.outcome
    named = set(outcome.in_doubt)
    if isinstance(outcome, Fatal):
        named |= {one.step for one in outcome.failures if isinstance(one, CompensationFailed)}
    return named


def left_over(database: sqlite3.Connection, placed: Iterable[Placed]) -> set[tuple[int, str]]:
    """Give what stands in the database for orders that were not placed."""
    live = database.execute(
        "SELECT order_id, 'reserve ' || product_id FROM reservations WHERE state = 'held'"
        " UNION ALL SELECT order_id, 'charge' FROM payments WHERE state = 'charged'"
        " UNION ALL SELECT order_id, 'ship' FROM shipments WHERE state = 'booked'"
    )
    kept = {each.order.id for each in placed if isinstance(each.outcome, Ok)}
    return {(order_id, step) for order_id, step in live if order_id not in kept}


@pytest.mark.parametrize("seed", SEEDS)
@BOTH
def test_in_chaos_every_effect_that_is_left_over_is_named(
    database: sqlite3.Connection, books: Books, seed: int, *, is_async: bool
) -> None:
    """In any storm an outcome names what its order leaves over; its residual takes it away."""
    storm = storm_of(seed)
    placed = storm_through(database, books, storm, is_async=is_async)
    named = {(each.order.id, step) for each in placed for step in names_of_effects(each)}
    assert left_over(database, placed) <= named
    assert prove(database, placed).holds
    paid = (
        asyncio.run(gathered(pay_debts_async(storm, placed)))
        if is_async
        else list(pay_debts(storm, placed))
    )
    assert set() == left_over(database, paid)
    assert all(not each.owed for each in paid)


@pytest.mark.slow
def test_the_storms_reach_everything(books: Books) -> None:
    """The storms of these tests reach every ending, every kind of event, and effects left over."""
    placed: list[Placed] = []
    left: set[str] = set()
    for seed in SEEDS:
        for is_async in (False, True):
            with open_shop(None, books.products) as database:
                some = storm_through(database, books, storm_of(seed), is_async=is_async)
                left |= {step.split()[0] for _, step in left_over(database, some)}
            placed += some
    events = {event.kind for each in placed for event in each.outcome.log}
    assert set(ENDINGS) - {"cancelled"} == {each.ending for each in placed}
    assert {"Ok", "Compensated", "Fatal"} == {type(each.outcome).__name__ for each in placed}
    assert {"step_in_doubt", "step_retrying", "step_settled", "step_compensated"} <= events
    assert {"compensation_retrying", "compensation_failed"} <= events
    assert {"reserve", "charge"} <= left


@BOTH
def test_a_seed_gives_the_same_storm_again(books: Books, *, is_async: bool) -> None:
    """The same seed gives the same outcomes and the same totals."""
    days: list[Day] = []
    for _ in range(2):
        with open_shop(None, books.products) as database:
            days.append(spend(database, books, storm_of(7), is_async=is_async))
    assert days[0].placed == days[1].placed
    assert days[0].totals == days[1].totals


@BOTH
def test_the_program_in_chaos_proves_its_result(books: Books, *, is_async: bool) -> None:
    """With --chaos the program lists what was owed, runs the residuals, and proves the result."""
    done = place_orders(
        "--chaos", str(seed_that_owes(books, is_async=is_async)), *["--async"] * is_async
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert "Owed, as the runs say that ended Fatal\n  order " in done.stdout
    assert "Proof, once their residuals were run\n  holds   stock " in done.stdout
    assert "BROKEN" not in done.stdout


def seed_that_owes(books: Books, *, is_async: bool) -> int:
    """Find a storm after which something is owed."""
    for seed in SEEDS:
        with open_shop(None, books.products) as database:
            day = spend(database, books, storm_of(seed), is_async=is_async)
        if any(each.owed for each in day.placed):
            return seed
    raise AssertionError("no storm leaves anything owed")


def storm_of(seed: int) -> Storm:
    """Give the storm of a seed."""
    return Storm(Random(seed))


def storm_through(
    database: sqlite3.Connection, books: Books, storm: Storm, *, is_async: bool = False
) -> list[Placed]:
    """Place all orders in a storm, and wait until it is over."""
    inventory = Inventory(database, storm.wire)
    payments = Payments(database, storm.wire)
    shipping = Shipping(database, storm.wire)
    mail = Mail(database, storm.wire)
    if is_async:
        checkout = AsyncCheckout(inventory, payments, shipping, mail)
        placed = asyncio.run(gathered(place_all_async(storm, checkout, books.orders)))
    else:
        placed = list(place_all(storm, Checkout(inventory, payments, shipping, mail), books.orders))
    storm.end()
    return placed


async def gathered(items: AsyncIterator[T]) -> list[T]:
    """Give all items as a list."""
    return [item async for item in items]


# ---------------------------------------------------------------- the database file


def test_the_database_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    """With --database the shop is kept in a new file that nobody else may read."""
    file = tmp_path / "shop.db"
    done = place_orders("--json", "--database", str(file))
    assert (0, "") == (done.returncode, done.stderr)
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert [file] == list(tmp_path.iterdir())
    with closing(sqlite3.connect(file)) as database:
        (cents,) = database.execute(
            "SELECT SUM(cents) FROM payments WHERE state = 'charged'"
        ).fetchone()
    assert SHIPPED_TOTALS["cents"] == cents


def test_an_earlier_shop_in_the_file_is_started_afresh(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same command on the same file gives the same totals again."""
    arguments = ["--json", "--database", str(tmp_path / "shop.db")]
    assert [0, 0] == [main(arguments), main(arguments)]
    first, second = capsys.readouterr().out.splitlines()
    assert SHIPPED_TOTALS == json.loads(first)
    assert first == second


def make_text(file: Path) -> None:
    """Put a text in the place."""
    file.write_bytes(b"my notes\n")


def make_empty(file: Path) -> None:
    """Put an empty file in the place."""
    file.write_bytes(b"")


def make_other_database(file: Path) -> None:
    """Put another database in the place."""
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE stock (mine)")
        database.commit()


def make_broken_shop(file: Path) -> None:
    """Put a file in the place that begins as a shop does."""
    file.write_bytes(b"SQLite format 3\0".ljust(68, b"?") + b"SHOP" + b"?" * 5_000)


@pytest.mark.parametrize(
    "make", [make_text, make_empty, make_other_database, make_broken_shop, os.mkfifo, Path.mkdir]
)
def test_what_is_no_shop_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], object]
) -> None:
    """A file, pipe or folder that is no shop is refused in one line, and left as it was."""
    file = tmp_path / "taken"
    make(file)
    before = file.read_bytes() if file.is_file() else None
    assert 2 == main(["--database", str(file)])
    assert before == (file.read_bytes() if file.is_file() else None)
    assert refusal(capsys).startswith(f"place_order: {file}: ")


def test_a_database_that_cannot_be_created_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database in a folder that does not exist is refused in one line."""
    file = tmp_path / "missing" / "shop.db"
    assert 2 == main(["--database", str(file)])
    assert f"place_order: {file}: cannot be created: No such file or directory" == refusal(capsys)


@BOTH
def test_an_interrupted_order_is_taken_back(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    is_async: bool,
) -> None:
    """Ctrl-C while an order is shipped gives exit code 130; the order leaves nothing behind."""
    ship = Shipping.ship

    def interrupted(
        self: Shipping, order: Order, payment: Payment
    ) -> Result[Shipment, NoCourier | Refused]:
        shipment = ship(self, order, payment)
        if order.id == 108:
            raise KeyboardInterrupt
        return shipment

    monkeypatch.setattr(Shipping, "ship", interrupted)
    file = tmp_path / "shop.db"
    assert 130 == main(["--database", str(file), *["--async"] * is_async])
    assert "place_order: interrupted, the order in hand is taken back" == refusal(capsys)
    with closing(sqlite3.connect(file)) as database:
        states = database.execute(
            "SELECT state FROM reservations WHERE order_id = 108"
            " UNION ALL SELECT state FROM payments WHERE order_id = 108"
            " UNION ALL SELECT state FROM shipments WHERE order_id = 108"
        ).fetchall()
    assert [("released",), ("released",), ("refunded",), ("cancelled",)] == states


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """Give the one line on stderr; nothing else may have been printed."""
    output = capsys.readouterr()
    assert "" == output.out
    assert 1 == output.err.count("\n")
    return output.err.removesuffix("\n")


# ---------------------------------------------------------------- bad input


def change(name: str, row: int, old: str, new: str) -> Callable[[Path], None]:
    """Replace text in a row of a file; the header is row 1."""

    def make(folder: Path) -> None:
        file = folder / name
        lines = file.read_text("utf-8").split("\n")
        assert old in lines[row - 1]
        lines[row - 1] = lines[row - 1].replace(old, new, 1)
        file.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))

    return make


def remove(name: str) -> Callable[[Path], None]:
    """Remove a file."""
    return lambda folder: (folder / name).unlink()


def replace_by_folder(name: str) -> Callable[[Path], None]:
    """Put a folder in the place of a file."""

    def make(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return make


def empty(name: str) -> Callable[[Path], None]:
    """Empty a file."""

    def make(folder: Path) -> None:
        (folder / name).write_bytes(b"")

    return make


BAD_INPUT = [
    ("orders.csv: cannot be read: No such file or directory", remove("orders.csv")),
    ("order_lines.csv: cannot be read: No such file or directory", remove("order_lines.csv")),
    ("products.csv: cannot be read: No such file or directory", remove("products.csv")),
    ("products.csv: cannot be read: Is a directory", replace_by_folder("products.csv")),
    ("products.csv, row 1: column 'product_id' is not in the header", empty("products.csv")),
    (
        "orders.csv, row 1: column 'freight' is not in the header",
        change("orders.csv", 1, "freight", "weight"),
    ),
    (
        "order_lines.csv, row 1: column 'quantity' is not in the header",
        change("order_lines.csv", 1, ",quantity", ""),
    ),
    (
        "products.csv, row 1: column 'name' is twice in the header",
        change("products.csv", 1, "discontinued", "name"),
    ),
    (
        "order_lines.csv, row 3: quantity must be a whole number, 1 or more, not 'three'",
        change("order_lines.csv", 3, ",3,", ",three,"),
    ),
    (
        "order_lines.csv, row 3: quantity must be a whole number, 1 or more, not '0'",
        change("order_lines.csv", 3, ",3,", ",0,"),
    ),
    (
        "order_lines.csv, row 3: quantity must be a whole number, 1 or more, not '-3'",
        change("order_lines.csv", 3, ",3,", ",-3,"),
    ),
    (
        "order_lines.csv, row 3: quantity must be a whole number, 1 or more, not '3.0'",
        change("order_lines.csv", 3, ",3,", ",3.0,"),
    ),
    (
        "order_lines.csv, row 3: quantity must be a whole number, 1 or more, not '\u0663'",
        change("order_lines.csv", 3, ",3,", ",\u0663,"),
    ),
    (
        "order_lines.csv, row 2: unit_price must be an amount, such as 12.50, not 'NaN'",
        change("order_lines.csv", 2, "18.00", "NaN"),
    ),
    (
        "order_lines.csv, row 2: unit_price must be an amount, such as 12.50, not '-18.00'",
        change("order_lines.csv", 2, "18.00", "-18.00"),
    ),
    (
        "order_lines.csv, row 2: unit_price must be an amount, such as 12.50, not '1e9'",
        change("order_lines.csv", 2, "18.00", "1e9"),
    ),
    (
        "order_lines.csv, row 2: discount must be from 0 to 1, such as 0.15, not '1.01'",
        change("order_lines.csv", 2, "0.00", "1.01"),
    ),
    (
        "orders.csv, row 4: freight must be an amount, such as 12.50, not 'Infinity'",
        change("orders.csv", 4, "140.51", "Infinity"),
    ),
    (
        "orders.csv, row 4: order_date must be a date such as 1996-07-04, not '2024-02-30'",
        change("orders.csv", 4, "2024-03-02", "2024-02-30"),
    ),
    (
        "orders.csv, row 4: shipper_id must be a whole number, 0 or more, not ''",
        change("orders.csv", 4, ",3,", ",,"),
    ),
    (
        "products.csv, row 2: units_in_stock must be a whole number, 0 or more, not '-4'",
        change("products.csv", 2, ",4,", ",-4,"),
    ),
    (
        "products.csv, row 2: unit_price must be an amount, such as 12.50, not 'nan'",
        change("products.csv", 2, "18.00", "nan"),
    ),
    (
        "order_lines.csv, row 2: product 99 is not in products.csv",
        change("order_lines.csv", 2, "101,1,", "101,99,"),
    ),
    (
        "order_lines.csv, row 2: order 999 is not in orders.csv",
        change("order_lines.csv", 2, "101,1,", "999,1,"),
    ),
    (
        "order_lines.csv, row 3: product 1 stands twice in order 101",
        change("order_lines.csv", 3, "101,2,", "101,1,"),
    ),
    (
        "orders.csv, row 3: order_id 101 is taken by row 2",
        change("orders.csv", 3, "102,", "101,"),
    ),
    (
        "products.csv, row 9: product_id 1 is taken by row 2",
        change("products.csv", 9, "8,", "1,"),
    ),
    (
        "orders.csv, row 14: order 113 has no lines in order_lines.csv",
        change("orders.csv", 14, "", "113,NEW,Norway,1,1.00,2024-03-07"),
    ),
    (
        "orders.csv, row 5: expected 6 cells, as in the header, not 5",
        change("orders.csv", 5, ",2024-03-02", ""),
    ),
    (
        "orders.csv, row 5: expected 6 cells, as in the header, not 7",
        change("orders.csv", 5, ",2024-03-02", ",2024-03-02,"),
    ),
    (
        "orders.csv, row 5: not CSV: ',' expected after '\"'",
        change("orders.csv", 5, "DRACD", '"DRA"CD'),
    ),
    (
        "products.csv, row 3: not UTF-8 text: invalid continuation byte",
        change("products.csv", 3, "Kn\u00e4cke", "Kn\udce4cke"),
    ),
    (
        "products.csv, row 3: a NUL character: this is not a text file",
        change("products.csv", 3, "Kn\u00e4cke", "Kn\0cke"),
    ),
    (
        f"orders.csv, row 4: freight must be an amount, such as 12.50, not '{'x' * 40}...'",
        change("orders.csv", 4, "140.51", "x" * 10_000),
    ),
    (
        "orders.csv, row 4: freight must be an amount, such as 12.50, not '1\\n2'",
        change("orders.csv", 3, "2,8.05", '2,"1\n2"'),
    ),
]


@pytest.mark.parametrize(("message", "spoil"), BAD_INPUT, ids=[message for message, _ in BAD_INPUT])
def test_bad_input_is_one_line_and_touches_no_database(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    message: str,
    spoil: Callable[[Path], None],
) -> None:
    """Bad input gives 2 and a line that names file and row; no database is touched or made."""
    file = tmp_path / "shop.db"
    assert 0 == main(["--json", "--database", str(file)])
    capsys.readouterr()
    before = file.read_bytes(), file.stat().st_mtime_ns
    folder = shutil.copytree(SHIPPED, tmp_path / "data")
    spoil(folder)
    assert 2 == main(["--data", str(folder), "--database", str(file)])
    assert f"place_order: {folder}/{message}" == refusal(capsys)
    assert before == (file.read_bytes(), file.stat().st_mtime_ns)
    assert 2 == main(["--data", str(folder), "--database", str(tmp_path / "new.db")])
    assert not (tmp_path / "new.db").exists()


def test_bad_input_is_one_line_on_a_real_terminal_too(tmp_path: Path) -> None:
    """The program ends with 2 and its one line on stderr, whatever the name of the folder is."""
    folder = tmp_path / "a\nb"
    done = place_orders("--data", str(folder))
    expected = (
        f"place_order: {tmp_path}/a\\nb/products.csv: cannot be read: No such file or directory\n"
    )
    assert (2, "", expected) == (done.returncode, done.stdout, done.stderr)


def test_a_file_may_begin_with_a_byte_order_mark(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files saved by a spreadsheet, with a byte order mark and CRLF, are read as any other."""
    folder = shutil.copytree(SHIPPED, tmp_path / "data")
    for file in folder.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert 0 == main(["--data", str(folder), "--json"])
    assert SHIPPED_TOTALS == json.loads(capsys.readouterr().out)
