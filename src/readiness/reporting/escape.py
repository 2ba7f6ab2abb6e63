"""Names from a database are input: each format gets them harmless."""

from __future__ import annotations

import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~&@:$])")


def visible(text: str) -> str:
    """One line, with control, direction and zero-width characters shown escaped."""
    if text.isprintable():  # the same by the characters' categories, and quick
        return text
    return "".join(_shown(c) for c in text)


def visible_lines(text: str) -> str:
    """The same, where line breaks stay."""
    if text.isprintable():
        return text
    return "\n".join(map(visible, text.splitlines()))


def _shown(char: str) -> str:
    if char == "\n":
        return "\\n"
    if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"):
        return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
    return char


def markdown(text: object) -> str:
    """Text that Markdown and the HTML in it leave as it is; no mention, link or image comes of it."""
    return _MARKDOWN.sub(r"\\\1", visible("" if text is None else str(text)))


def code_cell(text: object) -> str:
    """A code span in a table, where a bar would end the cell."""
    return code_span(text).replace("|", "\\|")


def code_span(text: object) -> str:
    """A code span around any text: the fence is longer than any run of backticks in it."""
    shown = visible("" if text is None else str(text))
    if not shown:
        return ""
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def code_block(text: str, language: str = "") -> str:
    """A fenced block around any text; line breaks stay, other control characters are shown escaped."""
    lines = visible_lines(text)
    longest = max((len(run) for run in re.findall(r"`+", lines)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{lines}\n{fence}"
