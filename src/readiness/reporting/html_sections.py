"""The page's sections between the verdict and the checks; each is empty where the run has nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from readiness.document import (
    CheckPart,
    GrowthPart,
    LedgerPart,
    MeasurementPart,
    MustHavePart,
    PlanPart,
    RiskPart,
    RowPart,
    RunDocument,
)
from readiness.model import Status, count_of
from readiness.reporting import charts, words
from readiness.reporting.html_parts import LEGEND, SAID, link, links, mark, safe, safe_lines, said, utc
from readiness.scoring import tenths

_PLAN_SHOWN = 12
_BLOCKERS_PRINTED = 5
_LEVELS = ("low", "medium", "high")


def summary(run: RunDocument) -> str:
    """The score, its categories, must-haves, blockers and services: what is printed as the first page."""
    return f'<div class="summary">\n{_score(run)}{_blockers(run)}{_services(run)}</div>\n'


def _score(run: RunDocument) -> str:
    v = run.verdict
    ceiling = attested = ""
    if v.ceiling != v.score:
        ceiling = f', up to <span class="num">{v.ceiling:.1f}</span> once everything is measured'
    if v.attested:
        attested = f' &middot; <span class="num">{v.attested:.1f}</span> points rest on attestations'
    return f"""<section aria-labelledby="score-title">
<h2 id="score-title">Score</h2>
<p class="figure"><b class="num">{v.score:.1f}</b> <span>of 100{ceiling} &middot; <span class="num">{v.coverage:.1f}</span> % measured{attested}</span></p>
{charts.score_bar(run)}
<p class="key"><span>{charts.key("f-good")} earned</span><span>{charts.key("hatch")} not measured: it may still be earned</span><span>{charts.key("f-line")} lost</span></p>
<div class="two">
<div>
<h3>Categories</h3>
<dl class="bars">
{_categories(run)}</dl>
{LEGEND}</div>
<div>
{_must_haves(run.must_haves)}</div>
</div>
</section>
"""


def _categories(run: RunDocument) -> str:
    rows = []
    for c in run.categories:
        ceiling = (
            f' <span class="small">up to <span class="num">{c.ceiling:.1f}</span></span>'
            if c.ceiling != c.score
            else ""
        )
        label = f"{c.title}: {c.score:.1f} of 100 earned, up to {c.ceiling:.1f}, {c.coverage:.1f} % measured"
        rows.append(
            f'<dt>{safe(c.title)} <span class="soft small">{c.weight:g} %</span></dt>\n'
            f'<dd><b class="num">{c.score:.1f}</b>{ceiling} <span class="small">adds <span class="num">{c.weighted:.1f}</span></span></dd>\n'
            f'<dd class="bar">{charts.bar(c.score, c.ceiling, label)}</dd>\n'
        )
    return "".join(rows)


def _must_haves(asked: Sequence[MustHavePart]) -> str:
    if not asked:
        return ""
    told = {Status.PASS: "holds", Status.FAIL: "not met", Status.UNKNOWN: "not settled"}
    rows = []
    for m in asked:
        still = f": {links(m.open_checks)}" if m.open_checks else ""
        rows.append(
            f'<li class="marked">{mark(m.status)}<span><b>{safe(m.id)}</b> {safe(m.title)}<br>\n'
            f'<span class="soft small">{"accepted as a risk" if m.waived else told[m.status]}{still}</span></span></li>\n'
        )
    return f'<h3>Must-haves</h3>\n<ul class="plain rows">\n{"".join(rows)}</ul>\n'


def _blockers(run: RunDocument) -> str:
    if not run.blockers:
        return ""
    rows = []
    for b in run.blockers:
        c = run.check(b.check)
        owners = safe(words.owners(run, b))
        vetoes = "".join(f'<span class="tag veto">vetoes by {safe(m)}</span> ' for m in b.must_haves)
        rows.append(
            f'<li class="line">{mark(c.status)}\n'
            f'<span class="grow"><b>{safe(b.title)}</b><br><span class="small soft">{link(b.check)} &middot; {said(c)} &middot; {owners}</span></span>\n'
            f'<span>{vetoes}<span class="tag">{safe(b.priority)}</span> <b class="num">+{b.gain:.1f}</b></span></li>\n'
        )
    more = len(run.blockers) - _BLOCKERS_PRINTED
    left = f'<p class="printed small soft">and {more} more, in the appendix</p>\n' if more > 0 else ""
    return (
        '<section aria-labelledby="blockers">\n<h2 id="blockers">In the way of GO, worst first</h2>\n'
        f'<ol class="plain rows brief">\n{"".join(rows)}</ol>\n{left}</section>\n'
    )


def _services(run: RunDocument) -> str:
    if not run.services:
        return ""
    mean = ""
    if run.platform_readiness is not None:
        mean = f' <span class="soft small">mean of those that need a change: <span class="num">{run.platform_readiness:.1f}</span> %</span>'
    rows = []
    for s in run.services:
        label = f"{s.title}: {s.readiness:.1f} % ready, {s.ceiling:.1f} % if all that is unmeasured were good"
        unchanged = "" if s.needs_change else ' <span class="soft small">needs no change</span>'
        ceiling = f' <span class="small soft">up to {s.ceiling:.1f} %</span>' if s.ceiling > s.readiness else ""
        rows.append(
            f"<div><dt>{safe(s.title)}{unchanged}</dt>\n"
            f'<dd><b class="num">{s.readiness:.1f} %</b>{ceiling} <span class="small">{count_of(s.checks, "checks")}</span></dd>\n'
            f'<dd class="bar">{charts.bar(s.readiness, s.ceiling, label)}</dd></div>\n'
        )
    return (
        f'<section aria-labelledby="services">\n<h2 id="services">Services{mean}</h2>\n'
        f'<dl class="bars cols">\n{"".join(rows)}</dl>\n</section>\n'
    )


# -- what to do ------------------------------------------------------------------------------------------------


def plan(run: RunDocument, *, unfolded: bool) -> str:
    if not run.plan:
        return ""
    rows = [_step(step, total, reached) for step, total, reached in _totals(run)]
    folded = ""
    if len(rows) > _PLAN_SHOWN:
        folded = (
            f'<details class="more"{" open" if unfolded else ""}><summary>{len(rows) - _PLAN_SHOWN} more</summary>\n'
            f'<ol class="plain rows" data-copies>\n{"".join(rows[_PLAN_SHOWN:])}</ol>\n</details>\n'
        )
    return (
        '<section aria-labelledby="plan">\n<h2 id="plan">The plan to GO</h2>\n'
        '<p class="small soft">By gain. Each row tells the score once it and those above it are done; a measurement counts as if '
        "all that it finds were good. The least effort that reaches GO is told by <code>readiness plan</code>.</p>\n"
        f'<ol class="plain rows" data-copies>\n{"".join(rows[:_PLAN_SHOWN])}</ol>\n{folded}</section>\n'
    )


def _step(step: PlanPart, total: float, reached: str) -> str:
    vetoes = "".join(f' <span class="tag veto">{safe(m)}</span>' for m in step.must_haves)
    return (
        f'<li class="line{" reached" if reached else ""}"><span class="do"><b>{"Mend" if step.kind == "fix" else "Measure"}</b><br>'
        f'<span class="small soft">effort {safe(step.effort)}</span></span>\n'
        f'<span class="grow">{safe(step.title)}<br><span class="small">{link(step.check)}{vetoes}</span>\n'
        f'<details class="more small"><summary>How</summary><pre>{safe_lines(step.how)}</pre></details></span>\n'
        f'<span class="num right"><b>+{step.gain:.1f}</b><br><span class="then small {"good" if reached else "soft"}">'
        f"then {total:.1f}{f': {safe(reached)}' if reached else ''}</span></span></li>\n"
    )


def _totals(run: RunDocument) -> Iterable[tuple[PlanPart, float, str]]:
    """Each thing to do, the score once it and those before it are done, and where that first reaches the threshold, a word.

    A measurement is counted as if all it finds were good: what it may bring, no promise. The threshold alone is no GO: the
    word names the must-haves that are open still.
    """
    total, threshold = Fraction(run.verdict.score_exact), Fraction(str(run.verdict.threshold))
    reached = run.verdict.score >= run.verdict.threshold
    waiting = {m.id: set(m.open_checks) for m in run.must_haves if m.status is not Status.PASS and not m.waived}
    for step in run.plan:
        total += Fraction(step.gain_exact)
        now = total >= threshold and not reached
        reached = reached or now
        for left in waiting.values():
            left.discard(step.check)
        still = ", ".join(name for name, left in waiting.items() if left)
        word = "the threshold" + (f", with {still} still open" if still else "") if now else ""
        yield step, tenths(total), word


def unmeasured(checks: Sequence[CheckPart]) -> str:
    if not checks:
        return ""
    rows = []
    for unlock, unlocked in words.unlocks(checks).items():
        names = "".join(
            f'<li>{link(c.id)} <span class="num">+{c.gain:.1f}</span> &middot; {said(c)}</li>\n' for c in unlocked
        )
        rows.append(
            f'<li><b class="num">up to +{sum(c.gain for c in unlocked):.1f}</b>\n<pre>{safe_lines(unlock)}</pre>\n'
            f'<ul class="small">\n{names}</ul></li>\n'
        )
    rows += [
        f'<li>{link(c.id)} <b class="num">+{c.gain:.1f}</b> <span class="soft">&middot; {said(c)}</span></li>\n'
        for c in checks
        if not c.unlock
    ]
    return (
        '<section aria-labelledby="unmeasured" data-copies>\n<h2 id="unmeasured">What could not be measured</h2>\n'
        '<p class="small soft">It counts as nothing in the score and as everything in the ceiling. '
        f'What would let the audit look stands first.</p>\n<ul class="plain rows">\n{"".join(rows)}</ul>\n</section>\n'
    )


# -- over time -------------------------------------------------------------------------------------------------


def moved(run: RunDocument) -> str:
    if not run.trend and not run.since:
        return ""
    if run.since:
        steps = "".join(
            f'<dt>{link(check)}</dt><dd class="num">{step}</dd><dd class="bar">{bar}</dd>\n'
            for check, step, bar in charts.waterfall(run.since)
        )
        told = (
            f'<dl class="bars small">\n<dt>{utc(run.since.finished_at)}</dt><dd><b class="num">{run.since.score:.1f}</b></dd>\n'
            f'{steps}<dt>now</dt><dd><b class="num">{run.verdict.score:.1f}</b></dd>\n</dl>\n'
        )
    else:
        told = '<p class="soft">No earlier run compares: another policy, or another set of checks.</p>\n'
    return f"""<section aria-labelledby="moved">
<h2 id="moved">Since the last run</h2>
<div class="two">
<div>
<h3>Trend</h3>
<figure>{charts.sparkline(run)}<figcaption>{count_of(len(run.trend) + 1, "runs")}, to {run.verdict.score:.1f} now. A ring is a run under another policy or another set of checks: it does not compare.</figcaption></figure>
</div>
<div>
<h3>What moved the score</h3>
{told}</div>
</div>
</section>
"""


def figures(run: RunDocument) -> str:
    if not run.measurements and not run.growth:
        return ""
    drawn = [_waits(m) for m in run.measurements if m.waits]
    key = ""
    if drawn:
        key = (
            '<p class="key"><span>bars: samples by wait</span><span>line: their share so far (ECDF)</span>'
            "<span>violet: the percentile and its 95 % bounds</span>"
            "<span>dashed: the target, where it lies within the picture</span></p>\n"
        )
    drawn += [_series(m) for m in run.measurements if m.series]
    drawn += [_growth(g) for g in run.growth if g.points]
    plain = "".join(_figure(m) for m in run.measurements if not m.waits and not m.series)
    table = ""
    if plain:
        table = (
            '<table>\n<thead><tr><th scope="col">Figure</th><th scope="col" class="num">Value</th>'
            '<th scope="col" class="num">Target</th><th scope="col">Source</th></tr></thead>\n'
            f"<tbody>\n{plain}</tbody>\n</table>\n"
        )
    return (
        '<section aria-labelledby="figures">\n<h2 id="figures">Figures</h2>\n'
        f'<div class="charts">\n{"".join(drawn)}</div>\n{key}{table}</section>\n'
    )


def _named(m: MeasurementPart) -> str:
    return safe(m.figure.replace("_", " "))


def _waits(m: MeasurementPart) -> str:
    value = "without end" if m.value is None else f'<b class="num">{m.value:.1f} {safe(m.unit)}</b>'
    bounds = ""
    if m.lower is not None:
        bounds = f" ({m.lower:.1f} to {f'{m.upper:.1f}' if m.upper is not None else 'no bound'})"
    target = f" &middot; target {m.target:g} {safe(m.unit)}" if m.target is not None else ""
    return (
        f"<figure>{charts.histogram(m)}\n<figcaption><b>{safe(m.subject)}</b> &middot; {_named(m)}<br>\n"
        f"{value}{bounds}{target} &middot; {count_of(m.samples or 0, 'samples')}</figcaption></figure>\n"
    )


def _series(m: MeasurementPart) -> str:
    value = "without end" if m.value is None else f"{m.value:.1f} {safe(m.unit)}"
    promised = f" &middot; dashed: the promised {m.target:g}" if m.target is not None else ""
    return (
        f"<figure>{charts.series(m)}\n<figcaption><b>{safe(m.subject)}</b> &middot; {_named(m)}, each second<br>"
        f'<b class="num">{value}</b> on the average{promised} &middot; <span class="small">{safe(m.source)}</span></figcaption></figure>\n'
    )


def _growth(g: GrowthPart) -> str:
    told = f"{g.points[-1][1]:g} {safe(g.unit)}"
    if g.limit:
        told += f" of {g.limit:g}"
    if g.per_day is not None:
        told += f" &middot; {g.per_day:+g} a day"
    if g.days_lower is not None:
        until = f" to {g.days_upper:.0f} days" if g.days_upper is not None else " days or later"
        told += f" &middot; full in {g.days_lower:.0f}{until}"
    elif g.full_at:
        told += f" &middot; full {utc(g.full_at)}"
    return f"<figure>{charts.growth(g)}\n<figcaption><b>{safe(g.name)}</b> &middot; {told}</figcaption></figure>\n"


def _figure(m: MeasurementPart) -> str:
    value = "without end" if m.value is None else f"{m.value:.1f} {safe(m.unit)}"
    target = f"{m.target:g} {safe(m.unit)}" if m.target is not None else ""
    return (
        f'<tr><td>{_named(m)}: {safe(m.subject)}</td><td class="num">{value}</td><td class="num">{target}</td>'
        f'<td class="small">{safe(m.source)}</td></tr>\n'
    )


# -- what was signed, and what was tried -----------------------------------------------------------------------


def signed(run: RunDocument) -> str:
    rows = [_entry("Waiver", e) for e in run.waivers] + [_entry("Attestation", e) for e in run.attestations]
    if not rows:
        return ""
    return (
        '<section aria-labelledby="signed">\n<h2 id="signed">Waivers and attestations</h2>\n<table>\n'
        '<thead><tr><th scope="col">What</th><th scope="col">Check</th><th scope="col">State</th><th scope="col">Says</th>'
        f'<th scope="col" class="num">Days left</th></tr></thead>\n<tbody>\n{"".join(rows)}</tbody>\n</table>\n</section>\n'
    )


def _entry(kind: str, e: LedgerPart) -> str:
    told = safe(e.entry.get("reason") or e.entry.get("statement") or "")
    if subject := e.entry.get("object"):
        told += f" &middot; <code>{safe(subject)}</code>"
    told += f" &middot; {safe(e.entry.get('owner') or e.entry.get('attested_by') or '')}"
    if ticket := e.entry.get("ticket"):
        told += f" &middot; {safe(ticket)}"
    if e.note:
        told += f"<br>{safe(e.note)}"
    return (
        f'<tr><td>{kind}</td><td class="small">{link(e.check)}</td><td>{safe(e.state)}</td><td class="small">{told}</td>'
        f'<td class="num">{e.days_left}<br><span class="small soft">{e.expires}</span></td></tr>\n'
    )


def drills(run: RunDocument) -> str:
    if not run.drills:
        return ""
    rows = "".join(
        f'<tr><td>{safe(d.kind)}</td><td class="{"good" if d.passed else "bad"}">{"passed" if d.passed else "failed"}</td>'
        f'<td>{utc(d.taken_at)}</td><td>{utc(d.expires_at)}</td><td class="small">{safe(words.evidence(d.evidence))}</td></tr>\n'
        for d in run.drills
    )
    return (
        '<section aria-labelledby="drills">\n<h2 id="drills">Drills</h2>\n<table>\n<thead><tr><th scope="col">Drill</th>'
        '<th scope="col">Result</th><th scope="col">Taken</th><th scope="col">Counts until</th><th scope="col">Evidence</th></tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table>\n</section>\n"
    )


# -- the platform's own plan -----------------------------------------------------------------------------------


def requirements(run: RunDocument) -> str:
    tables: list[tuple[str, Sequence[RowPart]]] = [*words.tables(run.requirements)]
    tables += [("Nice to have", run.nice_to_have)] if run.nice_to_have else []
    tables += [("Success metrics", run.success_metrics)] if run.success_metrics else []
    if not tables:
        return ""
    return (
        '<section aria-labelledby="requirements">\n<h2 id="requirements">Requirements</h2>\n'
        '<p class="small soft">What the profile asks of the platform, answered by checks. They weigh nothing of their own: '
        "the score and the must-haves are the policy's.</p>\n"
        f"{''.join(_answered(caption, rows) for caption, rows in tables)}</section>\n"
    )


def _answered(caption: str, rows: Sequence[RowPart]) -> str:
    return (
        f'<table class="answers">\n<caption>{safe(caption)} <span class="soft small">{_hold(rows)} of {len(rows)} hold</span></caption>\n'
        '<thead><tr><th scope="col">State</th><th scope="col">Requirement</th><th scope="col">Current</th><th scope="col">Target</th></tr></thead>\n'
        f"<tbody>\n{''.join(map(_row, rows))}</tbody>\n</table>\n"
    )


def _row(row: RowPart) -> str:
    name = f"{safe(row.id)} &middot; " if row.id else ""
    priority = f' <span class="tag">{safe(row.priority)}</span>' if row.priority else ""
    answers = ", ".join(
        f"{mark(a.status)} {link(a.check)}{' (attested)' if a.evidence_kind == 'attested' else ''}" for a in row.answers
    )
    return (
        f'<tr><td>{mark(row.status)} <span class="small">{SAID[row.status]}</span></td>\n'
        f'<th scope="row">{name}{safe(row.title)}{priority}</th>\n'
        f'<td>{safe(row.current)}<br><span class="small soft">{answers}</span></td><td>{safe(row.target)}</td></tr>\n'
    )


def _hold(rows: Sequence[RowPart]) -> int:
    return sum(row.status is Status.PASS for row in rows)


def risks(run: RunDocument) -> str:
    if not run.risks:
        return ""
    heads = "".join(f'<th scope="col">{p}</th>' for p in _LEVELS)
    rows = []
    for impact in reversed(_LEVELS):
        cells = []
        for probability in _LEVELS:
            there = [r for r in run.risks if (r.impact, r.probability) == (impact, probability)]
            cells.append(f"<td>{', '.join(f'<b>{safe(r.title)}</b>' for r in there)}</td>")
        rows.append(f'<tr><th scope="row">{impact}</th>{"".join(cells)}</tr>\n')
    return (
        '<section aria-labelledby="risks">\n<h2 id="risks">Risks</h2>\n'
        '<p class="small soft">Where a risk lies comes from its controls. Its probability: low when every check that prevents it '
        "passes, medium when half of them do, else high. Its impact: as declared, one step lower when every check that limits it "
        f'passes.</p>\n<table class="matrix">\n<thead><tr><th scope="col">Impact \\ probability</th>{heads}</tr></thead>\n'
        f'<tbody>\n{"".join(rows)}</tbody>\n</table>\n<ul class="plain rows">\n{"".join(map(_risk, run.risks))}</ul>\n</section>\n'
    )


def _risk(r: RiskPart) -> str:
    unlimited = f" ({safe(r.unlimited_impact)} were it not limited)" if r.impact != r.unlimited_impact else ""
    mitigation = f' <span class="soft">Mitigation: {safe(r.mitigation)}</span>' if r.mitigation else ""
    still = f' <span class="small">Open: {links(r.checks)}</span>' if r.checks else ""
    return (
        f"<li><b>{safe(r.title)}</b>: impact {safe(r.impact)}{unlimited}, probability {safe(r.probability)}. "
        f"{safe(r.why)}{'' if r.why.endswith('.') else '.'}{mitigation}{still}</li>\n"
    )


def checklist(run: RunDocument) -> str:
    if not run.checklist:
        return ""
    phases = []
    for phase, rows in words.phases(run.checklist):
        items = "".join(
            f'<li>{mark(row.status)} {safe(row.title)} <span class="soft small">{SAID[row.status]}'
            f"{f': {safe(row.current)}' if row.current else ''}{''.join(f' &middot; {link(c)}' for c in row.checks)}</span></li>\n"
            for row in rows
        )
        phases.append(
            f'<h3>{safe(phase)} <span class="soft small">{words.done(rows)} % done</span></h3>\n<ul class="plain rows">\n{items}</ul>\n'
        )
    ticked = f'<span class="soft small">{_hold(run.checklist)} of {len(run.checklist)}</span>'
    return (
        f'<section aria-labelledby="checklist">\n<h2 id="checklist">Checklist, ticked from evidence {ticked}</h2>\n'
        f"{''.join(phases)}</section>\n"
    )


def milestones(run: RunDocument) -> str:
    if not run.milestones:
        return ""
    projected = ""
    if p := run.projection:
        projected = f"<p>{safe(p.note[:1].upper() + p.note[1:])}.</p>\n"
        if p.points:
            band = ", and where the score goes (80 % band)" if p.expected else ""
            projected += (
                f"<figure>{charts.timeline(run)}<figcaption>The score by day, the threshold ({run.verdict.threshold:g}, dashed), "
                f"the milestones (vertical){band}.</figcaption></figure>\n"
            )
    rows = []
    for m in run.milestones:
        if m.met is None:
            state = safe(m.note or "not known")
        else:
            state = ("met" if m.met else "missed") + (f": {safe(m.note)}" if m.note else "")
        rows.append(f"<tr><td>{safe(m.title)}</td><td>{m.due}</td><td>{state}</td></tr>\n")
    return (
        f'<section aria-labelledby="milestones">\n<h2 id="milestones">Milestones</h2>\n{projected}<table>\n'
        '<thead><tr><th scope="col">Milestone</th><th scope="col">Due</th><th scope="col">State</th></tr></thead>\n'
        f"<tbody>\n{''.join(rows)}</tbody>\n</table>\n</section>\n"
    )
