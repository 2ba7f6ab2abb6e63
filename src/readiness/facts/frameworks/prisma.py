"""Prisma Migrate: `20240101120000_add_users/migration.sql`; there is no way back but a `down.sql` that one writes beside it.

https://www.prisma.io/docs/orm/prisma-migrate. The checksum is the SHA-256 of the file.
"""

import hashlib

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    everything = set(folder.names)
    found = []
    for match in folder.matching(r"(?:.*/)?([^/]+)/migration\.sql"):
        back = match[0].removesuffix("migration.sql") + "down.sql"
        down = form.sql_file(folder, back, transactional=False) if back in everything else None
        up = form.sql_file(folder, match[0], transactional=False)
        sha = hashlib.sha256(folder.raw(match[0])).hexdigest()
        found.append(form.both_ways(match[0], match[1], up, down, checksum=sha))
    return found


FRAMEWORK = Framework(
    name="prisma",
    table="_prisma_migrations",
    columns=frozenset({"id", "checksum", "finished_at", "migration_name", "rolled_back_at", "started_at"}),
    # A migration that failed and was resolved has a row for each try; the newest counts.
    query="select migration_name as name, case when rolled_back_at is not null then 'reverted' "
    "when finished_at is null then 'failed' else 'applied' end as state, "
    "extract(epoch from finished_at)::float8 as at, checksum from ("
    "select distinct on (migration_name) * from {} order by migration_name, started_at desc) as newest "
    "order by started_at",
    read=read,
    order=form.digits,
)
