"""Schemas and cases with known answers, from elsewhere: every finding of ours is compared with what is true there.

They lie beside the project (READINESS_KNOWN_ANSWERS, default ../shared/cases) and are not part of it; where they are
absent, nothing is collected and the summary says so. `tests/concepts.yaml` says which checks answer which concept.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from psycopg import sql

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

import judge

from asking import asking, checks
from conforming import declare, differences
from conftest import DEBIAN, Database, debian_server
from readiness.embedded import Cluster
from readiness.model import Examined, Outcome, Unknown

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("READINESS_KNOWN_ANSWERS") or HERE.parent.parent / "shared" / "cases")
CONCEPTS: dict[str, list[str]] = yaml.safe_load((HERE / "concepts.yaml").read_text())
CASES = sorted(ROOT.glob("cases/*/expected.json"))
SCHEMAS = sorted(ROOT.glob("schemas/*/truth.json"))
ROLES = ("superuser", "monitor", "bare")
# What a look at rows, or at a sequence's value, has to answer; all others the catalog answers alone, to a bare role too.
NOT_OF_THE_CATALOG_ALONE = {"json_in_text", "uuid_in_text", "csv_in_text", "sequence_exhaustion"}
MOST_EXCUSED = 5

AGREED, DISAGREED, UNKNOWN = "known answer: agreed", "known answer: disagreed", "known answer: unknown"

pytestmark = pytest.mark.slow


def table(properties: Iterable[tuple[str, object]]) -> list[str]:
    """What the terminal's summary says of each concept: comparisons by case or schema and role."""
    counts = Counter(properties)
    concepts = sorted({str(concept) for kind, concept in counts if kind in (AGREED, DISAGREED, UNKNOWN)})
    lines = [f"{'concept':32} {'tried':>6} {'agreed':>7} {'unknown':>8}"] if concepts else []
    for concept in concepts:
        agreed, unknown = counts[AGREED, concept], counts[UNKNOWN, concept]
        tried = agreed + unknown + counts[DISAGREED, concept]
        lines.append(f"{concept:32} {tried:6} {agreed:7} {unknown:8}")
    return lines


def concept_of(expected: Path) -> str:
    concept: str = json.loads(expected.read_text())["check_concept"]
    return concept


def findings(concept: str, asked: Callable[[str], Outcome]) -> tuple[list[str], list[Outcome]]:
    """What the concept's checks find, and their outcomes."""
    outcomes = [asked(check) for check in CONCEPTS[concept]]
    subjects = [o.subject for outcome in outcomes if isinstance(outcome, Examined) for o in outcome.findings]
    return subjects, outcomes


def compare(kind: str, reference: Path, found: dict[str, list[str]], tmp_path: Path) -> dict[str, dict]:
    file = tmp_path / "findings.json"
    file.write_text(json.dumps(found))
    done = subprocess.run(
        [sys.executable, ROOT / "compare.py", kind, reference, file, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def debian_cluster() -> Iterator[Cluster]:
    """One of their own: they make roles that stay, and so many statements that the server no longer counts them all."""
    with debian_server() as made:
        yield made


@pytest.fixture(scope="module")
def roles(debian_cluster: Cluster) -> dict[str, dict[str, str]]:
    """Connection parameters by role."""
    with debian_cluster.connect() as admin:
        for name in ("known_monitor", "known_bare"):
            admin.execute(sql.SQL("create role {} login password 'of-a-test'").format(sql.Identifier(name)))
        admin.execute("grant pg_monitor to known_monitor")
    return {
        "superuser": {},
        "monitor": {"user": "known_monitor", "password": "of-a-test"},
        "bare": {"user": "known_bare", "password": "of-a-test"},
    }


@pytest.mark.parametrize("expected", [c for c in CASES if CONCEPTS.get(concept_of(c))], ids=lambda p: p.parent.name)
def test_case(
    expected: Path,
    debian_database: Database,
    roles: dict[str, dict[str, str]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    concept = concept_of(expected)
    psql(debian_database.dsn(), "-f", expected.with_name("setup.sql"))
    try:
        for role in ROLES:
            with asking(debian_database.dsn(**roles[role])) as asked:
                subjects, outcomes = findings(concept, asked)
            if role == "superuser":
                unknown = [o for o in outcomes if isinstance(o, Unknown)]
                assert not unknown, unknown
            elif any(isinstance(o, Unknown) for o in outcomes):
                assert concept in NOT_OF_THE_CATALOG_ALONE, f"as {role}: {outcomes}"
                record_property(UNKNOWN, concept)
                continue  # says that it doesn't know
            verdict = compare("case", expected, {concept: subjects}, tmp_path)[concept]
            record_property(AGREED if verdict["pass"] and not verdict["trap_hits"] else DISAGREED, concept)
            assert verdict["pass"], f"as {role}: {verdict}"
            assert not verdict["trap_hits"], f"as {role}: {verdict}"
    finally:
        if (teardown := expected.with_name("teardown.sql")).exists():
            psql(debian_database.dsn(), "-f", teardown)


@pytest.mark.parametrize("truth", SCHEMAS, ids=lambda p: p.parent.name)
def test_schema(
    truth: Path,
    debian_cluster: Cluster,
    roles: dict[str, dict[str, str]],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    conninfo = f"host=127.0.0.1 port={debian_cluster.port} user=postgres"
    loaded = subprocess.run(
        ["bash", truth.with_name("load.sh"), conninfo],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PGPASSWORD": debian_cluster.password, "PATH": f"{DEBIAN}:{os.environ['PATH']}"},
    )
    assert loaded.returncode == 0, loaded.stderr[-2000:]
    name = f"known_{truth.parent.name}"
    try:
        answered = json.loads(truth.read_text())["concepts"]
        for role in ROLES:
            found, unknown = {}, set()
            with asking(debian_cluster.dsn(name, **roles[role])) as asked:
                for concept in [c for c, ids in CONCEPTS.items() if ids and c in answered]:
                    subjects, outcomes = findings(concept, asked)
                    if any(isinstance(o, Unknown) for o in outcomes):
                        unknown.add(concept)
                    else:
                        found[concept] = subjects
            verdicts = compare("truth", truth, found, tmp_path)
            wrong = {c: v for c, v in verdicts.items() if v["fn"] or v["fp"]}
            for concept in found:
                record_property(DISAGREED if concept in wrong else AGREED, concept)
            for concept in unknown:
                record_property(UNKNOWN, concept)
            assert not wrong, f"as {role}: {json.dumps(wrong, indent=1)}"
            assert not unknown - (NOT_OF_THE_CATALOG_ALONE if role != "superuser" else set()), f"as {role}: {unknown}"
        _see_that_the_sample_is_judged(truth.parent.name, debian_cluster.dsn(name))
        wanted = declare(debian_cluster.dsn(name), tmp_path)
        assert differences(debian_cluster.dsn(name), wanted) == {}, "a declaration conforms to what it was written from"
        assert sum(len(t.columns) for s in wanted.schemas.values() for t in s.tables.values() if t) > 20
    finally:
        with debian_cluster.connect() as admin:
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _see_that_the_sample_is_judged(schema: str, dsn: str) -> None:
    """Where somebody judged a schema's findings, the verdicts cover what the seed draws, no more and no less."""
    verdicts = judge.judged(schema)
    if verdicts is None:
        return
    drawn = set(judge.draw(dsn, schema))
    assert drawn == {(v["check"], v["subject"]) for v in verdicts}, f"judge anew: tools/judge.py {schema}"
    assert all(v["verdict"] in ("right", "wrong") and v["why"] for v in verdicts)


def test_what_a_check_finds_is_right():
    verdicts = [v for file in sorted(judge.JUDGED.glob("*.yaml")) for v in judge.judged(file.stem) or []]
    assert verdicts
    assert [f"{v['check']}: {v['subject']}: {v['why']}" for v in verdicts if v["verdict"] != "right"] == []


def test_every_concept_is_mapped():
    assert sum(not ids for ids in CONCEPTS.values()) <= MOST_EXCUSED
    assert set(CONCEPTS) >= NOT_OF_THE_CATALOG_ALONE
    if (ROOT / "CONCEPTS.md").exists():
        told = set(re.findall(r"^- \*\*(\w+)\*\*", (ROOT / "CONCEPTS.md").read_text(), re.MULTILINE))
        assert told == set(CONCEPTS), sorted(told ^ set(CONCEPTS))
    named = {check for ids in CONCEPTS.values() for check in ids}
    assert named <= set(checks()), sorted(named - set(checks()))


def psql(dsn: str, *arguments: str | Path) -> None:
    """As its cases want to be run: statements that are meant to fail do."""
    subprocess.run(["psql", "-X", "-q", "-d", dsn, *arguments], capture_output=True, check=False)
