"""An observer takes events; a clock has the time; a run id is text."""

from sagalib import Event, Observer, Step, run, run_async
from tests.typing.shop import Order, release, reserve

saga = Step(reserve, release)


def watch(event: Event) -> None:
    """Look at an event."""


def watch_text(event: str) -> None:
    """Look at something else."""


right: Observer = watch
of_text: Observer = watch_text  # type: ignore

watched = run(saga, Order(1), observers=[watch])
watched_by_another = run(saga, Order(1), observers=[watch_text])  # type: ignore
numbered = run(saga, Order(1), run_id=1)  # type: ignore
no_clock = run(saga, Order(1), clock=0)  # type: ignore


async def watched_async() -> None:
    """The same under asyncio."""
    await run_async(saga, Order(1), observers=[watch])
    await run_async(saga, Order(1), observers=[watch_text])  # type: ignore
