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
        found.append(MigrationFile(path=path, name=name, reversible=form.script_undoes(text)))
    return found if ours else []


FRAMEWORK = Framework(
    name="node-pg-migrate",
    table="pgmigrations",
    columns=frozenset({"id", "name", "run_on"}),
    query="select name, 'applied' as state, extract(epoch from run_on::timestamptz)::float8 as at from {} order by run_on, id",
    read=read,
    order=form.digits,
)
