"""A bank transfer: withdraw here, deposit there, or leave both accounts as they were.

Accounts raise, as most libraries do; ``catching`` names the exceptions that say that nothing
happened. The same transfer runs as plain functions and as coroutine functions. Run it:

    python bank.py
"""

import asyncio
from typing import Never, TypeAlias

from attrs import define, frozen

from sagalib import (
    AsyncStep,
    Compensated,
    Fatal,
    Ok,
    Outcome,
    Saga,
    Step,
    async_stage,
    catching,
    last,
    run,
    run_async,
    stage,
)


class InsufficientFunds(Exception):
    """There is less on the account than was asked for."""


class AccountClosed(Exception):
    """There is no such account any more."""


@frozen
class Transfer:
    """Move an amount, in cents, from one account to another."""

    source: str
    target: str
    cents: int


@frozen
class Booking:
    """What an account wrote down."""

    account: str
    cents: int


@define
class Bank:
    """Balances by account, in cents."""

    balances: dict[str, int]

    def withdraw(self, transfer: Transfer) -> Booking:
        """Take the amount off the source."""
        if self.balances[transfer.source] < transfer.cents:
            raise InsufficientFunds(transfer.source)
        return self.book(transfer.source, -transfer.cents)

    def deposit(self, transfer: Transfer, withdrawn: Booking) -> Booking:
        """Put what was withdrawn on the target."""
        if transfer.target not in self.balances:
            raise AccountClosed(transfer.target)
        return self.book(transfer.target, -withdrawn.cents)

    def reverse(self, booking: Booking) -> None:
        """Book the opposite."""
        self.book(booking.account, -booking.cents)

    def book(self, account: str, cents: int) -> Booking:
        """Change a balance and write it down."""
        self.balances[account] += cents
        return Booking(account, cents)

    async def withdraw_async(self, transfer: Transfer) -> Booking:
        """Take the amount off the source, over the network."""
        await asyncio.sleep(0)
        return self.withdraw(transfer)

    async def deposit_async(self, transfer: Transfer, withdrawn: Booking) -> Booking:
        """Put what was withdrawn on the target, over the network."""
        await asyncio.sleep(0)
        return self.deposit(transfer, withdrawn)

    async def reverse_async(self, booking: Booking) -> None:
        """Book the opposite, over the network."""
        await asyncio.sleep(0)
        self.reverse(booking)


Transferred: TypeAlias = Outcome[Booking, InsufficientFunds | AccountClosed, Never]


def transferring(bank: Bank) -> Saga[Transfer, Booking, InsufficientFunds | AccountClosed]:
    """Withdraw, then deposit."""
    withdraw = Step(catching(InsufficientFunds)(bank.withdraw), catching()(bank.reverse))
    deposit = stage(catching(AccountClosed)(bank.deposit), catching()(bank.reverse))
    return (withdraw.keep() >> deposit).map(last).named("transfer")


def transfer(bank: Bank, order: Transfer) -> Transferred:
    """Make a transfer."""
    return run(transferring(bank), order)


async def transfer_async(bank: Bank, order: Transfer) -> Transferred:
    """Withdraw, then deposit, without blocking the event loop."""
    reverse = catching()(bank.reverse_async)
    withdraw = AsyncStep(catching(InsufficientFunds)(bank.withdraw_async), reverse)
    deposit = async_stage(catching(AccountClosed)(bank.deposit_async), reverse)
    return await run_async((withdraw.keep() >> deposit).map(last), order)


def told(outcome: Transferred) -> str:
    """Say how a transfer ended."""
    match outcome:
        case Ok(deposited):
            return f"{deposited.cents} to {deposited.account}"
        case Compensated(InsufficientFunds() as error):
            return f"not enough on {error}"
        case Compensated(AccountClosed() as error):
            return f"{error} is closed, the money is back"
        case Compensated(reason):
            return f"taken back: {reason}"
        case Fatal(reason, failures):
            return f"call the bank: {reason}, {failures}"


ORDERS = [
    Transfer("ann", "bob", 70),
    Transfer("ann", "bob", 70),
    Transfer("bob", "eve", 20),
]


def main() -> None:
    """Make the transfers, once as plain functions and once under asyncio."""
    bank = Bank({"ann": 100, "bob": 0})
    for order in ORDERS:
        print(told(transfer(bank, order)), bank.balances)

    bank = Bank({"ann": 100, "bob": 0})
    for order in ORDERS:
        print(told(asyncio.run(transfer_async(bank, order))), bank.balances)


if __name__ == "__main__":
    main()
