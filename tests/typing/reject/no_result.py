"""A step answers with a Result: a plain function is lifted with ``catching``, or with ``arrow``."""

from sagalib import AsyncStep, Step, arrow, catching, stage, step


def parse(text: str) -> int:
    """Read a number."""
    return int(text)


async def parse_async(text: str) -> int:
    """Read a number."""
    return int(text)


right = Step(catching(ValueError)(parse)) >> arrow(str)
plain = Step(parse)  # type: ignore
plain_stage = stage(parse)  # type: ignore
plain_async = AsyncStep(parse_async)  # type: ignore
plain_decorated = step(parse)  # type: ignore

not_exceptions = catching(int)  # type: ignore
not_classes = catching(ValueError("no"))  # type: ignore
