"""The types, tested both ways in mypy, pyright, ty and pyrefly.

- ``accept/``: what must type-check. ``assert_type`` states the type; at run time the same files are
  imported, so that what type-checks also builds.
- ``reject/``: what must not. Each wrong line ends with a bare ``# type: ignore``, the one comment
  that all four read. In all four an ignore that is not needed is an error, so a mistake that a
  checker no longer finds is one too. The right form stands next to the wrong one.
- ``stubs/``: what the folder ``typings/`` adds; a second pass, with it.

One idea a file. The vocabulary is in ``shop``.
"""
