"""The saga as a value: a sequence of instructions, composed with ``>>``.

A saga is a word over instructions, and composition is concatenation: the free monoid. So
``identity() >> p == p`` and ``(p >> q) >> r == p >> (q >> r)`` hold by construction, for ``==`` and
``hash`` too. A form that encloses others is a pair of brackets around their instructions (``Keep``
.. ``Merge``, ``Guard`` .. ``Unguard``), so nothing here or in the machine recurses, however deep
sagas are nested. A composite is a rope: ``>>`` only remembers its two sides, and the word is
written out once, when first read (Boehm, Atkinson and Plass, "Ropes: an Alternative to Strings",
1995).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Never, NoReturn, cast, overload

from returns.result import Result
from typing_extensions import TypeVar

from sagalib.core.course import Course, course_of
from sagalib.core.errors import InvalidSaga
from sagalib.core.instructions import (
    Alternative,
    Arrow,
    Bind,
    Deadline,
    Enter,
    Fail,
    Fork,
    Guard,
    Instruction,
    Join,
    Keep,
    Leave,
    Merge,
    Nested,
    Recovery,
    Retrying,
    ScopeKind,
    Unguard,
    is_step,
)
from sagalib.core.naming import paths_of
from sagalib.core.paths import check_name
from sagalib.core.policy import Retry, as_retry, check_seconds

__all__ = [
    "JOIN",
    "Async",
    "Composite",
    "Saga",
    "Sync",
    "arrow",
    "branch_of",
    "chain",
    "checked",
    "fail",
    "fork",
    "identity",
    "in_a_row",
    "word",
]


class Async:
    """The mode of a saga that has an async step: it needs ``run_async``."""


class Sync(Async):
    """The mode of a saga without async steps: any driver runs it."""


A_contra = TypeVar("A_contra", contravariant=True)
B_co = TypeVar("B_co", covariant=True)
E_co = TypeVar("E_co", covariant=True, default=Never)
F_co = TypeVar("F_co", covariant=True, default=Never)
M_co = TypeVar("M_co", bound=Async, covariant=True, default=Sync)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
E = TypeVar("E", default=Never)
E2 = TypeVar("E2")
F = TypeVar("F", default=Never)
F2 = TypeVar("F2", default=Never)
M = TypeVar("M", bound=Async, default=Sync)
M2 = TypeVar("M2", bound=Async, default=Sync)

_SHOWN = 10
_UNNAMED = "saga"


class Saga(Generic[A_contra, B_co, E_co, F_co, M_co]):
    """Steps with the way back, as an immutable value; takes an ``A``, gives a ``B``.

    It may fail with an ``E``; its compensations may fail with an ``F``. ``Saga[A, B, E]`` has none
    that can fail. A saga does nothing until a driver runs it, and can be run any number of times,
    also at the same time.
    """

    __slots__ = ()

    name: str
    """What logs and status call the saga."""
    is_async: bool
    """Whether the saga has an async step, so that only ``run_async`` can run it."""
    has_pivot: bool
    """Whether a step is a point of no return."""
    length: int
    """The number of its instructions."""

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The saga in normal form."""
        raise NotImplementedError  # pragma: no cover - Composite and the steps are the subclasses

    @property
    def paths(self) -> tuple[str | None, ...]:
        """The rendered path of each instruction that makes calls, ``None`` for the others.

        In the body of ``each`` it has ``[]`` where the number of the item is to be put.
        """
        return paths_of(self.instructions)

    @property
    def course(self) -> Course:
        """What is asked as long as all goes well."""
        return course_of(self.instructions)

    def __rshift__(
        self, following: Saga[B_co, C, E2, F2, M2], /
    ) -> Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]:
        """Compose: ``following`` gets what this saga gives.

        Raises:
            InvalidSaga: ``following`` is not a saga.
        """
        return self.then(following)

    def __rrshift__(self, other: Never, /) -> Never:
        """Refuse ``function >> saga``."""
        raise InvalidSaga(_not_a_saga(other))

    def then(
        self, following: Saga[B_co, C, E2, F2, M2], /
    ) -> Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]:
        """Compose, as ``>>`` does: ``following`` gets what this saga gives.

        Raises:
            InvalidSaga: ``following`` is not a saga.
        """
        return cast(
            "Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]", _concatenate(self, following)
        )

    def map(self, function: Callable[[B_co], C], /) -> Saga[A_contra, C, E_co, F_co, M_co]:
        """Apply a pure function to what the saga gives.

        Compensations still get what their own steps gave.
        """
        return cast("Saga[A_contra, C, E_co, F_co, M_co]", _concatenate(self, arrow(function)))

    def contramap(self, function: Callable[[C], A_contra], /) -> Saga[C, B_co, E_co, F_co, M_co]:
        """Apply a pure function to what the saga takes."""
        return cast("Saga[C, B_co, E_co, F_co, M_co]", _concatenate(arrow(function), self))

    def map_error(self, function: Callable[[E_co], E2], /) -> Saga[A_contra, B_co, E2, F_co, M_co]:
        """Apply a pure function to the error that a step returned.

        ``TimedOut``, ``Raised`` and ``Cancelled`` pass unchanged.
        """
        _check_function(function, "map_error")
        return cast(
            "Saga[A_contra, B_co, E2, F_co, M_co]",
            _concatenate(_concatenate(word(Guard(function)), self), _UNGUARD),
        )

    def keep(self: Saga[A, B, E, F, M]) -> Saga[A, tuple[A, B], E, F, M]:
        """Give the input too: ``A -> tuple[A, B]``. The first stage of a growing context."""
        return cast("Saga[A, tuple[A, B], E, F, M]", enclose(self, _pair))

    def __and__(
        self, other: Saga[A_contra, C, E2, F2, M2], /
    ) -> Saga[A_contra, tuple[B_co, C], E_co | E2, F_co | F2, M_co | M2]:
        """Run both at once, with the same input; give both outputs.

        If one fails the other is awaited, and then what has completed is compensated, last
        completed first. See ``par`` for more than two, and for options. ``>>`` binds tighter than
        ``&``, and ``&`` tighter than ``|``.

        Raises:
            InvalidSaga: ``other`` is not a saga, or one of both has a pivot.
        """
        return cast(
            "Saga[A_contra, tuple[B_co, C], E_co | E2, F_co | F2, M_co | M2]",
            fork((self, other), "&"),
        )

    def __rand__(self, other: Never, /) -> Never:
        """Refuse ``function & saga``."""
        raise InvalidSaga(_not_a_saga(other, "&"))

    def __or__(
        self, other: Saga[A_contra, C, E2, F2, M2], /
    ) -> Saga[A_contra, B_co | C, E2, F_co | F2, M_co | M2]:
        """Try this saga, and if it fails ``other``: see ``or_else``.

        Raises:
            InvalidSaga: ``other`` is not a saga.
        """
        return cast("Saga[A_contra, B_co | C, E2, F_co | F2, M_co | M2]", _either(self, other, "|"))

    def __ror__(self, other: Never, /) -> Never:
        """Refuse ``function | saga``."""
        raise InvalidSaga(_not_a_saga(other, "|"))

    def or_else(
        self, other: Saga[A_contra, C, E2, F2, M2], /
    ) -> Saga[A_contra, B_co | C, E2, F_co | F2, M_co | M2]:
        """Try this saga; if it fails, compensate what has completed in it, and run ``other``.

        ``other`` gets the input of this saga, and the whole fails with its errors only. A
        cancellation is not caught, nor a failure after which something is still owed: a
        compensation has failed, or a pivot was crossed.

        Raises:
            InvalidSaga: ``other`` is not a saga.
        """
        return cast(
            "Saga[A_contra, B_co | C, E2, F_co | F2, M_co | M2]", _either(self, other, "or_else")
        )

    def recover(
        self, function: Callable[[E_co], C], /
    ) -> Saga[A_contra, B_co | C, Never, F_co, M_co]:
        """Make a value of the error that a step returned, and go on with that.

        What has completed in this saga is compensated first. ``TimedOut``, ``Raised`` and
        ``Cancelled`` are not recovered from, nor is a failure after which something is still owed.
        ``function`` is pure. If it raises, the saga fails with ``Raised``.

        Raises:
            InvalidSaga: ``function`` is not callable.
        """
        _check_function(function, "recover")
        return cast("Saga[A_contra, B_co | C, Never, F_co, M_co]", _scope(self, Recovery(function)))

    def retry(self, retries: int | Retry, /) -> Saga[A_contra, B_co, E_co, F_co, M_co]:
        """Begin this saga again if it fails, with the same input.

        What has completed in an attempt is compensated before the next begins. The reason is that
        of the last attempt. What ``or_else`` does not catch is not tried again.

        Args:
            retries: how many further attempts there are at most; or a ``Retry``, which also says
                how long to wait in between, in seconds, and for which errors.

        Raises:
            InvalidOption: a number below 0.
        """
        return _scope(self, Retrying(as_retry(retries)))

    def deadline(self, seconds: float, /) -> Saga[A_contra, B_co, E_co, F_co, M_co]:
        """Fail with ``TimedOut`` when this saga has not gone through in time.

        It bounds every call inside: an async one, or one with a hard timeout, is cut when the time
        is up; a plain one is judged when it returns. What has completed is compensated, however
        long that takes: no deadline cuts a compensation. To what is around it is a failure like
        another, which may be caught or retried.

        Args:
            seconds: from the beginning of this saga; at least 0.

        Raises:
            InvalidOption: not a number of seconds.
        """
        check_seconds("deadline(seconds)", seconds, zero=True)
        return _scope(self, Deadline(seconds))

    @overload
    def nested(
        self, name: str, /, compensate: None = None
    ) -> Saga[A_contra, B_co, E_co, F_co, M_co]: ...
    @overload
    def nested(
        self, name: str, /, compensate: Callable[[B_co], Coroutine[Any, Any, Result[None, F2]]]
    ) -> Saga[A_contra, B_co, E_co, F_co | F2, Async]: ...
    @overload
    def nested(
        self, name: str, /, compensate: Callable[[B_co], Result[None, F2]]
    ) -> Saga[A_contra, B_co, E_co, F_co | F2, M_co]: ...
    def nested(self, name: str, /, compensate: Any = None) -> Any:
        """Make this saga one step of what is around it.

        If it fails, it compensates what has completed in it before that is known outside: in a
        branch that is before the other branches have ended. Its steps have ``name`` before their
        paths.

        Args:
            name: what the whole is called; as that of a step.
            compensate: what is called with the output of this saga, instead of the compensations of
                its steps, if the saga around it fails later.

        Raises:
            InvalidOption: ``name`` is not text of 1 to 200 characters without control characters.
            InvalidSaga: ``compensate`` is not a function.
        """
        scope = Nested(check_name(name))
        if compensate is None:
            return _scope(self, scope)
        function = compensate
        if not callable(function):
            msg = (
                f"nested takes a function to compensate, got {type(function).__qualname__}: "
                "write nested(name, refund)"
            )
            raise InvalidSaga(msg)
        from sagalib.core.steps import compensating  # noqa: PLC0415 - steps are sagas

        promise: Any = compensating(compensate, name=name).instructions[0]
        return _scope(self, scope, step=promise.step)

    def bind(
        self, function: Callable[[B_co], Saga[B_co, C, E2, F2, M2]], /
    ) -> Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]:
        """Go on with the saga that ``function`` makes of what this one gives; it gets that too.

        ``function`` is pure: it is called again on replay. If it raises or gives no saga, the saga
        fails with ``Raised``. A plan cannot look into it.

        Raises:
            InvalidSaga: ``function`` is not callable.
        """
        _check_function(function, "bind")
        return cast(
            "Saga[A_contra, C, E_co | E2, F_co | F2, M_co | M2]",
            _concatenate(self, word(Bind(function))),
        )

    def named(self, name: str, /) -> Saga[A_contra, B_co, E_co, F_co, M_co]:
        """Name the saga, for logs and status; composing it further drops the name.

        Raises:
            InvalidOption: ``name`` is not text of 1 to 200 characters without control characters.
        """
        named: Saga[A_contra, B_co, E_co, F_co, M_co] = Composite(
            self.instructions, name=check_name(name)
        )
        return named

    def __bool__(self) -> NoReturn:
        """Refuse ``a and b`` and ``a or b``, which would silently give one of the two.

        Raises:
            InvalidSaga: always.
        """
        msg = (
            "a saga is neither true nor false: expected a composition, got `and`, `or`, "
            "`not` or `if`. Use >>, & or |, or compare with `is None`"
        )
        raise InvalidSaga(msg)

    def __copy__(self) -> Saga[A_contra, B_co, E_co, F_co, M_co]:
        """Give the saga itself: it is immutable."""
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Saga[A_contra, B_co, E_co, F_co, M_co]:
        """Give the saga itself.

        It is immutable, and the services that its functions belong to are not its parts.
        """
        return self


class Composite(Saga[A_contra, B_co, E_co, F_co, M_co]):
    """A saga of any number of instructions.

    ``_left`` is the word once it is written out; until then it is the left side and ``_right`` the
    right side.
    """

    __slots__ = ("_course", "_left", "_paths", "_right", "has_pivot", "is_async", "length", "name")

    _left: tuple[Instruction, ...] | Saga[Any, Any, Any, Any, Any]
    _right: Saga[Any, Any, Any, Any, Any] | None
    _paths: tuple[str | None, ...] | None
    _course: Course | None
    name: str
    is_async: bool
    has_pivot: bool
    length: int

    def __init__(
        self,
        left: tuple[Instruction, ...] | Saga[Any, Any, Any, Any, Any],
        right: Saga[Any, Any, Any, Any, Any] | None = None,
        name: str = _UNNAMED,
    ) -> None:
        """Join two sagas, or hold a word of instructions."""
        put = object.__setattr__
        put(self, "_left", left)
        put(self, "_right", right)
        put(self, "_paths", None)
        put(self, "_course", None)
        put(self, "name", name)
        if isinstance(left, tuple):
            has_async, length = any(instruction.is_async for instruction in left), len(left)
            has_pivot = any(is_step(instruction) and instruction.pivot for instruction in left)
        else:
            has_async, has_pivot, length = left.is_async, left.has_pivot, left.length
            if right is not None:
                has_async = has_async or right.is_async
                has_pivot = has_pivot or right.has_pivot
                length += right.length
        put(self, "is_async", has_async)
        put(self, "has_pivot", has_pivot)
        put(self, "length", length)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        """Refuse: a saga is immutable."""
        msg = (
            f"a saga is immutable: expected no change of {name!r}. Build a new one with >> or "
            ".named(...)"
        )
        raise AttributeError(msg)

    def __delattr__(self, name: str) -> NoReturn:
        """Refuse: a saga is immutable."""
        self.__setattr__(name, None)

    @property
    def instructions(self) -> tuple[Instruction, ...]:
        """The word, written out on first use."""
        word = self._left
        if type(word) is not tuple:
            word = _write_out(self)
            # The word first: another thread that still sees the old right side finds a tuple on the
            # left and stops there.
            object.__setattr__(self, "_left", word)
            object.__setattr__(self, "_right", None)
        return word  # ty: ignore[invalid-explicit-return] # for ty a saga might be a tuple too

    @property
    def paths(self) -> tuple[str | None, ...]:
        """The rendered paths, worked out on first use."""
        if self._paths is None:
            object.__setattr__(self, "_paths", super().paths)
        return cast("tuple[str | None, ...]", self._paths)

    @property
    def course(self) -> Course:
        """What is asked as long as all goes well; worked out on first use."""
        course = self._course
        if course is None:
            course = course_of(self.instructions)
            object.__setattr__(self, "_course", course)
        return course

    def sides(
        self,
    ) -> tuple[
        tuple[Instruction, ...] | Saga[Any, Any, Any, Any, Any],
        Saga[Any, Any, Any, Any, Any] | None,
    ]:
        """Give the word, or the two sides of which it is to be made."""
        return self._left, self._right

    def __eq__(self, other: object) -> bool:
        """Compare names and instructions; functions are equal if they are the same object."""
        if not isinstance(other, Composite):
            return NotImplemented
        return self is other or (
            self.name == other.name and self.instructions == other.instructions
        )

    def __hash__(self) -> int:
        """Agree with ``==``."""
        return hash((self.name, self.instructions))

    def __repr__(self) -> str:
        """Show the first instructions."""
        shown = [
            instruction.name if is_step(instruction) else repr(instruction)
            for instruction in self.instructions[:_SHOWN]
        ]
        more = len(self.instructions) - _SHOWN
        if more > 0:
            shown.append(f"... {more:,} more")
        return f"<{self.name}: {' >> '.join(shown) or 'identity()'}>"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the word, which is flat."""
        return (Composite, (self.instructions, None, self.name))


def _write_out(saga: Composite[Any, Any, Any, Any, Any]) -> tuple[Instruction, ...]:
    word: list[Instruction] = []
    waiting: list[Saga[Any, Any, Any, Any, Any]] = [saga]
    while waiting:
        node = waiting.pop()
        if not isinstance(node, Composite):
            word.extend(node.instructions)
            continue
        left, right = node.sides()
        if isinstance(left, tuple):
            word.extend(left)
        elif right is None:  # another thread wrote it out between the two reads
            waiting.append(node)
        else:
            waiting.append(right)
            waiting.append(left)
    return tuple(word)


_IDENTITY: Saga[Any, Any, Any, Any, Any] = Composite(())


def _not_a_saga(came: Any, operator: str = ">>") -> str:
    given = came
    if hasattr(came, "otherwise"):
        hint = "end it with .otherwise(saga), or .otherwise(identity())"
    elif operator == "par" and isinstance(came, Iterable):
        hint = "write gather(sagas)"
    elif inspect.iscoroutinefunction(came):
        hint = "wrap it: AsyncStep(f)"
    elif callable(came):
        hint = "wrap it: Step(f), or arrow(f) for a pure function"
    else:
        hint = "write Step(function), a saga, or identity()"
    is_named = operator.isidentifier()
    expected = (
        f"{operator} takes sagas" if is_named else f"expected a saga on each side of {operator}"
    )
    return f"{expected}, got {type(given).__qualname__}: {hint}"


def _check_function(function: object, what: str) -> None:
    if not callable(function):
        msg = (
            f"{what} takes a function, got {type(function).__qualname__}: write {what}(lambda "
            "value: ...)"
        )
        raise InvalidSaga(msg)


def _concatenate(
    left: Saga[Any, Any, Any, Any, Any], right: object
) -> Saga[Any, Any, Any, Any, Any]:
    came: Any = right
    if not isinstance(right, Saga):
        raise InvalidSaga(_not_a_saga(right))
    second: Saga[Any, Any, Any, Any, Any] = came
    if _is_empty(left) and not (_is_empty(second) and left.name != _UNNAMED):
        return second
    if _is_empty(second):
        return left
    return Composite(left, second)


def checked(given: Any, operator: str) -> Saga[Any, Any, Any, Any, Any]:
    """Give what must be a saga.

    Raises:
        InvalidSaga: it is none.
    """
    saga: Saga[Any, Any, Any, Any, Any] = given
    if not isinstance(given, Saga):
        raise InvalidSaga(_not_a_saga(given, operator))
    return saga


def _either(
    first: Saga[Any, Any, Any, Any, Any], other: object, operator: str
) -> Saga[Any, Any, Any, Any, Any]:
    second = checked(other, operator)
    return _concatenate(_scope(first, Alternative(), second.length), second)


def _scope(
    saga: Saga[Any, Any, Any, Any, Any], kind: ScopeKind, skip: int = 0, step: Any = None
) -> Saga[Any, Any, Any, Any, Any]:
    return in_a_row(word(Enter(kind, saga.length)), saga, word(Leave(skip, step)))


def fork(
    branches: Iterable[Saga[Any, Any, Any, Any, Any]],
    operator: str,
    limit: int | None = None,
    *,
    interrupts: bool = False,
) -> Saga[Any, Any, Any, Any, Any]:
    """Join branches side by side.

    Raises:
        InvalidSaga: one is not a saga, or has a pivot.
    """
    bodies = [branch_of(branch, operator) for branch in branches]
    sizes = tuple(body.length + 1 for body in bodies)
    parts: list[Saga[Any, Any, Any, Any, Any]] = [word(Fork(sizes, limit, interrupts))]
    for body in bodies:
        parts += (body, JOIN)
    return in_a_row(*parts)


def branch_of(given: object, operator: str) -> Saga[Any, Any, Any, Any, Any]:
    """Give a saga that may be a branch.

    Raises:
        InvalidSaga: it is not a saga, or has a pivot.
    """
    saga = checked(given, operator)
    if saga.has_pivot:
        msg = (
            f"{operator} takes sagas without a pivot, and {saga!r} has one: what its siblings have "
            "done could not be compensated after it. Put the pivot behind the branches"
        )
        raise InvalidSaga(msg)
    return saga


def word(*instructions: Instruction) -> Saga[Any, Any, Any, Any, Any]:
    """Give the saga of these instructions."""
    return Composite(instructions)


def in_a_row(*parts: Saga[Any, Any, Any, Any, Any]) -> Saga[Any, Any, Any, Any, Any]:
    """Put words one after the other, as they are."""
    whole: Saga[Any, Any, Any, Any, Any] = parts[0]
    for part in parts[1:]:
        whole = Composite(whole, part)
    return whole


def _is_empty(saga: Saga[Any, Any, Any, Any, Any]) -> bool:
    return isinstance(saga, Composite) and saga.sides()[0] == ()


_UNGUARD = word(Unguard())
_KEEP = word(Keep())
JOIN = word(Join())


def _pair(kept: object, value: object) -> tuple[object, object]:
    return (kept, value)


def enclose(
    saga: Saga[Any, Any, Any, Any, Any], combine: Callable[[Any, Any], object]
) -> Saga[Any, Any, Any, Any, Any]:
    """Give ``combine(input, output)`` of a saga."""
    return _concatenate(_concatenate(_KEEP, saga), word(Merge(combine)))


def identity() -> Saga[A, A]:
    """Give the saga that passes its value on: the unit of ``>>``."""
    return _IDENTITY


def arrow(function: Callable[[A], B], /) -> Saga[A, B]:
    """Lift a pure, total function.

    It is called again on replay. If it raises, the saga fails with ``Raised``.

    Raises:
        InvalidSaga: ``function`` is not callable.
    """
    _check_function(function, "arrow")
    return Composite((Arrow(function),))


def fail(error: E, /) -> Saga[object, Never, E]:
    """Give the saga that fails with ``error``, whatever it gets."""
    return Composite((Fail(error),))


def chain(sagas: Iterable[Saga[A, A, E, F, M]], /) -> Saga[A, A, E, F, M]:
    """Compose any number of sagas with ``>>``; ``identity()`` for none.

    Raises:
        InvalidSaga: an item is not a saga.
    """
    given: Any = sagas
    if not hasattr(given, "__iter__"):
        msg = (
            f"chain takes an iterable of sagas, got {type(given).__qualname__}: "
            "write chain([first, second])"
        )
        raise InvalidSaga(msg)
    whole: Saga[Any, Any, Any, Any, Any] = _IDENTITY
    for saga in sagas:
        whole = _concatenate(whole, saga)
    return whole
