import re

from readiness import RATIO, Answer, NotApplicable, Observation, check
from readiness.facts.frameworks.form import MigrationFile
from readiness.facts.migrations import MigrationFolder, MigrationSources
from readiness.sqltext import Statement, statements

# How a migration that isn't SQL inserts rows: Alembic, Sequelize, Knex, Django's ORM, Active Record, TypeORM's builder.
_CALLS = re.compile(
    r"\b(?:op\.bulk_insert|bulkInsert|bulk_create|insert_all!?|create!)\s*\(|\bknex\b[^;]{0,200}\.insert\s*\(\s*\["
)
_INSERTS = re.compile(r"\binsert\s+into\b[^;`\"']{0,400}?\bvalues\b((?:[^;`]|'[^']*')*)", re.IGNORECASE)


@check(
    subject="migration",
    universe="migrations in the folder",
    priority="P2",
    effort="M",
    credit=RATIO,
    mend="Move the rows into the seeds folder, as statements that can run again; leave the migration the schema.",
)
def seed_data_in_migration(folder: MigrationFolder, sources: MigrationSources, *, most_rows: int = 10) -> Answer:
    """Migrations change the schema, and bring no seed data along.

    A migration runs once, everywhere. Sample rows in one end up in production, can't be refreshed, and stand in the way when
    it is undone. A few rows that the schema means (the values of a lookup table), and the moving of rows that are there
    already, are no seed data: up to `most_rows` rows pass.
    """
    if not folder.files:
        return NotApplicable(f"0 migrations in {folder.directory}")
    return [_judge(f, folder.place(f.path), sources.text.get(f.path, ""), most_rows) for f in _once(folder)]


def _once(folder: MigrationFolder) -> list[MigrationFile]:
    return list({f.name: f for f in folder.files}.values())


def _judge(file: MigrationFile, place: str, text: str, most_rows: int) -> Observation:
    if file.up is None:
        call = _CALLS.search(text)
        rows = sum(_rows_in_text(m[1]) for m in _INSERTS.finditer(text))
        line = text.count("\n", 0, call.start()) + 1 if call else None
        ok = call is None and rows <= most_rows
        return Observation(subject=file.name, ok=ok, evidence={"file": place, "line": line, "rows": rows or None})
    rows, line = 0, None
    for statement in statements(file.up.sql):
        more = _rows(statement)
        if more and line is None:
            line = file.up.line + statement.line - 1
        rows += more
    return Observation(subject=file.name, ok=rows <= most_rows, evidence={"file": place, "line": line, "rows": rows})


def _rows(statement: Statement) -> int:
    """The rows that a statement writes out: of `values` behind an insert. A COPY brings as many as it likes."""
    tokens = statement.tokens
    if statement.starts("copy") and any(t.says("from") for t in tokens) and any(t.says("stdin") for t in tokens):
        return 1_000_000
    inserts = next((at for at, t in enumerate(tokens) if t.says("insert")), None)
    leads = tokens[0].says("insert", "with") and inserts is not None
    if not leads or inserts is None:
        return 0
    depth = rows = 0
    counting = False
    for token in tokens[inserts:]:
        if token.text == "(":
            rows += counting and depth == 0
            depth += 1
        elif token.text == ")":
            depth -= 1
        elif depth == 0 and token.says("values"):
            counting = True
        elif depth == 0 and token.kind == "word":
            counting = False
    return rows


def _rows_in_text(values: str) -> int:
    return len(re.findall(r"\)\s*,\s*\(", values)) + 1
