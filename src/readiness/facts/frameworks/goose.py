"""goose: `00001_add_users.sql`, both ways behind `-- +goose Up` and `-- +goose Down`; or Go, which is only counted.

https://pressly.github.io/goose. The history keeps a row for each step up and down; the newest of a version counts.
"""

import re

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile

_UP, _DOWN = r"^--\s*\+goose\s+up\b[^\n]*$", r"^--\s*\+goose\s+down\b[^\n]*$"


def read(folder: Folder) -> list[MigrationFile]:
    found: list[MigrationFile] = []
    for match in sorted(folder.matching(r"(\d+)_[^/]+\.(sql|go)"), key=lambda m: int(m[1])):
        path, name = match[0], str(int(match[1]))
        if match[2] == "go":
            text = folder.text(path)
            call = re.search(r"goose\.Add(?:Named)?Migration\w*\(([^)]*)\)", text)
            if call is None:
                continue
            found.append(MigrationFile(path=path, name=name, reversible=not call[1].rstrip(", \n").endswith("nil")))
            continue
        whole = form.sql_file(folder, path, transactional="+goose no transaction" not in folder.text(path).lower())
        up, down = form.sections(whole, _UP, _DOWN)
        if up is None:
            return []
        found.append(form.both_ways(path, name, up, down))
    return found


FRAMEWORK = Framework(
    name="goose",
    table="goose_db_version",
    columns=frozenset({"id", "version_id", "is_applied"}),
    query="select version_id::text as name, case when is_applied then 'applied' else 'reverted' end as state, "
    "extract(epoch from tstamp::timestamptz)::float8 as at "
    "from (select distinct on (version_id) * from {} order by version_id, id desc) as latest "
    "where version_id > 0 order by id",
    read=read,
    order=form.digits,
)
