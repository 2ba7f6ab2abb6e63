"""Knex: `20240101120000_add_users.js`, with `exports.up` and `exports.down`.

https://knexjs.org/guide/migrations.html. The history keeps the name with its extension, and no checksum.
"""

import re

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    found = []
    for match in folder.matching(rf"\d+_[^/]+\.{form.SCRIPTS}"):
        text = folder.text(match[0])
        if re.search(r"\bpgm\b|\bqueryInterface\b|\bQueryRunner\b", text):
            return []
        found.append(MigrationFile(path=match[0], name=match[0], reversible=form.script_undoes(text)))
    return found


FRAMEWORK = Framework(
    name="knex",
    table="knex_migrations",
    columns=frozenset({"id", "name", "batch", "migration_time"}),
    query="select name, 'applied' as state, extract(epoch from migration_time)::float8 as at from {} order by id",
    lock_table="knex_migrations_lock",
    lock="select null::float8 as seconds, null::text as holder from {} where is_locked = 1",
    read=read,
    key=lambda name: name.rpartition(".")[0],  # written in TypeScript, run as JavaScript
    order=lambda name: name,
)
