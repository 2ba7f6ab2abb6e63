"""A badge for a README: the decision and the score, as an SVG of its own."""

from __future__ import annotations

from html import escape

from readiness.document import RunDocument
from readiness.reporting.escape import visible
from readiness.scoring import Decision

# White text on each keeps a contrast of 4.5 to 1 or more (WCAG 2.2, 1.4.3).
_COLORS = {Decision.GO: "#1a7f37", Decision.NO_GO: "#b42318", Decision.HOLD: "#8a5a00"}
_NARROW, _WIDE = frozenset("fijlrt.,:;|!'()[] "), frozenset("mwMW%@")


def render(run: RunDocument) -> str:
    v = run.verdict
    left, right = "readiness", f"{v.decision.value} {v.score:.1f} / 100"
    left_width, right_width = _width(left) + 12, _width(right) + 12
    width = left_width + right_width
    title = escape(
        f"{visible(run.target.title or run.target.name)}: {v.decision.value}, {v.score:.1f} of 100", quote=True
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)"><rect width="{left_width}" height="20" fill="#3d444d"/><rect x="{left_width}" width="{right_width}" height="20" fill="{_COLORS[v.decision]}"/></g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle">
<text x="{left_width / 2:g}" y="14" textLength="{_width(left)}">{left}</text>
<text x="{left_width + right_width / 2:g}" y="14" textLength="{_width(right)}">{right}</text>
</g>
</svg>
"""


def _width(text: str) -> int:
    """About what Verdana takes at 11 pixels; `textLength` holds every other font to it."""
    return round(sum(4.2 if c in _NARROW else 10.2 if c in _WIDE else 7.1 for c in text))
