"""Mutants of the core: small changes, each of which a test must notice.

``nox -s mutants`` lets ``mutmut`` plant them (see ``operators`` for what is added) and compares
those that live with ``survivors.toml``, where each is listed with the reason why no test can tell.
"""
