"""What the shop is fed: orders.csv, order_lines.csv and products.csv, checked as a whole."""

from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from place_order.domain import Line, Order, Product
from place_order.table import Row, read_rows

PRODUCTS = ("product_id", "name", "unit_price", "units_in_stock", "discontinued")
ORDERS = ("order_id", "customer_id", "ship_country", "shipper_id", "freight", "order_date")
LINES = ("order_id", "product_id", "unit_price", "quantity", "discount")


@frozen
class Books:
    """All products, and all orders by their id."""

    products: tuple[Product, ...]
    orders: tuple[Order, ...]


def read_books(folder: Path) -> Books:
    """Read the three files of a folder; InputError names the file and row of the first mistake."""
    products = _by_id("product_id", read_rows(folder / "products.csv", PRODUCTS))
    orders = _by_id("order_id", read_rows(folder / "orders.csv", ORDERS))
    lines: dict[int, dict[int, Line]] = {order_id: {} for order_id in orders}
    for row in read_rows(folder / "order_lines.csv", LINES):
        order_id, line = row.whole("order_id"), _line(row)
        if order_id not in orders:
            raise row.wrong(f"order {order_id} is not in orders.csv")
        if line.product_id not in products:
            raise row.wrong(f"product {line.product_id} is not in products.csv")
        if line.product_id in lines[order_id]:
            raise row.wrong(f"product {line.product_id} stands twice in order {order_id}")
        lines[order_id][line.product_id] = line
    return Books(
        tuple(_product(row) for row in products.values()),
        tuple(_order(orders[key], lines[key].values()) for key in sorted(orders)),
    )


def _by_id(column: str, rows: Iterable[Row]) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for row in rows:
        key = row.whole(column)
        if key in found:
            raise row.wrong(f"{column} {key} is taken by row {found[key].number}")
        found[key] = row
    return found


def _product(row: Row) -> Product:
    # The shop has no use for these columns, but a file that is wrong in them is not to be trusted.
    row.amount("unit_price")
    row.whole("discontinued")
    return Product(row.whole("product_id"), row.text("name"), row.whole("units_in_stock"))


def _line(row: Row) -> Line:
    return Line(
        row.whole("product_id"),
        row.whole("quantity", least=1),
        row.amount("unit_price"),
        row.share("discount"),
    )


def _order(row: Row, lines: Iterable[Line]) -> Order:
    row.day("order_date")  # of no use here either
    order = Order(
        row.whole("order_id"),
        row.text("customer_id"),
        row.text("ship_country"),
        row.whole("shipper_id"),
        row.amount("freight"),
        tuple(lines),
    )
    if not order.lines:
        raise row.wrong(f"order {order.id} has no lines in order_lines.csv")
    return order
