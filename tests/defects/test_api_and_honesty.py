"""Defects 21 to 28 and 30: arguments without effect, hidden state, growth, noise, claims."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, get_overloads

import pytest
from returns.result import Failure, Success

import sagalib
from sagalib import (
    AsyncStep,
    Compensated,
    Fatal,
    InvalidOption,
    Observer,
    Ok,
    Retry,
    SagaError,
    Soft,
    Step,
    StepSettings,
    WrongColour,
    async_stage,
    chain,
    compensating,
    current_call,
    run,
    run_async,
    stage,
    step,
)
from sagalib.core.state import Executing, Machine
from sagalib.core.strand import Transition
from tests.defects.colours import (
    ASYNC,
    SYNC,
    AnyOutcome,
    AnySaga,
    Colour,
    World,
    both_colours,
    pass_on,
    refuse,
)
from tests.defects.planted import ended, notices, planted, planted_transition
from tests.support.time import SECOND, VirtualClock, run_virtual

PACKAGE = Path(sagalib.__file__).parent
ROOT = Path(__file__).parents[2]


# ------------------------------------------------------------------ 21

Seen = tuple[AnyOutcome, list[tuple[str, Any]], list[float]]


def seen(**settings: Any) -> Seen:
    """Run a slow step that fails twice, and its compensation too, with some keywords."""
    world, clock = World(), VirtualClock()
    answers: list[Any] = [Failure("busy"), ValueError("no answer")]
    undos: list[Any] = [Failure("jammed")]

    def execute(value: Any) -> Any:
        world.calls.append(("a", value))
        clock.advance(20)
        answer = answers.pop(0) if answers else Success("done")
        if isinstance(answer, Exception):
            raise answer
        return answer

    def undo(value: Any) -> Any:
        world.calls.append(("undo", value))
        clock.advance(20)
        return undos.pop(0) if undos else Success(None)

    compensate = None if settings.get("pivot") else undo
    keywords: dict[str, Any] = {"retries": 2, "timeout": None, **settings}
    a = SYNC.step(execute, compensate, **keywords)
    outcome = run(a >> Step(world.does("b", Failure("no"))), "x", clock=clock, run_id="run")
    return outcome, world.calls, [event.at_ns or 0 for event in outcome.log]


def settle(value: Any) -> Any:
    """Settle."""
    return Success(value)


KEYWORDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "name": ({}, {"name": "reserve"}),
    "retries": ({}, {"retries": 1}),
    "settle": ({"retries": 1}, {"retries": 1, "settle": settle}),
    "settle_on": (
        {"retries": 0, "settle": settle},
        {"retries": 0, "settle": settle, "settle_on": "failure"},
    ),
    "compensation_retries": ({}, {"compensation_retries": 1}),
    "pivot": ({}, {"pivot": True}),
}
TIMEOUTS = ["timeout", "compensation_timeout"]


def check_keyword(keyword: str) -> None:
    """Run with and without a keyword; something must differ."""
    without, with_it = KEYWORDS[keyword]
    assert seen(**without) != seen(**with_it)


@pytest.mark.parametrize("keyword", KEYWORDS)
def test_defect_21_every_keyword_of_a_step_has_an_effect(keyword: str) -> None:
    """A run with a keyword differs from a run without it, in calls, times or outcome."""
    check_keyword(keyword)


@both_colours
def test_defect_21_timeouts_have_an_effect(colour: Colour) -> None:
    """The deadline of each call is as far away as the timeout for its direction says."""
    left: list[int] = []
    clock = VirtualClock()

    def noting(value: Any) -> Any:
        left.append((current_call().deadline or 0) - colour.now_ns(clock))
        return Success(value)

    policy: dict[str, Any] = {"timeout": Soft(10), "compensation_timeout": Soft(20)}
    saga = colour.step(noting, noting, **policy) >> colour.step(Failure)
    colour.run(saga, "x", clock=clock)

    assert [10 * SECOND, 20 * SECOND] == left


def test_defect_21_every_keyword_is_looked_at() -> None:
    """The keywords of both kinds of step are those for which an effect is shown."""
    assert sorted([*KEYWORDS, *TIMEOUTS]) == sorted(
        [*StepSettings.__annotations__, "name", "settle"]
    )


def test_defect_21_step_as_a_function_takes_its_keywords() -> None:
    """`step(f, compensate=c, retries=1)` makes the step that `Step(f, c, retries=1)` makes."""
    world = World()
    f, c = world.does("f", Success(1)), world.does("c", Success(None))
    made: Any = step
    assert Step(f, c, retries=1) == made(f, compensate=c, retries=1)


@pytest.mark.parametrize(
    "settings",
    [{"retries": 3}, {"timeout": 2.0}, {"settle_on": "failure"}],
    ids=["retries", "timeout", "settle_on"],
)
def test_defect_21_compensating_refuses_what_has_no_effect(settings: Any) -> None:
    """`compensating` calls nothing forward, so it refuses the keywords about execute."""
    with pytest.raises(InvalidOption):
        compensating(settle, **settings)


RUN_KEYWORDS: dict[str, Any] = {
    "run_id": "order:7",
    "observers": [],
    "clock": None,
    "dice": lambda: 1.0,
    "on_compensation_failure": "stop",
}


def test_defect_21_every_keyword_of_run_has_an_effect() -> None:
    """The id, the observers, the clock, the dice and the policy each change something."""
    world, clock, heard = World(), VirtualClock(), list[Any]()
    saga = (
        world.step("a")
        >> world.step("b", undo=Failure("jammed"))
        >> world.step("c", Failure("no"), retries=Retry(1, wait=8, jitter=0.5))
    )
    keywords: dict[str, Any] = {**RUN_KEYWORDS, "observers": [heard.append], "clock": clock}

    outcome = run(saga, "x", **keywords)

    assert list(inspect.signature(run).parameters)[2:] == list(RUN_KEYWORDS)
    assert "order:7" == outcome.run_id
    assert list(outcome.log) == heard
    assert [4.0] == clock.sleeps
    assert ["a", "b", "c", "c", "undo b"] == world.names


def test_defect_21_planted() -> None:
    """A planted step that drops its keywords is noticed for each of them."""

    def forgetful(true: Any) -> Any:
        def hold(self: Any, functions: Any, **settings: Any) -> None:
            kept = {name: value for name, value in settings.items() if name not in KEYWORDS}
            true(self, {**functions, "settle": None}, **kept)

        return hold

    for keyword in KEYWORDS:
        with planted("sagalib.core.steps:Leaf", "_hold", forgetful), notices():
            check_keyword(keyword)


# ------------------------------------------------------------------ 22


def check_order() -> None:
    """Run steps of which the first takes longest; each must end before the next begins."""
    calls: list[str] = []

    def timed(name: str, seconds: float) -> AnySaga:
        async def execute(value: Any) -> Any:
            calls.append(f"{name} begins")
            await asyncio.sleep(seconds)
            calls.append(f"{name} ends")
            return Success(value)

        return AsyncStep(execute, name=name, timeout=None)

    run_virtual(run_async(chain([timed("a", 30), timed("b", 20), timed("c", 10)]), "x"))

    assert ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"] == calls


def test_defect_22_steps_run_in_the_order_in_which_they_are_written() -> None:
    """Without further words a step begins when the one before it has ended."""
    check_order()


def check_reversal(colour: Colour) -> None:
    """Fail after three steps; they must be compensated last completed first."""
    world = World(colour)
    colour.run(chain([world.step(name) for name in "abc"]) >> world.step("d", Failure("no")), "x")

    assert ["a", "b", "c", "d", "undo c", "undo b", "undo a"] == world.names


@both_colours
def test_defect_22_the_way_back_is_in_reverse_order(colour: Colour) -> None:
    """Completed steps are compensated last completed first."""
    check_reversal(colour)


def test_defect_22_planted_order() -> None:
    """A planted saga that runs its steps from last to first is noticed."""

    def backwards(true: property) -> property:
        return property(lambda self: true.__get__(self)[::-1])

    with planted("sagalib.core.saga:Composite", "instructions", backwards), notices():
        check_order()


@both_colours
def test_defect_22_planted_way_back(colour: Colour) -> None:
    """A planted way back that begins with the oldest step is noticed."""

    def oldest_first(true: Any) -> Any:
        def fail(book: Any, failed: Any, frames: Any, cells: Any) -> Any:
            turned = None
            while cells is not None:
                turned, cells = cells._replace(below=turned), cells.below
            return true(book, failed, frames, turned)

        return fail

    def oldest_first_on_course(true: Any) -> Any:
        def way_back(past: Any) -> Any:
            back = true(past)
            return back and back._replace(calls=back.calls[::-1])

        return way_back

    with (
        planted("sagalib.core.forward", "fail", oldest_first),
        planted("sagalib.drivers.sync", "way_back", oldest_first_on_course),
        planted("sagalib.drivers.aio", "way_back", oldest_first_on_course),
        notices(),
    ):
        check_reversal(colour)


# ------------------------------------------------------------------ 23


def check_second_run(colour: Colour, observers: Sequence[Observer] = ()) -> None:
    """Complete a pivot in a first run of a saga; a second run must compensate as if alone."""
    world = World(colour)
    declined: list[Any] = [Success("paid"), Failure("declined")]

    def charge(_: Any) -> Any:
        return declined.pop(0)

    saga = world.step("a") >> world.step("b", charge) >> world.step("p", pivot=True)

    first, second = (colour.run(saga, "x", observers=observers) for _ in range(2))

    assert Ok("paid+p") == first
    assert Compensated("declined", "b") == second
    assert ["a", "b", "p", "a", "b", "undo a"] == world.names


@both_colours
def test_defect_23_a_second_run_is_not_tainted_by_the_first(colour: Colour) -> None:
    """A pivot that completed in one run seals nothing in the next run of the same saga."""
    check_second_run(colour)


@both_colours
def test_defect_23_running_leaves_the_saga_as_it_was(colour: Colour) -> None:
    """A saga equals itself as it was before it was run, hash and representation included."""
    saga = World(colour).step("a").keep() >> World(colour).step("b", Failure("no"))
    before = (saga.instructions, saga.paths, hash(saga), repr(saga), saga.name)

    colour.run(saga, "x")

    assert before == (saga.instructions, saga.paths, hash(saga), repr(saga), saga.name)


def test_defect_23_a_longer_saga_does_not_change_the_shorter() -> None:
    """Two sagas that are built from one share no list: each has its own steps only."""
    world = World()
    shared = world.step("a") >> world.step("b")
    longer, other = shared >> world.step("c"), shared >> world.step("d")

    assert [("a", "b"), ("a", "b", "c"), ("a", "b", "d")] == [
        saga.paths for saga in (shared, longer, other)
    ]


def test_defect_23_a_policy_counts_for_one_call_of_one_run() -> None:
    """Two steps and two runs that share one Retry each have all its attempts."""
    world, policy = World(), Retry(1)
    saga = world.step("a", Failure("no"), retries=policy)

    SYNC.run(saga, "x")
    SYNC.run(world.step("b", Failure("no"), retries=policy), "x")
    SYNC.run(saga, "x")

    assert ["a", "a", "b", "b", "a", "a"] == world.names


def test_defect_23_planted() -> None:
    """A planted memory of completed pivots on the definition is noticed."""
    tainted: list[object] = []

    def tainting(true: Transition) -> Transition:
        def transition(machine: Machine, reply: Any) -> Machine:
            instruction: Any = machine.place.program[machine.pc]
            if instruction.pivot:
                tainted.append(machine.place.program)
            return true(machine, reply)

        return transition

    def sealed(true: Transition) -> Transition:
        return lambda machine, reply: (
            ended(machine, reply.failure())
            if machine.place.program in tainted
            else true(machine, reply)
        )

    with (
        planted_transition(Executing, Success, tainting),
        planted_transition(Executing, Failure, sealed),
        notices(),
    ):
        check_second_run(SYNC, HEARD)


# ------------------------------------------------------------------ 24


def test_defect_24_every_error_is_an_ordinary_exception() -> None:
    """Whatever the library raises is caught by `except Exception`."""
    public = [getattr(sagalib, name) for name in sagalib.__all__]
    errors = [cls for cls in public if isinstance(cls, type) and issubclass(cls, BaseException)]

    assert SagaError in errors
    assert [] == [cls for cls in errors if not issubclass(cls, Exception)]


@both_colours
@pytest.mark.parametrize("error", [ValueError(), KeyError(), Exception()])
def test_defect_24_an_empty_message_still_says_what_happened(
    colour: Colour, error: Exception
) -> None:
    """An exception without a message is reported with its class."""
    outcome = colour.run(World(colour).step("a", error), "x")

    assert f"Raised(kind='{type(error).__name__}', message='')" in repr(outcome)


# ------------------------------------------------------------------ 25


def check_no_retries(colour: Colour, answer: object) -> None:
    """Fail once in each direction; there must be one call of each, and no pause."""
    world = World(colour)
    pauses: list[Any] = []
    saga = world.step("a", undo=answer) >> world.step("b", answer)

    outcome = colour.run(saga, "x", observers=[pauses.append])

    assert isinstance(outcome, Fatal)
    assert ["a", "b", "undo a"] == world.names
    assert [] == [event for event in pauses if event.kind.endswith("_retrying")]
    assert 1 == len({event.at_ns for event in pauses})


@both_colours
@pytest.mark.parametrize("answer", [Failure("no"), ValueError("no")], ids=["no", "raise"])
def test_defect_25_nothing_is_retried_unless_asked(colour: Colour, answer: object) -> None:
    """A step and a compensation that fail are called once, without any pause."""
    check_no_retries(colour, answer)


@both_colours
def test_defect_25_planted(colour: Colour) -> None:
    """A planted default of four retries with backoff is noticed."""

    def generous(true: Callable[[int | Retry], Retry]) -> Callable[[int | Retry], Retry]:
        return lambda retries: true(retries or Retry(4, wait=1))

    with planted("sagalib.core.steps", "as_retry", generous), notices():
        check_no_retries(colour, ValueError("no"))


# ------------------------------------------------------------------ 26


def counted(action: Callable[[], object]) -> int:
    """Count the calls that an action makes, of Python functions and of built-in ones."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def held(action: Callable[[], object]) -> int:
    """Give the bytes that the result of an action holds: the copies that a run has made."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = action()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del result
    return after - before


def rolled_back(length: int) -> AnySaga:
    """Give a saga whose last step fails, so that all others are compensated."""
    ok = SYNC.step(pass_on, pass_on, name="step")
    return chain([ok] * length) >> SYNC.step(refuse, name="last")


def check_linear(measure: Callable[[Callable[[], object]], int]) -> None:
    """Measure runs of two and of four hundred steps; twice the steps must cost twice as much."""
    short, long = rolled_back(200), rolled_back(400)

    def cost(saga: AnySaga) -> int:
        # The outcome keeps every state of the machine, so it holds whatever a transition copied.
        return measure(lambda: list(run(saga, "x", clock=VirtualClock()).log))

    for saga in (short, long):
        cost(saga)  # what is worked out once, on first use, is not a cost of the run
    assert 1.9 < cost(long) / cost(short) < 2.1


def check_linear_memory(length: int, observers: Sequence[Observer] = ()) -> None:
    """Measure what outcomes hold; twice the steps must hold twice as much."""

    def cost(saga: AnySaga) -> int:
        def outcome() -> object:
            return run(saga, "x", clock=VirtualClock(), observers=observers)

        outcome()  # as above
        return held(outcome)

    assert 1.9 < cost(rolled_back(2 * length)) / cost(rolled_back(length)) < 2.1


# An observer, so that the machine takes in each reply at once.
HEARD: tuple[Observer, ...] = (lambda event: None,)


def test_defect_26_the_calls_of_a_run_grow_with_its_steps() -> None:
    """Twice the steps take twice the function calls, the way back and the log included."""
    check_linear(counted)


@pytest.mark.slow
def test_defect_26_the_memory_of_a_run_grows_with_its_steps() -> None:
    """Twice the steps hold twice the memory: nothing copies what came before it."""
    check_linear_memory(1_000, HEARD)
    # So long that the tuples which CPython keeps for reuse, and does not count, hardly matter.
    check_linear_memory(20_000)


def test_defect_26_building_grows_with_the_steps() -> None:
    """Twice the steps take twice the calls to compose, in either nesting, and to write out."""

    def leaning(length: int, *, left: bool) -> Callable[[], object]:
        one = SYNC.step(pass_on, name="step")

        def build() -> object:
            saga = one
            for _ in range(length):
                saga = saga >> one if left else one >> saga
            return saga.paths

        return build

    for left in (True, False):
        short, long = leaning(1_000, left=left), leaning(2_000, left=left)
        assert 1.9 < counted(long) / counted(short) < 2.1


@both_colours
def test_defect_26_ten_thousand_steps_are_rolled_back(colour: Colour) -> None:
    """A saga of ten thousand steps comes back to its start, each compensated once."""
    world = World(colour)
    a = world.step("a", pass_on)

    outcome = colour.run(chain([a] * 10_000) >> world.step("b", Failure("no")), "x")

    assert Compensated("no", "b") == outcome
    assert [*["a"] * 10_000, "b", *["undo a"] * 10_000] == world.names


def test_defect_26_planted_copies() -> None:
    """A planted copy of all events at each reply is noticed, by what the outcome holds."""

    def copying(true: Transition) -> Transition:
        def transition(machine: Machine, reply: Any) -> Machine:
            kept: Any = machine.book.value
            longer = [*kept, 0] if machine.pc else [0]
            return true(machine._replace(book=machine.book._replace(value=longer)), reply)

        return transition

    with planted_transition(Executing, Success, copying), notices():
        check_linear_memory(1_000, HEARD)


def test_defect_26_planted_scan() -> None:
    """A planted walk over all that is owed at each reply is noticed, by the calls it makes."""

    def scanning(true: Transition) -> Transition:
        def transition(machine: Machine, reply: Any) -> Machine:
            cell = machine.cells
            while cell is not None:
                below, _ = cell.below, id(cell)
                cell = below
            return true(machine, reply)

        return transition

    with planted_transition(Executing, Success, scanning), notices():
        check_linear(counted)


# ------------------------------------------------------------------ 27


def check_colours_are_refused() -> None:
    """Write steps in the wrong colour; none may be made, and nothing called."""
    world = World()

    async def coroutine_function(value: Any) -> Any:
        world.calls.append(("effect", value))
        return Success(value)

    plain = world.does("plain", Success(1))
    wrong: list[tuple[Any, list[Any], dict[str, Any]]] = [
        (Step, [coroutine_function], {}),
        (Step, [plain, coroutine_function], {}),
        (Step, [plain], {"settle": coroutine_function}),
        (AsyncStep, [plain], {}),
        (AsyncStep, [coroutine_function, plain], {}),
        (AsyncStep, [coroutine_function], {"settle": plain}),
    ]
    refused = 0
    for kind, functions, keywords in wrong:
        try:
            kind(*functions, **keywords)
        except WrongColour:
            refused += 1
    assert len(wrong) == refused
    assert [] == world.calls


def test_defect_27_the_wrong_colour_is_refused_when_the_step_is_written() -> None:
    """Each function of a step is checked before anything can have an effect."""
    check_colours_are_refused()


def test_defect_27_an_async_saga_in_run_is_refused_before_any_call() -> None:
    """`run` calls nothing of a saga that has an async step at its end."""
    world = World()
    saga: Any = world.step("a") >> World(ASYNC).step("b")

    with pytest.raises(WrongColour):
        run(saga, "x")
    assert [] == world.calls


@both_colours
def test_defect_27_a_hidden_coroutine_has_no_effect_and_no_success(colour: Colour) -> None:
    """A plain function that returns a coroutine fails, in doubt; the coroutine is never begun."""
    world = World()

    async def effect(value: Any) -> Any:
        world.calls.append(("effect", value))
        return Success(value)

    outcome = colour.run(Step(world.does("a", effect), name="a"), "x")

    assert isinstance(outcome, Compensated)
    assert ("a",) == outcome.in_doubt
    assert ["a"] == world.names


def test_defect_27_planted() -> None:
    """A planted step that takes any colour is noticed."""

    def lenient(_: object) -> Callable[..., None]:
        def check(*_: object, **__: object) -> None: ...

        return check

    with planted("sagalib.core.steps", "check_colour", lenient), notices():
        check_colours_are_refused()


# ------------------------------------------------------------------ 28


def test_defect_28_the_package_says_that_it_is_typed() -> None:
    """`py.typed` is part of the package."""
    assert (PACKAGE / "py.typed").is_file()


def loose_callables(functions: Iterable[Callable[..., Any]]) -> list[str]:
    """Give the parameters that take any callable whatever it takes and gives."""
    return [
        f"{function.__qualname__}({parameter.name})"
        for function in functions
        for parameter in inspect.signature(function).parameters.values()
        if re.search(
            r"Callable\[\.\.\.|Callable\[.*, Any\]( \||$)",
            str(parameter.annotation),
        )
    ]


def typed_functions() -> list[Callable[..., Any]]:
    """Give all that takes the functions of a step, as type checkers see it."""
    kinds: list[Any] = [Step, AsyncStep]
    overloaded: list[Any] = [stage, async_stage, compensating, step]
    return [
        *(kind.__init__ for kind in kinds),
        *(kind.compensated_by for kind in kinds),
        *(kind.settled_by for kind in kinds),
        *(typed for function in overloaded for typed in get_overloads(function)),
    ]


def test_defect_28_no_function_of_a_step_is_an_untyped_callable() -> None:
    """No parameter for an execute, compensate or settle is a `Callable[..., Any]`."""
    assert 2 * (1 + 2) + 4 + 4 + 2 + 7 == len(typed_functions())
    assert [] == loose_callables(typed_functions())


def test_defect_28_planted() -> None:
    """A parameter that takes any callable is found."""

    def loose(execute: Callable[[int], Any], compensate: Callable[..., Any] | None) -> None: ...

    assert 2 == len(loose_callables([loose]))


# ------------------------------------------------------------------ 30

PROGRAM = """
import json, logging, sys
before = (logging.root.level, list(logging.root.handlers), sys.excepthook)
import signal
signals = [signal.getsignal(number) for number in signal.valid_signals()]
from returns.result import Failure, Success
from sagalib import Step, run, run_async, Soft
import asyncio
def boom(_): raise ValueError("no")
saga = Step(Success, boom, name="a") >> Step(boom, name="b", retries=1)
run(saga, 1, observers=[lambda event: None])
asyncio.run(run_async(saga, 1))
loggers = [name for name in logging.root.manager.loggerDict if name.startswith("sagalib")]
print(json.dumps({
    "root": before == (logging.root.level, list(logging.root.handlers), sys.excepthook),
    "handlers": [len(logging.getLogger(name).handlers) for name in loggers],
    "levels": [logging.getLogger(name).level for name in loggers],
    "signals": signals == [signal.getsignal(number) for number in signal.valid_signals()],
}))
"""


def test_defect_30_the_library_is_silent() -> None:
    """Import and failing runs print nothing, and change no handler, level, hook or signal."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True, check=True
    )

    assert "" == done.stderr
    assert 1 == len(done.stdout.splitlines())
    assert {"root": True, "handlers": [0], "levels": [0], "signals": True} == json.loads(
        done.stdout
    )


@both_colours
def test_defect_30_a_run_logs_nothing_by_itself(
    colour: Colour, caplog: pytest.LogCaptureFixture
) -> None:
    """Failures, retries and compensations, failed or not, are no lines of a log."""
    world = World(colour)
    with caplog.at_level(logging.DEBUG, logger="sagalib"):
        colour.run(world.step("a", undo=ValueError("no")) >> world.step("b", ValueError("no")), "x")

    assert [] == caplog.records


CLAIMS = (
    r"exactly[- ]once",
    r"zero[- ]dependenc",
    r"structurally impossible",
    r"bullet[- ]?proof",
    r"blazing",
    r"guaranteed? (delivery|consistency)",
)


def overclaims(text: str) -> list[str]:
    """Give the claims in a text that no code can keep."""
    return [found.group() for claim in CLAIMS for found in re.finditer(claim, text, re.IGNORECASE)]


def pictograms(text: str) -> list[str]:
    """Give the emoji in a text."""
    return [letter for letter in text if ord(letter) >= 0x2190]


def texts() -> list[Path]:
    """Give the sources and the documents."""
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    return [*PACKAGE.rglob("*.py"), *documents]


def test_defect_30_no_source_or_document_claims_too_much() -> None:
    """Neither sources nor documents claim what no code can keep."""
    found = [(path.name, overclaims(path.read_text(encoding="utf-8"))) for path in texts()]

    assert [] == [(name, claims) for name, claims in found if claims]


def test_defect_30_no_source_has_emoji() -> None:
    """No source of the package has an emoji or another pictogram."""
    sources = [(path.name, path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")]

    assert [] == [name for name, text in sources if pictograms(text)]


def test_defect_30_planted() -> None:
    """A claim and an emoji are found."""
    assert ["Exactly-once"] == overclaims("Exactly-once delivery, with zero effort.")
    assert ["\N{ROCKET}"] == pictograms("saga started \N{ROCKET}")
