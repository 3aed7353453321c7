"""Folders in the format of the Northwind orders, and their totals by plain Python, no saga."""

import csv
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from random import Random


def totals_of(folder: Path) -> dict[str, int]:
    """Give what the orders of a folder must come to."""
    stock = {row["product_id"]: 10 * int(row["units_in_stock"]) for row in rows(folder, "products")}
    lines = defaultdict[str, list[dict[str, str]]](list)
    for row in rows(folder, "order_lines"):
        lines[row["order_id"]].append(row)
    totals = {"ok": 0, "out_of_stock": 0, "declined": 0, "no_courier": 0, "cents": 0}
    for order in sorted(rows(folder, "orders"), key=lambda row: int(row["order_id"])):
        mine = lines[order["order_id"]]
        cents = sum(cents_of(line) for line in mine)
        if any(stock[line["product_id"]] < int(line["quantity"]) for line in mine):
            totals["out_of_stock"] += 1
        elif cents > 400_000:
            totals["declined"] += 1
        elif Decimal(order["freight"]) > 100:
            totals["no_courier"] += 1
        else:
            totals["ok"] += 1
            totals["cents"] += cents
            for line in mine:
                stock[line["product_id"]] -= int(line["quantity"])
    return totals | {"stock_left": sum(stock.values())}


def cents_of(line: dict[str, str]) -> int:
    """Give the price of a line in cents, half-up."""
    paid = 1 - Decimal(line["discount"])
    exact = Decimal(line["unit_price"]) * int(line["quantity"]) * paid * 100
    return int(exact.quantize(Decimal(1), ROUND_HALF_UP))


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    """Read a file of the folder."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def generate(folder: Path, seed: int, orders: int) -> Path:
    """Write a folder of so many orders, given out of order, on which every outcome occurs."""
    dice = Random(seed)
    products = range(1, 21)
    prices = {product: dice.randrange(25, 9_999) for product in products}
    product_rows = [
        f'{product},"Thing, no. {product}",{as_amount(prices[product])},{dice.randrange(30)},0'
        for product in products
    ]
    order_rows: list[str] = []
    line_rows: list[str] = []
    for order in dice.sample(range(1, orders + 1), orders):
        freight = as_amount(dice.randrange(0, 13_000))
        order_rows.append(f"{order},CUST{order},Norway,{dice.randrange(1, 4)},{freight},1997-01-31")
        for product in dice.sample(products, dice.randrange(1, 5)):
            discount = dice.choice(("0.00", "0.05", "0.15", "0.25"))
            quantity = dice.randrange(1, 40)
            line_rows.append(
                f"{order},{product},{as_amount(prices[product])},{quantity},{discount}"
            )
    dice.shuffle(line_rows)
    write(
        folder, "products", "product_id,name,unit_price,units_in_stock,discontinued", product_rows
    )
    write(
        folder,
        "orders",
        "order_id,customer_id,ship_country,shipper_id,freight,order_date",
        order_rows,
    )
    write(folder, "order_lines", "order_id,product_id,unit_price,quantity,discount", line_rows)
    return folder


def as_amount(cents: int) -> str:
    """Write cents as an amount."""
    return f"{cents // 100}.{cents % 100:02}"


def write(folder: Path, name: str, header: str, lines: list[str]) -> None:
    """Write a file of the folder."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
