"""The scorecard as Markdown, for a pull request or a step summary: what does not fit a comment is cut, with a notice."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from readiness.document import RunDocument
from readiness.model import Status, count_of
from readiness.reporting import escape, words

MOST_BYTES = 65_000
"""GitHub takes 65,536 characters for a comment, and a MiB for a step summary."""


@dataclass(frozen=True, slots=True)
class Room:
    """What is told beside the numbers."""

    blocking: int = 20
    """Findings of each check that blocks."""
    others: int = 20
    """Findings of each other check."""
    mends: bool = True
    """How to mend what blocks nothing."""
    steps: int | None = None
    """Steps of the plan, those that gain most."""
    answers: bool = True
    """The rows of requirements and checklist."""
    unlocks: bool = True
    """Why something could not be measured, and what would unlock it."""


# What is left out, in turn, until the rest fits. The numbers, and the table of all checks that has them, stay.
_ROOMS = (
    Room(),
    Room(8, 8),
    Room(5, 3),
    Room(3, 1),
    Room(3, 0),
    Room(3, 0, mends=False),
    Room(3, 0, mends=False, steps=12),
    Room(1, 0, mends=False, steps=12),
    Room(1, 0, mends=False, steps=12, answers=False),
    Room(0, 0, mends=False, steps=0, answers=False),
    Room(0, 0, mends=False, steps=0, answers=False, unlocks=False),
)


def render(run: RunDocument, *, most: int = MOST_BYTES) -> str:
    """The scorecard, in at most so many bytes of UTF-8: what is told beside the numbers goes first, a line's end is the last cut."""
    unmeasured = words.unmeasured(run)
    others, informational = words.other_findings(run)
    told = {"run": run, "unmeasured": unmeasured, "others": others, "informational": informational}
    template = _environment().get_template("report.md.j2")

    @cache
    def text(at: int) -> str:
        room = _ROOMS[at]
        above = {c.id for c in unmeasured} if room.unlocks else set()
        return template.render(**told, room=room, left_out=_left_out(room), told_above=above)

    def fits(at: int) -> bool:
        return len(text(at).encode("utf-8", "backslashreplace")) <= most

    if fits(0):
        return text(0)
    first = bisect_left(range(1, len(_ROOMS)), True, key=fits) + 1
    return text(first) if first < len(_ROOMS) else _cut(text(first - 1), most)


def _left_out(room: Room) -> str:
    """The notice of what this leaves out; nothing where it is the whole."""
    if room == Room():
        return ""
    kept = f"{room.blocking or 'none'} of a blocker's findings and {room.others or 'none'} of another check's are shown"
    gone = {
        "how to mend what blocks nothing": not room.mends,
        "the plan after its first steps": bool(room.steps),
        "the plan": room.steps == 0,
        "the rows of requirements and checklist": not room.answers,
        "what would unlock what could not be measured": not room.unlocks,
    }
    told = ", ".join(name for name, out in gone.items() if out)
    return f"at most {kept}" + (f"; left out: {told}" if told else "")


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


@cache
def _environment() -> Environment:
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
        "prose": escape.prose,
        "summary": escape.summary,
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
