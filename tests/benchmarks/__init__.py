"""Benchmarks: `nox -s bench`, or `python -m tests.benchmarks` in a checkout.

Absolute times mean nothing on a shared machine, so every goal is a ratio that one run measures.
Read `measuring` (how), `rows` (what is made of it), then the scenarios: `on_plain_functions`,
`on_asyncio`, `on_a_million_steps`. `peers` holds what other libraries do in the same places.
"""
