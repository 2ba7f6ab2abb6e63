"""The report as one HTML file: nothing is asked of any network, it reads without a script, and it carries its run document.

The page's policy admits its own style sheet and script by their hashes, and nothing else at all. Whatever is printed
passes through `visible` and is escaped (`html_parts.safe`).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from markupsafe import Markup

from readiness import document
from readiness.document import RunDocument
from readiness.model import count_of
from readiness.reporting import charts, html_checks, html_sections, words
from readiness.reporting.html_parts import links, safe, utc
from readiness.scoring import Decision

_DECISIONS = {Decision.GO: "good", Decision.NO_GO: "bad", Decision.HOLD: "hold"}


@cache
def policy() -> str:
    """The page's Content-Security-Policy. A server that sends a policy of its own has to send this one: both hold."""
    return (
        f"default-src 'none'; style-src 'sha256-{_hash(_text('report.css'))}'; "
        f"script-src 'sha256-{_hash(_text('report.js'))}'; base-uri 'none'; form-action 'none'"
    )


def render(run: RunDocument, *, unfolded: bool = False, above: Markup | None = None) -> str:
    """The page.

    Args:
        unfolded: whether every check stands open, for a printer that knows no `details`.
        above: what a server says of it, in the page's head.
    """
    unmeasured = words.unmeasured(run)
    return "".join(
        [
            _head(run),
            _top(run, has_unmeasured=bool(unmeasured), above=above),
            "<main>\n",
            html_sections.summary(run),
            html_sections.plan(run, unfolded=unfolded),
            html_sections.unmeasured(unmeasured),
            html_sections.moved(run),
            html_sections.figures(run),
            html_sections.signed(run),
            html_sections.drills(run),
            html_sections.requirements(run),
            html_sections.risks(run),
            html_sections.checklist(run),
            html_sections.milestones(run),
            *html_checks.section(run, unfolded=unfolded),
            "</main>\n",
            _provenance(run),
            *document.embedded(run),
            f"<script>{_text('report.js')}</script>\n</body>\n</html>\n",
        ]
    )


@cache
def _text(name: str) -> str:
    return (files("readiness_reports") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _head(run: RunDocument) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy()}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="{safe(f"{run.tool.name} {run.tool.version}")}">
<title>{run.verdict.decision.value} &middot; {safe(run.target.title or run.target.name)} &middot; readiness</title>
<style>{_text("report.css")}</style>
</head>
<body>
<a class="skip" href="#checks">Skip to the checks</a>
{charts.HATCH}
"""


def _top(run: RunDocument, *, has_unmeasured: bool, above: Markup | None) -> str:
    v = run.verdict
    settled = f"<p>Settled by measuring {links(v.settled_by)}.</p>\n" if v.settled_by else ""
    notes = "".join(f'<p class="note">{safe(note)}</p>\n' for note in run.notes)
    if run.partial:
        cut = '<p class="note"><b>Interrupted:</b> this run is partial; what was not asked counts as unknown.</p>\n'
        notes = cut + notes
    sections = {
        "blockers": ("Blockers", run.blockers),
        "plan": ("The plan", run.plan),
        "unmeasured": ("Not measured", has_unmeasured),
        "figures": ("Figures", run.measurements or run.growth),
        "requirements": ("Requirements", run.requirements or run.nice_to_have or run.success_metrics),
        "risks": ("Risks", run.risks),
        "checklist": ("Checklist", run.checklist),
        "checks": ("Every check", True),
        "provenance": ("Provenance", True),
    }
    nav = "".join(f'<li><a href="#{name}">{title}</a></li>\n' for name, (title, has) in sections.items() if has)
    reasons = "".join(f"<li>{safe(reason)}</li>\n" for reason in v.reasons)
    return f"""<header class="top">
{above or ""}
<p class="soft small">{safe(words.subject_line(run)).replace("·", "&middot;")} &middot; {utc(run.finished_at)} &middot; policy {safe(run.policy.name)}</p>
<div class="verdict">
<span class="badge {_DECISIONS[v.decision]}">{v.decision.value}</span>
<div>
<h1>{safe(words.headline(run))}</h1>
<ul class="plain">
{reasons}</ul>
{settled}</div>
</div>
{notes}<nav aria-label="Sections">
<ul>
{nav}</ul>
</nav>
</header>
"""


def _provenance(run: RunDocument) -> str:
    v, t = run.verdict, run.target
    cost = f"; {safe(words.cost(run.cost))}" if run.cost else ""
    system = f"; system identifier (hashed) <code>{safe(t.system_identifier)}</code>" if t.system_identifier else ""
    role = f"; as role {safe(t.role)}{', a superuser' if t.superuser else ''}" if t.role else ""
    return f"""<footer>
<h2 id="provenance">Provenance</h2>
<dl class="facts">
<dt>Run</dt><dd>{safe(run.id)}, {utc(run.started_at)} to {utc(run.finished_at)}, {run.duration_seconds} s{cost}</dd>
<dt>Target</dt><dd>{safe(t.name)}{system}{role}</dd>
<dt>Policy</dt><dd>{safe(run.policy.name)}, threshold {run.policy.threshold:g}, sha256 <code>{safe(run.policy.sha256)}</code></dd>
<dt>Checks</dt><dd>{count_of(len(run.checks), "checks")}, sha256 <code>{safe(run.checkset_sha256)}</code></dd>
<dt>Exact</dt><dd>score <code>{safe(v.score_exact)}</code>, ceiling <code>{safe(v.ceiling_exact)}</code>, coverage <code>{safe(v.coverage_exact)}</code></dd>
<dt>Tool</dt><dd>{safe(run.tool.name)} {safe(run.tool.version)}</dd>
</dl>
<p>This page carries its run document: <code>readiness report THIS.html --format json</code> takes it out, and any other format too.</p>
</footer>
"""
