"""How a service is reached: over a wire, which need not deliver."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from returns.result import Result

from place_order.domain import Refused
from sagalib import current_call

T = TypeVar("T")
E = TypeVar("E")
P = ParamSpec("P")


class Wire(Protocol):
    """Carries a request to a service, and its answer back. chaos.py has one that does it badly."""

    def __call__(self, request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
        """Deliver the request and return the answer."""
        ...


def direct(request: Callable[[], Result[T, E]], /) -> Result[T, E | Refused]:
    """Deliver every request at once."""
    return request()


class Remote(Protocol):
    """A service at the other end of a wire."""

    @property
    def wire(self) -> Wire:
        """What its requests travel on."""
        ...


S = TypeVar("S", bound=Remote)


def remote(
    method: Callable[Concatenate[S, str, P], Result[T, E]],
) -> Callable[Concatenate[S, P], Result[T, E | Refused]]:
    """Let the calls of this method travel on the wire, each with the key of its call."""

    @wraps(method)
    def call(service: S, /, *args: P.args, **kwargs: P.kwargs) -> Result[T, E | Refused]:
        key = current_call().key  # taken here: the request may arrive when the call is long over
        return service.wire(lambda: method(service, key, *args, **kwargs))

    return call
