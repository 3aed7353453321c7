"""What raises: one tree, whose leaves are builtin errors too."""

from typing import Any, assert_type

from sagalib import (
    Compensated,
    Fatal,
    IllegalReply,
    InvalidOption,
    InvalidSaga,
    LogMismatch,
    NoAnswer,
    NoCurrentCall,
    Ok,
    RunCompensated,
    RunFailed,
    RunFatal,
    RunIdInUse,
    SagaError,
    WrongColour,
)

of_types: tuple[type[TypeError], ...] = (InvalidSaga, WrongColour)
of_values: tuple[type[ValueError], ...] = (InvalidOption, RunIdInUse, IllegalReply, LogMismatch)
of_lookups: tuple[type[LookupError], ...] = (NoCurrentCall, NoAnswer)
of_runs: tuple[type[RunFailed], ...] = (RunCompensated, RunFatal)
every: tuple[type[SagaError], ...] = (InvalidSaga, InvalidOption, NoAnswer, RunFailed)


def value_of(outcome: Ok[int] | Compensated[str] | Fatal[str, str]) -> int:
    """Give the value, or look at what went wrong."""
    try:
        return outcome.unwrap()
    except RunCompensated as error:
        assert_type(error.outcome, Compensated[Any] | Fatal[Any, Any])
        return -1
