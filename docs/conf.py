"""How the documentation is built: `nox -s docs`."""

from __future__ import annotations

import re
from pkgutil import walk_packages

import attrs
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer

import sagalib

project = "sagalib"
author = "the sagalib authors"
copyright = author  # noqa: A001 - the name that Sphinx reads

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Programs, not pages.
exclude_patterns = ["examples"]

html_theme = "furo"
html_title = project
html_copy_source = False

myst_heading_anchors = 3

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: f"sagalib.{name}" for name in ("Event", "Observer")}
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True

# Every reference must lead somewhere; these cannot, since the build fetches nothing.
nitpicky = True
nitpick_ignore_regex = [
    # Names of other packages, and of the standard library.
    (r"py:.*", r"(returns|typing_extensions|collections\.abc|asyncio|logging|threading)\..+"),
    (r"py:exc", r"(KeyboardInterrupt|SystemExit|TypeError|ValueError|\.\.\.).*"),
    # Type variables: A, E2, B_co, A_contra, Ts.
    (r"py:(class|obj)", r"(sagalib\.\w+\.\w+\.)?([A-Z]\d?(_co|_contra)?|Ts)"),
    # Names that stand in signatures and are not public.
    (r"py:class", r"sagalib\.core\.steps\.(_\w*Decorator|CompensationSettings)"),
    (r"py:class", r"sagalib\.core\.(course\.Course|functions\.Catching|outcomes\.Past)"),
    (r"py:class", r"sagalib\.core\.(history\.History|state\.Machine)"),
    (r"py:class", r"sagalib\.core\.messages\.(Invoke|Sleep)"),
    (r"py:class", r"sagalib\.(layout|pictures)\.(Box|Edge|Node)"),
    (r"py:class", r"sagalib\.drivers\.clock\.Timer|Instruction|Matcher"),
]


def readable_signature(
    _app: object,
    _what: str,
    _name: str,
    made: object,
    _options: object,
    signature: str | None,
    returned: str | None,
) -> tuple[str, str | None] | None:
    """Show the names of aliases, and the defaults of attrs, as they are written."""
    if signature is None:
        return None
    shown = re.sub(r"TypeAliasForwardRef\('([\w.]+)'\)", r"\1", signature)
    if isinstance(made, type) and attrs.has(made):
        fields = attrs.fields_dict(made)
        shown = re.sub(
            r"attr_dict\['(\w+)'\]\.default", lambda found: repr(fields[found[1]].default), shown
        )
    return shown, returned


def docstring_of_alias(
    _app: object, what: str, name: str, _made: object, _options: object, lines: list[str]
) -> None:
    """Take the docstring of a type alias from the module that defines it."""
    if what != "data":
        return
    alias = name.rpartition(".")[2]
    for module in walk_packages(sagalib.__path__, "sagalib."):
        try:
            documented = ModuleAnalyzer.for_module(module.name).find_attr_docs()
        except PycodeError:
            continue
        if ("", alias) in documented:
            lines[:] = documented["", alias]


def one_signature(_app: Sphinx) -> None:
    """Show one signature of what has one for each number of branches."""
    parallel = ModuleAnalyzer.for_module("sagalib.core.parallel")
    parallel.analyze()
    parallel.overloads.clear()


def setup(app: Sphinx) -> None:
    """Connect the hooks."""
    app.connect("builder-inited", one_signature)
    app.connect("autodoc-process-signature", readable_signature)
    # After napoleon, which would take what stands before a colon for a type.
    app.connect("autodoc-process-docstring", docstring_of_alias, priority=600)
