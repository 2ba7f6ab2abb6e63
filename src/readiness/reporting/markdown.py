"""The scorecard as Markdown, for a pull request or a step summary."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from readiness.document import RunDocument
from readiness.model import Status, count_of
from readiness.reporting import escape, words


def render(run: RunDocument) -> str:
    return environment().get_template("report.md.j2").render(run=run)


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
