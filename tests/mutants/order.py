"""A plugin of pytest: the tests that are likely to notice a mutant come first."""

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the unit tests of the mutated file; end with those that draw many examples."""
    module, _, _ = os.environ.get("MUTANT_UNDER_TEST", "").rpartition(".")
    nearest = f"test_{module.rpartition('.')[2]}"
    items.sort(
        key=lambda item: (
            item.path.stem != nearest,
            hasattr(getattr(item, "obj", None), "hypothesis"),
        )
    )
