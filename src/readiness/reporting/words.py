"""The sentences that every format shares, so that no two tell the same run differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache

from readiness.document import BlockerPart, ChecklistPart, CheckPart, CostPart, RequirementPart, RowPart, RunDocument
from readiness.model import Status, count_of
from readiness.scoring import Decision

VERDICTS: Mapping[Decision, str] = {
    Decision.GO: "ready",
    Decision.NO_GO: "not ready",
    Decision.HOLD: "not settled",
}

SYMBOLS: Mapping[Status, tuple[str, str]] = {
    Status.PASS: ("✔", "+"),
    Status.PARTIAL: ("◐", "~"),
    Status.FAIL: ("✘", "x"),
    Status.UNKNOWN: ("?", "?"),
    Status.NOT_APPLICABLE: ("·", "."),
}


def headline(run: RunDocument) -> str:
    """The decision and how long it holds, without its reasons."""
    v = run.verdict
    name = run.target.title or run.target.name
    said = f"{name} is {VERDICTS[v.decision]}"
    if v.accepted_risk:
        said += ", with accepted risk"
    if v.decision is Decision.GO and v.valid_until:
        said += f", until {v.valid_until:%Y-%m-%d %H:%M} UTC"
    return said


def verdict(run: RunDocument) -> str:
    """The decision as a sentence."""
    reasons = run.verdict.reasons
    return f"{headline(run)}: {reasons[0]}." if reasons else f"{headline(run)}."


def score(run: RunDocument) -> str:
    """The score as an interval, in a sentence."""
    v = run.verdict
    if v.ceiling == v.score:
        said = f"{v.score:.1f} of 100"
    else:
        said = f"{v.score:.1f} of 100, up to {v.ceiling:.1f} once everything is measured"
    said += f"; {v.coverage:.1f} % measured; the threshold is {v.threshold:g}"
    if v.attested:
        said += f"; {v.attested:.1f} points rest on attestations"
    return said


def cost(spent: CostPart) -> str:
    """What the audit cost the server, in one line."""
    told = [f"{spent.cpu_ms:,.0f} ms of CPU"] if spent.cpu_ms is not None else []
    told += [f"{spent.blocks:,} blocks"] if spent.blocks is not None else []
    told += [count_of(spent.statements, "statements"), f"the longest {spent.longest_ms:,.0f} ms"]
    rested = f", resting {spent.rested_seconds:,.1f} s for others' work" if spent.rested_seconds else ""
    return f"cost the server {', '.join(told)}{rested}"


def subject_line(run: RunDocument) -> str:
    t = run.target
    parts = [t.title or t.name]
    if t.server_version:
        parts.append(f"PostgreSQL {t.server_version}")
    if t.database:
        parts.append(f"database {t.database} as {t.role}")
    return " · ".join(parts)


def result(check: CheckPart) -> str:
    """What a check found, in a few words: "7 of 412 foreign keys"."""
    match check.status:
        case Status.UNKNOWN:
            return f"{check.reason}: {check.detail}"
        case Status.NOT_APPLICABLE:
            return check.detail or ""
        case Status.PASS if check.evidence_kind == "attested":
            return "attested, not measured"
        case Status.PASS:
            return count_of(check.examined, check.universe)
        case _:
            bad = check.examined - check.healthy
            unseen = f", {len(check.unseen)} could not be looked at" if check.unseen else ""
            return f"{bad:,} of {count_of(check.examined, check.universe)}{unseen}"


def beside_title(check: CheckPart) -> str:
    """What a check found, to stand beside its title, which says what should be: a failure says how far it is not."""
    failed = check.status in (Status.FAIL, Status.PARTIAL) and check.weight
    return f"does not hold for {result(check)}" if failed else result(check)


def owners(run: RunDocument, blocker: BlockerPart) -> str:
    """The services that a blocker's findings belong to."""
    titles = {s.id: s.title for s in run.services}
    return ", ".join(titles[o] for o in blocker.owners) or "the platform"


def credit(check: CheckPart) -> str:
    """The share that is earned, rounded down: what is almost whole must not read as whole."""
    return "\N{EN DASH}" if check.credit_exact is None else f"{Fraction(check.credit_exact) * 100 // 1 / 100:.2f}"


def all_waived(check: CheckPart) -> bool:
    """Whether every finding is an accepted risk."""
    listed = check.examined - check.healthy == len(check.findings)
    return bool(check.findings) and listed and all(f.waived for f in check.findings)


def other_findings(run: RunDocument) -> tuple[list[CheckPart], list[CheckPart]]:
    """Checks with findings that are no blockers, by gain; and those that are told for information alone."""
    blocked = {b.check for b in run.blockers}
    found = sorted((c for c in run.checks if c.findings and c.id not in blocked), key=lambda c: (-c.gain, c.id))
    return [c for c in found if c.weight], [c for c in found if not c.weight]


def for_information(checks: Sequence[CheckPart]) -> str:
    """One line for what weighs nothing."""
    noted = sum(c.examined - c.healthy for c in checks)
    return f"For information, weighing nothing: {noted:,} findings of {count_of(len(checks), 'checks')}; --verbose lists them"


def unmeasured(run: RunDocument) -> list[CheckPart]:
    """What could not be measured, by the points that hang on it."""
    unknown = [c for c in run.checks if c.status is Status.UNKNOWN and (c.weight or _needed(run, c.id))]
    return sorted(unknown, key=lambda c: (-c.gain, c.id))


def _needed(run: RunDocument, check: str) -> bool:
    return any(check in m.checks for m in run.must_haves)


def unlocks(checks: Sequence[CheckPart]) -> dict[str, list[CheckPart]]:
    """The checks by what would unlock them, the most points first."""
    found: dict[str, list[CheckPart]] = {}
    for c in checks:
        if c.unlock:
            found.setdefault(c.unlock, []).append(c)
    return dict(sorted(found.items(), key=lambda item: (-sum(c.gain for c in item[1]), item[0])))


def alike(checks: Sequence[CheckPart]) -> list[list[CheckPart]]:
    """Unmeasured checks that want for the same thing, together, in the order of their firsts."""
    found: dict[tuple[str, str | None], list[CheckPart]] = {}
    for c in checks:
        found.setdefault((result(c), c.unlock), []).append(c)
    return list(found.values())


EVIDENCE_SHOWN = 6


def evidence(values: Mapping[str, object]) -> str:
    """Evidence on one line: `columns a, b; estimated_rows 1200`."""
    told = [
        f"{label} {figure(v)}" for k, v in values.items() if (label := evidence_label(k)) and v not in (None, "", [])
    ]
    said = "; ".join(told[:EVIDENCE_SHOWN])
    return said + ("; ..." if len(told) > EVIDENCE_SHOWN else "")


@cache
def evidence_label(key: str) -> str:
    """What a piece of evidence is called; empty where it isn't told."""
    return "" if key in _UNSAID else key.replace("_", " ")


_UNSAID = frozenset({"figure", "unit", "waits", "series"})


def figure(value: object) -> str:
    """A piece of evidence, as it is told."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join([v if type(v) is str else figure(v) for v in value])
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value)


def tables(rows: Sequence[RequirementPart]) -> list[tuple[str, list[RequirementPart]]]:
    """Rows by their table, in the order in which they were declared."""
    found: dict[str, list[RequirementPart]] = {}
    for row in rows:
        found.setdefault(row.table, []).append(row)
    return list(found.items())


def phases(rows: Sequence[ChecklistPart]) -> list[tuple[str, list[ChecklistPart]]]:
    """Rows by their phase, in the order in which they were declared."""
    found: dict[str, list[ChecklistPart]] = {}
    for row in rows:
        found.setdefault(row.phase, []).append(row)
    return list(found.items())


def done(rows: Sequence[RowPart]) -> int:
    """The share of rows that hold, in whole percent, rounded down; of those that apply."""
    apply = [row for row in rows if row.status is not Status.NOT_APPLICABLE]
    return sum(row.status is Status.PASS for row in apply) * 100 // len(apply) if apply else 0
