"""sqitch: the order in `sqitch.plan`, each change a file in deploy/, revert/ and verify/; a schema `sqitch` in the database.

https://sqitch.org/docs/manual/sqitchchanges. The checksum is the SHA-1 of the deploy script. The folder is the one with the plan.
"""

import hashlib
import re

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile


def read(folder: Folder) -> list[MigrationFile]:
    plan = next((n for n in ("sqitch.plan", "database/sqitch.plan") if n in folder.names), None)
    if plan is None:
        return []
    home = plan.removesuffix("sqitch.plan")
    everything = set(folder.names)
    changes: list[tuple[str, str]] = []  # the name, and its file's stem
    since: dict[str, int] = {}
    for line in folder.text(plan).splitlines():
        tag = re.match(r"\s*@(\S+)", line)
        change = re.match(r"\s*\+?\s*([^\s%#@\[]\S*)", line)
        if tag:
            # A change that is planned again later keeps what it was under the name of the tag between.
            for name, at in since.items():
                if changes[at][1] == name:
                    changes[at] = (name, f"{name}@{tag[1]}")
        elif change:
            if change[1] in since:
                changes[since[change[1]]] = (change[1], changes[since[change[1]]][1])
            since[change[1]] = len(changes)
            changes.append((change[1], change[1]))
    found = []
    for at, (name, stem) in enumerate(changes):
        file = stem if since[name] != at else name
        deploy, revert = f"{home}deploy/{file}.sql", f"{home}revert/{file}.sql"
        if deploy not in everything:
            continue
        down = form.sql_file(folder, revert, transactional=False) if revert in everything else None
        sha = hashlib.sha1(folder.raw(deploy), usedforsecurity=False).hexdigest()
        up = form.sql_file(folder, deploy, transactional=False)
        found.append(form.both_ways(deploy, name, up, down, checksum=sha))
    # Of a change that was planned again, the history's newest row is the newest plan's.
    return list({f.name: f for f in found}.values())


FRAMEWORK = Framework(
    name="sqitch",
    table="changes",
    columns=frozenset({"change_id", "change", "project", "committed_at", "script_hash"}),
    query="select change as name, 'applied' as state, extract(epoch from committed_at)::float8 as at, script_hash as checksum "
    "from (select distinct on (change) * from {} order by change, committed_at desc) as newest order by committed_at",
    read=read,
)
