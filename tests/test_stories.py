"""Every SQL check has a story: break a real database, see it named, take its own remedy, see it gone.

A story is `tests/stories/<category>/<name>.sql`, named like its check, in sections that open with a line of dashes:

    --- broken: public.orders, public."Odd Name"     the exact findings, and the SQL that makes them
    --- near misses                                  what must stay quiet beside them
    --- mend                                         only where the remedy is worded: what a reader of it would run
    --- parameters: name=value                       optional: policy parameters
    --- broken since 15: public.v                    more of it (or of near misses) for servers of a version or later

It is plain SQL; `select pg_sleep(1.2);` stands where the server has to write its counters first.

It runs as superuser and again as a bare login role, which must find the same or say that it doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asking import ask, asking, checks, found, remedies
from conftest import Database
from readiness import pack
from readiness.embedded import Cluster
from readiness.model import SUBJECT_KINDS, Examined, NotApplicable, Outcome, Reason, Unknown

FOLDER = Path(__file__).parent / "stories"


@dataclass
class Part:
    """A section of a story: SQL for servers from a major version on, and what it breaks."""

    since: int
    sql: str
    named: list[str] = field(default_factory=list)


@dataclass
class Story:
    check: str
    broken: list[Part] = field(default_factory=list)
    near_misses: list[Part] = field(default_factory=list)
    mend: str = ""
    parameters: dict[str, str] = field(default_factory=dict)

    def named(self, major: int) -> set[str]:
        return {name for part in self.broken if part.since <= major for name in part.named}


def read(path: Path) -> Story:
    story = Story(check=f"{path.parent.name}/{path.stem.replace('_', '-')}")
    for opening, body in re.findall(r"^--- ([^\n]*)\n(.*?)(?=^--- |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
        title, _, rest = opening.partition(":")
        title, _, since = title.strip().partition(" since ")
        match title:
            case "broken":
                story.broken.append(Part(int(since or 0), body, _names(rest)))
            case "near misses":
                story.near_misses.append(Part(int(since or 0), body))
            case "mend":
                story.mend = body
            case "parameters":
                story.parameters = dict(pair.strip().split("=") for pair in rest.split(","))
            case other:
                raise ValueError(f"{path}: no section is named {other!r}")
    return story


def _names(listed: str) -> list[str]:
    """Subjects between commas; a comma inside quotes or parentheses is part of a name."""
    return [name.strip() for name in re.findall(r'(?:"(?:[^"]|"")*"|\([^)]*\)|[^,"(])+', listed) if name.strip()]


STORIES = [read(path) for path in sorted(FOLDER.glob("*/*.sql"))]


def test_every_sql_check_has_a_story():
    told = {story.check for story in STORIES}
    # What holds for a whole server is broken on one of its own, in Python.
    elsewhere = "".join(path.read_text() for path in (Path(__file__).parent / "checks").rglob("test_*.py"))
    sql = {i for i, c in checks().items() if c.source.startswith("/*---")}
    untold = {i for i in sql - told if not re.search(f'"({i.partition("/")[0]}/)?{i.partition("/")[2]}"', elsewhere)}
    assert not untold, f"no story in tests/stories: {sorted(untold)}"
    assert told <= set(checks()), f"a story of no check: {sorted(told - set(checks()))}"


def tell(database: Database, parts: Sequence[Part]) -> None:
    """Run parts of a story, as far as they are for this server, without its sleeps where counters are written on demand."""
    major = database.cluster.runtime.major
    script = "".join(part.sql for part in parts if part.since <= major)
    if major >= 15:
        script = script.replace("select pg_sleep(1.2);", "select pg_stat_force_next_flush();")
    database.run(script)


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.check)
def test_story_on_other_versions(story: Story, older_cluster: Cluster, make_database: Callable[[Cluster], Database]):
    """Catalogs differ between versions: what is broken is named on each, and nothing else."""
    database = make_database(older_cluster)
    tell(database, [*story.near_misses, *story.broken])
    named = story.named(older_cluster.runtime.major)
    assert found(ask(story.check, database.dsn(), parameters=story.parameters)) == named


def test_what_a_generated_column_reads_keeps_its_type(
    started: Callable[[int], Cluster], make_database: Callable[[Cluster], Database]
):
    """Before 15 the catalog told otherwise what hangs on a column."""
    database = make_database(started(13))
    database.run(
        "create table t (j json, at timestamp, g bool generated always as (j is null or at is null) stored, free json)"
    )
    offered = {}
    with asking(database.dsn()) as asked:
        for check in ("schema/json-not-jsonb", "schema/timestamp-without-time-zone"):
            outcome = asked(check)
            assert isinstance(outcome, Examined)
            offered |= {o.subject: bool(o.remedy) for o in outcome.findings}
    assert offered == {"public.t.j": False, "public.t.at": False, "public.t.free": True}


# What an older server can't tell, whatever is asked.
CAN_NOT_TELL = {
    13: {
        "performance/connections-not-reused",
        "performance/full-page-images",
        "performance/sessions-cut-off",
        "security/catch-all-user-map",
    },
    14: {"security/catch-all-user-map"},
    16: set(),
    17: set(),
}


def test_every_check_answers_on_other_versions(older_cluster: Cluster):
    """Those of a whole server, too, which have no story: none breaks on what an older catalog lacks."""
    reasons: dict[Reason, set[str]] = {}
    with asking(older_cluster.dsn()) as asked:
        for check in checks():
            if isinstance(outcome := asked(check), Unknown):
                reasons.setdefault(outcome.reason, set()).add(check)
    assert Reason.ERROR not in reasons
    assert reasons.get(Reason.UNSUPPORTED, set()) == CAN_NOT_TELL[older_cluster.runtime.major]


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.check)
def test_story(story: Story, database: Database):
    check, named = story.check, story.named(database.cluster.runtime.major)
    quiet_before = ask(check, database.dsn(), parameters=story.parameters)
    assert not isinstance(quiet_before, Examined) or not quiet_before.findings, "an empty database has a finding"

    tell(database, story.near_misses)
    assert found(ask(check, database.dsn(), parameters=story.parameters)) == set(), "a near miss is flagged"

    tell(database, story.broken)
    outcome = ask(check, database.dsn(), parameters=story.parameters)
    assert found(outcome) == named
    assert astray(check, database) == []
    counted = ask(check, database.dsn(), parameters=story.parameters, few=False)
    assert subjects(counted) == subjects(outcome), "of a large database, counted by the server, the answer is another"

    as_bare = ask(check, database.bare_dsn(), parameters=story.parameters)
    if not isinstance(as_bare, Unknown):
        assert found(as_bare) == named, "a bare role sees less and does not say so"

    for remedy in remedies(outcome):
        if not story.mend:
            database.run(remedy)
    database.run(story.mend)
    after = ask(check, database.dsn(), parameters=story.parameters)
    assert isinstance(after, Examined | NotApplicable)
    assert found(after) == set(), "the remedy does not take the finding away"


def subjects(outcome: Outcome) -> tuple[list[tuple[str, bool]], object]:
    """What is listed, in order, and counted; not the evidence, which may move with the clock."""
    assert isinstance(outcome, Examined)
    return [(o.subject, o.ok) for o in outcome.observations], outcome.tally


def astray(check: str, database: Database) -> list[str]:
    """Subjects whose schemaid isn't the schema of their objid: the frame would leave out, or count, by the wrong one."""
    asked = checks()[check]
    anchor = SUBJECT_KINDS[asked.info.subject_kind]
    query = pack.bare(asked.source.partition("---*/")[2])
    if anchor is None or " as schemaid" not in query:
        return []
    schema = {"pg_class": "relnamespace", "pg_proc": "pronamespace", "pg_type": "typnamespace"}[anchor]
    with database.connect() as session:
        rows = session.execute(
            f"select o.subject from (\n{query}\n) as o left join pg_catalog.{anchor} as a on o.objid = a.oid"
            f" where a.{schema} is distinct from o.schemaid".encode()
        )
        return [subject for (subject,) in rows]
