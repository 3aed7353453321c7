"""A saga is run on a value of the type that it takes."""

from sagalib import Step, replay, run, run_async, simulate
from tests.typing.shop import Order, Payment, release, reserve

saga = Step(reserve, release)

right = run(saga, Order(1))
another_value = run(saga, Payment(1))  # type: ignore
no_value = run(saga)  # type: ignore
a_function = run(reserve, Order(1))  # type: ignore

right_simulated = simulate(saga, Order(1))
another_value_simulated = simulate(saga, Payment(1))  # type: ignore

right_replayed = replay(saga, Order(1), right.log)
another_value_replayed = replay(saga, Payment(1), right.log)  # type: ignore


async def run_it() -> None:
    """The same under asyncio."""
    accepted = await run_async(saga, Order(1))
    refused = await run_async(saga, Payment(1))  # type: ignore
    print(accepted, refused)
