"""What the services' sources hold: SQL in their strings, tables defined twice, files written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stage
from asking import ask, found
from conftest import Database
from readiness.demo.folder import lay_out
from readiness.embedded import Cluster
from readiness.model import Examined, NotApplicable, Outcome, Unknown
from readiness.profile import Profile

DDL, WRITES, TWICE = "migration/embedded-ddl", "migration/file-write-in-source", "schema/table-defined-twice"


@pytest.fixture(scope="module")
def dsn(embedded_cluster: Cluster) -> Iterator[str]:
    """A database that nothing is asked of."""
    with stage.database(embedded_cluster) as made:
        yield made.dsn()


PROFILE = Profile.model_validate(
    {
        "name": "t",
        "services": {"a": {"sources": ["a"], "keeps_files": False}},
        "migrations": {"directory": "a/db/changes"},
    }
)


def look(check: str, dsn: str, folder: Path, files: dict[str, str], profile: Profile = PROFILE) -> Outcome:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return ask(check, dsn, profile=profile, folder=folder)


def place(outcome: Outcome) -> tuple[object, object]:
    assert isinstance(outcome, Examined), outcome
    (finding,) = outcome.findings
    return finding.evidence["file"], finding.evidence["line"]


# One table is made in each, on the line that is given.
MAKES = {
    "a.js": ("\n\npool.query(`create table\n  t (id int)`);", 3),
    "b.ts": ('const x: string = "CREATE TABLE IF NOT EXISTS " + schema + ".t (id int)";', 1),
    "c.tsx": ("const q = `\n\n  CREATE TABLE ${schema}.t (id int)`; const v = <b>hi</b>;", 3),
    "d.py": (
        'def f():\n    """Not this: create table x (id int)."""\n    db("create table "\n       f"{s}.t (id int)")\n',
        3,
    ),
    "e.go": ("package a\nfunc f() {\n\tdb.Exec(`select 1;\n\tcreate table t (id int)`)\n}", 4),
    "f.java": ('class A { void f() {\n  s.execute("create table t " +\n    "(id int)"); } }', 2),
    "g.rb": ("db.execute(<<~SQL)\n  create table t (id int)\nSQL\n", 2),
    "h.php": ("<?php\n$db->exec('create table t (id int)');", 2),
    "i.cs": ('class A { void F() {\n db.Exec(@"create table ""T"" (id int)"); } }', 2),
    "j.kt": ('fun f() {\n  db.exec("""\n    create table t (id int)\n  """) }', 3),
    "k.sql": ("-- a remark\ncreate table t (id int);", 2),
    "l.js": ("await sequelize.sync({ alter: true });", 1),
    "m.py": ("\nBase.metadata.create_all(engine)\n", 2),
    "n.ts": ("new DataSource({\n  type: 'postgres',\n  synchronize: true });", 3),
    "o.go": ("package a\nfunc f() { db.AutoMigrate(&User{}) }", 2),
    "p.js": ("q('alter table t add column b text'); // more", 1),
    "q.js": ("q('drop table if exists a.t cascade')", 1),
    "r.js": ("q(`create index on t (id)`)", 1),
    "s.js": ("q('CREATE SCHEMA IF NOT EXISTS auth')", 1),
    "t.js": ("q('select 1; create or replace view v as select 1')", 1),
}


@pytest.mark.parametrize("name", MAKES)
def test_a_statement_in_a_string(name: str, dsn: str, tmp_path: Path):
    code, line = MAKES[name]
    assert place(look(DDL, dsn, tmp_path, {f"a/{name}": code})) == (f"a/{name}", line)


HARMLESS = {
    "a/comment.js": "// pool.query('create table t (id int)')\n/* create table t (id int) */\nconst x = 1;",
    "a/english.js": "say('Create table for two'); say('create table'); say('Drop table here'); say('could not alter table t');",
    "a/temporary.js": "q('create temporary table t (id int)'); q('insert into t values (1)'); q('select 1')",
    "a/query.js": "q(\"select 'create table t (id int)' as example\"); const o = { synchronize: false };",
    "a/said.py": 'log("create table failed: %s (retrying)")\nlog(f"create {thing} first")\n',
    "a/test/t.js": "q('create table t (id int)')",
    "a/src/t.test.ts": "q('create table t (id int)')",
    "a/t_test.go": "package a\nfunc f() { db.Exec(`create table t (id int)`) }",
    "a/migrations/1.js": "q('create table t (id int)')",
    "a/db/changes/1.js": "q('create table t (id int)')",
    "a/node_modules/x/t.js": "q('create table t (id int)')",
    "a/broken.ts": "function ( { ` ' create table",
    "a/readme.md": "create table t (id int);",
}


def test_what_is_no_statement(dsn: str, tmp_path: Path):
    outcome = look(DDL, dsn, tmp_path, HARMLESS)
    assert isinstance(outcome, Examined)
    assert outcome.findings == ()
    assert outcome.observations[0].evidence["files_read"] == 6


def test_what_is_not_declared_or_not_there_is_unknown(dsn: str, tmp_path: Path):
    for services in ({"a": {}}, {"a": {"sources": ["nowhere"]}}, {"a": {"sources": ["empty"]}}):
        (tmp_path / "empty").mkdir(exist_ok=True)
        profile = Profile.model_validate({"name": "t", "services": services})
        assert isinstance(look(DDL, dsn, tmp_path, {}, profile), Unknown)
        assert isinstance(look(WRITES, dsn, tmp_path, {}, profile), Unknown)
        assert isinstance(look(TWICE, dsn, tmp_path, {}, profile), Unknown)
    assert isinstance(look(DDL, dsn, tmp_path, {}, Profile(name="t")), Unknown)
    none = Profile.model_validate({"name": "t", "services": {}})
    assert isinstance(look(DDL, dsn, tmp_path, {}, none), NotApplicable)


def test_without_the_grammars_it_says_what_to_install(dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tree_sitter", None)
    outcome = look(DDL, dsn, tmp_path, {"a/a.js": "1"})
    assert isinstance(outcome, Unknown)
    assert "readiness[sources]" in (outcome.unlock or "")


KEEPS = {
    "a.js": "fs.writeFileSync(path.join(DATA, 'x.json'), JSON.stringify(x))",
    "b.ts": "\nawait fs.promises.appendFile(`${dir}/log.jsonl`, line);",
    "c.py": "with open(path, 'w') as f:\n    json.dump(x, f)\n",
    "d.py": "Path(p).write_text(x)",
    "e.go": "package a\nfunc f() { os.WriteFile(p, b, 0o600) }",
    "f.java": 'class A { void f() { Files.writeString(p, "x"); } }',
    "g.java": "class A { void f() { var w = new FileWriter(p); } }",
    "h.rb": "File.write(p, x)",
    "i.rb": "File.open(p, 'a') { |f| f.puts x }",
    "j.php": "<?php file_put_contents($p, $x);",
    "k.cs": "class A { void F() { File.WriteAllText(p, x); } }",
    "l.kt": "fun f() { File(p).writeText(x) }",
}


@pytest.mark.parametrize("name", KEEPS)
def test_a_file_is_written(name: str, dsn: str, tmp_path: Path):
    assert found(look(WRITES, dsn, tmp_path, {f"a/{name}": KEEPS[name]})) == {"a"}


def test_what_is_read_or_not_kept_is_no_file(dsn: str, tmp_path: Path):
    files = {
        "a/a.js": "fs.readFileSync(p); fs.writeFileSync(path.join(os.tmpdir(), 'x'), y); process.stdout.write(x); // writeFile(x)",
        "a/b.py": "open(p)\nopen(p, 'rb')\njson.dumps(x)\njson.dump(x, sys.stdout)\n'open(p, \"w\")'\n",
        "a/c.go": "package a\nfunc f() { os.ReadFile(p); os.Open(p) }",
        "a/d.test.js": "fs.writeFileSync(p, x)",
    }
    assert found(look(WRITES, dsn, tmp_path, files)) == set()
    may = Profile.model_validate({"name": "t", "services": {"a": {"sources": ["a"], "keeps_files": True}}})
    assert found(look(WRITES, dsn, tmp_path, {"a/e.js": "fs.writeFileSync(p, x)"}, may)) == set()


@pytest.mark.parametrize(
    ("files", "twice"),
    [
        ({"a/a.js": "q('create table users (id int)')", "a/b.js": "q('create table users (id uuid)')"}, {"users"}),
        ({"a/a.js": "q('create table users (id int)'); q('create table auth.users (id int)')"}, {"auth.users"}),
        ({"a/a.js": "q('create table a.log (id int)'); q('create table b.log (id int)')"}, set()),
        ({"a/a.js": "q('create table users (id int)'); q('alter table users add b int')"}, set()),
    ],
)
def test_a_table_defined_twice(files: dict[str, str], twice: set[str], dsn: str, tmp_path: Path):
    assert found(look(TWICE, dsn, tmp_path, files)) == twice


def test_the_sample_platform(embedded_database: Database, tmp_path: Path):
    from readiness import profile

    sample = profile.load_shipped("devmentor", {}).profile
    for state in ("before", "after"):
        lay_out(tmp_path / state, state)
    before = {
        check: look(check, embedded_database.dsn(), tmp_path / "before", {}, sample)
        for check in (DDL, WRITES, TWICE, UNTIED)
    }
    assert found(before[DDL]) == {"auth", "project", "scraper"}
    assert found(before[WRITES]) == {"memory", "project"}
    assert found(before[TWICE]) == {"auth.users"}
    assert found(before[UNTIED]) == {"project"}
    for check in (DDL, WRITES, TWICE, UNTIED):
        assert found(look(check, embedded_database.dsn(), tmp_path / "after", {}, sample)) == set()


UNTIED = "migration/writes-without-transaction"
TWO_WRITES = "await {0}.query('insert into a.tasks values ($1)', [x]);\n  await {0}.query(`update log set n = ${{n}}`);"


@pytest.mark.parametrize(
    ("code", "untied"),
    [
        ("const pool = new Pool();\nasync function f() {\n  " + TWO_WRITES.format("pool") + "\n}", True),
        ("export async function f(db: Pool) {\n  " + TWO_WRITES.format("db") + "\n}", True),
        ("const db = new pg.Pool({max: 1});\nclass A { async f() {\n  " + TWO_WRITES.format("db") + "\n} }", True),
        ("const pool = new Pool();\nasync function f(client) {\n  " + TWO_WRITES.format("client") + "\n}", False),
        (
            "const pool = new Pool();\nasync function f() { await pool.query('select 1'); await pool.query('delete from a'); }",
            False,
        ),
        (
            "const pool = new Pool();\nasync function f() { if (x) { await pool.query('delete from a'); return; }"
            " await pool.query('delete from b'); }",
            False,
        ),
        (
            "const pool = new Pool();\nconst f = () => pool.query('delete from a');\nconst g = () => pool.query('delete from b');",
            False,
        ),
        (
            "const pool = new Pool();\nasync function f() { await pool.query('with d as (delete from a returning *) "
            "insert into b select * from d'); }",
            False,
        ),
    ],
)
def test_writes_that_no_transaction_holds_together(code: str, untied: bool, dsn: str, tmp_path: Path):
    outcome = look(UNTIED, dsn, tmp_path, {"a/a.ts": code})
    assert found(outcome) == ({"a"} if untied else set())
    if untied:
        assert place(outcome)[0] == "a/a.ts"


def test_in_another_language_a_transaction_is_not_told(dsn: str, tmp_path: Path):
    outcome = look(UNTIED, dsn, tmp_path, {"a/a.py": "db.execute('delete from a'); db.execute('delete from b')"})
    assert isinstance(outcome, Unknown)
