"""Names from a database are input: each format gets them harmless."""

from __future__ import annotations

import html
import re
import unicodedata

# What Markdown reads anywhere in a line, and what only opens one. An underscore within a word is one.
_READ = re.compile(r"[\\`*\[\]<~|$]|(?<!\w)_|_(?!\w)")
_OPENS = re.compile(r"(\s*\d*)([-+#>=]|[.)](?=\s|$))")
# What GitHub and GitLab make of the text that is left, whatever was escaped in it: mentions, references to issues, labels,
# milestones and snippets, entities, links, emoji. A code span alone is left as it is.
_ACTED_ON = re.compile(r"[@#!~%$&](?=\w)|&#|GH-\d|://|www\.|:[a-zA-Z+][\w+-]*:")
_BETWEEN_WORDS = re.compile(r"([\s|]+)")
_CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


def visible(text: str) -> str:
    """One line, with control, direction and zero-width characters shown escaped."""
    if text.isprintable():  # the same by the characters' categories, and quick
        return text
    return "".join(_shown(c) for c in text)


_ASCII_LINES = bytes(range(0x20, 0x7F)) + b"\n"


def visible_lines(text: str) -> str:
    """The same, where line breaks stay; one at the end goes."""
    if text.isascii() and not text.encode().translate(None, _ASCII_LINES):  # quick, where there is nothing to show
        return text.removesuffix("\n")
    return "\n".join(map(visible, text.splitlines()))


def _shown(char: str) -> str:
    if char == "\n":
        return "\\n"
    if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"):
        return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
    return char


def markdown(text: object) -> str:
    """Text that Markdown and the HTML in it leave as it is; no mention, reference, link or image comes of it."""
    shown = visible("" if text is None else str(text))
    if not _ACTED_ON.search(shown):
        return _escaped(shown)
    words = _BETWEEN_WORDS.split(shown)
    return "".join(_as_code(w) if _ACTED_ON.search(w) else _escaped(w, opens=at < 3) for at, w in enumerate(words))


def _as_code(word: str) -> str:
    core = word.rstrip(",;.")
    return code_span(core) + word[len(core) :]


def prose(text: str) -> str:
    """The same on one line, where what stands between backticks stays code."""
    shown = visible(" ".join(text.split()))
    if _ACTED_ON.search(shown):  # its code spans could touch these
        return markdown(shown)
    parts = _CODE.split(shown)
    return "".join(code_span(part) if at % 2 else _escaped(part, opens=not at) for at, part in enumerate(parts))


def _escaped(shown: str, *, opens: bool = True) -> str:
    escaped = _READ.sub(r"\\\g<0>", shown)
    return _OPENS.sub(r"\1\\\2", escaped, count=1) if opens and _OPENS.match(escaped) else escaped


def summary(text: object) -> str:
    """Text within the tags of HTML that Markdown leaves alone, as `summary` is."""
    words = re.split(r"(\s+)", visible("" if text is None else str(text)))
    return "".join(f"<code>{html.escape(w)}</code>" if _ACTED_ON.search(w) else html.escape(w) for w in words)


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
