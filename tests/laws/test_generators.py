"""The generators reach everything that a sequential saga can be, be told, and do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from sagalib.core.events import Event
from sagalib.core.strand import TRANSITIONS
from tests.laws.interpreters import Case, by_machine, by_run
from tests.laws.strategies import ANY, FORMS, JOININGS, RETRIES, TIMEOUTS, WRAPPINGS, cases
from tests.laws.terms import Failing, Joined, Left, Pure, StepTerm, Wrapped, parts_of
from tests.laws.world import Answer

SEEDS: Final = range(12)
DRAWS: Final = 100
"""For each seed: one long sequence of draws would explore the surroundings of few sagas."""
_fixed = settings(
    max_examples=DRAWS,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


def _features(case: Case) -> Iterable[object]:
    for part in parts_of(case.term):
        match part:
            case StepTerm(form=form):
                yield (form, part.is_async)
                yield ("retries", part.retries)
                yield ("compensation_retries", part.compensation_retries)
                yield ("timeout", part.timeout)
                yield ("compensation_timeout", part.compensation_timeout)
                if form != "promise":
                    yield ("compensated", part.compensated, "settled", part.settled, part.settle_on)
                    yield ("pivot", part.pivot)
            case Joined(parts, how):
                yield how if parts else "identity"
            case Wrapped(kind, tag):
                yield kind
                yield (kind == "map_error", tag)
            case Pure(tag):
                yield "arrow" if tag != "boom" else "arrow that raises"
            case Failing():
                yield "fail"
            case Left(stop=stop):
                yield ("left", stop)
            case _:
                pass  # see test_wholes
    for place, answers in case.plan.items():
        yield from (("planned", place.partition(":")[2], answer) for answer in answers)


GIVEN: Final = ("no", "argument", "method")
FEATURES: Final[list[object]] = [
    *((form, is_async) for form in (*FORMS, "promise") for is_async in (False, True)),
    *(
        (which, retry)
        for which in ("retries", "compensation_retries")
        for retry in dict.fromkeys(RETRIES)
    ),
    *((which, timeout) for which in ("timeout", "compensation_timeout") for timeout in TIMEOUTS),
    *(("compensated", one, "settled", other, "doubt") for one in GIVEN for other in GIVEN),
    *(("compensated", one, "settled", "argument", "failure") for one in GIVEN),
    *(("pivot", pivot) for pivot in (False, True)),
    *JOININGS,
    "identity",
    *WRAPPINGS,
    *((maps_errors, tag) for maps_errors in (False, True) for tag in ("m", "n", "boom")),
    "arrow",
    "arrow that raises",
    "fail",
    ("left", False),
    ("left", True),
    *(
        ("planned", direction, answer)
        for direction in ("", "compensate", "settle")
        for answer in Answer
        if answer is not Answer.OK
    ),
]


def _draw(number: int, note: Callable[[Case], None]) -> None:
    @seed(number)
    @_fixed
    @given(cases(ANY, refused=True))
    def draw(case: Case) -> None:
        note(case)

    draw()


@pytest.mark.slow
def test_the_generators_reach_everything() -> None:
    """In a fixed number of draws all constructors, answers, outcomes and transitions occur."""
    features: Counter[object] = Counter()
    answers: Counter[tuple[str, Answer]] = Counter()
    outcomes: Counter[object] = Counter()
    kinds: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    pairs: Counter[tuple[type, type]] = Counter()

    def note(case: Case) -> None:
        features.update(_features(case))
        seen = by_machine(case)
        answers.update((entry.direction, entry.answer) for entry in seen.ledger)
        answers.update(("execute", question.answer) for question in seen.asked)
        ends[type(seen.outcome).__name__] += 1
        outcomes.update(
            [(type(seen.outcome).__name__, seen.outcome.in_doubt != (), seen.interrupted)]
        )
        kinds.update(event.kind for event in seen.outcome.log)
        pairs.update(seen.pairs)
        planned = {answer for answers in case.plan.values() for answer in answers}
        if Answer.TIMEOUT in planned and Answer.REFUSED not in planned and not case.saga.is_async:
            kinds.update(event.kind for event in by_run(case).outcome.log)

    for number in SEEDS:
        _draw(number, note)
    assert [] == [feature for feature in FEATURES if features[feature] == 0]
    directions = ("execute", "compensate", "settle")
    made = [answer for answer in Answer if answer not in {Answer.CANCEL, Answer.REFUSED}]
    assert [] == [
        (direction, answer)
        for direction in directions
        for answer in made
        if answers[direction, answer] == 0
    ]
    assert [] == [
        answer for answer in (Answer.CANCEL, Answer.REFUSED) if answers["execute", answer] == 0
    ]
    failing = [
        (kind, in_doubt, interrupted)
        for kind in ("Compensated", "Fatal")
        for in_doubt in (True, False)
        for interrupted in (True, False)
    ]
    assert [] == [one for one in [("Ok", False, False), *failing] if outcomes[one] == 0]
    assert [] == [event.kind for event in get_args(Event) if kinds[event.kind] == 0]
    table = [(progress, reply) for progress, replies in TRANSITIONS.items() for reply in replies]
    assert [] == [pair for pair in table if pairs[pair] == 0]
    assert ["Compensated", "Fatal", "Ok"] == sorted(kind for kind in ends if ends[kind] > DRAWS)
