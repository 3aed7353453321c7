"""Behaviours that the test suites of other saga libraries pin down, by number.

`docs/explanation/conformance.md` lists all of them; `test_table.py` compares it with the tests.
"""
