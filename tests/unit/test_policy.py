"""Retry as a pure value: which failures it allows again, and after how long."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagalib import Raised, Retry, Soft, TimedOut

BASE = Retry(9, wait=20, factor=20, cap=5000)


@pytest.mark.parametrize(
    ("policy", "delays"),
    [
        (Retry(3), [0, 0, 0]),
        (Retry(3, wait=1), [1, 2, 4]),
        (Retry(3, wait=0.5, factor=1), [0.5, 0.5, 0.5]),
        (BASE, [20, 400, 5000, 5000]),
        (Retry(3, wait=8, cap=0), [0, 0, 0]),
        (Retry(3, wait=10, cap=5), [5, 5, 5]),
    ],
    ids=["none", "doubling", "constant", "base", "no cap", "above the cap"],
)
def test_a_wait_grows_up_to_its_cap(policy: Retry, delays: list[float]) -> None:
    """The wait after attempt n is wait * factor ** (n - 1), at most the cap."""
    assert delays == [policy.delay(attempt + 1) for attempt in range(len(delays))]


@pytest.mark.parametrize(
    ("jitter", "dice", "delay"),
    [(0.0, 0.9, 400), (1.0, 0.0, 400), (1.0, 0.75, 100), (0.5, 0.5, 300), (0.25, 1.0, 300)],
)
def test_jitter_takes_a_part_of_the_wait(jitter: float, dice: float, delay: float) -> None:
    """The dice shorten a wait by up to the part that jitter names."""
    assert delay == Retry(2, wait=20, factor=20, jitter=jitter).delay(2, dice)


@given(
    wait=st.floats(0, 1e6),
    factor=st.floats(1, 1e3),
    cap=st.floats(0, 1e6),
    jitter=st.floats(0, 1),
    attempt=st.integers(1, 10_000),
    dice=st.floats(0, 1),
)
def test_a_wait_is_within_its_bounds(
    wait: float, factor: float, cap: float, jitter: float, attempt: int, dice: float
) -> None:
    """A wait is never above the cap nor below the part that jitter leaves, and never shrinks."""
    policy = Retry(1, wait=wait, factor=factor, cap=cap, jitter=jitter)
    full = policy.delay(attempt)

    assert 0 <= full <= cap
    assert full * (1 - jitter) <= policy.delay(attempt, dice) <= full
    assert full <= policy.delay(attempt + 1)
    assert min(wait, cap) <= full or 0 == wait


@pytest.mark.parametrize("attempt", [1_100, 10_000, 10**9])
def test_a_wait_beyond_all_floats_is_the_cap(attempt: int) -> None:
    """An attempt so late that the wait overflows waits for the cap, and no wait stays none."""
    assert 60 == Retry(1, wait=1, cap=60).delay(attempt)
    assert 0 == Retry(1).delay(attempt)
    assert math.isfinite(Retry(1, wait=1).delay(attempt))


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [(Retry(0), [False, False]), (Retry(1), [True, False]), (Retry(2), [True, True, False])],
)
def test_attempts_are_one_more_than_retries(policy: Retry, allowed: list[bool]) -> None:
    """After attempt n another follows if n is at most the number of retries."""
    assert allowed == [policy.allows(attempt + 1, "no") for attempt in range(len(allowed))]


class Declined:
    """An error value that is no exception."""


def is_busy(reason: object) -> bool:
    """Tell whether a reason is worth another attempt."""
    return "busy" == reason


LOOKED_UP = Raised.of(KeyError("sku"))
RESUMED = Raised("KeyError", "'sku'", bases=("KeyError", "LookupError", "Exception"))
BARE = Raised("KeyError", "'sku'")


@pytest.mark.parametrize(
    ("matcher", "reason", "matches"),
    [
        (Declined, Declined(), True),
        (Declined, "declined", False),
        ((Declined, str), "declined", True),
        ((), "declined", False),
        (LookupError, LOOKED_UP, True),
        (LookupError, RESUMED, True),
        (LookupError, BARE, False),
        (KeyError, BARE, True),
        (ValueError, LOOKED_UP, False),
        ((ValueError, Exception), LOOKED_UP, True),
        (Raised, LOOKED_UP, True),
        (TimedOut, TimedOut(1), True),
        (is_busy, "busy", True),
        (is_busy, "gone", False),
        (len, "", False),
        (len, "text", True),
    ],
)
def test_only_and_unless_are_opposites(matcher: Any, reason: object, matches: bool) -> None:
    """A class matches its instances and what was raised of it; a predicate what it says."""
    assert matches is Retry(1, only=matcher).allows(1, reason)
    assert (not matches) is Retry(1, unless=matcher).allows(1, reason)


def test_both_only_and_unless_must_allow() -> None:
    """A reason must be among the only and not among the unless."""
    policy = Retry(1, only=(KeyError, ValueError), unless=KeyError)

    assert [False, True, False] == [
        policy.allows(1, Raised.of(error)) for error in (KeyError(), ValueError(), OSError())
    ]


def test_policies_are_values() -> None:
    """Two policies of the same fields are equal, and have the same hash."""
    assert Retry(3, wait=1) == Retry(3, wait=1.0)
    assert hash(Retry(3, only=KeyError)) == hash(Retry(3, only=KeyError))
    assert Retry(3) != Retry(3, jitter=1)
    assert Soft(5) == Soft(5.0)
