"""The saga as a value: what it is made of, shows, and equals."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import pytest

from sagalib import AsyncStep, Saga, Step, arrow, chain, fail, identity, run
from tests.defects.colours import AnySaga, coroutine_function, pass_on

A, B, C = (Step(pass_on, name=name) for name in "abc")
REFUSED: AnySaga = fail("no")
NOTHING: AnySaga = identity()


@pytest.mark.parametrize(
    ("saga", "text"),
    [
        (NOTHING, "<saga: identity()>"),
        (A >> B, "<saga: a >> b>"),
        ((A >> B).named("order"), "<order: a >> b>"),
        (chain([A] * 10), "<saga: " + " >> ".join("a" * 10) + ">"),
        (chain([A] * 12), "<saga: " + " >> ".join("a" * 10) + " >> ... 2 more>"),
        (chain([A] * 1_010), "<saga: " + " >> ".join("a" * 10) + " >> ... 1,000 more>"),
        (A >> REFUSED, "<saga: a >> Fail(error='no')>"),
    ],
    ids=range(7),
)
def test_a_saga_shows_its_first_steps(saga: AnySaga, text: str) -> None:
    """The representation has the name and the first ten parts, and how many more there are."""
    assert text == repr(saga)


def test_composition_is_equal_however_it_is_bracketed() -> None:
    """Brackets, identities and `then` make no difference to a saga or its hash."""
    written: list[AnySaga] = [
        (A >> B) >> C,
        A >> (B >> C),
        A.then(B).then(C),
        chain([A, B, C]),
        chain([A, chain([B, C])]),
        identity() >> A >> identity() >> B >> C >> identity(),
        pickle.loads(pickle.dumps(identity())) >> A >> B >> C,
    ]

    assert [written[0]] * len(written) == written
    assert 1 == len({hash(saga) for saga in written})


def test_the_unit_is_the_step_itself() -> None:
    """A step composed with nothing is that step."""
    assert A is chain([A])
    assert A is identity() >> A
    assert A is A >> identity()
    assert identity() is chain([])


@pytest.mark.parametrize(
    "other", [A >> C, B >> A, A, (A >> B).named("other"), (A >> B).keep(), "a >> b"], ids=range(6)
)
def test_sagas_differ_in_their_parts_and_names(other: object) -> None:
    """Another order, another name and another form are another saga."""
    assert A >> B != other


def test_a_name_is_dropped_by_composition() -> None:
    """A named saga that is composed further has the usual name."""
    assert "order" == (A >> B).named("order").name
    assert "saga" == ((A >> B).named("order") >> C).name
    assert A >> B >> C == (A >> B).named("order") >> C


def test_naming_a_step_renames_it() -> None:
    """`named` of a step gives a step of that name."""
    coroutine = coroutine_function(pass_on)

    assert Step(pass_on, name="other") == A.named("other")
    assert AsyncStep(coroutine, name="other") == AsyncStep(coroutine).named("other")


def test_functions_are_equal_if_they_are_the_same() -> None:
    """Mapped sagas are equal if the functions are the same object."""
    assert A.map(str) == A.map(str)
    assert A.map(str) != A.map(repr)
    assert arrow(str) >> A == A.contramap(str)


def test_a_saga_is_written_out_once() -> None:
    """Instructions and paths are the same objects each time they are read."""
    saga: Any = A >> B >> C

    assert saga.instructions is saga.instructions
    assert saga.paths is saga.paths


def test_threads_may_read_a_saga_at_the_same_time() -> None:
    """A saga that several threads write out at once is the same in all of them."""
    for _ in range(20):
        saga = chain([A] * 2_000)
        start = threading.Barrier(4)
        read: list[int] = []

        def look(saga: AnySaga = saga, start: threading.Barrier = start) -> None:
            start.wait(10)
            read.append(len(saga.instructions))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [2_000] * 4 == read


def test_many_steps_are_composed_in_either_nesting() -> None:
    """Composition needs no stack, to the left and to the right, and neither do pickle and hash."""
    left: AnySaga = A
    right: AnySaga = A
    for _ in range(20_000):
        left, right = left >> A, A >> right

    assert left == right
    assert hash(left) == hash(right)
    assert left == pickle.loads(pickle.dumps(right))
    assert "... 19,991 more" in repr(left)
    assert 7 == run(left, 7).unwrap()


def test_an_empty_saga_keeps_its_name_beside_identity() -> None:
    """`identity()` is a unit for an empty saga that has a name, on both sides."""
    named: Saga[int, int] = identity()
    named = named.named("nothing")
    unit: Saga[int, int] = identity()

    assert named == unit >> named
    assert named == named >> unit
