"""golang-migrate: `000001_add_users.up.sql` and `.down.sql`; its history is one row, where it stands and whether it failed.

https://github.com/golang-migrate/migrate (MIGRATIONS.md, database/postgres).
"""

from collections.abc import Sequence

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile, Record, State


def read(folder: Folder) -> list[MigrationFile]:
    everything = set(folder.names)
    found = []
    for match in sorted(folder.matching(r"(\d+)_([^/]*)\.up\.sql"), key=lambda m: int(m[1])):
        back = match[0].removesuffix(".up.sql") + ".down.sql"
        down = form.sql_file(folder, back, transactional=False) if back in everything else None
        up = form.sql_file(folder, match[0], transactional=False)
        found.append(form.both_ways(match[0], str(int(match[1])), up, down))
    return found


def applied(files: Sequence[MigrationFile], records: Sequence[Record]) -> frozenset[str]:
    """All up to where it stands; the one that it failed at is not."""
    return frozenset(
        f.name
        for r in records
        for f in files
        if int(f.name) < int(r.name) or (r.state is State.APPLIED and f.name == r.name)
    )


FRAMEWORK = Framework(
    name="golang-migrate",
    table="schema_migrations",
    columns=frozenset({"version", "dirty"}),
    query="select version::text as name, case when dirty then 'failed' else 'applied' end as state from {} order by version",
    read=read,
    applied=applied,
)
