"""Paths: names, ordinals, and their text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalib import InvalidOption, Step, chain, compensating, identity
from sagalib.core.paths import Names, Segment, parse, render
from tests.defects.colours import AnySaga, pass_on

names = st.text(min_size=1, max_size=20) | st.text("a%/~[]2\x00\x9b\u2028.", min_size=1)
segments = st.builds(
    Segment,
    names,
    st.integers(1, 10**9),
    st.none() | st.integers(0, 10**9),
)
paths = st.lists(segments, min_size=1, max_size=5).map(tuple)


@given(paths)
def test_a_rendered_path_is_read_back(path: tuple[Segment, ...]) -> None:
    """`parse` gives back what `render` wrote, whatever the names are."""
    assert path == parse(render(path))


@given(paths, paths)
def test_different_paths_have_different_texts(
    first: tuple[Segment, ...], second: tuple[Segment, ...]
) -> None:
    """Two paths have the same text only if they are equal."""
    assert (first == second) == (render(first) == render(second))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((Segment("charge"),), "charge"),
        ((Segment("charge", 2),), "charge~2"),
        ((Segment("order"), Segment("reserve", 3, 0)), "order/reserve~3[0]"),
        ((Segment("lines", 1, 12),), "lines[12]"),
        ((Segment("a/b~2[0]%"),), "a%2Fb%7E2%5B0%5D%25"),
        ((Segment("注文"),), "注文"),
        ((Segment("line\u2028"),), "line%E2%80%A8"),
    ],
)
def test_a_path_has_one_text(path: tuple[Segment, ...], text: str) -> None:
    """Segments, ordinals and indices are written in a fixed way, reserved letters encoded."""
    assert text == render(path)
    assert path == parse(text)


@pytest.mark.parametrize(
    "text", ["a~0", "a~", "a~1x", "a[", "a[]", "a]b", "a[x]", "a~2~3", "a[0]~2", "a~12345678901"]
)
def test_what_is_no_path_is_refused(text: str) -> None:
    """A text that `render` cannot have written is refused, and shown with an example."""
    with pytest.raises(InvalidOption) as raised:
        parse(text)

    assert f"a path must look like 'scope/step~2[0]'; got {text!r}" == str(raised.value)


def step(name: str) -> AnySaga:
    """Give a step of a name."""
    return Step(pass_on, name=name)


def test_equal_names_get_ordinals_in_order() -> None:
    """The second step of a name is called ~2, the third ~3."""
    saga = chain([step(name) for name in ["a", "b", "a", "a", "b"]])

    assert ("a", "b", "a~2", "a~3", "b~2") == saga.paths


def test_a_name_that_looks_like_an_ordinal_is_another_name() -> None:
    """A step that is called "a~2" does not take the path of the second "a"."""
    saga = chain([step(name) for name in ["a~2", "a", "a"]])

    assert ("a%7E2", "a", "a~2") == saga.paths


def test_an_inserted_step_shifts_no_other() -> None:
    """A step of another name, wherever it is inserted, leaves all paths as they were."""
    before = [step(name) for name in ["a", "b", "a"]]

    for position in range(4):
        longer = chain([*before[:position], step("new"), *before[position:]])
        left = [path for path in longer.paths if path != "new"]
        assert ["a", "b", "a~2"] == left


def test_pure_parts_have_no_path() -> None:
    """Only what makes calls has a path; a promised compensation is one of them."""
    saga = chain([step("a").map(str).keep(), compensating(pass_on, name="c"), identity()])

    assert (None, "a", None, None, "c") == saga.paths


@given(st.lists(st.sampled_from([render([Segment(n, o)]) for n in "ab" for o in (1, 2, 3)])))
def test_no_path_is_given_twice(paths: list[str]) -> None:
    """Whatever paths are asked for, each gets one of its own."""
    names = Names()
    given = [names.take(path) for path in paths]

    assert len(paths) == len(set(given))
    assert [parse(path)[0].name for path in paths] == [parse(path)[0].name for path in given]


def test_a_path_that_is_free_is_kept() -> None:
    """A path that nobody has keeps its ordinal; one that is taken gets the next free one."""
    names = Names()

    assert ["a~2", "a", "a~3", "a~4"] == [names.take(path) for path in ("a~2", "a", "a", "a")]
