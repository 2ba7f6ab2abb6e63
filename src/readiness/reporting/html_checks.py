"""Every check on the page, with its evidence, its arithmetic, its remedy and its source; and the findings, by the thousand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import chain, repeat
from typing import Any

from readiness.document import CheckPart, FindingPart, RunDocument
from readiness.model import Status, count_of
from readiness.reporting import words
from readiness.reporting.html_parts import SAID, is_plain, mark, paragraphs, safe, safe_lines, said, utc
from readiness.scoring import tenths

_SEEN_SHOWN = 20
_ORDER = {
    status: at
    for at, status in enumerate([Status.FAIL, Status.PARTIAL, Status.UNKNOWN, Status.PASS, Status.NOT_APPLICABLE])
}


def section(run: RunDocument, *, unfolded: bool) -> Iterator[str]:
    """In pieces: megabytes are best put together once."""
    yield '<section aria-labelledby="checks">\n<h2 id="checks" tabindex="-1">Every check</h2>\n'
    yield _filters(run)
    for c in sorted(run.checks, key=lambda c: (_ORDER[c.status], not c.weight, -c.gain, c.id)):
        yield from _check(c, " open" if unfolded else "")
    yield "</section>\n"


def _filters(run: RunDocument) -> str:
    counts = dict.fromkeys(_ORDER, 0)
    for c in run.checks:
        counts[c.status] += 1
    ticks = "".join(
        f'<label class="tick"><input type="checkbox" value="{status.value}" checked> {SAID[status]} ({count})</label>\n'
        for status, count in counts.items()
    )
    categories = "".join(f'<option value="{safe(c.id)}">{safe(c.title)}</option>' for c in run.categories)
    services = "".join(f'<option value="{safe(s.id)}">{safe(s.title)}</option>' for s in run.services)
    return f"""<div class="filters" role="search" aria-label="Checks" hidden>
<span><label class="label" for="search">Search checks, findings, SQL</label><input type="search" id="search" autocomplete="off" spellcheck="false"></span>
<fieldset id="statuses"><legend>Result</legend>
{ticks}</fieldset>
<span><label class="label" for="category">Category</label><select id="category"><option value="">all</option>{categories}</select></span>
<span{"" if run.services else " hidden"}><label class="label" for="service">Service</label><select id="service"><option value="">all</option>{services}</select></span>
<button type="button" id="reset">Show all</button>
<button type="button" id="unfold">Unfold all</button>
<label class="tick"><input type="checkbox" id="keys" checked> keys: / searches, j and k walk</label>
<span id="count" role="status" class="soft"></span>
</div>
"""


def _check(c: CheckPart, opened: str) -> Iterator[str]:
    name, found, universe = safe(c.id), said(c), safe(c.universe)
    gain = "" if c.gain_exact == "0" else f' <b class="num">+{c.gain:.1f}</b>'
    yield (
        f'<details class="check" data-status="{c.status.value}" data-category="{safe(c.category)}" data-service="{safe(c.service or "")}"{opened}>\n'
        f'<summary>{mark(c.status)}<span class="name"><span class="hidden-text">{SAID[c.status]}: </span>{safe(c.title)} <span class="id small">{name}</span></span>'
        f'<span><span class="tag">{safe(c.priority)}</span>{gain}</span><span class="said">{found}</span></summary>\n'
        f'<div class="body" id="{name}">\n{paragraphs(c.why)}\n<p class="sum">{sum_of(c)}</p>\n'
    )
    if c.unlock:
        yield f"<h3>What would let it look</h3>\n<pre>{safe_lines(c.unlock)}</pre>\n"
    if c.findings:
        yield f'<h3>Findings: {found}</h3>\n<ol class="findings">\n'
        yield findings(c)
        yield "\n</ol>\n"
        more = c.examined - c.healthy - len(c.findings)
        if more > 0:
            yield f'<p class="soft">and {more:,} more</p>\n'
    if c.mend and c.status not in (Status.PASS, Status.NOT_APPLICABLE):
        yield f"<h3>How to mend</h3>\n{paragraphs(c.mend)}\n"
    if c.unseen:
        yield _unseen(c)
    if c.seen:
        yield _seen(c)
    needs = f"; needs {safe(', '.join(c.needs))}" if c.needs else ""
    yield f'<dl class="facts">\n<dt>Looks at</dt><dd>{universe}{needs}</dd>\n'
    if c.parameters:
        told = ", ".join(f"{key} = {value}" for key, value in c.parameters.items())
        yield f"<dt>Parameters</dt><dd>{safe(told)}</dd>\n"
    expires = f", counts until {utc(c.expires)}" if c.expires else ""
    own = f"; {c.own_priority} by itself, {c.priority} by the policy" if c.own_priority != c.priority else ""
    yield (
        f"<dt>Evidence</dt><dd>{safe(c.evidence_kind)}{expires}; sha256 <code>{safe(c.evidence_sha256[:16])}</code>; took {c.duration_ms} ms</dd>\n"
        f"<dt>From</dt><dd>{safe(c.pack)}{safe(own)}</dd>\n"
    )
    if c.links:
        yield f"<dt>References</dt><dd>{' '.join(map(_reference, c.links))}</dd>\n"
    yield f'<dt>Link</dt><dd><a href="#{name}">#{name}</a></dd>\n</dl>\n'
    if c.source:
        what = "The exact SQL" if c.language == "sql" else "Its source"
        yield (f'<details class="more source"><summary>{what}</summary>\n<pre>{safe_lines(c.source)}</pre></details>\n')
    yield "</div>\n</details>\n"


def _reference(url: str) -> str:
    if not url.startswith("https://"):
        return safe(url)
    return f'<a href="{safe(url)}" rel="noreferrer noopener">{safe(url)}</a>'


def _unseen(c: CheckPart) -> str:
    rows = "".join(
        f"<li><code>{safe(u.subject)}</code> &middot; {safe(u.reason.value)}: {safe(u.detail)}"
        + (f" &middot; to look: <code>{safe(u.unlock)}</code>" if u.unlock else "")
        + "</li>\n"
        for u in c.unseen[:_SEEN_SHOWN]
    )
    more = f"<li>and {c.hidden - _SEEN_SHOWN} more</li>\n" if c.hidden > _SEEN_SHOWN else ""
    return f'<h3>Could not be looked at</h3>\n<ul class="small">\n{rows}{more}</ul>\n'


def _seen(c: CheckPart) -> str:
    rows = []
    for s in c.seen[:_SEEN_SHOWN]:
        told = words.evidence(s.evidence)
        shown = f' <span class="soft">{safe(told)}</span>' if told else ""
        rows.append(f"<li><code>{safe(s.subject)}</code>{shown}</li>\n")
    left = c.healthy - min(len(c.seen), _SEEN_SHOWN)
    more = f"<li>and {left:,} more</li>\n" if c.healthy > _SEEN_SHOWN else ""
    summary = safe(count_of(c.healthy, f"healthy {c.universe}"))
    return f'<details class="more"><summary>{summary}</summary>\n<ul class="small">\n{"".join(rows)}{more}</ul></details>\n'


def findings(check: CheckPart) -> str:
    """The findings as list items: by the thousand, so that nothing is done for each that can be done for all."""
    columns = _columns(check.findings)
    if columns is None:
        return "\n".join(map(_finding, check.findings))
    labels, (subjects, *told, remedies) = columns
    # what stands between the columns is the same in each row
    row: list[Iterable[str]] = [repeat('<li><code class="s">'), subjects, repeat("</code>")]
    for at, (label, column) in enumerate(zip(labels, told, strict=True)):
        row += [repeat(f"{'; ' if at else '<span>'}{safe(label)} "), column]
    row += [repeat("</span><pre>" if told else "<pre>"), remedies, repeat("</pre>")]
    return "\n".join(map("".join, zip(*row)))  # noqa: B905  what is repeated has no end


def _finding(f: FindingPart) -> str:
    told = words.evidence(f.evidence)
    return (
        f'<li><code class="s">{safe(f.subject)}</code>'
        + (' <span class="tag">waived</span>' if f.waived else "")
        + (f"<span>{safe(told)}</span>" if told else "")
        + (f"<pre>{safe_lines(f.remedy)}</pre>" if f.remedy else "")
    )


def _columns(found: Sequence[FindingPart]) -> tuple[list[str], list[Sequence[str]]] | None:
    """The labels of the evidence; subjects, pieces of evidence and remedies, as they are printed.

    None where the findings are not all of one form: a remedy and the same evidence in each, none waived.
    """
    keys = list(found[0].evidence)
    labels = [label for key in keys if (label := words.evidence_label(key))]
    remedies = [f.remedy or "" for f in found]
    alike = all(remedies) and not any(f.waived for f in found) and all(list(f.evidence) == keys for f in found)
    if not alike or len(labels) > words.EVIDENCE_SHOWN:
        return None
    pieces = zip(*[f.evidence.values() for f in found], strict=True)
    told = [_told(column) for key, column in zip(keys, pieces, strict=True) if words.evidence_label(key)]
    if not all(all(column) for column in told):
        return None
    columns = [[f.subject for f in found], *told]
    return labels, [
        *map(_safe_column, columns),
        remedies if is_plain("".join(remedies)) else [*map(safe_lines, remedies)],
    ]


def _told(column: Sequence[Any]) -> Sequence[str]:
    """The figures of one piece of evidence; empty where nothing is told."""
    kinds = set(map(type, column))
    if kinds == {str}:
        return column
    if kinds == {int}:
        return [f"{value:,}" for value in column]
    if kinds == {list} and {str}.issuperset(map(type, chain.from_iterable(column))):
        return [", ".join(value) for value in column]
    return [words.figure(value) if value not in (None, "", []) else "" for value in column]


def _safe_column(texts: Sequence[str]) -> Sequence[str]:
    whole = "".join(texts)
    return texts if is_plain(whole) and "\n" not in whole else [*map(safe, texts)]


def sum_of(check: CheckPart) -> str:
    """The arithmetic of a check's credit, exactly."""
    if not check.weight:
        return "<span>for information: it weighs nothing</span>"
    if check.status is Status.NOT_APPLICABLE:
        return "<span>does not apply: it is left out of the sum</span>"
    credit = safe(check.credit_exact) if check.credit_exact is not None else "unknown, counted 0"
    adds = check.points if check.earned_exact == "1" else 0.0
    if check.earned_exact not in ("0", "1"):
        adds = tenths(Fraction(check.points_exact) * Fraction(check.earned_exact))
    return (
        f"<span>worth <b>{check.points:.1f}</b> of 100 points (weight {check.weight:g})</span>"
        f"<span>credit <b>{credit}</b> ({safe(check.credit_form)})</span>"
        f"<span>adds <b>{adds:.1f}</b></span><span>can gain <b>+{check.gain:.1f}</b></span>"
    )
