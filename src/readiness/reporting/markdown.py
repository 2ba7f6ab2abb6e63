"""The scorecard as Markdown, for a pull request or a step summary: what does not fit a comment is cut, with a notice."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from readiness.document import RunDocument
from readiness.model import Status, count_of
from readiness.reporting import escape, words

MOST_BYTES = 65_000
"""GitHub takes 65,536 characters for a comment, and a MiB for a step summary."""

# What is told of each check, and whether the table of all of them is: the first that fits is taken.
_MEASURES = ((20, True), (8, True), (3, True), (3, False), (1, False), (0, False))


def render(run: RunDocument, *, most: int = MOST_BYTES) -> str:
    """The scorecard, in at most so many bytes of UTF-8: fewer findings of each check, then a cut at a line's end."""
    template = environment().get_template("report.md.j2")
    text = ""
    for at, (findings, everything) in enumerate(_MEASURES):
        text = template.render(run=run, shown=findings, everything=everything, shortened=at > 0)
        if len(text.encode("utf-8", "backslashreplace")) <= most:
            return text
    return _cut(text, most)


_CUT = "\n\n> **Cut:** the rest is in the HTML report and in the run document.\n"


def _cut(text: str, most: int) -> str:
    """At the end of a line, outside of a fence and of what is folded."""
    room = most - len(_CUT.encode()) - len("</details>\n")
    kept: list[str] = []
    fence, folded, size, safe, safe_folded = "", 0, 0, 0, 0
    for line in text.split("\n"):
        size += len(line.encode("utf-8", "backslashreplace")) + 1
        if size > room:
            break
        kept.append(line)
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
        folded += line.count("<details>") - line.count("</details>") if not fence else 0
        if not fence:
            safe, safe_folded = len(kept), folded
    return "\n".join(kept[:safe]) + "\n\n</details>" * safe_folded + _CUT


def environment() -> Environment:
    """Templates of the reports package. The output is Markdown: values pass through `md`, `code` or `block`."""
    found = Environment(
        loader=FunctionLoader(lambda name: (files("readiness_reports") / name).read_text(encoding="utf-8")),
        autoescape=False,  # noqa: S701  HTML's escaping is not Markdown's; every value is escaped by the filters below
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {
        "md": escape.markdown,
        "code": escape.code_span,
        "cell": escape.code_cell,
        "block": escape.code_block,
        "count": count_of,
        "said": words.result,
        "credit": words.credit,
        "evidence": words.evidence,
        "symbol": lambda status: words.SYMBOLS[Status(status)][0],
    }
    found.globals |= {"words": words, "Status": Status}
    return found
