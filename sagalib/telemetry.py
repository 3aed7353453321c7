"""Observers to hand: one that hears only some kinds of events, and one that writes to a logger."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, get_args

from attrs import frozen

from sagalib.core import events as e
from sagalib.core.errors import InvalidOption, shown
from sagalib.core.outcomes import Raised
from sagalib.core.saga import Saga, identity
from sagalib.drivers.calls import Observer, check

__all__ = ["log_to", "observing"]

_KINDS: Final = get_args(e.Event)
_NOTHING: Final[Saga[object, object]] = identity()


@frozen
class _Observing:
    """An observer of some kinds of events."""

    observer: Callable[[Any], object]
    kinds: tuple[type[e.Event], ...]

    def __call__(self, event: e.Event) -> None:
        if isinstance(event, self.kinds):
            self.observer(event)


def observing(observer: Callable[[Any], object], /, *kinds: type[e.Event]) -> Observer:
    """Have ``observer`` hear events of these kinds alone.

    ::

        run(saga, order, observers=[observing(page_me, events.SagaFatal)])

    Args:
        observer: a function of one event.
        kinds: classes of ``sagalib.events``, one or more.

    Raises:
        InvalidSaga: ``observer`` is not a plain function.
        InvalidOption: a kind is not a class of events, or there is none.
    """
    check(_NOTHING, (observer,), "continue")
    wrong = [kind for kind in kinds if kind not in _KINDS]
    if wrong or not kinds:
        raise InvalidOption(
            "expected the kinds of events to hear, one or more classes of sagalib.events; got "
            f"{shown(wrong[0]) if wrong else 'none'}: write observing(print, events.StepFailed)"
        )
    return _Observing(observer, kinds)


_LEVELS: Final[Mapping[type[object], int]] = {
    e.StepInDoubt: logging.WARNING,
    e.StepRetrying: logging.WARNING,
    e.StepFailed: logging.WARNING,
    e.LateReply: logging.WARNING,
    e.Compensating: logging.WARNING,
    e.CompensationRetrying: logging.WARNING,
    e.CompensationGaveUp: logging.ERROR,
    e.SagaCompensated: logging.WARNING,
    e.SagaFatal: logging.ERROR,
}
"""What stands here is logged at this level at least."""


@frozen
class _LogTo:
    """An observer that writes a line for each event."""

    logger: logging.Logger | logging.LoggerAdapter[Any]
    level: int

    def __call__(self, event: e.Event) -> None:
        level = max(self.level, _LEVELS.get(type(event), self.level))
        if not self.logger.isEnabledFor(level):
            return
        said = _said(event)
        words = [f"{name}={value}" for name, value in said.items() if value not in _NOTHING_TO_SAY]
        line = " ".join(words).removeprefix("saga_event=")
        _log(self.logger, level, line, {name: said[name] for name in _EXTRA})


def _log(
    logger: logging.Logger | logging.LoggerAdapter[Any],
    level: int,
    line: str,
    extra: dict[str, object],
) -> None:
    """Log a line; an adapter by itself would put its ``extra`` in the place of ours."""
    settings: dict[str, Any] = {"extra": extra}
    while isinstance(logger, logging.LoggerAdapter):
        line, changed = logger.process(line, {**settings})
        settings = {**changed, "extra": {**(changed.get("extra") or {}), **extra}}
        logger = logger.logger
    logger.log(level, "%s", line, **settings)


_NOTHING_TO_SAY: Final = (None, False, ())
_EXTRA: Final = ("saga_event", "run_id", "step", "attempt")


def _said(event: Any) -> dict[str, object]:  # noqa: ANN401 - each event has other fields
    """Say of an event what is no value of the user's."""
    said: dict[str, object] = {
        "saga_event": event.telemetry_name or event.kind,
        "run_id": event.run_id,
        "step": getattr(event, "path", None) or getattr(event, "step", None),
    }
    for name in ("saga", "attempt", "direction", "late", "in_doubt"):
        said[name] = getattr(event, name, None)
    reason = getattr(event, "reason", None)
    if reason is not None:  # what a reason says may be secret: its kind is enough
        said["because"] = reason.kind if isinstance(reason, Raised) else type(reason).__qualname__
    return said


def log_to(
    logger: logging.Logger | logging.LoggerAdapter[Any], level: int = logging.INFO
) -> Observer:
    """Give an observer that writes one line for each event to ``logger``.

    ::

        run(saga, order, observers=[log_to(logging.getLogger("shop"))])

    A line begins with the name of the event: one of the eight that events have in telemetry
    (``saga.started``, ``saga.step_started``, ``saga.step_ok``, ``saga.step_failed``,
    ``saga.compensating``, ``saga.completed``, ``saga.compensated``, ``saga.fatal``), or its kind.
    ``extra`` has ``saga_event``, ``run_id``, ``step`` (the path) and ``attempt``, where there is
    one, else ``None``. No value and no text of an error is written, since they may be secret: of a
    reason, the name of its class alone.

    Args:
        logger: where to.
        level: of what goes well. What fails is a warning at least; what is owed in the end (a
            compensation that failed for good, ``Fatal``) is an error at least.

    Raises:
        InvalidOption: ``logger`` cannot log, or ``level`` is not a number of a level.
    """
    given: Any = logger
    if not isinstance(given, (logging.Logger, logging.LoggerAdapter)):
        raise InvalidOption(
            f"log_to takes a logger; got {shown(logger)}: write log_to(logging.getLogger('shop'))"
        )
    number: Any = level
    if not isinstance(number, int) or isinstance(number, bool):
        raise InvalidOption(f"level must be a number such as logging.INFO; got {shown(level)}")
    return _LogTo(logger, level)
