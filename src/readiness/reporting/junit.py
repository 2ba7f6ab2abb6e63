"""JUnit XML, for the test views of CI systems: a suite for the must-haves and one for each category, a case for each check.

Keeps to Jenkins' schema junit-10.xsd. A check that failed, or partly, is a failure; one that could not be measured is an
error, never a pass and never a failure; what was left out on purpose, does not apply or is waived whole is skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from readiness.document import CheckPart, MustHavePart, RunDocument
from readiness.model import Reason, Status
from readiness.reporting import words
from readiness.reporting.escape import visible, visible_lines

_FINDINGS_TOLD = 100


def render(run: RunDocument) -> str:
    root = ET.Element("testsuites", name=f"readiness {visible(run.target.title or run.target.name)}")
    suites = [_must_haves(run)] if run.must_haves else []
    for category in run.categories:
        cases = [_case(c) for c in run.checks if c.category == category.id]
        if cases:
            told = [
                ("score", f"{category.score:.1f}"),
                ("ceiling", f"{category.ceiling:.1f}"),
                ("coverage", f"{category.coverage:.1f}"),
                ("weight", f"{category.weight:g}"),
                ("weighted", f"{category.weighted:.1f}"),
            ]
            suites.append(_suite(category.id, cases, run, told))
    root.extend(suites)
    for count in ("tests", "failures", "errors"):
        root.set(count, str(sum(int(s.get(count, "0")) for s in suites)))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _suite(name: str, cases: Sequence[ET.Element], run: RunDocument, told: Sequence[tuple[str, str]]) -> ET.Element:
    suite = ET.Element("testsuite", name=f"readiness.{name}", tests=str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(c.find(tag) is not None for c in cases)))
    suite.set("time", f"{sum(float(c.get('time', '0')) for c in cases):.3f}")
    suite.set("timestamp", f"{run.finished_at:%Y-%m-%dT%H:%M:%S}")
    properties = ET.SubElement(suite, "properties")
    for key, value in told:
        ET.SubElement(properties, "property", name=key, value=value)
    suite.extend(cases)
    return suite


def _must_haves(run: RunDocument) -> ET.Element:
    v = run.verdict
    told = [
        ("decision", v.decision.value),
        ("score", f"{v.score:.1f}"),
        ("ceiling", f"{v.ceiling:.1f}"),
        ("coverage", f"{v.coverage:.1f}"),
        ("threshold", f"{v.threshold:g}"),
        ("policy", visible(run.policy.name)),
        ("run", visible(run.id)),
    ]
    return _suite("must-haves", [_must_have(m) for m in run.must_haves], run, told)


def _must_have(must_have: MustHavePart) -> ET.Element:
    name = visible(f"{must_have.id} {must_have.title}")
    case = ET.Element("testcase", name=name, classname="readiness.must-haves", time="0")
    open_checks = visible(", ".join(must_have.open_checks))
    if must_have.waived:
        ET.SubElement(case, "skipped", message=f"accepted as a risk: {open_checks}")
    elif must_have.status is Status.FAIL:
        ET.SubElement(case, "failure", type="must-have", message=f"not met: {open_checks}")
    elif must_have.status is Status.UNKNOWN:
        ET.SubElement(case, "error", type="must-have", message=f"not settled: {open_checks}")
    return case


def _case(check: CheckPart) -> ET.Element:
    case = ET.Element(
        "testcase",
        name=visible(f"{check.id}: {check.title}"),
        classname=f"readiness.{check.category}",
        time=f"{check.duration_ms / 1000:.3f}",
    )
    said = visible(words.result(check))
    match check.status:
        case Status.FAIL | Status.PARTIAL if not check.weight:
            ET.SubElement(case, "system-out").text = f"for information: {said}\n{_details(check)}"
        case Status.FAIL | Status.PARTIAL if words.all_waived(check):
            ET.SubElement(case, "skipped", message=f"waived: {said}").text = _details(check)
        case Status.FAIL | Status.PARTIAL:
            told = f"{check.priority}, +{check.gain:.1f} points: {said}"
            ET.SubElement(case, "failure", type=check.id, message=told).text = _details(check)
        case Status.UNKNOWN if check.reason == Reason.NOT_SELECTED.value or not check.weight:
            ET.SubElement(case, "skipped", message=said)
        case Status.UNKNOWN:
            told = f"{check.priority}, up to +{check.gain:.1f} points: {said}"
            unlock = f"to look: {visible(check.unlock)}" if check.unlock else ""
            ET.SubElement(case, "error", type=str(check.reason), message=told).text = unlock
        case Status.NOT_APPLICABLE:
            ET.SubElement(case, "skipped", message=f"does not apply: {said}")
    return case


def _details(check: CheckPart) -> str:
    lines = []
    for f in check.findings[:_FINDINGS_TOLD]:
        told = words.evidence(f.evidence)
        waived = " (waived)" if f.waived else ""
        lines.append(visible(f"{f.subject}{waived}{f': {told}' if told else ''}"))
        if f.remedy:
            lines.append(f"    {visible(' '.join(f.remedy.split()))}")
    if more := check.examined - check.healthy - len(check.findings[:_FINDINGS_TOLD]):
        lines.append(f"and {more:,} more")
    return "\n".join([*lines, f"mend: {visible_lines(check.mend)}"])
