"""yoyo: `0001-add-users.py` with `step(apply, rollback)`, or `0001-add-users.sql` beside `0001-add-users.rollback.sql`.

https://ollycope.com/software/yoyo/latest. Order is by `depends`, then by name. Its hash is of the name: no checksum.
"""

import ast
import re

from readiness.facts.frameworks import form, python
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    everything = set(folder.names)
    found = []
    ours = False
    for match in folder.matching(r"([^/]+)\.(py|sql)"):
        path, name = match[0], match[1]
        if name.endswith(".rollback") or name == "__init__" or name.startswith("post-apply"):
            continue
        if match[2] == "sql":
            back = f"{name}.rollback.sql"
            ours |= back in everything
            untied = bool(re.search(r"^--\s*transactional:\s*false", folder.text(path), re.MULTILINE))
            up = form.sql_file(folder, path, transactional=not untied)
            down = form.sql_file(folder, back, transactional=not untied) if back in everything else None
            found.append(form.both_ways(path, name, up, down))
            continue
        module = python.parse(folder.text(path))
        imports = [n for n in module.body if isinstance(n, ast.ImportFrom) and n.module == "yoyo"] if module else []
        if module is None or not imports:
            continue
        ours = True
        steps = [n for n in ast.walk(module) if isinstance(n, ast.Call) and ast.unparse(n.func) == "step"]
        can = all(len(s.args) >= 2 or any(k.arg == "rollback" for k in s.keywords) for s in steps)
        after = python.names(python.assigned(module).get("__depends__"))
        found.append(MigrationFile(path=path, name=name, reversible=can, after=after))
    return found if ours else []


FRAMEWORK = Framework(
    name="yoyo",
    table="_yoyo_migration",
    columns=frozenset({"migration_hash", "migration_id", "applied_at_utc"}),
    query="select migration_id as name, 'applied' as state, extract(epoch from applied_at_utc)::float8 as at "
    "from {} order by applied_at_utc, migration_id",
    lock_table="yoyo_lock",
    lock="select extract(epoch from now() at time zone 'UTC' - ctime)::float8 as seconds, 'pid ' || pid as holder from {} where locked = 1",
    read=read,
    order=lambda name: name,
)
