"""Every SQL check has a story: break a real database, see it named, take its own remedy, see it gone.

A story is `tests/stories/<category>/<name>.sql`, named like its check, in sections that open with a line of dashes:

    --- broken: public.orders, public."Odd Name"     the exact findings, and the SQL that makes them
    --- near misses                                  what must stay quiet beside them
    --- mend                                         only where the remedy is worded: what a reader of it would run
    --- parameters: name=value                       optional: policy parameters

It is plain SQL; `select pg_sleep(1.2);` stands where the server has to write its counters first.

It runs as superuser and again as a bare login role, which must find the same or say that it doesn't know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from asking import ask, checks, found, remedies
from conftest import Database
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Unknown

FOLDER = Path(__file__).parent / "stories"


@dataclass
class Story:
    check: str
    named: set[str] = field(default_factory=set)
    broken: str = ""
    near_misses: str = ""
    mend: str = ""
    parameters: dict[str, str] = field(default_factory=dict)


def read(path: Path) -> Story:
    story = Story(check=f"{path.parent.name}/{path.stem.replace('_', '-')}")
    for opening, body in re.findall(r"^--- ([^\n]*)\n(.*?)(?=^--- |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
        title, _, rest = opening.partition(":")
        match title.strip():
            case "broken":
                story.named, story.broken = set(_names(rest)), body
            case "near misses":
                story.near_misses = body
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


def tell(database: Database, script: str) -> None:
    """Run a part of a story, without its sleeps where counters are written on demand."""
    if database.cluster.runtime.major >= 15:
        script = script.replace("select pg_sleep(1.2);", "select pg_stat_force_next_flush();")
    database.run(script)


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.check)
def test_story_on_other_versions(story: Story, older_cluster: Cluster, make_database: Callable[[Cluster], Database]):
    """Catalogs differ between versions: what is broken is named on each, and nothing else."""
    database = make_database(older_cluster)
    try:
        tell(database, story.near_misses + story.broken)
    except psycopg.errors.Error as error:
        if error.sqlstate not in NOT_IN_THIS_VERSION or older_cluster.runtime.major > RUNS_ON:
            raise
        assert not isinstance(ask(story.check, database.dsn(), parameters=story.parameters), Unknown)
        return
    assert found(ask(story.check, database.dsn(), parameters=story.parameters)) == story.named


# A story may use what an older server lacks: a syntax, a function, a view's option. Each runs as it stands on Debian's 15
# and on 18 (test_story), so what fails on one of those in between is the story's own fault.
RUNS_ON = 15
NOT_IN_THIS_VERSION = frozenset({"42601", "42883", "22023", "42704", "0A000", "42P16"})


@pytest.mark.parametrize("story", STORIES, ids=lambda s: s.check)
def test_story(story: Story, database: Database):
    check = story.check
    quiet_before = ask(check, database.dsn(), parameters=story.parameters)
    assert not isinstance(quiet_before, Examined) or not quiet_before.findings, "an empty database has a finding"

    tell(database, story.near_misses)
    assert found(ask(check, database.dsn(), parameters=story.parameters)) == set(), "a near miss is flagged"

    tell(database, story.broken)
    outcome = ask(check, database.dsn(), parameters=story.parameters)
    assert found(outcome) == story.named

    as_bare = ask(check, database.bare_dsn(), parameters=story.parameters)
    if not isinstance(as_bare, Unknown):
        assert found(as_bare) == story.named, "a bare role sees less and does not say so"

    for remedy in remedies(outcome):
        if not story.mend:
            database.run(remedy)
    database.run(story.mend)
    after = ask(check, database.dsn(), parameters=story.parameters)
    assert isinstance(after, Examined | NotApplicable)
    assert found(after) == set(), "the remedy does not take the finding away"
