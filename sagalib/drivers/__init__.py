"""Loops that carry out what the machine asks for: ``run``, ``run_async``, ``simulate``.

They decide nothing. ``Supervisor``, ``AsyncSupervisor`` and ``run_many`` run many of them at once.
"""
