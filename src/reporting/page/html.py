"""HTML put together so that no text of a run can become markup."""

import re
from collections.abc import Iterable
from html import escape

from src.reporting.text import printable


class Markup(str):
    """Text that is HTML already; any other is escaped."""

    __slots__ = ()


Node = str | Markup


def element(tag: str, *contents: Node | Iterable[Node], css: str = "", **attributes: str) -> Markup:
    """`<tag class=css …>contents</tag>`, everything escaped that is not `Markup`.

    Args:
        tag: its name.
        contents: one after the other; lists of them too.
        css: its classes.
        attributes: others; an underscore at the end of a name is left out.
    """
    words = {"class": css} if css else {}
    words |= {name.removesuffix("_"): value for name, value in attributes.items()}
    start = "".join(f' {name}="{escape(value)}"' for name, value in words.items())
    return Markup(f"<{tag}{start}>{joined(contents)}</{tag}>")


def joined(contents: Iterable[Node | Iterable[Node]]) -> Markup:
    """The contents one after the other, escaped where they are not `Markup`."""
    parts = []
    for content in contents:
        if isinstance(content, Markup):
            parts.append(str(content))
        elif isinstance(content, str):
            parts.append(escape(printable(content)))
        else:
            parts.append(str(joined(content)))
    return Markup("".join(parts))


def sentence(text: str) -> Markup:
    """A text in which what stands between backticks is code."""
    parts = re.split(r"`([^`]*)`", text)
    return joined(
        element("code", part) if index % 2 else part for index, part in enumerate(parts) if part
    )


def table(header: Iterable[Node], rows: Iterable[Iterable[Node]], css: str = "") -> Markup:
    """A table that scrolls sideways where it is wider than the page."""
    head = element("tr", [element("th", cell, scope="col") for cell in header])
    body = [element("tr", [element("td", cell) for cell in row]) for row in rows]
    return element(
        "div", element("table", element("thead", head), element("tbody", body), css=css), css="wide"
    )
