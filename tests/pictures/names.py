"""Names and reasons that look like the markup of a picture."""

from typing import Any, Final

from hypothesis import strategies as st

MARKUP: Final = (
    *('"', "]", "})", "|", "`", "\\", "\\n", "\\N", "%%", "%%{init: {}}%%", "#", "#quot;", "#34;"),
    *("&", "&lt;", "<b>", "</script>", "<br/>", ";", "style:", "classDef a:#", "end", "-->"),
    *("subgraph", "click n0", ":::", "n0", "graph", "_", "__init__", "*a*", "- a", "1. a", "fa:fa"),
    *("ﬂ°°34¶ß", "ﬂ", "é", "Ж", "漢", "\U0001f9fe", "{", "=", "$$x$$", "  ", " ", "https://a.b"),
)


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 200 and text.isprintable()


words = st.one_of(st.sampled_from(MARKUP), st.text(max_size=8))
names = st.lists(words, min_size=1, max_size=4).map("".join).filter(_is_name)
"""What may name a step."""


class Hostile:
    """An error that shows itself as it is told."""

    def __init__(self, text: str) -> None:
        """Show ``text``."""
        self.text = text

    def __repr__(self) -> str:
        """Give what was told."""
        return self.text


hostile: st.SearchStrategy[Any] = st.lists(
    st.one_of(words, st.sampled_from(["\n", "\r\n", "\x00", "\u2028", "\u202e", "\ud800"])),
    max_size=6,
).map(lambda parts: Hostile("".join(parts)))
"""Errors whose ``repr`` looks like markup, or does not print."""
