"""What a person sees. Texts from files go through ``plain`` and ``Text``: they are never markup."""

import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from place_order.day import Day
from place_order.domain import CardDeclined, NoCourier, OutOfStock, Refused, money
from place_order.placing import Ending, Placed
from place_order.proof import Proof
from place_order.reading import Books
from sagalib import Compensated, CompensationFailed, Fatal, Ok, Raised, TimedOut
from sagalib.core.events import (
    Compensating,
    CompensationGaveUp,
    CompensationRetrying,
    SagaCompensated,
    SagaCompleted,
    SagaFatal,
    SagaStarted,
    StepCompensated,
    StepFailed,
    StepInDoubt,
    StepOk,
    StepRetrying,
    StepSettled,
)

ENDINGS: dict[Ending, str] = {
    "ok": "placed",
    "out_of_stock": "out of stock",
    "declined": "card declined",
    "no_courier": "no courier",
    "refused": "a service was busy",
    "timed_out": "a call timed out",
    "raised": "a call broke off",
    "cancelled": "cancelled",
}

SHORT = 40
"""Up to so many orders are shown one by one."""

Names = Mapping[int, str]
"""The name of each product."""


def plain(text: str) -> str:
    """Show as its code what a terminal would act on, or what the output cannot encode."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def why(reason: object, names: Names) -> str:  # noqa: PLR0911 - a phrase for each reason
    """Say a reason in words."""
    match reason:
        case OutOfStock(product_id, wanted, left):
            return f"{wanted} of {names[product_id]} wanted, {left} left"
        case CardDeclined(cents):
            return f"the card does not pay {money(cents)}"
        case NoCourier(freight):
            return f"no courier for a freight of {freight}"
        case Refused(words):
            return words
        case TimedOut(seconds):
            return f"no answer in {seconds:g} seconds"
        case Raised(kind, message):
            return f"{kind}: {message}"
        case _:
            return ""


def order_table(placed: Sequence[Placed], names: Names) -> Table:
    """Show orders one by one."""
    table = _table("Orders", "order", "customer", "price", "outcome")
    for each in placed:
        outcome, order = each.outcome, each.order
        reason = None if isinstance(outcome, Ok) else outcome.reason
        _add(
            table,
            str(order.id),
            f"{order.customer}, {order.country}",
            money(order.cents),
            why(reason, names) or ENDINGS[each.ending],
        )
    return table


def outcome_table(placed: Sequence[Placed]) -> Table:
    """Show how many orders ended how, and what they were worth."""
    table = _table("Outcomes", "outcome", "orders", "worth")
    orders = Counter(each.ending for each in placed)
    worth = Counter[Ending]()
    for each in placed:
        worth[each.ending] += each.order.cents
    for ending, words in ENDINGS.items():
        if orders[ending]:
            _add(table, words, f"{orders[ending]:,}", money(worth[ending]))
    _add(table, "all", f"{orders.total():,}", money(worth.total()))
    return table


def most_telling(placed: Iterable[Placed]) -> Placed | None:
    """Choose the first compensated order of those that got furthest before they turned back."""
    compensated = [each for each in placed if isinstance(each.outcome, Compensated)]
    return max(compensated, key=_ways_back, default=None)


def _ways_back(placed: Placed) -> int:
    return sum(isinstance(event, StepCompensated) for event in placed.outcome.log)


def log_table(placed: Placed, names: Names) -> Table:
    """Show the log of a run, an event per line."""
    table = _table(f"The log of order {placed.order.id}", "event", "step", "because")
    for event in placed.outcome.log:
        match event:
            case StepOk():
                _add(table, event.kind, event.path, "late" if event.late else "")
            case StepCompensated() | StepSettled():
                _add(table, event.kind, event.path, "")
            case StepInDoubt() | StepRetrying() | StepFailed():
                _add(table, event.kind, event.path, why(event.reason, names))
            case CompensationRetrying() | CompensationGaveUp():
                _add(table, event.kind, event.path, why(event.reason, names))
            case Compensating() | SagaCompensated() | SagaFatal():
                _add(table, event.kind, event.step or "", why(event.reason, names))
            case SagaStarted() | SagaCompleted():
                _add(table, event.kind, "", "")
            case _:
                pass  # the rest changes nothing: that a call began, say
    return table


@contextmanager
def progress_bar(total: int) -> Generator[Callable[[Placed], None]]:
    """Give what to call when an order is placed: it moves a bar, if a person is watching."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("placing orders", total=total)
        yield lambda _: progress.advance(task)


def show_day(console: Console, day: Day, books: Books) -> None:
    """Show what came of a day: outcomes, one log, what is owed, and the proofs."""
    names = {product.id: product.name for product in books.products}
    if len(day.placed) <= SHORT:
        console.print(order_table(day.placed, names))
    console.print(outcome_table(day.placed))
    if (told := most_telling(day.placed)) is not None:
        console.print(log_table(told, names))
    _title(console, "Proof, from the database")
    _show_proof(console, day.proof)
    if any(each.owed for each in day.placed):
        _title(console, "Owed, as the runs say that ended Fatal")
        for each in day.placed:
            reasons = _reasons(each)
            for step in each.owed:
                reason = why(reasons.get(step), names) or "in doubt"
                _line(console, f"order {each.order.id}, {step}: {reason}")
        _title(console, "Proof, once their residuals were run")
        _show_proof(console, day.final_proof)


def _reasons(placed: Placed) -> dict[str, object]:
    failures = placed.outcome.failures if isinstance(placed.outcome, Fatal) else ()
    return {each.step: each.reason for each in failures if isinstance(each, CompensationFailed)}


def _show_proof(console: Console, proof: Proof) -> None:
    for claim in proof.claims:
        mark = Text("holds   ", "green") if claim.holds else Text("BROKEN  ", "bold red")
        _line(console, claim.sentence, mark)
    for effect in proof.named:
        units = f"{effect.amount} units"
        amount = units if effect.step.startswith("reserve") else money(effect.amount)
        left = f"order {effect.order_id}, {effect.step}: {amount}"
        _line(console, left, Text("owed    ", "yellow"))


def _title(console: Console, words: str) -> None:
    console.print()
    console.print(Text(words, "bold"))


def _line(console: Console, words: str, mark: Text | str = "") -> None:
    console.print(Text.assemble("  ", mark, plain(words)), soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=Text(title, "bold"), title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        right = column in {"order", "orders", "price", "worth"}
        table.add_column(column, justify="right" if right else "left")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(plain(cell)) for cell in cells))
