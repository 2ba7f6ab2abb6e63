"""dbmate: `20240101120000_add_users.sql`, both ways in one file behind `-- migrate:up` and `-- migrate:down`.

https://github.com/amacneil/dbmate. `schema_migrations` holds the version's digits alone: no time, no checksum.
"""

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile

_UP, _DOWN = r"^--\s*migrate:up\b[^\n]*$", r"^--\s*migrate:down\b[^\n]*$"


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in folder.matching(r"(\d+)[^/]*\.sql"):
        whole = form.sql_file(folder, match[0])
        up, down = form.sections(whole, _UP, _DOWN)
        if up is None:
            return []
        marker = whole.sql[: len(whole.sql) - len(up.sql)] if down is None else whole.sql
        untied = "transaction:false" in marker.replace(" ", "")
        if untied:
            up, down = up.untied(), down.untied() if down else None
        found.append(form.both_ways(match[0], match[1], up, down))
    return found


FRAMEWORK = Framework(
    name="dbmate",
    table="schema_migrations",
    columns=frozenset({"version"}),
    exclusive=frozenset({"dirty", "inserted_at"}),
    companion="!ar_internal_metadata",
    query="select version::text as name, 'applied' as state from {} order by version",
    read=read,
)
