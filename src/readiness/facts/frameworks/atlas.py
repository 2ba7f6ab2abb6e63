"""Atlas: `20240101120000_add_users.sql` beside `atlas.sum`; the way back is planned by Atlas itself, or stands in a `.down.sql`.

https://atlasgo.io/concepts/migration-directory-integrity. A file's hash is that of all names and contents up to its own, so
that only the first that differs was changed; both sides are compared by it.
"""

import base64
import hashlib

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    if "atlas.sum" not in folder.names:
        return []
    found = []
    sha = hashlib.sha256()
    for match in folder.matching(r"(?!.*\.down\.sql$)([^_/]+)[^/]*\.sql"):
        raw = folder.raw(match[0])
        sha.update(match[0].encode())
        if b"-- atlas:sum ignore" in raw:
            continue
        sha.update(raw)
        up = form.sql_file(folder, match[0], transactional=b"-- atlas:txmode none" not in raw)
        found.append(
            MigrationFile(
                path=match[0],
                name=match[1],
                up=up,
                reversible=None,
                checksum=base64.b64encode(sha.copy().digest()).decode(),
            )
        )
    return found


FRAMEWORK = Framework(
    name="atlas",
    table="atlas_schema_revisions",
    columns=frozenset({"version", "description", "applied", "total", "executed_at", "error", "hash"}),
    # A row that is Atlas's own mark (`.atlas_cloud_identifier`) is no migration; type 1 is a baseline.
    query="select version as name, case when coalesce(error, '') <> '' or applied < total then 'failed' "
    "when type = 1 then 'baseline' else 'applied' end as state, extract(epoch from executed_at)::float8 as at, "
    "hash as checksum from {} where version not like '.%' order by version",
    read=read,
    order=form.digits,
)
