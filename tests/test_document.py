"""The run document: whoever has it can recompute every number, and whatever a name holds, every format shows it harmlessly."""

from __future__ import annotations

import hashlib
import html
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt
from psycopg import sql

import stage
from conftest import Database
from readiness import audit, document, policy, profile, recount
from readiness.audit import Request
from readiness.authoring import Answer, Check
from readiness.document import ChecklistPart, RequirementPart, RunDocument
from readiness.embedded import Cluster
from readiness.model import (
    BINARY,
    RATIO,
    Category,
    CheckInfo,
    Credit,
    Effort,
    NotApplicable,
    Observation,
    Priority,
    Ramp,
    Reason,
    Status,
    Tiers,
    Unknown,
    Unseen,
)
from readiness.reporting.escape import visible
from readiness.reporting.formats import render

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOSTILE = [
    "<script>alert(1)</script>",
    "](javascript:x)",
    "![x](http://evil.example/x.png)",
    "p|pe | and || more",
    "`tick``s```",
    "\x1b[31mred\x1b[0m \x1b]8;;http://evil.example\x07link\x1b]8;;\x07",
    "new\nline\r\n# heading",
    "\u202eesrever\u202c \u2066isolate\u2069",
    "zero\u200bwidth\ufeff",
    "é" * 31,
    "x" * 63,
    "🙂👩‍👩‍👧 emoji",
    "[red]markup[/red] [/] [link=http://evil.example]x[/link] :warning:",
    "**bold** _em_ ~~gone~~ # 1. - + > @someone #12 https://evil.example www.evil.example",
    "&lt;b&gt; &#x3c;b&#x3e; <b>",
    "$(id) ${x} {{7*7}} {% x %} %s \\",
    "  leading and trailing  ",
    "\x9b31m c1 \x85 next",
    "tag\U000e0041\ue000private",
]


def made(
    check_id: str,
    answer: Callable[[], Answer],
    *,
    priority: Priority = Priority.P1,
    credit: Credit = RATIO,
    kind: str = "setting",
    attestable: bool = False,
    **own: Any,
) -> Check:
    told: dict[str, Any] = {
        "title": "All is well",
        "universe": "settings",
        "why": "w",
        "mend": "Mend it.\n\nWith care.",
    }
    info = CheckInfo(
        id=check_id,
        category=Category(check_id.partition("/")[0]),
        priority=priority,
        effort=Effort.M,
        credit=credit,
        subject_kind=kind,
        attestable=attestable,
        sha256=hashlib.sha256(check_id.encode()).hexdigest(),
        **(told | own),
    )
    return Check(info=info, facts={}, ask=answer, source="")


def seen(subject: str, ok: bool, remedy: str | None = None, **evidence: Any) -> Observation:
    return Observation(subject=subject, ok=ok, remedy=remedy, evidence=evidence)


HIDDEN = Unseen(subject="c", reason=Reason.NO_PERMISSION, detail="hidden", unlock="grant it;")
EVERY_KIND = [
    made("schema/passes", lambda: seen("a", ok=True, n=1), priority=Priority.P0),
    made("schema/fails", lambda: seen("a", ok=False, remedy="mend;"), priority=Priority.P0, credit=BINARY),
    made("schema/partly", lambda: [seen("a", ok=True), seen("b", ok=False), seen("d", ok=True)]),
    made("schema/partly-seen", lambda: [seen("a", ok=True), seen("b", ok=False), HIDDEN]),
    made("schema/binary-partly-seen", lambda: [seen("a", ok=False), HIDDEN], credit=BINARY),
    made("schema/told", lambda: seen("a", ok=False), priority=Priority.INFO),
    made("migration/none", lambda: NotApplicable("0 things")),
    made("migration/denied", lambda: Unknown(reason=Reason.NO_PERMISSION, detail="no", unlock="grant it;")),
    made(
        "performance/ramp",
        lambda: [seen("a", ok=False, used=14.5), seen("b", ok=True), seen("x", ok=False, used=math.inf)],
        credit=Ramp(measure="used", target=10, limit=20),
    ),
    made(
        "performance/tiers",
        lambda: [seen("a", ok=False, age=2), seen("b", ok=False, age=9), seen("x", ok=False, age=math.nan)],
        credit=Tiers(measure="age", steps=((1, 0.5), (3, 0.1))),
        priority=Priority.P2,
    ),
    made(
        "performance/figure",
        lambda: seen(
            "q",
            ok=False,
            figure="query_p95",
            unit="ms",
            value=math.inf,
            lower=3.5,
            upper=math.nan,
            samples=7,
            target=100,
        ),
    ),
    made("security/sealed", lambda: Unknown(reason=Reason.NO_ATTESTATION, detail="nobody vouches"), attestable=True),
    made("security/hidden", lambda: [seen("a", ok=True), HIDDEN]),
    made("security/large", lambda: seen("a", ok=False, n=10**30, huge=10**5000, minus=-(10**5000), text="x" * 20_000)),
    made("operations/service", lambda: [seen("auth", ok=True), seen("mail", ok=False)], kind="service"),
]
POLICY = """
name: p
threshold: 40
minimum_coverage: 10
attested_cap: 3
must_haves:
  - {id: M1, title: No failure, checks: [schema/fails]}
  - {id: M2, title: Passes, checks: [schema/passes]}
  - {id: M3, title: Partly, checks: [schema/partly, security/hidden]}
  - {id: M4, title: Applies, checks: [migration/none]}
  - {id: M5, title: May be none, checks: [migration/none, schema/passes], permit_not_applicable: [migration/none]}
"""
PROFILE = """
name: p
services:
  auth: {title: Auth, schemas: [auth]}
  mail: {title: Mail, schemas: [mail]}
  gate: {title: Gate, needs_change: false}
"""


def look(
    folder: Path,
    dsn: str,
    checks: list[Check],
    monkeypatch: pytest.MonkeyPatch,
    *,
    policy_text: str = POLICY,
    profile_text: str = PROFILE,
    evidence: bool = False,
) -> RunDocument:
    (folder / "readiness.yaml").write_text(profile_text)
    monkeypatch.setattr(audit, "all_checks", lambda _source: checks)
    request = Request(
        profile=profile.load(folder / "readiness.yaml", {}),
        policy=policy.load(str(stage.write_policy(folder, policy_text)), {}),
        dsn=dsn,
        now=lambda: NOW,
        evidence=folder / "evidence.db" if evidence else None,
    )
    return audit.audit(request).document


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as found:
        yield found


def sign(folder: Path) -> None:
    """A waiver and an attestation, both in force."""
    (folder / "readiness.waivers.yaml").write_text(
        "waivers:\n  - {check: schema/fails, object: a, reason: r, owner: o, approver: b, ticket: t, "
        "created: 2026-11-20, expires: 2026-12-20}\n"
    )
    (folder / "readiness.attestations.yaml").write_text(
        "attestations:\n  - {check: security/sealed, statement: It is., attested_by: a, role: r, date: 2026-11-20, "
        f"valid_days: 30, evidence: 'https://example.org/x', sha256: '{'0' * 64}'}}\n"
    )


@pytest.fixture(params=["bare", "signed"])
def synthetic(
    request: pytest.FixtureRequest, tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> RunDocument:
    """A run with an outcome of every kind in it."""
    if request.param == "signed":
        sign(tmp_path)
    return look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch)


SCHEMA = """
    create schema auth; create schema app;
    create table auth.users (id uuid primary key, email text, tags text);
    create table app.items (id serial primary key, owner uuid references auth.users, at timestamp, data text);
    insert into auth.users select gen_random_uuid(), 'a@b.c', 'x,y,z' from generate_series(1, 30);
    insert into app.items (owner, at, data) select id, now(), '{"a": 1}' from auth.users;
    analyze
"""
REAL_PROFILE = """
name: real
services:
  auth: {schemas: [auth], url: 'http://127.0.0.1:1', role: nobody_of_a_test}
  items: {schemas: [app]}
schemas:
  auth: {tables: {users: {columns: {id: uuid, email: text}}, gone: null}}
queries:
  all: {sql: select count(*) from auth.users, target_ms: 1000}
row_security: {tables: [auth.users]}
audit: {tables: [auth.users]}
probing: {query_samples: 5, query_seconds: 1, http_requests: 2, http_seconds: 1, http_timeout_seconds: 1}
"""


@pytest.fixture(scope="module")
def real(
    debian_cluster: Cluster, embedded_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Our own checks' documents: on 15 as superuser, on 18 as a bare role, each taken twice."""
    found = {}
    for name, cluster in (("superuser", debian_cluster), ("bare", embedded_cluster)):
        with stage.database(cluster) as made_here:
            made_here.run(SCHEMA)
            folder = tmp_path_factory.mktemp(name)
            (folder / "readiness.yaml").write_text(REAL_PROFILE)
            stage.write_policy(folder)
            dsn = made_here.dsn() if name == "superuser" else made_here.bare_dsn()
            command = ("score", "-d", dsn, "-f", "json", "--policy", "policy.yaml", "--no-evidence")
            for take in (1, 2):
                done = stage.run(*command, env=stage.environment(folder), cwd=folder)
                found[f"{name} {take}"] = done.document
    return found


def every(real: Mapping[str, dict[str, Any]], synthetic: RunDocument) -> list[dict[str, Any]]:
    return [*real.values(), json.loads(synthetic.to_json())]


# -- the contract ----------------------------------------------------------------------------------------------


def test_real_documents_keep_to_their_schema(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    schema = document.json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    for run in every(real, synthetic):
        assert [e.message for e in validator.iter_errors(run)] == []
        assert set(run) == set(schema["properties"])
        assert run["schema"] == "readiness.run/1"
    broken = json.loads(synthetic.to_json())
    broken["checks"][0]["status"] = "splendid"
    assert list(validator.iter_errors(broken)), "a schema that takes everything says nothing"


def test_a_document_is_read_back_as_it_was(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for run in every(real, synthetic):
        assert json.loads(document.parse(json.dumps(run)).to_json()) == run


def test_a_later_minor_version_is_readable(synthetic: RunDocument):
    run = json.loads(synthetic.to_json())
    run["tomorrow"] = run["checks"][0]["tomorrow"] = run["verdict"]["tomorrow"] = {"x": 1}
    assert document.parse(json.dumps(run)) == synthetic
    with pytest.raises(ValueError, match="schema"):
        document.parse(json.dumps(run | {"schema": "readiness.run/2"}))


def strictly(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_there_is_no_infinity_in_json(synthetic: RunDocument):
    run = strictly(synthetic.to_json())
    evidence = {c["id"]: c["findings"] for c in run["checks"]}
    assert evidence["performance/ramp"][1]["evidence"] == {"used": "infinity"}
    assert evidence["performance/tiers"][2]["evidence"] == {"age": None}
    (figure,) = run["measurements"]
    assert (figure["value"], figure["lower"], figure["upper"], figure["samples"]) == (None, 3.5, None, 7)


def test_a_number_of_thousands_of_digits_is_shortened(synthetic: RunDocument):
    (large,) = synthetic.check("security/large").findings
    assert large.evidence["n"] == 10**30
    assert len(str(large.evidence["huge"])) < 300
    assert str(large.evidence["minus"]).startswith("-")
    assert len(synthetic.to_json()) < 200_000


def test_a_numeric_of_thousands_of_digits_from_a_database(database: Database, tmp_path: Path):
    stage.write_pack(
        tmp_path / "pack",
        {
            "schema/odd.sql": stage.sql_check(
                "select 'a' as subject, false as ok, pg_catalog.repeat('9', 6000)::numeric as n"
            )
        },
    )
    policy_file = stage.write_policy(tmp_path, packs=("./pack",))
    command = ("score", "-d", database.bare_dsn(), "-f", "json", "--policy", policy_file, "--only", "schema/odd")
    run = stage.run(*command, env=stage.environment(tmp_path), cwd=tmp_path).document
    (check,) = [c for c in run["checks"] if c["id"] == "schema/odd"]
    assert check["status"] == "fail"
    assert len(json.dumps(check)) < 5_000


# -- every number, recomputed ----------------------------------------------------------------------------------


def tenths(exact: Fraction) -> float:
    return math.floor(exact * 10) / 10


def recomputed_credit(check: dict[str, Any]) -> tuple[Fraction, Fraction]:
    """What an examined check earns, and what it would were all unseen healthy: from its tally and evidence alone."""
    total, healthy, hidden = (sum(t[n] for t in check["tally"].values()) for n in range(3))
    rule = check["credit_rule"]

    def graded(finding: dict[str, Any]) -> Fraction:
        measure = finding["evidence"].get(rule["measure"])
        if not isinstance(measure, int | float):
            return Fraction(0)
        if rule["form"] == "tiers":
            return next((Fraction(str(c)) for bound, c in rule["steps"] if measure <= bound), Fraction(0))
        limit, target = Fraction(str(rule["limit"])), Fraction(str(rule["target"]))
        return min(max((limit - Fraction(str(measure))) / (limit - target), Fraction(0)), Fraction(99, 100))

    match rule["form"]:
        case "binary":
            best = Fraction(int(healthy == total))
        case "ratio":
            best = Fraction(healthy + hidden, total + hidden)
        case _:
            best = (healthy + hidden + sum(map(graded, check["findings"]), Fraction(0))) / Fraction(total + hidden)
    return (Fraction(0) if hidden else best), best


def test_the_score_is_recomputed_from_the_document_alone(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for run in every(real, synthetic):
        body = run["policy"]["body"]
        kept = {c: Fraction(str(w)) for c, w in body["weights"].items() if c not in body["drop"]}
        weights = {c: w * 100 / sum(kept.values()) for c, w in kept.items()}
        den: dict[str, Fraction] = dict.fromkeys(weights, Fraction(0))
        for c in run["checks"]:
            own = (body["checks"].get(c["id"]) or {}).get("priority") or c["own_priority"]
            assert c["priority"] == own
            weight = Fraction(str(body["priorities"].get(own, 0)))
            assert Fraction(c["weight_exact"]) == weight == Fraction(str(c["weight"]))
            if c["status"] != "not_applicable":
                den[c["category"]] += weight
        claimed, parts = Fraction(0), {}
        for c in run["checks"]:
            counts = c["status"] != "not_applicable" and den[c["category"]]
            points = (
                weights[c["category"]] * Fraction(c["weight_exact"]) / den[c["category"]] if counts else Fraction(0)
            )
            assert Fraction(c["points_exact"]) == points
            earned = known = Fraction(0)
            if c["status"] in ("pass", "partial", "fail"):
                earned, best = recomputed_credit(c)
                assert Fraction(c["credit_exact"]) == earned
                assert c["credit"] == float(earned)
                expected = "pass" if earned == 1 else "partial" if earned else "fail"
                assert c["status"] == expected
                known = 1 - (best - earned)
            else:
                assert c["credit_exact"] is c["credit"] is None
            parts[c["id"]] = (points, earned, known)
            if c["evidence_kind"] == "attested":
                claimed += points * earned
        cap = Fraction(str(body["attested_cap"]))
        share = min(Fraction(1), cap / claimed) if claimed else Fraction(1)
        floor = coverage = Fraction(0)
        by_category = dict.fromkeys(weights, Fraction(0))
        for c in run["checks"]:
            points, earned, known = parts[c["id"]]
            if c["evidence_kind"] == "attested":
                earned, known = earned * share, known * share
            assert (Fraction(c["earned_exact"]), Fraction(c["known_exact"])) == (earned, known)
            assert Fraction(c["gain_exact"]) == points * (1 - earned)
            assert (c["gain"], c["points"]) == (tenths(points * (1 - earned)), tenths(points))
            floor += points * earned
            coverage += points * known
            by_category[c["category"]] += points * earned
        v = run["verdict"]
        assert Fraction(v["score_exact"]) == floor
        assert Fraction(v["coverage_exact"]) == coverage
        assert Fraction(v["ceiling_exact"]) == floor + 100 - coverage
        assert (v["score"], v["ceiling"], v["coverage"]) == tuple(
            map(tenths, (floor, floor + 100 - coverage, coverage))
        )
        assert v["attested"] == tenths(min(claimed, cap))
        for c in run["categories"]:
            assert Fraction(c["weighted_exact"]) == by_category[c["id"]]
            assert c["weighted"] == tenths(by_category[c["id"]])
            assert Fraction(c["score_exact"]) == by_category[c["id"]] * 100 / weights[c["id"]]
            assert (c["score"], c["weight"]) == (tenths(Fraction(c["score_exact"])), tenths(weights[c["id"]]))


def test_the_decision_follows_from_the_document_alone(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for run in every(real, synthetic):
        checks, v, body = {c["id"]: c for c in run["checks"]}, run["verdict"], run["policy"]["body"]
        for m, told in zip(body["must_haves"], run["must_haves"], strict=True):
            failed, waived, unknown = [], [], []
            for name in m["checks"]:
                c = checks[name]
                if c["status"] in ("fail", "partial"):
                    covered = c["findings"] and all(f["waived"] for f in c["findings"]) and not c["hidden"]
                    (waived if covered else failed).append(name)
                elif c["status"] == "unknown" or (
                    c["status"] == "not_applicable" and name not in m["permit_not_applicable"]
                ):
                    unknown.append(name)
            expected = "fail" if failed else "unknown" if unknown else "fail" if waived else "pass"
            assert (told["status"], told["open_checks"]) == (expected, failed or unknown or waived)
            assert told["waived"] == bool(waived and not failed and not unknown)
        threshold = Fraction(str(body["threshold"]))
        floor, ceiling, coverage = (Fraction(v[f"{n}_exact"]) for n in ("score", "ceiling", "coverage"))
        vetoed = any(m["status"] == "fail" and not m["waived"] for m in run["must_haves"])
        applies = {c["category"] for c in run["checks"] if c["status"] != "not_applicable" and c["weight"]}
        held = (
            any(m["status"] == "unknown" for m in run["must_haves"])
            or floor < threshold
            or coverage < Fraction(str(body["minimum_coverage"]))
            or not coverage
            or applies < {c["id"] for c in run["categories"]}
        )
        expected = "NO-GO" if vetoed or ceiling < threshold else "HOLD" if held else "GO"
        assert (v["decision"], v["exit_code"]) == (expected, {"GO": 0, "NO-GO": 1, "HOLD": 3}[expected])
        assert v["reasons"]


def test_the_parts_agree_with_each_other(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for run in every(real, synthetic):
        checks = {c["id"]: c for c in run["checks"]}
        assert list(checks) == sorted(checks)
        assert {c["category"] for c in run["checks"]} <= {c["id"] for c in run["categories"]}
        for c in run["checks"]:
            told = [sum(t[n] for t in c["tally"].values()) for n in range(3)]
            if c["status"] in ("pass", "partial", "fail"):
                assert [c["examined"], c["healthy"], c["hidden"]] == told
                assert len(c["findings"]) == c["examined"] - c["healthy"], c["id"]
                assert c["expires"]
            assert (c["reason"] is not None) == (c["status"] == "unknown")
            assert {f["fingerprint"] for f in c["findings"]} == {
                hashlib.sha256(f"{c['id']}\0{f['subject']}".encode()).hexdigest()[:32] for f in c["findings"]
            }
        for b in run["blockers"]:
            c = checks[b["check"]]
            assert (b["gain_exact"], b["findings"]) == (c["gain_exact"], c["examined"] - c["healthy"])
        vetoes = {c for m in run["must_haves"] if m["status"] == "fail" and not m["waived"] for c in m["open_checks"]}
        failed = {c["id"] for c in run["checks"] if c["status"] in ("fail", "partial")}
        waived = {i for i, c in checks.items() if c["findings"] and all(f["waived"] for f in c["findings"])}
        p0 = {i for i in failed if checks[i]["priority"] == "P0"} - waived
        assert {b["check"] for b in run["blockers"]} == (vetoes & failed) | p0
        for row in run["plan"]:
            assert row["gain_exact"] == checks[row["check"]]["gain_exact"]
            assert row["kind"] == ("measure" if checks[row["check"]]["status"] == "unknown" else "fix")
        gains = [Fraction(row["gain_exact"]) for row in run["plan"]]
        assert gains == sorted(gains, reverse=True)
        counted = [Fraction(s["readiness_exact"]) for s in run["services"] if s["needs_change"]]
        assert [s["readiness"] for s in run["services"]] == [
            tenths(Fraction(s["readiness_exact"])) for s in run["services"]
        ]
        if counted:
            assert run["platform_readiness"] == tenths(sum(counted, Fraction(0)) / len(counted))


def test_the_evidences_hash_is_recomputed_from_the_document(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    fields = ("id", "status", "reason", "detail", "unlock", "tally", "evidence_kind", "findings", "seen", "unseen")
    for run in every(real, synthetic):
        for c in run["checks"]:
            told = {name: c[name] for name in fields}
            told["findings"] = [{k: v for k, v in f.items() if k != "waived"} for f in c["findings"]]
            canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
            assert c["evidence_sha256"] == hashlib.sha256(canonical.encode()).hexdigest(), c["id"]
        canonical = json.dumps(run["policy"]["body"], sort_keys=True, separators=(",", ":"))
        assert run["policy"]["sha256"] == hashlib.sha256(canonical.encode()).hexdigest()


def test_every_document_verifies(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for run in every(real, synthetic):
        assert recount.verify(json.dumps(run)) == []


def test_a_waiver_does_not_change_what_was_seen(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    before = look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch)
    sign(tmp_path)
    after = look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch)
    assert after.check("schema/fails").findings[0].waived
    assert before.check("schema/fails").evidence_sha256 == after.check("schema/fails").evidence_sha256
    assert before.check("security/sealed").evidence_sha256 != after.check("security/sealed").evidence_sha256


# -- the same input, the same output ---------------------------------------------------------------------------

VOLATILE = {
    "id",
    "sha256",
    "cost",
    "started_at",
    "finished_at",
    "duration_seconds",
    "duration_ms",
    "expires",
    "valid_until",
}
TIMED = {
    "performance/slow-query",
    "performance/slow-service",
    "performance/slow-statement",
    "performance/slow-role",
    "performance/statement-reads-whole",
    "operations/unhealthy-service",
    # The server's counters, which the audit itself moves.
    "performance/large-table-read-whole",
    "performance/many-rollbacks",
    "performance/connections-not-reused",
    "performance/full-page-images",
    "performance/slow-block-reads",
    "operations/limit-in-reach",
    "performance/sessions-cut-off",
    "performance/temp-file-spill",
    "performance/deadlocks",
    "performance/checkpoints-on-demand",
}


def still(value: Any) -> Any:
    """A document without its ids, times and durations."""
    match value:
        case dict():
            return {k: still(v) for k, v in value.items() if k not in VOLATILE or (k == "id" and "/" in str(v))}
        case list():
            return [still(v) for v in value]
        case _:
            return value


@pytest.mark.parametrize("which", ["superuser", "bare"])
def test_two_audits_of_one_unchanged_database_are_equal(real: Mapping[str, dict[str, Any]], which: str):
    first, second = still(real[f"{which} 1"]), still(real[f"{which} 2"])
    assert first["notes"] == second["notes"]
    for one, other in zip(first["checks"], second["checks"], strict=True):
        if one["id"] in TIMED:
            assert (one["status"], one["tally"]) == (other["status"], other["tally"])
        else:
            assert one == other
    for part in ("verdict", "categories", "must_haves", "services", "blockers", "plan", "target", "policy"):
        assert first[part] == second[part]
    assert first["checkset_sha256"] == second["checkset_sha256"]


def test_the_clock_is_handed_in(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    one, other = (look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch) for _ in range(2))
    same = {"id": "x", "duration_seconds": 0.0, "cost": None, "sha256": ""}
    first, second = (
        d.model_copy(update=same | {"checks": [c.model_copy(update={"duration_ms": 0.0}) for c in d.checks]})
        for d in (one, other)
    )
    assert first == second
    assert one.id != other.id


def test_the_order_of_the_checks_changes_nothing(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    one = look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch)
    other = look(tmp_path, database.bare_dsn(), EVERY_KIND[::-1], monkeypatch)
    assert still(json.loads(one.to_json())) == still(json.loads(other.to_json()))


# -- every format says the same --------------------------------------------------------------------------------


def rows_of(markdown: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("| ").split(" | ")]
        for line in markdown.splitlines()
        if line.startswith("|")
    ]


def test_console_and_markdown_carry_the_documents_numbers(real: Mapping[str, dict[str, Any]], synthetic: RunDocument):
    for raw in every(real, synthetic):
        run = document.parse(json.dumps(raw))
        console, markdown = render(run, "console", width=220), render(run, "markdown")
        plain = markdown.replace("\\", "")
        v = run.verdict
        for text in (console, plain):
            assert v.decision.value in text
            assert f"{v.score:.1f} of 100" in text
            if v.ceiling != v.score:
                assert f"up to {v.ceiling:.1f} once" in text
            assert f"{v.coverage:.1f} % measured" in text
            assert f"threshold is {v.threshold:g}" in text
            for reason in v.reasons:
                assert reason in text
            for m in run.must_haves:
                assert f"{m.id} " in text
            titles = {s.id: s.title for s in run.services}
            for b in run.blockers:
                told = re.sub(r"\s+", " ", text)
                assert f"{b.title}: does not hold for " in told, "a title says what should be"
                assert b.check in told
                assert (", ".join(titles[o] for o in b.owners) or "the platform") in told, "somebody is to mend it"
        table = rows_of(plain)
        for c in run.categories:
            figures = [f"{c.weight:g} %", f"{c.score:.1f}", f"{c.ceiling:.1f}"]
            assert [c.title, *figures, f"{c.coverage:.1f} %", f"{c.weighted:.1f}"] in table
            pattern = r"\s+".join(map(re.escape, [c.title, *figures, f"{c.coverage:.1f} %", f"{c.weighted:.1f}"]))
            assert re.search(rf"^{pattern}\s*$", console, re.MULTILINE), c.title
        for check in run.checks:
            (row,) = [r for r in table if len(r) == 6 and r[1] == f"`{check.id}`"]
            assert row[2:5] == [
                check.priority,
                "\u2013"
                if check.credit_exact is None
                else f"{math.floor(Fraction(check.credit_exact) * 100) / 100:.2f}",
                f"+{check.gain:.1f}",
            ], check.id
            assert re.search(
                rf"^\S\s+{re.escape(check.id)}\s+{check.priority}\s+\+{re.escape(f'{check.gain:.1f}')}\s",
                console,
                re.MULTILINE,
            )
            for finding in check.findings[:20]:
                assert visible(finding.subject) in console
                assert visible(finding.subject) in markdown
        for service in run.services:
            assert f"{service.title} | {service.readiness:.1f} %" in plain.replace(" (needs no change)", "")
            assert re.search(rf"{service.title}\s+{service.readiness:.1f} %", console)


def test_a_usual_run_fits_a_comment_with_all_its_numbers(real: Mapping[str, dict[str, Any]]):
    """As many checks as there are, findings by the hundred, a plan of its own: what is told beside the numbers goes first."""
    run = document.parse(json.dumps(real["superuser 1"]))
    failing = [c for c in run.checks if c.findings]
    each = 400 // len(failing)
    many = {
        c.id: c.model_copy(update={"findings": c.findings[:1] * each, "examined": each, "healthy": 0}) for c in failing
    }
    row: dict[str, Any] = {"title": "w" * 30, "status": Status.FAIL, "current": "w" * 60, "target": "w" * 40}
    usual = run.model_copy(
        update={
            "checks": [many.get(c.id, c) for c in run.checks],
            "requirements": [RequirementPart(table=f"t{n % 8}", **row) for n in range(60)],
            "checklist": [ChecklistPart(phase=f"p{n % 5}", **row) for n in range(25)],
        }
    )
    sizes, kept = [], []
    for most in (10_000_000, 65_000, 55_000, 45_000):
        markdown = render(usual, "markdown", most=most)
        sizes.append(len(markdown.encode()))
        assert sizes[-1] <= most
        assert ("> Shortened to fit a comment: " in markdown) == (most < sizes[0])
        assert "**Cut:**" not in markdown
        table = {r[1]: r[2:5] for r in rows_of(markdown) if len(r) == 6}
        for c in usual.checks:
            credit = "\u2013" if c.credit_exact is None else f"{Fraction(c.credit_exact) * 100 // 1 / 100:.2f}"
            assert table[f"`{c.id}`"] == [c.priority, credit, f"+{c.gain:.1f}"], most
        kept.append([markdown.count("\n- "), markdown.count("w" * 60), markdown.count("```sql")])
    assert sizes[0] > 65_000, "it has to be shortened"
    assert kept[1][1] == kept[0][1], "findings go before a profile's own rows"
    assert kept == sorted(kept, reverse=True)


def test_a_remedy_and_a_mend_are_whole_in_markdown(synthetic: RunDocument):
    markdown = render(synthetic, "markdown")
    assert "```sql\nmend;\n```" in markdown
    assert "\\\\n" not in markdown, "a line break in a text is not shown as an escape"
    assert "Mend it" in markdown
    assert "With care" in markdown


def test_report_renders_a_saved_run_as_it_was(synthetic: RunDocument, tmp_path: Path):
    (tmp_path / "run.json").write_text(synthetic.to_json())
    outputs = ("-f", "markdown", "-o", "r.md", "-f", "json", "-o", "r.json", "-f", "console", "-o", "r.txt")
    done = stage.run("report", "run.json", *outputs, env=stage.environment(tmp_path), cwd=tmp_path)
    assert (done.code, done.said) == (0, "")
    assert (tmp_path / "r.json").read_text() == synthetic.to_json()
    assert (tmp_path / "r.md").read_text() == render(synthetic, "markdown")
    assert (tmp_path / "r.txt").read_text() == render(synthetic, "console")


# -- hostile names ---------------------------------------------------------------------------------------------

UNSEEMLY = re.compile(
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff\ue000-\uf8ff\U000e0000-\U000e007f]"
)


def seemly(text: str) -> None:
    # the joiner within one emoji is a format character too, and shown as one
    found = UNSEEMLY.search(text)
    assert found is None, f"{found.group()!r} in {text[max(0, found.start() - 60) : found.end() + 20]!r}"


@pytest.fixture(scope="module")
def hostile_database(embedded_cluster: Cluster) -> Iterator[Database]:
    """A database and a role whose names are hostile too."""
    found = Database(embedded_cluster, "d](x)|`<b>\x1b[31m\u202e🙂")
    name, role = sql.Identifier(found.name), sql.Identifier(found.bare_role)
    with embedded_cluster.connect() as admin:
        admin.execute(sql.SQL("create database {} template template0").format(name))
        admin.execute(sql.SQL("create role {} login password 'bare-role-of-a-test'").format(role))
        try:
            yield found
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(name))
            admin.execute(sql.SQL("drop role {}").format(role))


@pytest.fixture
def hostile(tmp_path: Path, hostile_database: Database, monkeypatch: pytest.MonkeyPatch) -> RunDocument:
    """A run in which everything that can be named bears every hostile name."""

    def findings() -> Answer:
        return [seen(name, ok=False, remedy=f"drop table {name};", text=name, listed=[name]) for name in HOSTILE]

    def hidden() -> Answer:
        return [
            seen("a", ok=True),
            *(Unseen(subject=name, reason=Reason.LOCKED, detail=name, unlock=name) for name in HOSTILE),
        ]

    everything = " ".join(HOSTILE)
    checks = [
        made(
            "schema/findings",
            findings,
            priority=Priority.P0,
            title=everything,
            mend=everything,
            universe="x" + everything,
        ),
        made("schema/others", findings, title=everything, mend="no remedy"),
        made("security/hidden", hidden),
        made("operations/none", lambda: NotApplicable(everything)),
        made("performance/unknown", lambda: Unknown(reason=Reason.ERROR, detail=everything, unlock=everything)),
        made(
            "migration/figure",
            lambda: [seen(n, ok=False, figure=n, unit=n, value=1.5, source=n) for n in HOSTILE],
        ),
    ]
    quoted = [json.dumps(name) for name in HOSTILE]
    templated = [text.replace("$", "$$") for text in quoted]  # where variables of the environment are put
    must_haves = "".join(
        f"  - {{id: {json.dumps(name[:20]).replace('$', '$$')}, title: {text}, checks: [schema/findings]}}\n"
        for name, text in zip(HOSTILE, templated, strict=True)
    )
    services = "".join(f"  s{n}: {{title: {text}, schemas: ['{n}']}}\n" for n, text in enumerate(templated))
    (tmp_path / "readiness.waivers.yaml").write_text(
        "waivers:\n"
        + "".join(
            f"  - {{check: schema/findings, object: {text}, reason: {text}, owner: {text}, approver: {text}, ticket: {text}, "
            "created: 2026-11-20, expires: 2026-12-20}\n"
            for text in quoted[:4]
        )
    )
    return look(
        tmp_path,
        hostile_database.bare_dsn(),
        checks,
        monkeypatch,
        policy_text=f"name: {json.dumps(HOSTILE[0])}\nmust_haves:\n{must_haves}",
        profile_text=f"name: p\ntitle: {json.dumps(everything).replace('$', '$$')}\nservices:\n{services}",
    )


def shown(rendered: str) -> str:
    """A rendered text without what wrapping does to it."""
    return "".join(rendered.split())


@pytest.mark.parametrize("width", [40, 100, 400])
def test_hostile_names_stay_text_on_a_terminal(hostile: RunDocument, width: int):
    console = render(hostile, "console", width=width)
    seemly(console)
    told = shown(console)
    for name in HOSTILE:
        assert shown(visible(name)) in told, name
    if width == 400:
        for name in HOSTILE:
            assert console.count(visible(name).strip()) >= 5, f"not everywhere: {name!r}"


@pytest.mark.parametrize("width", [40, 100])
def test_a_remedy_on_a_terminal_can_be_pasted_into_psql(synthetic: RunDocument, width: int):
    """Broken in a comment, the comment's second half would be taken for a statement; in a quoted name, the name is another."""
    remedy = f'-- {"A word to begin with. " * 8}\nalter table s."{"a name " * 7}" alter column c type bigint;'
    check = next(c for c in synthetic.checks if c.findings)
    finding = check.findings[0].model_copy(update={"remedy": remedy})
    changed = check.model_copy(update={"findings": [finding]})
    run = synthetic.model_copy(update={"checks": [changed if c is check else c for c in synthetic.checks]})
    lines = render(run, "console", width=width).splitlines()
    assert [line for line in remedy.splitlines() if f"      {line}".rstrip() not in map(str.rstrip, lines)] == []


def test_what_no_step_unlocks_does_not_stand_under_another_checks_step(synthetic: RunDocument):
    unknown = next(c for c in synthetic.checks if c.status is Status.UNKNOWN and c.weight)
    checks = [
        unknown.model_copy(update={"id": f"schema/{name}", "unlock": unlock, "gain": 1.5})
        for name, unlock in (("by-grant", "grant it"), ("blocked", None))
    ]
    told = render(
        synthetic.model_copy(update={"checks": checks, "blockers": [], "must_haves": []}), "console", width=120
    )
    lines = [line.strip() for line in told.splitlines()]
    (at,) = [n for n, line in enumerate(lines) if line.startswith("? schema/blocked")]
    assert lines[at - 1] == "up to +1.5: mend what stands in the way of each"


def test_hostile_names_stay_text_in_markdown(hostile: RunDocument):
    everything = " ".join(HOSTILE)
    row: dict[str, Any] = {"title": everything, "status": Status.FAIL, "current": everything}
    profiles = {
        "requirements": [RequirementPart(table=everything, **row), *(RequirementPart(table=n, **row) for n in HOSTILE)],
        "checklist": [ChecklistPart(phase=name, **row | {"title": name}) for name in [everything, *HOSTILE]],
    }
    markdown = render(hostile.model_copy(update=profiles), "markdown", most=1_000_000)
    seemly(markdown)
    page = (
        MarkdownIt("commonmark", {"html": True, "linkify": False}).enable(["table", "strikethrough"]).render(markdown)
    )
    tags = set(re.findall(r"<(/?[a-zA-Z][a-zA-Z0-9]*)", page))
    assert {t.strip("/") for t in tags} <= {
        *(
            "h1",
            "h2",
            "h3",
            "p",
            "strong",
            "ul",
            "li",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "code",
            "pre",
            "hr",
            "blockquote",
            "details",
            "summary",
        )
    }
    assert not re.findall(r"<a |<img |javascript:[^x]", page)
    for table in re.findall(r"<table>.*?</table>", page, re.DOTALL):
        widths = {
            row.count("<td") + row.count("<th>") + row.count("<th ")
            for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)
        }
        assert len(widths) == 1, "a cell broke its row"
    headings = [html.unescape(h) for h in re.findall(r"<h2>(.*?)</h2>", page)]
    told = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<code[^>]*>.*?</code>", "", page, flags=re.DOTALL)))
    acted_on = re.findall(r".{0,20}(?:@\w|[#!~%$]\w|://|www\.|:warning:|&(?:lt|#)).{0,20}", told)
    assert acted_on == [], "escaped or not, a forge makes a mention, a reference, a link of it"
    assert set(headings) <= {
        *("Requirements", "Checklist"),
        *("Must-haves", "Blockers", "Other findings", "Could not be measured", "Services", "Waivers and attestations"),
        *("Every check", "The plan"),
    }
    code = [html.unescape(c).removesuffix("\n") for c in re.findall(r"<code[^>]*>(.*?)</code>", page, re.DOTALL)]
    text = html.unescape(re.sub(r"<[^>]+>", "", page))
    for name in HOSTILE:
        assert visible(name).strip() in [c.strip() for c in code], f"the subject {name!r} is not shown as it is"
        assert visible(name).strip() in text


def test_hostile_names_are_data_in_json(hostile: RunDocument):
    run = strictly(hostile.to_json())
    (check,) = [c for c in run["checks"] if c["id"] == "schema/findings"]
    assert [f["subject"] for f in check["findings"]] == HOSTILE
    assert [f["waived"] for f in check["findings"][:4]] == [True] * 4


def test_hostile_names_through_the_command_line(hostile: RunDocument, tmp_path: Path):
    (tmp_path / "run.json").write_text(hostile.to_json())
    for name in ("console", "markdown"):
        done = stage.run("report", "run.json", "-f", name, env=stage.environment(tmp_path), cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        seemly(done.out)


def test_a_hostile_pack_is_listed_harmlessly(tmp_path: Path):
    everything = " ".join(HOSTILE)
    text = stage.sql_check(
        "select 'a' as subject, true as ok", title=everything, why=everything, mend=everything, universe=everything
    )
    stage.write_pack(tmp_path / "pack", {"schema/odd.sql": text})
    policy_file = stage.write_policy(tmp_path, packs=("./pack",))
    for arguments in (("checks",), ("checks", "schema/odd")):
        done = stage.run(*arguments, "--policy", policy_file, env=stage.environment(tmp_path), cwd=tmp_path)
        assert (done.code, done.err) == (0, "")
        seemly(done.out)
        assert "[red]markup[/red]" in done.out


def test_colour_is_no_way_around_it(hostile: RunDocument):
    import io

    from rich.console import Console

    from readiness.reporting import console

    text = io.StringIO()
    console.render(hostile, Console(file=text, width=100, force_terminal=True, color_system="standard"), verbose=True)
    styled = re.sub(r"\x1b\[[0-9;]*m", "", text.getvalue())
    seemly(styled)
    assert "\x1b]8" not in text.getvalue()
