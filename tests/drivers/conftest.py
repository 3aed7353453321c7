"""A gate before which calls hang, opened at the end of each test whatever happens in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.drivers.world import join_calls


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Give a closed gate; at the end it is open, and the calls that waited there have ended."""
    event = threading.Event()
    yield event
    event.set()
    join_calls()
