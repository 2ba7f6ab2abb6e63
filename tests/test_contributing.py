"""The worked example of CONTRIBUTING.md is executed: a reader who follows it gets a check that works."""

from __future__ import annotations

import re
from pathlib import Path

from asking import NOW, found, remedies
from conftest import Database
from readiness import foreign, runner
from readiness.facts.postgres import Postgres
from readiness.facts.target import Services, Target
from readiness.model import Examined
from readiness.profile import Profile
from test_stories import read, tell

PAGE = Path(__file__).parent.parent / "CONTRIBUTING.md"


def examples() -> dict[str, str]:
    blocks = re.findall(r"<!-- worked example: (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    return dict(blocks)


def test_the_worked_example_works(database: Database, tmp_path: Path):
    for name, text in examples().items():
        file = tmp_path / name.removeprefix("checks/readiness_checks/").removeprefix("tests/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    checks = {c.info.id: c for c in foreign.load(str(tmp_path), tmp_path)}
    assert set(checks) == {"schema/table-without-comment", "operations/many-services"}

    story = read(tmp_path / "stories" / "schema" / "table_without_comment.sql")

    def ask(dsn: str):
        postgres = Postgres(dsn)
        facts = runner.Facts({Target: Target(profile=Profile(name="t"), folder=tmp_path, now=NOW), Postgres: postgres})
        try:
            return runner.ask(checks["schema/table-without-comment"], facts, {})
        finally:
            postgres.close()

    tell(database, story.near_misses)
    assert found(ask(database.dsn())) == set()
    tell(database, story.broken)
    outcome = ask(database.dsn())
    assert found(outcome) == story.named(15) == found(ask(database.bare_dsn()))
    for remedy in remedies(outcome):
        database.run(remedy)
    assert found(ask(database.dsn())) == set()


def test_the_python_example_answers_for_a_made_fact(tmp_path: Path):
    (tmp_path / "operations").mkdir()
    example = next(text for name, text in examples().items() if name.endswith(".py"))
    (tmp_path / "operations" / "many_services.py").write_text(example)
    (check,) = foreign.load(str(tmp_path), tmp_path)
    few = Services({"a": Profile.model_validate({"name": "t", "services": {"a": {}}}).services["a"]})
    outcome = runner.conclude(check.ask(services=few, most=0), check.info)
    assert isinstance(outcome, Examined)
    assert outcome.findings[0].evidence == {"services": 1, "most": 0}
