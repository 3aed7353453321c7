"""What *raises*: misuse of the library and corrupt logs. A step that fails never raises.

::

    SagaError
    |-- InvalidSaga       (TypeError)     not a saga, a step or a function of the right kind
    |-- InvalidOption     (ValueError)    a timeout, retry, name or id outside its range
    |-- WrongColour       (TypeError)     an async step in ``run``, a coroutine function in ``Step``
    |-- RunIdInUse        (ValueError)    a run of that id is going on in this process
    |-- UnknownRun        (LookupError)   a supervisor knows no run of that id (any more)
    |-- SupervisorClosed  (RuntimeError)  a start after the end of the supervisor's ``with``
    |-- NoCurrentCall     (LookupError)   ``current_call()`` outside a call
    |-- IllegalReply      (ValueError)    a driver answered something that was not asked
    |-- LogMismatch       (ValueError)    a log that this saga cannot have written
    |-- NoAnswer          (LookupError)   a script that cannot answer an async step
    `-- RunFailed         (RuntimeError)  what ``Outcome.unwrap()`` raises
        |-- RunCompensated
        `-- RunFatal

Every message says what was expected, what came, and what to write instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagalib.core.outcomes import Compensated, Fatal

__all__ = [
    "IllegalReply",
    "InvalidOption",
    "InvalidSaga",
    "LogMismatch",
    "NoAnswer",
    "NoCurrentCall",
    "RunCompensated",
    "RunFailed",
    "RunFatal",
    "RunIdInUse",
    "SagaError",
    "SupervisorClosed",
    "UnknownRun",
    "WrongColour",
    "shown",
]


class SagaError(Exception):
    """The base of everything that this library raises."""


class InvalidSaga(SagaError, TypeError):
    """A saga was built from something that is not a saga, a step or a function."""


class InvalidOption(SagaError, ValueError):
    """An option has a value outside its range; the message names the range."""


class WrongColour(SagaError, TypeError):
    """A coroutine function where a plain one is called for, or the other way round."""


class RunIdInUse(SagaError, ValueError):
    """A run with the given ``run_id`` is going on in this process."""


class UnknownRun(SagaError, LookupError):
    """A supervisor was asked for a run that it never started, or no longer keeps."""


class SupervisorClosed(SagaError, RuntimeError):
    """A run was to be started by a supervisor whose ``with`` has been left."""


class NoCurrentCall(SagaError, LookupError):
    """``current_call()`` was called outside execute, compensate and settle."""


class IllegalReply(SagaError, ValueError):
    """A driver fed the machine a reply to something that it did not ask."""


class LogMismatch(SagaError, ValueError):
    """A log does not fit the saga: the message names the event and what was expected."""


class NoAnswer(SagaError, LookupError):
    """A simulation reached an async step for which its script has no answer."""


_MESSAGE = 2_000


class RunFailed(SagaError, RuntimeError):
    """What ``unwrap()`` raises; ``outcome`` is the whole outcome."""

    outcome: Compensated[Any] | Fatal[Any, Any]

    def __init__(self, outcome: Compensated[Any] | Fatal[Any, Any]) -> None:
        """Carry ``outcome``; the message is its repr, cut if it is long."""
        super().__init__(outcome)
        self.outcome = outcome

    def __str__(self) -> str:
        """Show the outcome, which never shows contexts or logs.

        It may show that of a run in one of its steps, which may show another: so it is cut.
        """
        text = repr(self.outcome)
        return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}... ({len(text):,} characters)"


class RunCompensated(RunFailed):
    """The saga failed and everything that had completed was compensated."""


class RunFatal(RunFailed):
    """The saga failed and something is still owed: see ``outcome.failures``."""


_SHOWN = 80


def shown(value: object) -> str:
    """Show a wrong argument in a message: on one line, without control characters, and short."""
    if isinstance(value, (str, bytes)) and len(value) > _SHOWN:
        return f"{len(value):,} characters" if isinstance(value, str) else f"{len(value):,} bytes"
    if isinstance(value, int) and not -(10**_SHOWN) < value < 10**_SHOWN:
        return "a number of more than 80 digits"
    text = ascii(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
