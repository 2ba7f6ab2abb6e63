"""node-pg-migrate: one file a migration, named by a timestamp (13 digits; `utc`: 17; `index`: a few); both ways in it.

https://salsita.github.io/node-pg-migrate (migrations/, cli). Its history keeps the name without the extension, no checksum.
"""

import re

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile

_NAME = rf"([^/]*?(\d+)[_-][^/]*)\.(sql|{form.SCRIPTS})"
_UP, _DOWN = r"^\s*--[\s-]*up\s+migration[^\n]*$", r"^\s*--[\s-]*down\s+migration[^\n]*$"


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    ours = False
    for match in sorted(folder.matching(_NAME), key=lambda m: (int(m[2]), m[1])):
        path, name = match[0], match[1]
        if match[3] == "sql":
            whole = form.sql_file(folder, path)
            up, down = form.sections(whole, _UP, _DOWN)
            ours |= up is not None
            found.append(form.both_ways(path, name, up or whole, down))
            continue
        text = folder.text(path)
        ours |= bool(re.search(r"\bpgm\b|node-pg-migrate", text))
        found.append(MigrationFile(path=path, name=name, reversible=_undoes(text)))
    return found if ours else []


# What it undoes by itself where a migration has no `down` (each operation of its code that has a `reverse`).
_INFERRED = re.compile(
    r"rename\w+|refreshMaterializedView|grant(?:Roles|OnSchemas|OnTables)|add(?:Column|Columns|Constraint|Index|TypeAttribute)"
    r"|addToOperatorFamily|create(?:Cast|Column|Columns|Constraint|Domain|Extension|Function|Index|MaterializedView|Operator"
    r"|OperatorClass|OperatorFamily|Policy|Role|Schema|Sequence|Table|Trigger|Type|View)"
)


def _undoes(script: str) -> bool:
    text = form.without_comments(script)
    if re.search(r"\bdown\b\s*(?:=|\(|:)|\bfunction\s+down\b", text):
        return form.script_undoes(script)
    operations = re.findall(r"\bpgm\.(\w+)\s*\(", text)
    return bool(operations) and all(_INFERRED.fullmatch(o) for o in operations)


FRAMEWORK = Framework(
    name="node-pg-migrate",
    table="pgmigrations",
    columns=frozenset({"id", "name", "run_on"}),
    query="select name, 'applied' as state, extract(epoch from run_on::timestamptz)::float8 as at from {} order by run_on, id",
    read=read,
    order=form.digits,
)
