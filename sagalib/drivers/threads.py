"""Calls that a caller can walk away from: what a hard timeout of a plain function needs.

Python cannot stop a thread. A call that is given up goes on in a daemon thread of its own; its late
answer is handed to the run while that goes on, and logged afterwards. The number of such calls in
the process is bounded.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any, Final

from sagalib.core.events import LateReply
from sagalib.core.messages import Call, Refused, Reply, Unknown
from sagalib.core.outcomes import Raised
from sagalib.drivers.calls import CUT, NOTHING, logger, raised

__all__ = ["MAX_ABANDONED", "Inbox", "ThreadCall", "refused"]

MAX_ABANDONED: Final = 32
"""How many calls of this process may have been given up and still be going on."""

_abandoned: set[ThreadCall] = set()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_abandoned.clear)  # a forked child has none of the threads


class Inbox:
    """Where the late answers of one run arrive."""

    __slots__ = ("_closed", "_lock", "replies")

    def __init__(self) -> None:
        """Be open and empty."""
        self._lock = threading.Lock()
        self._closed = False
        self.replies: deque[LateReply] = deque()

    def put(self, reply: LateReply) -> None:
        """Take a late answer; log it if the run has ended."""
        with self._lock:
            if not self._closed:
                self.replies.append(reply)
                return
        _report(reply)

    def close(self) -> None:
        """Take no more: the run has ended."""
        with self._lock:
            self._closed = True
        while self.replies:
            _report(self.replies.popleft())


def _report(reply: LateReply) -> None:
    logger.warning(
        "%s of step %s in run %s answered %s after the run had ended: it was given up by "
        "its timeout, and is in doubt there",
        reply.direction,
        ascii(reply.path),
        reply.run_id,
        reply.reply,
    )


class ThreadCall:
    """One call in a daemon thread of its own, with the caller's context."""

    __slots__ = (
        "_answered",
        "_begun",
        "_call",
        "_given_up",
        "_inbox",
        "_interrupt",
        "_lock",
        "_on_done",
        "_reply",
        "_returned",
        "done",
    )

    def __init__(self, call: Call, inbox: Inbox, on_done: Callable[[], object]) -> None:
        """Describe the call; ``on_done`` is called in its thread once it has answered in time."""
        self._call = call
        self._inbox = inbox
        self._on_done = on_done
        self._lock = threading.Lock()
        self._begun = False
        self._answered = False
        self._given_up = False
        self._interrupt: BaseException | None = None
        self._reply: object = NOTHING
        self._returned: object = NOTHING
        self.done: threading.Event = threading.Event()

    def start(self, function: Callable[[Any], object] | None, argument: object) -> Reply | None:
        """Begin; or give the reply to a call that cannot begin."""
        context = copy_context()
        thread = threading.Thread(
            target=context.run,
            args=(self._work, function, argument),
            daemon=True,
            name=f"sagalib {self._call.step}",
        )
        try:
            thread.start()
        except RuntimeError as error:  # no more threads, or the interpreter is shutting down
            return Refused(raised(error))
        return None

    def _work(self, function: Callable[[Any], object], argument: object) -> None:
        with self._lock:
            if self._given_up:
                return  # withdrawn before it had begun
            self._begun = True
        returned, reply = NOTHING, NOTHING
        interrupted: BaseException | None = None
        try:
            returned = function(argument)
        except Exception as error:
            reply = Unknown(raised(error))
        except BaseException as interrupt:
            reply, interrupted = CUT, interrupt
        said = type(returned).__name__ if reply is NOTHING else repr(reply.reason)
        with self._lock:
            in_time = not self._given_up
            if in_time:
                self._answered = True
                self._returned, self._reply, self._interrupt = returned, reply, interrupted
        del returned, reply, interrupted  # the frame of a call that raised holds this one
        _abandoned.discard(self)
        if in_time:
            self.done.set()
            self._on_done()
            return
        call = self._call
        self._inbox.put(
            LateReply(call.run_id, call.path, call.step, call.attempt, call.direction, said)
        )

    def answer(self, interrupts: list[BaseException]) -> tuple[object, object]:
        """Give what came in time: what the call returned, or what is known.

        What interrupted it is added to ``interrupts``. The call keeps none of it.
        """
        if self._interrupt is not None:
            interrupts.append(self._interrupt)
        answer = self._returned, self._reply
        self._returned = self._reply = NOTHING
        self._interrupt = None
        return answer

    def give_up(self) -> bool:
        """Walk away, unless the call has answered; tell whether it has not, as often as asked."""
        with self._lock:
            if not (self._answered or self._given_up):
                _abandoned.add(self)
                self._given_up = True
            return self._given_up

    def withdraw(self) -> bool:
        """Take back a call that has not begun; tell whether it has not, as often as asked.

        If its thread begins yet, it calls nothing.
        """
        with self._lock:
            if not self._begun:
                self._given_up = True
            return not self._begun


def refused() -> Reply | None:
    """Give the reply to a call that may not begin: too many have been given up; or ``None``."""
    if len(_abandoned) < MAX_ABANDONED:
        return None
    message = f"{MAX_ABANDONED} calls that timed out are still going on: this one was not begun"
    return Refused(Raised("TooManyAbandonedCalls", message))
