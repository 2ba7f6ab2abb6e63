"""TypeORM: `1700000000000-AddUsers.ts`, a class with `up` and `down`; the history keeps the class's name.

https://typeorm.io/docs/advanced-topics/migrations. The name ends with the timestamp; a `name` property goes before it.
"""

import re

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in sorted(folder.matching(rf"(?:.*/)?(\d+)-[^/]+\.{form.SCRIPTS}"), key=lambda m: (int(m[1]), m[0])):
        if match[0].endswith((".d.ts", ".d.mts", ".d.cts")):
            continue
        text = form.without_comments(folder.text(match[0]))
        name = re.search(r"\bname\s*=\s*[\"'`]([^\"'`]+)[\"'`]", text) or re.search(r"\bclass\s+(\w+)", text)
        if name is None or not re.search(r"\b[qQ]ueryRunner\b", text):
            return []
        found.append(MigrationFile(path=match[0], name=name[1], reversible=form.script_undoes(text)))
    return found


FRAMEWORK = Framework(
    name="typeorm",
    table="migrations",
    columns=frozenset({"id", "timestamp", "name"}),
    query="select name, 'applied' as state from {} order by id",
    read=read,
    order=lambda name: (re.search(r"\d*$", name) or [""])[0],
)
