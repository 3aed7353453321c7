"""A shop that places orders: one saga per order, on a real SQLite file.

Read it in this order:

1. ``domain.py``: orders, what the services hand out, and the errors they answer with.
2. ``sagas.py``: the saga of an order, half a page. ``async_sagas.py`` is the same for asyncio.
3. ``services.py``: inventory, payments, shipping and mail; how a repeated call does no harm.
4. ``proof.py``: what the database says once every saga has ended.
5. ``chaos.py``: a network that loses, delays and repeats requests.

The rest is the shell around it: ``table.py`` and ``reading.py`` (CSV), ``database.py`` (SQLite),
``wire.py`` (the way to a service), ``weather.py`` and ``virtual_time.py`` (how sagas are run),
``placing.py`` and ``day.py`` (the loop over the orders), ``totals.py`` and ``report.py`` (what
comes out), ``app.py`` (the command line). ``python -m place_order --help`` says more.
"""
