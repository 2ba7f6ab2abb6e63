"""Flyway: `V2__add_users.sql`, the way back in `U2__add_users.sql` (a paid feature), `R__views.sql` whenever it changes.

https://documentation.red-gate.com/fd (migrations, schema history table). The checksum is the CRC-32 of the lines without
their ends, as a signed number.
"""

import re
import zlib
from collections.abc import Sequence

from readiness.facts.frameworks import form
from readiness.facts.frameworks.form import Folder, Framework, MigrationFile, Record, Script, State


def checksum(text: str) -> str:
    crc = 0
    for line in re.split(r"\r\n|\r|\n", text):
        crc = zlib.crc32(line.encode(), crc)
    return str(crc - (1 << 32) if crc >= 1 << 31 else crc)


def version(name: str) -> tuple[int, ...]:
    """`V1_2__x.sql`, or 1.2 as a baseline has it; empty for what has none."""
    match = re.fullmatch(r"(?:.*/)?V([\d._]+?)__.*|([\d._]+)", name)
    if match is None:
        return ()
    numbers = [int(n) for n in re.split(r"[._]", match[1] or match[2]) if n]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def read(folder: Folder) -> list[MigrationFile]:
    undo = {version("V" + m[1] + "__"): m[0] for m in folder.matching(r"(?:.*/)?U([\d._]+?)__.*\.sql")}
    found = []
    versioned = [m[0] for m in folder.matching(r"(?:.*/)?V[\d._]+?__.*\.sql")]
    for path in sorted(versioned, key=version):
        up = _script(folder, path)
        down = _script(folder, undo[version(path)]) if version(path) in undo else None
        found.append(form.both_ways(path, path, up, down, checksum=checksum(up.sql)))
    repeated = sorted(m[0] for m in folder.matching(r"(?:.*/)?R__.*\.sql"))
    for path in repeated if found else ():
        up = _script(folder, path)
        plain = MigrationFile(path=path, name=path, up=up, reversible=True, checksum=checksum(up.sql), repeatable=True)
        found.append(plain)
    return found


def _script(folder: Folder, path: str) -> Script:
    script = form.sql_file(folder, path)
    settings = folder.text(path + ".conf") if path + ".conf" in folder.names else ""
    untied = re.search(r"^executeInTransaction\s*=\s*false", settings, re.MULTILINE)
    return script.untied() if untied else script


def applied(files: Sequence[MigrationFile], records: Sequence[Record]) -> frozenset[str]:
    """What it ran, and all up to its baseline; a repeatable one as long as it is the same."""
    ran = {r.name: r for r in records if r.state is State.APPLIED}
    below = max((version(r.name) for r in records if r.state is State.BASELINE), default=())
    return frozenset(
        f.name
        for f in files
        if (f.name in ran and not (f.repeatable and ran[f.name].checksum != f.checksum))
        or (not f.repeatable and version(f.name) <= below)
    )


FRAMEWORK = Framework(
    name="flyway",
    table="flyway_schema_history",
    columns=frozenset({"installed_rank", "version", "type", "script", "checksum", "installed_on", "success"}),
    # A repeatable migration has a row for each run, and an undone one a row for each way: the newest counts.
    query="select case when type in ('BASELINE', 'SQL_BASELINE') then version else script end as name, case "
    "when not success then 'failed' when type = 'BASELINE' then 'baseline' when undone then 'reverted' "
    "else 'applied' end as state, "
    "extract(epoch from installed_on::timestamptz)::float8 as at, checksum::text as checksum from ("
    "select distinct on (h.script) h.*, exists (select from {} as u where u.version = h.version "
    "and u.type in ('UNDO_SQL', 'DELETE') and u.success and u.installed_rank > h.installed_rank) as undone from {} as h "
    "where h.type not in ('UNDO_SQL', 'DELETE', 'SCHEMA') order by h.script, h.installed_rank desc) as newest "
    "order by installed_rank",
    read=read,
    applied=applied,
    order=lambda name: (not version(name), version(name)),
)
