"""The world of a conformance test: one saga description, run by every driver."""

from collections.abc import Iterator

import pytest

from tests.conformance.world import MODES, World


@pytest.fixture(params=MODES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a world for each driver; at the end, let go of the calls that hang in it."""
    made = World(request.param)
    yield made
    made.release()
