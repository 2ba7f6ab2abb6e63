"""The small parts that the page's sections are made of.

The page is written by functions, not by a template engine: loading one and compiling the page's template took longer than
everything else together. So each value that is printed has to pass through `safe`; a test puts tags into every text that a
run document has.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from html import escape

from readiness.document import CheckPart
from readiness.model import Status
from readiness.reporting import charts, words
from readiness.reporting.escape import visible, visible_lines

COLOURS = {
    Status.PASS: "good",
    Status.PARTIAL: "hold",
    Status.FAIL: "bad",
    Status.UNKNOWN: "unk",
    Status.NOT_APPLICABLE: "none",
}
SAID = {
    Status.PASS: "passed",
    Status.PARTIAL: "partly",
    Status.FAIL: "failed",
    Status.UNKNOWN: "not measured",
    Status.NOT_APPLICABLE: "does not apply",
}
# As entities, here and in the sections: a page of ASCII takes half the memory, and is written as it lies there.
_MARKS = {
    status: f'<span class="mark {colour}" aria-hidden="true">&#{ord(words.SYMBOLS[status][0])};</span>'
    for status, colour in COLOURS.items()
}


# What is printed as it is: the quick way for almost everything.
_PLAIN = bytes(c for c in range(0x20, 0x7F) if chr(c) not in "&<>\"'")
_PLAIN_LINES = _PLAIN + b"\n"


def is_plain(text: str) -> bool:
    """Whether a text, of one line or several, is printed as it is."""
    return text.isascii() and not text.encode().translate(None, _PLAIN_LINES)


def safe(text: object) -> str:
    """Anything as text of the page, on one line, or as an attribute between double quotes."""
    told = text if type(text) is str else str(text)
    if told.isascii() and not told.encode().translate(None, _PLAIN):
        return told
    return escape(visible(told))


def safe_lines(text: str) -> str:
    """A text of the page, where line breaks stay; no attribute."""
    return escape(visible_lines(text), quote=False)


def link(check: str) -> str:
    return f'<a href="#{safe(check)}">{safe(check)}</a>'


def links(checks: Iterable[str]) -> str:
    return ", ".join(map(link, checks))


def mark(status: Status) -> str:
    return _MARKS[status]


def paragraphs(text: str) -> str:
    parts = [" ".join(part.split()) for part in text.split("\n\n")]
    return "".join([f"<p>{safe(part)}</p>" for part in parts if part])


def utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def said(check: CheckPart) -> str:
    """What a check found, beside its title."""
    return safe(words.beside_title(check))


LEGEND = (
    f'<p class="key"><span>{charts.key("f-good")} earned</span><span>{charts.key("hatch")} not measured</span>'
    f"<span>{charts.key('f-line')} lost</span></p>\n"
)
