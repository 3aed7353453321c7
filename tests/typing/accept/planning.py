"""``plan`` and ``explore``: what a saga would do, and all that it can do."""

from typing import Never, assert_type

from returns.result import Failure, Result, Success

from sagalib import (
    Answer,
    Answers,
    AsyncStep,
    Call,
    Exploration,
    FailurePoint,
    HowItFails,
    Lint,
    LintKind,
    Outcome,
    Plan,
    PlannedCall,
    Schedule,
    Step,
    explore,
    plan,
)
from tests.typing.shop import (
    Order,
    OutOfStock,
    Reservation,
    release,
    release_async,
    reserve,
    reserve_async,
)

plain = Step(reserve, release)
waits = AsyncStep(reserve_async, release_async)

planned = plan(plain)
assert_type(planned, Plan)
assert_type(plan(waits, deadline=5.0), Plan)
assert_type(planned.forward, tuple[PlannedCall, ...])
assert_type(planned.failures, tuple[FailurePoint, ...])
assert_type(planned.lints, tuple[Lint, ...])
assert_type(planned.seconds, float)
assert_type(planned.unbounded, tuple[str, ...])
assert_type(planned.to_dict(), dict[str, object])


def points(of: Plan, how: HowItFails) -> list[FailurePoint]:
    """Give the failure points of one kind."""
    return [point for point in of.failures if point.how == how]


def advice(of: Plan, kind: LintKind) -> list[Lint]:
    """Give the lints of one kind."""
    return [lint for lint in of.lints if lint.kind == kind]


assert_type(points(planned, "in_doubt")[0].calls, tuple[PlannedCall, ...])
assert_type(advice(planned, "retries-without-settle"), list[Lint])

exploration = explore(plain, Order(1), bound=10)
assert_type(exploration, Exploration[Reservation, OutOfStock, Never])
assert_type(
    explore(waits, Order(1), {"reserve_async": [Success(Reservation(1))]}, bound=10),
    Exploration[Reservation, OutOfStock, Never],
)


def sold_out(call: Call) -> list[Result[Reservation, OutOfStock]] | None:
    """Give the answers to one call; None is for the usual ones."""
    return [Failure(OutOfStock())] if call.attempt == 1 else None


chosen: Answers = {"reserve": [Failure(OutOfStock())]}
assert_type(
    explore(plain, Order(1), sold_out, bound=10), Exploration[Reservation, OutOfStock, Never]
)
assert_type(explore(plain, Order(1), chosen, bound=10), Exploration[Reservation, OutOfStock, Never])
for schedule in exploration:
    assert_type(schedule, Schedule[Reservation, OutOfStock, Never])
    assert_type(schedule.outcome, Outcome[Reservation, OutOfStock, Never])
    assert_type(schedule.answers, tuple[tuple[str, Answer], ...])
assert_type(exploration.walked, int)
assert_type(exploration.cut, tuple[tuple[tuple[str, Answer], ...], ...])
