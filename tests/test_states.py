"""The picture and the table of states are those of the machine."""

from collections.abc import Mapping
from typing import Any

import pytest

from sagalib.core.messages import Woke
from sagalib.core.state import Ended, Resting
from sagalib.core.strand import TRANSITIONS
from tests.states import FOLDER, LONGEST, PAGE, PICTURE, page, picture, table, transitions


def test_the_committed_picture_is_the_one_of_the_machine() -> None:
    """What `python -m tests.states` writes is what is committed."""
    found = transitions()
    committed = (FOLDER / PAGE).read_text(encoding="utf-8")

    assert (FOLDER / PICTURE).read_text(encoding="utf-8") == picture(found)
    assert committed == page(committed, found)


def test_every_row_of_the_table_is_followed() -> None:
    """The sagas that are followed give every reply that the machine takes, in every state."""
    rows = [(state, reply) for state, replies in TRANSITIONS.items() for reply in replies]

    assert sorted(map(repr, rows)) == sorted(map(repr, transitions()))


def test_following_longer_finds_nothing_more() -> None:
    """The sagas are followed far enough."""
    assert transitions(LONGEST) == transitions(LONGEST + 1)


def test_another_transition_makes_another_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transition that leads elsewhere changes picture and table."""

    def give_up(machine: Any, _: object) -> Any:
        return machine._replace(progress=Ended(None), function=None)

    before = transitions()
    planted: Mapping[Any, Any] = {**TRANSITIONS, Resting: {**TRANSITIONS[Resting], Woke: give_up}}
    monkeypatch.setattr("sagalib.core.machine.TRANSITIONS", planted)
    after = transitions()

    assert table(before) != table(after)
    with pytest.raises(KeyError):
        picture(after)  # an arrow that nobody has placed
